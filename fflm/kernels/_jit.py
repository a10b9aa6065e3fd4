"""The one decorator of the compiled loops."""

from collections.abc import Callable
from typing import Any

import numba
from llvmlite import binding

from fflm.kernels._cache import KernelCache

# Never "nnan" or "ninf": with them isfinite() lies. "reassoc" is asked for where a sum may be vectorised.
EXACT = {"contract", "nsz", "arcp"}
COMPILER = numba.__version__
PROCESSOR = numba.config.CPU_NAME or binding.get_host_cpu_name()


def _features() -> dict[str, bool]:
    text = numba.config.CPU_FEATURES
    if text:
        return {name[1:]: name[0] == "+" for name in text.split(",") if name}
    return dict(binding.get_host_cpu_features())


FEATURES = _features()
# Floats in a vector register.
LANES = 16 if FEATURES.get("avx512f") else 8 if FEATURES.get("avx2") else 4


def kernel(signature: str, reassociate: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Compile a loop over arrays: no GIL, cached on disk, one signature.

    Compiled eagerly for `signature`, so that an array of another type or layout is refused instead of compiled
    for again, and so that all compiling happens when `fflm.kernels` is imported.
    """

    def compile(function: Callable[..., Any]) -> Any:
        flags = EXACT | {"reassoc"} if reassociate else EXACT
        dispatcher = numba.njit(nogil=True, error_model="numpy", fastmath=flags)(function)
        if numba.config.DISABLE_JIT:
            return dispatcher
        cache = dispatcher._cache = KernelCache(function)
        try:
            dispatcher.compile(signature)
        finally:
            cache.release()
        dispatcher.disable_compile()
        return dispatcher

    return compile
