"""Text as ids: one stream of words and where in it unrelated text was joined. Holds nothing out, counts no words."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, pairwise
from typing import Any, NamedTuple

import numpy as np

from fflm.config import DataConfig
from fflm.errors import ConfigError, TextError, option_name, shown
from fflm.text.corpora import NAMES, parse_name, read_corpus
from fflm.text.marks import IDS as MARKS
from fflm.text.marks import LineEnds, UnitPlaces, end_units
from fflm.text.sources import read_files
from fflm.text.tokenizer import LINE_END, Tokenizer
from fflm.text.vocabulary import SPECIALS, Vocabulary

#: The tokens of a unit in the stream boundary; of a text shorter than 100 units, a unit is a hundredth.
STREAM_UNIT = 1000
#: How many unknown words are kept to be named.
MOST_UNKNOWN = 10

#: The breaks of a text that is one from its beginning to its end. Compiled loops take writable arrays only.
NO_BREAKS = np.zeros(0, np.int64)


class KnownIds(np.ndarray):
    """Word ids of a stream that were checked against the size of a vocabulary, so that models need not check again.

    An array like any other; what is computed or cut from it is not known any more. Its words must not be changed.

    Attributes
    ----------
    vocab_size : int
        All ids are from 0 to `vocab_size` - 1; 0 where that is not known.
    """

    vocab_size = 0


def known_ids(ids: np.ndarray, vocab_size: int) -> np.ndarray:
    """Look once at ids (N,) and return them as `KnownIds`, int32 in C order; copied only if they are not that already.

    A memory map must be of mode ``"c"`` (or ``"r+"``) not to be copied: compiled loops take writable arrays only.

    Raises
    ------
    ConfigError
        If ids are no whole numbers, or one is outside the vocabulary.

    Examples
    --------
    >>> known_ids(np.array([3, 0, 2], np.int32), vocab_size=4).vocab_size
    4
    >>> known_ids(np.array([3, 0, 2], np.int32), vocab_size=3)
    Traceback (most recent call last):
    ...
    fflm.errors.ConfigError: ids must be from 0 to 2, got 0 to 3
    """
    if isinstance(ids, KnownIds) and 0 < ids.vocab_size <= vocab_size:
        return ids
    ids = np.asarray(ids)
    if ids.dtype.kind not in "iu":
        raise ConfigError(f"ids must be whole numbers, got an array of {ids.dtype}")
    # Read as an unsigned number, an id below 0 is a very large one: one pass finds both kinds.
    if ids.size and int(ids.view(ids.dtype.str.replace("i", "u")).max()) >= vocab_size:
        raise ConfigError(f"ids must be from 0 to {vocab_size - 1}, got {ids.min()} to {ids.max()}")
    known = np.require(ids, np.int32, ["C", "W"]).view(KnownIds)
    known.vocab_size = vocab_size
    return known


class Spellings(NamedTuple):
    """How the unknown tokens of a text are spelled.

    Attributes
    ----------
    words : tuple of str or None
        The different ones; None is ``<unk>`` where the text itself has it, which has no spelling.
    places : (unknown,) int64
        For each unknown token of the text, in order, its place among the `words`.
    """

    words: tuple[str | None, ...]
    places: np.ndarray


@dataclass(frozen=True)
class TokenStream:
    """A text as word ids of a vocabulary, and where its units and breaks are.

    Attributes
    ----------
    ids : (N,) int32
        In the ``line`` boundary each line ends with the id of ``</s>``, in ``eos`` with that of the word ``<eos>``;
        nothing is padded. They may lie in a memory map of mode ``"c"``, which kernels can read and which copies
        nothing.
    unit_starts : (U + 1,) int64
        Unit u is ``ids[unit_starts[u]:unit_starts[u + 1]]``: a line, or a block of the stream. No unit reaches over
        a break.
    characters : int
        Characters of the original text, line ends included; of text that comes as tokens, the characters of the
        tokens joined by single spaces. Of a part of a text it is a share by the length of its words.
    source : str
        What was read, for reports.
    breaks : (S,) int64
        The rising positions, above 0 and below N, at which text begins that does not follow what stands before it:
        contexts stop there as they stop at ``</s>``.
    lines : (U,) int64, optional
        The line on which each unit stands in its file, from 1; of units as they were read in the ``line`` boundary.
    files : tuple of (int, str)
        The first unit of each file, and its name, where there are `lines`.
    unknown_words : tuple of str
        The most frequent of the words that the vocabulary lacks, at most 10, where they are known.
    unk_in_text : int
        How many of the unknown tokens are no words that the vocabulary lacks: the text itself has ``<unk>`` there.
    spellings : Spellings, optional
        How the unknown tokens are spelled, where that is known.
    words : int
        What stands between white space in the original text, whatever the tokenizer; 0 where that is not known. Of a
        part of a text it is the same share as of the characters.

    Examples
    --------
    >>> stream = TokenStream(np.array([3, 0, 2], np.int32), np.array([0, 3]), 8, "a.txt")
    >>> len(stream), stream.unknown, len(stream.breaks)
    (3, 1, 0)
    """

    ids: np.ndarray
    unit_starts: np.ndarray
    characters: int
    source: str
    breaks: np.ndarray = field(default_factory=lambda: NO_BREAKS)
    lines: np.ndarray | None = None
    files: tuple[tuple[int, str], ...] = ()
    unknown_words: tuple[str, ...] = ()
    unk_in_text: int = 0
    spellings: Spellings | None = None
    words: int = 0

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def unknown(self) -> int:
        """How many tokens are ``<unk>``."""
        return int(np.count_nonzero(self.ids == Vocabulary.UNK))

    def in_vocabulary(self, lookup: np.ndarray, vocab_size: int) -> TokenStream:
        """Replace the ids by those that lookup (L,) int32 has for them, all of a vocabulary of `vocab_size`."""
        return replace(self, ids=known_ids(lookup[self.ids], vocab_size))

    def select(self, chosen: np.ndarray, characters: int) -> TokenStream:
        """Select the text of the units chosen (U,) bool, with a break wherever others were left out between two.

        Examples
        --------
        >>> stream = TokenStream(np.array([3, 4, 5, 6], np.int32), np.arange(5), 8, "a.txt")
        >>> part = stream.select(np.array([True, True, False, True]), 6)
        >>> part.ids.tolist(), part.unit_starts.tolist(), part.breaks.tolist()
        ([3, 4, 6], [0, 1, 2, 3], [2])
        """
        sizes = np.diff(self.unit_starts)
        unit_starts = np.concatenate(([0], np.cumsum(sizes[chosen])))
        begins_anew = np.isin(self.unit_starts[:-1], self.breaks)
        begins_anew[1:] |= ~chosen[:-1]
        breaks = unit_starts[:-1][begins_anew[chosen]]
        ids = np.asarray(self.ids)[np.repeat(chosen, sizes)]
        words = round(self.words * characters / self.characters)
        return TokenStream(ids, unit_starts, characters, self.source, breaks[breaks > 0], words=words)


def encode(sources: Sequence[str], tokenizer: Tokenizer, vocabulary: Vocabulary, data: DataConfig) -> TokenStream:
    """Read `sources` as one text in the ids of `vocabulary`; unknown words become ``<unk>``.

    Parameters
    ----------
    sources : sequence of str
        Files, folders, ``-`` or named corpora. Files follow one another as given; a corpus is a text by itself.
    tokenizer : Tokenizer
    vocabulary : Vocabulary
    data : DataConfig
        Only its `encoding` is used.

    Raises
    ------
    ConfigError
        If `sources` is empty.
    TextError
        If a source can't be read or has no tokens.

    Examples
    --------
    >>> encode(["text.txt"], tokenizer, vocabulary, DataConfig()).ids.tolist()  # doctest: +SKIP
    [3, 0, 2]
    """
    new = NewIds()
    return new.encoded(read_stream(sources, tokenizer, new, data.encoding), vocabulary)


def encode_tokens(
    sources: Sequence[str], tokenizer: Tokenizer, vocabulary: Vocabulary, data: DataConfig
) -> tuple[TokenStream, list[str]]:
    """Read `sources` as `encode` does, and return each token too as it stands in the text; a line ends with ``</s>``.

    Examples
    --------
    >>> encode_tokens(["text.txt"], tokenizer, vocabulary, DataConfig())[1]  # doctest: +SKIP
    ['the', 'dog', '</s>']
    """
    new = NewIds()
    stream = read_stream(sources, tokenizer, new, data.encoding)
    return new.encoded(stream, vocabulary), [new.words[i] for i in stream.ids]


class NewIds(dict[Any, int]):
    """Provisional ids of tokens, from 3 on in the order of first occurrence; `words` lists the tokens by their ids.

    Tokens are strings or, in ARPA files, bytes.

    Examples
    --------
    >>> ids = NewIds()
    >>> ids["the"], ids["cat"], ids["the"], ids.words
    (3, 4, 3, ['<unk>', '<s>', '</s>', 'the', 'cat'])
    """

    def __init__(self, given: Mapping[Any, int] | None = None):
        super().__init__(given or {})
        self.words: list[Any] = list(SPECIALS)

    def __missing__(self, token: Any) -> int:
        self[token] = number = len(self.words)
        self.words.append(token)
        return number

    def lookup(self, vocabulary: Vocabulary) -> np.ndarray:
        """Return the id in `vocabulary` of each provisional id: (len(words),) int32."""
        ids = vocabulary.encode(self.words)
        ids[Vocabulary.EOS] = Vocabulary.EOS
        return ids

    def encoded(self, stream: TokenStream, vocabulary: Vocabulary) -> TokenStream:
        """Replace the provisional ids of a stream by those of `vocabulary`."""
        lookup = self.lookup(vocabulary)
        counts = np.bincount(stream.ids, minlength=len(lookup)) * (lookup == Vocabulary.UNK)
        counts[: len(SPECIALS)] = 0
        best = np.argsort(-counts, kind="stable")[:MOST_UNKNOWN]
        words = tuple(self.words[i] for i in best if counts[i])
        encoded = stream.in_vocabulary(lookup, len(vocabulary))
        used, places = np.unique(stream.ids[encoded.ids == Vocabulary.UNK], return_inverse=True)
        spellings = Spellings(tuple(None if i < len(SPECIALS) else self.words[i] for i in used), places)
        return replace(encoded, unknown_words=words, unk_in_text=stream.unknown, spellings=spellings)


def read_stream(sources: Sequence[str], tokenizer: Tokenizer, ids: dict[str, int], encoding: str) -> TokenStream:
    """Read `sources` as one text; `ids` gives each token its number, and may grow (`encode` says the rest).

    Examples
    --------
    >>> read_stream(["text.txt"], tokenizer, {"a": 3, "b": 4}, "utf-8").ids  # doctest: +SKIP
    array([3, 4, 3], dtype=int32)
    """
    if isinstance(sources, str) or not sources:
        raise ConfigError(
            f"{option_name('sources')} must be a list of at least one file or corpus, got {shown(sources)}"
        )
    config = tokenizer.config
    by_line, chars = config.boundary == "line", config.tokenizer == "char" and config.boundary == "stream"
    ids.update(MARKS)
    if by_line:
        ids[LINE_END] = Vocabulary.EOS
    ends = LineEnds.of(ids.__getitem__, tokenizer)
    if ends:
        ids[LINE_END] = ends.newline
    parts: list[np.ndarray] = []
    lengths: list[int] = []
    words: list[int] = []
    breaks: list[int] = []
    places = UnitPlaces()
    position, before = 0, ""
    for source in sources:
        if chars and parts and parts[-1][-1] != ids.get(LINE_END, Vocabulary.UNK):
            parts.append(np.array([ids[LINE_END]], np.int32))
            lengths.append(1)
            position += 1
        if parse_name(source) or parse_name(before):  # a corpus goes on with nothing; files are one text, as given
            breaks.append(position)
        begin, before = position, source
        blocks: Iterator[tuple[str, np.ndarray | None]] = (
            (file, None if tokens is None else np.fromiter(map(ids.__getitem__, tokens), np.int32, len(tokens)))
            for file, tokens in _token_blocks(source, tokenizer, encoding, lengths, words)
        )
        if ends:
            blocks = ends.make_words(blocks, places)
        for block in end_units(blocks, by_line, places):
            if block is None:
                breaks.append(position)
            else:
                parts.append(block)
                position += len(block)
        if position == begin:
            raise TextError(f"text must have at least one token, got none in {shown(source)}")
    rising = np.unique(np.array(breaks, np.int64))
    rising = rising[(rising > 0) & (rising < position)]
    numbers = np.concatenate(parts)
    lines, files = (np.concatenate(places.lines), tuple(places.files)) if by_line else (None, ())
    characters = max(1, sum(lengths) - places.mark_characters)
    unit_starts = _unit_starts(numbers, by_line, rising)
    return TokenStream(numbers, unit_starts, characters, ", ".join(sources), rising, lines, files, words=sum(words))


def _token_blocks(
    source: str, tokenizer: Tokenizer, encoding: str, lengths: list[int], words: list[int]
) -> Iterator[tuple[str, list[str] | None]]:
    """Yield the tokens of a source in blocks, each with its file; None between two that do not belong together.

    The characters of each block are appended to `lengths`, how many words it has to `words`.
    """
    name = parse_name(source)
    blocks: Iterator[tuple[str, str | list[str] | None]] = (
        ((source, block) for block in read_corpus(*name, tokenizer)) if name else read_files(source, encoding, NAMES)
    )
    first = next(blocks, (source, ""))
    blocks = chain((first,), blocks)
    if isinstance(first[1], list):  # Brown: tokens, and no breaks
        for file, tokens in blocks:
            if isinstance(tokens, list):
                lengths.append(sum(len(token) + 1 for token in tokens if token != LINE_END))
                words.append(sum(token != LINE_END for token in tokens))
                yield file, tokens
        return
    # A tokenizer may read ahead, but gives back one list for each block, in order.
    read: deque[tuple[str, bool]] = deque()
    for tokens in tokenizer.tokens_of_blocks(_measure(blocks, lengths, words, read)):
        file, begins_anew = read.popleft()
        if begins_anew:
            yield file, None
        yield file, tokens


def _measure(
    blocks: Iterable[tuple[str, str | list[str] | None]],
    lengths: list[int],
    words: list[int],
    read: deque[tuple[str, bool]],
) -> Iterator[str]:
    """Yield the blocks of text, and append their lengths, their words, their files and whether each follows a None."""
    begins_anew = False
    for file, block in blocks:
        if isinstance(block, str):
            lengths.append(len(block))
            words.append(len(block.split()))
            read.append((file, begins_anew))
            yield block
        begins_anew = block is None


def _unit_starts(ids: np.ndarray, by_line: bool, breaks: np.ndarray) -> np.ndarray:
    if by_line:
        return np.concatenate(([0], np.flatnonzero(ids == Vocabulary.EOS) + 1)).astype(np.int64)
    size = min(STREAM_UNIT, max(1, len(ids) // 100))
    bounds = [0, *breaks.tolist(), len(ids)]
    starts = [np.arange(first, last, size) for first, last in pairwise(bounds)]
    return np.concatenate([*starts, [len(ids)]]).astype(np.int64)
