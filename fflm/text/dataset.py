"""Text to ids: one pass over the text, the vocabulary cut from its counts, units held out for validation."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from fflm.config import DataConfig, TokenizerConfig
from fflm.errors import ConfigError, TextError
from fflm.text.corpora import parse_name, read_corpus
from fflm.text.sources import join_files, read_blocks
from fflm.text.tokenizer import LINE_END, Tokenizer
from fflm.text.vocabulary import SPECIALS, Vocabulary

DEFAULT_VALID_FRACTION = 0.05

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


@dataclass(frozen=True)
class Corpus:
    """What training needs: a vocabulary with its training counts, the streams, and notes for the report."""

    vocabulary: Vocabulary
    train: TokenStream
    valid: TokenStream
    test: TokenStream | None
    notes: tuple[str, ...]


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
    return _read(sources, tokenizer, known, data.encoding)


def load(
    sources: Sequence[str],
    valid: Sequence[str] | None,
    test: Sequence[str] | None,
    tokenizer_config: TokenizerConfig,
    data: DataConfig,
    seed: int,
) -> Corpus:
    """Read text for training and for validation; only the training part makes the vocabulary.

    Without `valid`, a share of the units (`data.valid_fraction`, else 0.05; at least one, never all) is drawn at
    random and held out, and what remains is joined. Where all `sources` are named corpora without a split, and neither
    `valid` nor `data.valid_fraction` is given, the corpora's own splits are used, for `test` too if it is None.

    Parameters
    ----------
    sources, valid, test : sequence of str
        Files, folders, ``-`` or named corpora.
    tokenizer_config : TokenizerConfig
    data : DataConfig
    seed : int
        Of the units drawn.

    Raises
    ------
    ConfigError
        If no source is given, or both `valid` and `data.valid_fraction`.
    TextError
        If a source can't be read or has no tokens, there is only one unit, or no word is frequent enough.

    Examples
    --------
    >>> load(["stdlib"], None, None, TokenizerConfig(), DataConfig(), seed=1).notes  # doctest: +SKIP
    ('validation: the valid split of stdlib', 'test: the test split of stdlib', ...)
    """
    if valid and data.valid_fraction is not None:
        raise ConfigError(f"valid_fraction must not be given together with valid, got {data.valid_fraction!r}")
    tokenizer = Tokenizer(tokenizer_config)
    words = _NewIds()
    names = [parse_name(source) for source in sources]
    notes = []
    if not valid and data.valid_fraction is None and names and all(name and name[1] is None for name in names):
        valid = [f"{name}:valid" for name, _ in names]
        notes.append(f"validation: the valid split of {', '.join(sources)}")
        if not test:
            test = [f"{name}:test" for name, _ in names]
            notes.append(f"test: the test split of {', '.join(sources)}")
        sources = [f"{name}:train" for name, _ in names]
    train = _read(sources, tokenizer, words, data.encoding)
    if valid:
        held_out = _read(valid, tokenizer, words, data.encoding)
    else:
        train, held_out, note = _hold_out(train, words, data.valid_fraction or DEFAULT_VALID_FRACTION, seed)
        notes.append(note)
    tested = _read(test, tokenizer, words, data.encoding) if test else None
    notes += _corpus_notes([*sources, *(valid or ()), *(test or ())])
    vocabulary, lookup = _cut_vocabulary(train, words, data)
    parts = (stream and _remap(stream, lookup) for stream in (train, held_out, tested))
    return Corpus(vocabulary, *parts, tuple(notes))


class _NewIds(dict):
    """Token to provisional id in the order of first occurrence; `words` is the way back."""

    def __init__(self):
        super().__init__(dict.fromkeys(SPECIALS, Vocabulary.UNK))
        self.words = list(SPECIALS)

    def __missing__(self, token: str) -> int:
        self[token] = number = len(self.words)
        self.words.append(token)
        return number


class _KnownIds(dict):
    def __missing__(self, token: str) -> int:
        return Vocabulary.UNK


def _read(sources: Sequence[str], tokenizer: Tokenizer, ids: dict, encoding: str) -> TokenStream:
    if isinstance(sources, str) or not sources:
        raise ConfigError(f"sources must be a list of at least one file or corpus, got {sources!r}")
    by_line = tokenizer.config.boundary == "line"
    # A literal line end can't be a token of text here, so it may stand for the id of </s> while reading.
    number = {**ids, LINE_END: Vocabulary.EOS} if by_line and not isinstance(ids, _NewIds) else ids
    if by_line:
        number[LINE_END] = Vocabulary.EOS
    return number
