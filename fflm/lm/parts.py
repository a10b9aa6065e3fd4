"""The parallel loop in which n-gram models and caches score a stream."""

from __future__ import annotations

from collections.abc import Callable

from fflm.runtime.workers import Workers

BATCH = 65536


def in_parallel(
    task: Callable[[int, int], None], size: int, threads: int | None, on_batch: Callable[[float], None] | None
) -> None:
    """Call `task` with the first and last-plus-one of each part of 0 .. size-1, several at once."""
    with Workers(threads) as team:
        for first in range(0, size, BATCH):
            count = min(BATCH, size - first)

            def work(worker: int, first: int = first, count: int = count) -> None:
                begin, end = team.share(count, worker)
                task(first + begin, first + end)

            team.run(work)
            if on_batch is not None:
                on_batch(count)
