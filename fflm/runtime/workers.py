"""A team of workers: the same task for each, with its own number, and a barrier at the end.

The workers are plain Python threads; the kernels that they call release the interpreter lock. What the network asks of
its team is only this: `run` a task, and cut a row of items into `shares`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

from fflm.errors import FflmError, option_name
from fflm.runtime.cores import available_cores


class Team:
    """`threads` workers, the calling thread among them; close it, or use it in a ``with`` statement.

    Examples
    --------
    >>> with Team(2) as team:
    ...     parts = [None, None]
    ...     team.run(lambda worker: parts.__setitem__(worker, team.share(10, worker)))
    >>> parts
    [(0, 5), (5, 10)]
    """

    def __init__(self, threads: int | None = None):
        self.size = threads or available_cores()
        self._done: SimpleQueue = SimpleQueue()
        self._tasks = [SimpleQueue() for _ in range(self.size - 1)]
        try:
            for worker, tasks in enumerate(self._tasks, start=1):
                threading.Thread(target=self._work, args=(worker, tasks), daemon=True, name=f"fflm-{worker}").start()
        except RuntimeError as error:
            raise FflmError(
                f"the system allows no {self.size} threads: {error}; give a smaller {option_name('threads')}"
            ) from error

    def _work(self, worker: int, tasks: SimpleQueue) -> None:
        while (task := tasks.get()) is not None:
            try:
                task(worker)
                self._done.put(None)
            except BaseException as error:
                self._done.put(error)
            del task

    def run(self, task: Callable[[int], None]) -> None:
        """Call ``task(0)`` ... ``task(size - 1)`` at once, wait for all, raise what one of them raised."""
        for tasks in self._tasks:
            tasks.put(task)
        error = None
        try:
            task(0)
        finally:
            for _ in self._tasks:
                error = self._done.get() or error
        if error is not None:
            raise error

    def share(self, items: int, worker: int) -> tuple[int, int]:
        """First and last-plus-one of the items that `worker` owns: contiguous, as equal as can be."""
        return items * worker // self.size, items * (worker + 1) // self.size

    def close(self) -> None:
        """Let the workers end."""
        for tasks in self._tasks:
            tasks.put(None)
        self._tasks = []

    def __enter__(self) -> Team:
        return self

    def __exit__(self, *exception) -> None:
        self.close()
