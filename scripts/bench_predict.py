"""Print how long one prediction takes once the process is warm: ``python scripts/bench_predict.py MODEL [TEXT]``.

The process is that of ``fflm predict MODEL - --batch``, as a keyboard would run it: a line is written to it, and the
time until its answer has been read is measured. The figures are of 1,000 contexts of up to 8 words of a text (the
corpus stdlib:test by default), half of them with the first letter of the next word, after 100 that do not count.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

from fflm.config import TokenizerConfig
from fflm.text.corpora import parse_name, read_corpus
from fflm.text.sources import read_blocks
from fflm.text.tokenizer import Tokenizer

WARM, COUNT, WORDS = 100, 1000, 8


def lines(source: str) -> list[str]:
    """Return contexts, every second one with a tab and the first letter of the word that follows."""
    name = parse_name(source)
    tokenizer = Tokenizer(TokenizerConfig())
    blocks = read_corpus(*name, tokenizer) if name else read_blocks(source)
    words = " ".join(block if isinstance(block, str) else " ".join(block) for block in blocks if block).split()
    made = []
    for number in range(WARM + COUNT):
        place = number * (len(words) - WORDS - 1) // (WARM + COUNT)
        prefix = "\t" + words[place + WORDS][0] if number % 2 else ""
        made.append(" ".join(words[place : place + WORDS]) + " " + prefix)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("text", nargs="?", default="stdlib:test")
    parser.add_argument("--threads", default=None)
    arguments = parser.parse_args()
    threads = ["--threads", arguments.threads] if arguments.threads else []
    process = subprocess.Popen(
        [sys.executable, "-m", "fflm", "predict", arguments.model, "-", "--batch", "--top", "5", *threads],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None and process.stdout is not None
    seconds = []
    for line in lines(arguments.text):
        started = time.perf_counter()
        process.stdin.write(line.encode() + b"\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        seconds.append(time.perf_counter() - started)
        if "error" in answer:
            sys.exit(f"{line!r}: {answer['error']}")
    process.stdin.close()
    process.wait()
    for label, first in (("next word", 0), ("completion", 1)):
        part = [1000 * value for value in seconds[WARM + first :: 2]]
        high = statistics.quantiles(part, n=20)[-1]
        print(f"{label:12} median {statistics.median(part):.2f} ms, 95 % under {high:.2f} ms, of {len(part)}")


if __name__ == "__main__":
    main()
