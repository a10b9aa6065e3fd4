"""Parse, call, and turn every error into one line."""

from __future__ import annotations

import argparse
import os
import sys
import time

from fflm import FflmError, __version__
from fflm.cli import (
    classify,
    compare,
    explain_graph,
    export,
    info,
    mix,
    neighbors,
    ngram,
    perplexity,
    plot_embeddings,
    predict,
    sample,
    score,
    similarity,
    train,
)

VERBS = (
    *(train, ngram, mix),
    *(perplexity, score, compare),
    *(predict, sample),
    *(neighbors, similarity, plot_embeddings),
    classify,
    *(info, export, explain_graph),
)


def make_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(
        prog="fflm",
        description="Feedforward neural language models: train on text, compute perplexity, sample next words.",
        epilog="Example: fflm train stdlib --out runs/stdlib --minutes 1",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"fflm {__version__}")
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for verb in VERBS:
        verb.add(verbs)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 1 for an error, 2 for wrong usage, 130 for Ctrl-C."""
    started = time.monotonic()
    arguments = _parse(argv)
    arguments.started = started
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = arguments.run(arguments)
        sys.stdout.flush()
        return status
    except FflmError as error:
        print(f"fflm: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("fflm: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has gone
        _drop_output()
        return 1
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        print(f"fflm: error: {error.strerror or error}{where}", file=sys.stderr)
        _drop_output()
        return 1
    except MemoryError:
        print(
            "fflm: error: not enough memory; a smaller vocab_size, embedding_dim, hidden_dims, batch_size or bigrams "
            "needs less",
            file=sys.stderr,
        )
        return 1


def _parse(argv: list[str] | None) -> argparse.Namespace:
    """Words may stand after options too, where a verb takes any number of them: argparse alone refuses those."""
    parser = make_parser()
    arguments, surplus = parser.parse_known_args(argv)
    if surplus and (not hasattr(arguments, "any_number") or any(word.startswith("-") for word in surplus)):
        helps = any(word.startswith("-") for word in surplus) and "--" not in (sys.argv if argv is None else argv)
        hint = "" if not helps else "; what begins with - and is no option needs -- before it"
        parser.error(f"unrecognized arguments: {' '.join(surplus)}{hint}")
    if surplus:
        getattr(arguments, arguments.any_number).extend(surplus)
    return arguments


def _drop_output() -> None:
    """Let what is still buffered go nowhere, so that Python does not complain at its end."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # no real standard output
        pass
