"""The plan of a run: the sizes of the network, its dropout and its learning rate, where the user does not say.

A large network needs many passes over much text; where there is time for a few, a small one gets further. `SIZES` says
from how many passes over the training text on each size is best, and how much it is then to be regularised. The figures
were chosen on validation texts, of Brown and stdlib. The plan takes the largest network that can make its passes in the
time there is, at the speed of this machine's matrix product.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from fflm.config import ModelConfig, TrainConfig
from fflm.nn.outputs.sampled import sample_size
from fflm.training.time_budget import LEAST_TRAINING

EFFICIENCY = 0.45  # of the speed of the product that a sampled training step keeps, everything included
FLOPS = 6  # for each weight of a layer and each token: a product forward, two backward
DECAYS = (0.7, 0.95, 1.0)
SMALL_TEXT = 20_000  # tokens, under which a text gets one small bag and no pairs
LARGEST_PAIRS = 200_003


@dataclass(frozen=True)
class Size:
    """A size of network, and the text and time that it is for.

    Attributes
    ----------
    tokens : int
        The shortest training text.
    passes : float
        The fewest passes over the training text.
    tied : bool
        Whether the output weights are the embeddings.
    """

    tokens: int
    passes: float
    context_size: int
    embedding_dim: int
    hidden_dims: tuple[int]
    batch_size: int
    dropout: float
    embedding_dropout: float
    pair_dropout: float
    learning_rate: float
    tied: bool = False

    def tokens_per_second(self, vocab_size: int, flops: float) -> float:
        """Estimate the speed of training, from the speed of the product in floating-point operations per second."""
        width = (self.context_size + len(DECAYS) + 1) * self.embedding_dim
        words = min(vocab_size, sample_size(vocab_size) + self.batch_size // 2)  # the sample, and targets outside it
        return EFFICIENCY * flops / (FLOPS * self.hidden_dims[0] * (width + words))


#: From the smallest to the largest.
SIZES = (
    Size(0, 0.0, 3, 24, (32,), 32, 0.2, 0.1, 0.5, 0.003),
    Size(SMALL_TEXT, 0.0, 4, 48, (64,), 128, 0.2, 0.1, 0.5, 0.003),
    Size(100_000, 0.0, 5, 64, (128,), 256, 0.1, 0.05, 0.5, 0.003),
    Size(100_000, 3.0, 6, 200, (200,), 256, 0.3, 0.15, 0.5, 0.002, tied=True),
    Size(100_000, 10.0, 6, 256, (256,), 256, 0.5, 0.2, 0.7, 0.002, tied=True),
)
KEPT = ("learning_rate", "run_length", "softmax")  # what a resumed run takes from its beginning too
PLANNED = [item.name for kind in (ModelConfig, TrainConfig) for item in fields(kind) if item.metadata["planned"]]


def make_plan(tokens: int, vocab_size: int, seconds: float, epochs: int, flops: float) -> dict[str, Any]:
    """Choose the options in `PLANNED`, and the learning rate of adamw.

    Parameters
    ----------
    tokens, vocab_size : int
        Sizes of the training text and of the vocabulary.
    seconds : float
        Time for training; infinite without a limit.
    epochs : int
        The most passes over the text.
    flops : float
        Speed of the matrix product on all workers, in floating-point operations per second.

    Examples
    --------
    >>> plan = make_plan(600_000, 8_000, seconds=20.0, epochs=12, flops=1e11)
    >>> plan["hidden_dims"], plan["embedding_dim"], plan["pairs"]
    ((128,), 64, 200003)
    """
    chosen = SIZES[0]
    for size in SIZES:
        passes = min(epochs, seconds * size.tokens_per_second(vocab_size, flops) / max(1, tokens))
        if tokens >= size.tokens and passes >= size.passes:
            chosen = size
    small = tokens < SMALL_TEXT
    plan = {name: getattr(chosen, name) for name in [*PLANNED, "learning_rate"] if hasattr(chosen, name)}
    return plan | {
        "bag_size": 30 if small else 100,
        "bag_decays": (1.0,) if small else DECAYS,
        "pairs": 0 if small else min(LARGEST_PAIRS, tokens // 2),
    }


def training_seconds(seconds: float, held_out: int, vocab_size: int, flops: float) -> float:
    """Estimate what is left of some seconds for training, when `held_out` tokens have to be evaluated too."""
    evaluation = held_out * 2 * SIZES[-1].hidden_dims[0] * vocab_size / (EFFICIENCY * flops)
    return max(LEAST_TRAINING * seconds, 0.95 * seconds - evaluation)


def with_plan(
    shape: ModelConfig, config: TrainConfig, given: dict[str, Any], plan: dict[str, Any]
) -> tuple[ModelConfig, TrainConfig]:
    """Return the configurations with what is planned in place of what was not given."""
    planned = {name: value for name, value in plan.items() if name not in given}
    if not config.optimizer.startswith("adam"):
        planned.pop("learning_rate", None)  # each rule has its own
    if config.vectors is not None:
        planned.pop("embedding_dim", None)
    options = asdict(shape) | asdict(config) | planned
    if given.get("tied") and "hidden_dims" not in given:
        planned["hidden_dims"] = (options["embedding_dim"],)
    elif options["direct"] or options["freeze_vectors"] or [*options["hidden_dims"]][-1:] != [options["embedding_dim"]]:
        planned.pop("tied", None)
    names = {item.name for item in fields(ModelConfig)}
    of_shape = {name: value for name, value in planned.items() if name in names}
    of_training = {name: value for name, value in planned.items() if name not in names}
    return replace(shape, **of_shape), replace(config, **of_training)


def planned_before(described: dict[str, Any]) -> dict[str, Any]:
    """Return the plan of a run that is resumed, from the options that it was begun with."""
    return {name: described[name] for name in [*PLANNED, *KEPT] if name in described}


def say_plan(shape: ModelConfig, config: TrainConfig, tokens: int, sampled: bool) -> str:
    """Describe the plan in one line."""
    bags = f", {len(shape.bag_decays)} bag{'s' * (len(shape.bag_decays) > 1)} of {shape.bag_size}"
    pairs = f", {shape.pairs:,} rows of word pairs" if shape.pairs else ""
    tied = ", output weights tied to the embeddings" if shape.tied else ""
    softmax = "a sampled softmax, exact at the end" if sampled else "the exact softmax"
    length = "" if config.minutes is None else f"{_number(config.minutes, 'minute')} or "
    rate = "" if config.learning_rate is None else f", learning rate {config.learning_rate:g}"
    units = f"{' and '.join(map(str, shape.hidden_dims)) or 'no'} hidden units"
    return (
        f"context {shape.context_size}{bags if shape.bag_size else ''}{pairs}, {shape.embedding_dim} features, "
        f"{units}{tied}, {softmax}, dropout {config.dropout:g} and {config.embedding_dropout:g}{rate}, "
        f"batches of {config.batch_size}, {length}{_number(config.epochs, 'epoch')} of {tokens:,} tokens"
    )


def _number(count: float, what: str) -> str:
    return f"{count:g} {what}{'' if count == 1 else 's'}"
