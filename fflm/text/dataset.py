"""Text for training: read once, the vocabulary cut from its counts, part of it held out for validation."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fflm.config import DataConfig, TokenizerConfig
from fflm.config.text import ALL_WORDS
from fflm.errors import ConfigError, TextError, option_name, shown
from fflm.text.corpora import SPLITS, parse_name, read_corpus
from fflm.text.leaks import leak_warnings
from fflm.text.notes import Note
from fflm.text.scripts import unspaced_notes
from fflm.text.sources import given_as, read_blocks
from fflm.text.stream import STREAM_UNIT, NewIds, TokenStream, encode, read_stream
from fflm.text.tokenizer import Tokenizer
from fflm.text.vocabulary import SPECIALS, Vocabulary

__all__ = ["Corpus", "TokenStream", "encode", "encode_texts", "fingerprint", "load", "stream_fingerprint"]

DEFAULT_VALID_FRACTION = 0.05

#: The most stretches that are held out of a stream; fewer, if they would be shorter than `STREAM_UNIT` tokens.
MOST_STRETCHES = 4

#: A number of its own for this draw: epochs and samples draw under small numbers with the same seed.
HELD_OUT = 0x68656C64


@dataclass(frozen=True)
class Corpus:
    """What training needs: a vocabulary with its training counts, the streams, and notes for the report.

    `unknown_words` are the words of the training text that the vocabulary lacks, in the order of first occurrence.
    """

    vocabulary: Vocabulary
    train: TokenStream
    valid: TokenStream
    test: TokenStream | None
    notes: tuple[Note, ...]
    tokenizer: Tokenizer
    unknown_words: tuple[str, ...] = ()

    @property
    def warnings(self) -> list[Note]:
        """The notes that warn of something, such as held-out text that occurs in the training text."""
        return [note for note in self.notes if note.is_warning]


def load(
    sources: Sequence[str],
    valid: Sequence[str] | None,
    test: Sequence[str] | None,
    tokenizer: Tokenizer | TokenizerConfig,
    data: DataConfig,
    seed: int,
    vocabulary: Vocabulary | None = None,
) -> Corpus:
    """Read text for training and for validation; only the training part makes the vocabulary.

    Without `valid`, a share of the units (`data.valid_fraction`, else 0.05; at least one, never all) is held out: of
    lines, lines drawn at random; of a stream, a few long stretches, one at a random place of each equal part of the
    text. No context reaches over the joints of what remains.

    Where all `sources` are named corpora without a split, and neither `valid` nor `data.valid_fraction` is given, the
    splits of the corpora are used, for `test` too if it is None. A note warns of units held out that occur verbatim in
    the training text, and of those of `test` that do in validation.

    Parameters
    ----------
    sources, valid, test : sequence of str
        Files, folders, ``-`` or named corpora.
    tokenizer : Tokenizer or TokenizerConfig
        It learns from the training text, unless `vocabulary` is given: then it has learned with that.
    data : DataConfig
    seed : int
        Decides which text is held out.
    vocabulary : Vocabulary, optional
        Take its words instead of cutting a vocabulary; the counts become those of the training text.

    Raises
    ------
    ConfigError
        If no source is given, or both `valid` and `data.valid_fraction`, or `vocabulary` and options that cut one.
    TextError
        If a source can't be read or has no tokens, there is only one unit, or no word is frequent enough.

    Examples
    --------
    >>> corpus = load(["stdlib"], None, None, TokenizerConfig(), DataConfig(), seed=1)  # doctest: +SKIP
    >>> [str(note) for note in corpus.notes]  # doctest: +SKIP
    ['validation: stdlib:valid', 'test: stdlib:test', 'stdlib: the documentation of Python 3.11.7']
    """
    if valid and data.valid_fraction is not None:
        raise ConfigError(
            f"{option_name('valid_fraction')} must not be given together with {option_name('valid')}, got "
            f"{data.valid_fraction!r}"
        )
    if vocabulary is not None:
        _check_uncut(data)
    tokenizer = Tokenizer(tokenizer) if isinstance(tokenizer, TokenizerConfig) else tokenizer
    by_line = tokenizer.config.boundary == "line"
    notes: list[Note] = []
    if not valid and data.valid_fraction is None:
        sources, valid, test, notes = _corpus_splits(sources, test)
    if not isinstance(sources, str):  # a string is refused below
        sources = _without_held_out(sources, [*(valid or ()), *(test or ())], notes)
    if vocabulary is None and not isinstance(sources, str):
        tokenizer = tokenizer.learn(_text_blocks(sources, tokenizer, data.encoding))
    new = NewIds()
    train = read_stream(sources, tokenizer, new, data.encoding)
    if valid:
        with given_as("valid"):
            held_out = read_stream(valid, tokenizer, new, data.encoding)
    else:
        word_lengths = _word_lengths(new, tokenizer)
        fraction = data.valid_fraction or DEFAULT_VALID_FRACTION
        train, held_out, note = _hold_out(train, word_lengths, fraction, by_line, seed)
        notes.append(note)
    with given_as("test"):
        tested = read_stream(test, tokenizer, new, data.encoding) if test else None
    notes += _corpus_notes([*sources, *(valid or ()), *(test or ())], tokenizer)
    # Before the vocabulary is cut, all words have ids: the same ids are the same text.
    notes += leak_warnings({"training": train, "validation": held_out, "test": tested})
    notes += unspaced_notes(new.words, np.bincount(train.ids, minlength=len(new.words)), tokenizer)
    vocabulary = _cut_vocabulary(train, new, data, vocabulary, tokenizer.end_word)
    return Corpus(
        vocabulary,
        new.encoded(train, vocabulary),
        new.encoded(held_out, vocabulary),
        None if tested is None else new.encoded(tested, vocabulary),
        tuple(notes),
        tokenizer,
        _unknown_words(train, new, vocabulary),
    )


def encode_texts(
    texts: Mapping[str, Sequence[str] | None], tokenizer: Tokenizer, vocabulary: Vocabulary, data: DataConfig
) -> tuple[dict[str, TokenStream | None], list[Note]]:
    """Read several texts, by name, as `encode` does; warn of units of one that occur verbatim in one before it.

    Parameters
    ----------
    texts : dict
        Sources by the name of the part, such as ``validation`` and ``test``; None where there is none.
    tokenizer, vocabulary, data
        As `encode` takes them.

    Returns
    -------
    streams : dict
    warnings : list of Note

    Examples
    --------
    >>> texts = {"validation": ["a.txt"], "test": ["b.txt"]}
    >>> [str(note) for note in encode_texts(texts, tokenizer, vocabulary, data)[1]]  # doctest: +SKIP
    ['warning: 1 of 20 test units (lines; 5 %, 2 % of the tokens) occur verbatim in the validation text; ...']
    """
    new = NewIds()
    streams = {}
    for name, part in texts.items():
        with given_as({"training": "train", "validation": "valid"}.get(name, name)):
            streams[name] = None if part is None else read_stream(part, tokenizer, new, data.encoding)
    encoded = {name: None if part is None else new.encoded(part, vocabulary) for name, part in streams.items()}
    return encoded, leak_warnings(streams)


def _without_held_out(sources: Sequence[str], held_out: Sequence[str], notes: list[Note]) -> list[str]:
    """Return the sources, a corpus cut down to its training part where another part of it is held out."""
    split_names = {name[0] for name in map(parse_name, held_out) if name and name[1]}
    kept = []
    for source in sources:
        if source in held_out:
            notes.append(Note(f"{source} is training text and held-out text at once", is_warning=True))
        name = parse_name(source)
        if name and name[1] is None and name[0] in split_names:
            source = f"{name[0]}:train"
            notes.append(Note(f"training: {source}, as another part of {name[0]} is held out"))
        kept.append(source)
    return kept


def fingerprint(corpus: Corpus) -> str:
    """Compute the SHA-256 of all that training reads (words, ids, breaks): the same only for the same text."""
    digest = hashlib.sha256("\n".join(corpus.vocabulary.words).encode(errors="surrogatepass"))
    for stream in (corpus.train, corpus.valid, corpus.test):
        digest.update(b"none" if stream is None else b"%d:" % len(stream))
        if stream is not None:
            digest.update(stream.ids.data.cast("B"))
        if stream is not None and len(stream.breaks):
            digest.update(b"breaks %d:" % len(stream.breaks))
            digest.update(stream.breaks.data.cast("B"))
    return digest.hexdigest()


def stream_fingerprint(stream: TokenStream) -> str:
    """Compute the SHA-256 of the ids and breaks of a text: the same only for the same text in the same vocabulary."""
    digest = hashlib.sha256(b"%d:" % len(stream))
    digest.update(np.ascontiguousarray(stream.ids).data.cast("B"))
    if len(stream.breaks):
        digest.update(stream.breaks.data.cast("B"))
    return digest.hexdigest()


def _text_blocks(sources: Sequence[str], tokenizer: Tokenizer, encoding: str) -> Iterator[str]:
    """Yield the training text before it is cut into tokens; it is read only if it is asked for."""
    for source in sources:
        name = parse_name(source)
        for block in read_corpus(*name, tokenizer) if name else read_blocks(source, encoding):
            if block is not None:
                yield block if isinstance(block, str) else " ".join(block)


def _corpus_splits(
    sources: Sequence[str], test: Sequence[str] | None
) -> tuple[Sequence[str], list[str] | None, Sequence[str] | None, list[Note]]:
    """Return sources, valid, test and notes: the splits of the corpora, where every source is one without a split."""
    names = [name for name in map(parse_name, sources) if name and name[1] is None]
    if not names or len(names) < len(sources):
        return sources, None, test, []
    train, valid, own_test = ([f"{name}:{split}" for name, _ in names] for split in SPLITS)
    notes = [Note(f"validation: {', '.join(valid)}")]
    if not test:
        notes.append(Note(f"test: {', '.join(own_test)}"))
    return train, valid, test or own_test, notes


def _hold_out(
    stream: TokenStream, word_lengths: np.ndarray, fraction: float, by_line: bool, seed: int
) -> tuple[TokenStream, TokenStream, Note]:
    """Divide a text into what remains for training and what is held out for validation, and say how."""
    units = len(stream.unit_starts) - 1
    if units < 2:
        raise TextError(
            f"text must have at least two lines or tokens to hold some out, got one in {shown(stream.source)}; "
            f"give more text, or a validation text with {option_name('valid')}"
        )
    count = min(units - 1, max(1, round(fraction * units)))
    generator = np.random.default_rng(np.random.SeedSequence([seed, HELD_OUT]))
    drawn = np.zeros(units, bool)
    if by_line:
        drawn[generator.choice(units, count, replace=False)] = True
        how = "lines) held out at random"
    else:
        most = min(MOST_STRETCHES, max(1, len(stream) * count // units // STREAM_UNIT))
        for first, last in _stretches(units, count, most, generator):
            drawn[first:last] = True
        stretches = np.count_nonzero(np.diff(drawn.astype(int), prepend=0) == 1)
        how = f"blocks) held out in {stretches} {'stretch' if stretches == 1 else 'stretches'}"
    note = Note(f"validation: {100 * count / units:.3g} % of the units ({count:,} of {units:,} {how}, seed {seed}")
    lengths = word_lengths[stream.ids]
    in_valid = int(lengths[np.repeat(drawn, np.diff(stream.unit_starts))].sum())
    characters = round(stream.characters * in_valid / int(lengths.sum()))
    return stream.select(~drawn, stream.characters - characters), stream.select(drawn, characters), note


def _stretches(units: int, count: int, most: int, generator: np.random.Generator) -> list[tuple[int, int]]:
    """Draw runs that hold `count` of so many units, one at a random place of each equal part: first, last-plus-one."""
    parts = min(most, count)
    bounds = [(units * part // parts, count * part // parts) for part in range(parts + 1)]
    runs = []
    for (first, done), (last, until) in pairwise(bounds):
        start = int(generator.integers(first, last - (until - done), endpoint=True))
        runs.append((start, start + until - done))
    return runs


def _word_lengths(new: NewIds, tokenizer: Tokenizer) -> np.ndarray:
    """Count the characters that each word takes of the text, with the space or line end after it unless it is one."""
    chars = tokenizer.config.tokenizer == "char"
    lengths = np.fromiter(map(len, new.words), np.int32, len(new.words)) + (not chars)
    lengths[Vocabulary.EOS] = chars
    if tokenizer.end_word is not None:
        lengths[new[tokenizer.end_word]] = chars
    return lengths


def _corpus_notes(sources: Sequence[str], tokenizer: Tokenizer) -> list[Note]:
    names = {name[0] for name in map(parse_name, sources) if name}
    notes = []
    if "stdlib" in names:
        notes.append(Note(f"stdlib: the documentation of Python {platform.python_version()}"))
    if "brown" in names and tokenizer.config.tokenizer != "char":
        notes.append(Note("brown: read as the tokens its editors made, whatever the tokenizer"))
    return notes


def _check_uncut(data: DataConfig) -> None:
    """Refuse the options that cut a vocabulary, where there is one already."""
    for name in ("vocab", "vocab_size", "min_count"):
        if getattr(data, name) != getattr(DataConfig, name):
            raise ConfigError(
                f"{option_name(name)} must not be given together with the vocabulary of a model, got "
                f"{getattr(data, name)!r}"
            )


def _unknown_words(train: TokenStream, new: NewIds, vocabulary: Vocabulary) -> tuple[str, ...]:
    """Return the words of the training text that the vocabulary lacks, in the order of first occurrence."""
    seen = np.bincount(train.ids, minlength=len(new.words)) > 0
    unknown = seen & (new.lookup(vocabulary) == Vocabulary.UNK)
    unknown[: len(SPECIALS)] = False
    return tuple(new.words[i] for i in np.flatnonzero(unknown))


def _cut_vocabulary(
    train: TokenStream, new: NewIds, data: DataConfig, vocabulary: Vocabulary | None, end_word: str | None
) -> Vocabulary:
    """Return the vocabulary given, that of a file, or the most frequent words, with counts in the training text.

    The word `end_word`, that of the ``eos`` boundary, is in a new one whatever its count.
    """
    counts = np.bincount(train.ids, minlength=len(new.words))
    if vocabulary is None:
        if data.vocab in (None, ALL_WORDS):
            size, least = (data.vocab_size, data.min_count) if data.vocab is None else (len(new.words), 1)
            return Vocabulary.from_counts(new.words, counts, size=size, min_count=least, first=end_word)
        with given_as("vocab"):
            vocabulary = Vocabulary.from_file(data.vocab, data.encoding, end_word)
    known = np.bincount(new.lookup(vocabulary), weights=counts, minlength=len(vocabulary))
    return Vocabulary(vocabulary.words, known.astype(np.int64))
