"""What this machine offers: versions, processor, and the measured speed of the matrix product."""

from __future__ import annotations

import platform
import time
from typing import Any

import numpy as np

from fflm.kernels._jit import COMPILER, LANES, PROCESSOR
from fflm.kernels.matmul import METHOD, ROWS, matmul
from fflm.nn.buffers import buffer
from fflm.runtime.cores import available_cores
from fflm.runtime.workers import Workers


def matmul_speed(threads: int, size: int = 384, seconds: float = 0.3) -> float:
    """Measure floating-point operations per second of `matmul` on `threads` workers, each on matrices of its own."""
    operands = [[buffer(size, size) for _ in range(3)] for _ in range(threads)]
    repetitions = np.zeros(threads, np.int64)
    with Workers(threads) as team:
        begin = time.perf_counter()

        def task(worker: int) -> None:
            while time.perf_counter() - begin < seconds:
                out, a, b = (array[:, :size] for array in operands[worker])
                matmul(out, a, b, False)
                repetitions[worker] += 1

        team.run(task)
        return float(repetitions.sum()) * 2 * size**3 / (time.perf_counter() - begin)


def describe_system() -> dict[str, Any]:
    """Return versions, processor and speeds, as plain JSON values.

    Returns
    -------
    dict
        Speeds in GFLOP/s of single precision; no BLAS takes part. "matrix_product" is "rectangles", or says what
        stands in for them and why.

    Examples
    --------
    >>> describe_system()["vector_floats"] in (4, 8, 16)
    True
    """
    import fflm

    threads = available_cores()
    return {
        "fflm": fflm.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": COMPILER,
        "system": platform.platform(),
        "processor": PROCESSOR,
        "threads": threads,
        "vector_floats": LANES,
        "kernel_rows": ROWS,
        "matrix_product": METHOD,
        "gflops_one_thread": round(matmul_speed(1) / 1e9, 1),
        "gflops_all_threads": round(matmul_speed(threads) / 1e9, 1),
    }
