"""Random draws of one step: numbers that are computed from the seed and the step, so that nothing has to be kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Draws:
    """The random numbers of one training step; evaluation uses none.

    Attributes
    ----------
    seed : int
    step : int
        Steps before this one.
    sampled : bool
        Whether the output layer may compute its loss over a sample of the vocabulary (see `fflm.nn.outputs.sampled`).

    Examples
    --------
    >>> int(Draws(1, 0).key(0)), int(Draws(1, 1).key(0))
    (2065550767, 3890710194)
    """

    seed: int
    step: int
    sampled: bool = False

    def key(self, place: int) -> np.uint32:
        """Compute a hash (the finaliser of SplitMix64) for one place in the network.

        The inputs are place 0, layers follow, the output layer is -1.
        """
        x = (self.seed * 0x9E3779B97F4A7C15 + self.step * 0xD1B54A32D192ED03 + place * 0x8CB92BA72F3D8DD7) % 2**64
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
        return np.uint32((x ^ (x >> 31)) & 0xFFFFFFFF)
