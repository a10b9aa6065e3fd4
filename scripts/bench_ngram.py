"""n-gram models: how long counting and smoothing take, the memory they need, and scored tokens per second.

    python scripts/bench_ngram.py [--order 5] [brown novels.txt.gz ...]

Each source in a process of its own: `fflm ngram` as a user would call it. The time in all includes reading, evaluation
and saving; the speed of scoring is that on the validation text.
"""

import argparse
import json
import tempfile
from pathlib import Path

from bench_command import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", nargs="*", default=["brown"])
    parser.add_argument("--order", type=int, default=5)
    arguments = parser.parse_args()
    print(
        "| source | training tokens | n-grams | counted and smoothed | command in all | peak memory | scored tokens/s |"
    )
    print("|---|---|---|---|---|---|---|")
    for source in arguments.sources:
        print(row(source, arguments.order), flush=True)


def row(source: str, order: int) -> str:
    """One line of the table."""
    with tempfile.TemporaryDirectory() as folder:
        model = str(Path(folder) / "model.safetensors")
        seconds, memory, output = run("ngram", source, "--order", str(order), "--out", model, "--json")
    report = json.loads(output)
    return (
        f"| {Path(source).name} | {report['train_tokens']:,} | {sum(report['ngrams']):,} | "
        f"{report['estimation_seconds']:.2f} s | {seconds:.1f} s | {memory:,.0f} MB | "
        f"{report['valid']['tokens_per_second']:,.0f} |"
    )


if __name__ == "__main__":
    main()
