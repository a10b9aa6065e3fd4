"""Tests of the documentation: docstring examples, README snippets, command lines, help texts."""

import argparse
import doctest
import importlib
import os
import pkgutil
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import CODE, REPOSITORY

import fflm
from fflm.cli.main import make_parser

# Importing fflm.__main__ runs the command.
MODULES = sorted({"fflm", *(found.name for found in pkgutil.walk_packages(fflm.__path__, "fflm."))} - {"fflm.__main__"})
NOT_RUN = "<!-- not run"


def verbs():
    parser = make_parser()
    (action,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return action.choices


def test_every_module_is_found():
    files = {path.relative_to(CODE) for path in (CODE / "fflm").rglob("*.py")}
    names = {".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in files}
    assert names - {"fflm.__main__"} == set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name, in_temporary_folder):
    """The examples of a module run in a folder with ``text.txt`` and the trained run ``runs/demo``."""
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not name.startswith("fflm.server.") or error.name not in ("fastapi", "pydantic", "uvicorn", "anyio"):
            raise
        pytest.skip("needs the serve extra")
    assert doctest.testmod(module).failed == 0


def test_docstring_examples_of_the_public_names_are_not_skipped(in_temporary_folder):
    for name, least in (("fflm", 6), ("fflm.api.model", 15)):
        assert doctest.testmod(importlib.import_module(name)).attempted >= least


# The command line


@pytest.mark.parametrize("verb", verbs())
def test_every_flag_has_help(verb):
    parser = verbs()[verb]
    for action in parser._actions:
        assert action.help and len(action.help) > 10, action
        if not action.option_strings:
            assert action.metavar.isupper(), action
    assert parser.description.endswith(".")
    assert f"fflm {verb}" in parser.epilog


def test_every_verb_has_a_summary():
    help_text = " ".join(make_parser().format_help().split())
    for verb, parser in verbs().items():
        summary = parser.description[0].lower() + parser.description[1:].removesuffix(".")
        assert f" {verb} {summary}" in help_text


def test_example_of_every_help_text_parses():
    for parser in (make_parser(), *verbs().values()):
        for example in parser.epilog.removeprefix("Example: ").split("; or "):
            (line,) = fflm_lines(example)
            assert make_parser().parse_args(line)


# README and the pages of fflm/docs/

PAGES = [REPOSITORY / "README.md", *sorted((CODE / "fflm" / "docs").rglob("*.md"))]
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def snippets(page, *languages):
    """(first line number, text) of the fenced blocks of a page in these languages, unless marked as not run."""
    lines = page.read_text(encoding="utf-8").splitlines()
    found, start, run = [], None, True
    for number, line in enumerate(lines, start=1):
        if line.startswith("```"):
            if start is None:
                language, start = line[3:].strip(), number + 1
                before = [text for text in lines[: number - 1] if text.strip()]
                run = not (before and before[-1].startswith(NOT_RUN))
            else:
                if language in languages and run:
                    found.append((start, "\n".join(lines[start - 1 : number - 1])))
                start = None
    assert start is None, f"the block that begins on line {start - 1} of {page} does not end"
    return found


def fflm_lines(text):
    """The arguments of each ``fflm ...`` in shell lines, with or without a prompt; comments and output are skipped."""
    for line in text.replace("\\\n", " ").splitlines():
        line = line.strip().removeprefix("$ ")
        if not re.search(r"(^|[|&;] *|-m )fflm ", line):
            continue
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words, command = [*lexer, ";"], []
        for word in words:
            if set(word) <= set("();<>|&"):
                for first in range(len(command)):
                    if command[first] == "fflm":
                        yield command[first + 1 :]
                        break
                command = []
            else:
                command.append(word)


def test_fflm_lines_finds_commands():
    text = """$ python -m pip install . && fflm train stdlib --out runs/stdlib \\
    --minutes 1  # a comment
fflm: error: not a command
cat a.txt | fflm perplexity runs/a - > out.txt
perplexity 12.3
fflm predict runs/a "the value of" """
    assert list(fflm_lines(text)) == [
        ["train", "stdlib", "--out", "runs/stdlib", "--minutes", "1"],
        ["perplexity", "runs/a", "-"],
        ["predict", "runs/a", "the value of"],
    ]


def test_there_are_pages():
    assert len(PAGES) > 5 and any(snippets(page, "python", "pycon") for page in PAGES)


@each_page
def test_python_on_a_page_runs(page, in_temporary_folder):
    """The snippets run one after the other, as a reader would run them, in a folder with ``corpus.txt`` and a run."""
    shutil.copytree("runs/demo", "runs/stdlib")
    blocks = snippets(page, "python", "pycon")
    names = {"__name__": "__main__"}
    for line, source in blocks:
        if ">>>" in source:
            example = doctest.DocTestParser().get_doctest(source + "\n", names, page.name, str(page), line)
            assert doctest.DocTestRunner().run(example, clear_globs=False).failed == 0
            names.update(example.globs)
        else:
            exec(compile("\n" * (line - 1) + source, str(page), "exec"), names)


def test_the_network_in_pytorch_is_the_same(in_temporary_folder):
    torch = pytest.importorskip("torch", reason="PyTorch, an independent implementation, is not installed")
    page = (CODE / "fflm" / "docs" / "python.md").read_text(encoding="utf-8")
    names = {}
    exec(re.search(r"```python\n(import torch.*?)```", page, re.DOTALL)[1], names)
    options = {"context_size": 3, "embedding_dim": 5, "hidden_dims": (7, 6), "bag_size": 0, "pairs": 0, "epochs": 1}
    model = fflm.train("text.txt", out="runs/paper", ngram_order=0, tied=False, quiet=True, **options)
    contexts = np.random.default_rng(1).integers(3, len(model.lm.vocabulary), (20, 3))
    found = names["Network"]("runs/paper/model.safetensors")(torch.from_numpy(contexts))
    assert found.exp().numpy() == pytest.approx(model.lm.next_word(contexts.astype(np.int32)), abs=1e-6)


def commands_of(page):
    return [words for _, text in snippets(page, "console", "sh", "shell", "bash") for words in fflm_lines(text)]


@each_page
def test_command_lines_of_a_page_parse(page):
    commands = commands_of(page)
    for words in commands:
        try:
            make_parser().parse_args(words)
        except SystemExit as stop:
            assert stop.code == 0, f"{page}: fflm {shlex.join(words)}"


def test_the_pages_show_every_verb():
    shown = {words[0] for page in PAGES for words in commands_of(page) if words}
    assert set(verbs()) <= shown


@each_page
def test_links_of_a_page_exist(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text):
        assert (page.parent / target).exists() or CODE != REPOSITORY, target
    assert "@@" not in text


def test_readme_is_short():
    assert len((REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_the_textbook_script_runs():
    """The script runs every example; an error in one line is an error of the script."""
    made = subprocess.run(
        [sys.executable, REPOSITORY / "scripts" / "textbook.py"],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(CODE)},
    )
    assert made.returncode == 0, made.stderr
    assert re.findall(r"^(E\d+)\.", made.stdout, re.MULTILINE) == [f"E{i}" for i in range(1, 22)]
    assert re.search(r"\(array\(\[\[-0\.121832\d*\]\].*, array\(\[\[-0\.003045\d*\]\]", made.stdout)  # example E7
