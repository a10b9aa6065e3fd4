"""Checks of a user's arguments of a network: its shape, examples and targets, returned as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fflm.config.names import ACTIVATIONS, COSTS, RULES
from fflm.config.options import is_flag, is_number, is_whole
from fflm.errors import ConfigError
from fflm.teaching.costs import check_targets

LARGEST = 1e36  # of single precision's 3e38


def checked_sizes(layer_sizes: object) -> list[int]:
    """Return the number of inputs and the units of each layer, checked.

    Raises
    ------
    ConfigError
        If they are not two or more numbers of at least 1.
    """
    sizes = list(layer_sizes) if isinstance(layer_sizes, (list, tuple, np.ndarray)) else []
    if len(sizes) < 2 or not all(is_whole(size) and int(size) >= 1 for size in sizes):
        raise ConfigError(f"layer_sizes must be two or more whole numbers of at least 1, got {layer_sizes!r}")
    return [int(size) for size in sizes]


def checked_activations(activations: object, cost: str, count: int) -> list[str]:
    """Return the activation of each of `count` layers.

    Raises
    ------
    ConfigError
        If a name is unknown, there are not as many, or the last one does not go with the cost.
    """
    if isinstance(activations, str):
        activations = [activations] * count
    if not isinstance(activations, (list, tuple)) or not all(isinstance(name, str) for name in [*activations, cost]):
        raise ConfigError(f"activations and cost must be names, got {activations!r} and {cost!r}")
    names = list(activations)
    if len(names) != count:
        raise ConfigError(f"activations must be one name, or one for each of {count} layers, got {len(names)}")
    for name in names:
        if name not in ACTIVATIONS:
            raise ConfigError(f"activations must be among {', '.join(ACTIVATIONS)}, got {name!r}")
    for name in names[:-1]:
        if ACTIVATIONS[name].joint:
            raise ConfigError(f"{name} is for the last layer only")
    if cost not in COSTS:
        raise ConfigError(f"cost must be one of {', '.join(COSTS)}, got {cost!r}")
    pair = COSTS[cost].pair
    if pair is not None and names[-1] != pair:
        raise ConfigError(f"the cost {cost} needs {pair} outputs, got {names[-1]}")
    return names


def check_number(name: str, number: Any, low: float, whole: bool = False) -> None:
    """Raise ConfigError unless an option is a finite number, or a whole one, of at least `low`."""
    right = is_whole(number) if whole else is_number(number)
    if not right or not low <= number <= LARGEST:
        kind = "a whole number" if whole else "a number"
        raise ConfigError(f"{name} must be {kind} of at least {low:g}, got {number!r}")


def check_flag(name: str, flag: object) -> None:
    """Raise ConfigError unless an option is True or False."""
    if not is_flag(flag):
        raise ConfigError(f"{name} must be True or False, got {flag!r}")


def check_training(optimizer: object, epochs: object, batch_size: object, decrease: object) -> None:
    """Raise ConfigError unless a network can be trained with these options."""
    if not isinstance(optimizer, str) or optimizer not in RULES:
        raise ConfigError(f"optimizer must be one of {', '.join(RULES)}, got {optimizer!r}")
    check_number("epochs", epochs, 0, whole=True)
    check_number("batch_size", batch_size, 1, whole=True)
    check_number("decrease", decrease, 0.0)


def examples(X: ArrayLike, inputs: int) -> np.ndarray:
    """Return the examples X as (N, inputs) float32.

    Raises
    ------
    ConfigError
        If it is none.
    """
    x = _numbers("X", X)
    if x.ndim != 2 or x.shape[1] != inputs:
        raise ConfigError(f"X must be (examples, {inputs}), got {_shape(x)}")
    return x


def targets(Y: ArrayLike, count: int, outputs: int, cost: str) -> np.ndarray:
    """Return targets (N, outputs), numbers (N,) for one output, or classes (N,), as (outputs, N) float32.

    Raises
    ------
    ConfigError
        If they are none, or make no sense for the cost.
    """
    y = _numbers("Y", Y)
    if y.ndim == 1 and cost == "log-likelihood":
        classes = y.astype(np.int64)
        if (classes != y).any() or (classes < 0).any() or (classes >= outputs).any():
            raise ConfigError(f"classes in Y must be whole numbers from 0 to {outputs - 1}")
        y = np.eye(outputs, dtype=np.float32)[classes]
    elif y.ndim == 1 and outputs == 1:
        y = y[:, None]
    if y.shape != (count, outputs):
        raise ConfigError(f"Y must be ({count}, {outputs}), a row for each of X, got {_shape(y)}")
    check_targets(cost, y)
    return np.ascontiguousarray(y.T)


def _numbers(name: str, values: ArrayLike) -> np.ndarray:
    try:
        array = np.asarray(values, np.float64)
    except (ValueError, TypeError, OverflowError):
        raise ConfigError(f"{name} must be numbers in rows of equal lengths") from None
    if array.size == 0:
        raise ConfigError(f"{name} must not be empty")
    if not (np.abs(array) <= LARGEST).all():
        raise ConfigError(f"{name} must be finite numbers, none above {LARGEST:g}")
    return array.astype(np.float32)


def _shape(array: np.ndarray) -> str:
    return "(" + ", ".join(map(str, array.shape)) + ")"
