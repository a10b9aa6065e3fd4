"""fflm mix"""

from __future__ import annotations

import fflm
from fflm.cli.flags import MODEL, SOURCE, add_flags, encoding, given, threads, verb
from fflm.cli.printing import perplexity_line, print_json, warn
from fflm.config import CacheConfig


def add(verbs) -> None:
    """The verb and its flags."""
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
    parser.add_argument("--out", required=True, metavar="MIX", help="model file to write")
    parser.add_argument(
        "--by-context-count",
        action="store_true",
        help="weights that depend on how often the first n-gram model saw the last two words, as in the paper",
    )
    encoding(parser)
    add_flags(parser, CacheConfig)
    threads(parser)


def run(arguments) -> int:
    """Open, one library call, print."""
    model = fflm.mix(
        *arguments.models,
        valid=arguments.valid,
        test=arguments.test,
        train=arguments.train,
        out=arguments.out,
        by_context_count=arguments.by_context_count,
        encoding=arguments.encoding,
        threads=arguments.threads,
        **given(arguments, CacheConfig),
    )
    report = model.report
    if arguments.json:
        print_json(report.to_dict())
        return 0
    by_count = ", by how often the context was seen (mean weights below)" if report.by_context_count else ""
    several = "s" if len(report.parts) > 1 else ""
    print(f"mixture      {report.out} of {len(report.parts)} model{several}{by_count}")
    for part in report.parts:
        alone = part["valid_perplexity"]
        told = "no probability for some words" if alone is None else f"perplexity {alone:.2f}"
        print(f"part         weight {part['weight']:.4f}  {part['name']}: {told} alone{_file(part)}")
    for label, figures in (("validation", report.valid), ("test", report.test)):
        if figures is not None:
            print(f"{label:12} {perplexity_line(figures)}")
            warn(figures["notes"])
    for note in report.notes:
        print(f"note         {note}")
    return 0


def _file(part: dict) -> str:
    return "" if part["model"] is None else f" ({part['model']})"
