"""Text for training: read once, the vocabulary cut from its counts, units held out for validation."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fflm.config import DataConfig, TokenizerConfig
from fflm.errors import ConfigError, TextError, option_name, shown
from fflm.text.corpora import SPLITS, parse_name
from fflm.text.leaks import leak_warnings
from fflm.text.stream import NewIds, TokenStream, encode, read_stream
from fflm.text.tokenizer import Tokenizer
from fflm.text.vocabulary import SPECIALS, Vocabulary

__all__ = ["Corpus", "TokenStream", "encode", "encode_texts", "fingerprint", "load"]

DEFAULT_VALID_FRACTION = 0.05


@dataclass(frozen=True)
class Corpus:
    """What training needs: a vocabulary with its training counts, the streams, and notes for the report.

    A note that begins with ``warning:`` is one of `warnings` too, for whoever wants to say it at once.
    """

    vocabulary: Vocabulary
    train: TokenStream
    valid: TokenStream
    test: TokenStream | None
    notes: tuple[str, ...]

    @property
    def warnings(self) -> list[str]:
        """The notes that warn of something, such as held-out text that occurs in the training text."""
        return [note for note in self.notes if note.startswith("warning:")]


def load(
    sources: Sequence[str],
    valid: Sequence[str] | None,
    test: Sequence[str] | None,
    tokenizer_config: TokenizerConfig,
    data: DataConfig,
    seed: int,
    vocabulary: Vocabulary | None = None,
) -> Corpus:
    """Read text for training and for validation; only the training part makes the vocabulary.

    Without `valid`, a share of the units (`data.valid_fraction`, else 0.05; at least one, never all) is drawn at
    random and held out, and what remains is joined. Where all `sources` are named corpora without a split, and neither
    `valid` nor `data.valid_fraction` is given, the corpora's own splits are used, for `test` too if it is None. A note
    warns of units held out that occur verbatim in the training text, and of those of `test` that do in validation.

    Parameters
    ----------
    sources, valid, test : sequence of str
        Files, folders, ``-`` or named corpora.
    tokenizer_config : TokenizerConfig
    data : DataConfig
    seed : int
        Of the units drawn.
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
    >>> load(["stdlib"], None, None, TokenizerConfig(), DataConfig(), seed=1).notes  # doctest: +SKIP
    ('validation: stdlib:valid', 'test: stdlib:test', 'stdlib: the documentation of Python 3.11.7')
    """
    if valid and data.valid_fraction is not None:
        raise ConfigError(
            f"{option_name('valid_fraction')} must not be given together with {option_name('valid')}, got "
            f"{data.valid_fraction!r}"
        )
    if vocabulary is not None:
        _check_uncut(data)
    tokenizer = Tokenizer(tokenizer_config)
    by_line = tokenizer_config.boundary == "line"
    notes: list[str] = []
    if not valid and data.valid_fraction is None:
        sources, valid, test, notes = _own_splits(sources, test)
    if not isinstance(sources, str):  # what is refused below
        sources = _without_held_out(sources, [*(valid or ()), *(test or ())], notes)
    new = NewIds(dict.fromkeys(SPECIALS, Vocabulary.UNK))
    train = read_stream(sources, tokenizer, new, data.encoding)
    if valid:
        held_out = read_stream(valid, tokenizer, new, data.encoding)
    else:
        word_lengths = _word_lengths(new.words, tokenizer_config.tokenizer == "char")
        train, held_out = _hold_out(train, word_lengths, data.valid_fraction or DEFAULT_VALID_FRACTION, seed)
        notes.append(_hold_out_note(train, held_out, by_line, seed))
    tested = read_stream(test, tokenizer, new, data.encoding) if test else None
    notes += _corpus_notes([*sources, *(valid or ()), *(test or ())], tokenizer)
    # Before the cut: then all words are distinct, and what is the same is so word for word.
    notes += leak_warnings({"training": train, "validation": held_out, "test": tested})
    vocabulary, lookup = _cut_vocabulary(train, new, data, vocabulary)
    parts = (stream and replace(stream, ids=lookup[stream.ids]) for stream in (train, held_out, tested))
    return Corpus(vocabulary, *parts, tuple(notes))


def encode_texts(
    texts: Mapping[str, Sequence[str] | None], tokenizer: Tokenizer, vocabulary: Vocabulary, data: DataConfig
) -> tuple[dict[str, TokenStream | None], list[str]]:
    """`encode` several texts, by name, and warn of units of one that occur verbatim in one before it.

    Parameters
    ----------
    texts : dict
        Sources by the name of the part, such as ``validation`` and ``test``; None where there is none.
    tokenizer, vocabulary, data
        As `encode` takes them.

    Returns
    -------
    streams : dict
    warnings : list of str

    Examples
    --------
    >>> encode_texts({"validation": ["a.txt"], "test": ["b.txt"]}, tokenizer, vocabulary, data)[1]  # doctest: +SKIP
    ['warning: 1 of 20 test units (lines; 5 %, 2 % of the tokens) occur verbatim in the validation text; ...']
    """
    new = NewIds()
    streams = {name: part and read_stream(part, tokenizer, new, data.encoding) for name, part in texts.items()}
    warnings, lookup = leak_warnings(streams), new.lookup(vocabulary)
    return {name: part and replace(part, ids=lookup[part.ids]) for name, part in streams.items()}, warnings


def _without_held_out(sources: Sequence[str], held_out: Sequence[str], notes: list[str]) -> list[str]:
    """The sources, a whole corpus cut down to its training part where another part is held out."""
    split_names = {name[0] for name in map(parse_name, held_out) if name and name[1]}
    kept = []
    for source in sources:
        if source in held_out:
            notes.append(f"warning: {source} is training text and held-out text at once")
        name = parse_name(source)
        if name and name[1] is None and name[0] in split_names:
            source = f"{name[0]}:train"
            notes.append(f"training: {source}, as another part of {name[0]} is held out")
        kept.append(source)
    return kept


def fingerprint(corpus: Corpus) -> str:
    """SHA-256 of all that training reads: words and ids. Two texts with the same fingerprint are the same text."""
    digest = hashlib.sha256("\n".join(corpus.vocabulary.words).encode(errors="surrogatepass"))
    for stream in (corpus.train, corpus.valid, corpus.test):
        digest.update(b"none" if stream is None else b"%d:" % len(stream))
        digest.update(b"" if stream is None else memoryview(stream.ids).cast("B"))
    return digest.hexdigest()


def _own_splits(sources: Sequence[str], test: Sequence[str] | None):
    """Sources, valid, test and notes: the splits of named corpora, where every source is one without a split."""
    names = [parse_name(source) for source in sources]
    if not names or not all(name and name[1] is None for name in names):
        return sources, None, test, []
    train, valid, own_test = ([f"{name}:{split}" for name, _ in names] for split in SPLITS)
    notes = [f"validation: {', '.join(valid)}"]
    if not test:
        notes.append(f"test: {', '.join(own_test)}")
    return train, valid, test or own_test, notes


def _hold_out(
    stream: TokenStream, word_lengths: np.ndarray, fraction: float, seed: int
) -> tuple[TokenStream, TokenStream]:
    """Draw units for validation; what remains is joined."""
    units = len(stream.unit_starts) - 1
    if units < 2:
        raise TextError(
            f"text must have at least two lines or tokens to hold some out, got one in {shown(stream.source)}; "
            f"give more text, or a validation text with {option_name('valid')}"
        )
    drawn = np.zeros(units, bool)
    count = min(units - 1, max(1, round(fraction * units)))
    drawn[np.random.default_rng(seed).choice(units, count, replace=False)] = True
    sizes = np.diff(stream.unit_starts)
    total = int(word_lengths[stream.ids].sum())

    def part(chosen: np.ndarray) -> TokenStream:
        ids = stream.ids[np.repeat(chosen, sizes)]
        starts = np.concatenate(([0], np.cumsum(sizes[chosen])))
        characters = round(stream.characters * int(word_lengths[ids].sum()) / total)
        return TokenStream(ids, starts, characters, stream.source)

    return part(~drawn), part(drawn)


def _word_lengths(words: Sequence[str], chars: bool) -> np.ndarray:
    """Characters that a token takes of the text: its own and, of a word, the space or line end after it."""
    lengths = np.fromiter(map(len, words), np.int32, len(words)) + (not chars)
    lengths[Vocabulary.EOS] = chars
    return lengths


def _hold_out_note(train: TokenStream, valid: TokenStream, by_line: bool, seed: int) -> str:
    held = len(valid.unit_starts) - 1
    units = held + len(train.unit_starts) - 1
    kind = "lines" if by_line else "blocks"
    return (
        f"validation: {100 * held / units:.3g} % of the units ({held:,} of {units:,} {kind}) held out at random, "
        f"seed {seed}"
    )


def _corpus_notes(sources: Sequence[str], tokenizer: Tokenizer) -> list[str]:
    names = {name[0] for name in map(parse_name, sources) if name}
    notes = []
    if "stdlib" in names:
        notes.append(f"stdlib: the documentation of Python {platform.python_version()}")
    if "brown" in names and tokenizer.config.tokenizer != "char":
        notes.append("brown: read as the tokens its editors made, whatever the tokenizer")
    return notes


def _check_uncut(data: DataConfig) -> None:
    """Refuse the options that cut a vocabulary, where there is one already."""
    for name in ("vocab", "vocab_size", "min_count"):
        if getattr(data, name) != getattr(DataConfig, name):
            raise ConfigError(
                f"{option_name(name)} must not be given together with the vocabulary of a model, got "
                f"{getattr(data, name)!r}"
            )


def _cut_vocabulary(
    train: TokenStream, new: NewIds, data: DataConfig, vocabulary: Vocabulary | None
) -> tuple[Vocabulary, np.ndarray]:
    """The vocabulary with its counts in the training text, and the array that takes provisional ids to its ids."""
    counts = np.bincount(train.ids, minlength=len(new.words))
    cut = vocabulary is None and data.vocab is None
    if cut:
        vocabulary = Vocabulary.from_counts(new.words, counts, size=data.vocab_size, min_count=data.min_count)
    elif vocabulary is None:
        vocabulary = Vocabulary.from_file(data.vocab, data.encoding)
    lookup = new.lookup(vocabulary)
    if not cut:
        known = np.bincount(lookup, weights=counts, minlength=len(vocabulary))
        vocabulary = Vocabulary(vocabulary.words, known.astype(np.int64))
    return vocabulary, lookup
