"""Surprisal of every token of a text."""

from __future__ import annotations

from pathlib import Path

from fflm.api.arguments import source_names
from fflm.api.model import Model, language_model
from fflm.evaluation import surprisal
from fflm.evaluation.surprisal import Scores


def score(
    model: Model | str | Path,
    *sources: str | Path,
    encoding: str = "utf-8",
    threads: int | None = None,
    quiet: bool = False,
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

    Returns
    -------
    Scores
        Tokens and bits, also as rows and as TSV, and the totals as a `Perplexity`.

    Raises
    ------
    ModelFileError, TextError
        If the model or a source can't be read.
    FflmError
        If a token has no probability.

    Examples
    --------
    >>> import fflm
    >>> scores = fflm.score("runs/demo", "text.txt")
    >>> scores.tokens[:3], scores.bits.shape
    (['the', 'cat', 'sat'], (1600,))
    """
    return surprisal.score(language_model(model, threads), source_names(sources), encoding, quiet)
