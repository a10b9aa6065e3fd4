"""Compare two models on a text."""

from __future__ import annotations

from pathlib import Path

from fflm.api.arguments import source_names
from fflm.api.model import Model, language_model
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
    quiet: bool = False,
) -> Comparison:
    """Compare two models on a text, token by token (`fflm.evaluation.comparison`).

    Parameters
    ----------
    a, b : Model or path
        Models of different vocabularies or tokenizers are compared in bits per character, with unknown words spelled
        out.
    *sources : str
        Files, folders, ``-`` or named corpora, read as one text.
    contexts : Model or path, optional
        An n-gram model, for the breakdown by how often contexts were seen, where neither `a` nor `b` has one.
    per_character : bool
        Compare in bits per character of the text.
    top : int
        How many words on which a model wins most.
    encoding : str
        Character encoding of the files.
    threads : int, optional
        Worker threads of the models that are loaded; every core by default.
    quiet : bool
        Show nothing on stderr; without it, a bar if that is a terminal.

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
    first, second = language_model(a, threads), language_model(b, threads)
    counting = None if contexts is None else language_model(contexts, threads)
    return comparison.compare(first, second, source_names(sources), counting, per_character, top, encoding, quiet)
