"""The results of a forward and of a backward pass of a feedforward network, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ForwardPass:
    """z (N, units) and a = f(z) (N, units) of each layer for a batch of N examples, the first layer first.

    ``a[0]`` are the inputs, so that layer l has ``z[l]`` and ``a[l + 1]``.
    """

    z: list[np.ndarray]
    a: list[np.ndarray]


@dataclass(frozen=True)
class BackwardPass:
    """Gradients of the mean cost of a batch, the first layer first.

    ``deltas`` are dC/dz (N, units), each of the cost of one example alone; ``weights`` (units, inputs) and ``biases``
    (units,) are means over the examples; so are ``slopes`` (units,), 0 for activations without.
    """

    cost: float
    deltas: list[np.ndarray]
    weights: list[np.ndarray]
    biases: list[np.ndarray]
    slopes: list[np.ndarray]
