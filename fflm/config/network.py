"""The options of the shape of a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fflm.config.names import ACTIVATIONS
from fflm.config.options import Checked, option
from fflm.errors import ConfigError, option_name


def activation_option(planned: bool = False) -> Any:
    """Make the option `activation`, shared by network and classifier."""
    return option(
        "tanh",
        "nonlinearity of the hidden layers; the slope of prelu is learned, one for each unit",
        choices=tuple(name for name, activation in ACTIVATIONS.items() if not activation.joint),
        planned=planned,
    )


@dataclass(frozen=True)
class ModelConfig(Checked):
    """Shape of the network; with the size of the vocabulary it fixes every array."""

    context_size: int = option(8, "words of context (the paper's n - 1)", low=1, high=1000, metavar="K", planned=True)
    bag_size: int = option(
        100,
        "words before these, whose features are added up without their order, so that the network knows what the text "
        "is about; 0 for the paper's network",
        low=0,
        high=10_000,
        metavar="N",
        planned=True,
    )
    bag_decays: tuple[float, ...] = option(
        (1.0,),
        "one sum of these words for each of these numbers, in which a word weighs so much less than the word after it; "
        "1: all weigh the same",
        above=0.0,
        high=1.0,
        metavar="A",
        planned=True,
    )
    pairs: int = option(
        0,
        "the pair of the last two words has features too, hashed into N rows; 0 for none",
        low=0,
        high=2**26,
        metavar="N",
        planned=True,
    )
    embedding_dim: int = option(160, "features per word (the paper's m)", low=1, high=65536, metavar="M", planned=True)
    hidden_dims: tuple[int, ...] = option(
        (300,),
        "units of each hidden layer (the paper's h); several numbers make several layers, 0 none",
        low=1,
        metavar="H",
        planned=True,
    )
    activation: str = activation_option(planned=True)
    direct: bool = option(False, "add direct connections from the embeddings to the output (the paper's W)")

    tied: bool = option(
        False,
        "the output weights are the embeddings (Press and Wolf 2017); where the last hidden layer has other than "
        "as many units as a word has features, a linear projection onto so many follows it",
        planned=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.bag_decays:
            raise ConfigError(
                f"{option_name('bag_decays')} must not be empty, got (); give {option_name('bag_size')} 0"
            )
        if not self.hidden_dims and not self.direct:  # the paper's h = 0 is for direct connections alone
            raise ConfigError(
                f"{option_name('hidden_dims')} must not be empty without direct connections, got (); "
                f"add {option_name('direct')}"
            )
