"""What a user waits for and what it takes: start-up, compilation, training end to end, memory.

    python scripts/bench_command.py [--source brown] [--minutes 1]

Runs the installed command in processes of its own, as a user would.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMAND = [sys.executable, "-m", "fflm"]


def run(*arguments: str, **environment: str) -> tuple[float, float, str]:
    """Seconds, peak memory in MB (10^6 bytes) and standard output of one command."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | environment,
    )
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed with {process.returncode}")
    return time.perf_counter() - begin, usage.ru_maxrss * 1024 / 1e6, output


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", default="brown")
    parser.add_argument("--minutes", type=float, default=1.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "small.txt"
        text.write_text("the cat sat on the mat .\n" * 60)
        out = iter(f"{folder}/run{i}" for i in range(100))
        small = ["train", str(text), "--epochs", "1", "--out"]
        print(f"fflm --help: {statistics.median(run('--help')[0] for _ in range(7)):.2f} s")
        first = run(*small, next(out), NUMBA_CACHE_DIR=f"{folder}/cache")[0]
        later = statistics.median(run(*small, next(out), NUMBA_CACHE_DIR=f"{folder}/cache")[0] for _ in range(5))
        print(
            f"training on a small text, first use: {first:.2f} s (kernels compiled), later: {later:.2f} s, all included"
        )
        options = ["--minutes", str(arguments.minutes), "--json"]
        seconds, memory, output = run("train", arguments.source, "--out", next(out), *options)
        report = json.loads(output)
        print(f"fflm train {arguments.source} {' '.join(options)}: {seconds:.1f} s for {60 * arguments.minutes:.0f} s,")
        print(f"  {report['tokens_per_second']:,.0f} tokens/s, peak memory {memory:.0f} MB")
        like_bench = ["--context-size", "4", "--bag-size", "0", "--embedding-dim", "30"]
        like_bench += ["--min-count", "1", "--optimizer", "sgd"]
        for hidden in ("100", "512"):
            for dropout in ("0", "0.4"):
                flags = [*like_bench, "--hidden-dims", hidden, "--dropout", dropout, "--embedding-dropout", dropout]
                _, memory, output = run("train", arguments.source, "--out", next(out), *options, *flags)
                speed = json.loads(output)["tokens_per_second"]
                print(f"  h={hidden} m=30 sgd dropout {dropout}: {speed:,.0f} tokens/s, {memory:.0f} MB", flush=True)


if __name__ == "__main__":
    main()
