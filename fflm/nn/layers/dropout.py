"""Dropout: units that are 0 in one training step."""

from __future__ import annotations

import numpy as np

from fflm.kernels import dropout, matrices
from fflm.nn.buffers import buffer
from fflm.nn.draws import Draws
from fflm.nn.parameters import Parameters, Shape
from fflm.runtime.workers import Workers


class Dropout:
    """Dropout: each unit of a column is 0 with probability `rate`, else divided by 1 - rate (Srivastava et al. 2014).

    Parameters
    ----------
    units : int
    rate : float
    place : int
        The layer's number among those that draw (see `Draws.key`).
    """

    def __init__(self, units: int, rate: float, place: int):
        self.inputs = self.units = units
        self.rate, self.place = rate, place
        self.grads: dict[str, np.ndarray] = {}

    def shapes(self) -> dict[str, Shape]:
        """Return an empty dict: the layer has no parameters."""
        return {}

    def initialise(self, generator: np.random.Generator) -> Parameters:
        """Return an empty dict: the layer has no parameters."""
        return Parameters()

    def prepare(self, parameters: Parameters, workers: Workers, batch_size: int, training: bool) -> None:
        """Make memory for the outputs; outside training nothing is dropped."""
        self._workers = workers
        self._out_t = buffer(self.units, batch_size) if training and self.rate > 0.0 else None

    def forward(self, inputs_t: np.ndarray, n: int, draws: Draws | None) -> np.ndarray:
        """Return the inputs with some of them set to 0; without `draws` the inputs unchanged."""
        self._key = None
        if self._out_t is None or draws is None:
            return inputs_t
        self._key = draws.key(self.place)
        self._masked(self._out_t, inputs_t, n, False)
        return self._out_t

    def backward(self, grad_t: np.ndarray, n: int, out: np.ndarray | None, accumulate: bool) -> None:
        """Set the gradient to 0 at the units that `forward` dropped, and scale the others alike."""
        if out is not None:
            self._masked(out, grad_t, n, accumulate)

    def _masked(self, out: np.ndarray, values: np.ndarray, n: int, accumulate: bool) -> None:
        def task(worker: int) -> None:
            first, last = self._workers.share(self.units, worker)
            if self._key is not None and accumulate:
                dropout.dropout(values[first:last], first, self._key, self.rate, n)
            matrices.copy(out[first:last], values[first:last], n, accumulate)
            if self._key is not None and not accumulate:
                dropout.dropout(out[first:last], first, self._key, self.rate, n)

        self._workers.run(task)
