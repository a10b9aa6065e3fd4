"""Compare two models on a text."""

from __future__ import annotations

import os
from pathlib import Path

from fflm.api.model import Model, load
from fflm.config import check_threads
from fflm.evaluation import comparison
from fflm.evaluation.comparison_report import Comparison


def compare(
    a: Model | str | Path,
    b: Model | str | Path,
    *sources: str | Path,
    contexts: Model | str | Path | None = None,
    per_character: bool = False,
    top: int = 10,
    encoding: str = "utf-8",
    threads: int | None = None,
    progress: bool = False,
) -> Comparison:
    """Compare two models on a text, token by token (`fflm.evaluation.comparison`).

    Parameters
    ----------
    a, b : Model or path
        Of the same vocabulary and tokenizer, unless `per_character`.
    *sources : str
        Files, folders, ``-`` or named corpora, read as one text.
    contexts : Model or path, optional
        An n-gram model, for the breakdown by how often contexts were seen, where neither `a` nor `b` has one.
    per_character : bool
        Compare in bits per character of the text.
    top : int
        How many words on which a model wins most.
    encoding : str
        Of the files.
    threads : int, optional
        Of the models that are loaded.
    progress : bool
        Show a bar on stderr, if that is a terminal.

    Returns
    -------
    Comparison
        Difference in bits with its interval and p-value, breakdowns, the words that decide.

    Raises
    ------
    FflmError
        If the models can't be compared, saying why; if a model or a source can't be read.

    Examples
    --------
    >>> import fflm
    >>> fflm.compare("runs/demo", fflm.load("runs/demo"), "text.txt").conclusion
    'no difference that this text can show; p = 1'
    """
    check_threads(threads)
    models = [model if isinstance(model, Model | None) else load(model, threads) for model in (a, b, contexts)]
    a, b, contexts = (model and model.lm for model in models)
    names = [os.fspath(source) for source in sources]
    return comparison.compare(a, b, names, contexts, per_character, top, encoding, progress)
