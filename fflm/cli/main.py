"""Parse, call, and turn every error into one line."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr
from typing import Any, NoReturn

import fflm
from fflm.cli import (
    classify,
    compare,
    completion,
    explain_graph,
    export,
    filter,
    info,
    mix,
    neighbors,
    ngram,
    perplexity,
    plot_embeddings,
    predict,
    repl,
    rescore,
    runs,
    sample,
    score,
    serve,
    similarity,
    train,
)
from fflm.cli.flags import flag_names
from fflm.cli.printing import print_aside
from fflm.errors import FflmError, did_you_mean, shown, visible

VERBS = (
    *(train, ngram, mix),
    *(perplexity, score, filter, compare, rescore),
    *(predict, repl, sample, serve),
    *(neighbors, similarity, plot_embeddings),
    classify,
    *(info, runs, export, explain_graph, completion),
)
HUNGRY = ("vocab_size", "embedding_dim", "hidden_dims", "batch_size", "bigrams")  # options that decide about memory


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are, like all others, lines that a terminal shows and that are not too long."""

    def error(self, message: str) -> NoReturn:
        super().error(str(FflmError(message)))

    def _print_message(self, message: str, file: Any = None) -> None:
        """Write to standard output, where argparse passes over what fails."""
        if file is sys.stdout and file is not None:
            file.write(message)
        else:
            super()._print_message(message, file)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """Leave once what was printed, the help, has been written: argparse passes over what fails."""
        if sys.stdout is not None:
            sys.stdout.flush()
        super().exit(status, message)


class _Version(argparse.Action):
    """The flag --version; the version is looked up when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *arguments: object) -> None:
        print(f"fflm {fflm.__version__}")
        parser.exit()


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the command line, with all verbs."""
    parser = _Parser(
        prog="fflm",
        description="Feedforward neural language models: train on text, compute perplexity, sample next words.",
        epilog="Example: fflm train stdlib --out runs/stdlib --minutes 1",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for verb in VERBS:
        verb.add(verbs)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 1 for an error, 2 for wrong usage, 130 for Ctrl-C."""
    started = time.monotonic()
    arguments = argparse.Namespace()
    try:
        if sys.stderr is None:  # closed: what belongs there must not reach standard output
            sys.stderr = open(os.devnull, "w")
        arguments = _parse(sys.argv[1:] if argv is None else argv)
        arguments.started = started
        if sys.stdout is None:
            raise FflmError("results can't be written: standard output is closed")
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="backslashreplace")
        with _silence() if arguments.quiet else nullcontext():
            status = arguments.run(arguments)
        sys.stdout.flush()
        return status
    except FflmError as error:
        names = flag_names(arguments.parser)
        names |= {f"{name}=True": flag for name, flag in names.items()}
        return _fail(error.worded(lambda name: names.get(name, "--" + name.replace("_", "-"))))
    except KeyboardInterrupt:
        print_aside("fflm: interrupted")
        return 130
    except BrokenPipeError:  # the reader of our output has gone
        _drop_output()
        return 1
    except OSError as error:
        where = f": {visible(str(error.filename))}" if error.filename else ""
        _drop_output()
        return _fail(f"{error.strerror or error}{where}")
    except MemoryError:
        names = flag_names(arguments.parser)
        hungry = [names[name] for name in HUNGRY if name in names]
        return _fail("not enough memory" + (f"; a smaller {' or '.join(hungry)} needs less" if hungry else ""))


@contextmanager
def _silence() -> Iterator[None]:
    """Let notes, warnings and bars go nowhere; errors are printed once the command has ended."""
    with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):
        yield


def _fail(message: str) -> int:
    print_aside(f"fflm: error: {message}")
    return 1


def _parse(argv: list[str]) -> argparse.Namespace:
    """Parse the arguments of a command; words may stand after options too, where a verb takes any number of them."""
    parser = make_parser()
    _check_command(parser, argv)
    arguments, surplus = parser.parse_known_args(argv)
    if surplus and hasattr(arguments, "any_number") and not any(word.startswith("-") for word in surplus):
        getattr(arguments, arguments.any_number).extend(surplus)
    elif surplus:
        arguments.parser.error(f"unrecognized arguments: {_cut(surplus)}{_hint(arguments, surplus, argv)}")
    return arguments


def _check_command(parser: argparse.ArgumentParser, argv: list[str]) -> None:
    """Refuse a command that does not exist, with the one that may be meant; `classify` has commands of its own."""
    for word in argv:
        groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
        if not groups:
            return
        if word.startswith("-"):
            meant = did_you_mean(word, parser._option_string_actions)
            if meant not in (None, word):
                parser.error(f"there is no option {shown(word)}; did you mean {meant}?")
            return
        commands = groups[0].choices
        if word not in commands:
            meant = did_you_mean(word, commands)
            hint = f"did you mean {meant}?" if meant else f"the commands are {', '.join(commands)}"
            parser.error(f"there is no command {shown(word)}; {hint}")
        parser = commands[word]


def _hint(arguments: argparse.Namespace, surplus: list[str], argv: list[str]) -> str:
    """Return what may be meant by arguments that a verb does not know."""
    flags = [word.partition("=")[0] for word in surplus if word.startswith("-")]
    if "--" in argv:
        flags = []
    for flag in flags:
        if meant := did_you_mean(flag, arguments.parser._option_string_actions):
            return f"; did you mean {meant}?"
    if flags and hasattr(arguments, "any_number"):
        return "; what begins with - and is no option needs -- before it"
    quote = getattr(arguments, "quote", None)
    if flags or quote is None:
        return ""
    first = getattr(arguments, quote)
    words = " ".join([*([first] if isinstance(first, str) and first else []), *surplus])
    flag = flag_names(arguments.parser)[quote]
    return f"; a text of several words stands in quotes: {flag + ' ' if flag.startswith('-') else ''}{shown(words)}"


def _cut(words: list[str]) -> str:
    text = visible(" ".join(words))
    return text if len(text) <= 200 else text[:200] + "..."


def _drop_output() -> None:
    """Let what is still buffered go nowhere, so that Python does not complain at its end."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # no real standard output
        pass
