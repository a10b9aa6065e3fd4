"""Where two models differ: the tokens of a text in groups, and the words that decide."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from fflm.evaluation.comparison_report import Row, WonWord
from fflm.evaluation.perplexity import LARGEST_NATS
from fflm.text import NO_BREAKS, Vocabulary

FREQUENCIES = (0, 1, 10, 100, 1000, 10000)
CONTEXT_COUNTS = (0, 1, 2, 10, 100)

Groups = Iterable[tuple[str, np.ndarray]]


def rows(groups: Groups, bits_a: np.ndarray, bits_b: np.ndarray) -> tuple[Row, ...]:
    """Make one row of each group, a label and a mask (N,) bool, that has tokens.

    Examples
    --------
    >>> rows([("all", np.array([True, True]))], np.array([1.0, 3.0]), np.array([1.0, 1.0]))
    (Row(label='all', tokens=2, share=1.0, perplexity_a=4.0, perplexity_b=2.0, difference=1.0),)
    """
    table = []
    for label, mask in groups:
        if tokens := int(np.count_nonzero(mask)):
            a, b = float(bits_a[mask].mean()), float(bits_b[mask].mean())
            table.append(Row(label, tokens, tokens / len(mask), _perplexity(a), _perplexity(b), a - b))
    return tuple(table)


def _perplexity(bits: float) -> float | None:
    return 2.0**bits if bits * math.log(2.0) <= LARGEST_NATS else None


def bands(counts: np.ndarray, limits: tuple[int, ...]) -> Groups:
    """Group counts (N,) from each limit up to the next.

    Examples
    --------
    >>> [(label, mask.tolist()) for label, mask in bands(np.array([0, 20]), (0, 1, 10))]
    [('0 (unseen)', [True, False]), ('1-9', [False, False]), ('10+', [False, True])]
    """
    for low, high in pairwise(limits):
        label = f"{low:,}" if high == low + 1 else f"{low:,}-{high - 1:,}"
        yield label if low else "0 (unseen)", (counts >= low) & (counts < high)
    yield f"{limits[-1]:,}+", counts >= limits[-1]


def by_frequency(ids: np.ndarray, counts: np.ndarray, line_ends: Sequence[int] = (Vocabulary.EOS,)) -> Groups:
    """Group the tokens ids (N,) by their words' counts (V,) in training; ``<unk>`` is a group, so are the line ends.

    Examples
    --------
    >>> counts = np.array([5, 0, 9, 20])
    >>> [label for label, mask in by_frequency(np.array([0, 3, 3, 2]), counts) if mask.any()]
    ['unknown word', '10-99', 'line end']
    """
    unknown, line_end = ids == Vocabulary.UNK, np.isin(ids, line_ends)
    yield "unknown word", unknown
    for label, mask in bands(counts[ids], FREQUENCIES):
        yield label, mask & ~unknown & ~line_end
    yield "line end", line_end


def by_neighbours(ids: np.ndarray, breaks: np.ndarray = NO_BREAKS) -> Groups:
    """Group the tokens ids (N,) by whether ``<unk>`` is among the two words before them, in the same line or text.

    Nothing before one of the breaks (S,) counts for what stands after it.

    Examples
    --------
    >>> [mask.tolist() for label, mask in by_neighbours(np.array([0, 3, 3, 3, 0, 2, 3]))]
    [[False, True, True, False, False, True, False], [True, False, False, True, True, False, True]]
    """
    unknown = ids == Vocabulary.UNK
    begins = np.zeros(len(ids), bool)
    begins[breaks] = True
    near = np.zeros(len(ids), bool)
    near[1:] = unknown[:-1]
    near[2:] |= unknown[:-2] & (ids[1:-1] != Vocabulary.EOS) & ~begins[1:-1]
    near &= ~begins
    yield "with <unk>", near
    yield "without <unk>", ~near


def won_words(ids: np.ndarray, saved: np.ndarray, words: list[str], top: int) -> tuple[WonWord, ...]:
    """List the words of the tokens ids (N,) on which most is saved, of the bits saved (N,) on each token.

    Examples
    --------
    >>> won_words(np.array([3, 4, 3]), np.array([1.0, -1.0, 0.5]), ["<unk>", "<s>", "</s>", "yes", "no"], top=5)
    (WonWord(word='yes', occurrences=2, bits=1.5),)
    """
    occurrences = np.bincount(ids)
    bits = np.bincount(ids, weights=saved)
    best = np.argsort(-bits, kind="stable")[:top]
    return tuple(WonWord(words[i], int(occurrences[i]), float(bits[i])) for i in best if bits[i] > 0)
