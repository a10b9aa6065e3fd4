"""The order in which training visits the places of a text."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from fflm.kernels import shuffle

SHUFFLE_ROUNDS = 6


class Order(Protocol):
    """An order of the places 0 .. size-1, each of which comes once.

    Attributes
    ----------
    size : int
    """

    size: int

    def places(self, first: int, out: np.ndarray) -> None:
        """Write what stands at ``first``, ``first + 1`` ... of the order into out (B,) int64, all below `size`."""


class ShuffledOrder:
    """The order of one epoch: a permutation that is computed where it is asked for and never stored; see `Order`.

    Parameters
    ----------
    size : int
        How many places there are.
    seed, epoch : int
        The number of the permutation; each epoch has another one.

    Examples
    --------
    >>> order, out = ShuffledOrder(5, seed=1, epoch=0), np.empty(5, np.int64)
    >>> order.places(0, out)
    >>> sorted(out.tolist())
    [0, 1, 2, 3, 4]
    """

    def __init__(self, size: int, seed: int, epoch: int):
        self.size = size
        self.keys = np.random.SeedSequence([seed, epoch]).generate_state(SHUFFLE_ROUNDS)

    def places(self, first: int, out: np.ndarray) -> None:
        """Write what stands at ``first``, ``first + 1`` ... of the order into out (B,) int64."""
        shuffle.shuffled(out, first, self.size, self.keys)
