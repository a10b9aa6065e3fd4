"""Model files: one self-contained safetensors file for each model, and one module for each kind of model.

That of classifiers, `fflm.model_file.classifier`, is imported by name: a language model needs none of their kernels.
"""

from __future__ import annotations

from pathlib import Path

from fflm.config import check_threads
from fflm.errors import FflmError, ModelFileError
from fflm.lm import LanguageModel
from fflm.model_file.kinds import CLASSIFIER, KINDS, check_nesting, pack, unpack
from fflm.model_file.paths import MODEL, check_name, is_arpa, local_file, model_path, model_to_read
from fflm.model_file.reader import Reader
from fflm.model_file.text import pack_text, unpack_text
from fflm.storage.files import one_line
from fflm.storage.tensors import kind_of, read_tensors, write_tensors

__all__ = [
    "MODEL",
    "check_name",
    "check_nesting",
    "is_arpa",
    "is_classifier",
    "is_model",
    "load_model",
    "model_path",
    "save_model",
]

USE_CLASSIFY = "; use fflm classify for it (in Python, TextClassifier.load)"


def save_model(model: LanguageModel, path: str | Path) -> None:
    """Write the model file; it holds all that is needed to use the model.

    Raises
    ------
    FflmError
        If it can't be written (what was there is untouched), has the name of an ARPA file, or could not be read again.

    Examples
    --------
    >>> import fflm
    >>> save_model(fflm.load("runs/demo").lm, "copy.safetensors")
    """
    check_name(path)
    check_nesting([model], level=0)
    kind, arrays, description = pack(model)
    text_arrays, text = pack_text(model.vocabulary, model.tokenizer)
    write_tensors(Path(path), arrays | text_arrays, kind, description | text)


def load_model(path: str | Path, threads: int | None = None) -> LanguageModel:
    """Read a model file, the best model of a run folder, or an ARPA file, also a compressed one.

    An ARPA file that names no tokenizer, as those of `fflm export` may do, is taken for lines of words with blanks
    between them; `fflm.convert_arpa` reads it with another tokenizer.

    Raises
    ------
    ModelFileError
        If the file is missing, damaged, of a newer format or not a model.
    ConfigError
        If `threads` is no number of workers.

    Examples
    --------
    >>> load_model("runs/demo").reach
    2
    """
    check_threads(threads)
    with local_file(model_to_read(path)) as path:
        if is_arpa(path):
            from fflm.lm import read_arpa  # with the kernels of n-grams, where they are needed

            return read_arpa(path, threads=threads)
        arrays, description = read_tensors(path, list(KINDS), "language model", _hint)
        try:
            vocabulary, tokenizer = unpack_text(arrays, description)
            return unpack(arrays, description, Reader(vocabulary, tokenizer, threads, unpack))
        except (KeyError, ValueError, TypeError, AttributeError, IndexError, OverflowError, FflmError) as error:
            raise ModelFileError(f"{path} is damaged: {one_line(error)}") from error


def _hint(kind: str) -> str:
    return USE_CLASSIFY if kind == CLASSIFIER else ""


def is_classifier(path: str | Path) -> bool:
    """Tell whether a file says that it holds a text classifier; its arrays are not read."""
    return kind_of(model_path(path)) == CLASSIFIER


def is_model(path: str | Path) -> bool:
    """Tell whether a path is a model of any kind, as far as can be told without reading its arrays."""
    path = model_path(path)
    return path.is_file() and (is_arpa(path) or kind_of(path) in (*KINDS, CLASSIFIER))
