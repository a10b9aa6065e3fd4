"""Texts that take long to make, kept in a folder of the user: what can't be read or written there is made again."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from pathlib import Path

from fflm.errors import FflmError
from fflm.storage.files import write

#: Names the folder; where it is empty, nothing is kept.
FOLDER = "FFLM_CACHE"
MOST = 4  # texts of one name that are kept, the newest: several versions of Python may take turns


def cache_folder() -> Path | None:
    """Return the folder: what `FOLDER` says, or the system's place for caches; None where nothing is to be kept.

    Examples
    --------
    >>> cache_folder()  # doctest: +SKIP
    PosixPath('/home/ann/.cache/fflm')
    """
    if FOLDER in os.environ:
        return Path(os.environ[FOLDER]) if os.environ[FOLDER] else None
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    else:
        base = "~/Library/Caches" if sys.platform == "darwin" else os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.path.expanduser(base)) / "fflm"


def kept_texts(name: str, key: str) -> list[str] | None:
    """Return the texts that were kept under a name and a key, or None."""
    folder = cache_folder()
    if folder is None:
        return None
    try:
        found = json.loads((folder / f"{name}-{key}.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, list) and all(isinstance(text, str) for text in found) else None


def keep_texts(name: str, key: str, texts: list[str]) -> None:
    """Keep texts under a name and a key, and no more than `MOST` of this name."""
    folder = cache_folder()
    if folder is None:
        return
    with suppress(OSError, FflmError):
        folder.mkdir(parents=True, exist_ok=True)
        write(folder / f"{name}-{key}.json", json.dumps(texts).encode())
        older = sorted(folder.glob(f"{name}-*.json"), key=lambda file: file.stat().st_mtime, reverse=True)[MOST:]
        for file in older:
            file.unlink()
