"""Files: each is written whole under a temporary name, flushed to the disk and renamed.

A reader sees the old file or the new one, whatever happens meanwhile. Nothing read from a file is executed or taken
for a path.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from fflm.errors import FflmError, ModelFileError


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


def write_json(path: Path, value: dict) -> None:
    """Write one JSON object."""
    write(path, (json.dumps(value, indent=2) + "\n").encode())


def read_json(path: Path) -> dict:
    """Read one JSON object, or raise ModelFileError."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path} can't be read: {one_line(error)}") from error
    if not isinstance(value, dict):
        raise ModelFileError(f"{path} must hold a JSON object, got {type(value).__name__}")
    return value
