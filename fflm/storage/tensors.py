"""Arrays with a description, as safetensors.

The description stands in the header's metadata as one entry ``fflm``: a JSON object with ``version``, ``kind`` and what
the kind needs. It is one entry because safetensors writes several in no fixed order, and the same content has to be the
same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fflm.errors import ModelFileError
from fflm.storage.contents import SAFETENSORS, what_is
from fflm.storage.files import _is_file, one_line, write

FORMAT, VERSION = "fflm", 1


CLASSIFIER_KIND = "text classifier"


USE_CLASSIFY = "; use fflm classify for it (in Python, TextClassifier.load)"


MAKE_CLASSIFIER = "; fflm classify train makes one"


def write_tensors(path: Path, tensors: dict[str, np.ndarray], kind: str, description: dict) -> None:
    """Write arrays and their description, which must be plain JSON values."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    entry = json.dumps({"version": VERSION, "kind": kind, **description})
    tensors = {name: np.ascontiguousarray(value) for name, value in tensors.items()}

    def fill(temporary: str) -> None:
        try:
            save_file(tensors, temporary, {FORMAT: entry})
        except SafetensorError as error:  # it does not tell errors of the disk apart
            raise OSError(one_line(error)) from error

    write(path, fill)


def read_tensors(path: Path, kinds: Sequence[str], wanted: str) -> tuple[dict[str, np.ndarray], dict]:
    """Arrays and description of a file of ours, its format and version checked, its kind one of `kinds`.

    `wanted` says what that is, for the ModelFileError.
    """
    from safetensors import SafetensorError, safe_open

    if not _is_file(path):
        raise ModelFileError(f"no such model: {path}")
    _check_content(path)
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError, TypeError, ValueError, MemoryError) as error:
        raise ModelFileError(f"{path} is not a model file, or it is damaged: {one_line(error)}") from error
    if FORMAT not in metadata:
        raise ModelFileError(f"{path} was not written by fflm: its metadata has no entry {FORMAT!r}")
    try:
        description = json.loads(metadata[FORMAT])
        version, found = description["version"], description["kind"]
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise ModelFileError(f"{path} is damaged: {one_line(error)}") from error
    if type(version) is not int or version < 1:
        raise ModelFileError(f"{path} is damaged: its format version is {version!r}")
    if version > VERSION:
        raise ModelFileError(f"{path} has format version {version}, this fflm reads up to {VERSION}; upgrade fflm")
    if found not in kinds:
        hint = USE_CLASSIFY if found == CLASSIFIER_KIND else MAKE_CLASSIFIER if wanted == CLASSIFIER_KIND else ""
        raise ModelFileError(f"{path} must hold a {wanted}, got {found!r}{hint}")
    return tensors, description


def _check_content(path: Path) -> None:
    """Raise ModelFileError, saying what it is, if a file is no safetensors file."""
    try:
        content = what_is(path)
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path} is not a model file, or it is damaged: {one_line(error)}") from error
    if content.name != SAFETENSORS.name or content.packed:
        raise ModelFileError(f"{path} is not a model file, or it is damaged: it is {content}")


def is_classifier(path: Path) -> bool:
    """Whether a file says that it holds a text classifier; its arrays are not read."""
    from safetensors import SafetensorError, safe_open

    if not _is_file(path):
        return False
    try:
        with safe_open(path, framework="numpy") as file:
            return json.loads((file.metadata() or {})[FORMAT])["kind"] == CLASSIFIER_KIND
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, RecursionError):
        return False


def check_arrays(
    arrays: dict[str, np.ndarray], expected: dict[str, tuple[type, tuple[int, ...]]], surplus: bool = False
) -> None:
    """Raise ValueError unless `arrays` have the names, types and shapes `expected`, and only finite values."""
    for name, (kind, shape) in expected.items():
        if name not in arrays:
            raise ValueError(f"{name} is missing")
        value = arrays[name]
        if value.shape != shape or value.dtype != kind:
            raise ValueError(f"{name} must be {np.dtype(kind)} of shape {shape}, got {value.dtype} {value.shape}")
        if not np.isfinite(value).all():
            raise ValueError(f"{name} holds values that are not finite")
    if not surplus and (names := sorted(set(arrays) - set(expected))):
        raise ValueError(f"unexpected array {names[0]!r}")
