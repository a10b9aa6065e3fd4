"""Hidden layers: a = f(d + H x), each worker its share of the units (forward) or of the inputs (backward)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fflm.kernels import layers
from fflm.kernels.matmul import matmul
from fflm.nn.parameters import Parameters, buffer
from fflm.nn.team import Team


@dataclass(frozen=True)
class Activation:
    """A nonlinearity: forward adds the bias and applies it in place; backward multiplies a gradient by f'(output)."""

    forward: Callable
    backward: Callable


ACTIVATIONS = {
    "tanh": Activation(layers.tanh_forward, layers.tanh_backward),
    "relu": Activation(layers.relu_forward, layers.relu_backward),
}


@dataclass(frozen=True)
class Drop:
    """Dropout of one layer in one step: the rate and the key that the mask is a hash of."""

    rate: float
    key: np.uint32


def dropout_key(seed: int, step: int, layer: int) -> np.uint32:
    """A well mixed number for the dropout of one layer in one step (the finaliser of SplitMix64)."""
    x = (seed * 0x9E3779B97F4A7C15 + step * 0xD1B54A32D192ED03 + layer * 0x8CB92BA72F3D8DD7) % 2**64
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
    return np.uint32((x ^ (x >> 31)) & 0xFFFFFFFF)


def drops_of_step(rates: list[float], seed: int, step: int) -> list[Drop | None]:
    """The dropout of each layer in one step, by the layers' rates; None where nothing is dropped."""
    return [Drop(rate, dropout_key(seed, step, layer)) if rate > 0.0 else None for layer, rate in enumerate(rates)]


class HiddenLayer:
    """One fully connected layer over a batch that stands transposed, (units, batch).

    Parameters
    ----------
    name : str
        ``hidden.0``, ``hidden.1`` ...: whose parameters in `parameters` are used.
    out_t : (h, >=B) float32
        Where the outputs go, dropout applied.
    """

    def __init__(
        self, name: str, parameters: Parameters, activation: str, team: Team, batch_size: int, out_t: np.ndarray
    ):
        self.name = name
        self.weights, self.bias = parameters[f"{name}.weights"], parameters[f"{name}.bias"]
        self.activation = ACTIVATIONS[activation]
        self.team = team
        self.units, self.inputs = self.weights.shape
        self.out_t = out_t
        self.plain_t = buffer(self.units, batch_size)  # outputs before dropout: what the derivative is made from
        self.delta_t = buffer(self.units, batch_size)
        self.grads = {f"{name}.weights": np.zeros_like(self.weights), f"{name}.bias": np.zeros_like(self.bias)}

    def forward(self, inputs_t: np.ndarray, columns: int, drop: Drop | None, copy: np.ndarray | None) -> None:
        """out_t = dropout(f(d + H inputs_t)), inputs_t (inputs, >=B); also as rows (B, units) into `copy`, if given."""
        self.team.run(lambda worker: self._forward(worker, inputs_t[:, :columns], columns, drop, copy))

    def _forward(self, worker, inputs_t, columns, drop, copy) -> None:
        first, last = self.team.share(self.units, worker)
        out = self.out_t[first:last]
        plain = out if drop is None else self.plain_t[first:last]
        matmul(plain[:, :columns], self.weights[first:last], inputs_t, False)
        self.activation.forward(plain, self.bias[first:last], columns)
        if drop is not None:
            out[:, :columns] = plain[:, :columns]
            layers.dropout(out, first, drop.key, drop.rate, columns)
        if copy is not None:
            layers.transpose(copy, self.out_t, first, last, columns)

    def finish_delta(self, first: int, last: int, columns: int, drop: Drop | None) -> None:
        """delta_t rows first .. last-1 hold the gradient of out_t: take it back through dropout and f."""
        delta = self.delta_t[first:last]
        plain = (self.out_t if drop is None else self.plain_t)[first:last]
        if drop is not None:
            layers.dropout(delta, first, drop.key, drop.rate, columns)
        self.activation.backward(delta, plain, columns)
        layers.row_sums(self.grads[f"{self.name}.bias"][first:last], delta, columns)

    def grad_weights(self, worker: int, inputs: np.ndarray, columns: int) -> None:
        """The worker's rows of dL/dH = delta inputs, inputs (B, inputs)."""
        first, last = self.team.share(self.units, worker)
        grad = self.grads[f"{self.name}.weights"]
        matmul(grad[first:last], self.delta_t[first:last, :columns], inputs[:columns, : self.inputs], False)

    def grad_inputs(self, out_t: np.ndarray, first: int, last: int, columns: int, accumulate: bool) -> None:
        """Rows first .. last-1 of the gradient of the inputs: H.T delta, into out_t (inputs, >=B)."""
        matmul(out_t[first:last, :columns], self.weights[:, first:last].T, self.delta_t[:, :columns], accumulate)
