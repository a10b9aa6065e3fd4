"""The same network in fflm and in PyTorch, each in a process of its own that works only when told to.

Two thread pools that spin in one process disturb each other, and so do two programs at once: each contender waits on
its standard input, and the benchmark scripts let one at a time run a burst and report its seconds.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

K, M, BATCH, VOCAB_SIZE = 4, 30, 256, 16384


def token_stream(source: str) -> np.ndarray:
    """Ids of a corpus in a vocabulary of at most VOCAB_SIZE words."""
    from fflm.config import DataConfig, TokenizerConfig
    from fflm.text import load

    data = DataConfig(vocab_size=VOCAB_SIZE, min_count=1)
    return load([source], None, None, TokenizerConfig(), data, 1).train.ids


def batches(stream: np.ndarray, seed: int = 1):
    """Endless batches of positions, all with K words before them."""
    generator = np.random.default_rng(seed)
    while True:
        yield generator.integers(K, len(stream), BATCH)


class Fflm:
    """Training steps, or log probabilities, of fflm."""

    def __init__(self, arguments, stream):
        from fflm.config import ModelConfig
        from fflm.nn.batches import Windows
        from fflm.nn.language_model import context_network, initialise
        from fflm.nn.optimizers import Optimizer
        from fflm.runtime.workers import Workers

        config = ModelConfig(context_size=K, bag_size=0, embedding_dim=M, hidden_dims=(arguments.hidden,))
        parameters = initialise(config, np.zeros(VOCAB_SIZE, np.int64), 1)
        self.training = arguments.task == "training"
        self.network, self.batch = context_network(config, VOCAB_SIZE), Windows
        self.network.prepare(parameters, Workers(arguments.threads), BATCH, training=self.training)
        self.optimizer = Optimizer(arguments.optimizer, parameters)
        self.rate = 0.1 if arguments.optimizer == "sgd" else 0.001
        self.stream, self.out, self.steps = stream, np.zeros(BATCH), 0

    def step(self, positions):
        batch = self.batch(self.stream, positions)
        if not self.training:
            self.network.log_probs(batch, self.out)
            return -self.out.mean()
        self.steps += 1
        self.optimizer.begin_step(self.steps, self.rate)
        return self.network.step(batch, self.optimizer).mean()


class Torch:
    """The same in PyTorch: eager, compiled, with the fused linear cross-entropy, or in bfloat16 by autocast."""

    def __init__(self, arguments, stream):
        import torch

        torch.set_num_threads(arguments.threads)
        torch.manual_seed(1)
        self.torch, self.variant = torch, arguments.contender
        self.training = arguments.task == "training"
        nn = torch.nn
        self.embeddings = nn.Embedding(VOCAB_SIZE, M)
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(K * M, arguments.hidden), nn.Tanh())
        self.output = nn.Linear(arguments.hidden, VOCAB_SIZE)
        parameters = [p for part in (self.embeddings, self.body, self.output) for p in part.parameters()]
        if arguments.optimizer == "sgd":
            self.optimizer = torch.optim.SGD(parameters, lr=0.1)
        else:
            self.optimizer = torch.optim.Adam(parameters, lr=0.001, fused=True)
        self.stream = stream
        self.loss = torch.compile(self._loss) if self.variant == "torch compile" else self._loss

    def _loss(self, contexts, targets):
        functional = self.torch.nn.functional
        features = self.body(self.embeddings(contexts))
        if self.variant == "torch linear_cross_entropy":
            return functional.linear_cross_entropy(features, self.output.weight, targets, linear_bias=self.output.bias)
        return functional.cross_entropy(self.output(features), targets)

    def step(self, positions):
        torch = self.torch
        contexts = torch.from_numpy(self.stream[positions[:, None] + np.arange(-K, 0)].astype(np.int64))
        targets = torch.from_numpy(self.stream[positions].astype(np.int64))
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.variant == "torch bf16 autocast"):
            if not self.training:
                with torch.inference_mode():
                    return float(self.loss(contexts, targets))
            loss = self.loss(contexts, targets)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())


def work() -> None:
    """The contender's process: set up, then one burst of steps for each line read."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--contender", required=True)
    parser.add_argument("--task", required=True)
    parser.add_argument("--hidden", type=int, required=True)
    parser.add_argument("--optimizer", default="sgd")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--stream", required=True)
    arguments = parser.parse_args()
    stream = np.load(arguments.stream)
    contender = (Fflm if arguments.contender == "fflm" else Torch)(arguments, stream)
    positions = batches(stream)
    for line in sys.stdin:
        steps = int(line)
        begin = time.perf_counter()
        for _ in range(steps):
            loss = contender.step(next(positions))
        print(json.dumps([time.perf_counter() - begin, float(loss)]), flush=True)


class Contender:
    """A contender's process, seen from the benchmark."""

    def __init__(self, name: str, script: Path = Path(__file__), environment: dict | None = None, **options):
        flags = [part for key, value in options.items() for part in (f"--{key}", str(value))]
        command = [sys.executable, str(script), "--contender", name, *flags]
        self.name = name
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen(command, text=True, env=environment, **pipes)

    def burst(self, steps: int) -> float:
        """Seconds of `steps` steps; raises RuntimeError with the last line of its errors if the contender failed."""
        try:
            self.process.stdin.write(f"{steps}\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())[0]
        except (OSError, ValueError) as error:
            lines = self.process.stderr.read().strip().splitlines()
            raise RuntimeError(lines[-1] if lines else "no answer") from error

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def compete(rivals: list[str], rounds: int, seconds: float, **options) -> dict[str, tuple[float, float]]:
    """Median tokens/s of fflm and of each rival, and the median of the ratios fflm / rival.

    In each round every rival's burst comes right after one of fflm: a ratio compares neighbours in time, since a shared
    machine may be some per cent faster in one minute than in the next.
    """
    contenders, steps = {}, {}
    for name in ["fflm", *rivals]:
        contender = Contender(name, **options)
        try:
            contender.burst(3)  # compile, allocate
            steps[name] = max(3, round(seconds / (contender.burst(5) / 5)))
            contenders[name] = contender
        except RuntimeError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
    speeds = {name: [] for name in contenders}
    ratios = {name: [] for name in contenders if name != "fflm"}

    def burst(name):
        speeds[name].append(steps[name] * BATCH / contenders[name].burst(steps[name]))
        return speeds[name][-1]

    for _ in range(rounds):
        for name, found in ratios.items():
            found.append(burst("fflm") / burst(name))
    for contender in contenders.values():
        contender.close()
    return {name: (float(np.median(speeds[name])), float(np.median(ratios.get(name, [1.0])))) for name in speeds}


if __name__ == "__main__":
    work()
