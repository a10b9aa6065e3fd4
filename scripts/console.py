"""The console blocks of README and of the pages in fflm/docs: run them, and write what they print into the pages.

    python scripts/console.py fflm/docs/tutorials/*.md --folder /tmp/desk           # print the pages anew
    python scripts/console.py fflm/docs/tutorials/*.md --folder /tmp/desk --write   # and replace them

A command is a line that begins with ``$``, what it prints follows it. ``cat FILE`` makes the file that it shows, so
that a page holds its own examples. A run whose folder is there is not trained again, and nothing is served; other files
are made anew.
tests/test_console.py runs the blocks of every page on small texts, and compares what they print up to numbers.
"""

import argparse
import gzip
import io
import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from fflm.cli.main import main as fflm_main

ELLIPSIS = "..."  # a line of a page in place of some lines that are printed


@dataclass(frozen=True)
class Command:
    """A command of a page: its text, what the page shows under it, and the lines of the page where that stands."""

    text: str
    shown: list[str]
    first: int
    last: int


def commands(page: Path) -> Iterator[Command]:
    """Find the commands in the console blocks of a page, in order."""
    lines = page.read_text(encoding="utf-8").splitlines()
    inside = False
    begun: tuple[str, int] | None = None
    for number, line in enumerate([*lines, "```"]):
        if begun and (line.startswith("$ ") or line.startswith("```")):
            text, first = begun
            shown = lines[first:number]
            while shown and not shown[-1].strip():
                shown.pop()
            yield Command(text, shown, first, first + len(shown))
            begun = None
        if line.startswith("```"):
            inside = line == "```console" and not inside
        elif inside and line.startswith("$ "):
            begun = line[2:], number + 1
        elif inside and begun and begun[0].endswith("\\") and begun[1] == number:
            begun = begun[0][:-1] + line.strip(), number + 1


class Shell:
    """Runs what the pages ask for in the current folder: `fflm` in this process, and a few commands of a shell.

    Pipes, ``&&`` and ``> FILE`` are known; a command that is not raises `LookupError`.
    """

    def run(self, text: str) -> tuple[int, str]:
        """Run a line; its exit status, and its output and its errors as a terminal shows them."""
        shown = io.BytesIO()
        code = 0
        for line in text.split(" && "):
            code = code or self._pipeline(line, shown)
        return code, shown.getvalue().decode()

    def _pipeline(self, line: str, shown: io.BytesIO) -> int:
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|>")
        lexer.whitespace_split, lexer.commenters = True, "#"
        parts: list[list[str]] = [[]]
        for word in lexer:
            parts.append([]) if word == "|" else parts[-1].append(word)
        given = b""
        for words in parts:
            target, output = None, shown if words is parts[-1] else io.BytesIO()
            if ">" in words:
                words, (target,) = words[: words.index(">")], words[words.index(">") + 1 :]
                output = io.BytesIO()
            if code := self.command(words, given, output, shown):
                return code
            given = output.getvalue()
            if target is not None:
                Path(target).expanduser().write_bytes(given)
        return 0

    def command(self, words: list[str], given: bytes, output: io.BytesIO, errors: io.BytesIO) -> int:
        """Run one command on what is given to its standard input; its exit status."""
        name, *arguments = words
        if name == "fflm":
            return run_fflm(arguments, given, output, errors)
        if name == "cat":
            output.write(Path(arguments[0]).read_bytes())
        elif name == "zcat":
            output.write(gzip.decompress(Path(arguments[0]).read_bytes()))
        elif name == "head":
            count, *files = arguments
            lines = (Path(files[0]).read_bytes() if files else given).splitlines(keepends=True)
            output.write(b"".join(lines[: int(count.removeprefix("-"))]))
        elif name == "mkdir":
            Path(arguments[-1]).expanduser().mkdir(parents=True, exist_ok=True)
        else:
            raise LookupError(name)
        return 0


def run_fflm(arguments: list[str], given: bytes, output: io.BytesIO, errors: io.BytesIO) -> int:
    """Call the command in this process."""
    with standard_input(given), writer(output) as out, writer(errors) as err:
        with redirect_stdout(out), redirect_stderr(err):
            try:
                return fflm_main(arguments)
            except SystemExit as stop:
                return int(stop.code or 0)


@contextmanager
def writer(target: io.BytesIO) -> Iterator[io.TextIOWrapper]:
    """A stream of text that writes into `target`, and leaves it open."""
    stream = io.TextIOWrapper(target, encoding="utf-8", newline="\n", write_through=True)
    try:
        yield stream
    finally:
        stream.flush()
        stream.detach()


@contextmanager
def standard_input(given: bytes) -> Iterator[None]:
    """Replace standard input."""
    before = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(given)), encoding="utf-8")
    try:
        yield
    finally:
        sys.stdin = before


def make_file(command: Command) -> None:
    """Write the file that a command shows by ``cat FILE``."""
    words = command.text.split()
    if words[0] == "cat" and len(words) == 2 and command.shown and ELLIPSIS not in command.shown:
        Path(words[1]).write_text("\n".join(command.shown) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", type=Path, nargs="+", metavar="PAGE")
    parser.add_argument("--folder", type=Path, required=True, help="where the commands run")
    parser.add_argument("--write", action="store_true", help="replace the pages")
    arguments = parser.parse_args()
    pages = [page.resolve() for page in arguments.pages]
    arguments.folder.mkdir(parents=True, exist_ok=True)
    os.chdir(arguments.folder)
    for page in pages:
        lines = page.read_text(encoding="utf-8").splitlines()
        for command in reversed([(command, printed(command)) for command in commands(page)]):
            found, output = command
            if output is not None:
                lines[found.first : found.last] = output
        text = "\n".join(lines) + "\n"
        page.write_text(text, encoding="utf-8") if arguments.write else print(text)


def printed(command: Command) -> list[str] | None:
    """Run a command of a page; the lines to show, or None where the page is to stay as it is."""
    make_file(command)
    words = shlex.split(command.text)
    options = dict(pairwise(words))
    out = options.get("--out") or options.get("--html") or options.get("--plot") or options.get("--arpa")
    if words[:2] == ["fflm", "serve"] or words[:2] == ["fflm", "train"] and Path(options["--out"]).exists():
        return None
    if out and Path(out).exists():
        shutil.rmtree(out) if Path(out).is_dir() else Path(out).unlink()
    try:
        code, output = Shell().run(command.text)
    except LookupError as error:
        print(f"not run: {error}", file=sys.stderr)
        return None
    if code:
        raise SystemExit(f"{command.text}: status {code}\n{output}")
    if not command.shown or ELLIPSIS in command.shown:
        print(f"$ {command.text}\n{output}", file=sys.stderr)
        return None
    return output.rstrip("\n").split("\n")


if __name__ == "__main__":
    main()
