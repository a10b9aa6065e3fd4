"""One text as ids. Nothing here counts, chooses words or holds anything out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from fflm.config import DataConfig
from fflm.errors import ConfigError, TextError, option_name, shown
from fflm.text.corpora import parse_name, read_corpus
from fflm.text.sources import read_blocks
from fflm.text.tokenizer import LINE_END, Tokenizer
from fflm.text.vocabulary import SPECIALS, Vocabulary

#: In the stream boundary a unit has so many tokens, or a hundredth of a shorter text.
STREAM_UNIT = 1000


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
    return read_stream(sources, tokenizer, known, data.encoding)


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
    return replace(stream, ids=new.lookup(vocabulary)[stream.ids]), [new.words[i] for i in stream.ids]


class _KnownIds(dict):
    def __missing__(self, token: str) -> int:
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


def read_stream(sources: Sequence[str], tokenizer: Tokenizer, ids: dict, encoding: str) -> TokenStream:
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
    by_line = config.boundary == "line"
    if by_line:
        ids[LINE_END] = Vocabulary.EOS
    parts: list[np.ndarray] = []
    lengths: list[int] = []
    for source in sources:
        if config.tokenizer == "char" and not by_line and parts and parts[-1][-1] != ids[LINE_END]:
            parts.append(np.array([ids[LINE_END]], np.int32))
            lengths.append(1)
        blocks = (
            np.fromiter(map(ids.__getitem__, tokens), np.int32, len(tokens))
            for tokens in _token_blocks(source, tokenizer, encoding, lengths)
        )
        found = [block for block in (_end_lines(blocks) if by_line else blocks) if len(block)]
        if not found:
            raise TextError(f"text must have at least one token, got none in {shown(source)}")
        parts += found
    numbers = np.concatenate(parts)
    return TokenStream(numbers, _unit_starts(numbers, by_line), sum(lengths), ", ".join(sources))


def _token_blocks(source: str, tokenizer: Tokenizer, encoding: str, lengths: list[int]) -> Iterator[list[str]]:
    """The tokens of a source in blocks; the characters of each block are appended to `lengths`."""
    name = parse_name(source)
    blocks = read_corpus(*name, tokenizer) if name else read_blocks(source, encoding)
    first = next(blocks, "")
    blocks = chain((first,), blocks)
    if not isinstance(first, list):
        yield from tokenizer.tokenize_blocks(_measure(blocks, lengths))
        return
    for tokens in blocks:
        lengths.append(sum(len(token) + 1 for token in tokens if token != LINE_END))
        yield tokens


def _measure(blocks: Iterable[str], lengths: list[int]) -> Iterator[str]:
    for block in blocks:
        lengths.append(len(block))
        yield block


def _end_lines(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Drop the ends of empty lines; add the end that the last line may lack."""
    last = Vocabulary.EOS
    for block in blocks:
        if len(block):
            before = np.concatenate((np.array([last], np.int32), block[:-1]))
            yield block[(block != Vocabulary.EOS) | (before != Vocabulary.EOS)]
            last = block[-1]
    if last != Vocabulary.EOS:
        yield np.array([Vocabulary.EOS], np.int32)


def _unit_starts(ids: np.ndarray, by_line: bool) -> np.ndarray:
    if by_line:
        ends = np.flatnonzero(ids == Vocabulary.EOS) + 1
    else:
        size = min(STREAM_UNIT, max(1, len(ids) // 100))
        ends = np.append(np.arange(size, len(ids), size), len(ids))
    return np.concatenate(([0], ends)).astype(np.int64)
