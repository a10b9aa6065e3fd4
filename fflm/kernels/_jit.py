"""The one decorator of the compiled loops."""

from collections.abc import Callable
from threading import RLock
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
_LOCK = RLock()  # threads may come to need the same kernel, and one kernel needs others


def kernel(signature: str, reassociate: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Make a loop over arrays a compiled one: no GIL, cached on disk, one signature.

    It is compiled, or read from the cache, when it is first called, by Python or by a kernel that is compiled, or at
    ``ready()``: so a program waits for the kernels that it uses. An array of another type or layout than `signature`
    says is refused instead of compiled for again.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        flags = EXACT | {"reassoc"} if reassociate else EXACT
        dispatcher = numba.njit(nogil=True, error_model="numpy", fastmath=flags)(function)
        if not numba.config.DISABLE_JIT:
            _compile_late(dispatcher, signature)
        return dispatcher

    return decorate


def _compile_late(dispatcher: Any, signature: str) -> None:
    """Compile for one signature where Numba would compile for the types that it meets."""
    call_template = dispatcher.get_call_template

    def ready() -> None:
        with _LOCK:
            if not dispatcher._can_compile:
                return
            cache = dispatcher._cache = KernelCache(dispatcher.py_func)
            try:
                dispatcher.compile(signature)
            finally:
                cache.release()
            dispatcher.disable_compile()

    def at_first_call(*arguments: Any) -> Any:
        ready()
        return dispatcher  # what Numba calls then: it accepts the one signature by now, and refuses others

    def in_another_kernel(*arguments: Any) -> Any:
        ready()
        return call_template(*arguments)

    dispatcher.ready = ready
    dispatcher._compile_for_args = at_first_call
    dispatcher.get_call_template = in_another_kernel
