"""One text as ids. Nothing here counts, chooses words or holds anything out."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from fflm.config import DataConfig
from fflm.errors import ConfigError, TextError
from fflm.text.corpora import parse_name, read_corpus
from fflm.text.marks import IDS as MARKS
from fflm.text.marks import UnitPlaces, end_units
from fflm.text.sources import read_files
from fflm.text.tokenizer import LINE_END, Tokenizer
from fflm.text.vocabulary import SPECIALS, Vocabulary

#: In the stream boundary a unit has so many tokens, or a hundredth of a shorter text.
STREAM_UNIT = 1000
#: So many unknown words are kept to be named.
MOST_UNKNOWN = 10


@dataclass(frozen=True)
class TokenStream:
    """A text as ids.

    Attributes
    ----------
    ids : (N,) int32
        In the ``line`` boundary each line ends with the id of ``</s>``; nothing is padded.
    unit_starts : (U + 1,) int64
        Unit u is ``ids[unit_starts[u]:unit_starts[u + 1]]``: a line, or a block of the stream.
    characters : int
        Characters of the original text, line ends included; of text that comes as tokens, the characters of the
        tokens joined by single spaces. Of units drawn at random it is their share by the length of their words.
    source : str
        What was read, for reports.
    lines : (U,) int64, optional
        The line on which each unit stands in its file, from 1; of units as they were read in the ``line`` boundary.
    files : tuple of (int, str)
        The first unit of each file, and its name, where there are `lines`.
    unknown_words : tuple of str
        The most frequent of the words that the vocabulary lacks, at most 10, where they are known.

    Examples
    --------
    >>> stream = TokenStream(np.array([3, 0, 2], np.int32), np.array([0, 3]), 8, "a.txt")
    >>> len(stream), stream.unknown
    (3, 1)
    """

    ids: np.ndarray
    unit_starts: np.ndarray
    characters: int
    source: str
    lines: np.ndarray | None = None
    files: tuple[tuple[int, str], ...] = ()
    unknown_words: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def unknown(self) -> int:
        """How many tokens are ``<unk>``."""
        return int(np.count_nonzero(self.ids == Vocabulary.UNK))


def encode(sources: Sequence[str], tokenizer: Tokenizer, vocabulary: Vocabulary, data: DataConfig) -> TokenStream:
    """Read `sources` as one text in the ids of `vocabulary`; unknown words become ``<unk>``.

    Parameters
    ----------
    sources : sequence of str
        Files, folders, ``-`` or named corpora.
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
    >>> encode(["text.txt"], tokenizer, vocabulary, DataConfig()).ids  # doctest: +SKIP
    array([3, 0, 2], dtype=int32)
    """
    known = _KnownIds((word, vocabulary.id(word)) for word in vocabulary.words)
    stream = read_stream(sources, tokenizer, known, data.encoding)
    return replace(stream, unknown_words=tuple(word for word, _ in known.unknown.most_common(MOST_UNKNOWN)))


def encode_tokens(
    sources: Sequence[str], tokenizer: Tokenizer, vocabulary: Vocabulary, data: DataConfig
) -> tuple[TokenStream, list[str]]:
    """What `encode` gives, and each token as it stands in the text, known or not; the end of a line is ``</s>``.

    Examples
    --------
    >>> encode_tokens(["text.txt"], tokenizer, vocabulary, DataConfig())[1]  # doctest: +SKIP
    ['the', 'dog', '</s>']
    """
    new = NewIds()
    stream = read_stream(sources, tokenizer, new, data.encoding)
    return new.encoded(stream, vocabulary), [new.words[i] for i in stream.ids]


class _KnownIds(dict):
    """Ids of known words; of the others it counts how often they are asked for."""

    def __init__(self, ids: Iterable[tuple[str, int]]):
        super().__init__(ids)
        self.unknown: Counter[str] = Counter()

    def __missing__(self, token: str) -> int:
        self.unknown[token] += 1
        return Vocabulary.UNK


class NewIds(dict):
    """Token to provisional id, from 3 on in the order of first occurrence; `words` is the way back.

    Examples
    --------
    >>> ids = NewIds()
    >>> ids["the"], ids["cat"], ids["the"], ids.words
    (3, 4, 3, ['<unk>', '<s>', '</s>', 'the', 'cat'])
    """

    def __init__(self, given: Mapping[str, int] | None = None):
        super().__init__(given or {})
        self.words = list(SPECIALS)

    def __missing__(self, token: str) -> int:
        self[token] = number = len(self.words)
        self.words.append(token)
        return number

    def lookup(self, vocabulary: Vocabulary) -> np.ndarray:
        """The id in `vocabulary` of each provisional id: (len(words),) int32."""
        ids = vocabulary.encode(self.words)
        ids[Vocabulary.EOS] = Vocabulary.EOS
        return ids

    def encoded(self, stream: TokenStream, vocabulary: Vocabulary) -> TokenStream:
        """A stream of provisional ids in those of `vocabulary`."""
        lookup = self.lookup(vocabulary)
        counts = np.bincount(stream.ids, minlength=len(lookup)) * (lookup == Vocabulary.UNK)
        counts[: len(SPECIALS)] = 0
        best = np.argsort(-counts, kind="stable")[:MOST_UNKNOWN]
        words = tuple(self.words[i] for i in best if counts[i])
        return replace(stream, ids=lookup[stream.ids], unknown_words=words)


def read_stream(sources: Sequence[str], tokenizer: Tokenizer, ids: dict, encoding: str) -> TokenStream:
    """Read `sources` as one text; `ids` gives each token its number, and may grow (`encode` says the rest).

    Examples
    --------
    >>> read_stream(["text.txt"], tokenizer, {"a": 3, "b": 4}, "utf-8").ids  # doctest: +SKIP
    array([3, 4, 3], dtype=int32)
    """
    if isinstance(sources, str) or not sources:
        raise ConfigError(f"sources must be a list of at least one file or corpus, got {sources!r}")
    config = tokenizer.config
    by_line = config.boundary == "line"
    ids.update(MARKS)
    if by_line:
        ids[LINE_END] = Vocabulary.EOS
    parts: list[np.ndarray] = []
    lengths: list[int] = []
    places = UnitPlaces()
    for source in sources:
        if config.tokenizer == "char" and not by_line and parts and parts[-1][-1] != ids[LINE_END]:
            parts.append(np.array([ids[LINE_END]], np.int32))
            lengths.append(1)
        blocks = (
            (file, np.fromiter(map(ids.__getitem__, tokens), np.int32, len(tokens)))
            for file, tokens in _token_blocks(source, tokenizer, encoding, lengths)
        )
        found = list(end_units(blocks, by_line, places))
        if not found:
            raise TextError(f"text must have at least one token, got none in {source!r}")
        parts += found
    numbers = np.concatenate(parts)
    lines, files = (np.concatenate(places.lines), tuple(places.files)) if by_line else (None, ())
    characters = max(1, sum(lengths) - places.mark_characters)
    return TokenStream(numbers, _unit_starts(numbers, by_line), characters, ", ".join(sources), lines, files)


def _token_blocks(
    source: str, tokenizer: Tokenizer, encoding: str, lengths: list[int]
) -> Iterator[tuple[str, list[str]]]:
    """The tokens of a source in blocks, each with its file; the characters of each block are appended to `lengths`."""
    name = parse_name(source)
    blocks = ((source, block) for block in read_corpus(*name, tokenizer)) if name else read_files(source, encoding)
    first = next(blocks, (source, ""))
    blocks = chain((first,), blocks)
    if not isinstance(first[1], list):
        files: deque[str] = deque()
        for tokens in tokenizer.tokens_of_blocks(_measure(blocks, lengths, files)):
            yield files.popleft(), tokens
        return
    for file, tokens in blocks:
        lengths.append(sum(len(token) + 1 for token in tokens if token != LINE_END))
        yield file, tokens


def _measure(blocks: Iterable[tuple[str, str]], lengths: list[int], files: deque[str]) -> Iterator[str]:
    for file, block in blocks:
        lengths.append(len(block))
        files.append(file)
        yield block


def _unit_starts(ids: np.ndarray, by_line: bool) -> np.ndarray:
    if by_line:
        ends = np.flatnonzero(ids == Vocabulary.EOS) + 1
    else:
        size = min(STREAM_UNIT, max(1, len(ids) // 100))
        ends = np.append(np.arange(size, len(ids), size), len(ids))
    return np.concatenate(([0], ends)).astype(np.int64)
