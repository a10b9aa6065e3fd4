"""n-gram models: how long counting and smoothing take, the memory they need, and scored tokens per second.

    python scripts/bench_ngram.py [--order 5] [brown novels.txt.gz ...]

Each source in a process of its own: `fflm ngram` as a user would call it, with the whole time of the command, and then
the speed of `fflm perplexity` on the validation text.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


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
        model = Path(folder) / "model.safetensors"
        report, seconds, peak = run(["ngram", source, "--order", str(order), "--out", str(model)])
        speed = report["valid"]["tokens_per_second"]
    return (
        f"| {Path(source).name} | {report['train_tokens']:,} | {sum(report['ngrams']):,} | "
        f"{report['estimation_seconds']:.2f} s | {seconds:.1f} s | {peak / 1024:,.0f} MB | {speed:,.0f} |"
    )


def run(arguments: list[str]) -> tuple[dict, float, int]:
    """Report, seconds and peak memory in KB of one command."""
    begin = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "fflm", *arguments, "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"fflm {' '.join(arguments)} failed")
    return json.loads(out), time.monotonic() - begin, usage.ru_maxrss


if __name__ == "__main__":
    main()
