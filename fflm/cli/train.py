"""The command ``fflm train``."""

from __future__ import annotations

import argparse
import os
import shlex
import time
from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import fflm
from fflm.cli.flags import SOURCE, add_flags, given, verb
from fflm.cli.printing import note, print_json, print_line, warn, word
from fflm.cli.run_lines import run_lines
from fflm.config import DataConfig, ModelConfig, TokenizerConfig, TrainConfig
from fflm.errors import ConfigError, Interrupted, option_name

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
    parser.add_argument("sources", nargs="*", metavar="SOURCE", help=SOURCE)
    parser.add_argument(
        "--out", required=True, metavar="RUN", help="folder for the model, the training state and the log"
    )
    parser.add_argument("--resume", action="store_true", help=RESUME)
    parser.add_argument("--overwrite", action="store_true", help="replace the run that is in RUN")
    parser.add_argument(
        "--valid", metavar="SOURCE", help="validation text (default: a named corpus's own, else held out)"
    )
    parser.add_argument(
        "--test", metavar="SOURCE", help="test text, read once at the end (default: a named corpus's own)"
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="the report.json of a run, or its folder: take its texts and every option that is not given",
    )
    parser.add_argument(
        "--seeds",
        nargs="+",
        type=int,
        metavar="N",
        help="train a run for each seed, in RUN/seed-N, and print a table with mean and deviation",
    )
    add_flags(parser, DataConfig, "words and held-out text")
    add_flags(parser, TokenizerConfig, "tokens")
    add_flags(parser, ModelConfig, "network")
    add_flags(parser, TrainConfig, "training")


def run(arguments: argparse.Namespace) -> int:
    """Train, and print the figures of the run and samples of the model; also after Ctrl-C, with status 130."""
    options = given(arguments, TokenizerConfig, DataConfig, ModelConfig, TrainConfig)
    if arguments.config is not None:
        options = _repeated(arguments) | options
    if not arguments.sources:
        arguments.parser.error("the following arguments are required: SOURCE")
    if arguments.seeds is None:
        model, report = _train(arguments, arguments.out, options, arguments.resume)
        _print(arguments, model, report)
        _compare_texts(arguments)
        return 130 if report.interrupted else 0
    return _train_seeds(arguments, options)


def _train(arguments: argparse.Namespace, out: str, options: dict[str, Any], resume: bool) -> tuple[Model, TrainReport]:
    texts = {"valid": arguments.valid, "test": arguments.test}
    try:
        model = fflm.train(
            *arguments.sources,
            **texts,
            out=out,
            resume=resume,
            overwrite=arguments.overwrite,
            started=arguments.started,
            **options,
        )
    except Interrupted as stop:
        model = stop.model
    return model, model.report


def _repeated(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the options of an earlier run; its texts are put into the arguments, where none are given."""
    from fflm.api.runs import read_run

    record = read_run(arguments.config)["options"]
    if not arguments.sources:
        arguments.sources = record.get("sources") or []
        arguments.valid = record.get("valid") if arguments.valid is None else arguments.valid
        arguments.test = record.get("test") if arguments.test is None else arguments.test
    kinds = (TokenizerConfig, DataConfig, ModelConfig, TrainConfig)
    names = [item.name for kind in kinds for item in fields(kind)]
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name in names
        if (value := record.get(name)) is not None
    }


def _train_seeds(arguments: argparse.Namespace, options: dict[str, Any]) -> int:
    """Train a run for each seed, or go on with those that have begun, and print a table of them."""
    from fflm.api.runs import read_run, table_of_runs
    from fflm.cli.runs import print_runs
    from fflm.training.run_folder import STATE

    if "seed" in options and arguments.config is None:
        raise ConfigError(f"{option_name('seeds')} must not be given together with {option_name('seed')}")
    if len(set(arguments.seeds)) < len(arguments.seeds):
        raise ConfigError(f"{option_name('seeds')} must differ, got {' '.join(map(str, arguments.seeds))}")
    folders = []
    for seed in arguments.seeds:
        folders.append(os.path.join(arguments.out, f"seed-{seed}"))
        resume = arguments.resume and os.path.exists(os.path.join(folders[-1], STATE))
        model, report = _train(arguments, folders[-1], options | {"seed": seed}, resume)
        arguments.started = time.monotonic()
        if report.interrupted:
            _print(arguments, model, report)
            return 130
    if len({read_run(folder)["texts"]["valid"]["sha256"] for folder in folders}) > 1:
        note("each seed has held out other text for validation; with --valid FILE all have the same")
    rows = table_of_runs(folders)
    print_json(rows) if arguments.json else print_runs(rows)
    return 0


def _compare_texts(arguments: argparse.Namespace) -> None:
    """Say which text is not that of the run that is repeated; words have other numbers after another training text."""
    from fflm.api.runs import read_run

    if arguments.config is None:
        return
    before, now = (read_run(path).get("texts") or {} for path in (arguments.config, arguments.out))
    for name, label in (("train", "training"), ("valid", "validation"), ("test", "test")):
        if name in before and before[name]["sha256"] != now.get(name, {}).get("sha256"):
            note(f"the {label} text is not that of {arguments.config}: it has changed, or is another one")
            return


def _print(arguments: argparse.Namespace, model: Model, report: TrainReport) -> None:
    if arguments.json:
        print_json(report.to_dict())
        return
    for line in _train_lines(model, report):
        print_line(line)
    for part in filter(None, (report.valid, report.test)):
        warn(part["notes"])


def _train_lines(model: Model, report: TrainReport) -> Iterator[str]:
    yield from run_lines(report)
    samples = model.examples()
    for sample in samples:
        yield f"sample       {word(sample.prompt)} | {word(sample.text)}"
    run = shlex.quote(str(report.out))
    for command in (
        f"predict {run} {shlex.quote(samples[0].prompt)}",
        f"perplexity {run} FILE",
        f"score {run} FILE --html surprisal.html",
    ):
        yield f"next         fflm {command}"
