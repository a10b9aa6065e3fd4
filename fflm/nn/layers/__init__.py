"""Layers, one in each file, each with its forward and its backward pass.

A batch stands transposed between layers, (units, batch), in buffers that may be wider than the batch.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from fflm.nn.draws import Draws
from fflm.nn.parameters import Parameters, Shape
from fflm.runtime.workers import Workers


class Layer(Protocol):
    """The protocol of layers: functions of a batch with parameters; a `Chain` of layers is a layer too.

    Attributes
    ----------
    inputs, units : int
        Features that come in and go out.
    """

    inputs: int
    units: int

    @property
    def grads(self) -> dict[str, np.ndarray]:
        """After `backward`: the gradient of each parameter by name, of the parameter's shape."""

    def shapes(self) -> dict[str, Shape]:
        """Return the name and shape of each parameter."""

    def initialise(self, generator: np.random.Generator) -> Parameters:
        """Draw the first values of the parameters."""

    def prepare(self, parameters: Parameters, workers: Workers, batch_size: int, training: bool) -> None:
        """Lend the layer its parameters, and make scratch memory for batches of up to `batch_size` columns."""

    def forward(self, inputs_t: np.ndarray, n: int, draws: Draws | None) -> np.ndarray:
        """Compute the outputs (units, >=n) of n columns of inputs_t (inputs, >=n) *read*, in the layer's buffer.

        `draws` is given in training, where layers may drop units.
        """

    def backward(self, grad_t: np.ndarray, n: int, out: np.ndarray | None, accumulate: bool) -> None:
        """Compute `grads` and the inputs' gradient from grad_t (units, >=n), the gradient of the last outputs.

        grad_t is *overwritten*. out (inputs, >=n) is *written*, or *accumulated*: the gradient of the inputs; with None
        nobody wants it.
        """
