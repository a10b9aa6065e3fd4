"""Load a model of any kind."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from fflm.api.model import Model
from fflm.model_file import is_classifier, load_model
from fflm.storage.files import is_stream

if TYPE_CHECKING:
    from fflm.api.text_classifier import TextClassifier


def load(path: str | Path, threads: int | None = None) -> Model | TextClassifier:
    """Load a model file, the best model of a run folder, or an ARPA file of n-grams (``.arpa``, ``.arpa.gz``).

    Parameters
    ----------
    path : path
        ``-`` is standard input.
    threads : int, optional
        Worker threads; every core by default.

    Returns
    -------
    Model or TextClassifier
        A text classifier where the file holds one.

    Raises
    ------
    ModelFileError
        If the file is missing, damaged, of a newer format or not a model.
    ConfigError
        If `threads` is no number of workers.

    Examples
    --------
    >>> import fflm
    >>> fflm.load("runs/demo").lm.reach
    2
    """
    if is_classifier(path):
        from fflm.api.text_classifier import TextClassifier  # with its kernels, where they are needed

        return TextClassifier.load(path, threads)
    model = load_model(path, threads)
    return Model(model, loaded_from=None if is_stream(path) else (os.path.abspath(path), threads))
