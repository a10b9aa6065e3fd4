"""The command line: help, what it prints where, and how it behaves among other programs."""

import gzip
import io
import json
import os
import re
import shlex
import subprocess
import sys

import pytest
from conftest import CYCLE, CYCLES

import fflm

VERBS = ["train", "ngram", "mix", "perplexity", "compare", "score", "predict", "sample", "info", "export"]
SMALL = ["--context-size", 2, "--embedding-dim", 4, "--hidden-dims", 8, "--batch-size", 32, "--ngram-order", 0]


# Help


def test_help_names_every_command(fflm_main):
    code, out, err = fflm_main("--help")
    assert (code, err) == (0, "")
    for verb in VERBS:
        assert re.search(rf"^    {verb}( |$)", out, re.MULTILINE)


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_command(fflm_main, verb):
    code, out, err = fflm_main(verb, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"usage: fflm {verb} ")
    assert "Example: fflm" in out and "%%" not in out and "None" not in out


def test_help_of_train_shows_every_flag_and_default(fflm_main):
    out = " ".join(fflm_main("train", "--help").out.split())
    for (
        flag
    ) in """--out --valid --valid-fraction --test --tokenizer --lowercase --digits-to-zero --boundary --vocab-size
        --min-count --vocab --context-size --bag-size --embedding-dim --hidden-dims --activation --direct --optimizer
        --learning-rate --batch-size --epochs --schedule --patience --minutes --dropout --embedding-dropout
        --weight-decay --clip-norm --seed --threads --resume --json""".split():
        assert f"{flag} " in out
    assert "(default: adamw)" in out and "(the paper's m) (default: what suits text and time)" in out


def test_version(fflm_main):
    assert fflm_main("--version") == (0, f"fflm {fflm.__version__}\n", "")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["train", "--help"], ["train"]])
def test_help_is_light(environment, arguments):
    """Neither the compiler nor NLTK nor NumPy is imported to show help, or to refuse wrong usage."""
    program = (
        "import sys\nfrom fflm.cli.main import main\n"
        f"try: main({arguments!r})\nexcept SystemExit: pass\n"
        "print(sorted({'numba', 'llvmlite', 'nltk', 'numpy', 'tqdm', 'safetensors'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


# Training


def test_train_prints_a_report(fflm_main, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = fflm_main("train", text, "--out", tmp_path / "run", "--test", text, "--epochs", 3, *SMALL)
    assert code == 0
    lines = out.splitlines()
    assert [line.split()[0] for line in lines] == [
        "run", "plan", "model", "training", "validation", "test", *["note"] * 5, *["sample"] * 3, *["next"] * 3,
    ]  # fmt: skip
    assert lines[0] == f"run          {tmp_path / 'run'} (all epochs done)"
    assert lines.pop(1) == "plan         " + next(line for line in err.splitlines() if "plan" in line)[len("plan: ") :]
    assert lines[1] == "model        13 words, 273 parameters"
    assert re.fullmatch(r"training +1,520 tokens, 3 epochs, 144 steps, \d+\.\d s, [\d,]+ tokens/s", lines[2])
    number = r"\d+\.\d\d"
    for line, tokens in ((lines[3], "80"), (lines[4], "1,600")):
        assert re.fullmatch(
            rf"\w+ +perplexity {number} \(95 % interval {number} to {number}\) on {tokens} tokens, 0.00 % unknown", line
        )
    assert lines[5] == f"note         warning: {text} is training text and held-out text at once"
    assert lines[6] == "note         validation: 5 % of the units (5 of 100 blocks) held out in 1 stretch, seed 1"
    leaks = [
        ("2 of 2 validation", "training", 2),
        ("50 of 50 test", "training", 50),
        ("50 of 50 test", "validation", 50),
    ]
    for line, (what, where, long) in zip(lines[7:10], leaks, strict=True):
        assert line == (
            f"note         warning: {what} units (blocks; 100 %, 100 % of the tokens) occur verbatim in the {where} "
            f"text; longer than 10 tokens: {long}"
        )
        assert line.removeprefix("note         ") in err.splitlines()
    commands = [shlex.split(line)[2:] for line in lines[-3:]]
    assert [command[0] for command in commands] == ["predict", "perplexity", "score"]
    for command in commands:
        assert fflm_main(*(text if part == "FILE" else part for part in command)).code == 0


def test_train_is_quiet_where_stderr_is_no_terminal(fflm_main, text, tmp_path):
    """What there is to be warned of, the plan, a line and a sample for each validation, and no bar."""
    err = fflm_main("train", text, "--out", tmp_path / "run", "--epochs", 3, *SMALL).err
    warning, plan, *lines = err.splitlines()
    assert warning.startswith("warning: 2 of 2 validation units (blocks; 100 %, ")
    assert plan.startswith("plan: context 2, 1 bag of 30, 4 features, 8 hidden units, ")
    samples, lines = lines[1::2], lines[::2]
    assert all(re.fullmatch(r"  [a-z. ]+ \| [a-z. ]+", sample) for sample in samples) and len(samples) == 3
    assert len(lines) == 3 == len((tmp_path / "run" / "log.jsonl").read_text().splitlines())
    for number, line in enumerate(lines, start=1):
        assert re.fullmatch(
            rf"epoch {number}: training perplexity \d+\.\d, validation \d+\.\d( \(best\))?, learning rate [\d.e-]+, "
            r"[\d,]+ tokens/s",
            line,
        )
    assert "\r" not in err


def test_train_json(fflm_main, text, tmp_path):
    """stdout holds one JSON object and nothing else."""
    run = tmp_path / "run"
    code, out, err = fflm_main("train", text, "--out", run, "--test", text, "--epochs", 2, "--json", *SMALL)
    assert code == 0 and out.count("\n") == 1
    report = json.loads(out)
    assert {
        "tokens_per_second",
        "epochs",
        "steps",
        "seconds",
        "valid_perplexity",
        "test_perplexity",
        "out",
    } <= set(report)
    assert (report["epochs"], report["steps"], report["out"]) == (2, 96, str(run))
    assert report["tokens_per_second"] > 0 and report["seconds"] > 0
    model = fflm.load(run)
    assert report["test_perplexity"] == model.perplexity(text).perplexity
    assert 1 < report["valid_perplexity"] < 13


def test_train_without_test_text(fflm_main, text, tmp_path):
    out = fflm_main("train", text, "--out", tmp_path / "run", "--epochs", 1, "--json", *SMALL).out
    assert json.loads(out)["test_perplexity"] is None


def test_flags_reach_the_model(fflm_main, text, tmp_path):
    run = tmp_path / "run"
    flags = "--tokenizer whitespace --lowercase --boundary line --vocab-size 8 --min-count 1 --context-size 3 "
    flags += "--bag-size 4 --embedding-dim 5 --hidden-dims 7 6 "
    flags += "--activation relu --direct --optimizer sgd --learning-rate 0.1 "
    flags += "--batch-size 16 --epochs 1 --dropout 0 --embedding-dropout 0 --weight-decay 0.001 --clip-norm 2 --seed 5"
    assert fflm_main("train", text, "--out", run, *flags.split(), "--ngram-order", 2).code == 0
    mixture = fflm.load(run)
    assert [part["kind"] for part in mixture.info()["parts"]] == ["neural language model", "n-gram model"]
    assert mixture.info()["parts"][1]["order"] == 2
    facts = mixture.network.info()
    assert facts["model"] == {
        "context_size": 3,
        "bag_size": 4,
        "bag_decays": [1.0],
        "pairs": 0,
        "tied": False,
        "embedding_dim": 5,
        "hidden_dims": [7, 6],
        "activation": "relu",
        "direct": True,
    }
    assert facts["tokenizer"] == {
        "tokenizer": "whitespace",
        "lowercase": True,
        "digits_to_zero": False,
        "boundary": "line",
    }
    assert facts["vocab_size"] == 8 and facts["reach"] == 7 and "context_size" not in facts
    config = json.loads((run / "config.json").read_text())
    assert (config["seed"], config["clip_norm"], config["weight_decay"], config["sources"]) == (5, 2.0, 0.001, [text])


# Sources


class Stdin:
    def __init__(self, content):
        self.buffer = io.BytesIO(content)


def test_sources(fflm_main, demo, text, tmp_path, monkeypatch):
    """A file, a .gz, a folder, standard input and two halves are the same text."""
    content = (CYCLE * CYCLES).encode()
    (tmp_path / "text.gz").write_bytes(gzip.compress(content))
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    half = len(content) // 2
    (tmp_path / "folder" / "a.txt").write_bytes(content[:half])
    (tmp_path / "folder" / "deep" / "b.txt").write_bytes(content[half:])
    (tmp_path / "folder" / "c.md").write_text("not text")
    monkeypatch.setattr(sys, "stdin", Stdin(content))
    halves = [tmp_path / "folder" / "a.txt", tmp_path / "folder" / "deep" / "b.txt"]
    expected = fflm.load(demo).perplexity(text).perplexity
    for sources in ([text], [tmp_path / "text.gz"], [tmp_path / "folder"], ["-"], halves):
        code, out, err = fflm_main("perplexity", demo, *sources, "--json")
        assert code == 0, err
        report = json.loads(out)
        assert (report["tokens"], report["perplexity"]) == (1600, expected)
        assert report["source"] == ", ".join(map(str, sources))


def test_standard_input_of_a_process(fflm_cli, tmp_path):
    code, out, err = fflm_cli(
        "train", "-", "--out", tmp_path / "run", "--json", "--epochs", 1, *SMALL, stdin=CYCLE * 100
    )
    assert code == 0, err
    assert json.loads(out)["train_tokens"] == 1520


# Information


def test_info(fflm_main, demo):
    code, out, err = fflm_main("info", demo, "--json")
    assert (code, err) == (0, "")
    facts = json.loads(out)
    run = facts.pop("run")
    assert facts == fflm.load(demo).info()
    assert run["report"]["parameters"] == 1165
    assert (facts["vocab_size"], facts["parameters"], facts["train_tokens"]) == (13, 1165, 1520)
    out = fflm_main("info", demo).out
    assert re.search(r"^parameters +1165$", out, re.MULTILINE)
    assert re.search(r"^model\.hidden_dims +50$", out, re.MULTILINE)


def test_info_of_the_system(fflm_main):
    code, out, err = fflm_main("info", "--system", "--json")
    assert (code, err) == (0, "")
    facts = json.loads(out)
    assert {"fflm", "python", "numpy", "numba", "processor", "threads", "gflops_one_thread"} <= set(facts)
    assert facts["gflops_one_thread"] > 0
    assert re.search(r"^processor +\w", fflm_main("info", "--system").out, re.MULTILINE)


# Among other programs


def test_python_m(fflm_cli, demo):
    code, out, err = fflm_cli("predict", demo, "the cat sat on the", "--top", 1, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)[0]["word"] == "mat"
    code, out, err = fflm_cli("predict", "missing", "the")
    assert (code, out, err) == (1, "", "fflm: error: no such model: missing\n")


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
@pytest.mark.parametrize("samples", [1, 3000])
def test_reader_that_goes_away(fflm_process, demo, tmp_path, samples):
    """As before ``| head -1``: no traceback, whether the output is longer than what Python keeps, or shorter."""
    ours, theirs = os.pipe()
    os.close(ours)
    process = fflm_process("sample", demo, "--samples", samples, "--tokens", 5, stdout=theirs)
    os.close(theirs)
    process.wait(timeout=60)
    assert (tmp_path / "process-0.txt").read_text() == ""
    assert process.returncode == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_output_that_can_not_be_written(fflm_process, demo, tmp_path):
    """Results that are lost are an error, not a traceback."""
    with open("/dev/full", "w") as full:
        process = fflm_process("predict", demo, "the", stdout=full)
        process.wait(timeout=60)
    err = (tmp_path / "process-0.txt").read_text()
    assert err.startswith("fflm: error: ") and err.count("\n") == 1
    assert process.returncode == 1


def test_words_that_the_terminal_can_not_show(environment, fflm_process, tmp_path):
    (tmp_path / "text").write_text("na\u00efve \u0939\u093f\u0928 \U0001f600 . " * 50, encoding="utf-8")
    fflm.train(str(tmp_path / "text"), out=tmp_path / "run", hidden_dims=3, epochs=1, quiet=True)
    environment = environment | {"PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "fflm", "predict", str(tmp_path / "run"), "x"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, "na\\xefve" in done.stdout) == (0, True), done.stderr
