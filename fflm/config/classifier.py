"""The options of text classifiers: shape and training."""

from __future__ import annotations

from dataclasses import dataclass

from fflm.config.names import RULES
from fflm.config.network import activation_option
from fflm.config.options import Checked, option
from fflm.config.training import threads_option, weight_decay_option
from fflm.errors import ConfigError, option_name


@dataclass(frozen=True)
class ClassifierConfig(Checked):
    """The options of the shape of a text classifier: embeddings, pooling, hidden layers."""

    embedding_dim: int = option(64, "features per word", low=1, high=65536, metavar="M")
    pooling: str = option(
        "bag",
        "how the features of its words become those of the text: bag (of the different words, their sum over the root "
        "of their number), mean (of all words), mean-max (the mean, and beside it the maximum of each feature), window "
        "(those of the first --window words side by side)",
        choices=("bag", "mean", "mean-max", "window"),
    )
    window: int = option(5, "words of a text, with --pooling window", low=1, high=1000, metavar="N")
    bigrams: int = option(
        0,
        "pairs of neighbouring words have features too, hashed into N rows; 0 for none",
        low=0,
        high=2**26,
        metavar="N",
    )
    hidden_dims: tuple[int, ...] = option(
        (), "units of each hidden layer; several numbers make several layers, 0 none", low=1, metavar="H"
    )
    activation: str = activation_option()
    vocab_size: int = option(
        100_000, "largest vocabulary, special tokens included; the most frequent words stay", low=4, metavar="N"
    )
    min_count: int = option(1, "words seen less often in training are left out", low=1, metavar="N")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.bigrams and self.pooling == "window":
            raise ConfigError(
                f"{option_name('bigrams')} must not be given with {option_name('pooling')} window: the order of its "
                "words is known"
            )


@dataclass(frozen=True)
class ClassifierTrainConfig(Checked):
    """The options of the training of a text classifier."""

    optimizer: str = option("adamw", "update rule; adamw is adam with weight decay", choices=tuple(RULES))
    learning_rate: float | None = option(
        None,
        "step size at the start, from which it falls to 0 (default: what suits the optimizer)",
        above=0.0,
        high=1e36,
        metavar="R",
    )
    batch_size: int = option(32, "texts per step", low=1, high=8192, metavar="B")
    epochs: int = option(10, "passes over the training texts", low=0, metavar="N")
    dropout: float = option(0.0, "share of the hidden units dropped in training", low=0.0, below=1.0, metavar="P")
    embedding_dropout: float = option(
        0.5, "share of a text's features dropped in training", low=0.0, below=1.0, metavar="P"
    )
    weight_decay: float | None = weight_decay_option()
    seed: int = option(1, "seed of initialisation, order and dropout", low=0, high=2**63 - 1, metavar="S")
    threads: int | None = threads_option("as many as the batches keep busy")
