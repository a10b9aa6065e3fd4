"""The plan of a run: the sizes of the network, its dropout and its learning rate, where the user does not say.

A large network needs many passes over the text, or as many tokens of a long one; where there is time for a few, a small
one gets further. `SIZES` says from where on each size is taken, and how much it is then to be regularised. The figures
were chosen on validation texts, of Brown and stdlib; those of the last two sizes, with one seed, on stdlib's alone and
on Brown's alone: the shorter text wants more dropout; those for characters on that of tinyshakespeare alone. The plan
takes the largest network that gets so far in the time there is, at the speed of this machine's matrix product.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any

from fflm.config import ModelConfig, TrainConfig
from fflm.nn.outputs.sampled import sample_size
from fflm.training.time_budget import LEAST_TRAINING

EFFICIENCY = 0.6  # of the speed of the product that the products of a training step keep
FLOPS = 6  # for each weight of a layer and each token: a product forward, two backward
OVERHEAD = 12e-6  # seconds a token that are no products: gathering and updating rows; 6e-6 to 23e-6 were measured
SMALL_TEXT = 20_000  # tokens, under which a text gets one small bag and no pairs
LARGEST_PAIRS = 200_003
THREE_BAGS, TWO_BAGS = (0.7, 0.95, 1.0), (0.8, 0.98)
#: Without a limit the plan is for so many seconds at so many operations per second, the same on every machine.
UNLIMITED = 1200.0, 1.5e11


@dataclass(frozen=True, kw_only=True)
class Size:
    """A size of network, and the text and time that it is for.

    Attributes
    ----------
    tokens : int
        The shortest training text.
    passes : float
        The fewest passes over the training text ...
    seen : float
        ... or the fewest tokens in all passes together, which are fewer passes over a long text.
    epochs : int
        The most passes that are planned.
    tied : bool
        Whether the output weights are the embeddings.
    exact_share : float
        The share of a run that uses the exact softmax, where the rest is made on samples.
    """

    tokens: int
    passes: float
    seen: float
    epochs: int
    context_size: int
    bag_decays: tuple[float, ...]
    embedding_dim: int
    hidden_dims: tuple[int, ...]
    activation: str
    batch_size: int
    dropout: float
    embedding_dropout: float
    pair_dropout: float
    learning_rate: float
    tied: bool
    exact_share: float

    def tokens_per_second(self, vocab_size: int, flops: float) -> float:
        """Estimate the speed of training, from the speed of the product in floating-point operations per second."""
        m, layers = self.embedding_dim, self.hidden_dims
        hidden = layers[0] * m * (self.context_size + len(self.bag_decays) + 1)
        hidden += sum(below * units for below, units in pairwise(layers))
        hidden += layers[-1] * m if self.tied and m != layers[-1] else 0
        words = min(vocab_size, sample_size(vocab_size) + self.batch_size // 2)  # the sample, and targets outside it
        output = m if self.tied else layers[-1]
        seconds = FLOPS / (EFFICIENCY * flops)
        sampled = 1.0 / (seconds * (hidden + output * words) + OVERHEAD)
        exact = 1.0 / (seconds * (hidden + output * vocab_size) + OVERHEAD)
        return (1.0 - self.exact_share) * sampled + self.exact_share * exact  # shares of the time


SMALL: dict[str, Any] = {
    **{
        "passes": 0.0,
        "seen": 0.0,
        "epochs": 12,
        "bag_decays": (1.0,),
        "activation": "tanh",
        "tied": False,
        "exact_share": 0.15,
    },
    **{"dropout": 0.2, "embedding_dropout": 0.1, "pair_dropout": 0.5, "learning_rate": 0.003},
}
LARGE: dict[str, Any] = {"tokens": 100_000, "batch_size": 256, "tied": True, "learning_rate": 0.002}
WIDE: dict[str, Any] = LARGE | {"epochs": 6, "activation": "relu", "embedding_dim": 192, "hidden_dims": (1024,)}
#: From the smallest to the largest.
SIZES = (
    Size(**SMALL | {"tokens": 0, "context_size": 3, "embedding_dim": 24, "hidden_dims": (32,), "batch_size": 32}),
    Size(
        **SMALL
        | {"tokens": SMALL_TEXT, "context_size": 4, "bag_decays": THREE_BAGS}
        | {"embedding_dim": 48, "hidden_dims": (64,), "batch_size": 128}
    ),
    Size(
        **SMALL
        | {"tokens": 100_000, "context_size": 5, "bag_decays": THREE_BAGS}
        | {"embedding_dim": 64, "hidden_dims": (128,), "batch_size": 256, "dropout": 0.1, "embedding_dropout": 0.05}
    ),
    Size(
        **LARGE
        | {"passes": 3.0, "seen": 2.8e6, "epochs": 5, "context_size": 6, "bag_decays": THREE_BAGS, "activation": "tanh"}
        | {"embedding_dim": 200, "hidden_dims": (200,), "exact_share": 0.15}
        | {"dropout": 0.3, "embedding_dropout": 0.15, "pair_dropout": 0.5}
    ),
    Size(
        **WIDE
        | {"passes": 3.4, "seen": 4.6e6, "context_size": 3, "bag_decays": THREE_BAGS, "exact_share": 0.1}
        | {"dropout": 0.5, "embedding_dropout": 0.25, "pair_dropout": 0.6}
    ),
    Size(
        **WIDE
        | {"tokens": 600_000, "passes": 5.0, "seen": 4.6e6, "context_size": 4, "bag_decays": TWO_BAGS}
        | {"exact_share": 0.3, "dropout": 0.4, "embedding_dropout": 0.2, "pair_dropout": 0.7, "learning_rate": 0.0015}
    ),
)
#: The same for texts of characters, which need longer contexts, and layers that make words of them.
CHARACTERS: dict[str, Any] = SMALL | {"activation": "relu", "bag_decays": (0.95,), "exact_share": 1.0}
CHARACTER_SIZES = (
    Size(
        **CHARACTERS | {"tokens": 0, "context_size": 8, "embedding_dim": 24, "hidden_dims": (128, 64), "batch_size": 64}
    ),
    Size(
        **CHARACTERS
        | {"tokens": 300_000, "epochs": 6, "context_size": 12, "embedding_dim": 32, "hidden_dims": (512, 256)}
        | {"batch_size": 256, "dropout": 0.1, "embedding_dropout": 0.0, "learning_rate": 0.002}
    ),
)
CHARACTER_ORDER = 7  # of their n-gram models
KEPT = ("learning_rate", "run_length", "softmax")  # what a resumed run takes from its beginning too
PLANNED = [item.name for kind in (ModelConfig, TrainConfig) for item in fields(kind) if item.metadata["planned"]]


def make_plan(
    tokens: int,
    vocab_size: int,
    seconds: float = UNLIMITED[0],
    epochs: float = math.inf,
    flops: float = UNLIMITED[1],
    characters: bool = False,
) -> dict[str, Any]:
    """Choose the options in `PLANNED`, and the learning rate of adamw.

    Parameters
    ----------
    tokens, vocab_size : int
        Sizes of the training text and of the vocabulary.
    seconds : float
        Time for training.
    epochs : float
        The most passes over the text.
    flops : float
        Speed of the matrix product on all workers, in floating-point operations per second.
    characters : bool
        Whether the tokens are characters.

    Examples
    --------
    >>> plan = make_plan(600_000, 8_000, seconds=20.0, flops=1e11)
    >>> plan["hidden_dims"], plan["embedding_dim"], plan["pairs"], plan["epochs"]
    ((128,), 64, 200003, 12)
    """
    sizes = CHARACTER_SIZES if characters else SIZES
    chosen = sizes[0]
    for size in sizes:
        seen = min(epochs * tokens, seconds * size.tokens_per_second(vocab_size, flops))
        if tokens >= size.tokens and seen >= min(size.passes * tokens, size.seen):
            chosen = size
    small = tokens < SMALL_TEXT
    plan = {name: getattr(chosen, name) for name in [*PLANNED, "learning_rate"] if hasattr(chosen, name)}
    plan |= {"bag_size": 30 if small else 100, "pairs": 0 if small else min(LARGEST_PAIRS, tokens // 2)}
    return plan | {"ngram_order": CHARACTER_ORDER if characters else TrainConfig.ngram_order}


def training_seconds(seconds: float, held_out: int, vocab_size: int, flops: float) -> float:
    """Estimate what is left of some seconds for training, when `held_out` tokens have to be evaluated too."""
    evaluation = held_out * 2 * SIZES[-1].embedding_dim * vocab_size / (EFFICIENCY * flops)
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
    if shape.direct or config.freeze_vectors or "hidden_dims" in given:
        planned.pop("tied", None)
    if "hidden_dims" in given:
        planned.pop("activation", None)
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
    activation = "" if shape.activation == "tanh" else f" ({shape.activation})"
    softmax = "a sampled softmax, exact at the end" if sampled else "the exact softmax"
    length = "" if config.minutes is None else f"{_number(config.minutes, 'minute')} or "
    rate = "" if config.learning_rate is None else f", learning rate {config.learning_rate:g}"
    units = f"{' and '.join(map(str, shape.hidden_dims)) or 'no'} hidden units"
    return (
        f"context {shape.context_size}{bags if shape.bag_size else ''}{pairs}, {shape.embedding_dim} features, "
        f"{units}{activation}{tied}, {softmax}, dropout {config.dropout:g} and {config.embedding_dropout:g}{rate}, "
        f"batches of {config.batch_size}, {length}{_number(config.epochs, 'epoch')} of {tokens:,} tokens"
    )


def _number(count: float, what: str) -> str:
    return f"{count:g} {what}{'' if count == 1 else 's'}"
