"""Files: arrays with a description as safetensors, and the small files of a run folder.

Every file is written under a temporary name, flushed to the disk and renamed: a reader sees the old file or the new
one, whatever happens meanwhile. Nothing read from a file is executed or taken for a path.

The description stands in the header's metadata as one entry ``fflm``: a JSON object with ``version``, ``kind`` and what
the kind needs. It is one entry because safetensors writes several in no fixed order, and the same content has to be the
same bytes.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from fflm.errors import FflmError, ModelFileError

FORMAT, VERSION = "fflm", 1
MODEL, STATE, LOG, CONFIG = "model.safetensors", "state.safetensors", "log.jsonl", "config.json"
CURVE = "learning_curve.png"
STATE_KIND = "training state"
CLASSIFIER_KIND = "text classifier"
USE_CLASSIFY = "; use fflm classify for it (in Python, TextClassifier.load)"
MAKE_CLASSIFIER = "; fflm classify train makes one"


def write(path: str | Path, content: bytes | Callable[[str], None]) -> None:
    """Write `content`, or what it writes when called with a file's name, to `path`: whole or not at all.

    Raises
    ------
    FflmError
        If it can't be written; what was at `path` before is still there.
    """
    path = Path(path)
    if not path.name:
        raise FflmError(f"the file to write must have a name, got {str(path)!r}")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not callable(content):
                file.write(content)
        if callable(content):
            content(str(temporary))
            os.chmod(temporary, stat.S_IMODE(mode))  # that of any new file, whatever `content` chose
        with open(temporary, "r+b") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FflmError(f"can't write {path}: {reason}; what was there is untouched") from error
    finally:
        with suppress(OSError, ValueError):
            temporary.unlink(missing_ok=True)


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


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def one_line(error: Exception) -> str:
    """What an error says, on one line."""
    if isinstance(error, KeyError) and error.args:
        return f"{error.args[0]} is missing"
    return " ".join(str(error).split()) or type(error).__name__


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


def save_state(run: Path, tensors: dict[str, np.ndarray], progress: dict) -> None:
    """Write the training state of a run folder: arrays, and a JSON object that says where training stands."""
    write_tensors(run / STATE, tensors, STATE_KIND, {"progress": progress})


def load_state(run: Path) -> tuple[dict[str, np.ndarray], dict]:
    """Read what `save_state` wrote."""
    tensors, description = read_tensors(run / STATE, [STATE_KIND], STATE_KIND)
    if not isinstance(description.get("progress"), dict):
        raise ModelFileError(f"{run / STATE} is damaged: its progress is missing")
    return tensors, description["progress"]


def write_json(path: Path, value: dict) -> None:
    """Write one JSON object."""
    write(path, (json.dumps(value, indent=2) + "\n").encode())


def write_log(run: Path, records: list[dict]) -> None:
    """Write the log of a run: one JSON object a line, one line a validation."""
    write(run / LOG, "".join(json.dumps(record) + "\n" for record in records).encode())


def read_json(path: Path) -> dict:
    """Read one JSON object, or raise ModelFileError."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path} can't be read: {one_line(error)}") from error
    if not isinstance(value, dict):
        raise ModelFileError(f"{path} must hold a JSON object, got {type(value).__name__}")
    return value


def is_run(folder: Path) -> bool:
    """Whether a folder holds a run: a model or a training state."""
    return (folder / MODEL).exists() or (folder / STATE).exists()


def clear_leftovers(folder: Path) -> None:
    """Remove the temporary files of a process that was killed while it wrote into the run folder."""
    ours = [f".{name}.????????.tmp" for name in (MODEL, STATE, LOG, CONFIG, CURVE)]
    for pattern in [*ours, ".tmp??????"]:  # the last one is what safetensors writes under
        for path in folder.glob(pattern):
            if path.is_file():
                path.unlink()
