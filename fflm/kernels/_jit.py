"""The one decorator of the compiled loops."""

from pathlib import Path

import numba
from llvmlite import binding

# Never "nnan" or "ninf": with them isfinite() lies. "reassoc" is asked for where a sum may be vectorised.
EXACT = {"contract", "nsz", "arcp"}
ROOM = Path(__file__).parent
COMPILER = numba.__version__
PROCESSOR = numba.config.CPU_NAME or binding.get_host_cpu_name()


def kernel(signature: str, reassociate: bool = False):
    """Compile a loop over arrays: no GIL, cached on disk, one signature.

    Compiled eagerly for `signature`, so that an array of another type or layout is refused instead of compiled
    for again, and so that all compiling happens when `fflm.kernels` is imported.
    """

    def compile(function):
        flags = EXACT | {"reassoc"} if reassociate else EXACT
        dispatcher = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=flags)(function)
        if numba.config.DISABLE_JIT:
            return dispatcher
        _watch_whole_room(dispatcher)
        dispatcher.compile(signature)
        dispatcher.disable_compile()
        return dispatcher

    return compile


def _watch_whole_room(dispatcher) -> None:
    # Numba recompiles when a kernel's own file changes; a kernel here may be built from its neighbours' code too.
    stats = [path.stat() for path in sorted(ROOM.glob("*.py"))]
    stamp = (max(s.st_mtime for s in stats), sum(s.st_size for s in stats))
    cache_file = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
    if hasattr(cache_file, "_source_stamp"):
        cache_file._source_stamp = stamp
