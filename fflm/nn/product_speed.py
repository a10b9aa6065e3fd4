"""The measured speed of the matrix product."""

from __future__ import annotations

import time

import numpy as np

from fflm.kernels.matmul import matmul
from fflm.nn.buffers import buffer
from fflm.runtime.workers import Workers


def product_speed(threads: int | None = None, size: int = 384, seconds: float = 0.3) -> float:
    """Measure floating-point operations per second of `matmul` on `threads` workers, each on matrices of its own.

    Examples
    --------
    >>> product_speed(threads=1, size=16, seconds=0.01) > 1e6
    True
    """
    with Workers(threads) as team:
        operands = [[buffer(size, size) for _ in range(3)] for _ in range(team.size)]
        repetitions = np.zeros(team.size, np.int64)
        begin = time.perf_counter()

        def task(worker: int) -> None:
            while time.perf_counter() - begin < seconds:
                out, a, b = (array[:, :size] for array in operands[worker])
                matmul(out, a, b, False)
                repetitions[worker] += 1

        team.run(task)
        return float(repetitions.sum()) * 2 * size**3 / (time.perf_counter() - begin)
