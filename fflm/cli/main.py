"""Parse, call, and turn every error into one line."""

from __future__ import annotations

import argparse
import os
import sys
import time

from fflm import FflmError, __version__
from fflm.cli import commands
from fflm.cli.flags import add_flags
from fflm.config import DataConfig, ModelConfig, SampleConfig, TokenizerConfig, TrainConfig

SOURCE = (
    "a text file (also .gz), a folder of .txt and .gz files, - for standard input, or a named corpus: stdlib, brown, "
    "gutenberg, state_union, inaugural, with :train, :valid or :test for one of its splits"
)
MODEL = "a run folder, or a model file"


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
    for build in (_train, _perplexity, _predict, _sample, _info):
        build(verbs)
    return parser


def _verb(verbs, name: str, run, summary: str, example: str) -> argparse.ArgumentParser:
    parser = verbs.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:].replace("%%", "%") + ".",
        epilog="Example: " + example,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    parser.add_argument("--json", action="store_true", help="print JSON, for machines")
    return parser


def _train(verbs) -> None:
    parser = _verb(
        verbs,
        "train",
        commands.train,
        "train a model on text and report its perplexity",
        "fflm train corpus.txt --out runs/mine --context-size 4 --minutes 10",
    )
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help=SOURCE)
    parser.add_argument(
        "--out", required=True, metavar="RUN", help="folder for the model, the training state and the log"
    )
    parser.add_argument("--resume", action="store_true", help="go on with the run in RUN (give the same options again)")
    parser.add_argument(
        "--valid", metavar="SOURCE", help="validation text (default: a named corpus's own, else held out)"
    )
    parser.add_argument(
        "--test", metavar="SOURCE", help="test text, read once at the end (default: a named corpus's own)"
    )
    add_flags(parser, DataConfig, "words and held-out text")
    add_flags(parser, TokenizerConfig, "tokens")
    add_flags(parser, ModelConfig, "network")
    add_flags(parser, TrainConfig, "training")


def _perplexity(verbs) -> None:
    parser = _verb(
        verbs,
        "perplexity",
        commands.perplexity,
        "perplexity of a model on text, with out-of-vocabulary counts and a 95 %% interval",
        "fflm perplexity runs/stdlib stdlib:test",
    )
    parser.add_argument("model", metavar="MODEL", help=MODEL)
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help=SOURCE)
    parser.add_argument("--encoding", default="utf-8", metavar="NAME", help="character encoding of the text files")
    _threads(parser)


def _predict(verbs) -> None:
    parser = _verb(
        verbs,
        "predict",
        commands.predict,
        "the likeliest next words after a context",
        'fflm predict runs/stdlib "the value of the" --top 5',
    )
    parser.add_argument("model", metavar="MODEL", help=MODEL)
    parser.add_argument("context", metavar="CONTEXT", help="text; its last words count")
    parser.add_argument("--top", type=int, default=10, metavar="N", help="how many words (default: 10)")
    _threads(parser)


def _sample(verbs) -> None:
    parser = _verb(
        verbs,
        "sample",
        commands.sample,
        "draw continuations of a prompt",
        'fflm sample runs/stdlib --prompt "Return the" --tokens 20 --samples 3',
    )
    parser.add_argument("model", metavar="MODEL", help=MODEL)
    parser.add_argument("--prompt", default="", metavar="TEXT", help="text to go on from (default: none)")
    parser.add_argument("--special", action="store_true", help="let <unk> and <s> be drawn too")
    add_flags(parser, SampleConfig)
    _threads(parser)


def _info(verbs) -> None:
    parser = _verb(
        verbs, "info", commands.info, "what a model file holds, or what this machine offers", "fflm info --system"
    )
    parser.add_argument("model", nargs="?", metavar="MODEL", help=MODEL)
    parser.add_argument("--system", action="store_true", help="versions, processor and the speed of its kernels")


def _threads(parser) -> None:
    parser.add_argument("--threads", type=int, metavar="N", help="worker threads (default: every core)")


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 1 for an error, 2 for wrong usage, 130 for Ctrl-C."""
    started = time.monotonic()
    arguments = make_parser().parse_args(argv)
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
            "fflm: error: not enough memory; a smaller vocab_size, hidden_dims or batch_size needs less",
            file=sys.stderr,
        )
        return 1


def _drop_output() -> None:
    """Let what is still buffered go nowhere, so that Python does not complain at its end."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # no real standard output
        pass
