"""Scored tokens per second: fflm against PyTorch (`inference_mode`), same network, same processor, same threads.

    python scripts/bench_evaluation.py [--source brown] [--hidden 100 512] [--threads 2]

As `bench_training.py`; PyTorch's loss is the mean cross-entropy, fflm's are the log probabilities of every token.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from rivals import BATCH, VOCAB_SIZE, K, M, compete, token_stream

from fflm.runtime.cores import available_cores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", default="brown")
    parser.add_argument("--hidden", type=int, nargs="+", default=[100, 512])
    parser.add_argument("--threads", type=int, default=available_cores())
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each burst")
    arguments = parser.parse_args()

    print(f"V={VOCAB_SIZE}, K={K}, m={M}, batch {BATCH}, float32, {arguments.threads} threads, {arguments.source};")
    print(f"medians of {arguments.rounds} rounds\n")
    print("| h | contender | tokens/s | fflm / contender |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        stream = Path(folder) / "stream.npy"
        np.save(stream, token_stream(arguments.source))
        for hidden in arguments.hidden:
            results = compete(
                ["torch eager", "torch bf16 autocast"],
                arguments.rounds,
                arguments.seconds,
                task="evaluation",
                hidden=hidden,
                threads=arguments.threads,
                stream=stream,
            )
            for name, (speed, ratio) in results.items():
                print(f"| {hidden} | {name} | {speed:,.0f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
