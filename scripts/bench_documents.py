"""How long many documents take: `fflm score --per-line` and `fflm filter` on documents of 200 words, one a line.

    python scripts/bench_documents.py                      # an n-gram model of stdlib, 100,000 documents
    python scripts/bench_documents.py --model runs/stdlib --documents 5000

Documents are stretches of the corpus `stdlib` that begin at places drawn at random. Prints seconds, documents and words
per second, the most memory that the process had, and beside them the time that `fflm perplexity` takes for the same
words as one text.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import fflm
from fflm.config import TokenizerConfig
from fflm.kernels._jit import LANES, PROCESSOR
from fflm.nn.product_speed import fma_peak
from fflm.runtime.cores import available_cores
from fflm.text import Tokenizer

WORDS = 200


def documents(path: Path, count: int) -> None:
    """Write `count` documents of 200 blank-separated words of Python's documentation."""
    generator = np.random.default_rng(1)
    words = " ".join(_stdlib()).split()
    with open(path, "w", encoding="utf-8") as file:
        for first in generator.integers(0, len(words) - WORDS, count).tolist():
            file.write(" ".join(words[first : first + WORDS]) + "\n")


def _stdlib() -> list[str]:
    from fflm.text.corpora import read_corpus

    blocks = read_corpus("stdlib", "train", Tokenizer(TokenizerConfig()))
    return [block if isinstance(block, str) else " ".join(block) for block in blocks if block is not None]


def timed(*arguments: str) -> tuple[float, float]:
    """Seconds and megabytes of one command."""
    begin = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "fflm", *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"fflm {' '.join(arguments)} failed")
    return time.perf_counter() - begin, usage.ru_maxrss / 1024.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", metavar="MODEL", help="default: Kneser-Ney of order 5 on stdlib")
    parser.add_argument("--documents", type=int, default=100_000, metavar="N")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path, model = Path(folder) / "documents.txt", arguments.model
        if model is None:
            model = f"{folder}/kn5.safetensors"
            fflm.ngram("stdlib", quiet=True).save(model)
        documents(path, arguments.documents)
        cores = available_cores()
        print(f"{PROCESSOR}, {cores} cores, vectors of {32 * LANES} bits, peak {fma_peak(cores) / 1e9:.0f} GFLOP/s;")
        print(f"{arguments.documents:,} documents of {WORDS} words, {path.stat().st_size / 1e6:.0f} MB, {model}\n")
        print("| | seconds | documents/s | words/s | MB |\n|---|---|---|---|---|")
        for what in (
            ["score", model, str(path), "--per-line"],
            ["filter", model, str(path), "--keep-below", "p60"],
            ["perplexity", model, str(path)],
        ):
            seconds, megabytes = timed(*what)
            rate = arguments.documents / seconds
            flags = " ".join(what[3:])
            print(
                f"| {what[0]} {flags} | {seconds:.1f} | {rate:,.0f} | {rate * WORDS:,.0f} | {megabytes:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
