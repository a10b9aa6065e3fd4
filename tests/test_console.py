"""The console blocks of README and the pages: each command runs, on small texts, and prints what its page shows.

What is printed is compared up to numbers, and to words that a model chooses. Texts, models and the named corpora are
small ones; what a reader has to bring (a novel, a list of hypotheses ...) is made here, or by the page's own ``cat``.
"""

import gzip
import http.client
import importlib
import json
import os
import re
import shlex
import shutil
import signal
import sys
import time
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from conftest import CODE, REPOSITORY

import fflm
from fflm.text import corpora

PAGES = [REPOSITORY / "README.md", *sorted((CODE / "fflm" / "docs").rglob("*.md"))]
#: What the words that a model chooses look like, by the first words of the command; the groups are kept.
CHOSEN = {
    "fflm predict": (r"^(0) +\S+( +\(|$| +0 % of these)", r"\1 WORD\2"),
    "fflm sample": (r"^(\S+ \S+ ).*", r"\1..."),
    "fflm neighbors": (r"^(0) +\S+", r"\1 WORD"),
    "fflm runs": (r"^runs/h\d+/seed-\d", "RUN"),
    "fflm rescore": (r"^(u\d+ ).*", r"\1..."),
    "head -4 en_wordlist": (r"(word=|bigram=)[^,]+", r"\1WORD"),
}
NUMBER = r"(?<![\w.])[-+]?\d[\d,]*(\.\d+)?(e[-+]?\d+)?"
MINUTES, EPOCHS = "0.02", "1"  # in place of those of the pages


@pytest.fixture(scope="session")
def console():
    """The module scripts/console.py."""
    sys.path.insert(0, str(REPOSITORY / "scripts"))
    try:
        yield importlib.import_module("console")
    finally:
        sys.path.pop(0)


@pytest.fixture(scope="session")
def small_corpora():
    """Named corpora of some thousand words, in place of those of Python and NLTK."""
    documents = [text for text in corpora._stdlib_documents() if len(text) > 2000][:12]
    words = "the house has money and a king ; a queen has the man and the woman . ".split() * 200
    tagged = "\n\n".join("\t" + " ".join(f"{word}/x" for word in words[i : i + 14]) for i in range(0, 2800, 14))
    films = [(("neg",), "a bad film .\na dull film .\n" * 20), (("pos",), "a good film .\na moving film .\n" * 20)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpora, "_stdlib_documents", lambda: documents)
        patch.setattr(corpora, "_nltk_texts", lambda name: [tagged])
        patch.setattr(corpora, "BROWN_CUTS", (2000, 2500))
        patch.setattr("fflm.text.labelled.nltk_files", lambda name: films)
        yield


@pytest.fixture(scope="session")
def desk(small_corpora, tmp_path_factory):
    """A folder with what the pages take for granted: texts, README's run, and a Kneser-Ney model."""
    folder = tmp_path_factory.mktemp("desk")
    text = "\n".join(corpora._stdlib_documents())
    lines = [line for line in text.splitlines() if len(line.split()) > 3]
    for number, name in enumerate(("novel", "train", "valid", "test", "clean", "documents", "sentences", "chapter")):
        few = 600 if name in ("novel", "train", "clean") else 60
        (folder / f"{name}.txt").write_text("\n".join(lines[number * 20 :][:few]) + "\n")
    with gzip.open(folder / "crawl.txt.gz", "wt") as file:
        file.write("\n".join(lines[:50]) + "\n")
    rows = [{"url": f"u{i}", "text": line} for i, line in enumerate(lines[:20])]
    for name in ("crawl", "documents"):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "sentences.csv").write_text("item,sentence\n1,The file is open.\n2,The list is empty.\n")
    (folder / "stimuli.csv").write_text('sentence_id,item,sentence\n1,1,"The file / is open."\n2,1,"A list / is it."\n')
    hypotheses = ("the file is open", "the file is opened", "a list", "the list")
    (folder / "nbest.tsv").write_text("".join(f"u{i // 2}\t-{i}.5\t{text}\n" for i, text in enumerate(hypotheses)))
    (folder / "references.tsv").write_text("u0\tthe file is open\nu1\tthe list\n")
    words = "the house has money and king queen man woman of to film".split()
    vectors = "".join(
        f"{word} {' '.join(str((7 * i + j) % 5 - 2) for j in range(25))}\n" for i, word in enumerate(words)
    )
    (folder / "glove.twitter.27B.25d.txt").write_text(vectors)
    pairs = "king,queen,8.5\nman,woman,8.3\nhouse,money,3.1\nking,money,4.2\nqueen,house,2.5\n"
    (folder / "wordsim353.tsv").write_text(pairs.replace(",", "\t"))
    before = os.getcwd()
    os.chdir(folder)
    try:
        fflm.train("stdlib", out="runs/stdlib", minutes=float(MINUTES), quiet=True)
        fflm.train("brown", out="runs/brown", minutes=float(MINUTES), quiet=True)
        fflm.ngram("stdlib", vocab_of="runs/stdlib", out="kn5.safetensors", quiet=True)
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def here(desk, tmp_path, monkeypatch):
    """A copy of the desk as the current folder and home."""
    shutil.copytree(desk, tmp_path / "desk")
    monkeypatch.chdir(tmp_path / "desk")
    monkeypatch.setenv("HOME", str(tmp_path / "desk"))
    return tmp_path / "desk"


def smaller(text):
    """The command with the fewest minutes and passes."""
    return re.sub(r"--epochs \d+", f"--epochs {EPOCHS}", re.sub(r"--minutes [\d.]+", f"--minutes {MINUTES}", text))


def form(lines, command):
    """The lines without their numbers, and without the words that a model chooses; of JSON records the fields."""
    pattern, kept = next((found for name, found in CHOSEN.items() if command.startswith(name)), ("$^", ""))
    return [re.sub(pattern, kept, without_numbers(line)) for line in lines]


def without_numbers(line):
    """The line with 0 in place of each number and one blank in place of several; of a JSON record its outline."""
    if line.startswith("{") and line.endswith("}"):
        return str(outline(json.loads(line)))
    return " ".join(re.sub(NUMBER, "0", line.expandtabs(1)).split())


def outline(value):
    """The fields of a JSON record and the kinds of their values."""
    if isinstance(value, dict):
        return {name: outline(one) for name, one in value.items()}
    return [outline(one) for one in value] if isinstance(value, list) else type(value).__name__


def is_shown(shown, printed):
    """Whether the printed lines are those shown, in which ``...`` stands for any lines."""
    if "..." not in shown:
        return shown == printed
    first = shown.index("...")
    rest = shown[first + 1 :]
    return shown[:first] == printed[:first] and any(is_shown(rest, printed[i:]) for i in range(first, len(printed) + 1))


def test_forms():
    assert form(["0.25  red  (neural 3 %)"], "fflm predict m") == ["0 WORD (neural 0 %)"]
    assert form(["1,234\t-2.5e-3"], "fflm info m") == ["0 0"]
    assert form(["a b c d"], "fflm sample m") == ["a b ..."] and form(["a b  c"], "fflm info m") == ["a b c"]
    assert is_shown(["a", "...", "c"], ["a", "b", "b", "c"]) and is_shown(["..."], [])
    assert not is_shown(["a", "..."], ["b"]) and not is_shown(["a"], ["a", "b"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_console_blocks_of_a_page(page, console, here):
    """The commands of a page run one after the other, as a reader would run them."""
    shell = console.Shell()
    missing = set()
    for command in console.commands(page):
        words = command.text.split()
        if command.text.startswith("python -m pip install"):
            check_installation(command.text)
        elif words[0] == "python":  # a script, which takes minutes
            assert (REPOSITORY / words[1]).exists(), command
        elif words[0] == "curl" or words[:2] == ["fflm", "serve"]:
            continue  # the next test
        else:
            console.make_file(command)
            for path in map(Path, re.findall(r"--out (\S+)", command.text if "--resume" not in words else "")):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            code, output = shell.run(smaller(command.text))
            if code and (extra := re.search(r"pip install ['\"]fflm\[(\w+)\]['\"]", output)):
                missing.add(extra[1])
                continue
            assert code == 0, f"{page.name}, line {command.first}: {command.text}\n{output}"
            if command.shown:
                shown, printed = (form(lines, command.text) for lines in (command.shown, output.splitlines()))
                assert is_shown(shown, printed), f"{page.name}, line {command.first}: {command.text}\n{output}"
    if missing:
        pytest.skip(f"some commands need the extras {', '.join(sorted(missing))}")


def check_installation(command):
    """The extras that a page asks for are there."""
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for names in re.findall(r"\[([\w,]+)\]", command):
        assert set(names.split(",")) <= set(extras), command


def test_the_server_of_the_page(console, here, fflm_process):
    """What `fflm serve` prints, and what it answers to the request of the page."""
    pytest.importorskip("fastapi", reason="needs the serve extra")
    serve, curl = (
        command
        for command in console.commands(CODE / "fflm" / "docs" / "serve.md")
        if command.text.startswith(("fflm serve", "curl"))
    )
    log = here / "served.txt"
    with open(log, "w") as file:
        process = fflm_process(*serve.text.split()[1:], "--port", "0", stdout=file, stderr=file, cwd=here)
    end = time.monotonic() + 60
    while "\n" not in log.read_text() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    words = shlex.split(curl.text)
    address = urlsplit(next(word for word in words if word.startswith("http")))
    asked, (header, value) = words[words.index("-d") + 1], words[words.index("-H") + 1].split(": ")
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(log.read_text().split()[0]).port, timeout=60)
    connection.request("POST", address.path, asked, {header: value})
    answer = json.loads(connection.getresponse().read())
    connection.close()
    assert outline(answer) == outline(json.loads(" ".join(curl.shown)))
    process.send_signal(signal.SIGINT)
    process.wait(60)
    printed = [re.sub(r":\d+/", ":0/", line) for line in log.read_text().splitlines()]
    assert printed == [re.sub(r":\d+/", ":0/", line) for line in serve.shown]


def test_the_first_command_of_readme(console):
    """README shows what its first command has printed; CI runs that command, and names what it printed."""
    transcript = os.environ.get("FFLM_FIRST_MINUTE")
    if transcript is None:
        pytest.skip("FFLM_FIRST_MINUTE names no file with what README's first command has printed")
    command = next(console.commands(REPOSITORY / "README.md"))
    shown, printed = (first_minute(lines) for lines in (command.shown, Path(transcript).read_text().splitlines()))
    assert shown == printed and len(shown) > 10


def first_minute(lines):
    """The lines of a training without their numbers, those that hang on the machine's speed as their first word.

    What pip and the compiler say, notes and samples on the way, and repeated lines are left out.
    """
    begin = next(i for i, line in enumerate(lines) if line.startswith(("warning:", "n-gram model:")))
    kinds = []
    for line in lines[begin:]:
        label = (line.split() or [""])[0]
        if line.startswith("  ") and not label.startswith("(") or label in ("compiling", "note:"):
            continue
        same = label in ("run", "network", "n-grams", "validation", "test") or label.startswith("(")
        (kind,) = form([line], "fflm train") if same else [label]
        if kind not in kinds[-1:]:
            kinds.append(kind)
    return kinds
