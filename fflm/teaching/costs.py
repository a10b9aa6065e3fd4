"""Costs: for each name in `config.names.COSTS` its value, one number an example, and its derivative by the outputs.

Arrays stand as (outputs, batch), as the layers' do: `a` the outputs, `z` what they were made from, `y` the targets.
Values are float64. For those with a pair, both come from z, where nothing overflows, and the derivative is dC/dz.
The lectures' examples E6 (pairs of cost and output), E7 and E8 (networks 2-1-1 and 2-2-1); see `fflm.teaching`.

>>> a, y = np.array([[0.5, 1.0], [0.0, 3.0]]), np.array([[0.0, 1.0], [0.0, 1.0]])
>>> quadratic(a, a, y).tolist(), squared(a, a, y).tolist(), absolute(a, a, y).tolist()
([0.125, 2.0], [0.25, 4.0], [0.25, 1.0])
>>> cross_entropy(np.array([[1000.0, 0.0]]), None, np.array([[0.0, 1.0]])).round(4).tolist()
[1000.0, 0.6931]
>>> log_likelihood(np.array([[0.0], [0.0]]), None, np.array([[1.0], [0.0]])).round(4).tolist()
[0.6931]
"""

from __future__ import annotations

import numpy as np

from fflm.config.names import COSTS
from fflm.errors import ConfigError


def quadratic(z: np.ndarray, a: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Compute the sum of (a - y)^2 / 2."""
    return np.asarray(0.5 * ((a.astype(np.float64) - y) ** 2).sum(axis=0))


def quadratic_gradient(a: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Compute dC/da."""
    return np.asarray(a - y)


def squared(z: np.ndarray, a: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Compute the sum of (a - y)^2."""
    return np.asarray(((a.astype(np.float64) - y) ** 2).sum(axis=0))


def squared_gradient(a: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Compute dC/da."""
    return np.asarray(2.0 * (a - y))


def absolute(z: np.ndarray, a: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Compute the mean of |a - y|."""
    return np.asarray(np.abs(a.astype(np.float64) - y).mean(axis=0))


def absolute_gradient(a: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Compute dC/da, which is 0 where a = y."""
    return np.asarray(np.sign(a - y) / len(a))


def cross_entropy(z: np.ndarray, a: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Compute -sum of y ln a + (1 - y) ln(1 - a), with a = 1 / (1 + e^-z): sum of ln(1 + e^z) - y z."""
    z = z.astype(np.float64)
    return np.asarray((np.maximum(z, 0.0) - y * z + np.log1p(np.exp(-np.abs(z)))).sum(axis=0))


def cross_entropy_gradient(a: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Compute dC/dz."""
    return np.asarray(a - y)


def log_likelihood(z: np.ndarray, a: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Compute -sum of y ln a, with a = softmax(z)."""
    z = z.astype(np.float64)
    peak = z.max(axis=0)
    return np.asarray((y * (peak + np.log(np.exp(z - peak).sum(axis=0)) - z)).sum(axis=0))


def log_likelihood_gradient(a: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Compute dC/dz, for y that adds up to 1."""
    return np.asarray(a - y)


def check_targets(cost: str, y: np.ndarray) -> None:
    """Raise ConfigError if targets y (N, outputs) make no sense for a cost."""
    if COSTS[cost].pair is not None and ((y < 0.0).any() or (y > 1.0).any()):
        raise ConfigError(f"targets of the cost {cost} must be from 0 to 1, got {y.min():g} to {y.max():g}")
    if cost == "log-likelihood":
        sums = y.sum(axis=1)
        if np.abs(sums - 1.0).max() > 1e-5:
            worst = int(np.abs(sums - 1.0).argmax())
            raise ConfigError(f"targets of the cost {cost} must add up to 1, those of row {worst} to {sums[worst]:g}")
