"""Dropout of one layer in one step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Drop:
    """Dropout of one layer in one step: the rate and the key that the mask is a hash of."""

    rate: float
    key: np.uint32


def dropout_key(seed: int, step: int, layer: int) -> np.uint32:
    """A well mixed number for the dropout of one layer in one step (the finaliser of SplitMix64)."""
    x = (seed * 0x9E3779B97F4A7C15 + step * 0xD1B54A32D192ED03 + layer * 0x8CB92BA72F3D8DD7) % 2**64
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
    return np.uint32((x ^ (x >> 31)) & 0xFFFFFFFF)


def drops_of_step(rates: list[float], seed: int, step: int) -> list[Drop | None]:
    """The dropout of each layer in one step, by the layers' rates; None where nothing is dropped."""
    return [Drop(rate, dropout_key(seed, step, layer)) if rate > 0.0 else None for layer, rate in enumerate(rates)]
