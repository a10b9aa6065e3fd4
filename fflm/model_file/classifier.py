"""The model file of a text classifier."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fflm.classification import Classifier, shapes
from fflm.config import ClassifierConfig, check_threads, make
from fflm.errors import FflmError, ModelFileError
from fflm.model_file.kinds import CLASSIFIER
from fflm.model_file.paths import is_arpa, local_file, model_to_read
from fflm.model_file.text import pack_text, strings, unpack_text
from fflm.nn.parameters import Parameters
from fflm.storage.files import one_line
from fflm.storage.tensors import check_arrays, read_tensors, write_tensors

HOW_TO_MAKE = "; fflm classify train makes one"


def save_classifier(classifier: Classifier, path: str | Path) -> None:
    """Write the model file; it holds all that is needed to use the classifier.

    Raises
    ------
    FflmError
        If it can't be written; what was there is untouched.
    """
    arrays, text = pack_text(classifier.vocabulary, classifier.tokenizer)
    description = {"model": classifier.config.to_dict(), **text, "labels": classifier.labels}
    write_tensors(Path(path), classifier.parameters | arrays, CLASSIFIER, description)


def load_classifier(path: str | Path, threads: int | None = None) -> Classifier:
    """Read what `save_classifier` wrote.

    Raises
    ------
    ModelFileError
        If the file is missing, damaged, or another kind of model.
    ConfigError
        If `threads` is no number of workers.
    """
    check_threads(threads)
    with local_file(model_to_read(path)) as path:
        if path.exists() and is_arpa(path):
            raise ModelFileError(f"{path} must hold a {CLASSIFIER}, got an ARPA file{HOW_TO_MAKE}")
        arrays, description = read_tensors(path, [CLASSIFIER], CLASSIFIER, lambda kind: HOW_TO_MAKE)
        try:
            vocabulary, tokenizer = unpack_text(arrays, description)
            config = make(ClassifierConfig, description["model"], complete=True)
            labels = strings(description, "labels")
            if len(labels) < 2 or len(set(labels)) < len(labels):
                raise ValueError("labels must be two or more different ones")
            expected = shapes(config, len(vocabulary), len(labels))
            check_arrays(arrays, {name: (np.float32, shape) for name, shape in expected.items()})
        except (KeyError, ValueError, TypeError, AttributeError, OverflowError, FflmError) as error:
            raise ModelFileError(f"{path} is damaged: {one_line(error)}") from error
    return Classifier(config, vocabulary, tokenizer, labels, Parameters(arrays), threads)
