"""The last layer of the textbook network with its cost, as an output layer."""

from __future__ import annotations

import numpy as np

from fflm.config.names import COSTS
from fflm.nn.buffers import buffer
from fflm.nn.draws import Draws
from fflm.nn.layers.dense import Dense
from fflm.nn.optimizers import Optimizer
from fflm.nn.parameters import Parameters, Shape
from fflm.runtime.workers import Workers
from fflm.teaching import costs


class CostOutput:
    """A fully connected layer whose outputs a are compared with targets y by a cost C(a, y).

    Where a cost goes with one activation (cross-entropy with the sigmoid, log-likelihood with the softmax), the
    gradient by z is a - y and computed so, without f'; else it is dC/da f'(z), equation BP1 of `fflm.teaching`.

    Parameters
    ----------
    layer : Dense
    cost : str
        A key of `fflm.config.names.COSTS`.
    """

    def __init__(self, layer: Dense, cost: str):
        self.layer, self.cost = layer, cost
        self._value = getattr(costs, cost.replace("-", "_"))
        self.gradient = getattr(costs, cost.replace("-", "_") + "_gradient")

    @property
    def grads(self) -> dict[str, np.ndarray]:
        """The gradients of the layer's parameters."""
        return self.layer.grads

    def shapes(self) -> dict[str, Shape]:
        """Return the name and shape of each of the layer's parameters."""
        return self.layer.shapes()

    def initialise(self, generator: np.random.Generator, counts: np.ndarray) -> Parameters:
        """Draw the first values of the layer's parameters."""
        return self.layer.initialise(generator)

    def prepare(
        self, parameters: Parameters, workers: Workers, batch_size: int, training: bool, keep_gradient: bool
    ) -> None:
        """Prepare the layer, and make memory for the gradient by its z."""
        self.layer.prepare(parameters, workers, batch_size, training)
        self._delta_t = buffer(self.layer.units, batch_size)

    def losses(self, features_t: np.ndarray, targets: np.ndarray, draws: Draws | None, out: np.ndarray) -> None:
        """Write the cost of each column into out (B,) float64, for targets y (outputs, B) float32."""
        self._targets, n = targets, len(out)
        self.layer.forward(features_t, n)
        out[:] = self._value(self.layer.z_t[:, :n], self.layer.out_t[:, :n], targets)

    def backward(self, optimizer: Optimizer | None, out: np.ndarray | None) -> None:
        """Write the gradient of the mean cost by the features into out (D, >=B); keep the parameters' in `grads`.

        With an `optimizer` the parameters are updated at once.
        """
        n = self._targets.shape[1]
        self._delta_t[:, :n] = self.gradient(self.layer.out_t[:, :n], self._targets) / np.float32(n)
        if COSTS[self.cost].pair is None:
            self.layer.backward(self._delta_t, n, out)
        else:
            self.layer.backward_z(self._delta_t, n, out)
        if optimizer is not None:
            optimizer.update_all(self.grads)

    def squared_norm(self) -> float:
        """Compute the sum of the squares of the gradients."""
        return sum(float(np.square(grad, dtype=np.float64).sum()) for grad in self.grads.values())

    def apply(self, optimizer: Optimizer, factor: float) -> None:
        """Update the layer from its gradients times `factor`."""
        optimizer.update_all({name: grad * np.float32(factor) for name, grad in self.grads.items()})

    def log_probs(self, features_t: np.ndarray, targets: np.ndarray, out: np.ndarray) -> None:
        """Write minus the cost of each column into out (B,): with the cost log-likelihood, natural log P(target)."""
        self.losses(features_t, targets, None, out)
        np.negative(out, out)

    def scores(self, features_t: np.ndarray, targets: np.ndarray, out: np.ndarray) -> None:
        """Write z of the targets, the sum of y z over the outputs, into out (B,)."""
        n = len(out)
        self.layer.forward(features_t, n)
        out[:] = (targets * self.layer.z_t[:, :n]).sum(axis=0)

    def distribution(self, features_t: np.ndarray, out: np.ndarray) -> None:
        """Write the outputs a of each column into out (B, outputs): probabilities, if the layer is a softmax."""
        out[:] = self.layer.forward(features_t, len(out))[:, : len(out)].T
