"""Held-out text that occurs in the training text too: verbatim units, sought by hashing, then compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from fflm.text.notes import Note
from fflm.text.stream import TokenStream
from fflm.text.vocabulary import Vocabulary

#: The fewest tokens of a unit in the stream boundary; shorter ones are joined, as a few words recur in any language.
SHORTEST_BLOCK = 20
#: Longer lines seldom recur by chance.
LONG = 10

#: How many tokens are hashed at once.
PIECE = 2**18
BASE = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2**64
FILTER_BITS = 20


@dataclass(frozen=True)
class Leak:
    """How much of a text occurs verbatim in another one.

    Attributes
    ----------
    units, of_units : int
        How many units occur there, and how many units there are.
    tokens, of_tokens : int
        The tokens of these units, and all tokens of the text.
    long_units : int
        How many of `units` are longer than 10 tokens; short lines recur without having leaked.
    kind : {"lines", "blocks"}
        What the units are.
    """

    units: int
    of_units: int
    tokens: int
    of_tokens: int
    long_units: int
    kind: str

    def warning(self, what: str, where: str) -> Note:
        """Say it in one line.

        Examples
        --------
        >>> note = Leak(12, 4000, 60, 50_000, 3, "lines").warning("validation", "training")
        >>> print(note)  # doctest: +NORMALIZE_WHITESPACE
        warning: 12 of 4,000 validation units (lines; 0.3 %, 0.12 % of the tokens) occur verbatim in the training
        text; longer than 10 tokens: 3
        """
        share, tokens = 100 * self.units / self.of_units, 100 * self.tokens / self.of_tokens
        return Note(
            f"{self.units:,} of {self.of_units:,} {what} units ({self.kind}; {share:.3g} %, {tokens:.3g} % of the "
            f"tokens) occur verbatim in the {where} text; longer than {LONG} tokens: {self.long_units:,}",
            is_warning=True,
        )


def leak_warnings(texts: Mapping[str, TokenStream | None]) -> list[Note]:
    """Warn of each text of which units occur in a text before it; the names are those of the parts.

    The ids of all texts must be of one numbering, best one in which no two words share an id (`NewIds`).

    Examples
    --------
    >>> text = TokenStream(np.array([3, 4, 2, 4, 2], np.int32), np.array([0, 3, 5]), 8, "a.txt")
    >>> other = TokenStream(np.array([5, 2, 3, 4, 2], np.int32), np.array([0, 2, 5]), 8, "b.txt")
    >>> (note,) = leak_warnings({"training": text, "validation": other, "test": None})
    >>> note.text[:64]
    '1 of 2 validation units (lines; 50 %, 60 % of the tokens) occur '
    """
    streams = {name: stream for name, stream in texts.items() if stream is not None}
    pairs = [(what, where) for i, what in enumerate(streams) for where in list(streams)[:i]]
    leaks = [(find_leaks(streams[where].ids, streams[what]), what, where) for what, where in pairs]
    return [leak.warning(what, where) for leak, what, where in leaks if leak.units]


def find_leaks(train_ids: np.ndarray, stream: TokenStream) -> Leak:
    """Count the units of `stream` that occur verbatim in a text.

    A line occurs if it is a line of that text, end included. A block of a stream occurs if the same tokens stand in a
    row anywhere in that text; blocks are the units of the stream, neighbours together where they have less than 20
    tokens.

    Parameters
    ----------
    train_ids : (N,) int32
        The text that is searched. Word for word means the words that the ids stand for: what became ``<unk>`` is the
        same to it.
    stream : TokenStream
        In the same ids, with the same boundary.

    Examples
    --------
    >>> stream = TokenStream(np.arange(40, 70, dtype=np.int32), np.array([0, 30]), 90, "a.txt")
    >>> find_leaks(np.arange(3, 1000, dtype=np.int32), stream)
    Leak(units=1, of_units=1, tokens=30, of_tokens=30, long_units=1, kind='blocks')
    """
    train_ids, ids = (np.ascontiguousarray(array, np.int32) for array in (train_ids, stream.ids))
    by_line = bool((ids[stream.unit_starts[1:] - 1] == Vocabulary.EOS).all())  # blocks of marked text may end with one
    bounds = stream.unit_starts if by_line else _blocks(stream.unit_starts)
    sizes = np.diff(bounds)
    hashes = _hash_runs(ids, bounds[:-1], sizes).tolist()
    units = [ids[a:b].tobytes() for a, b in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)]
    missing: dict[int, set[bytes]] = {}
    for value, unit in zip(hashes, units, strict=True):
        missing.setdefault(value, set()).add(unit)
    _strike_out(missing, train_ids, _lines(train_ids, sizes) if by_line else _windows(train_ids, sizes))
    leaked = np.array([unit not in missing[value] for value, unit in zip(hashes, units, strict=True)])
    return Leak(
        units=int(leaked.sum()),
        of_units=len(units),
        tokens=int(sizes[leaked].sum()),
        of_tokens=len(ids),
        long_units=int((sizes[leaked] > LONG).sum()),
        kind="lines" if by_line else "blocks",
    )


def _blocks(unit_starts: np.ndarray) -> np.ndarray:
    """Return the bounds of the units, without those that leave less than SHORTEST_BLOCK tokens on a side."""
    bounds, last = [0], int(unit_starts[-1])
    for bound in unit_starts[1:-1].tolist():
        if min(bound - bounds[-1], last - bound) >= SHORTEST_BLOCK:
            bounds.append(bound)
    return np.array([*bounds, last])


#: Hashes, starts and ends of runs of tokens, all (R,).
Runs = tuple[np.ndarray, np.ndarray, np.ndarray]


def _strike_out(missing: dict[int, set[bytes]], ids: np.ndarray, places: Iterator[Runs]) -> None:
    """Remove from `missing` whatever stands at one of the places: hashes, starts and ends, piece by piece."""
    shift = np.uint64(64 - FILTER_BITS)
    possible = np.zeros(2**FILTER_BITS, bool)
    possible[np.fromiter(missing, np.uint64, len(missing)) >> shift] = True
    for hashes, starts, ends in places:
        hits = np.flatnonzero(possible[hashes >> shift])
        for value, start, end in zip(hashes[hits].tolist(), starts[hits].tolist(), ends[hits].tolist(), strict=True):
            if left := missing.get(value):
                left.discard(ids[start:end].tobytes())
        if not any(missing.values()):
            return


def _lines(ids: np.ndarray, sizes: np.ndarray) -> Iterator[Runs]:
    """Yield hashes, starts and ends of the lines that are as long as one of `sizes`."""
    ends = np.flatnonzero(ids == Vocabulary.EOS) + 1
    starts = np.concatenate(([0], ends))[:-1]
    same = np.isin(ends - starts, sizes)
    starts, ends = starts[same], ends[same]
    yield _hash_runs(ids, starts, ends - starts), starts, ends


def _windows(ids: np.ndarray, sizes: np.ndarray) -> Iterator[Runs]:
    """Yield hashes, starts and ends of all runs that are as long as one of `sizes`, wherever they begin."""
    for size in np.unique(sizes).tolist():
        piece = max(PIECE, size)
        powers, inverse = _powers(BASE, piece + size), _powers(pow(BASE, -1, 2**64), piece)
        for first in range(0, len(ids) - size + 1, piece):
            part = _mixed(ids[first : first + piece + size - 1])
            sums = np.concatenate((np.zeros(1, np.uint64), np.cumsum(part * powers[: len(part)])))
            starts = np.arange(first, first + len(sums) - size)
            yield (sums[size:] - sums[:-size]) * inverse[: len(starts)], starts, starts + size


def _hash_runs(ids: np.ndarray, starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Sum mixed(id) * BASE**place modulo 2**64 over each run, places counted from its first token: (R,) uint64."""
    hashes = np.empty(len(starts), np.uint64)
    powers = _powers(BASE, int(sizes.max(initial=0)))
    ends = np.cumsum(sizes)
    first = 0
    while first < len(starts):
        done = ends[first] - sizes[first]
        last = max(first + 1, int(np.searchsorted(ends, done + PIECE, side="right")))
        part = sizes[first:last]
        offsets = ends[first:last] - part - done
        within = np.arange(ends[last - 1] - done) - np.repeat(offsets, part)
        values = _mixed(ids[np.repeat(starts[first:last], part) + within]) * powers[within]
        hashes[first:last] = np.add.reduceat(values, offsets)
        first = last
    return hashes


def _powers(base: int, count: int) -> np.ndarray:
    """Compute base**0, base**1 ... modulo 2**64: (count,) uint64."""
    factors = np.full(count, base, np.uint64)
    factors[:1] = 1
    return np.cumprod(factors)


def _mixed(ids: np.ndarray) -> np.ndarray:
    """Mix each id to a uint64 (the finalizer of SplitMix64), as ids themselves are small and in a row."""
    x = ids.astype(np.uint64) + np.uint64(BASE)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
