"""Training: what is learnt, the same bits whatever happens, the schedule, and nothing lost when things go wrong."""

import errno
import hashlib
import importlib.util
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import CYCLE, REPOSITORY
from safetensors import safe_open

import fflm
from fflm.api import train as api_train
from fflm.config import DataConfig
from fflm.errors import ConfigError, DivergenceError, FflmError, Interrupted, ModelFileError, TextError
from fflm.evaluation.perplexity import Evaluation
from fflm.kernels._cache import KernelCache
from fflm.lm import NeuralLanguageModel
from fflm.model_file import MODEL
from fflm.nn.network import Network
from fflm.runtime.interrupt import Interrupt
from fflm.text import encode
from fflm.training import trainer, validation
from fflm.training.run_folder import CONFIG, CURVE, LOCK, LOG, NETWORK, REPORT, STATE, RunFolder
from fflm.training.schedule import Schedule

#: Each word of it follows from the one before.
CERTAIN = "a cat sat on the big red mat and it purred . "
SMALL = {"context_size": 2, "embedding_dim": 8, "hidden_dims": 16, "batch_size": 32, "ngram_order": 0, "quiet": True}
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


WHOLE_RUN = [CONFIG, LOG, MODEL, REPORT, STATE]
MIXED_RUN = [CONFIG, LOG, MODEL, NETWORK, REPORT, STATE]


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


# Interrupted and resumed, in a process of its own.


LONG = ["--context-size", 3, "--embedding-dim", 16, "--hidden-dims", 64, "--batch-size", 64, "--clip-norm", 1]
LONG += ["--epochs", 2, "--checkpoint-seconds", 0, "--learning-rate", 0.003]

#: The command line, struck by a signal so many seconds after the beginning of a step. The steps are counted in the run,
#: so that it is hit in the middle on any machine.
STRUCK = """
import os, sys, threading
from fflm.cli.main import main
from fflm.nn.network import Network

number, step, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
original = Network.step

def struck(network, batch, optimizer, draws):
    if draws.step == step:
        threading.Timer(seconds, os.kill, (os.getpid(), number)).start()
    return original(network, batch, optimizer, draws)

Network.step = struck
sys.exit(main(sys.argv[4:]))
"""


@pytest.fixture
def struck(environment, workshop):
    """``struck(signal.SIGINT, 100, 0.01, "train", ...)``: exit status, stdout and stderr of a command so hit."""

    def run(number, step, seconds, *arguments):
        command = [sys.executable, "-c", STRUCK, *map(str, (int(number), step, seconds, *arguments))]
        done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", timeout=120)
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture(scope="module")
def never_stopped(tmp_path_factory, workshop) -> Path:
    """A folder with ``text`` and the run ``never`` that nothing stopped: 2 epochs of 60 steps."""
    folder = tmp_path_factory.mktemp("never")
    random_text(folder / "text", 4000, kinds=1000)
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


def position_of(run) -> dict:
    """Where the state of a run folder says that training stands."""
    with safe_open(run / STATE, framework="numpy") as file:
        return json.loads(file.metadata()["fflm"])["progress"]["position"]


def without_times(log) -> list[dict]:
    return [{k: v for k, v in record.items() if k not in {"seconds", "tokens_per_second"}} for record in log]


def test_killed_again_and_again_and_resumed(never_stopped, tmp_path, struck, fflm_cli):
    """SIGKILL in mid-epoch, four times, at any moment of a step or of the saving after it, to which most of the time
    goes here; the model is the one of a run never killed, to the bit."""
    run = tmp_path / "run"
    command = ["train", never_stopped / "text", "--out", run, *LONG]
    for kill, (step, seconds) in enumerate([(10, 0.001), (20, 0.008), (70, 0.015), (80, 0.03)]):
        code, _, err = struck(signal.SIGKILL, step, seconds, *command, *(["--resume"] if kill else []))
        assert code == -signal.SIGKILL, err
        assert step <= position_of(run)["step"] < 120
        assert position_of(run)["batch"] > 0
        fflm.load(run)
    assert (run / LOCK).exists()  # what the kill left behind locks nobody out
    code, out, err = fflm_cli(*command, "--resume", "--json")
    assert code == 0, err
    assert json.loads(out)["steps"] == 2 * math.ceil(json.loads(out)["train_tokens"] / 64) == 120
    assert files_of(run) == MIXED_RUN
    assert model_bytes(run) == model_bytes(never_stopped / "never")
    assert (run / NETWORK).read_bytes() == (never_stopped / "never" / NETWORK).read_bytes()
    assert without_times(log_of(run)) == without_times(log_of(never_stopped / "never"))


def test_ctrl_c_leaves_a_model_and_resume_goes_on(never_stopped, tmp_path, struck, fflm_cli):
    run = tmp_path / "run"
    command = ["train", never_stopped / "text", "--out", run, *LONG]
    code, out, err = struck(signal.SIGINT, 30, 0.001, *command, "--json")
    assert code == 130 and "\ninterrupted: saving and evaluating; Ctrl-C again stops at once\nepoch 0." in err
    report = json.loads(out)
    assert report["interrupted"] is True and report["stopped"] == "interrupted"
    assert 30 < report["steps"] < 60
    assert fflm.load(run).perplexity(str(never_stopped / "text")).perplexity < 2000
    assert files_of(run) == MIXED_RUN
    code, _, err = fflm_cli(*command, "--resume")
    assert code == 0, err
    assert model_bytes(run) == model_bytes(never_stopped / "never")


def test_the_command_says_what_ctrl_c_has_kept(certain, tmp_path, struck):
    code, out, _ = struck(signal.SIGINT, 3, 0.0, "train", certain, "--out", tmp_path / "run", "--hidden-dims", 8)
    assert code == 130
    assert out.startswith(f"run          {tmp_path / 'run'} (interrupted; --resume goes on)\n")
    assert "\nvalidation   perplexity " in out


def test_a_second_ctrl_c_stops_at_once(certain, tmp_path, monkeypatch):
    """In the validation after the first one; the run has been saved by then."""
    options = DROPPING | {"epochs": 3, "out": tmp_path / "run"}
    step = Network.step

    def first_ctrl_c(network, batch, optimizer, draws):
        if draws.step == 50:
            signal.raise_signal(signal.SIGINT)
            monkeypatch.setattr(validation, "evaluate_tokens", second_ctrl_c)
        return step(network, batch, optimizer, draws)

    def second_ctrl_c(model, text, on_batch):
        signal.raise_signal(signal.SIGINT)
        pytest.fail("nothing comes after the second Ctrl-C")

    monkeypatch.setattr(Network, "step", first_ctrl_c)
    with pytest.raises(KeyboardInterrupt) as caught:
        fflm.train(certain, **options)
    assert not isinstance(caught.value, Interrupted)
    monkeypatch.undo()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert position_of(tmp_path / "run")["step"] == 51
    fflm.train(certain, resume=True, **options)
    fflm.train(certain, **options | {"out": tmp_path / "never"})
    assert model_bytes(tmp_path / "run") == model_bytes(tmp_path / "never")


def test_ctrl_c_in_a_library_call_is_raised_after_saving(certain, tmp_path, monkeypatch):
    """So that a loop over seeds ends, with or without a folder."""
    original, done = Network.step, []

    def step(network, batch, optimizer, draws):
        if draws.step == 7:
            signal.raise_signal(signal.SIGINT)
        return original(network, batch, optimizer, draws)

    monkeypatch.setattr(Network, "step", step)
    try:
        for seed in (1, 2, 3):
            fflm.train(certain, out=tmp_path / str(seed), seed=seed, epochs=2, **PLAIN)
            done.append(seed)
    except KeyboardInterrupt as stop:
        assert isinstance(stop, Interrupted) and not isinstance(stop, Exception)
        assert str(stop) == f"training was interrupted after 8 steps; resume=True goes on with {tmp_path / '1'}"
        assert stop.report is stop.model.report
        assert (stop.report.steps, stop.report.stopped, stop.report.interrupted) == (8, "interrupted", True)
        assert_same_parameters(stop.model.lm.parameters, fflm.load(tmp_path / "1").lm.parameters)
        assert stop.model.predict("a cat", top=1)
    assert done == []
    assert files_of(tmp_path / "1") == WHOLE_RUN
    with pytest.raises(Interrupted, match="^training was interrupted after 8 steps; nothing was written, since there"):
        fflm.train(certain, epochs=2, **PLAIN)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_that_python_does_not_handle_stays_as_it_is(monkeypatch):
    for before in (signal.SIG_IGN, None):
        monkeypatch.setattr(signal, "getsignal", lambda number, before=before: before)
        monkeypatch.setattr(signal, "signal", lambda *arguments: pytest.fail("the handler must stay"))
        with Interrupt() as interrupt:
            assert not interrupt.asked


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
    for name in WHOLE_RUN:
        (tmp_path / "run" / f".{name}.0123abcd.tmp").write_bytes(b"half")
    theirs = {".tmp_notes", ".tmpAbC123", f".{STATE}.0123abcd.tmp.bak", f".{MODEL}.old_copy.tmp", ".notes.0123abcd.tmp"}
    for name in theirs:
        (tmp_path / "run" / name).write_text("mine")
    fflm.train(certain, out=tmp_path / "run", epochs=2, resume=True, **PLAIN)
    assert set(files_of(tmp_path / "run")) == {*WHOLE_RUN, *theirs}


# Validation decides. What it finds is dictated here.


@pytest.fixture
def dictate(monkeypatch):
    """``dictate(3.0, 2.0, ...)``: the cross-entropies that the next validations find; returns the models they saw."""

    def dictate(*nats):
        seen, remaining = [], list(nats)

        def evaluate(model, stream, on_batch=None):
            report, log_probs = fflm.evaluation.perplexity.evaluate_tokens(model, stream, on_batch)
            seen.append({name: value.copy() for name, value in model.parameters.items()})
            value = remaining.pop(0)
            return Evaluation(replace(report, cross_entropy_nats=value, perplexity=math.exp(value)), log_probs)

        monkeypatch.setattr(validation, "evaluate_tokens", evaluate)
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
    options = PLAIN | {"epochs": 50, "patience": 2, "schedule": "plateau", "out": tmp_path / "run"}
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
    report = interrupted(certain, out=tmp_path / "run", epochs=3, **DROPPING).report
    assert report.interrupted and report.steps == 60
    monkeypatch.undo()
    dictate(3.0, 3.0, 2.0)
    fflm.train(certain, out=tmp_path / "run", epochs=3, resume=True, **DROPPING)
    assert model_bytes(tmp_path / "run") == model_bytes(tmp_path / "never")


def test_interrupted_in_the_step_that_would_have_been_the_last(certain, tmp_path, dictate, monkeypatch):
    """Validation stopped improving in the very step of Ctrl-C: there is nothing to go on with."""
    options = DROPPING | {"epochs": 9, "patience": 2, "schedule": "plateau", "validate_every": 320}
    options["out"] = tmp_path / "run"
    seen = dictate(2.0, 3.0, 3.0, 2.0)
    interrupt_at(monkeypatch, 30)
    assert interrupted(certain, **options).report.steps == 30
    monkeypatch.undo()
    dictate(2.0, *[1.0] * 40)
    report = fflm.train(certain, resume=True, **options).report
    assert (report.steps, report.stopped) == (30, "early")
    assert_same_parameters(fflm.load(tmp_path / "run").lm.parameters, seen[0])


def interrupt_at(monkeypatch, step):
    """Ctrl-C, as the trainer sees it, in that step."""
    original = trainer.Trainer._reason_to_stop

    def reason_to_stop(trainer):
        trainer.interrupt.asked = trainer.interrupt.asked or trainer.state.position.step == step
        return original(trainer)

    monkeypatch.setattr(trainer.Trainer, "_reason_to_stop", reason_to_stop)


def interrupted(*sources, **options) -> Interrupted:
    """What such a training ends with."""
    with pytest.raises(Interrupted) as caught:
        fflm.train(*sources, **options)
    return caught.value


@pytest.mark.parametrize("step", [1, 36, 40, 43, 100])
def test_interrupted_anywhere_and_resumed(certain, tmp_path, monkeypatch, step):
    """Before, at and after the ends of epochs and of the stretches between validations."""
    options = DROPPING | {"epochs": 3, "validate_every": 320, "clip_norm": 1.0}
    fflm.train(certain, out=tmp_path / "never", **options)
    interrupt_at(monkeypatch, step)
    report = interrupted(certain, out=tmp_path / "run", **options).report
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
            "sampled_loss",
            "valid_perplexity",
            "valid_tokens",
            "seconds",
            "tokens_per_second",
            "sample",
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
    assert report.notes[0] == "validation: 5 % of the units (5 of 100 blocks) held out in 1 stretch, seed 1"
    assert "2 of 2 validation units" in report.notes[1]  # five blocks together are looked for
    assert report.test_perplexity is None
    (tmp_path / "other").write_text(CERTAIN * 10)
    report = fflm.train(certain, valid=str(tmp_path / "other"), test=certain, epochs=0, **PLAIN).report
    assert (report.valid["tokens"], report.test["tokens"], report.train_tokens) == (120, 1200, 1200)
    assert report.notes[0] == f"warning: {certain} is training text and held-out text at once"


# Time


class Clock:
    """A clock that goes on only where a test says so, for all that `fflm` times."""

    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr(KernelCache, "spans", [])  # they were measured by another clock
        for name in ("monotonic", "perf_counter"):
            monkeypatch.setattr(time, name, self.read)

    def read(self) -> float:
        return self.now

    def takes(self, monkeypatch, owner, name, seconds):
        """Let each call of ``owner.name`` take so long; `seconds` may be a function of the arguments."""
        original = getattr(owner, name)

        def call(*arguments, **options):
            self.now += seconds(*arguments) if callable(seconds) else seconds
            return original(*arguments, **options)

        monkeypatch.setattr(owner, name, call)


@pytest.fixture
def clock(monkeypatch) -> Clock:
    """Steps take 0.1 s, scoring 0.001 s a token, saving state or model 0.2 s, and reading the text 5 s."""
    clock = Clock(monkeypatch)
    clock.takes(monkeypatch, Network, "step", 0.1)
    clock.takes(monkeypatch, NeuralLanguageModel, "log_probs", lambda model, ids, *rest: 0.001 * len(ids))
    clock.takes(monkeypatch, RunFolder, "save_state", 0.2)
    clock.takes(monkeypatch, RunFolder, "save_model", 0.2)
    clock.takes(monkeypatch, api_train, "load_corpus", 5.0)
    return clock


@pytest.mark.parametrize("minutes", [0.5, 1.0, 3.0])
def test_minutes_are_obeyed(certain, tmp_path, clock, minutes):
    """Reading, validation, test and saving are in them; at most a second is left over."""
    options = PLAIN | {"epochs": 9999, "test": certain, "minutes": minutes}
    report = fflm.train(certain, out=tmp_path / "run", **options).report
    assert report.stopped == "minutes"
    assert 60 * minutes - 1.0 <= report.seconds == clock.now - 1000.0 <= 60 * minutes
    assert log_of(tmp_path / "run")[-1]["learning_rate"] < 0.02 * log_of(tmp_path / "run")[0]["learning_rate"]


def test_minutes_count_from_the_start_of_the_command(certain, tmp_path, clock):
    """The start of Python, the imports and the reading of the command line are in them too."""
    report = fflm.train(certain, out=tmp_path / "run", minutes=1, started=clock.now - 20, epochs=9999, **PLAIN).report
    assert 59.0 <= report.seconds <= 60.0


def test_minutes_of_a_real_clock(tmp_path, fflm_cli, workshop):
    """How exactly they are obeyed is for the clock above: here a busy machine may take its time before it begins."""
    random_text(tmp_path / "text", 30000, kinds=2000)
    command = ["train", tmp_path / "text", "--out", tmp_path / "run", "--epochs", 9999]
    code, out, err = fflm_cli(*command, "--minutes", 0.08, "--json")  # 9999 epochs would take hours, and fail
    assert code == 0, err
    assert json.loads(out)["stopped"] == "minutes"
    assert json.loads(out)["seconds"] > 0.3 * 4.8


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
    with pytest.raises(ModelFileError, match="^there is no run to resume in .*; leave out resume to begin one$"):
        fflm.train(certain, out=tmp_path / "missing", resume=True, **PLAIN)
    with pytest.raises(ConfigError, match="^resume needs out, the folder of the run to go on with$"):
        fflm.train(certain, resume=True, **PLAIN)
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
    with pytest.raises(FflmError, match="run holds another run; give resume=True to go on with it, overwrite=True to"):
        fflm.train(certain, out=run, epochs=2, **PLAIN)
    assert hashes(run) == before


def test_a_run_is_replaced_where_that_is_asked_for(certain, tmp_path):
    run = tmp_path / "run"
    fflm.train(certain, out=run, epochs=2, **PLAIN)
    (run / "notes.txt").write_text("mine")
    before = hashes(run)
    with pytest.raises(TextError):  # nothing is lost to a run that can't begin
        fflm.train(tmp_path / "missing.txt", out=run, epochs=1, overwrite=True, **PLAIN)
    assert hashes(run) == before
    fflm.train(certain, out=run, epochs=1, overwrite=True, **PLAIN)
    assert files_of(run) == sorted([*WHOLE_RUN, "notes.txt"])
    assert len(log_of(run)) == 1 and (run / "notes.txt").read_text() == "mine"
    with pytest.raises(ConfigError, match="^overwrite must not be given together with resume$"):
        fflm.train(certain, out=run, resume=True, overwrite=True, **PLAIN)


def test_a_model_of_someone_else_is_not_replaced(certain, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / MODEL).write_bytes(b"mine")
    with pytest.raises(FflmError, match="holds a model without its training state"):
        fflm.train(certain, out=tmp_path / "run", epochs=1, overwrite=True, **PLAIN)
    assert (tmp_path / "run" / MODEL).read_bytes() == b"mine"


def test_other_files_in_the_folder_are_left_alone(certain, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    fflm.train(certain, out=tmp_path / "run", epochs=1, **PLAIN)
    assert (tmp_path / "run" / "notes.txt").read_text() == "mine"


REMAINS = [(), (CONFIG,), (LOG,), (CURVE,), (CONFIG, LOG, CURVE), (LOG, CURVE), (CONFIG, LOG), (CONFIG, CURVE)]


@pytest.mark.parametrize("remains", REMAINS, ids=lambda remains: " ".join(remains) or "nothing")
def test_what_remains_of_a_deleted_run_is_ours(certain, tmp_path, remains):
    """Model and state have been deleted, and more or less of the rest: the folder can be trained into again."""
    run = tmp_path / "run"
    fflm.train(certain, out=run, epochs=2, **PLAIN)
    if importlib.util.find_spec("matplotlib") is None:
        remains = [name for name in remains if name != CURVE]
    for path in run.iterdir():
        if path.name not in remains:
            path.unlink()
    assert sorted(path.name for path in run.iterdir()) == sorted(remains)
    fflm.train(certain, out=run, epochs=1, **PLAIN)
    assert files_of(run) == WHOLE_RUN
    assert len(log_of(run)) == 1


def test_an_older_curve_beside_a_log_is_ours(certain, tmp_path):
    """Before the pictures bore a mark."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / LOG).write_text(
        '{"step": 1, "epochs": 1.0, "train_perplexity": 3.0, "valid_perplexity": 2.0}\n'
    )
    (tmp_path / "run" / CURVE).write_bytes(b"\x89PNG")
    fflm.train(certain, out=tmp_path / "run", epochs=1, **PLAIN)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (CONFIG, b"{}"),
        (CONFIG, b"[1]"),
        (CONFIG, b"\xff"),
        (LOG, b"mine\n"),
        (LOG, b'{"loss": 1.0}\n'),
        (LOG, b"[1, 2]\n"),
        (LOG, b"7\n"),
        (LOG, b"\xff\xfe"),
        (LOG, b'{"step": 1, "valid_perplexity": 2.0}\nand my notes\n'),
        (LOG, b"[" * 100000),
        (CURVE, b"\x89PNG\r\n"),
        (CURVE, b""),
    ],
)
def test_files_of_someone_else_under_our_names_are_refused(certain, tmp_path, name, content):
    run = tmp_path / "run"
    run.mkdir()
    (run / name).write_bytes(content)
    before = hashes(run)
    with pytest.raises(FflmError, match=f"run holds a file {name} that is not fflm's; choose another folder$"):
        fflm.train(certain, out=run, epochs=1, **PLAIN)
    assert hashes(run) == before


def test_a_model_without_its_state_is_not_overwritten(certain, tmp_path):
    run = tmp_path / "run"
    fflm.train(certain, out=run, epochs=1, **PLAIN)
    (run / STATE).unlink()
    before = hashes(run)
    with pytest.raises(FflmError, match="run holds a model without its training state; choose another folder, or rem"):
        fflm.train(certain, out=run, epochs=1, **PLAIN)
    assert hashes(run) == before


# One process at a time


@pytest.fixture
def in_training(never_stopped, tmp_path, environment):
    """A run folder into which another process trains, stopped within a step, and that process."""
    run = tmp_path / "run"
    stopping = STRUCK.replace(
        "threading.Timer(seconds, os.kill, (os.getpid(), number)).start()", "print('waiting', flush=True), input()"
    )
    assert "input()" in stopping
    command = [sys.executable, "-c", stopping, "0", "20", "0", "train", never_stopped / "text", "--out", run, *LONG]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(list(map(str, command)), env=environment, **pipes)
    assert process.stdout.readline() == b"waiting\n"
    yield run, process
    process.kill()
    process.communicate()


def test_a_folder_in_training_is_refused(in_training, never_stopped, fflm_main):
    run, process = in_training
    before = hashes(run)
    message = f"fflm: error: {run} is being trained into by another process (pid {process.pid}); wait for its end, or "
    command = ["train", never_stopped / "text", "--out", run, *LONG]
    code, out, err = fflm_main(*command, "--resume")
    assert (code, out, err) == (1, "", message + "choose another folder\n")
    assert hashes(run) == before
    (run / STATE).unlink()  # as in the moment before the first save
    (run / MODEL).unlink()
    assert fflm_main(*command) == (1, "", message + "choose another folder\n")
    process.communicate(b"\n")
    assert process.returncode == 0
    assert files_of(run) == MIXED_RUN
    assert model_bytes(run) == model_bytes(never_stopped / "never")
    assert fflm_main(*command, "--resume", "--json")[0] == 0


def test_a_killed_process_locks_nobody_out(in_training, never_stopped, fflm_main):
    run, process = in_training
    process.kill()
    process.wait()
    assert (run / LOCK).read_text() == f"{process.pid}\n"
    code, _, err = fflm_main("train", never_stopped / "text", "--out", run, *LONG, "--resume")
    assert code == 0, err
    assert model_bytes(run) == model_bytes(never_stopped / "never")
    assert files_of(run) == MIXED_RUN


def test_whoever_comes_first_when_both_begin(certain, tmp_path):
    """Both found no folder; the second finds the lock when it makes it."""
    with RunFolder(tmp_path / "run") as first, RunFolder(tmp_path / "run") as second:
        first.begin({})
        with pytest.raises(FflmError, match=rf"run is being trained into by another process \(pid {os.getpid()}\); "):
            second.begin({})
        with pytest.raises(FflmError, match="is being trained into by"):
            fflm.train(certain, out=tmp_path / "run", epochs=1, **PLAIN)
    fflm.train(certain, out=tmp_path / "run", epochs=1, **PLAIN)


def test_an_error_gives_the_lock_back(certain, tmp_path):
    (tmp_path / "run").mkdir()
    for options in ({"context_size": 5000}, {"valid": str(tmp_path / "missing")}):
        with pytest.raises(FflmError):
            fflm.train(certain, out=tmp_path / "run", **PLAIN | options)
        assert list((tmp_path / "run").iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, None], ids=str)
def test_where_files_cannot_be_locked(certain, tmp_path, monkeypatch, capsys, number):
    """Some network file systems, and systems without flock: it trains, and says so once."""

    def refuse(*arguments):
        raise OSError(number, "no")

    if number is None:
        monkeypatch.setattr("fflm.storage.files.fcntl", None)
    else:
        monkeypatch.setattr("fcntl.flock", refuse)
    (tmp_path / "run").mkdir()
    fflm.train(certain, out=tmp_path / "run", epochs=1, **PLAIN | {"quiet": False})
    note = f"note: files can't be locked in {tmp_path / 'run'}; see to it that nothing else trains into it\n"
    assert capsys.readouterr().err.count(note) == 1
    assert files_of(tmp_path / "run") == WHOLE_RUN
    fflm.train(certain, out=tmp_path / "run", epochs=2, resume=True, **PLAIN)
    assert capsys.readouterr().err == ""


def test_a_lock_that_cannot_be_made(certain, tmp_path):
    (tmp_path / "run" / LOCK).mkdir(parents=True)
    with pytest.raises(FflmError, match="^can't write to .*run: Is a directory$"):
        fflm.train(certain, out=tmp_path / "run", epochs=1, **PLAIN)


# A picture is never worth the run


BROKEN = {
    "missing part": "raise ImportError('libpng16.so.16: cannot open shared object file')",
    "other NumPy": "raise ValueError('numpy.dtype size changed, may indicate binary incompatibility')",
    "renamed": "import numpy; numpy.no_such_name",
    "leaves Python": "import sys; sys.exit(3)",
    "broken when drawing": "class Figure:\n    def __init__(self, **options): raise AttributeError('no renderer')",
}


RAISED = "(Imp|Val|Attr|Sys)[a-zA-Z]+(Error|Exit)"


@pytest.fixture(params=BROKEN.values(), ids=BROKEN.keys())
def broken_matplotlib(request, tmp_path, monkeypatch):
    """A matplotlib that is installed and does not work, and a scikit-learn that is as bad."""
    for package in ("matplotlib", "sklearn"):
        (tmp_path / "broken" / package).mkdir(parents=True)
        (tmp_path / "broken" / package / "__init__.py").touch()
    for module in ("matplotlib/figure.py", "sklearn/manifold.py"):
        (tmp_path / "broken" / module).write_text(
            request.param.replace("Figure", "TSNE") if "sk" in module else request.param
        )

    def loaded() -> dict:
        return {name: sys.modules[name] for name in sys.modules if name.partition(".")[0] in ("matplotlib", "sklearn")}

    sound = loaded()
    for name in sound:
        del sys.modules[name]
    monkeypatch.syspath_prepend(tmp_path / "broken")
    yield
    for name in loaded():
        del sys.modules[name]
    sys.modules.update(sound)


def test_a_broken_matplotlib_does_not_end_a_training(certain, tmp_path, capsys, broken_matplotlib):
    model = fflm.train(certain, out=tmp_path / "run", epochs=2, **PLAIN | {"quiet": False})
    assert model.report.stopped == "epochs"
    lines = [line for line in capsys.readouterr().err.splitlines() if "picture" in line]
    assert len(lines) == 1
    assert re.match(f"note: no learning_curve.png: the picture can't be drawn: {RAISED}: ", lines[0])
    assert [path.name for path in sorted((tmp_path / "run").iterdir())] == WHOLE_RUN
    fflm.train(certain, out=tmp_path / "run", epochs=3, resume=True, **PLAIN)
    assert capsys.readouterr().err == ""


def test_a_full_disk_does_not_make_the_curve_end_a_training(certain, tmp_path, monkeypatch, capsys):
    def no_space(path, content):
        raise FflmError(f"can't write {path}: No space left on device; what was there is untouched")

    monkeypatch.setattr("fflm.training.run_folder.can_plot", lambda: True)
    monkeypatch.setattr("fflm.training.run_folder.learning_curve", lambda log: b"PNG")
    original = fflm.storage.files.write
    monkeypatch.setattr(
        "fflm.training.run_folder.write",
        lambda path, content: (no_space if path.name == CURVE else original)(path, content),
    )
    fflm.train(certain, out=tmp_path / "run", epochs=2, **PLAIN | {"quiet": False})
    assert f"note: no {CURVE}: can't write " in capsys.readouterr().err


def test_commands_that_draw_say_that_matplotlib_is_broken(demo, text, tmp_path, fflm_main, broken_matplotlib):
    error = f"fflm: error: the picture can't be drawn: {RAISED}: .*; it may help to install the plot "
    code, out, err = fflm_main("compare", demo, demo, text, "--plot", tmp_path / "x.png")
    assert code == 1 and out.startswith("A     ") and re.fullmatch(error + ".*\n", err)
    code, out, err = fflm_main("plot-embeddings", demo, "--out", tmp_path / "x.svg", "--words", 5)
    assert (code, out) == (1, "") and re.fullmatch(error + ".*\n", err)
    assert not list(tmp_path.glob("x.*"))


def assert_last_good_model(run, certain):
    """The model in the folder loads, and every probability in it is a number."""
    assert math.isfinite(fflm.load(run).perplexity(certain).perplexity)
    assert files_of(run) == [name for name in WHOLE_RUN if name != REPORT]


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


@pytest.mark.parametrize("where", ["parameters", "the optimiser's averages"])
def test_what_became_infinite_is_not_saved(certain, tmp_path, monkeypatch, where):
    """Between two losses that are finite; a state that holds it would be refused as damaged."""
    run, step, options = tmp_path / "run", Network.step, PLAIN | {"epochs": 3, "checkpoint_seconds": 0.0}

    def overflow(network, batch, optimizer, draws):
        losses = step(network, batch, optimizer, draws)
        if draws.step == 40:
            table = network.inputs.encoder.table if where == "parameters" else optimizer.state["second.embeddings"]
            table[1, 0] = np.inf  # of <s>, which no window holds
        return losses

    monkeypatch.setattr(Network, "step", overflow)
    with pytest.raises(
        DivergenceError,
        match=r"^training diverged: parameters are no finite numbers any more at step 41 with learning rate 0\.0.*; "
        r"the last good mean loss was \d\.\d{4} nats; the best model so far is in .*run; try a smaller",
    ):
        fflm.train(certain, out=run, **options)
    monkeypatch.undo()
    assert_last_good_model(run, certain)
    assert position_of(run)["step"] == 40
    fflm.train(certain, out=run, resume=True, **options)
    fflm.train(certain, out=tmp_path / "never", **options)
    assert model_bytes(run) == model_bytes(tmp_path / "never")


def test_only_an_undefined_perplexity_is_divergence(certain, monkeypatch):
    def refuse(model, text, on_batch):
        raise FflmError("the system allows no 3 threads")

    monkeypatch.setattr(validation, "evaluate_tokens", refuse)
    with pytest.raises(FflmError, match="^the system allows no 3 threads$") as caught:
        fflm.train(certain, epochs=1, **PLAIN)
    assert not isinstance(caught.value, DivergenceError)


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
    with pytest.raises(
        ConfigError, match="^unknown option 'learning_rat', expected one of activation, bag_decays, bag_size, "
    ):
        fflm.train(certain, learning_rat=0.1)


def test_whole_cycle_of_the_docs(workshop):
    assert CYCLE.split() * 100 == (workshop / "text.txt").read_text().split()
    assert fflm.load(workshop / "runs" / "demo").info()["parameters"] == 1165


def test_time_that_ends_within_a_validation_leads_to_no_other(certain, tmp_path, monkeypatch):
    """The budget runs out in the validation at the end of an epoch: no step, and no validation, comes after it."""
    original = validation.Validation.evaluate
    labels = []

    def evaluate(validation, text, label):
        if not labels:
            signal.raise_signal(signal.SIGINT)
        labels.append(label)
        return original(validation, text, label)

    monkeypatch.setattr(validation.Validation, "evaluate", evaluate)
    report = interrupted(certain, test=certain, out=tmp_path / "run", epochs=5, **PLAIN).report
    assert (report.epochs, report.stopped, labels) == (1.0, "interrupted", ["validation", "test"])


def test_more_patience_on_resume_goes_on(certain, tmp_path, dictate):
    options = PLAIN | {"epochs": 6, "schedule": "plateau", "out": tmp_path / "run"}
    dictate(2.0, 3.0)
    assert fflm.train(certain, patience=1, **options).report.stopped == "early"
    dictate(2.0, 3.0, 3.0, 3.0, 3.0)
    report = fflm.train(certain, patience=50, resume=True, **options).report
    assert (report.epochs, report.stopped) == (6.0, "epochs")


def test_the_log_holds_the_validation_after_ctrl_c(certain, tmp_path, monkeypatch):
    interrupt_at(monkeypatch, 3)
    report = interrupted(certain, out=tmp_path / "run", epochs=2, **PLAIN).report
    assert [record["valid_perplexity"] for record in log_of(tmp_path / "run")] == [report.valid_perplexity]


# The scripts that fill tables


@pytest.fixture
def script(monkeypatch):
    """``script("brown")``: a module of scripts/."""
    monkeypatch.syspath_prepend(REPOSITORY / "scripts")
    yield importlib.import_module
    for name in ("brown", "recipe_brown", "reproduce_bengio2003"):
        sys.modules.pop(name, None)


def test_a_row_that_ctrl_c_ends_is_not_stored(script, certain, tmp_path, monkeypatch, capsys):
    results = script("brown").Results(tmp_path / "results.json")
    results.get("first", lambda: {"valid": 1.0})
    before = (tmp_path / "results.json").read_bytes()
    interrupt_at(monkeypatch, 5)
    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        results.get("second", lambda: fflm.train(certain, out=run, epochs=2, **PLAIN).report.to_dict())
    assert capsys.readouterr().err == (
        f"interrupted: 1 finished rows are kept in {tmp_path / 'results.json'}, the row 'second' is not stored; "
        f"training was interrupted after 5 steps; resume=True goes on with {run}; run the same command again to go on\n"
    )
    assert (tmp_path / "results.json").read_bytes() == before
    assert script("brown").Results(tmp_path / "results.json").rows.keys() == {"first"}


@pytest.mark.parametrize("name", ["recipe_brown", "reproduce_bengio2003"])
def test_a_script_ends_at_ctrl_c(script, tmp_path, monkeypatch, name):
    """It doesn't go on to the next network, and its folder holds no row of the one that was interrupted."""
    module, calls = script(name), []

    def train(*sources, **options):
        calls.append(options["out"])
        raise Interrupted("training was interrupted after 5 steps", None)

    monkeypatch.setattr(module.fflm, "train", train)
    monkeypatch.setattr(module, "vocabulary_file", lambda folder: folder / "vocabulary.txt")
    results = module.Results(tmp_path / "results.json")
    arguments = {"recipe_brown": (tmp_path, 1, 20.0), "reproduce_bengio2003": (tmp_path, {}, "MLP1", 5, 50, 60, True)}

    def main():
        for row in ("one", "two"):
            results.get(row, lambda: module.network(*arguments[name]))

    with pytest.raises(SystemExit) as caught:
        module.run(main)
    assert caught.value.code == 130
    assert len(calls) == 1
    assert not (tmp_path / "results.json").exists()


def test_the_recipe_trains_for_the_rest_of_its_minutes(script, certain, tmp_path, monkeypatch):
    """A network that was stopped has the time that is left of its 20 minutes, not 20 more."""
    module, given = script("recipe_brown"), []
    monkeypatch.setattr(module, "vocabulary_file", lambda folder: folder / "vocabulary.txt")
    fflm.train(certain, out=tmp_path / "network1", epochs=1, **PLAIN)
    log = log_of(tmp_path / "network1")
    (tmp_path / "network1" / LOG).write_text(json.dumps(log[0] | {"seconds": 900.0}) + "\n")

    def train(*sources, **options):
        given.append((options["minutes"], options["resume"]))
        raise KeyboardInterrupt

    monkeypatch.setattr(module.fflm, "train", train)
    for seed in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            module.network(tmp_path, seed, 20.0)
    assert given == [(5.0, True), (20.0, False)]
