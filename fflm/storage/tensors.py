"""Arrays with a description, as safetensors.

The description stands in the header's metadata as one entry ``fflm``: a JSON object with ``version``, ``kind`` and what
the kind needs. It is one entry because safetensors writes several in no fixed order, and the same content has to be the
same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fflm.errors import ModelFileError, shown
from fflm.storage.contents import SAFETENSORS, what_is
from fflm.storage.files import _is_file, one_line, write

FORMAT, VERSION = "fflm", 1
#: Names of array types in the file format, in the order in which the arrays stand there: wide ones first, so that each
#: is aligned.
TYPES = {"<i8": "I64", "<f8": "F64", "<f4": "F32", "<i4": "I32", "|u1": "U8", "|b1": "BOOL"}


def write_tensors(path: Path, tensors: dict[str, np.ndarray], kind: str, description: dict[str, Any]) -> None:
    """Write arrays and their description, which must be plain JSON values, to `path`: whole or not at all.

    The file is the one that the safetensors library would write, to the byte; it is written here because the library
    writes under a temporary name of its own choice, and what a kill leaves of it could not be told from other files.
    """
    entry = json.dumps({"version": VERSION, "kind": kind, **description})
    arrays = {name: np.ascontiguousarray(value, value.dtype.newbyteorder("<")) for name, value in tensors.items()}
    names = sorted(arrays, key=lambda name: (list(TYPES).index(arrays[name].dtype.str), name))
    header: dict[str, dict[str, Any]] = {"__metadata__": {FORMAT: entry}}
    offset = 0
    for name in names:
        value, end = arrays[name], offset + arrays[name].nbytes
        header[name] = {"dtype": TYPES[value.dtype.str], "shape": list(value.shape), "data_offsets": [offset, end]}
        offset = end
    head = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    head += b" " * (-len(head) % 8)

    def fill(temporary: str) -> None:
        with open(temporary, "wb") as file:
            file.write(len(head).to_bytes(8, "little") + head)
            for name in names:
                file.write(arrays[name].data.cast("B") if arrays[name].size else b"")

    write(path, fill)


def read_tensors(
    path: Path, kinds: Sequence[str], wanted: str, hint: Callable[[str], str] = lambda kind: ""
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read arrays and description of a file of ours, its format and version checked, its kind one of `kinds`.

    `wanted` says what that is, for the ModelFileError, and `hint` what to do with a file of another kind.
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
        raise ModelFileError(f"{path} must hold a {wanted}, got {shown(found)}{hint(found)}")
    return tensors, description


def _check_content(path: Path) -> None:
    """Raise ModelFileError, saying what it is, if a file is no safetensors file."""
    try:
        content = what_is(path)
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path} is not a model file, or it is damaged: {one_line(error)}") from error
    if content.name != SAFETENSORS.name or content.packed:
        raise ModelFileError(f"{path} is not a model file, or it is damaged: it is {content}")


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
