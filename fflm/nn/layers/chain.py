"""Fully connected layers one above another: the forward and the backward pass of the textbook, BP1 to BP4.

BP1: delta of the last layer = dC/da f'(z). BP2: delta = (W.T delta of the layer above) f'(z). BP3: dC/db = delta.
BP4: dC/dW = delta a.T, a the outputs of the layer below. Sums over the batch take the place of single examples.
The lectures' examples E7 to E12.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fflm.nn.buffers import buffer
from fflm.nn.layers.dense import DenseLayer
from fflm.nn.parameters import Parameters
from fflm.runtime.workers import Workers


class DenseStack:
    """Layers with scratch memory for the largest batch so far.

    Parameters
    ----------
    arrays : dict
        ``layer.0.weights``, ``layer.0.bias``, ``layer.0.slope``, ``layer.1.weights`` ...
    sizes : sequence of int
        Inputs, and units of each layer.
    activations : sequence of str
        Of each layer.
    """

    def __init__(self, arrays: Parameters, sizes: Sequence[int], activations: Sequence[str]):
        self._arrays, self._sizes, self._activations = arrays, sizes, activations
        self._team = Workers(1)
        self._make_layers(1)

    def _make_layers(self, batch_size: int) -> None:
        self._inputs_t = buffer(self._sizes[0], batch_size)
        self._rows = [buffer(batch_size, units) for units in self._sizes[:-1]]  # what each layer sees, by example
        self.layers = [
            DenseLayer(f"layer.{i}", self._arrays, activation, self._team, batch_size, buffer(units, batch_size))
            for i, (activation, units) in enumerate(zip(self._activations, self._sizes[1:], strict=True))
        ]

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Outputs (outputs, N) of examples x (N, inputs); every layer keeps its own."""
        n = len(x)
        if n > len(self._rows[0]):
            self._make_layers(n)
        self._rows[0][:n, : x.shape[1]] = x
        self._inputs_t[:, :n] = x.T
        inputs_t = self._inputs_t
        for layer, copy in zip(self.layers, [*self._rows[1:], None], strict=True):
            layer.forward(inputs_t, n, None, copy)
            inputs_t = layer.out_t
        return inputs_t[:, :n]

    def backward(self, delta: np.ndarray, by_outputs: bool) -> None:
        """Leave the gradients in the layers, after `forward`.

        delta (outputs, N): the gradient by the outputs a, or, if not `by_outputs`, by their z already.
        """
        n, last = delta.shape[1], self.layers[-1]
        last.delta_t[:, :n] = delta
        if by_outputs:
            last.finish_delta(0, last.units, n, None)  # BP1
        else:
            last.grad_bias(0, last.units, n)
        for i in reversed(range(len(self.layers))):
            layer = self.layers[i]
            layer.grad_weights(0, self._rows[i], n)  # BP4
            if i > 0:
                below = self.layers[i - 1]
                layer.grad_inputs(below.delta_t, 0, layer.inputs, n, False)
                below.finish_delta(0, below.units, n, None)  # BP2, BP3
