"""The command ``fflm perplexity``."""

from __future__ import annotations

import argparse
import sys

from fflm.cli.flags import (
    MODEL,
    SOURCE,
    adaptation,
    add_adaptation,
    add_encoding,
    add_threads,
    as_flags,
    load_model,
    verb,
)
from fflm.cli.printing import number, print_aside, print_json, print_line, warn


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb and its flags."""
    parser = verb(
        verbs,
        "perplexity",
        run,
        "compute the perplexity of a model on text, with a 95 %% interval and the number of unknown words",
        "fflm perplexity runs/stdlib stdlib:test",
    )
    parser.add_argument("model", metavar="MODEL", help=MODEL)
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help=SOURCE)
    add_encoding(parser)
    add_adaptation(parser)
    add_threads(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the figures of a model on a text, one a line; its speed on stderr."""
    model = load_model(arguments)
    options = adaptation(arguments)
    report = model.perplexity(*arguments.sources, encoding=arguments.encoding, **options).to_dict()
    if arguments.json:
        print_json({"model": arguments.model, **report, **({"options": options} if options else {})})
        warn(report["notes"])
        return 0
    print_line(f"model                   {arguments.model}")
    if options:
        print_line(f"with                    {as_flags(options)}")
    print_line(f"source                  {report['source']}")
    print_line(f"tokens                  {report['tokens']:,}")
    print_line(f"out of vocabulary       {report['oov']:,} ({100 * report['oov_rate']:.2f} %)")
    if report["unk_in_text"]:
        print_line(f"  <unk> in the text     {report['unk_in_text']:,}")
    without = report["perplexity_without_oov"]
    if report["perplexity"] is None:
        print_line("perplexity              undefined")
        print_line(f"  without unknown words {without:.3f} over {report['tokens'] - report['oov']:,} tokens")
    else:
        print_line(f"cross-entropy           {report['cross_entropy_nats']:.5f} nats/token")
        print_line(f"                        {report['bits_per_token']:.5f} bits/token")
        print_line(f"                        {report['bits_per_character']:.5f} bits/character")
        print_line(f"perplexity              {report['perplexity']:.3f}")
        print_line(f"  95 % interval         {report['perplexity_low']:.3f} to {report['perplexity_high']:.3f}")
        print_line("  without unknown words " + ("none is known" if without is None else f"{without:.3f}"))
    if report["open_perplexity"] is not None:
        print_line(f"open perplexity         {number(report['open_perplexity'], 3)}, unknown words spelled out")
        print_line(f"                        {report['open_bits_per_token']:.5f} bits/token")
        print_line(f"                        {report['open_bits_per_word']:.5f} bits/word")
        print_line(f"                        {report['open_bits_per_character']:.5f} bits/character")
    sys.stdout.flush()
    print_aside(f"speed                   {report['tokens_per_second']:,.0f} tokens/s")
    warn(report["notes"])
    return 0
