"""Mix models with weights fitted on validation text."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from fflm.api.adaptation import ADAPTATION, continuous_cache, with_dynamic_evaluation
from fflm.api.arguments import check_new_model, names
from fflm.api.model import Model, language_model
from fflm.api.reports import MixtureReport
from fflm.config import CacheConfig, DataConfig, check_threads
from fflm.config.options import configurations, takes_options
from fflm.errors import ConfigError, option_name, shown
from fflm.evaluation.perplexity import evaluated, report_on
from fflm.lm import (
    CacheModel,
    LanguageModel,
    Mixture,
    NeuralCacheModel,
    NgramModel,
    can_count_contexts,
    difference_between,
    log_probs_of_parts,
)
from fflm.model_file import check_nesting, save_model
from fflm.runtime.progress import Bar, tell
from fflm.text import Note, TokenStream, encode_texts

#: The values of theta that a continuous cache is tried with, rising.
THETAS = (0.0, 3.0, 6.0, 9.0, 12.0, 15.0, 20.0, 30.0, 50.0)


@takes_options(CacheConfig, *ADAPTATION)
def mix(
    *models: Model | str | Path,
    valid: str | Path | Sequence[str],
    test: str | Path | Sequence[str] | None = None,
    train: str | Path | Sequence[str] | None = None,
    out: str | Path | None = None,
    by_context_count: bool = False,
    encoding: str = "utf-8",
    threads: int | None = None,
    quiet: bool = False,
    force: bool = False,
    **options: Any,
) -> Model:
    """Mix models of one vocabulary, with the weights under which validation text is most probable.

    Parameters
    ----------
    *models : Model or path
        Models, model files or run folders. The mixture contains them: their files are not needed any more.
    valid : str or sequence of str
        Text on which the weights are fitted; none that the models were trained on.
    test : str or sequence of str, optional
        Text that is evaluated once, at the end.
    train : str or sequence of str, optional
        What the models were trained on: held-out text that stands in it is warned of. Without, an n-gram model among
        the parts serves as a hint.
    out : path, optional
        Model file to write.
    by_context_count : bool
        Weights that depend on how often the first n-gram model saw the last two words, as in the paper.
    encoding : str
        Character encoding of the files.
    threads : int, optional
        Worker threads of the models that are loaded; every core by default.
    quiet : bool
        Show nothing on stderr.
    force : bool
        Replace the file `out` if there is one.
    **options
        Options of `CacheConfig`; of `NeuralCacheConfig` without the weight, which is fitted, as theta is if it is not
        given; and of `DynamicConfig`. With dynamic evaluation the weights are those of networks that follow the text;
        the mixture holds the networks as trained, and is to be used with dynamic evaluation too.

    Returns
    -------
    Model
        Its `report` is a `MixtureReport`.

    Raises
    ------
    ConfigError, TextError, ModelFileError
        All of them `FflmError`; nothing that was there before is harmed.

    Examples
    --------
    >>> import fflm
    >>> model = fflm.mix("runs/demo", valid="text.txt", cache=20, quiet=True)
    >>> [part["name"] for part in model.report.parts]
    ['neural', 'cache']
    """
    started = time.monotonic()
    cache, neural, dynamic = configurations([CacheConfig, *ADAPTATION], options)
    if neural.neural_cache_weight is not None:
        raise ConfigError(
            f"{option_name('neural_cache_weight')} is fitted here, got {neural.neural_cache_weight:g}; leave it out"
        )
    check_threads(threads)
    check_new_model(out, force)
    texts = {
        "training": names(train, "train") or None,
        "validation": names(valid, "valid"),
        "test": names(test, "test") or None,
    }
    if not texts["validation"]:
        raise ConfigError(
            f"{option_name('valid')} must name a text on which the weights are fitted, got {shown(valid)}"
        )
    parts = load_parts(models, by_context_count, threads)
    first = parts[0]
    if cache.cache is not None:
        parts.append(CacheModel(first.vocabulary, first.tokenizer, cache.cache, cache.cache_half_life, threads))
    continuous, scored = continuous_cache(parts, neural), with_dynamic_evaluation(parts, dynamic)
    streams, warnings = encode_texts(texts, first.tokenizer, first.vocabulary, DataConfig(encoding=encoding))
    held_out, tested = streams["validation"], streams["test"]
    assert held_out is not None  # its text was checked above
    if train is None:
        warnings += leaks_into(parts, held_out, tested)
    if dynamic.dynamic:
        warnings.append(
            Note(
                "weights and figures are those of dynamic evaluation, the networks in the mixture are as trained: "
                "choose dynamic evaluation for perplexity and score too"
            )
        )
    tell(warnings, quiet)
    begin = time.perf_counter()
    with Bar((len(parts) + (continuous is not None)) * len(held_out), "validation", not quiet) as bar:
        log_probs = log_probs_of_parts(scored, held_out.ids, bar.advance, held_out.breaks)
        if continuous is not None:
            thetas = THETAS if neural.neural_cache_theta is None else (neural.neural_cache_theta,)
            by_theta = continuous.log_probs_by_theta(np.array(thetas), held_out.ids, bar.advance, held_out.breaks)
    scoring_seconds = time.perf_counter() - begin
    if continuous is None:
        mixture = Mixture.fit(scored, held_out.ids, log_probs, by_context_count, held_out.breaks)
    else:
        caches = map(continuous.with_theta, thetas)
        mixture, row = fit_with_cache(scored, zip(caches, by_theta, strict=True), held_out, log_probs, by_context_count)
        parts, log_probs = [*parts, mixture.parts[-1]], np.vstack([log_probs, row])
    combined = mixture.combined(held_out.ids, log_probs, held_out.breaks)
    valid_report = report_on(mixture.vocabulary, held_out, combined, scoring_seconds).to_dict()
    test_report = evaluated(mixture, tested, quiet)
    mixture = mixture.with_parts(parts)
    if out is not None:
        save_model(mixture, out)
    report = MixtureReport(
        out=None if out is None else os.fspath(out),
        parts=tuple(part_reports(mixture, [*map(_file, models), None, None], held_out, log_probs)),
        weights=mixture.weights.tolist(),
        by_context_count=by_context_count,
        valid=valid_report,
        test=test_report,
        seconds=time.monotonic() - started,
        notes=tuple(map(str, warnings)),
    )
    return Model(mixture, report)


def fit_with_cache(
    parts: Sequence[LanguageModel],
    caches: Iterable[tuple[NeuralCacheModel, np.ndarray]],
    text: TokenStream,
    log_probs: np.ndarray,
    by_context_count: bool,
) -> tuple[Mixture, np.ndarray]:
    """Fit the weights of parts and a continuous cache: of several, the last one before the text gets less probable.

    Parameters
    ----------
    parts : sequence of LanguageModel
    caches : iterable of (NeuralCacheModel, (N,) float64)
        Caches of rising theta, each with the natural log P of every word of the text.
    text : TokenStream
        The validation text, N words.
    log_probs : (parts, N) float64
        Those of the other parts.
    by_context_count : bool
        As in `mix`.

    Returns
    -------
    mixture : Mixture
        With the cache as its last part.
    row : (N,) float64
        The log P of that cache.
    """
    best, found = -math.inf, None
    for cache, row in caches:
        rows = np.vstack([log_probs, row])
        mixture = Mixture.fit([*parts, cache], text.ids, rows, by_context_count, text.breaks)
        combined = mixture.combined(text.ids, rows, text.breaks)
        likelihood = float(combined[np.isfinite(combined)].sum())
        if found is not None and likelihood <= best:
            break
        best, found = likelihood, (mixture, row)
    assert found is not None  # there is a cache
    return found


def _file(model: Model | str | Path) -> str | None:
    return None if isinstance(model, Model) else os.fspath(model)


def load_parts(
    models: Sequence[Model | str | Path], by_context_count: bool, threads: int | None
) -> list[LanguageModel]:
    """Return the models, if they can be mixed.

    Raises
    ------
    ConfigError
        If there is none, they differ in vocabulary or tokenizer, or none counts contexts though that is asked for.
    """
    if not models:
        raise ConfigError("mix needs at least one model, got none")
    for model in models:
        if not isinstance(model, (Model, str, os.PathLike)):
            raise ConfigError(f"models must be Models or paths of model files, got {shown(model)}")
    parts = [language_model(model, threads) for model in models]
    labels = [_file(model) or f"model {i}" for i, model in enumerate(models, start=1)]
    for part, label in zip(parts, labels, strict=True):
        if (difference := difference_between(parts[0], part, (labels[0], label))) is not None:
            raise ConfigError(
                f"models must share vocabulary and tokenizer to be mixed, {label} differs from {labels[0]}: "
                f"{difference}; fflm ngram --vocab-of MODEL makes an n-gram model that can be mixed with MODEL"
            )
    check_nesting(parts)
    if by_context_count and not any(map(can_count_contexts, parts)):
        raise ConfigError(
            f"{option_name('by_context_count')} needs an n-gram model of order 2 or more that fflm ngram counted "
            "(one read from an ARPA file has no counts), got none among the parts"
        )
    return parts


def leaks_into(parts: Sequence[LanguageModel], valid: TokenStream, test: TokenStream | None) -> list[Note]:
    """Return warnings of held-out text whose n-grams a part has all counted.

    The training text is not at hand, but an n-gram model of order 4 or more knows its n-grams: a unit of which it has
    seen every one of the longest was very likely in that text.
    """
    warnings = []
    for part in islice(_long_ngrams(parts), 1):
        for what, text in (("validation", valid), ("test", test)):
            if text is None:
                continue
            seen = part.units_seen(text.ids, text.unit_starts, text.breaks)
            if seen.any():
                line = (
                    f"of {int(seen.sum()):,} of {len(seen):,} {what} units ({100 * seen.mean():.3g} %) the n-gram "
                    f"model has seen every {part.table.order}-gram: they probably stand in its training text"
                )
                warnings.append(Note(line, is_warning=True))
    return warnings


def _long_ngrams(parts: Sequence[LanguageModel]) -> Iterator[NgramModel]:
    for part in parts:
        if isinstance(part, Mixture):
            yield from _long_ngrams(part.parts)
        elif isinstance(part, NgramModel) and part.table.order >= 4:
            yield part


def part_reports(
    mixture: Mixture, files: Sequence[str | None], text: TokenStream, log_probs: np.ndarray
) -> Iterator[dict[str, Any]]:
    """Give name, file, mean weight and validation perplexity of each part."""
    weights = mixture.weights_at(text.ids, text.breaks).mean(axis=0)
    for name, file, weight, scores in zip(mixture.names, files, weights, log_probs, strict=False):
        nats = -float(scores.mean())
        perplexity = math.exp(nats) if nats < 700.0 else None
        yield {"name": name, "model": file, "weight": float(weight), "valid_perplexity": perplexity}
