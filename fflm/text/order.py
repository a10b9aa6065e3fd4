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
    """The order of one epoch: runs of neighbouring places in shuffled order; see `Order`.

    It is a permutation that is computed where it is asked for and never stored. The text is cut into runs from another
    place on in each epoch, and read on from its beginning; what is left over after the last whole run comes last.

    Parameters
    ----------
    size : int
        How many places there are.
    seed, epoch : int
        The number of the permutation; each epoch has another one.
    run : int
        Places of a run; 1 shuffles single places.

    Examples
    --------
    >>> order, out = ShuffledOrder(5, seed=1, epoch=0), np.empty(5, np.int64)
    >>> order.places(0, out)
    >>> sorted(out.tolist())
    [0, 1, 2, 3, 4]
    >>> ShuffledOrder(5, seed=1, epoch=0, run=2).places(0, out)
    >>> out.tolist()
    [4, 0, 2, 3, 1]
    """

    def __init__(self, size: int, seed: int, epoch: int, run: int = 1):
        self.size, self.run = size, max(1, min(run, size))
        self.keys = np.random.SeedSequence([seed, epoch]).generate_state(SHUFFLE_ROUNDS)
        self.begin = 0 if self.run == 1 else int(self.keys[0]) % size

    def places(self, first: int, out: np.ndarray) -> None:
        """Write what stands at ``first``, ``first + 1`` ... of the order into out (B,) int64."""
        if self.run == 1:
            shuffle.shuffled(out, first, self.size, self.keys)
            return
        whole = self.size // self.run
        numbers = np.arange(first, first + len(out))
        asked = numbers // self.run
        runs = np.empty(int(asked[-1] - asked[0]) + 1 if len(out) else 0, np.int64)
        inside = runs[: max(0, whole - int(asked[0]))] if len(out) else runs
        shuffle.shuffled(inside, int(asked[0]) if len(out) else 0, whole, self.keys)
        runs[len(inside) :] = whole
        out[:] = (runs[asked - asked[0]] * self.run + numbers % self.run + self.begin) % self.size
