"""The options of adaptation: a model follows the text that it reads, and its file stays as it is."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from fflm.config.options import Checked, option
from fflm.errors import ConfigError, option_name

#: Chosen on validation text: of the Brown corpus for tanh units, `CLIP_NORM` of WikiText-2 for a wide layer of ReLU.
RATE, SEGMENT, CLIP_NORM, THETA, WEIGHT = 0.1, 32, 2.0, 12.0, 0.2
LARGEST_THETA = 300.0  # e^(-2 theta) is still a number


@dataclass(frozen=True)
class DynamicConfig(Checked):
    """Dynamic evaluation of the networks of a model (see `fflm.lm.dynamic`)."""

    dynamic: bool = option(
        False,
        "dynamic evaluation: a copy of the network goes on learning from the words that it has scored (3 times the "
        "arithmetic, about 5 times as long); after a break into unrelated text it begins anew",
    )
    dynamic_rate: float | None = option(
        None, f"learning rate of dynamic evaluation, by plain SGD (default: {RATE})", above=0.0, high=1e36, metavar="R"
    )
    dynamic_segment: int | None = option(
        None, f"words of each step of dynamic evaluation (default: {SEGMENT})", low=1, high=8192, metavar="W"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        _needs(self, "dynamic", "add it")


@dataclass(frozen=True)
class NeuralCacheConfig(Checked):
    """A cache of the network's features as a part of a mixture (see `fflm.lm.neural_cache`)."""

    neural_cache: int | None = option(
        None,
        "add a continuous cache of the first network: words among the last N count by how similar their contexts "
        "were, to the network, to this one",
        low=1,
        high=100_000,
        metavar="N",
    )
    neural_cache_theta: float | None = option(
        None,
        f"how much similarity counts in the continuous cache; 0: not at all (default: {THETA:g}; mix: fitted)",
        low=0.0,
        high=LARGEST_THETA,
        metavar="THETA",
    )
    neural_cache_weight: float | None = option(
        None,
        f"weight of the continuous cache in the mixture with the model (default: {WEIGHT}); mix fits it",
        above=0.0,
        below=1.0,
        metavar="P",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        _needs(self, "neural_cache", "give the size of the cache")


def _needs(config: Any, main: str, do: str) -> None:
    """Raise ConfigError if an option is given without the main one of its configuration."""
    for item in fields(config):
        if item.name != main and getattr(config, item.name) is not None and not getattr(config, main):
            raise ConfigError(f"{option_name(item.name)} must not be given without {option_name(main)}; {do}")
