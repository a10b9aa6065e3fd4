"""Files: each is written whole under a temporary name, flushed to the disk and renamed.

A reader sees the old file or the new one, whatever happens meanwhile. Nothing read from a file is executed or taken
for a path.
"""

from __future__ import annotations

import errno
import io
import json
import os
import re
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from fflm.errors import FflmError, ModelFileError, shown

STANDARD = "-"  # standard input where it is read, standard output where it is written


def standard_input() -> BinaryIO:
    """Standard input as bytes, or FflmError where the process has none."""
    if sys.stdin is None:
        raise FflmError("- stands for standard input, which is closed")
    return sys.stdin.buffer


def is_standard_output(path: str | Path | None) -> bool:
    """Whether to write to `path` is to write to standard output."""
    return str(path) in (STANDARD, "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


def is_stream(path: str | Path) -> bool:
    """Whether `path` is standard output, a pipe or a device: what is written there passes on and replaces no file."""
    if is_standard_output(path) or re.fullmatch(r"/dev/std(out|err)|(/dev|/proc/self)/fd/[0-9]+", str(path)):
        return True
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _pass_on(path: str | Path, content: bytes | Callable[[str], None]) -> None:
    """Write into a stream; what writes to a file of a name does so elsewhere first."""
    if callable(content):
        with tempfile.TemporaryDirectory() as folder:
            name = os.path.join(folder, "content")
            content(name)
            with open(name, "rb") as file:
                _copy(file, path)
    else:
        _copy(io.BytesIO(content), path)


def _copy(file: BinaryIO, path: str | Path) -> None:
    if is_standard_output(path):
        shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.flush()
    else:
        with open(path, "wb") as stream:
            shutil.copyfileobj(file, stream)


try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]


def write(path: str | Path, content: bytes | Callable[[str], None]) -> None:
    """Write `content`, or what it writes when called with a file's name, to `path`: whole or not at all.

    Raises
    ------
    FflmError
        If it can't be written; what was at `path` before is still there.
    """
    if is_stream(path):
        try:
            return _pass_on(path, content)
        except BrokenPipeError:
            raise
        except (OSError, ValueError) as error:
            raise FflmError(f"can't write {path}: {getattr(error, 'strerror', None) or error}") from error
    path = Path(path)
    if not path.name:
        raise FflmError(f"the file to write must have a name, got {shown(str(path))}")
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


def leftovers(folder: Path, names: Iterable[str]) -> list[Path]:
    """The temporary files of `write` for files of these names, left in `folder` by a process that was killed.

    Examples
    --------
    >>> folder = Path("runs/demo")
    >>> (folder / ".config.json.0123abcd.tmp").touch()
    >>> (folder / ".tmp_notes").touch()
    >>> [path.name for path in leftovers(folder, ["config.json"])]
    ['.config.json.0123abcd.tmp']
    """
    ours = re.compile(rf"\.({'|'.join(map(re.escape, names))})\.[0-9a-f]{{8}}\.tmp")
    return sorted(path for path in folder.iterdir() if ours.fullmatch(path.name) and path.is_file())


class Lock:
    """A lock that one process at a time can hold, by a file that exists while it is held.

    The operating system keeps the lock and drops it when the process ends, however it ends: what a kill leaves behind
    is a file, which locks nobody out.

    Parameters
    ----------
    path : Path
        The file; it holds the process id of the holder and is removed by `release`.

    Examples
    --------
    >>> first, second = Lock(Path(".lock")), Lock(Path(".lock"))
    >>> first.acquire(), second.acquire(), second.holder() == os.getpid()
    (True, False, True)
    >>> first.release()
    >>> second.acquire()
    True
    >>> second.release()
    """

    def __init__(self, path: Path):
        self.path = path
        self._handle: int | None = None

    def acquire(self) -> bool:
        """Take the lock, and say whether it is held now; False if someone else has it.

        Raises
        ------
        LockUnsupported
            If this system or this file system knows no such locks.
        OSError
            If the file can't be made.
        """
        if fcntl is None:
            raise LockUnsupported
        while self._handle is None:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._is_file_of(handle):  # and not one that its holder has just removed
                    self._handle = handle
                    with suppress(OSError):  # on a full disk the lock is as good without
                        os.truncate(self._handle, 0)
                        os.write(self._handle, f"{os.getpid()}\n".encode())
            except OSError as error:
                if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                    return False
                if error.errno in UNSUPPORTED:
                    self.path.unlink(missing_ok=True)
                    raise LockUnsupported from error
                raise
            finally:
                if self._handle is None:
                    os.close(handle)
        return True

    def holder(self) -> int | None:
        """The process id of the holder, where it can be told."""
        try:
            return int(self.path.read_text())
        except (OSError, ValueError):
            return None

    def release(self) -> None:
        """Give the lock back, if it is held."""
        if self._handle is not None:
            with suppress(OSError):
                self.path.unlink(missing_ok=True)  # first, while nobody else can hold it
            os.close(self._handle)
            self._handle = None

    def _is_file_of(self, handle: int) -> bool:
        try:
            return os.path.samestat(os.fstat(handle), os.stat(self.path))
        except FileNotFoundError:
            return False


class LockUnsupported(Exception):
    """The file system, or the operating system, knows no locks."""


#: What flock says where there are no locks.
UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EINVAL, errno.EBADF, errno.EOPNOTSUPP, errno.ENOTSUP}


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def one_line(error: BaseException) -> str:
    """What an error says, on one line."""
    if isinstance(error, KeyError) and error.args:
        return f"{error.args[0]} is missing"
    return " ".join(str(error).split()) or type(error).__name__


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write one JSON object."""
    write(path, (json.dumps(value, indent=2) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Read one JSON object, or raise ModelFileError."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path} can't be read: {one_line(error)}") from error
    if not isinstance(value, dict):
        raise ModelFileError(f"{path} must hold a JSON object, got {type(value).__name__}")
    return value
