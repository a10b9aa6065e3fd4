"""Matrix product in single precision, one core, written for the few shapes a training step has.

`matmul` covers `out` with small rectangles, without a BLAS, its threads and its guess of the processor. Every element
is the sum over k = 0, 1, ... in this order, in whatever rectangle it falls; so a product cut among several workers has
the same bits. The rectangles are LLVM code written by hand, which another version of LLVM may refuse: plain loops stand
in then, with a quarter of the speed.
"""

import numba
import numpy as np

from fflm.kernels._jit import FEATURES, LANES, kernel

# Rows of a rectangle, two vectors wide: 12 x 2 sums fill 24 of 32 registers, 6 x 2 fill 12 of 16.
ROWS = 12 if FEATURES.get("avx512f") or FEATURES.get("neon") else 6
DEPTH = 256  # steps of the shared dimension at a time: 2 vectors of `b` x 256 stay in the first-level cache
SIGNATURE = "void(float32[:, :], float32[:, :], float32[:, :], boolean)"
ZERO = np.float32(0.0)


def _by_rectangles(out, a, b, accumulate):
    """Compute out (M, N) *written*, or *accumulated* on request = a (M, K) *read* @ b (K, N) *read*.

    Rows of `out` and `b` must be contiguous; `a` may have any strides (pass `a.T` for the transposed product).
    """
    m, n = out.shape
    for k in range(0, b.shape[0], DEPTH):
        depth = min(DEPTH, b.shape[0] - k)
        add = accumulate or k > 0
        for j in range(0, n, 2 * LANES):
            columns = min(n - j, 2 * LANES)
            i = 0
            while m - i >= ROWS:
                _most_rows(out, a, b, i, j, k, depth, columns, add)
                i += ROWS
            while m - i >= 4:
                _four_rows(out, a, b, i, j, k, depth, columns, add)
                i += 4
            while i < m:
                _one_row(out, a, b, i, j, k, depth, columns, add)
                i += 1


def _by_plain_loops(out, a, b, accumulate):
    """Do as `_by_rectangles` does, with code that any version of the compiler takes."""
    n = out.shape[1]
    for i in range(out.shape[0]):
        if not accumulate:
            for j in range(n):
                out[i, j] = ZERO
        for k in range(b.shape[0]):
            if out.strides[1] == 4 and b.strides[1] == 4:  # always so, but LLVM vectorises only what it is told
                for j in range(n):
                    out[i, j] += a[i, k] * b[k, j]
            elif n == 1:  # NumPy may give any stride to one column
                out[i, 0] += a[i, k] * b[k, 0]


def _by_numpy(out, a, b, accumulate):
    """Do as `_by_rectangles` does, where nothing is compiled."""
    product = a @ b
    out[:] = out + product if accumulate else product


if numba.config.DISABLE_JIT:
    METHOD, matmul = "NumPy", _by_numpy
else:
    try:
        from fflm.kernels.rectangles import rectangles

        _most_rows, _four_rows, _one_row = rectangles(ROWS), rectangles(4), rectangles(1)
        METHOD, matmul = "rectangles", kernel(SIGNATURE)(_by_rectangles)
        matmul.ready()
    except Exception as error:  # Numba and LLVM have no common class of errors
        METHOD = f"plain loops: the rectangles can't be compiled, {' '.join(str(error).split())[:200]}"
        matmul = kernel(SIGNATURE)(_by_plain_loops)
