"""What the product tests share: a small text, a run trained on it, and the command line in two forms."""

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import fflm
from fflm.cli.main import main

REPOSITORY = Path(__file__).resolve().parent.parent

#: The tests that may skip although every independent implementation is installed: the begin of a name, and a reason.
MAY_SKIP = dict(
    line.split(maxsplit=1)
    for line in (REPOSITORY / "tests" / "may_skip.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background of a shell; processes inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

#: Where the fflm under test is imported from: the repository, or an installation.
CODE = Path(fflm.__file__).resolve().parent.parent

#: 16 tokens, 10 words. Two words of context fix the next word everywhere but after "the mat", where "." and "with"
#: are equally likely: the perplexity of the best model of order 3 is 2 ** (2 / 16) = 1.0905.
CYCLE = "the cat sat on the mat . a dog sat on the mat with it .\n"
CYCLES = 100


def noisy(lines: int, seed: int) -> str:
    """Lines like `CYCLE` in which three words of ten are drawn at random from its words."""
    generator, words = random.Random(seed), CYCLE.split()
    drawn = (generator.choice(words) if generator.random() < 0.3 else word for _ in range(lines) for word in words)
    return "".join(word + ("\n" if i % len(words) == 0 else " ") for i, word in enumerate(drawn, start=1))


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


def pytest_addoption(parser):
    parser.addoption(
        "--no-skips", action="store_true", help="a test that skips fails, but for those that tests/may_skip.txt names"
    )


def _may_skip(name: str) -> bool:
    return any(name.startswith(begin) for begin in MAY_SKIP)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    return _without_skips(item.config, report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    report = yield
    return _without_skips(collector.config, report)


def _without_skips(config, report):
    """Turn a skip into a failure, on request."""
    if report.skipped and not hasattr(report, "wasxfail") and config.getoption("no_skips"):
        if not _may_skip(report.nodeid):
            report.outcome = "failed"
            report.longrepr = f"{report.nodeid} may not skip: {report.longrepr[2]}"
    return report


@pytest.fixture(scope="session", autouse=True)
def user_cache(tmp_path_factory):
    """A folder of the tests in place of the user's, one for all of their processes."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FFLM_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def workshop(tmp_path_factory) -> Path:
    """A folder with ``text.txt``, ``corpus.txt`` (the same) and the run ``runs/demo``; to be read only."""
    folder = tmp_path_factory.mktemp("workshop")
    for name in ("text.txt", "corpus.txt"):
        (folder / name).write_text(CYCLE * CYCLES)
    fflm.train(
        str(folder / "text.txt"),
        out=folder / "runs" / "demo",
        context_size=2,
        bag_size=0,
        embedding_dim=4,
        hidden_dims=50,
        dropout=0.0,
        embedding_dropout=0.0,
        learning_rate=0.02,
        batch_size=32,
        epochs=35,
        patience=100,
        ngram_order=0,
        quiet=True,
    )
    return folder


@pytest.fixture(scope="session")
def models(workshop, tmp_path_factory) -> dict[str, fflm.Model]:
    """A model of every kind over the vocabulary of ``runs/demo``, by name; not to be changed."""
    from fflm.lm import CacheModel

    folder, demo = tmp_path_factory.mktemp("models"), workshop / "runs" / "demo"
    train, valid = folder / "train.txt", folder / "valid.txt"
    train.write_text(noisy(100, seed=1))
    valid.write_text(noisy(40, seed=2))
    options = {"vocab_of": demo, "valid": valid, "quiet": True}
    made = {"neural": fflm.load(demo)}
    made["unigram"] = fflm.ngram(train, order=1, **options)
    made["kn"] = fflm.ngram(train, order=3, **options)
    made["interpolated"] = fflm.ngram(train, smoothing="interpolated", **options)
    made["kn"].save_arpa(folder / "kn.arpa")
    made["arpa"] = fflm.convert_arpa(folder / "kn.arpa", vocab_of=demo)
    made["cache"] = fflm.Model(CacheModel(made["kn"].lm.vocabulary, made["kn"].lm.tokenizer, 7, 3.0))
    for name, model in made.items():
        model.save(folder / name)
    parts, options = [folder / name for name in ("neural", "kn", "interpolated")], {"valid": valid, "quiet": True}
    made["mixture"] = fflm.mix(*parts, out=folder / "mixture", cache=5, **options)
    made["by-count"] = fflm.mix(*parts, out=folder / "by-count", by_context_count=True, **options)
    made["adaptive"] = fflm.mix(*parts, out=folder / "adaptive", neural_cache=7, **options)
    made["nested"] = fflm.mix(*(folder / name for name in ("by-count", "mixture", "unigram")), **options)
    return made


@pytest.fixture(scope="session")
def model_files(models, tmp_path_factory) -> Path:
    """A folder with each of `models` as a file of its name, and the texts they were made from; to be read only."""
    folder = tmp_path_factory.mktemp("model_files")
    (folder / "train.txt").write_text(noisy(100, seed=1))
    (folder / "valid.txt").write_text(noisy(40, seed=2))
    for name, model in models.items():
        model.save(folder / name)
    return folder


@pytest.fixture
def here(model_files, workshop, tmp_path, monkeypatch) -> Path:
    """A copy of `model_files` and of the run, ``demo``, as the current folder; to do with as one likes."""
    folder = tmp_path / "here"
    shutil.copytree(model_files, folder)
    shutil.copytree(workshop / "runs" / "demo", folder / "demo")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def demo(workshop) -> str:
    """The path of a trained run; to be read only."""
    return str(workshop / "runs" / "demo")


@pytest.fixture
def text(workshop) -> str:
    """The path of the text it was trained on; to be read only."""
    return str(workshop / "text.txt")


@pytest.fixture
def in_temporary_folder(workshop, tmp_path, monkeypatch) -> Path:
    """A copy of the workshop, as the current folder; to do with as one likes."""
    folder = tmp_path / "workshop"
    shutil.copytree(workshop, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def fflm_main(capsys):
    """``fflm_main("info", "runs/demo")``: the command line in this process; exit code, stdout, stderr."""

    def run(*arguments) -> Outcome:
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code
        return Outcome(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def environment() -> dict:
    """Variables with which a new Python finds this very fflm, wherever it starts."""
    path = os.pathsep.join([str(CODE), *filter(None, [os.environ.get("PYTHONPATH")])])
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return kept | {"PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"}


@pytest.fixture
def fflm_cli(environment, workshop):
    """``fflm_cli("info", "runs/demo")``: the command line in a process of its own; exit code, stdout, stderr."""
    # `workshop` has compiled the kernels: stderr is free of the line that announces it.

    def run(*arguments, cwd=None, stdin=None) -> Outcome:
        command = [sys.executable, "-m", "fflm", *map(str, arguments)]
        done = subprocess.run(
            command, cwd=cwd, env=environment, input=stdin, capture_output=True, encoding="utf-8", timeout=120
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def fflm_process(environment, workshop, tmp_path):
    """Like `fflm_cli`, but does not wait: a Popen, its stdout and stderr in one file; killed after the test."""
    started = []

    def start(*arguments, **options) -> subprocess.Popen:
        log = open(tmp_path / f"process-{len(started)}.txt", "w")
        options = {"stdout": log, "stderr": log} | options
        process = subprocess.Popen([sys.executable, "-m", "fflm", *map(str, arguments)], env=environment, **options)
        log.close()
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
