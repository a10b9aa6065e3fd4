"""The one decorator of the compiled loops."""

from collections.abc import Callable
from functools import cached_property, update_wrapper
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
    for again, and so that compiling happens when a module of `fflm.kernels` is imported.
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


class KernelOnDemand:
    """A kernel that is compiled when it is asked for: one of many of which a program uses a few."""

    def __init__(self, signature: str, function: Callable[..., Any]):
        self._signature, self._function = signature, function
        update_wrapper(self, function)

    @cached_property
    def compiled(self) -> Any:
        """The kernel itself."""
        return kernel(self._signature)(self._function)

    def __call__(self, *arguments: Any) -> None:
        """Call the kernel."""
        self.compiled(*arguments)


def kernel_on_demand(signature: str) -> Callable[[Callable[..., Any]], KernelOnDemand]:
    """Do what `kernel` does, but compile when the kernel is first asked for."""
    return lambda function: KernelOnDemand(signature, function)
