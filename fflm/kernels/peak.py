"""A loop of fused multiply-adds on registers alone, which shows how fast a core can be at most."""

import numba

from fflm.kernels._jit import LANES, kernel

# Sums that grow side by side: more than two units times the cycles that one multiply-add takes, and they fit into the
# registers of every processor.
SUMS = 12
#: Operations of one round: each multiply-add is two.
OPERATIONS = 2 * SUMS * LANES


def _by_plain_loop(out, factor, rounds):
    """Do as many rounds as asked for without vectors: where nothing is compiled."""
    total = 0.0
    for _ in range(rounds):
        total = total * factor + factor
    out[0] = total


def _on_registers(out, factor, rounds):
    """Write into out (1,) a sum of `rounds` rounds, in each of which every sum grows to sum * factor + factor."""
    out[0] = _loop(factor, rounds)


multiply_adds = _by_plain_loop
if not numba.config.DISABLE_JIT:
    try:
        from fflm.kernels.rectangles import register_loop

        _loop = register_loop(SUMS)
        multiply_adds = kernel("void(float32[::1], float32, int64)")(_on_registers)
        multiply_adds.ready()
    except Exception:  # Numba and LLVM have no common class of errors; `fflm.kernels.matmul` says why
        multiply_adds = kernel("void(float32[::1], float32, int64)")(_by_plain_loop)
