"""The learning rate of each step: a straight line to 0, or halved where validation stands still; and a new line for a
run that is resumed to another end."""

import json
import math
import shutil

import pytest

import fflm
from fflm.config import TrainConfig
from fflm.errors import ConfigError
from fflm.evaluation.perplexity import Evaluation
from fflm.kernels._cache import KernelCache
from fflm.nn.network import Network
from fflm.training import time_budget
from fflm.training.run_folder import RunFolder
from fflm.training.schedule import Schedule
from fflm.training.state import Plan, Position
from fflm.training.time_budget import TimeBudget
from fflm.training.trainer import Trainer

NO_LIMIT = TimeBudget(None, 0.0)


def rates(config, steps_per_epoch, steps, time_budget=NO_LIMIT, plan=None):
    schedule = Schedule(config, steps_per_epoch, time_budget)
    return [schedule.rate(Position(step=step, learning_rate=0.008, plan=plan or Plan())) for step in steps]


def test_linear_falls_to_zero_over_all_epochs():
    assert rates(TrainConfig(epochs=4), 10, [0, 10, 20, 30, 40]) == pytest.approx([0.008, 0.006, 0.004, 0.002, 0.0])


def test_linear_is_never_negative():
    assert rates(TrainConfig(epochs=4), 10, [41, 1000]) == [0.0, 0.0]
    assert rates(TrainConfig(epochs=0), 10, [0]) == [0.008]


def test_linear_does_not_ask_the_validation():
    position = Position(learning_rate=0.008, failures=1000)
    schedule = Schedule(TrainConfig(patience=1), 10, NO_LIMIT)
    schedule.failed(position)
    assert position.learning_rate == 0.008
    assert not schedule.gives_up(position)


def test_plateau_halves_and_knows_no_end():
    config, position = TrainConfig(schedule="plateau", epochs=2), Position(step=15, learning_rate=0.008)
    schedule = Schedule(config, 10, NO_LIMIT)
    assert schedule.rate(position) == 0.008
    schedule.failed(position)
    schedule.failed(position)
    assert schedule.rate(position) == 0.002


def test_plateau_gives_up():
    schedule = Schedule(TrainConfig(schedule="plateau", patience=3), 10, NO_LIMIT)
    assert [schedule.gives_up(Position(failures=failures)) for failures in (0, 2, 3, 4)] == [False, False, True, True]


def test_plateau_of_sgd_falls_as_in_the_paper():
    config = TrainConfig(schedule="plateau", optimizer="sgd")
    assert Schedule(config, 10, NO_LIMIT).rate(Position(tokens=10**8, learning_rate=0.5)) == 0.25


@pytest.fixture
def clock(monkeypatch):
    """``clock[0]``: the time, as budgets see it."""
    clock = [100.0]
    monkeypatch.setattr(time_budget.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(KernelCache, "spans", [])  # they were measured by another clock
    return clock


def test_a_time_budget_ends_the_line_where_it_comes_first(clock):
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


def test_a_budget_that_is_used_up_before_training_begins():
    limited = TimeBudget(0.0001, 0.0)
    limited.begin()
    assert limited.share() == 1.0
    assert NO_LIMIT.share() == 0.0
    assert (NO_LIMIT.remaining(), NO_LIMIT.is_over()) == (math.inf, False)


def test_time_kept_for_the_end(clock):
    budget = TimeBudget(1.0, 100.0)
    budget.begin()
    budget.saving_seconds = 2.0
    budget.reserve(held_out=2000, tokens_per_second=100.0)
    assert budget.closing_seconds == pytest.approx(2.0 + 1.05 * 20.0) and budget.beyond_seconds == 0.0
    assert budget.remaining() == pytest.approx(60.0 - 23.0)
    clock[0] = 137.1
    assert budget.is_over()


def test_training_gets_half_of_the_time_in_any_case(clock):
    """What evaluation takes besides comes after the end, and is known before."""
    budget = TimeBudget(1.0, 100.0)
    clock[0] = 120.0
    budget.begin()  # 40 seconds are left
    budget.saving_seconds = 2.0
    budget.reserve(held_out=10_000, tokens_per_second=100.0)
    assert budget.remaining() == pytest.approx(20.0)
    assert budget.beyond_seconds == pytest.approx(2.0 + 105.0 - 20.0)


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


# Resumed


def resumed(config, position, budget=NO_LIMIT):
    """The plan and the note of a call that goes on from `position`; 10 steps an epoch."""
    note = Schedule(config, 10, budget).begin(position)
    return position.plan, note


def at(step, rate, plan, **others):
    return Position(step=step, learning_rate=0.008, rate=rate, plan=plan, seconds=step * 1.0, **others)


def test_a_run_that_begins_has_a_plan_and_nothing_to_say():
    assert resumed(TrainConfig(epochs=7, minutes=3.0), Position()) == (Plan(7, 3.0, 0, 1.0), None)


@pytest.mark.parametrize("step", [1, 15, 39])
def test_to_the_same_end_the_line_is_the_same(step):
    """Of a first line, and of one that was itself begun on resuming."""
    for plan in (Plan(4, None, 0, 1.0), Plan(4, None, 10, 0.3)):
        assert resumed(TrainConfig(epochs=4), at(step, 0.001, plan)) == (plan, None)


def test_more_epochs_after_the_end_begin_at_the_full_rate():
    plan, note = resumed(TrainConfig(epochs=8), at(40, 0.0002, Plan(4)))
    assert plan == Plan(8, None, 40, 1.0)
    assert note == (
        "resumed after 40 steps to another end: the learning rate, 0.0002 in the last of them, falls again from 0.008 "
        "to 0"
    )
    assert rates(TrainConfig(epochs=8), 10, [40, 60, 80], plan=plan) == pytest.approx([0.008, 0.004, 0.0])


def test_a_few_more_epochs_begin_lower():
    """Below a tenth of the run, in proportion: there is no time to fall from the full rate."""
    plan, _ = resumed(TrainConfig(epochs=100), at(950, 0.0, Plan(95)))
    assert plan == Plan(100, None, 950, pytest.approx(0.5))
    plan, _ = resumed(TrainConfig(epochs=100), at(999, 0.0, Plan(99)))
    assert plan == Plan(100, None, 999, pytest.approx(0.01))


def test_but_never_lower_than_where_the_rate_stood():
    """Fewer epochs than planned: the rate falls faster from now on, without a jump."""
    plan, _ = resumed(TrainConfig(epochs=41), at(405, 0.007, Plan(400)))
    assert plan == Plan(41, None, 405, 0.875)


def test_more_minutes_begin_at_the_full_rate(clock):
    """However many epochs the run never reaches: 60 s are behind it, 60 s are to come."""
    budget = TimeBudget(1.0, clock[0])
    budget.begin()
    plan, _ = resumed(TrainConfig(epochs=1000, minutes=1.0), at(60, 1e-6, Plan(1000, 1.0)), budget)
    assert plan == Plan(1000, 1.0, 60, 1.0)
    found = []
    for clock[0] in (100.0, 130.0, 160.0):
        found += rates(TrainConfig(epochs=1000, minutes=1.0), 10, [60], budget, plan)
    assert found == pytest.approx([0.008, 0.004, 0.0])


def test_a_few_more_seconds_begin_lower(clock):
    budget = TimeBudget(0.05, clock[0])
    budget.begin()
    plan, _ = resumed(TrainConfig(epochs=1000, minutes=0.05), at(97, 0.0, Plan(1000, 1.0)), budget)
    assert plan == Plan(1000, 0.05, 97, pytest.approx(0.3))  # 3 of 100 seconds


@pytest.mark.parametrize(("before", "now"), [(None, 1.0), (1.0, None)])
def test_minutes_that_come_or_go_are_another_end(clock, before, now):
    budget = TimeBudget(now, clock[0])
    budget.begin()
    plan, _ = resumed(TrainConfig(epochs=100, minutes=now), at(60, 0.004, Plan(100, before)), budget)
    assert plan == Plan(100, now, 60, 1.0)


def test_where_no_step_follows_nothing_is_said(clock):
    plan = Plan(4, 1.0)
    assert resumed(TrainConfig(epochs=4, minutes=1.0), at(40, 0.0, plan)) == (plan, None)
    over = TimeBudget(1.0, clock[0] - 100.0)
    assert resumed(TrainConfig(epochs=9, minutes=1.0), at(40, 0.0, plan), over) == (plan, None)


def test_plateau_has_no_line():
    config = TrainConfig(epochs=8, schedule="plateau")
    assert resumed(config, at(40, 0.004, Plan(4)))[1] is None
    assert Schedule(config, 10, NO_LIMIT).rate(at(40, 0.004, Plan(8))) == 0.008


def test_states_from_before_there_were_plans():
    """To the same epochs, as far as one knows, they go on in the line that they were in."""
    position = Position.from_dict({"step": 20, "learning_rate": 0.008, "seconds": 20.0})
    assert resumed(TrainConfig(epochs=4), position) == (Plan(), None)
    assert rates(TrainConfig(epochs=4), 10, [20], plan=position.plan) == pytest.approx([0.004])


OPTIONS = {"context_size": 2, "embedding_dim": 8, "hidden_dims": 16, "batch_size": 32, "learning_rate": 0.01}
OPTIONS |= {"dropout": 0.1, "ngram_order": 0, "quiet": True}


@pytest.fixture
def text(tmp_path) -> str:
    (tmp_path / "text").write_text("a cat sat on the big red mat and it purred . " * 100)
    return str(tmp_path / "text")


def log_of(run) -> list[dict]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def model_of(run) -> bytes:
    return (run / "model.safetensors").read_bytes()


def interrupt_at(monkeypatch, step):
    """Ctrl-C, as the trainer sees it, in that step."""
    original = Trainer._reason_to_stop

    def reason_to_stop(trainer):
        trainer.interrupt.asked = trainer.interrupt.asked or trainer.state.position.step == step
        return original(trainer)

    monkeypatch.setattr(Trainer, "_reason_to_stop", reason_to_stop)


def test_more_epochs_in_a_run_of_one_line_and_another(text, tmp_path):
    """The log shows both lines, the report and stderr say so, and it is of use: the rate does not stay at 0."""
    run = tmp_path / "run"
    first = fflm.train(text, out=run, epochs=2, **OPTIONS).report
    report = fflm.train(text, out=run, epochs=4, resume=True, **OPTIONS).report
    steps = first.steps
    assert report.steps == 2 * steps
    heights = [record["learning_rate"] / 0.01 for record in log_of(run)]
    each = steps // 2
    falling = [1 - (each - 1) / steps, 1 - (steps - 1) / steps]
    assert heights == pytest.approx(falling + falling)
    last = 0.01 * (1 - (steps - 1) / steps)
    note = f"resumed after {steps} steps to another end: the learning rate, {last:.3g} in the last of them, falls again"
    assert report.notes[-1] == note + " from 0.01 to 0"
    assert report.valid_perplexity < first.valid_perplexity


@pytest.mark.parametrize("step", [73, 80, 108, 120])
def test_a_run_of_two_lines_may_be_interrupted_too(text, tmp_path, monkeypatch, step):
    """Interrupted in its second line and resumed to the same end: the bits of a run whose second line was whole."""
    fflm.train(text, out=tmp_path / "first", epochs=2, **OPTIONS)
    for name in ("never", "run"):
        shutil.copytree(tmp_path / "first", tmp_path / name)
    fflm.train(text, out=tmp_path / "never", epochs=4, resume=True, **OPTIONS)
    interrupt_at(monkeypatch, step)
    with pytest.raises(fflm.errors.Interrupted):
        fflm.train(text, out=tmp_path / "run", epochs=4, resume=True, **OPTIONS)
    monkeypatch.undo()
    report = fflm.train(text, out=tmp_path / "run", epochs=4, resume=True, **OPTIONS).report
    assert not any("another end" in note for note in report.notes)
    assert model_of(tmp_path / "run") == model_of(tmp_path / "never")


def test_minutes_and_then_minutes(text, tmp_path, monkeypatch, capsys):
    """README's own example, by a clock of which 1 s is one step: the second rate begins at its height and reaches 0."""
    run, now, step = tmp_path / "run", [0.0], Network.step

    def slow_step(network, *arguments):
        now[0] += 1.0
        return step(network, *arguments)

    monkeypatch.setattr(time_budget.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time_budget.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(KernelCache, "spans", [])  # they were measured by another clock
    monkeypatch.setattr(Network, "step", slow_step)
    monkeypatch.setattr(TimeBudget, "reserve", lambda budget, held_out, speed: None)
    monkeypatch.setattr("fflm.training.trainer.speed", lambda model, ids: 1.0)
    monkeypatch.setattr(
        "fflm.training.validation.evaluate_tokens", timeless(fflm.evaluation.perplexity.evaluate_tokens, now)
    )
    options = OPTIONS | {"epochs": 1000, "minutes": 1.0, "validate_every": 32, "patience": 2, "quiet": False}
    for calls in (1, 2, 3):
        report = fflm.train(text, out=run, resume=calls > 1, **options).report
        assert (report.stopped, report.steps) == ("minutes", 60 * calls)
        rates = [record["learning_rate"] for record in log_of(run)][-60:]
        assert rates == pytest.approx([0.01 * (1 - i / 60) for i in range(60)], rel=0.01, abs=1e-5)
        note = f"note: resumed after {60 * (calls - 1)} steps to another end: the learning rate, 0.000167 in the last "
        assert (note in capsys.readouterr().err) == (calls > 1)


def timeless(evaluate, now):
    """An evaluation that takes no time, but does not divide by it either."""

    def evaluated(model, stream, on_batch=None):
        before = now[0]
        ticking = iter(range(10**6))
        original, fflm.evaluation.perplexity.time = fflm.evaluation.perplexity.time, Ticking(ticking)
        try:
            return evaluate(model, stream, on_batch)
        finally:
            fflm.evaluation.perplexity.time, now[0] = original, before

    return evaluated


class Ticking:
    def __init__(self, ticking):
        self.perf_counter = lambda: float(next(ticking))


def test_patience_does_not_end_a_line(text, tmp_path, monkeypatch):
    """Every validation after the first fails, and still the rate falls to its end."""
    nats = iter([2.0, *[3.0] * 100])

    def evaluate(model, stream, on_batch=None):
        from dataclasses import replace

        report, log_probs = fflm.evaluation.perplexity.evaluate_tokens(model, stream)
        return Evaluation(replace(report, cross_entropy_nats=next(nats)), log_probs)

    monkeypatch.setattr("fflm.training.validation.evaluate_tokens", evaluate)
    report = fflm.train(text, out=tmp_path / "run", epochs=9, patience=1, **OPTIONS).report
    assert (report.stopped, report.epochs) == ("epochs", 9.0)


def test_a_state_from_before_there_were_plans_is_resumed(text, tmp_path, monkeypatch):
    """It has neither a plan nor the last rate."""
    fflm.train(text, out=tmp_path / "never", epochs=2, **OPTIONS)
    interrupt_at(monkeypatch, 50)
    with pytest.raises(fflm.errors.Interrupted):
        fflm.train(text, out=tmp_path / "run", epochs=2, **OPTIONS)
    monkeypatch.undo()
    folder = RunFolder(tmp_path / "run", resume=True)
    tensors, progress = folder.load_state()
    del progress["position"]["plan"], progress["position"]["rate"]
    folder.save_state(tensors, progress)
    folder.__exit__()
    fflm.train(text, out=tmp_path / "run", epochs=2, resume=True, **OPTIONS)
    assert model_of(tmp_path / "run") == model_of(tmp_path / "never")
