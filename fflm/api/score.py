"""Surprisal of every token of a text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fflm.api.adaptation import ADAPTATION, adapted
from fflm.api.arguments import source_names
from fflm.api.model import Model, language_model
from fflm.config.options import takes_options
from fflm.evaluation import surprisal
from fflm.evaluation.surprisal import Scores


@takes_options(*ADAPTATION)
def score(
    model: Model | str | Path,
    *sources: str | Path,
    encoding: str = "utf-8",
    threads: int | None = None,
    quiet: bool = False,
    unknown: str = "spelled",
    **options: Any,
) -> Scores:
    """Compute the surprisal of every token of a text, -log2 P(token | the words before it) in bits.

    Parameters
    ----------
    model : Model or path
    *sources : str
        Files, folders, ``-`` or named corpora, read as one text.
    encoding : str
        Character encoding of the files.
    threads : int, optional
        Worker threads of a model that is loaded; every core by default.
    quiet : bool
        Show nothing on stderr; without it, a bar if that is a terminal.
    unknown : {"spelled", "unk", "nan"}
        Bits of an unknown word: those of ``<unk>`` and of its spelling, where the model has a spelling model; those of
        ``<unk>``; NaN.
    **options
        Options of `DynamicConfig` and `NeuralCacheConfig`: let a copy of the model follow the text that it reads.

    Returns
    -------
    Scores
        Tokens and bits, also as rows and as TSV, and the totals as a `Perplexity`.

    Raises
    ------
    ModelFileError, TextError
        If the model or a source can't be read.
    ConfigError
        If an option is unknown or out of its range, or asks for a network and the model has none.
    FflmError
        If a token has no probability.

    Examples
    --------
    >>> import fflm
    >>> scores = fflm.score("runs/demo", "text.txt")
    >>> scores.tokens[:3], scores.bits.shape
    (['the', 'cat', 'sat'], (1600,))
    """
    lm = adapted(language_model(model, threads), options)
    return surprisal.score(lm, source_names(sources), encoding, quiet, unknown)
