"""Fully connected layers: a = f(d + H x), each worker its share of the units (forward) or of the inputs (backward).

Those of the language model, of the classifier and of the general network.
"""

from __future__ import annotations

import numpy as np

from fflm.config.names import ACTIVATIONS
from fflm.kernels import activations, dropout, matrices
from fflm.kernels.matmul import matmul
from fflm.nn.buffers import buffer
from fflm.nn.layers.dropout import Drop
from fflm.nn.parameters import Parameters
from fflm.runtime.workers import Workers


class DenseLayer:
    """One fully connected layer over a batch that stands transposed, (units, batch).

    Parameters
    ----------
    name : str
        ``hidden.0``, ``hidden.1`` ...: whose parameters in `parameters` are used.
    parameters : dict
        ``NAME.weights`` H (h, inputs); ``NAME.bias`` d (h,), if there is one; ``NAME.slope`` (h,), if it is learned.
    activation : str
        A key of `fflm.config.names.ACTIVATIONS`.
    out_t : (h, >=B) float32
        Where the outputs go, dropout applied.
    """

    def __init__(
        self, name: str, parameters: Parameters, activation: str, team: Workers, batch_size: int, out_t: np.ndarray
    ):
        self.name = name
        self.weights = parameters[f"{name}.weights"]
        self.units, self.inputs = self.weights.shape
        self.bias = parameters.get(f"{name}.bias", np.zeros(self.units, np.float32))
        chosen = ACTIVATIONS[activation]
        kernel = chosen.kernel or activation
        self.activate = getattr(activations, f"{kernel}_forward")
        self.derive = getattr(activations, f"{kernel}_backward")
        self.whole = chosen.whole
        self.slope = parameters.get(f"{name}.slope", np.full(self.units, chosen.slope or 0.0, np.float32))
        self.team = team
        self.out_t = out_t
        self.z_t = buffer(self.units, batch_size)
        self.plain_t = buffer(self.units, batch_size)  # outputs before dropout
        self.delta_t = buffer(self.units, batch_size)
        own = {"weights": self.weights, "bias": self.bias, "slope": self.slope}
        self._grads = {part: np.zeros_like(value) for part, value in own.items()}
        #: By parameter name; what `parameters` does not hold is not learned.
        self.grads = {f"{name}.{part}": grad for part, grad in self._grads.items() if f"{name}.{part}" in parameters}

    def share(self, worker: int) -> tuple[int, int]:
        """The worker's units; all of them are the first worker's where the activation needs the whole layer."""
        if self.whole:
            return (0, self.units) if worker == 0 else (0, 0)
        return self.team.share(self.units, worker)

    def forward(self, inputs_t: np.ndarray, columns: int, drop: Drop | None, copy: np.ndarray | None) -> None:
        """out_t = dropout(f(d + H inputs_t)), inputs_t (inputs, >=B); also as rows (B, units) into `copy`, if given."""
        self.team.run(lambda worker: self._forward(worker, inputs_t[:, :columns], columns, drop, copy))

    def _forward(self, worker, inputs_t, columns, drop, copy) -> None:
        first, last = self.share(worker)
        z, out = self.z_t[first:last], self.out_t[first:last]
        plain = out if drop is None else self.plain_t[first:last]
        matmul(z[:, :columns], self.weights[first:last], inputs_t, False)
        self.activate(plain, z, self.bias[first:last], self.slope[first:last], columns)
        if drop is not None:
            out[:, :columns] = plain[:, :columns]
            dropout.dropout(out, first, drop.key, drop.rate, columns)
        if copy is not None:
            matrices.transpose(copy, self.out_t, first, last, columns)

    def finish_delta(self, first: int, last: int, columns: int, drop: Drop | None) -> None:
        """delta_t rows first .. last-1 hold the gradient of out_t: take it back through dropout and f."""
        delta = self.delta_t[first:last]
        plain = (self.out_t if drop is None else self.plain_t)[first:last]
        if drop is not None:
            dropout.dropout(delta, first, drop.key, drop.rate, columns)
        grad_slope = self._grads["slope"][first:last]
        self.derive(delta, grad_slope, self.z_t[first:last], plain, self.slope[first:last], columns)
        self.grad_bias(first, last, columns)

    def grad_bias(self, first: int, last: int, columns: int) -> None:
        """Rows first .. last-1 of dL/dd = delta, summed over the batch."""
        matrices.row_sums(self._grads["bias"][first:last], self.delta_t[first:last], columns)

    def grad_weights(self, worker: int, inputs: np.ndarray, columns: int) -> None:
        """The worker's rows of dL/dH = delta inputs, inputs (B, inputs)."""
        first, last = self.team.share(self.units, worker)
        grad = self._grads["weights"]
        matmul(grad[first:last], self.delta_t[first:last, :columns], inputs[:columns, : self.inputs], False)

    def grad_inputs(self, out_t: np.ndarray, first: int, last: int, columns: int, accumulate: bool) -> None:
        """Rows first .. last-1 of the gradient of the inputs: H.T delta, into out_t (inputs, >=B)."""
        matmul(out_t[first:last, :columns], self.weights[:, first:last].T, self.delta_t[:, :columns], accumulate)
