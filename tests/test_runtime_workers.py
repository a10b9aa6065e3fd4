"""Workers: equal shares, one task for all at once, and a barrier that nothing breaks."""

import os
import signal
import threading
import time
import weakref
from contextlib import suppress
from functools import partial

import numpy as np
import pytest

from fflm.errors import FflmError
from fflm.runtime.cores import available_cores
from fflm.runtime.workers import Workers

SIZES = [1, 2, 3, 8]


@pytest.mark.parametrize("size", SIZES)
def test_shares_cover_everything_once(size):
    with Workers(size) as workers:
        for items in (0, 1, 2, 7, 8, 9, 1000):
            shares = [workers.share(items, worker) for worker in range(size)]
            assert [i for first, last in shares for i in range(first, last)] == list(range(items))
            lengths = [last - first for first, last in shares]
            assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize("size", SIZES)
def test_every_worker_runs_once_and_all_are_waited_for(size):
    with Workers(size) as workers:
        for _ in range(20):
            calls = []
            workers.run(calls.append)
            assert sorted(calls) == list(range(size))


def test_workers_run_at_the_same_time():
    with Workers(3) as workers:
        together = threading.Barrier(3, timeout=10)
        workers.run(lambda worker: together.wait())  # would break if one had to end before another begins


@pytest.mark.parametrize("size", SIZES)
def test_what_a_worker_raises_is_raised_and_they_go_on(size):
    with Workers(size) as workers:
        for culprit in range(size):

            def task(worker, culprit=culprit):
                if worker == culprit:
                    raise ValueError(f"worker {worker}")

            with pytest.raises(ValueError, match=f"worker {culprit}"):
                workers.run(task)
            parts = [None] * size
            workers.run(lambda worker, parts=parts: parts.__setitem__(worker, workers.share(10, worker)))
            assert parts == [workers.share(10, worker) for worker in range(size)]


def test_all_may_raise():
    def task(worker):
        raise RuntimeError("no")

    with Workers(3) as workers:
        for _ in range(3):
            with pytest.raises(RuntimeError, match="no"):
                workers.run(task)
        calls = []
        workers.run(calls.append)
        assert sorted(calls) == [0, 1, 2]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_of_the_caller_waits_for_the_others(error):
    finished = []

    def task(worker):
        if worker == 0:
            raise error("stop")
        time.sleep(0.05)
        finished.append(worker)

    with Workers(3) as workers:
        with pytest.raises(error, match="stop"):
            workers.run(task)
        assert sorted(finished) == [1, 2]


def ctrl_c_then_mark(finished, worker, signals=1):
    """What a worker does that is hit by Ctrl-C while the caller waits for it."""
    for _ in range(signals):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)
    finished.append(worker)


@pytest.mark.parametrize("signals", [1, 3])
def test_ctrl_c_while_waiting_waits_for_the_others_all_the_same(signals):
    with Workers(3) as workers:
        for _ in range(3):
            finished = []

            def task(worker, finished=finished):
                if worker:
                    ctrl_c_then_mark(finished, worker, signals)

            with pytest.raises(KeyboardInterrupt):
                workers.run(task)
            assert sorted(finished) == [1, 2]
            calls = []
            workers.run(calls.append)  # nothing that the interrupted task left behind is taken for this one's end
            assert sorted(calls) == [0, 1, 2]


def test_ctrl_c_while_the_task_is_handed_out():
    """It strikes between two workers: none is waited for in vain, none runs the task twice."""

    class Struck:
        def __init__(self, queue):
            self.queue, self.struck = queue, False

        def put(self, job):
            if not self.struck:
                self.struck = True
                raise KeyboardInterrupt
            self.queue.put(job)

    with Workers(3) as workers:
        workers._queues[1] = Struck(workers._queues[1])
        calls = []
        with pytest.raises(KeyboardInterrupt):
            workers.run(calls.append)
        assert sorted(calls) == [1, 2]
        workers.run(calls.append)
        assert sorted(calls) == [0, 1, 1, 2, 2]


def test_a_task_leaves_nothing_behind():
    """Neither its arrays nor its error are kept alive until the next task."""

    class Array:
        pass

    def fail(worker, array):
        raise ValueError("no")

    with Workers(3) as workers:
        for task in (lambda worker, array: None, fail):
            array = Array()
            alive = weakref.ref(array)
            with suppress(ValueError):
                workers.run(partial(task, array=array))
            del array
            deadline = time.monotonic() + 10
            while alive() is not None and time.monotonic() < deadline:  # the threads need a moment to let go
                time.sleep(0.001)
            assert alive() is None


def test_an_exchange_between_threads_is_nothing():
    with Workers(2) as workers:
        rows = np.arange(6.0).reshape(2, 3)
        assert workers.gather_tiles(rows, rows) is None
        assert rows.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_close_ends_the_threads():
    before = set(threading.enumerate())
    with Workers(4):
        assert len(set(threading.enumerate()) - before) == 3
    assert set(threading.enumerate()) == before


def test_closed_workers_do_not_do_half_a_task():
    with Workers(3) as workers:
        pass
    with pytest.raises(RuntimeError, match="^the workers are closed; make new ones$"):
        workers.run(lambda worker: None)


def test_default_is_every_core():
    assert available_cores() >= 1
    with Workers() as workers:
        assert workers.size == available_cores()


def test_more_threads_than_the_system_allows(monkeypatch):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", refuse)
    with pytest.raises(FflmError, match="^the system allows no 3 threads: can't start new thread; give a smaller"):
        Workers(3)


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), KeyboardInterrupt()])
def test_threads_already_started_end_where_another_is_refused(monkeypatch, error):
    before, start = set(threading.enumerate()), threading.Thread.start

    def refuse_the_third(thread):
        if thread.name == "fflm-3":
            raise error
        start(thread)

    monkeypatch.setattr("threading.Thread.start", refuse_the_third)
    with pytest.raises((FflmError, KeyboardInterrupt)):
        Workers(4)
    assert set(threading.enumerate()) == before
