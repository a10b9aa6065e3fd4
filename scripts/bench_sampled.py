"""Tokens/s of training steps over a sample of the vocabulary, beside steps with the exact softmax, and their parts.

    python scripts/bench_sampled.py [--hidden 300] [--vocab-size 16384] [--rounds 9]

The network has the inputs that are the default without a plan, then bags and pairs as a plan has them. Steps of both
kinds take turns; the median of the ratios of neighbouring bursts is printed, then the time that each part of a sampled
step takes.
"""

import argparse
import time

import numpy as np

from fflm.config import ModelConfig
from fflm.nn.batches import Windows
from fflm.nn.draws import Draws
from fflm.nn.language_model import context_network
from fflm.nn.optimizers import Optimizer
from fflm.nn.outputs.sampled import WordSampler, sample_size
from fflm.nn.product_speed import fma_peak
from fflm.runtime.cores import available_cores
from fflm.runtime.workers import Workers
from fflm.training.plan import LARGEST_PAIRS, THREE_BAGS

TOKENS, BATCH, RUN = 400_000, 256, 32


class Bench:
    """A network in training on a text of Zipf's law, and the seconds spent in each part of its steps."""

    def __init__(self, workers: Workers, hidden: int, vocab_size: int, planned: bool):
        self.rng, self.seconds, self.done = np.random.default_rng(0), {}, 0
        shares = 1.0 / np.arange(1, vocab_size + 1)
        self.ids = np.maximum(self.rng.choice(vocab_size, TOKENS, p=shares / shares.sum()), 3).astype(np.int32)
        counts = np.bincount(self.ids, minlength=vocab_size)
        shape = {"bag_decays": THREE_BAGS, "pairs": LARGEST_PAIRS} if planned else {}
        config = ModelConfig(hidden_dims=hidden, **shape)
        sampler = WordSampler(counts, sample_size(vocab_size))
        self.network = context_network(config, vocab_size, 0.5, 0.3, 0.5 if planned else 0.0, sampler=sampler)
        parameters = self.network.initialise(1, counts)
        self.optimizer = Optimizer("adamw", parameters, 0.1)
        self.network.prepare(parameters, workers, BATCH, True)

    def step(self, sampled: bool) -> None:
        """Train on a batch of runs of the text."""
        begins = self.rng.integers(200, TOKENS - RUN, BATCH // RUN)
        batch = Windows(self.ids, (begins[:, None] + np.arange(RUN)).ravel())
        self.optimizer.begin_step(self.done + 1, 0.001)
        self.network.step(batch, self.optimizer, Draws(1, self.done, sampled))
        self.done += 1

    def speed(self, sampled: bool, seconds: float) -> float:
        """Measure tokens/s for some seconds."""
        steps, begin = 0, time.perf_counter()
        while time.perf_counter() - begin < seconds:
            self.step(sampled)
            steps += 1
        return steps * BATCH / (time.perf_counter() - begin)

    def watch(self) -> None:
        """Measure the parts from now on."""
        network = self.network
        for label, owner, name in (
            ("inputs, forward", network.inputs, "forward"),
            ("layers, forward", network.layers, "forward"),
            ("output, forward", network.output, "losses"),
            ("output, backward and update", network.output, "backward"),
            ("layers, backward", network.layers, "backward"),
            ("inputs, backward", network.inputs, "backward"),
            ("update of layers and embeddings", network, "_update"),
        ):
            setattr(owner, name, self._timed(label, getattr(owner, name)))

    def _timed(self, label, function):
        def timed(*arguments, **options):
            begin = time.perf_counter()
            result = function(*arguments, **options)
            self.seconds[label] = self.seconds.get(label, 0.0) + time.perf_counter() - begin
            return result

        return timed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hidden", type=int, default=300)
    parser.add_argument("--vocab-size", type=int, default=16384)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each burst")
    arguments = parser.parse_args()
    threads = available_cores()
    print(
        f"V={arguments.vocab_size}, h={arguments.hidden}, sample of {sample_size(arguments.vocab_size)} words and the "
        f"targets, adamw, batch {BATCH}, {threads} threads; measured peak {fma_peak(threads) / 1e9:.0f} "
        f"GFLOP/s; medians of {arguments.rounds} rounds\n\n| inputs | exact | sampled | sampled / exact |\n"
        "|---|---|---|---|"
    )
    with Workers(threads) as workers:
        for planned in (False, True):
            bench = Bench(workers, arguments.hidden, arguments.vocab_size, planned)
            for sampled in (True, False):
                bench.speed(sampled, arguments.seconds)
            pairs = [
                [bench.speed(sampled, arguments.seconds) for sampled in (False, True)] for _ in range(arguments.rounds)
            ]
            exact, sampled = np.median(pairs, axis=0)
            ratio = np.median([b / a for a, b in pairs])
            inputs = "8 words, 3 bags, pairs" if planned else "8 words, a bag"
            print(f"| {inputs} | {exact:,.0f} | {sampled:,.0f} | {ratio:.2f} |", flush=True)
        bench.watch()
        steps, begin = bench.done, time.perf_counter()
        bench.speed(True, 3 * arguments.seconds)
        whole = (time.perf_counter() - begin) / (bench.done - steps)
    print(f"\na sampled step with these inputs takes {1e3 * whole:.2f} ms:")
    for label, seconds in bench.seconds.items():
        print(f"- {label}: {1e3 * seconds / (bench.done - steps):.2f} ms")


if __name__ == "__main__":
    main()
