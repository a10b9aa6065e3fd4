"""fflm perplexity"""

from __future__ import annotations

import sys

from fflm.cli.flags import MODEL, SOURCE, encoding, load_model, threads, verb
from fflm.cli.printing import print_json, warn


def add(verbs) -> None:
    """The verb and its flags."""
    parser = verb(
        verbs,
        "perplexity",
        run,
        "perplexity of a model on text, with out-of-vocabulary counts and a 95 %% interval",
        "fflm perplexity runs/stdlib stdlib:test",
    )
    parser.add_argument("model", metavar="MODEL", help=MODEL)
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help=SOURCE)
    encoding(parser)
    threads(parser)


def run(arguments) -> int:
    """Open, one library call, print."""
    model = load_model(arguments)
    report = model.perplexity(*arguments.sources, encoding=arguments.encoding, progress=True).to_dict()
    if arguments.json:
        print_json({"model": arguments.model, **report})
        warn(report["notes"])
        return 0
    print(f"model                   {arguments.model}")
    print(f"source                  {report['source']}")
    print(f"tokens                  {report['tokens']:,}")
    print(f"out of vocabulary       {report['oov']:,} ({100 * report['oov_rate']:.2f} %)")
    without = report["perplexity_without_oov"]
    if report["perplexity"] is None:
        print("perplexity              undefined")
        print(f"  without unknown words {without:.3f} over {report['tokens'] - report['oov']:,} tokens")
    else:
        print(f"cross-entropy           {report['cross_entropy_nats']:.5f} nats/token")
        print(f"                        {report['bits_per_token']:.5f} bits/token")
        print(f"                        {report['bits_per_character']:.5f} bits/character")
        print(f"perplexity              {report['perplexity']:.3f}")
        print(f"  95 % interval         {report['perplexity_low']:.3f} to {report['perplexity_high']:.3f}")
        print("  without unknown words " + ("none is known" if without is None else f"{without:.3f}"))
    sys.stdout.flush()
    print(f"speed                   {report['tokens_per_second']:,.0f} tokens/s", file=sys.stderr)
    warn(report["notes"])
    return 0
