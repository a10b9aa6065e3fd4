"""Make an n-gram model: count and smooth the n-grams of a text, or read an ARPA file."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from fflm.api.arguments import check_new_model, names, source_names
from fflm.api.model import Model, language_model
from fflm.api.reports import NgramReport
from fflm.config import DataConfig, NgramConfig, TokenizerConfig, TrainConfig, check_threads
from fflm.config.options import configurations, path_name, takes_options
from fflm.errors import ConfigError, option_name
from fflm.evaluation.perplexity import evaluated
from fflm.generation import prompts
from fflm.lm import InterpolatedNgramModel, NgramModel, read_arpa
from fflm.lm.spelling import learn_spelling
from fflm.model_file import save_model
from fflm.model_file.paths import local_file
from fflm.runtime.progress import tell
from fflm.text import Tokenizer, Vocabulary
from fflm.text import load as load_corpus

COUNTING = (NgramConfig, TokenizerConfig, DataConfig)


@takes_options(*COUNTING)
def ngram(
    *sources: str | Path,
    valid: str | Path | Sequence[str] | None = None,
    test: str | Path | Sequence[str] | None = None,
    out: str | Path | None = None,
    vocab_of: Model | str | Path | None = None,
    seed: int = 1,
    threads: int | None = None,
    quiet: bool = False,
    force: bool = False,
    **options: Any,
) -> Model:
    """Make an n-gram model from text.

    What is held out for validation, and how, is the same as in `train` with the same seed.

    Parameters
    ----------
    *sources : str
        Files, folders, ``-`` or named corpora, read as one text.
    valid, test : str or sequence of str, optional
        As in `train`. Interpolated smoothing fits its weights on the validation text.
    out : path, optional
        Model file to write.
    vocab_of : Model or path, optional
        Take vocabulary and tokenizer of this model, so that both can be mixed and compared.
    seed : int
        Seed with which the held-out units are drawn.
    threads : int, optional
        Worker threads; every core by default.
    quiet : bool
        Show nothing on stderr.
    force : bool
        Replace the file `out` if there is one.
    **options
        Options of `NgramConfig`, `TokenizerConfig` and `DataConfig`.

    Returns
    -------
    Model
        Its `report` is an `NgramReport`.

    Raises
    ------
    ConfigError, TextError, ModelFileError
        All of them `FflmError`; nothing that was there before is harmed.

    Examples
    --------
    >>> import fflm
    >>> model = fflm.ngram("text.txt", vocab_of="runs/demo", order=3, quiet=True)
    >>> model.predict("the cat sat on the", top=1)[0].word
    'mat'
    """
    started = time.monotonic()
    shape, tokenizer_config, data = configurations(COUNTING, options)
    seed = TrainConfig(seed=seed, threads=threads).seed  # the same checks as of `train`
    check_new_model(out, force)
    vocabulary, tokenizer = None, Tokenizer(tokenizer_config)
    if vocab_of is not None:
        vocabulary, tokenizer = taken_from(vocab_of, options)
    texts, held_out, tested = source_names(sources), names(valid, "valid"), names(test, "test")
    corpus = load_corpus(texts, held_out, tested, tokenizer, data, seed, vocabulary)
    tell(corpus.warnings, quiet)
    tokenizer = corpus.tokenizer
    learn_spelling(corpus.vocabulary, corpus.unknown_words, tokenizer)
    begin = time.monotonic()
    lm: InterpolatedNgramModel | NgramModel
    if shape.smoothing == "interpolated":
        lm = InterpolatedNgramModel.fit(
            corpus.train.ids,
            corpus.valid.ids,
            shape.order,
            corpus.vocabulary,
            tokenizer,
            threads,
            breaks=corpus.train.breaks,
            held_out_breaks=corpus.valid.breaks,
        )
    else:
        lm = NgramModel.kneser_ney(
            corpus.train.ids,
            shape.order,
            corpus.vocabulary,
            tokenizer,
            threads,
            breaks=corpus.train.breaks,
            prune=shape.prune,
        )
    estimation_seconds = time.monotonic() - begin
    valid_report, test_report = (evaluated(lm, text, quiet) for text in (corpus.valid, corpus.test))
    if out is not None:
        save_model(lm, out)
    report = NgramReport(
        out=None if out is None else os.fspath(out),
        order=shape.order,
        smoothing=shape.smoothing,
        ngrams=lm.table.sizes,
        prune=shape.prune,
        seconds=time.monotonic() - started,
        estimation_seconds=estimation_seconds,
        train_tokens=len(corpus.train),
        vocab_size=len(corpus.vocabulary),
        valid=valid_report,
        test=test_report,
        notes=tuple(map(str, corpus.notes)),
    )
    return Model(lm, report, prompts(lm, corpus.valid.ids))


def convert_arpa(
    path: str | Path,
    out: str | Path | None = None,
    vocab_of: Model | str | Path | None = None,
    threads: int | None = None,
    force: bool = False,
    **options: Any,
) -> Model:
    """Read an ARPA file of KenLM, SRILM or fflm, for a tokenizer or a vocabulary of one's choice.

    Parameters
    ----------
    path : path
        An ARPA file, also compressed; ``-`` is standard input.
    out : path, optional
        Model file to write.
    vocab_of : Model or path, optional
        Take the order of the words and the tokenizer of this model; the words must be the same.
    threads : int, optional
        Worker threads; every core by default.
    force : bool
        Replace the file `out` if there is one.
    **options
        Options of `TokenizerConfig`; by default those that the file names, or lines of words with blanks between them.

    Raises
    ------
    ModelFileError
        If the file is no sound ARPA file, or has other words than `vocab_of`.

    Examples
    --------
    >>> import fflm
    >>> fflm.ngram("text.txt", vocab_of="runs/demo", order=2, quiet=True).save_arpa("demo.arpa")
    >>> convert_arpa("demo.arpa", vocab_of="runs/demo").predict("on the", top=1)[0].word
    'mat'
    """
    configurations([TokenizerConfig], options)
    check_threads(threads)
    check_new_model(out, force)
    vocabulary, tokenizer = (None, options) if vocab_of is None else taken_from(vocab_of, options)
    with local_file(Path(path_name("path", path))) as file:
        lm = read_arpa(file, tokenizer, vocabulary, threads)
    if out is not None:
        save_model(lm, out)
    return Model(lm)


def taken_from(model: Model | str | Path, options: dict[str, Any]) -> tuple[Vocabulary, Tokenizer]:
    """Return vocabulary and tokenizer of a model, where `options` ask for no others.

    Raises
    ------
    ConfigError
        If `options` ask for others.
    """
    decided = {"vocab", "vocab_size", "min_count"} | {item.name for item in fields(TokenizerConfig)}
    for name in options:
        if name in decided:
            raise ConfigError(
                f"{option_name(name)} must not be given together with {option_name('vocab_of')}: that model's is taken"
            )
    lm = language_model(model)
    return lm.vocabulary, lm.tokenizer
