"""The command ``fflm train``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

import fflm
from fflm.cli.flags import SOURCE, add_flags, given, verb
from fflm.cli.printing import perplexity_line, print_json, print_line, warn, word
from fflm.config import DataConfig, ModelConfig, TokenizerConfig, TrainConfig
from fflm.errors import Interrupted

if TYPE_CHECKING:
    from fflm.api.model import Model
    from fflm.training.report import TrainReport

RESUME = (
    "go on with the run in RUN; give the same options again. With the same --epochs and no --minutes it is as if the "
    "run had never stopped; to another end, the linear learning rate falls once more from its full height (lower if "
    "less than a tenth of the run is to come)"
)


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb and its flags."""
    parser = verb(
        verbs,
        "train",
        run,
        "train a model on text and report its perplexity",
        "fflm train corpus.txt --out runs/mine --context-size 4 --minutes 10",
    )
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help=SOURCE)
    parser.add_argument(
        "--out", required=True, metavar="RUN", help="folder for the model, the training state and the log"
    )
    parser.add_argument("--resume", action="store_true", help=RESUME)
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


def run(arguments: argparse.Namespace) -> int:
    """Train, and print the figures of the run and samples of the model; also after Ctrl-C, with status 130."""
    try:
        model = fflm.train(
            *arguments.sources,
            valid=arguments.valid,
            test=arguments.test,
            out=arguments.out,
            resume=arguments.resume,
            started=arguments.started,
            **given(arguments, TokenizerConfig, DataConfig, ModelConfig, TrainConfig),
        )
    except Interrupted as stop:
        model = stop.model
    report = model.report
    if arguments.json:
        print_json(report.to_dict())
    else:
        for line in _train_lines(model, report):
            print_line(line)
        for part in filter(None, (report.valid, report.test)):
            warn(part["notes"])
    return 130 if report.interrupted else 0


def _train_lines(model: Model, report: TrainReport) -> Iterator[str]:
    why = {
        "epochs": "all epochs done",
        "early": "validation stopped improving",
        "minutes": "time is up",
        "interrupted": "interrupted; --resume goes on",
    }[report.stopped]
    yield f"run          {report.out} ({why})"
    shape = model.lm.describe()["model"]
    bag = f" and a bag of {shape['bag_size']}" if shape["bag_size"] else ""
    context = f"context {shape['context_size']}{bag}"
    yield f"model        {report.vocab_size:,} words, {context}, {report.parameters:,} parameters"
    yield (
        f"training     {report.train_tokens:,} tokens, {report.epochs:.4g} epochs, {report.steps:,} steps, "
        f"{report.seconds:.1f} s, {report.tokens_per_second:,.0f} tokens/s"
    )
    for label, part in (("validation", report.valid), ("test", report.test)):
        if part is not None:
            yield f"{label:12} {perplexity_line(part)}"
    for note in report.notes:
        yield f"note         {note}"
    for sample in model.examples():
        yield f"sample       {word(sample.prompt)} | {word(sample.text)}"
