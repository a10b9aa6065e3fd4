"""Measure text to ids: tokens per second and peak memory of each tokenizer, by default on the stdlib corpus.

    python scripts/bench_text.py [FILE] [--tokenizers word,whitespace] [--boundary line]

Each measurement runs in a process of its own, from reading the file to the cut vocabulary and the remapped ids.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time


def measure(source: str, tokenizer: str, boundary: str) -> None:
    """Load `source` for training and print one line."""
    from fflm.config import DataConfig, TokenizerConfig
    from fflm.text import load

    start = time.perf_counter()
    fraction = DataConfig(valid_fraction=0.05)
    corpus = load([source], None, None, TokenizerConfig(tokenizer=tokenizer, boundary=boundary), fraction, seed=1)
    seconds = time.perf_counter() - start
    tokens = len(corpus.train) + len(corpus.valid)
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{tokenizer:10} {boundary:6} {tokens:12,} tokens {seconds:7.2f} s {tokens / seconds:12,.0f} tokens/s "
        f"{megabytes:5.0f} MB peak, {len(corpus.vocabulary):,} words",
        flush=True,
    )


def main() -> None:
    """Start one process for each tokenizer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", nargs="?", default="stdlib")
    parser.add_argument("--tokenizers", default="whitespace,word,char,treebank")
    parser.add_argument("--boundary", default="stream", choices=("stream", "line"))
    parser.add_argument("--in-process", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    for tokenizer in args.tokenizers.split(","):
        if args.in_process:
            measure(args.source, tokenizer, args.boundary)
        else:
            options = ["--tokenizers", tokenizer, "--boundary", args.boundary, "--in-process"]
            subprocess.run([sys.executable, __file__, args.source, *options], check=True)


if __name__ == "__main__":
    main()
