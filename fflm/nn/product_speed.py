"""The measured speed of the matrix product."""

from __future__ import annotations

import time

from fflm.kernels.matmul import matmul
from fflm.nn.buffers import buffer
from fflm.runtime.workers import Workers


def product_speed(threads: int | None = None, size: int = 384, repetitions: int = 150) -> float:
    """Measure floating-point operations per second of `matmul` on `threads` workers, each on matrices of its own.

    Examples
    --------
    >>> product_speed(threads=1, size=16, repetitions=10) > 1e6
    True
    """
    with Workers(threads) as team:
        operands = [[buffer(size, size)[:, :size] for _ in range(3)] for _ in range(team.size)]

        def task(worker: int) -> None:
            out, a, b = operands[worker]
            for _ in range(repetitions):
                matmul(out, a, b, False)

        out, a, b = operands[0]
        matmul(out, a, b, False)  # the first time, it is compiled
        begin = time.perf_counter()
        team.run(task)
        seconds = time.perf_counter() - begin
    return team.size * repetitions * 2 * size**3 / max(seconds, 1e-9)
