"""The command among streams: - for standard input and output, closed ones, Ctrl-C, and words that give orders."""

import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import CYCLE

import fflm
from fflm.storage.files import is_standard_output, is_stream

posix = pytest.mark.skipif(os.name != "posix", reason="streams of POSIX")

#: A line whose words clear the screen, colour it, end lines and turn the direction round.
EVIL = ["re\x1b[31md", "\x9b2Jcsi", "be\x07ll", "del\x7f", "\u202eevil", "sep\u2028arated", "nul\x00"]
ORDERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]")


@pytest.fixture
def models_here(here, models):
    """The current folder, with models under their names and an ARPA file."""
    models["kn"].save_arpa("kn.arpa")
    return here


@pytest.fixture
def stdin(monkeypatch):
    """``stdin(content)``: what standard input holds."""
    return lambda content: monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))


@pytest.fixture
def shell(environment, workshop):
    """``shell("fflm info x >&-")``: a line of a shell; exit code, stdout, stderr."""

    def run(line, cwd=None):
        line = line.replace("fflm", f"{shlex.quote(sys.executable)} -m fflm")
        done = subprocess.run(["sh", "-c", line], cwd=cwd, env=environment, capture_output=True, timeout=120)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    return run


@pytest.fixture
def shells(shell):
    """``shells(folder, *lines)``: what `shell` gives for each line, two at a time."""

    def run(cwd, *lines):
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(lambda line: shell(line, cwd), lines))

    return run


# Standard input and output by the name -


def test_what_stands_for_standard_output(tmp_path):
    for name in ("-", "/dev/stdout", Path("-")):
        assert is_standard_output(name) and is_stream(name)
    assert not is_standard_output("./-") and not is_stream("./-") and not is_stream(tmp_path)
    assert not is_stream(tmp_path / "new") and is_stream("/dev/null") and is_stream("/dev/fd/7")


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_export_to_standard_output(shells, models_here, name):
    """The file and nothing else; what stands under /dev stays what it is."""
    before = os.lstat("/dev/stdout")
    printed, copied, (code, out, _) = shells(
        models_here,
        f"fflm export kn --arpa {name}",
        f"fflm export kn --arpa {name} > new.arpa; cat new.arpa",
        f"fflm export demo --word2vec {name}",
    )
    assert printed == (0, Path("kn.arpa").read_text(), "")
    assert copied[1] == Path("kn.arpa").read_text()
    assert os.lstat("/dev/stdout") == before and not Path("-").exists()
    assert (code, out.splitlines()[0], out.count("\n")) == (0, "13 4", 14)


def test_every_file_can_be_written_to_standard_output(shells, models_here):
    *models, page, graph, nothing = shells(
        models_here,
        "fflm ngram train.txt --valid valid.txt --order 2 --out - > kn2",
        "fflm mix kn demo --valid valid.txt --out - > mix",
        "fflm score kn valid.txt --html - > page",
        "fflm explain-graph 'a * b' a=1 b=2 --out - > graph",
        "fflm export kn --arpa /dev/null",
    )
    assert all(code == 0 and "\nvalidation   perplexity " in err for code, _, err in models), models
    for code, out, _ in shells(models_here, *(f"fflm perplexity {name} valid.txt --json" for name in ("kn2", "mix"))):
        assert code == 0 and json.loads(out)["tokens"]
    assert (page[0], graph[0]) == (0, 0)
    for name, start in (("page", "<!doctype html>"), ("graph", "digraph {")):
        content = Path(name).read_text(encoding="utf-8")
        assert content.startswith(start) and "unit\tposition" not in content
    assert nothing == (0, "ARPA file    /dev/null\n", "")


def test_json_and_a_file_are_not_mixed(fflm_main, models_here):
    message = "fflm: error: --json must not be given where a file is written to standard output\n"
    for command in (
        ["export", "kn", "--arpa", "-"],
        ["ngram", "train.txt", "--out", "-"],
        ["score", "kn", "valid.txt", "--html", "-"],
        ["compare", "kn", "demo", "valid.txt", "--plot", "-"],
    ):
        assert fflm_main(*command, "--json") == (1, "", message)


def test_a_model_from_standard_input_or_a_pipe(shells, models_here):
    by_name, *by_stream, piped, predicted, converted, wrong = shells(
        models_here,
        "fflm perplexity kn.arpa valid.txt",
        "cat kn.arpa | fflm perplexity - valid.txt",
        "fflm perplexity - valid.txt < kn.arpa",
        "mkfifo pipe; cat kn.arpa > pipe & fflm perplexity pipe valid.txt",
        "cat kn | fflm predict - 'the cat' --top 1",
        "cat kn.arpa | fflm ngram --arpa - --out new",
        "fflm perplexity - valid.txt < valid.txt",
    )
    expected = by_name[1].replace("kn.arpa", "-")
    assert by_name[0] == 0 and all(done[:2] == (0, expected) for done in by_stream)
    assert (piped[0], piped[1].replace("pipe", "-")) == (0, expected), piped
    assert predicted[1].endswith("sat\n")
    assert converted[0] == 0 and fflm.load("new").lm.table.sizes == fflm.load("kn").lm.table.sizes
    assert wrong[2].startswith("fflm: error: standard input is not a model file")


def test_a_context_and_a_prompt_from_standard_input(fflm_main, here, stdin):
    for content in (b"the cat", b"the cat\n", b"the cat\r\n"):
        stdin(content)
        assert fflm_main("predict", "kn", "-") == fflm_main("predict", "kn", "the cat")
        stdin(content)
        assert fflm_main("sample", "kn", "--prompt", "-") == fflm_main("sample", "kn", "--prompt", "the cat")
    stdin(b"")
    message = "fflm: error: CONTEXT must be a text, got an empty standard input\n"
    assert fflm_main("predict", "kn", "-") == (1, "", message)


def test_a_text_and_pairs_from_standard_input(fflm_main, here, stdin):
    expected = json.loads(fflm_main("score", "kn", "valid.txt", "--json").out)["scores"]
    stdin(Path("valid.txt").read_bytes())
    assert json.loads(fflm_main("score", "kn", "-", "--json").out)["scores"] == expected
    stdin(b"cat\tdog\t9\ncat\tmat\t3\n")
    assert json.loads(fflm_main("similarity", "demo", "-", "--json").out)["pairs"] == 2


# Closed streams


@posix
def test_closed_standard_output(shells, here):
    error = "fflm: error: results can't be written: standard output is closed\n"
    assert shells(
        here,
        "fflm perplexity kn valid.txt >&-",
        "fflm perplexity kn valid.txt >&- 2>&-",
        "fflm ngram train.txt --out new >&-",
    ) == [(1, "", error), (1, "", ""), (1, "", error)]
    assert not Path("new").exists()


@posix
def test_closed_standard_input(shells, here):
    commands = ("perplexity kn -", "predict kn -", "info -", "train - --out new", "ngram --arpa - --out new")
    expected, without, *refused = shells(
        here,
        "fflm perplexity kn valid.txt",
        "fflm perplexity kn valid.txt <&-",
        *(f"fflm {command} <&-" for command in commands),
    )
    assert without[:2] == expected[:2] and without[0] == 0
    assert refused == [(1, "", "fflm: error: - stands for standard input, which is closed\n")] * len(commands)


@posix
def test_closed_standard_error(shells, here):
    """Nothing of what belongs there reaches standard output."""
    expected, without, missing, mistyped, (code, out, err) = shells(
        here,
        "fflm perplexity kn valid.txt",
        "fflm perplexity kn valid.txt 2>&-",
        "fflm perplexity missing valid.txt 2>&-",
        "fflm trian 2>&-",
        "fflm ngram train.txt --order 2 --test valid.txt --out new 2>&-",
    )
    assert without == (*expected[:2], "") and without[0] == 0
    assert (missing, mistyped) == ((1, "", ""), (2, "", ""))
    assert (code, err) == (0, "") and out.startswith("model        new (kneser-ney, order 2)\n")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_standard_error_that_takes_nothing(shells, here):
    expected, full, missing = shells(
        here,
        "fflm perplexity kn valid.txt",
        "fflm perplexity kn valid.txt 2>/dev/full",
        "fflm perplexity missing valid.txt 2>/dev/full",
    )
    assert full == (*expected[:2], "") and full[0] == 0
    assert missing == (1, "", "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", ["--version", "--help", "train --help"])
def test_help_that_can_not_be_written(shell, here, arguments):
    assert shell(f"fflm {arguments} >/dev/full", here) == (1, "", "fflm: error: No space left on device\n")


# Ctrl-C


SLOW_START = """
import importlib.abc, os, runpy, signal, sys
class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == struck:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
struck = sys.argv[1]
sys.argv[:] = ["fflm", *sys.argv[2:]]
{before}
runpy.run_module("fflm", run_name="__main__", alter_sys=True)
"""


@posix
@pytest.mark.parametrize(
    "module", ["fflm.cli.main", "argparse", "fflm.config", "numpy", "numba", "fflm.lm", "fflm.text"]
)
def test_ctrl_c_while_modules_are_loaded(environment, here, module):
    """One line and 130, whichever module it strikes."""
    program = SLOW_START.format(before="")
    command = [sys.executable, "-c", program, module, "perplexity", "kn", "valid.txt"]
    done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "fflm: interrupted\n")


@posix
def test_ctrl_c_that_is_ignored_stays_so(environment, here):
    """As in a script's background job."""
    program = SLOW_START.format(before="signal.signal(signal.SIGINT, signal.SIG_IGN)")
    command = [sys.executable, "-c", program, "fflm.lm", "info", "kn"]
    done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


@posix
def test_ctrl_c_at_any_time(environment, here):
    """From 0.1 s on, when Python itself has surely started: an answer, or one line and 130."""
    for milliseconds in range(100, 400, 60):
        command = [sys.executable, "-m", "fflm", "perplexity", "kn", "-"]
        process = subprocess.Popen(
            command, cwd=here, env=environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        time.sleep(milliseconds / 1000)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        if process.returncode != -signal.SIGINT:  # Python had not come so far as to run anything of ours
            assert (process.returncode, err) == (130, "fflm: interrupted\n")


def test_ctrl_c_in_the_command(fflm_main, here, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("fflm.model_file.load_model", interrupted)
    monkeypatch.setattr("fflm.api.model.load_model", interrupted)
    assert fflm_main("predict", "kn", "the") == (130, "", "fflm: interrupted\n")


# Words that give orders


@pytest.fixture
def evil(tmp_path, monkeypatch):
    """The current folder, with texts, models and a file whose words and names hold control characters."""
    monkeypatch.chdir(tmp_path)
    line = " ".join([*CYCLE.split(), *EVIL])
    name = "te\x1b[31mxt\u202e.txt"
    for file in ("text.txt", name):
        Path(file).write_text((line + "\n") * 60, encoding="utf-8")
    Path("labels.tsv").write_text(f"go\x1b[31mod\ta {EVIL[0]} film\nb\x9bad\ta {EVIL[1]} film\n" * 20, encoding="utf-8")
    Path("pairs.tsv").write_text(f"cat\tdog\t9\ncat\tmat\t3\n{EVIL[0]}x\t{EVIL[2]}\t3\n", encoding="utf-8")
    options = {"tokenizer": "whitespace", "quiet": True}
    fflm.train("text.txt", out="run", context_size=2, hidden_dims=4, embedding_dim=4, epochs=1, **options)
    fflm.ngram("text.txt", vocab_of="run", order=2, out="k\x1bn", quiet=True)
    fflm.classify("labels.tsv", tokenizer="whitespace", epochs=1, out="classifier", quiet=True)
    return name


COMMANDS = [
    "perplexity run NAME",
    "perplexity missing\x1b NAME",
    "perplexity run missing\x1b",
    "score run NAME",
    "compare run k\x1bn NAME",
    "predict run the --top 30",
    "predict run \x1bq",
    "sample run --tokens 60",
    "info run",
    "sample run --prompt \x1bq",
    "neighbors run the --top 30",
    "neighbors run cat \x1bunknown",
    "similarity run pairs.tsv",
    "export k\x1bn --arpa ar\x1bpa",
    "info k\x1bn",
    "info classifier",
    "classify predict classifier a\x1bb --top 2",
    "classify evaluate classifier labels.tsv",
    "classify train labels.tsv --valid labels.tsv --out n\x1bew --epochs 1",
    "ngram NAME --out o\x1bther --order 2 --test NAME",
    "mix run k\x1bn --valid NAME --out mi\x1bx --train NAME",
    "train NAME --out ru\x1bn --hidden-dims 3 --epochs 1 --tokenizer whitespace --test NAME",
    "explain-graph a\x1b*b a=1",
    "tr\x1bain",
    "predict run a b\x1bc",
    "train NAME --out new --ep\x1boch 3",
    "explain-graph a*b a=1 b\x1b=x",
    "ngram NAME --out new2 --vocab-of missing\x1b",
    "train NAME --out new --vocab \x1b",
    "mix run missing\x1b --valid NAME --out y",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_no_order_reaches_the_terminal(fflm_main, evil, command):
    """Whatever is printed, on stdout and stderr: of ESC, C0, C1, DEL and marks of direction nothing is left."""
    code, out, err = fflm_main(*(evil if word == "NAME" else word for word in command.split(" ")))
    assert not ORDERS.search(out + err), (out, err)
    assert (out or err) and code in (0, 1, 2)


def test_words_are_shown_escaped_and_json_is_exact(fflm_main, evil):
    lines = fflm_main("predict", "run", "the", "--top", "30").out.splitlines()
    words = [line.split("  ")[1] for line in lines]
    assert {"re\\x1b[31md", "\\x9b2Jcsi", "del\\x7f", "\\u202eevil", "nul\\x00", "be\\x07ll"} <= set(words)
    found = json.loads(fflm_main("predict", "run", "the", "--top", "30", "--json").out)
    assert {"re\x1b[31md", "\x9b2Jcsi", "del\x7f", "\u202eevil", "nul\x00"} <= {entry["word"] for entry in found}
    rows = fflm_main("score", "run", "text.txt").out.splitlines()
    assert all(row.count("\t") == 4 for row in rows) and "re\\x1b[31md" in rows[17]
    (labels,) = [line for line in fflm_main("info", "classifier").out.splitlines() if line.startswith("labels ")]
    assert labels.split(maxsplit=1)[1] == "b\\x9bad, go\\x1b[31mod"


def test_warnings_are_escaped_at_once(evil, capsys):
    fflm.ngram(evil, valid="text.txt", test=evil, order=2, tokenizer="whitespace")
    err = capsys.readouterr().err
    assert "te\\x1b[31mxt\\u202e.txt is training text and held-out text at once" in err and not ORDERS.search(err)


# What was meant


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "fflm: error: there is no command 'trian'; did you mean train?"),
        (["--versoin"], "fflm: error: there is no option '--versoin'; did you mean --version?"),
        (["perplexty", "kn"], "fflm: error: there is no command 'perplexty'; did you mean perplexity?"),
        (["classify", "pred"], "fflm classify: error: there is no command 'pred'; did you mean predict?"),
        (
            ["predict", "kn", "the", "king", "of"],
            "unrecognized arguments: king of; a text of several words stands in quotes: 'the king of'",
        ),
        (
            ["sample", "kn", "the", "king"],
            "unrecognized arguments: the king; a text of several words stands in quotes: --prompt 'the king'",
        ),
        (
            ["train", "train.txt", "--out", "new", "--epoch", "1"],
            "fflm train: error: unrecognized arguments: --epoch 1; did you mean --epochs?",
        ),
        (
            ["train", "train.txt", "--out", "new", "--learning_rate=1"],
            "fflm train: error: unrecognized arguments: --learning_rate=1; did you mean --learning-rate?",
        ),
        (["train", "train.txt", "--out", "new", "--lr", "1"], "; did you mean --learning-rate?"),
        (["ngram", "train.txt", "--out", "new", "--vocabof", "kn"], "; did you mean --vocab-of?"),
        (
            ["classify", "predict", "kn", "--tob", "1"],
            "fflm classify predict: error: unrecognized arguments: --tob 1; did",
        ),
        (["perplexity", "kn", "valid.txt", "--qqq"], "fflm perplexity: error: unrecognized arguments: --qqq\n"),
        (["train", "train.txt", "--out", "new", "--epochs", "9" * 5000], "argument --epochs: invalid int value: '999"),
        (["neighbors", "kn", "a", "-b"], "; what begins with - and is no option needs -- before it"),
    ],
)
def test_wrong_usage_says_what_may_be_meant(fflm_main, here, arguments, message):
    code, out, err = fflm_main(*arguments)
    assert (code, out) == (2, "") and message in err and len(err) < 3000
    known = [
        word for word in arguments[:2] if word in ("predict", "sample", "train", "ngram", "perplexity", "classify")
    ]
    assert err.startswith(f"usage: {' '.join(['fflm', *known])} ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["perplexity", "valid.txt", "kn"],
        ["score", "valid.txt", "kn"],
        ["predict", "the cat", "kn"],
        ["neighbors", "cat", "kn"],
        ["perplexity", "valid.txt", "demo"],
        ["similarity", "valid.txt", "kn"],
    ],
)
def test_model_and_text_the_wrong_way_round(fflm_main, here, arguments):
    code, out, err = fflm_main(*arguments)
    assert (code, out) == (1, "") and err.count("\n") == 1
    assert re.fullmatch(rf"fflm: error: .*{arguments[1]}.*; '{arguments[2]}' is a model: MODEL stands first\n", err)


def test_numbers_where_a_file_belongs(fflm_main, here):
    train = ["train", "train.txt", "--out", "new"]
    assert fflm_main(*train, "--vocab", "1000").err == (
        "fflm: error: --vocab must be a file of words, got '1000', which is none; the size of a vocabulary is given "
        "with --vocab-size\n"
    )
    for verb in (train, ["ngram", "train.txt", "--out", "new"]):
        assert fflm_main(*verb, "--valid", "0.1").err == (
            "fflm: error: --valid must be a text, got '0.1'; a share of the text is held out with --valid-fraction\n"
        )


def test_memory_that_does_not_suffice(fflm_main, here, monkeypatch):
    """The flags that the verb has are named, and no others."""

    def full(*arguments, **options):
        raise MemoryError

    monkeypatch.setattr("fflm.api.train.load_corpus", full)
    monkeypatch.setattr("fflm.api.model.load_model", full)
    hungry = "--vocab-size or --embedding-dim or --hidden-dims or --batch-size"
    message = f"fflm: error: not enough memory; a smaller {hungry} needs less\n"
    assert fflm_main("train", "train.txt", "--out", "new") == (1, "", message)
    assert fflm_main("predict", "kn", "the") == (1, "", "fflm: error: not enough memory\n")
