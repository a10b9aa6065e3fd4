"""A layer's outputs and, below them, its inputs: the paper's direct connections."""

from __future__ import annotations

import numpy as np

from fflm.kernels import matrices
from fflm.nn.buffers import buffer
from fflm.nn.draws import Draws
from fflm.nn.layers import Layer
from fflm.nn.parameters import Parameters, Shape
from fflm.runtime.workers import Workers


class Concatenate:
    """The layer [f(x); x]; the weights of the output layer are then [U, W] (Bengio et al. 2003, equation 1).

    Parameters
    ----------
    layer : Layer
        f.
    """

    def __init__(self, layer: Layer):
        self.layer = layer
        self.inputs, self.units = layer.inputs, layer.units + layer.inputs

    @property
    def grads(self) -> dict[str, np.ndarray]:
        """The gradients of f."""
        return self.layer.grads

    def shapes(self) -> dict[str, Shape]:
        """Return the names and shapes of the parameters of f."""
        return self.layer.shapes()

    def initialise(self, generator: np.random.Generator) -> Parameters:
        """Draw the first values of f."""
        return self.layer.initialise(generator)

    def prepare(self, parameters: Parameters, workers: Workers, batch_size: int, training: bool) -> None:
        """Prepare f, and make memory for the outputs."""
        self.layer.prepare(parameters, workers, batch_size, training)
        self._workers, self._out_t = workers, buffer(self.units, batch_size)

    def forward(self, inputs_t: np.ndarray, n: int, draws: Draws | None) -> np.ndarray:
        """Write the outputs of f into the first rows, the inputs into the others."""
        outputs_t = self.layer.forward(inputs_t, n, draws)
        middle = self.layer.units

        def task(worker: int) -> None:
            for rows, values in ((self._out_t[:middle], outputs_t), (self._out_t[middle:], inputs_t)):
                first, last = self._workers.share(len(rows), worker)
                matrices.copy(rows[first:last], values[first:last], n, False)

        self._workers.run(task)
        return self._out_t

    def backward(self, grad_t: np.ndarray, n: int, out: np.ndarray | None, accumulate: bool) -> None:
        """Add up the inputs' gradient: that of the other rows, and the one through f."""
        middle = self.layer.units
        if out is not None:

            def task(worker: int) -> None:
                first, last = self._workers.share(self.inputs, worker)
                matrices.copy(out[first:last], grad_t[middle + first : middle + last], n, accumulate)

            self._workers.run(task)
        self.layer.backward(grad_t[:middle], n, out, True)
