"""The options of n-gram models, of those that approximate other models, and of the cache of a mixture."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from fflm.config.options import Checked, option
from fflm.errors import ConfigError, option_name


@dataclass(frozen=True)
class NgramConfig(Checked):
    """The order and the smoothing of an n-gram model."""

    order: int | None = option(
        None, "words of the longest n-grams (default: 5; interpolated: 3)", low=1, high=10, metavar="N"
    )
    smoothing: str = option(
        "kneser-ney",
        "kneser-ney (interpolated, modified), or interpolated: relative frequencies of all orders, their weights "
        "fitted on the validation text by how often the context was seen, as in the paper",
        choices=("kneser-ney", "interpolated"),
    )
    prune: tuple[int, ...] = option(
        (),
        "kneser-ney: leave out n-grams that occur at most so often, a count for 1, 2 ... words, the last one for all "
        "longer n-grams too: 0 0 1 leaves out those of 3 and more words that occur once",
        low=0,
        high=2**31 - 1,
        metavar="COUNT",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.order is None:
            object.__setattr__(self, "order", 3 if self.smoothing == "interpolated" else 5)
        if self.order == 1 and self.smoothing == "interpolated":
            raise ConfigError(f"{option_name('order')} must be at least 2 for interpolated smoothing, got 1")
        check_prune(self.prune, self.order)
        if any(self.prune) and self.smoothing == "interpolated":
            raise ConfigError(
                f"{option_name('prune')} must not be given with interpolated smoothing; leave it out, or take "
                "kneser-ney"
            )


def check_prune(prune: tuple[int, ...], order: int | None) -> None:
    """Raise ConfigError unless counts up to which n-grams are left out keep the words and every part of an n-gram."""
    got = f"got {' '.join(map(str, prune))}"
    if prune and prune[0] != 0:
        raise ConfigError(f"{option_name('prune')} must begin with 0, as no word is left out, {got}")
    if any(longer < shorter for shorter, longer in pairwise(prune)):
        raise ConfigError(f"{option_name('prune')} must not fall from one order to the next, {got}")
    if order is not None and len(prune) > order:
        raise ConfigError(f"{option_name('prune')} must have at most one count for each of {order} orders, {got}")


@dataclass(frozen=True)
class ApproximationConfig(Checked):
    """The n-gram model that stands in for another model, such as a network."""

    order: int = option(3, "words of the longest n-grams", low=1, high=10, metavar="N")
    ngrams: int = option(
        1_000_000,
        "the most n-grams of all orders together; those without which the model changes least are left out",
        low=1,
        metavar="N",
    )


@dataclass(frozen=True)
class CacheConfig(Checked):
    """A cache as a part of a mixture."""

    cache: int | None = option(
        None, "add a cache: the shares of the last N words of the text", low=1, high=100_000, metavar="N"
    )
    cache_half_life: float | None = option(
        None, "in the cache, a word N words back weighs half (default: all weigh the same)", above=0.0, metavar="N"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cache_half_life is not None and self.cache is None:
            raise ConfigError(
                f"{option_name('cache_half_life')} must not be given without {option_name('cache')}; "
                "give the size of the cache"
            )
