"""Optimisers: one table of update rules, and the state each keeps for every parameter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fflm.kernels import embeddings as rows
from fflm.kernels import updates
from fflm.nn.parameters import Parameters


@dataclass(frozen=True)
class Rule:
    """An update rule: its kernel, how many averages it keeps, its constants, usual learning rate and weight decay."""

    update: Callable
    states: int
    constants: tuple[float, ...]
    learning_rate: float
    weight_decay: float = 0.0


RULES = {
    "sgd": Rule(updates.sgd, 0, (), 0.5),
    "momentum": Rule(updates.momentum, 1, (0.9,), 0.1),
    "adagrad": Rule(updates.adagrad, 1, (1e-10,), 0.05),
    "adam": Rule(updates.adam, 2, (0.9, 0.999, 1e-8), 0.001, 0.1),
}

NO_STATE = np.zeros(0, np.float32)
ROWS = 256


class Optimizer:
    """Applies one rule to all parameters of a network.

    Parameters
    ----------
    name : str
        A key of `RULES`.
    parameters : dict
        The parameters; they are updated in place.
    weight_decay : float
        Decoupled (Loshchilov and Hutter 2019): at each update a weight shrinks by learning rate * weight_decay of
        itself. Biases never; embeddings when their word is in the batch.

    Attributes
    ----------
    state : dict
        ``first.NAME`` and ``second.NAME``, as many as the rule keeps, of the parameter's shape: what has to be saved.
    """

    def __init__(self, name: str, parameters: Parameters, weight_decay: float = 0.0):
        self.rule = RULES[name]
        self.parameters = parameters
        self.weight_decay = weight_decay
        self.state = {
            f"{average}.{key}": np.zeros_like(value)
            for average in ("first", "second")[: self.rule.states]
            for key, value in parameters.items()
        }
        averages = ("first", "second")[: self.rule.states]
        self._arrays = {
            key: [value, *(self.state[f"{average}.{key}"] for average in averages)] for key, value in parameters.items()
        }
        self._rates = {key: np.zeros(8, np.float32) for key in parameters}

    def begin_step(self, step: int, learning_rate: float) -> None:
        """Set the rates of step number `step`, counted from 1."""
        corrected, constants = learning_rate, self.rule.constants
        if self.rule.update is updates.adam:
            beta1, beta2, tiny = constants
            corrected = learning_rate / (1.0 - beta1**step)
            constants = beta1, 1.0 - beta1, beta2, 1.0 - beta2, tiny, 1.0 / np.sqrt(1.0 - beta2**step)
        for name, rates in self._rates.items():
            decay = 0.0 if name.endswith("bias") else self.weight_decay
            rates[: 2 + len(constants)] = corrected, 1.0 - learning_rate * decay, *constants

    def update(self, name: str, grad: np.ndarray, first: int, last: int) -> None:
        """Update rows first .. last-1 of parameter `name` with their gradient, an array of the same size."""
        self._apply(name, [array[first:last] for array in self._arrays[name]], grad)

    def update_rows(self, name: str, grad: np.ndarray, words: np.ndarray) -> None:
        """Lazy update: only the rows `words` (W,) int64 of parameter `name`, with their gradient (W, m)."""
        for first in range(0, len(words), ROWS):  # a part that the cache holds from reading to writing
            some = words[first : first + ROWS]
            parts = [np.empty((len(some), grad.shape[1]), np.float32) for _ in self._arrays[name]]
            for part, table in zip(parts, self._arrays[name], strict=True):
                rows.read_rows(part, table, some)
            self._apply(name, parts, grad[first : first + ROWS])
            for part, table in zip(parts, self._arrays[name], strict=True):
                rows.write_rows(table, part, some)

    def _apply(self, name: str, parts: list[np.ndarray], grad: np.ndarray) -> None:
        flat = [part.reshape(-1) for part in parts] + [NO_STATE] * (3 - len(parts))
        self.rule.update(flat[0], grad.reshape(-1), flat[1], flat[2], self._rates[name])
