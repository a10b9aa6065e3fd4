"""The optimizer: it applies an update rule to parameters, whole or by rows, and keeps the rule's averages."""

from __future__ import annotations

import numpy as np

from fflm.config.names import RULES
from fflm.kernels import embeddings, updates
from fflm.nn.parameters import Parameters

EMPTY: list[np.ndarray] = [np.zeros((0,) * n, np.float32) for n in (1, 2)]  # an average that a rule does not keep
ROWS = 256


def usual_rates(
    name: str,
    learning_rate: float | None,
    weight_decay: float | None,
    usual: dict[str, tuple[float, float]] | None = None,
) -> tuple[float, float]:
    """Return the learning rate and weight decay that are given, else those in `usual`, else the rule's defaults.

    Examples
    --------
    >>> usual_rates("adamw", 0.01, None)
    (0.01, 0.1)
    """
    rate, decay = (usual or {}).get(name, (RULES[name].learning_rate, RULES[name].weight_decay))
    return (rate if learning_rate is None else learning_rate, decay if weight_decay is None else weight_decay)


class Optimizer:
    """An update rule applied to all parameters of a network.

    Parameters
    ----------
    name : str
        A key of `fflm.config.names.RULES`.
    parameters : dict
        The parameters; they are updated in place.
    weight_decay : float
        Decoupled (Loshchilov and Hutter 2019): at each update a weight shrinks by learning rate * weight_decay of
        itself. Biases and slopes never; embeddings when their word is in the batch.

    Attributes
    ----------
    state : dict
        ``first.NAME`` and ``second.NAME``, as many as the rule keeps, of the parameter's shape: what has to be saved.

    Examples
    --------
    One step of momentum, and one of its lazy form, which updates only the rows of the batch's words:

    >>> table = {"embeddings": np.zeros((3, 2), np.float32)}
    >>> optimizer = Optimizer("momentum", table)
    >>> optimizer.begin_step(1, learning_rate=0.5)
    >>> optimizer.update("embeddings", np.ones((3, 2), np.float32), 0, 3)
    >>> optimizer.begin_step(2, learning_rate=0.5)
    >>> optimizer.update_rows("embeddings", np.ones((1, 2), np.float32), np.array([1]))
    >>> table["embeddings"].tolist()
    [[-0.5, -0.5], [-1.4500000476837158, -1.4500000476837158], [-0.5, -0.5]]
    """

    def __init__(self, name: str, parameters: Parameters, weight_decay: float = 0.0):
        self.name, self.rule, self.weight_decay = name, RULES[name], weight_decay
        self.number = updates.NAMES.index(self.rule.kernel or name)
        averages = ("first", "second")[: self.rule.states]
        self.state = {
            f"{average}.{key}": np.zeros_like(value) for average in averages for key, value in parameters.items()
        }
        self._arrays = {
            key: [value, *(self.state[f"{average}.{key}"] for average in averages)] for key, value in parameters.items()
        }
        self.rates = {key: np.zeros(8, np.float32) for key in parameters}

    def begin_step(self, step: int, learning_rate: float) -> None:
        """Set the rates of step number `step`, counted from 1."""
        divisor, constants = self.rule.at_step(step, *self.rule.constants)
        corrected = learning_rate / divisor
        for name, rates in self.rates.items():
            decay = 0.0 if name.endswith((".bias", ".slope")) else self.weight_decay
            rates[: 2 + len(constants)] = corrected, 1.0 - learning_rate * decay, *constants

    def rows(self, name: str, words: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return some rows of parameter `name` and of its two averages, which are empty where the rule keeps none."""
        arrays = self._arrays[name]
        empty = EMPTY[arrays[0].ndim - 1]
        weights, first, second = (arrays[i][words] if i < len(arrays) else empty for i in range(3))
        return weights, first, second

    def update(self, name: str, grad: np.ndarray, first: int, last: int) -> None:
        """Update rows first .. last-1 of parameter `name` with their gradient, an array of the same size."""
        self._apply(name, [array[first:last] for array in self._arrays[name]], grad)

    def update_all(self, grads: dict[str, np.ndarray]) -> None:
        """Update whole parameters with their gradients; one that this optimiser was not given stays as it is."""
        for name, grad in grads.items():
            if name in self:
                self.update(name, grad, 0, len(grad))

    def like(self, parameters: Parameters) -> Optimizer:
        """Return an optimizer of the same rule, with the same rates at every step, of other arrays of these names."""
        other = Optimizer(self.name, parameters, self.weight_decay)
        other.rates = self.rates
        return other

    def read_averages(self, rows: Optimizer, words: np.ndarray, first: int, last: int) -> None:
        """Copy the averages of some `words` (W,) int64 into rows first .. last-1 of an optimizer of `like`."""
        for name, arrays in rows._arrays.items():
            for values, table in zip(arrays[1:], self._arrays[name][1:], strict=True):
                embeddings.read_rows(_flat(values)[first:last], _flat(table), words[first:last])

    def write_rows(self, rows: Optimizer, words: np.ndarray, first: int, last: int) -> None:
        """Write rows first .. last-1 of an optimizer of `like`, parameters and averages, into the rows of `words`."""
        for name, arrays in rows._arrays.items():
            for values, table in zip(arrays, self._arrays[name], strict=True):
                embeddings.write_rows(_flat(table), _flat(values)[first:last], words[first:last])

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def update_rows(self, name: str, grad: np.ndarray, words: np.ndarray) -> None:
        """Update lazily: only the rows `words` (W,) int64 of parameter `name`, with their gradient (W, m)."""
        for first in range(0, len(words), ROWS):  # a part that the cache holds from reading to writing
            part = words[first : first + ROWS]
            values = [np.empty((len(part), grad.shape[1]), np.float32) for _ in self._arrays[name]]
            for rows, table in zip(values, self._arrays[name], strict=True):
                embeddings.read_rows(rows, table, part)
            self._apply(name, values, grad[first : first + ROWS])
            for rows, table in zip(values, self._arrays[name], strict=True):
                embeddings.write_rows(table, rows, part)

    def _apply(self, name: str, values: list[np.ndarray], grad: np.ndarray) -> None:
        flat = [part.reshape(-1) for part in values] + [EMPTY[0]] * (3 - len(values))
        updates.update(self.number, flat[0], grad.reshape(-1), flat[1], flat[2], self.rates[name])


def _flat(table: np.ndarray) -> np.ndarray:
    """Return a table (V, m) as it is, and numbers (V,) as a table of one column."""
    return table.reshape(len(table), -1)
