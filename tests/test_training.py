"""Training: what is learnt, the same bits whatever happens, the schedule, and nothing lost when things go wrong."""

import hashlib
import importlib.util
import json
import math
import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import CYCLE, REPOSITORY
from safetensors import safe_open

import fflm
from fflm.config import DataConfig
from fflm.errors import ConfigError, DivergenceError, FflmError, ModelFileError, TextError
from fflm.model_file import MODEL
from fflm.text import encode
from fflm.training import trainer
from fflm.training.run_folder import CONFIG, LOG, STATE
from fflm.training.schedule import Schedule

#: Each word of it follows from the one before.
CERTAIN = "a cat sat on the big red mat and it purred . "
SMALL = {"context_size": 2, "embedding_dim": 8, "hidden_dims": 16, "batch_size": 32, "quiet": True}
PLAIN = SMALL | {"dropout": 0.0, "embedding_dropout": 0.0}


@pytest.fixture
def certain(tmp_path) -> str:
    (tmp_path / "certain.txt").write_text(CERTAIN * 100)
    return str(tmp_path / "certain.txt")


def random_text(path, words, seed=1, kinds=50) -> str:
    """Words that follow no rule: the longer one trains on them, the worse for other text."""
    drawn = np.random.default_rng(seed).integers(0, kinds, words)
    path.write_text("".join(f"w{word}{' ' if i % 20 else chr(10)}" for i, word in enumerate(drawn, start=1)))
    return str(path)


def model_bytes(run) -> bytes:
    return (Path(run) / MODEL).read_bytes()


def log_of(run) -> list[dict]:
    return [json.loads(line) for line in (Path(run) / LOG).read_text().splitlines()]


def hashes(folder) -> dict:
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def files_of(run) -> list[str]:
    """All files of a run but the learning curve, which is drawn only where matplotlib is installed."""
    return sorted(path.name for path in Path(run).iterdir() if path.suffix != ".png")


WHOLE_RUN = [CONFIG, LOG, MODEL, STATE]


# Learning


@pytest.mark.parametrize(("optimizer", "rate"), [("sgd", 0.5), ("momentum", 0.1), ("adagrad", 0.1), ("adam", 0.01)])
def test_a_cyclic_text_goes_to_one(certain, optimizer, rate):
    model = fflm.train(certain, optimizer=optimizer, learning_rate=rate, epochs=40, **PLAIN)
    assert 1.0 < model.report.valid_perplexity < 1.05
    assert 1.0 < model.perplexity(certain).perplexity < 1.05
    assert model.sample("a cat", tokens=10, temperature=0)[0].text == "sat on the big red mat and it purred."


def test_usual_learning_rates_learn(certain):
    for optimizer in ("sgd", "momentum", "adagrad", "adam"):
        model = fflm.train(certain, optimizer=optimizer, epochs=20, **PLAIN)
        assert model.report.valid_perplexity < 3, optimizer


@pytest.mark.parametrize(
    "options",
    [
        {"activation": "relu"},
        {"direct": True},
        {"direct": True, "hidden_dims": 0},
        {"hidden_dims": (16, 8)},
        {"clip_norm": 1.0, "weight_decay": 0.01},
        {"dropout": 0.1, "embedding_dropout": 0.1},
        {"tokenizer": "char", "context_size": 6},
    ],
)
def test_every_shape_learns(certain, options):
    model = fflm.train(certain, epochs=40, **PLAIN | {"learning_rate": 0.01} | options)
    assert model.report.valid_perplexity < 1.1


def load_script(name):
    spec = importlib.util.spec_from_file_location(name, REPOSITORY / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_comes_within_three_percent_of_the_truth_and_never_below_it(tmp_path):
    """The grammar's own probabilities against the model's, token by token, on lines that it has not seen.

    The expectation of true minus model log probability is a Kullback-Leibler divergence, so it is not negative; the
    mean over lines, which are independent, may fall below 0 by 4 of its standard errors.
    """
    grammar = load_script("make_grammar_corpus")
    lines = (REPOSITORY / "corpora" / "grammar.txt").read_text().splitlines()
    cut = len(lines) * 9 // 10
    for name, part in (("train", lines[:cut]), ("test", lines[cut:])):
        (tmp_path / name).write_text("\n".join(part) + "\n")
    options = SMALL | {"batch_size": 128, "embedding_dim": 16, "hidden_dims": 32, "learning_rate": 0.003}
    model = fflm.train(
        str(tmp_path / "train"),
        test=str(tmp_path / "test"),
        boundary="line",
        tokenizer="whitespace",
        min_count=1,
        dropout=0.0,
        embedding_dropout=0.1,
        epochs=15,
        **options,
    )
    stream = encode([str(tmp_path / "test")], model.lm.tokenizer, model.lm.vocabulary, DataConfig())
    assert stream.unknown == 0
    true = grammar.true_log_probs(lines[cut:])
    excess = true - model.lm.log_probs(stream.ids)
    assert model.report.test_perplexity == pytest.approx(math.exp((excess - true).mean()), rel=1e-12)
    assert math.exp(excess.mean()) < 1.03
    by_line = np.add.reduceat(excess, stream.unit_starts[:-1])
    assert by_line.mean() > -4 * by_line.std() / math.sqrt(len(by_line))
    # The text itself is as hard as its source says, by the same measure.
    surprise = np.add.reduceat(-true - grammar.entropy_rate(), stream.unit_starts[:-1])
    assert abs(surprise.mean()) < 4 * surprise.std() / math.sqrt(len(surprise))


def unigram_perplexity(model, ids) -> float:
    counts = model.lm.vocabulary.counts + 1.0
    return math.exp(-np.log(counts / counts.sum())[ids].mean())


def test_real_text_of_the_standard_library():
    model = fflm.train("stdlib:valid", epochs=3, **SMALL | {"hidden_dims": 32, "dropout": 0.0, "learning_rate": 0.003})
    stream = encode(["stdlib:test"], model.lm.tokenizer, model.lm.vocabulary, DataConfig())
    assert model.perplexity("stdlib:test").perplexity < 0.8 * unigram_perplexity(model, stream.ids)


def test_real_text_of_brown():
    nltk = pytest.importorskip("nltk")
    try:
        nltk.data.find("corpora/brown")
    except LookupError:
        try:
            nltk.data.find("corpora/brown.zip")
        except LookupError:
            pytest.skip("NLTK's corpus brown is not on NLTK's data path")
    options = SMALL | {"hidden_dims": 32, "batch_size": 256, "vocab_size": 2000, "dropout": 0.0}
    model = fflm.train("brown:valid", epochs=1, learning_rate=0.003, **options)
    assert model.report.steps == -(-model.report.train_tokens // 256) > 700
    stream = encode(["brown:valid"], model.lm.tokenizer, model.lm.vocabulary, DataConfig())
    assert model.report.valid_perplexity < 0.7 * unigram_perplexity(model, stream.ids)


# The same bits


DROPPING = SMALL | {"dropout": 0.3, "embedding_dropout": 0.2}


@pytest.mark.parametrize(
    "options",
    [
        DROPPING,
        PLAIN | {"clip_norm": 0.5, "optimizer": "sgd", "direct": True},
        DROPPING | {"hidden_dims": (24, 16), "activation": "relu", "weight_decay": 0.1, "optimizer": "adagrad"},
        DROPPING | {"boundary": "line", "optimizer": "momentum", "batch_size": 7, "clip_norm": 1.0},
    ],
)
def test_number_of_threads_changes_no_bit(tmp_path, options):
    text = random_text(tmp_path / "text", 3000, kinds=1500)
    for threads in (1, 2, 3):
        fflm.train(text, out=tmp_path / str(threads), threads=threads, min_count=1, epochs=2, **options)
    assert model_bytes(tmp_path / "1") == model_bytes(tmp_path / "2") == model_bytes(tmp_path / "3")


def test_the_seed_decides(certain):
    def parameters(seed):
        return fflm.train(certain, seed=seed, epochs=2, **DROPPING).lm.parameters

    first, again, other = parameters(1), parameters(1), parameters(2)
    for name, value in first.items():
        assert value.tobytes() == again[name].tobytes()
        assert value.tobytes() != other[name].tobytes()


def test_checkpoints_change_no_bit(certain, tmp_path):
    fflm.train(certain, out=tmp_path / "never", epochs=3, **DROPPING)
    fflm.train(certain, out=tmp_path / "always", epochs=3, checkpoint_seconds=0.0, **DROPPING)
    without = fflm.train(certain, epochs=3, **DROPPING)
    assert model_bytes(tmp_path / "never") == model_bytes(tmp_path / "always")
    for name, value in fflm.load(tmp_path / "never").lm.parameters.items():
        assert value.tobytes() == without.lm.parameters[name].tobytes()


# Interrupted and resumed. The run takes some seconds, so that it is hit in the middle.


LONG = ["--context-size", 3, "--embedding-dim", 16, "--hidden-dims", 64, "--batch-size", 64, "--clip-norm", 1]
LONG += ["--epochs", 2, "--checkpoint-seconds", 0.05, "--learning-rate", 0.003]


@pytest.fixture(scope="module")
def never_stopped(tmp_path_factory, workshop) -> Path:
    """A folder with ``text`` and the run ``never`` that nothing stopped."""
    folder = tmp_path_factory.mktemp("never")
    random_text(folder / "text", 50000, kinds=1000)
    fflm.train(
        str(folder / "text"),
        out=folder / "never",
        context_size=3,
        embedding_dim=16,
        hidden_dims=64,
        batch_size=64,
        clip_norm=1.0,
        epochs=2,
        learning_rate=0.003,
        quiet=True,
    )
    return folder


def wait_for_middle_of_epoch(process, run, beyond=0) -> int:
    """Wait until a checkpoint within an epoch, after step `beyond`, is on disk; returns its step."""
    for _ in range(60000):
        assert process.poll() is None, "the run ended before it could be interrupted"
        time.sleep(0.001)
        if (run / STATE).exists():
            with safe_open(run / STATE, framework="numpy") as file:
                position = json.loads(file.metadata()["fflm"])["progress"]["position"]
            if position["batch"] > 0 and position["step"] > beyond:
                return position["step"]
    raise AssertionError("no checkpoint within a minute")


def test_killed_again_and_again_and_resumed(never_stopped, tmp_path, fflm_process, fflm_cli):
    """SIGKILL in mid-epoch, three times; the model is the one of a run never killed, to the bit."""
    run, step = tmp_path / "run", 0
    command = ["train", never_stopped / "text", "--out", run, *LONG]
    for resume in ([], ["--resume"], ["--resume"]):
        process = fflm_process(*command, *resume)
        step = wait_for_middle_of_epoch(process, run, beyond=step)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        fflm.load(run)
    code, out, err = fflm_cli(*command, "--resume", "--json")
    assert code == 0, err
    assert json.loads(out)["steps"] == 2 * math.ceil(json.loads(out)["train_tokens"] / 64) > step
    assert model_bytes(run) == model_bytes(never_stopped / "never")
    ours, theirs = log_of(run), log_of(never_stopped / "never")
    changing = {"seconds", "tokens_per_second"}
    assert [{k: v for k, v in record.items() if k not in changing} for record in ours] == [
        {k: v for k, v in record.items() if k not in changing} for record in theirs
    ]


def test_ctrl_c_leaves_a_model_and_resume_goes_on(never_stopped, tmp_path, fflm_process, fflm_cli):
    run = tmp_path / "run"
    command = ["train", never_stopped / "text", "--out", run, *LONG]
    with open(tmp_path / "out.txt", "w") as out:
        process = fflm_process(*command, "--json", stdout=out)
    wait_for_middle_of_epoch(process, run)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    report = json.loads((tmp_path / "out.txt").read_text())
    assert report["interrupted"] is True and report["stopped"] == "interrupted"
    assert 0 < report["epochs"] < 2
    assert fflm.load(run).perplexity(str(never_stopped / "text")).perplexity < 2000
    assert files_of(run) == WHOLE_RUN
    code, _, err = fflm_cli(*command, "--resume")
    assert code == 0, err
    assert model_bytes(run) == model_bytes(never_stopped / "never")


def test_a_run_that_has_not_begun_yet_can_be_begun(certain, tmp_path):
    """A run killed before its first checkpoint has a configuration, and nothing to go on with."""
    fflm.train(certain, out=tmp_path / "run", epochs=1, **PLAIN)
    (tmp_path / "killed").mkdir()
    shutil.copy(tmp_path / "run" / CONFIG, tmp_path / "killed")
    fflm.train(certain, out=tmp_path / "killed", epochs=1, **PLAIN)
    assert model_bytes(tmp_path / "killed") == model_bytes(tmp_path / "run")


def test_what_a_kill_left_behind_is_cleared_away(certain, tmp_path):
    """A kill within a write leaves a temporary file, as large as the state."""
    fflm.train(certain, out=tmp_path / "run", epochs=1, **PLAIN)
    (tmp_path / "run" / f".{STATE}.0123abcd.tmp").write_bytes(b"half")
    (tmp_path / "run" / ".tmpAbC123").write_bytes(b"half")
    fflm.train(certain, out=tmp_path / "run", epochs=2, resume=True, **PLAIN)
    assert files_of(tmp_path / "run") == WHOLE_RUN


# Validation decides. What it finds is dictated here.


@pytest.fixture
def dictate(monkeypatch):
    """``dictate(3.0, 2.0, ...)``: the cross-entropies that the next validations find; returns the models they saw."""

    def dictate(*nats):
        seen, remaining = [], list(nats)

        def evaluate(model, stream, on_batch=None):
            report = fflm.evaluation.perplexity.evaluate(model, stream, on_batch)
            seen.append({name: value.copy() for name, value in model.parameters.items()})
            value = remaining.pop(0)
            return replace(report, cross_entropy_nats=value, perplexity=math.exp(value))

        monkeypatch.setattr(trainer, "evaluate", evaluate)
        return seen

    return dictate


def assert_same_parameters(one, other):
    for name, value in one.items():
        assert value.tobytes() == other[name].tobytes(), name


def test_rate_is_halved_training_stops_and_the_best_model_is_kept(certain, tmp_path, dictate):
    seen = dictate(3.0, 2.0, 2.5, 2.0, 1.9, 2.1, 2.1, 2.1)
    options = PLAIN | {"optimizer": "adam", "learning_rate": 0.008, "schedule": "plateau"}
    model = fflm.train(certain, out=tmp_path / "run", epochs=50, patience=3, **options)
    assert model.report.stopped == "early"
    assert (model.report.epochs, len(seen)) == (8.0, 8)
    log = log_of(tmp_path / "run")
    assert [record["learning_rate"] for record in log] == [
        0.008, 0.008, 0.008, 0.004, 0.002, 0.002, 0.001, 0.0005,
    ]  # fmt: skip
    assert [record["valid_perplexity"] for record in log] == [
        math.exp(nats) for nats in (3.0, 2.0, 2.5, 2.0, 1.9, 2.1, 2.1, 2.1)
    ]
    assert model.report.valid_perplexity == math.exp(1.9)
    assert_same_parameters(model.lm.parameters, seen[4])
    assert_same_parameters(fflm.load(tmp_path / "run").lm.parameters, seen[4])


def test_a_run_that_stopped_early_is_over(certain, tmp_path, dictate):
    seen = dictate(3.0, 3.1, 3.1, 3.0)
    options = PLAIN | {"epochs": 50, "patience": 2, "out": tmp_path / "run"}
    steps = fflm.train(certain, **options).report.steps
    report = fflm.train(certain, resume=True, **options).report
    assert (report.steps, report.stopped) == (steps, "early")
    assert_same_parameters(fflm.load(tmp_path / "run").lm.parameters, seen[0])


def test_resumed_model_is_the_best_one_even_if_the_interrupted_one_was_better(certain, tmp_path, dictate, monkeypatch):
    """After Ctrl-C the unfinished epoch is validated and may be the best so far; an uninterrupted run never saw it."""
    dictate(2.0, 3.0, 3.0)
    fflm.train(certain, out=tmp_path / "never", epochs=3, **DROPPING)
    dictate(2.0, 1.0)
    interrupt_at(monkeypatch, 60)
    report = fflm.train(certain, out=tmp_path / "run", epochs=3, **DROPPING).report
    assert report.interrupted and report.steps == 60
    monkeypatch.undo()
    dictate(3.0, 3.0, 2.0)
    fflm.train(certain, out=tmp_path / "run", epochs=3, resume=True, **DROPPING)
    assert model_bytes(tmp_path / "run") == model_bytes(tmp_path / "never")


def test_interrupted_in_the_step_that_would_have_been_the_last(certain, tmp_path, dictate, monkeypatch):
    """Validation stopped improving in the very step of Ctrl-C: there is nothing to go on with."""
    options = DROPPING | {"epochs": 9, "patience": 2, "validate_every": 320, "out": tmp_path / "run"}
    seen = dictate(2.0, 3.0, 3.0, 2.0)
    interrupt_at(monkeypatch, 30)
    assert fflm.train(certain, **options).report.steps == 30
    monkeypatch.undo()
    dictate(2.0, *[1.0] * 40)
    report = fflm.train(certain, resume=True, **options).report
    assert (report.steps, report.stopped) == (30, "early")
    assert_same_parameters(fflm.load(tmp_path / "run").lm.parameters, seen[0])


def interrupt_at(monkeypatch, step):
    """Ctrl-C, as the trainer sees it, in that step."""
    original = trainer.Trainer._reason_to_stop

    def reason_to_stop(trainer):
        trainer.interrupt.asked = trainer.interrupt.asked or trainer.position.step == step
        return original(trainer)

    monkeypatch.setattr(trainer.Trainer, "_reason_to_stop", reason_to_stop)


@pytest.mark.parametrize("step", [1, 36, 40, 43, 100])
def test_interrupted_anywhere_and_resumed(certain, tmp_path, monkeypatch, step):
    """Before, at and after the ends of epochs and of the stretches between validations."""
    options = DROPPING | {"epochs": 3, "validate_every": 320, "clip_norm": 1.0}
    fflm.train(certain, out=tmp_path / "never", **options)
    interrupt_at(monkeypatch, step)
    report = fflm.train(certain, out=tmp_path / "run", **options).report
    assert (report.interrupted, report.steps) == (True, step)
    fflm.load(tmp_path / "run")
    monkeypatch.undo()
    assert fflm.train(certain, out=tmp_path / "run", resume=True, **options).report.steps > 100
    assert model_bytes(tmp_path / "run") == model_bytes(tmp_path / "never")
    assert [r["valid_perplexity"] for r in log_of(tmp_path / "run")] == [
        r["valid_perplexity"] for r in log_of(tmp_path / "never")
    ]


def test_validate_every(certain, tmp_path):
    report = fflm.train(certain, out=tmp_path / "run", epochs=2, validate_every=320, **PLAIN).report
    assert report.steps == 2 * math.ceil(report.train_tokens / 32) == 72
    log = log_of(tmp_path / "run")
    assert [record["step"] for record in log] == [10, 20, 30, 36, 40, 50, 60, 70, 72]


def test_log_has_one_object_a_validation(certain, tmp_path):
    report = fflm.train(certain, out=tmp_path / "run", epochs=3, **PLAIN).report
    log = log_of(tmp_path / "run")
    assert [record["epochs"] for record in log] == [1, 2, 3]
    assert [record["step"] for record in log] == [report.steps // 3 * i for i in (1, 2, 3)]
    for record in log:
        assert list(record) == [
            "step",
            "epochs",
            "learning_rate",
            "train_perplexity",
            "valid_perplexity",
            "seconds",
            "tokens_per_second",
        ]
    assert min(record["valid_perplexity"] for record in log) == report.valid_perplexity
    assert files_of(tmp_path / "run") == WHOLE_RUN


def test_no_epochs_leave_the_untrained_model(certain, tmp_path):
    """Its weights are small and its output bias is the log unigram: the perplexity is about that of the unigram."""
    model = fflm.train(certain, out=tmp_path / "run", epochs=0, **PLAIN)
    assert (model.report.steps, model.report.epochs, model.report.stopped) == (0, 0.0, "epochs")
    assert model.report.valid_perplexity == pytest.approx(12, rel=0.02)
    assert_same_parameters(fflm.load(tmp_path / "run").lm.parameters, model.lm.parameters)
    assert log_of(tmp_path / "run") == []


def test_held_out_text_is_said_to_be(certain, tmp_path):
    report = fflm.train(certain, epochs=0, **PLAIN).report
    assert report.notes[0] == "validation: 5 % of the units (5 of 100 blocks) held out at random, seed 1"
    assert "2 of 2 validation units" in report.notes[1]  # five blocks together are looked for
    assert report.test_perplexity is None
    (tmp_path / "other").write_text(CERTAIN * 10)
    report = fflm.train(certain, valid=str(tmp_path / "other"), test=certain, epochs=0, **PLAIN).report
    assert (report.valid["tokens"], report.test["tokens"], report.train_tokens) == (120, 1200, 1200)
    assert report.notes[0] == f"warning: {certain} is training text and held-out text at once"


# Time


def test_minutes_are_obeyed(tmp_path, fflm_cli, workshop):
    """4.8 seconds, from the start of the process to its end: at most 5 s away, whatever it would still have to do."""
    random_text(tmp_path / "text", 30000, kinds=2000)
    began = time.monotonic()
    command = ["train", tmp_path / "text", "--out", tmp_path / "run", "--epochs", 9999, "--patience", 9999]
    code, out, err = fflm_cli(*command, "--minutes", 0.08, "--json")
    seconds = time.monotonic() - began
    assert code == 0, err
    assert json.loads(out)["stopped"] == "minutes"
    assert 2 < seconds < 9.8


def test_no_time_at_all_leaves_a_model(certain, tmp_path):
    report = fflm.train(certain, out=tmp_path / "run", minutes=1e-6, **PLAIN).report
    assert (report.stopped, report.steps) == ("minutes", 0)
    fflm.load(tmp_path / "run")


# Resuming


def test_more_epochs_may_be_given(certain, tmp_path):
    options = DROPPING | {"schedule": "plateau"}
    fflm.train(certain, out=tmp_path / "run", epochs=2, **options)
    report = fflm.train(certain, out=tmp_path / "run", epochs=4, resume=True, **options).report
    assert report.epochs == 4.0
    fflm.train(certain, out=tmp_path / "never", epochs=4, **options)
    assert model_bytes(tmp_path / "run") == model_bytes(tmp_path / "never")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learning_rate": 0.02}, "learning_rate must be as in the run to resume, 0.01, got 0.02; give the options of"),
        ({"seed": 2}, "seed must be as in the run to resume, 1, got 2"),
        ({"dropout": 0.5}, "dropout must be as in the run to resume, 0.0, got 0.5"),
        ({"hidden_dims": (16, 16)}, r"hidden_dims must be as in the run to resume, 16, got 16 16"),
        ({"optimizer": "sgd"}, "optimizer must be as in the run to resume, 'adamw', got 'sgd'"),
        ({"batch_size": 64}, "batch_size must be as in the run to resume, 32, got 64"),
        ({"lowercase": True}, "lowercase must be as in the run to resume, False, got True"),
        ({"min_count": 3}, "min_count must be as in the run to resume, 2, got 3"),
        ({"validate_every": 7}, "validate_every must be as in the run to resume, the default, got 7"),
        ({"valid_fraction": 0.2}, "valid_fraction must be as in the run to resume, the default, got 0.2"),
    ],
)
def test_changed_options_are_named(certain, tmp_path, change, message):
    run, options = tmp_path / "run", PLAIN | {"learning_rate": 0.01}
    fflm.train(certain, out=run, epochs=1, **options)
    before = hashes(run)
    with pytest.raises(ConfigError, match=f"^{message}"):
        fflm.train(certain, out=run, epochs=2, resume=True, **options | change)
    assert hashes(run) == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CERTAIN * 101, "text must be that of the run to resume"),
        (CERTAIN.replace("cat", "dog") * 100, "text must be that of the run to resume"),
        (" ".join(CERTAIN.split()[::-1] * 100), "text must be that of the run to resume"),
    ],
    ids=["longer", "other words", "other order"],
)
def test_other_text_is_refused(certain, tmp_path, text, message):
    run = tmp_path / "run"
    fflm.train(certain, out=run, epochs=1, **PLAIN)
    before = hashes(run)
    Path(certain).write_text(text)
    with pytest.raises(ConfigError, match=message):
        fflm.train(certain, out=run, epochs=2, resume=True, **PLAIN)
    assert hashes(run) == before


def test_nothing_to_resume(certain, tmp_path):
    for out in (tmp_path / "missing", None):
        with pytest.raises(ModelFileError, match="^there is no run to resume in .*; leave out resume to begin one$"):
            fflm.train(certain, out=out, resume=True, **PLAIN)
    assert not (tmp_path / "missing").exists()


def test_damaged_state_is_refused(certain, tmp_path):
    run = tmp_path / "run"
    fflm.train(certain, out=run, epochs=1, **PLAIN)
    state = (run / STATE).read_bytes()
    for damaged in (b"", state[:-5], b"x" * 100, model_bytes(run)):
        (run / STATE).write_bytes(damaged)
        before = hashes(run)
        with pytest.raises(ModelFileError, match="state.safetensors (is not a model file|must hold a training state)"):
            fflm.train(certain, out=run, epochs=2, resume=True, **PLAIN)
        assert hashes(run) == before
    (run / STATE).write_bytes(state.replace(b'\\"batch\\"', b'\\"botch\\"'))
    with pytest.raises(ModelFileError, match="state.safetensors is damaged: "):
        fflm.train(certain, out=run, epochs=2, resume=True, **PLAIN)


# Nothing is lost


def test_an_existing_run_is_untouched_by_a_second_one(certain, tmp_path):
    run = tmp_path / "run"
    fflm.train(certain, out=run, epochs=1, **PLAIN)
    before = hashes(run)
    with pytest.raises(FflmError, match="run holds another run; give resume to go on with it, or choose another"):
        fflm.train(certain, out=run, epochs=2, **PLAIN)
    assert hashes(run) == before


def test_other_files_in_the_folder_are_left_alone(certain, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    fflm.train(certain, out=tmp_path / "run", epochs=1, **PLAIN)
    assert (tmp_path / "run" / "notes.txt").read_text() == "mine"


def assert_last_good_model(run, certain):
    """The model in the folder loads, and every probability in it is a number."""
    assert math.isfinite(fflm.load(run).perplexity(certain).perplexity)
    assert files_of(run) == WHOLE_RUN


def test_divergence_names_step_and_rate_and_keeps_the_last_good_model(certain, tmp_path):
    run = tmp_path / "run"
    with pytest.raises(
        DivergenceError,
        match=r"^training diverged: the loss is \S+ at step \d+ with learning rate 1e\+06; the last good mean loss was "
        r"\d\.\d{4} nats; the best model so far is in .*run; try a smaller learning_rate or clip_norm$",
    ):
        fflm.train(certain, out=run, optimizer="sgd", learning_rate=1e6, epochs=5, schedule="plateau", **PLAIN)
    assert_last_good_model(run, certain)
    untrained = fflm.train(certain, epochs=0, **PLAIN)
    assert_same_parameters(fflm.load(run).lm.parameters, untrained.lm.parameters)


def test_divergence_in_the_last_step_of_an_epoch(certain, tmp_path):
    """The loss of the only step is good; what it leaves is found out by the validation."""
    run = tmp_path / "run"
    options = PLAIN | {"batch_size": 2000}
    with pytest.raises(DivergenceError, match=r"^training diverged: .*step 1 with learning rate 1e\+35"):
        fflm.train(certain, out=run, optimizer="sgd", learning_rate=1e35, epochs=1, **options)
    assert_last_good_model(run, certain)


def test_divergence_after_good_epochs_keeps_the_best_of_them(certain, tmp_path, monkeypatch):
    """The rate explodes in the third epoch; the model of the second stays."""
    run, rate = tmp_path / "run", Schedule.rate
    monkeypatch.setattr(Schedule, "rate", lambda own, position: rate(own, position) if position.epoch < 2 else 1e30)
    with pytest.raises(DivergenceError, match=r"at step 7\d with learning rate 1e\+30"):
        fflm.train(certain, out=run, epochs=5, schedule="plateau", **PLAIN)
    monkeypatch.undo()
    second = fflm.train(certain, epochs=2, schedule="plateau", **PLAIN)
    assert_same_parameters(fflm.load(run).lm.parameters, second.lm.parameters)


@pytest.mark.parametrize("writes", [0, 1, 2, 3, 5, 6, 8])
def test_full_disk_while_training(certain, tmp_path, monkeypatch, writes):
    """After so many files nothing fits any more: one error, whole files or none, no temporary one."""
    run, fsync, done = tmp_path / "run", os.fsync, []

    def fsync_until_full(handle):
        done.append(handle)
        if len(done) > writes:
            raise OSError(28, "No space left on device")
        fsync(handle)

    monkeypatch.setattr("os.fsync", fsync_until_full)
    with pytest.raises(FflmError, match="^can't write .*: No space left on device; what was there is untouched$"):
        fflm.train(certain, out=run, epochs=9, **PLAIN)
    monkeypatch.undo()
    assert not [name for name in files_of(run) if name not in WHOLE_RUN]
    if (run / MODEL).exists():
        assert math.isfinite(fflm.load(run).perplexity(certain).perplexity)
    if (run / STATE).exists():
        fflm.train(certain, out=run, epochs=9, resume=True, **PLAIN)
        fflm.train(certain, out=tmp_path / "never", epochs=9, **PLAIN)
        assert model_bytes(run) == model_bytes(tmp_path / "never")


def test_text_shorter_than_a_window(tmp_path):
    (tmp_path / "text").write_text("a a a\n" * 2)
    with pytest.raises(TextError, match="^training text must be at least one window of 11 tokens long, got 5; give"):
        fflm.train(str(tmp_path / "text"), out=tmp_path / "run", **PLAIN | {"context_size": 10})
    assert not (tmp_path / "run").exists()


def test_unknown_option(certain):
    with pytest.raises(ConfigError, match="^unknown option 'learning_rat', expected one of activation, bag_size, "):
        fflm.train(certain, learning_rat=0.1)


def test_whole_cycle_of_the_docs(workshop):
    assert CYCLE.split() * 100 == (workshop / "text.txt").read_text().split()
    assert fflm.load(workshop / "runs" / "demo").info()["parameters"] == 1165


def test_time_that_ends_within_a_validation_leads_to_no_other(certain, tmp_path, monkeypatch):
    """The budget runs out in the validation at the end of an epoch: no step, and no validation, comes after it."""
    original = trainer.Trainer._evaluate
    labels = []

    def evaluate(trainer, text, label):
        labels.append(label)
        trainer.interrupt.asked = True
        return original(trainer, text, label)

    monkeypatch.setattr(trainer.Trainer, "_evaluate", evaluate)
    report = fflm.train(certain, test=certain, out=tmp_path / "run", epochs=5, **PLAIN).report
    assert (report.epochs, report.stopped, labels) == (1.0, "interrupted", ["validation", "test"])


def test_more_patience_on_resume_goes_on(certain, tmp_path, dictate):
    options = PLAIN | {"epochs": 6, "out": tmp_path / "run"}
    dictate(2.0, 3.0)
    assert fflm.train(certain, patience=1, **options).report.stopped == "early"
    dictate(2.0, 3.0, 3.0, 3.0, 3.0)
    report = fflm.train(certain, patience=50, resume=True, **options).report
    assert (report.epochs, report.stopped) == (6.0, "epochs")


def test_the_log_holds_the_validation_after_ctrl_c(certain, tmp_path, monkeypatch):
    interrupt_at(monkeypatch, 3)
    report = fflm.train(certain, out=tmp_path / "run", epochs=2, **PLAIN).report
    assert [record["valid_perplexity"] for record in log_of(tmp_path / "run")] == [report.valid_perplexity]
