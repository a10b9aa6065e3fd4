"""The team of workers."""

import threading
import time

import pytest

from fflm.errors import FflmError
from fflm.runtime.cores import available_cores
from fflm.runtime.workers import Workers

SIZES = [1, 2, 3, 8]


@pytest.mark.parametrize("size", SIZES)
def test_shares_cover_everything_once(size):
    with Workers(size) as team:
        for items in (0, 1, 2, 7, 8, 9, 1000):
            shares = [team.share(items, worker) for worker in range(size)]
            assert [i for first, last in shares for i in range(first, last)] == list(range(items))
            lengths = [last - first for first, last in shares]
            assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize("size", SIZES)
def test_every_worker_runs_once_and_all_are_waited_for(size):
    with Workers(size) as team:
        for _ in range(20):
            calls = []
            team.run(calls.append)
            assert sorted(calls) == list(range(size))


def test_workers_run_at_the_same_time():
    with Workers(3) as team:
        together = threading.Barrier(3, timeout=10)
        team.run(lambda worker: together.wait())  # would break if one had to end before another begins


@pytest.mark.parametrize("size", SIZES)
def test_what_a_worker_raises_is_raised_and_the_team_goes_on(size):
    with Workers(size) as team:
        for culprit in range(size):

            def task(worker, culprit=culprit):
                if worker == culprit:
                    raise ValueError(f"worker {worker}")

            with pytest.raises(ValueError, match=f"worker {culprit}"):
                team.run(task)
            parts = [None] * size
            team.run(lambda worker, parts=parts: parts.__setitem__(worker, team.share(10, worker)))
            assert parts == [team.share(10, worker) for worker in range(size)]


def test_all_may_raise():
    def task(worker):
        raise RuntimeError("no")

    with Workers(3) as team:
        for _ in range(3):
            with pytest.raises(RuntimeError, match="no"):
                team.run(task)
        calls = []
        team.run(calls.append)
        assert sorted(calls) == [0, 1, 2]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_of_the_caller_waits_for_the_others(error):
    finished = []

    def task(worker):
        if worker == 0:
            raise error("stop")
        time.sleep(0.05)
        finished.append(worker)

    with Workers(3) as team:
        with pytest.raises(error, match="stop"):
            team.run(task)
        assert sorted(finished) == [1, 2]


def test_close_ends_the_threads():
    before = set(threading.enumerate())
    with Workers(4):
        own = set(threading.enumerate()) - before
        assert len(own) == 3
    for thread in own:
        thread.join(timeout=10)
        assert not thread.is_alive()


def test_default_is_every_core():
    assert available_cores() >= 1
    with Workers() as team:
        assert team.size == available_cores()


def test_more_threads_than_the_system_allows(monkeypatch):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", refuse)
    with pytest.raises(FflmError, match="^the system allows no 3 threads: can't start new thread; give a smaller"):
        Workers(3)
