"""Is the working tree slower than another commit? Both do the same work, taking turns, each in processes of its own.

    python scripts/bench_commit.py COMMIT [--processor x86-64-v3]

Prints the median of the ratios COMMIT / working tree of seconds, neighbours in time compared (above 1: the working tree
is faster): training steps and evaluation as in `bench_training.py`, start-up with and without compiled kernels, and
words drawn one by one. With --processor x86-64-v3 the kernels of both are those of AVX2 machines.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rivals import BATCH, VOCAB_SIZE, Contender, token_stream

from fflm.nn.product_speed import fma_peak

REPOSITORY = Path(__file__).resolve().parent.parent
AVX2 = "+sse,+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,+popcnt,+avx,+avx2,+fma,+f16c,+bmi,+bmi2,+lzcnt,+movbe,+cx16,+xsave"


def check_out(commit: str, folder: Path) -> Path:
    """The package and the scripts of a commit, in a folder."""
    archive = subprocess.run(
        ["git", "archive", commit, "fflm", "scripts"], cwd=REPOSITORY, check=True, capture_output=True
    )
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
    return folder


class Code:
    """One version of the code: its processes find it first, and cache their kernels beside it."""

    def __init__(self, root: Path, cache: Path, processor: str | None):
        self.root, self.cache = root, cache
        self.environment = os.environ | {"PYTHONPATH": str(root), "NUMBA_CACHE_DIR": str(cache)}
        if processor:
            self.environment |= {"NUMBA_CPU_NAME": processor, "NUMBA_CPU_FEATURES": AVX2}

    def contender(self, **options) -> Contender:
        """The process that trains or evaluates when it is told to."""
        return Contender("fflm", self.root / "scripts" / "rivals.py", self.environment, **options)

    def seconds(self, *arguments: str) -> float:
        """Seconds of one command."""
        begin = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "fflm", *arguments], env=self.environment, check=True, capture_output=True
        )
        return time.perf_counter() - begin


def ratio(pairs: list[tuple[float, float]]) -> str:
    """Median seconds of both and of their ratios."""
    before, after = (statistics.median(side) for side in zip(*pairs, strict=True))
    return f"{before:.4g} | {after:.4g} | {statistics.median(a / b for a, b in pairs):.3f}"


def steps(codes: list[Code], rounds: int, **options) -> list[tuple[float, float]]:
    """Seconds of bursts of the same number of steps, before and after in turn."""
    contenders = [code.contender(**options) for code in codes]
    for contender in contenders:
        contender.burst(3)
    count = max(3, round(1.0 / (contenders[0].burst(5) / 5)))
    pairs = [tuple(contender.burst(count) / count for contender in contenders) for _ in range(rounds)]
    for contender in contenders:
        contender.close()
    return pairs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commit")
    parser.add_argument("--processor", choices=["x86-64-v3"])
    parser.add_argument("--source", default="stdlib")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        roots = check_out(arguments.commit, folder / "before"), REPOSITORY
        codes = [Code(root, folder / f"cache{i}", arguments.processor) for i, root in enumerate(roots)]
        np.save(folder / "stream.npy", np.minimum(token_stream(arguments.source), VOCAB_SIZE - 1))
        print(f"V={VOCAB_SIZE}, batch {BATCH}, {arguments.threads} threads, {arguments.processor or 'this processor'};")
        print(f"measured peak of this processor {fma_peak(arguments.threads) / 1e9:.0f} GFLOP/s\n")
        print(f"| seconds of | {arguments.commit[:7]} | working tree | ratio |\n|---|---|---|---|")
        options = {"threads": arguments.threads, "stream": folder / "stream.npy"}
        for task, hidden, optimizer in [
            *(("training", hidden, optimizer) for hidden in (100, 512) for optimizer in ("sgd", "adam")),
            ("evaluation", 100, "sgd"),
        ]:
            pairs = steps(codes, arguments.rounds, task=task, hidden=hidden, optimizer=optimizer, **options)
            print(f"| {task} step, h={hidden}, {optimizer} | {ratio(pairs)} |", flush=True)
        text = folder / "small.txt"
        text.write_text("the cat sat on the mat .\n" * 60)
        number = iter(range(10**6))

        def training(code: Code) -> float:
            return code.seconds("train", str(text), "--epochs", "1", "--out", str(folder / f"run{next(number)}"))

        def first_use(code: Code) -> float:
            shutil.rmtree(code.cache, ignore_errors=True)
            return training(code)

        def sampling(code: Code) -> float:
            return code.seconds("sample", str(folder / f"model{codes.index(code)}"), "--tokens", "400")

        for number_of, code in enumerate(codes):
            code.seconds("train", arguments.source, "--epochs", "0", "--out", str(folder / f"model{number_of}"))
        for what, work, rounds in (
            ("training on a small text, kernels compiled", first_use, 3),
            ("the same later", training, 7),
            ("fflm sample --tokens 400", sampling, 5),
            ("fflm --help", lambda code: code.seconds("--help"), 7),
        ):
            pairs = [tuple(work(code) for code in codes) for _ in range(rounds)]
            print(f"| {what} | {ratio(pairs)} |", flush=True)


if __name__ == "__main__":
    main()
