"""The learning rate of each step: a straight line to 0, or halved where validation stands still."""

import json

import pytest

import fflm
from fflm.config import TrainConfig
from fflm.errors import ConfigError
from fflm.training import time_budget
from fflm.training.schedule import Schedule
from fflm.training.state import Position
from fflm.training.time_budget import TimeBudget

NO_LIMIT = TimeBudget(None, 0.0)


def rates(config, steps_per_epoch, steps, time_budget=NO_LIMIT):
    schedule = Schedule(config, steps_per_epoch, time_budget)
    return [schedule.rate(Position(step=step, learning_rate=0.008)) for step in steps]


def test_linear_falls_to_zero_over_all_epochs():
    assert rates(TrainConfig(epochs=4), 10, [0, 10, 20, 30, 40]) == pytest.approx([0.008, 0.006, 0.004, 0.002, 0.0])


def test_linear_is_never_negative():
    assert rates(TrainConfig(epochs=4), 10, [41, 1000]) == [0.0, 0.0]
    assert rates(TrainConfig(epochs=0), 10, [0]) == [0.008]


def test_linear_does_not_ask_the_validation():
    position = Position(learning_rate=0.008)
    Schedule(TrainConfig(), 10, NO_LIMIT).failed(position)
    assert position.learning_rate == 0.008


def test_plateau_halves_and_knows_no_end():
    config, position = TrainConfig(schedule="plateau", epochs=2), Position(step=15, learning_rate=0.008)
    schedule = Schedule(config, 10, NO_LIMIT)
    assert schedule.rate(position) == 0.008
    schedule.failed(position)
    schedule.failed(position)
    assert schedule.rate(position) == 0.002


def test_plateau_of_sgd_falls_as_in_the_paper():
    config = TrainConfig(schedule="plateau", optimizer="sgd")
    assert Schedule(config, 10, NO_LIMIT).rate(Position(tokens=10**8, learning_rate=0.5)) == 0.25


def test_a_time_budget_ends_the_line_where_it_comes_first(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(time_budget.time, "monotonic", lambda: clock[0])
    limited = TimeBudget(1.0, 100.0)
    limited.closing_seconds = 10.0
    clock[0] = 110.0
    limited.begin()  # 40 seconds are left for training
    found = []
    for clock[0] in (110.0, 120.0, 140.0, 150.0, 170.0):
        found += rates(TrainConfig(epochs=1000), 10, [5], limited)
    assert found == pytest.approx([0.008 * (1 - 5 / 10_000), 0.006, 0.002, 0.0, 0.0])
    clock[0] = 120.0  # the epochs come first
    assert rates(TrainConfig(epochs=1), 10, [9], limited) == pytest.approx([0.0008])


def test_a_budget_that_is_used_up_before_training_begins(monkeypatch):
    limited = TimeBudget(0.0001, 0.0)
    limited.begin()
    assert limited.share() == 1.0
    assert NO_LIMIT.share() == 0.0


def test_the_log_of_a_run_shows_the_line(tmp_path):
    (tmp_path / "text").write_text("a cat sat on the big red mat and it purred . " * 40)
    fflm.train(
        str(tmp_path / "text"), out=tmp_path / "run", epochs=4, batch_size=50, learning_rate=0.01, min_count=1,
        context_size=2, embedding_dim=4, hidden_dims=4, quiet=True,
    )  # fmt: skip
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    steps = log[-1]["step"]
    assert [record["learning_rate"] for record in log] == [0.01 * (1 - (r["step"] - 1) / steps) for r in log]


def test_unknown_schedule():
    with pytest.raises(ConfigError, match="^schedule must be one of linear, plateau, got 'cosine'$"):
        TrainConfig(schedule="cosine")
