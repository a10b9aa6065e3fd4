"""Layers one after another, as one layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fflm.kernels import matrices
from fflm.nn.buffers import buffer
from fflm.nn.draws import Draws
from fflm.nn.layers import Layer
from fflm.nn.parameters import Parameters, Shape
from fflm.runtime.workers import Workers


class Chain:
    """A chain of layers: the outputs of one are the inputs of the next; without layers the inputs are the outputs.

    Parameters
    ----------
    inputs : int
        Features of the inputs.
    layers : sequence of Layer
    """

    def __init__(self, inputs: int, layers: Sequence[Layer]):
        self.layers = list(layers)
        self.inputs, self.units = inputs, self.layers[-1].units if self.layers else inputs

    @property
    def grads(self) -> dict[str, np.ndarray]:
        """The gradients of all layers, by name."""
        return {name: grad for layer in self.layers for name, grad in layer.grads.items()}

    def shapes(self) -> dict[str, Shape]:
        """Return the names and shapes of the parameters of all layers."""
        return {name: shape for layer in self.layers for name, shape in layer.shapes().items()}

    def initialise(self, generator: np.random.Generator) -> Parameters:
        """Draw the first values of all layers, the first layer's first."""
        return Parameters({n: value for layer in self.layers for n, value in layer.initialise(generator).items()})

    def prepare(self, parameters: Parameters, workers: Workers, batch_size: int, training: bool) -> None:
        """Prepare each layer, and make memory for the gradients between them."""
        for layer in self.layers:
            layer.prepare(parameters, workers, batch_size, training)
        self._grads_t = [buffer(layer.units, batch_size) for layer in self.layers[:-1]] if training else []

    def forward(self, inputs_t: np.ndarray, n: int, draws: Draws | None) -> np.ndarray:
        """Compute the outputs of the last layer."""
        for layer in self.layers:
            inputs_t = layer.forward(inputs_t, n, draws)
        return inputs_t

    def backward(self, grad_t: np.ndarray, n: int, out: np.ndarray | None, accumulate: bool) -> None:
        """Take the gradient back through the layers, the last one first."""
        if not self.layers:
            if out is not None:
                matrices.copy(out, grad_t, n, accumulate)
            return
        for layer, below in zip(self.layers[:0:-1], self._grads_t[::-1], strict=True):
            layer.backward(grad_t, n, below, False)
            grad_t = below
        self.layers[0].backward(grad_t, n, out, accumulate)
