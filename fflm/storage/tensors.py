"""Arrays with a description, as safetensors.

The description stands in the header's metadata as one entry ``fflm``: a JSON object with ``version``, ``kind`` and what
the kind needs. It is one entry because safetensors writes several in no fixed order, and the same content has to be the
same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from fflm.errors import ModelFileError, shown
from fflm.storage.files import _is_file, one_line, write

FORMAT, VERSION = "fflm", 1


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


def read_tensors(
    path: Path, kinds: Sequence[str], wanted: str, hint: Callable[[str], str] = lambda kind: ""
) -> tuple[dict[str, np.ndarray], dict]:
    """Read arrays and description of a file of ours, its format and version checked, its kind one of `kinds`.

    `wanted` says what that is, for the ModelFileError, and `hint` what to do with a file of another kind.
    """
    from safetensors import SafetensorError, safe_open

    if not _is_file(path):
        raise ModelFileError(f"no such model: {path}")
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
        raise ModelFileError(f"{path} must hold a {wanted}, got {shown(found)}{hint(found)}")
    return tensors, description


def kind_of(path: Path) -> str | None:
    """The kind of model that a file says it holds, or None; its arrays are not read."""
    from safetensors import SafetensorError, safe_open

    if not _is_file(path):
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            kind = json.loads((file.metadata() or {})[FORMAT])["kind"]
            return kind if isinstance(kind, str) else None
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, RecursionError):
        return None


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
