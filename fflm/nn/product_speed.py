"""Measured speeds: of the matrix product, and of the cores at most."""

from __future__ import annotations

import time

import numpy as np

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


def fma_peak(threads: int | None = None, repetitions: int = 600, tries: int = 5) -> float:
    """Measure the most floating-point operations per second: fused multiply-adds of registers alone, on all workers.

    The best of some tries counts: what disturbs a measurement makes it slower. A repetition takes about 0.3 ms.

    Examples
    --------
    >>> fma_peak(threads=1, repetitions=3, tries=1) > 1e6
    True
    """
    from fflm.kernels.peak import OPERATIONS, multiply_adds  # compiled where it is measured

    rounds, best = 100_000, 0.0
    with Workers(threads) as team:
        outs = [np.zeros(1, np.float32) for _ in range(team.size)]

        def task(worker: int) -> None:
            for _ in range(repetitions):
                multiply_adds(outs[worker], np.float32(0.5), rounds)

        for _ in range(tries):
            begin = time.perf_counter()
            team.run(task)
            seconds = time.perf_counter() - begin
            best = max(best, team.size * repetitions * rounds * OPERATIONS / max(seconds, 1e-9))
    return best
