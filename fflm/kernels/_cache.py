"""Numba's cache of compiled kernels, made so that a failure costs time and nothing else.

Numba keeps machine code in files beside the sources or, where it may not write there, in a folder of the user
(`NUMBA_CACHE_DIR` names another). It compiles again when the file of the function has changed; a kernel here may be
built from its neighbours' code too, so all of them count. Numba's cache ends a program that meets a damaged file, a
full disk or no folder at all, and lets processes that start together compile the same code each. This one does not.
"""

from __future__ import annotations

import hashlib
import sys
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import llvmlite
import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile, InTreeCacheLocator
from numba.core.registry import cpu_target

from fflm.kernels import _ahead
from fflm.runtime.progress import say

COMPILING = "compiling the kernels for this processor (first use only, some seconds) ..."
NOT_KEPT = (
    "note: compiled kernels can't be kept ({reason}), so every use compiles them, which takes some seconds; "
    "set NUMBA_CACHE_DIR to a folder that can be written"
)
#: Settings of Numba that change the code of a kernel, apart from the processor, which its keys hold.
SETTINGS = ("BOUNDSCHECK", "OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "DEBUGINFO_DEFAULT")
#: Seconds that a process waits for another that compiles the same kernel. It waits so long only once: what takes
#: longer is a process that has been stopped.
PATIENCE = 30.0
PAUSE = 0.05
UNHELPED = 0.5  # seconds of compiling for which no second process is started
UNSAID = 3.0  # seconds of compiling about which nothing is said


def _hash(parts: list[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


def stamp_of(folder: Any) -> str:
    """Compute a hash of the sources in `folder` (a path or a `Traversable`) and of the compiler's versions.

    Not of their times: those change when a package is installed again or put into a container.
    """
    sources = sorted((file for file in folder.iterdir() if file.name.endswith(".py")), key=lambda file: file.name)
    names_and_texts = [part for file in sources for part in (file.name.encode(), file.read_bytes())]
    return _hash([*names_and_texts, numba.__version__.encode(), llvmlite.__version__.encode()])


STAMP = stamp_of(resources.files(__package__))


@cache
def _machine() -> str:
    """Compute a short hash of the processor and of the settings: those of the compiler, not of the sources."""
    settings = [getattr(numba.config, name, None) for name in SETTINGS]
    return _hash([repr((cpu_target.target_context.codegen().magic_tuple(), settings)).encode()])[:12]


class _Shipped(InTreeCacheLocator):
    """The folder beside the sources where it can only be read, such as that of a container's image; taken last."""

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> _Shipped:
        return cls(py_func, py_file)

    def get_source_stamp(self) -> Any:
        """Return Numba's hash of the file, or None where only byte code was installed."""
        with suppress(OSError):
            return super().get_source_stamp()
        return None

    def ensure_cache_path(self) -> None:
        """Refuse to write."""
        raise OSError("no folder for them can be written")


class _Folders(CompileResultCacheImpl):
    _locator_classes = [*CompileResultCacheImpl._locator_classes, _Shipped]


class KernelCache(FunctionCache):
    """The cache of one kernel.

    What can't be read is compiled, what can't be written is not kept, and a process that finds another at work on
    the same kernel waits for its result. Code of several processors and settings may stand in one folder.
    """

    _impl_class = _Folders
    _patient = True
    _began: float | None = None
    _told = False
    _helped = False
    spans: ClassVar[list[tuple[float, float]]] = []

    def __init__(self, function: Callable[..., Any]):
        super().__init__(function)
        self._held: BinaryIO | None = None
        self._begin = 0.0
        # A name for each kind of machine, so that machines that share a home never write into each other's files.
        self._name = f"{self._impl.filename_base}-{_machine()}"
        stamp = (STAMP, self._impl.locator.get_source_stamp())
        folders = [self._cache_path]
        if not numba.config.CACHE_DIR:  # what an image was built with is read even where another folder is written
            folders.append(str(Path(function.__code__.co_filename).parent / "__pycache__"))
        self._files = [IndexDataCacheFile(folder, self._name, stamp) for folder in dict.fromkeys(folders)]
        self._cache_file = self._files[0]

    def _read(self, sig: Any, target_context: Any) -> Any:
        key = self._index_key(sig, target_context.codegen())
        for file in self._files:
            try:
                data = file.load(key)
                if data is not None:
                    return self._impl.rebuild(target_context, data)
            except Exception:  # a damaged pickle may raise anything; an index that can't be read would stop writing too
                with suppress(OSError):
                    file.flush()
        return None

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the code kept for a signature, or None if the caller is to compile it."""
        target_context.refresh()
        begin = self._begin = time.monotonic()
        waited = False
        while True:
            code = self._read(sig, target_context)
            if code is not None or self._held is not None:
                if waited:
                    KernelCache.spans.append((begin, time.monotonic()))
                return code
            _announce()
            if not KernelCache._patient or not self._lock():
                return None
            _get_help()
            if self._held is None:
                waited = True
                time.sleep(PAUSE)
                KernelCache._patient = time.monotonic() - begin < PATIENCE

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the code of a signature; where it can't be kept, say so once."""
        KernelCache.spans.append((self._begin, time.monotonic()))
        try:
            super().save_overload(sig, data)
        except OSError as error:
            _tell(NOT_KEPT.format(reason=error.strerror or error))

    def _lock(self) -> bool:
        """Try to lock this kernel; False where locks are impossible. A process that has ended holds none."""
        try:
            file = open(Path(self._cache_path) / "compiling.lock", "ab")
        except OSError:
            return False
        try:
            if _lock_byte(file, zlib.crc32(self._name.encode()) >> 2):
                self._held = file
                return True
        except OSError:
            file.close()
            return False
        file.close()
        return True

    def release(self) -> None:
        """Let go of the lock, if it is held."""
        if self._held is not None:
            self._held.close()
            self._held = None


def compile_seconds(since: float) -> float:
    """Compute how long this process has compiled kernels, or waited for another that did, since ``time.monotonic()``.

    One kernel may be compiled while another is that calls it: no second counts twice.
    """
    seconds, last = 0.0, since
    for begin, end in sorted(KernelCache.spans):
        seconds += max(0.0, end - max(begin, last))
        last = max(last, end)
    return seconds


def _announce() -> None:
    """Once compiling has taken a while, say so."""
    now = time.monotonic()
    KernelCache._began = now if KernelCache._began is None else KernelCache._began
    if now - KernelCache._began > UNSAID:
        _tell(COMPILING)


def _get_help() -> None:
    """Once compiling has taken a while, let a second process help; what it compiles is kept, or it would be no help."""
    if KernelCache._began is not None and time.monotonic() - KernelCache._began > UNHELPED and not KernelCache._helped:
        KernelCache._helped = True
        _ahead.start()


def _tell(line: str) -> None:
    if not KernelCache._told and sys.stderr is not None:
        say(line)
    KernelCache._told = True


def _lock_byte(file: BinaryIO, place: int) -> bool:
    """Lock one byte of a file for this process until it is closed; False if another process has it."""
    if sys.platform == "win32":
        import msvcrt

        file.seek(place)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True
    import fcntl

    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
    except (BlockingIOError, PermissionError):
        return False
    return True
