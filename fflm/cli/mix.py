"""The command ``fflm mix``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import fflm
from fflm.cli.flags import MODEL, SOURCE, add_encoding, add_flags, add_force, add_threads, given, takes_stdout, verb
from fflm.cli.printing import print_held_out, print_json, print_line, report_aside
from fflm.config import CacheConfig, DynamicConfig, NeuralCacheConfig

if TYPE_CHECKING:
    from fflm.api.reports import MixtureReport


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb and its flags."""
    parser = verb(
        verbs,
        "mix",
        run,
        "mix models of one vocabulary, with weights fitted on validation text",
        "fflm mix runs/brown kn5.safetensors --valid brown:valid --out mix.safetensors --cache 500",
    )
    parser.add_argument("models", nargs="+", metavar="MODEL", help=f"{MODEL}; the mixture contains them")
    parser.add_argument(
        "--valid",
        required=True,
        metavar="SOURCE",
        help=f"text on which the weights are fitted (unknown words that have no probability have no say): {SOURCE}",
    )
    parser.add_argument("--test", metavar="SOURCE", help="text to evaluate the mixture on, once, at the end")
    parser.add_argument(
        "--train",
        metavar="SOURCE",
        help="what the models were trained on (such as brown:train), to warn of held-out text that stands in it",
    )
    parser.add_argument("--out", required=True, metavar="MIX", help="model file to write, or - for standard output")
    add_force(parser, "the file MIX")
    parser.add_argument(
        "--by-context-count",
        action="store_true",
        help="weights that depend on how often the first n-gram model saw the last two words, as in the paper",
    )
    add_encoding(parser)
    add_flags(parser, CacheConfig)
    add_flags(parser, NeuralCacheConfig, leave_out=["neural_cache_weight"])
    add_flags(parser, DynamicConfig)
    add_threads(parser)


def run(arguments: argparse.Namespace) -> int:
    """Mix models and print the weight of each, its perplexity alone, and that of the mixture."""
    aside = takes_stdout(arguments, arguments.out)
    model = fflm.mix(
        *arguments.models,
        valid=arguments.valid,
        test=arguments.test,
        train=arguments.train,
        out=arguments.out,
        by_context_count=arguments.by_context_count,
        encoding=arguments.encoding,
        threads=arguments.threads,
        force=arguments.force,
        **given(arguments, CacheConfig, NeuralCacheConfig, DynamicConfig),
    )
    report = model.report
    if arguments.json:
        print_json(report.to_dict())
    else:
        with report_aside(aside):
            _print_report(report)
    return 0


def _print_report(report: MixtureReport) -> None:
    by_count = ", by how often the context was seen (mean weights below)" if report.by_context_count else ""
    several = "s" if len(report.parts) > 1 else ""
    print_line(f"mixture      {report.out} of {len(report.parts)} model{several}{by_count}")
    for part in report.parts:
        perplexity = part["valid_perplexity"]
        alone = "alone, some words have probability 0" if perplexity is None else f"perplexity {perplexity:.2f} alone"
        print_line(f"part         weight {part['weight']:.4f}  {part['name']}: {alone}{_file(part)}")
    print_held_out(report)


def _file(part: dict[str, Any]) -> str:
    return "" if part["model"] is None else f" ({part['model']})"
