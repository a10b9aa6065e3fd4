"""Rank an n-best list anew with a language model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fflm.api.model import Model, language_model
from fflm.config import RescoreConfig, make
from fflm.config.options import path_name, takes_options
from fflm.rescoring.nbest import read_lists, read_references
from fflm.rescoring.ranking import Ranking, rank
from fflm.text.sources import given_as


@takes_options(RescoreConfig)
def rescore(
    nbest: str | Path,
    model: Model | str | Path,
    references: str | Path | None = None,
    acoustic_costs: str | Path | None = None,
    lm_costs: str | Path | None = None,
    encoding: str = "utf-8",
    threads: int | None = None,
    **options: Any,
) -> Ranking:
    """Rank the hypotheses of n-best lists by score + weight * log P - penalty * words.

    P is that of the hypothesis as a line by itself. What of weight and penalty is not given is fitted on the
    references, so that the best hypotheses have the fewest word errors; without references they are 1 and 0.

    Parameters
    ----------
    nbest : path
        A file in one of the forms of `fflm.rescoring.nbest`, or ``-``.
    model : Model or path
    references : path, optional
        What was really said: lines of an id and words; for ``moses`` the words of list 0, 1 ... on a line each.
    acoustic_costs, lm_costs : path, optional
        Of the form ``kaldi``: the costs of each hypothesis, whose sum, negative, is the score of the first pass.
    encoding : str
    threads : int, optional
    **options
        Options of `RescoreConfig`.

    Returns
    -------
    Ranking

    Raises
    ------
    ConfigError, TextError, ModelFileError
        All of them `FflmError`.

    Examples
    --------
    >>> import fflm
    >>> with open("list.tsv", "w") as file:
    ...     _ = file.write("u1\\t-9.5\\tthe cat mat on the sat\\nu1\\t-9.9\\tthe cat sat on the mat\\n")
    >>> id, ranked = fflm.rescore("list.tsv", "runs/demo").lists[0]
    >>> ranked[0].hypothesis.text
    'the cat sat on the mat'
    """
    config = make(RescoreConfig, options)
    costs = [(acoustic_costs, config.acoustic_scale), (lm_costs, 1.0)]
    named = [(path_name("costs", path), scale) for path, scale in costs if path is not None]
    form = None if config.format == "auto" else config.format
    with given_as("nbest"):
        form, lists = read_lists(path_name("nbest", nbest), form, named, encoding)
    spoken = None
    if references is not None:
        with given_as("references"):
            spoken = read_references(path_name("references", references), form, encoding)
    return rank(language_model(model, threads), form, lists, config, spoken)
