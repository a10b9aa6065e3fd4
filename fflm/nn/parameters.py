"""The network's parameters: arrays by name, with one owner.

Every parameter is float32 in C order under one name; the model file stores exactly these arrays. The model owns them.
It lends them to a network and an optimiser, which write into them during `Network.step` and at no other time; whoever
wants to keep them as they are takes a `snapshot`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

Shape = tuple[int, ...]
ROWS = 1024


class Parameters(dict[str, np.ndarray]):
    """Arrays by name: ``embeddings``, ``hidden.0.weights``, ``output.bias`` ...

    Examples
    --------
    >>> parameters = Parameters({"output.bias": np.zeros(2, np.float32)})
    >>> before = parameters.snapshot()
    >>> parameters["output.bias"][:] = 1.0
    >>> parameters.restore(before)
    >>> parameters["output.bias"].tolist(), parameters.size
    ([0.0, 0.0], 2)
    """

    @property
    def size(self) -> int:
        """The number of parameters: the size of all arrays together."""
        return sum(value.size for value in self.values())

    def snapshot(self) -> Parameters:
        """Return a copy that training does not change."""
        return Parameters({name: value.copy() for name, value in self.items()})

    def restore(self, values: Mapping[str, np.ndarray]) -> None:
        """Write `values` into the arrays, which stay the same objects."""
        for name, value in values.items():
            self[name][...] = value

    def are_finite(self) -> bool:
        """Tell whether every number is finite."""
        return all(np.isfinite(value).all() for value in self.values())


def uniform(generator: np.random.Generator, shape: Shape, limit: float) -> np.ndarray:
    """Draw float32 numbers evenly from +-limit, some rows at a time, without a large array of float64.

    Examples
    --------
    >>> bool(np.abs(uniform(np.random.default_rng(1), (3, 2), 0.1)).max() <= 0.1)
    True
    """
    values = np.empty(shape, np.float32)
    for first in range(0, len(values), ROWS):
        rows = values[first : first + ROWS]
        rows[:] = generator.uniform(-1.0, 1.0, rows.shape) * limit
    return values
