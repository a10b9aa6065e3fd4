"""The parallel loop in which n-gram models and caches score a stream."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fflm.runtime.workers import Workers

BATCH = 65536


def fill_in_parallel(
    out: np.ndarray,
    fill: Callable[[np.ndarray, int], None],
    threads: int | None,
    on_batch: Callable[[float], None] | None,
) -> np.ndarray:
    """Let `fill` write `out` (N, ...) in parts, several at once, and return it.

    Parameters
    ----------
    out : (N, ...)
        Written.
    fill : callable
        Called with a part of `out` and the number of its first row.
    threads : int, optional
        Worker threads; every core by default.
    on_batch : callable, optional
        Called with the number of rows after each batch, for progress.

    Examples
    --------
    >>> fill_in_parallel(np.zeros(3), lambda part, first: part.fill(first + 1), threads=1, on_batch=None)
    array([1., 1., 1.])
    """
    with Workers(threads) as team:
        for first in range(0, len(out), BATCH):
            count = min(BATCH, len(out) - first)

            def work(worker: int, first: int = first, count: int = count) -> None:
                begin, end = team.share(count, worker)
                fill(out[first + begin : first + end], first + begin)

            team.run(work)
            if on_batch is not None:
                on_batch(count)
    return out
