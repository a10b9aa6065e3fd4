"""Workers: threads that all run the same task, each with a number, and wait for each other at its end.

They are plain Python threads; the kernels that they call release the interpreter lock. What a network asks of them is
declared here and no more: `run` a task, cut items into equal `share`s, and the exchanges between two tasks, which
are nothing for threads because all of them see the same memory.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

import numpy as np

from fflm.errors import FflmError, option_name
from fflm.runtime.cores import available_cores


class Workers:
    """`threads` workers, the calling thread among them; close them, or use them in a ``with`` statement.

    Parameters
    ----------
    threads : int, optional
        How many; every core by default.

    Attributes
    ----------
    size : int
        The number of workers.

    Raises
    ------
    FflmError
        If the system allows no further thread; those already started have ended by then.

    Examples
    --------
    >>> with Workers(2) as workers:
    ...     parts = [None, None]
    ...     workers.run(lambda worker: parts.__setitem__(worker, workers.share(10, worker)))
    >>> parts
    [(0, 5), (5, 10)]
    """

    def __init__(self, threads: int | None = None):
        self.size = threads or available_cores()
        self._generation = 0
        self._queues: list[SimpleQueue[_Job | None]] = []
        self._threads: list[threading.Thread] = []
        try:
            for worker in range(1, self.size):
                jobs: SimpleQueue[_Job | None] = SimpleQueue()
                thread = threading.Thread(target=_work, args=(worker, jobs), daemon=True, name=f"fflm-{worker}")
                self._queues.append(jobs)
                self._threads.append(thread)
                thread.start()
        except BaseException as error:
            self.close()
            if isinstance(error, RuntimeError):
                message = f"the system allows no {self.size} threads: {error}; give a smaller {option_name('threads')}"
                raise FflmError(message) from error
            raise

    def run(self, task: Callable[[int], None]) -> None:
        """Call ``task(0)`` ... ``task(size - 1)`` at once, wait for all of them, raise what one of them raised.

        Whatever happens, Ctrl-C while it waits included, no worker is still at the task when this method ends.
        """
        if len(self._queues) + 1 != self.size:
            raise RuntimeError("the workers are closed; make new ones")
        self._generation += 1
        job = _Job(task, self._generation, len(self._queues))
        error: BaseException | None = None
        try:
            self._hand_out(job)
            task(0)
        except BaseException as raised:
            error = raised
        while True:
            try:
                if error is not None:  # Ctrl-C may have struck between two queues
                    self._hand_out(job)
                job.wait()
                break
            except KeyboardInterrupt as raised:
                error = raised
        error = error or job.error
        if error is not None:
            try:
                raise error
            finally:
                del error, job  # or the traceback would keep the task and its arrays alive

    def share(self, items: int, worker: int) -> tuple[int, int]:
        """Return first and last-plus-one of the items of `worker`: contiguous, as equal as can be."""
        return items * worker // self.size, items * (worker + 1) // self.size

    def gather_tiles(self, *rows: np.ndarray) -> None:
        """Let every worker see the rows that the others have written since the last exchange.

        Nothing is to be done for threads, which see the same memory; workers on several machines send each other
        their rows. It is called between two tasks, by all, with the same arrays.

        Parameters
        ----------
        *rows : (tiles, B)
            One row for each tile of the vocabulary, written by the worker that owns the tile: maxima and sums, say.
            All workers then combine them in the order of the tiles, so that all get the same bits.
        """

    def sum_slices(self, parts: np.ndarray) -> None:
        """Let every worker see the partial sums of the others.

        Nothing is to be done for threads, which see the same memory.

        Parameters
        ----------
        parts : (slices, D, >=B)
            The part of the gradient of the features that comes from each slice of the vocabulary, written by the worker
            that owns the slice. The workers then add them up in the order of the slices.
        """

    def close(self) -> None:
        """End the threads and wait until they have ended."""
        for jobs in self._queues:
            jobs.put(None)
        for thread in self._threads:
            if thread.ident is not None:  # it has been started
                thread.join()
        self._queues, self._threads = [], []

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _hand_out(self, job: _Job) -> None:
        for jobs in self._queues:
            jobs.put(job)


class _Job:
    """One task of one generation, and how many workers have not finished it yet.

    `wait` reads a number, not a message: Ctrl-C can make it read again, but can't make it lose a completion,
    and a completion of one generation can't be taken for one of the next.
    """

    def __init__(self, task: Callable[[int], None], generation: int, workers: int):
        self.task, self.generation = task, generation
        self.error: BaseException | None = None
        self._unfinished = workers
        self._count = threading.Lock()
        self._all_finished = threading.Lock()
        self._all_finished.acquire()

    def finish(self, error: BaseException | None) -> None:
        """Count one worker as finished; `error` is what its task raised."""
        with self._count:
            self.error = self.error or error
            self._unfinished -= 1
            if not self._unfinished:
                self._all_finished.release()

    def wait(self) -> None:
        """Wait until every worker has finished."""
        while self._unfinished:
            self._all_finished.acquire()


def _work(worker: int, jobs: SimpleQueue[_Job | None]) -> None:
    """Run each job once, also one that is handed out twice, until there is None."""
    generation = 0
    while (job := jobs.get()) is not None:
        if job.generation != generation:
            generation = job.generation
            error = None
            try:
                job.task(worker)
            except BaseException as raised:
                error = raised
            job.finish(error)
            del error
        del job  # the task and its arrays may go
