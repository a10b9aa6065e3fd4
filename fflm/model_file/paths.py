"""Names of model files: the model of a run folder, and ARPA files by their name or their first bytes."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fflm.errors import FflmError, ModelFileError, shown
from fflm.storage.contents import ARPA, TEXT_BEFORE_ARPA, what_is
from fflm.storage.files import STANDARD, one_line, standard_input

MODEL = "model.safetensors"  # in a run folder
ARPA_NAMES = (".arpa", ".arpa.gz")


def model_path(path: str | Path) -> Path:
    """Return the model file that `path` means: itself, or the best model of a run folder; ``-`` is standard input."""
    try:
        path = Path(path)
        if str(path) == STANDARD:
            return path
        return path / MODEL if path.is_dir() else path
    except TypeError:
        raise ModelFileError(f"a model must be given as a path, got {shown(path)}") from None
    except (OSError, ValueError) as error:  # a name that no file can have
        raise ModelFileError(f"no such model: {path} ({one_line(error)})") from error


def model_to_read(path: str | Path) -> Path:
    """Return what `model_path` does, or raise ModelFileError for an empty path or a folder without a model."""
    if str(path) == "":
        raise ModelFileError("no such model: '', an empty path")
    found = model_path(path)
    if found != Path(path) and not found.exists():
        raise ModelFileError(f"no such model: {path}, a folder without {MODEL}")
    return found


@contextmanager
def local_file(path: Path) -> Iterator[Path]:
    """Provide a file that can be read from any place: `path`, or a copy of what standard input or a pipe holds."""
    is_pipe = False
    try:
        is_pipe = stat.S_ISFIFO(os.stat(path).st_mode)
    except (OSError, ValueError):  # the caller says so
        pass
    if str(path) != STANDARD and not is_pipe:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / ("standard input" if str(path) == STANDARD else path.name)
        try:
            with open(copy, "xb") as file:
                if str(path) == STANDARD:
                    shutil.copyfileobj(standard_input(), file)
                else:
                    with open(path, "rb") as pipe:
                        shutil.copyfileobj(pipe, file)
        except OSError as error:
            raise ModelFileError(f"{copy.name} can't be read: {error.strerror or error}") from error
        try:
            yield copy
        except ModelFileError as error:  # the reader of the message knows nothing of the copy
            raise ModelFileError(str(error).replace(str(copy), copy.name)) from error


def check_name(path: str | Path) -> None:
    """Raise FflmError for a model file's name under which it would be taken for an ARPA file."""
    if str(path).endswith(ARPA_NAMES):
        raise FflmError(f"can't write {path}: it has the name of an ARPA file; take another name, or use fflm export")


def is_arpa(path: Path) -> bool:
    """Tell whether `path` is an ARPA file, by its suffix or its first bytes, also where these are compressed."""
    if str(path).endswith(ARPA_NAMES):
        return True
    try:
        return path.is_file() and what_is(path).name in (ARPA.name, TEXT_BEFORE_ARPA.name)
    except (OSError, ValueError):
        return False
