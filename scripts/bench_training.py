"""Training steps per second: fflm against PyTorch on the same processor, same mathematics, same threads.

    python scripts/bench_training.py [--source brown] [--hidden 100 512] [--threads 2]

Prints a Markdown table: median tokens/s over rounds in which the contenders take turns, the median of the ratios of
neighbouring bursts fflm / contender, and the share of the machine's measured single-precision peak.
Needs PyTorch (`pip install '.[bench]'`); a variant that does not run is left out, with the reason on stderr.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from rivals import BATCH, VOCAB_SIZE, K, M, compete, token_stream

from fflm.nn.product_speed import fma_peak
from fflm.runtime.cores import available_cores

VARIANTS = ["torch eager", "torch compile", "torch linear_cross_entropy", "torch bf16 autocast"]


def flops_per_token(hidden: int) -> int:
    """Multiplications and additions of one position: forward, gradients of inputs, gradients of weights."""
    return 6 * (VOCAB_SIZE * hidden + hidden * K * M)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", default="brown")
    parser.add_argument("--hidden", type=int, nargs="+", default=[100, 512])
    parser.add_argument("--optimizers", nargs="+", default=["sgd", "adam"])
    parser.add_argument("--threads", type=int, default=available_cores())
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each burst")
    arguments = parser.parse_args()

    peak = fma_peak(arguments.threads)
    print(f"V={VOCAB_SIZE}, K={K}, m={M}, batch {BATCH}, float32, {arguments.threads} threads, {arguments.source};")
    shares = [VOCAB_SIZE * h / (VOCAB_SIZE * h + h * K * M) for h in arguments.hidden]
    print(
        f"output layer: {', '.join(f'{share:.1%} at h={h}' for h, share in zip(arguments.hidden, shares, strict=True))}"
        " of the arithmetic;"
    )
    print(f"measured peak {peak / 1e9:.0f} GFLOP/s; medians of {arguments.rounds} rounds\n")
    print("| h | optimizer | contender | tokens/s | fflm / contender | share of peak |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        stream = Path(folder) / "stream.npy"
        np.save(stream, token_stream(arguments.source))
        for hidden in arguments.hidden:
            for optimizer in arguments.optimizers:
                results = compete(
                    VARIANTS if optimizer == "sgd" else VARIANTS[:1],
                    arguments.rounds,
                    arguments.seconds,
                    task="training",
                    hidden=hidden,
                    optimizer=optimizer,
                    threads=arguments.threads,
                    stream=stream,
                )
                for name, (speed, ratio) in results.items():
                    share = speed * flops_per_token(hidden) / peak
                    print(f"| {hidden} | {optimizer} | {name} | {speed:,.0f} | {ratio:.2f} | {share:.0%} |", flush=True)


if __name__ == "__main__":
    main()
