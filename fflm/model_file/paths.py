"""Names of model files: the model of a run folder, and ARPA files by their name or their first bytes."""

from __future__ import annotations

from pathlib import Path

from fflm.errors import FflmError, ModelFileError
from fflm.storage.contents import ARPA, TEXT_BEFORE_ARPA, what_is
from fflm.storage.files import one_line

MODEL = "model.safetensors"  # in a run folder
ARPA_NAMES = (".arpa", ".arpa.gz")


def model_path(path: str | Path) -> Path:
    """The model file that `path` means: itself, or the best model of a run folder."""
    try:
        path = Path(path)
        return path / MODEL if path.is_dir() else path
    except TypeError:
        raise ModelFileError(f"a model must be given as a path, got {path!r}") from None
    except (OSError, ValueError) as error:  # a name that no file can have
        raise ModelFileError(f"no such model: {path} ({one_line(error)})") from error


def check_name(path: str | Path) -> None:
    """Raise FflmError for a model file's name under which it would be taken for an ARPA file."""
    if str(path).endswith(ARPA_NAMES):
        raise FflmError(f"can't write {path}: it has the name of an ARPA file; take another name, or use fflm export")


def is_arpa(path: Path) -> bool:
    """Whether `path` is an ARPA file, judged by its suffix or its first bytes, also where these are compressed."""
    if str(path).endswith(ARPA_NAMES):
        return True
    try:
        return path.is_file() and what_is(path).name in (ARPA.name, TEXT_BEFORE_ARPA.name)
    except (OSError, ValueError):
        return False
