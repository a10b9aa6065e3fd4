"""A fully connected layer: a = f(d + H x)."""

from __future__ import annotations

import numpy as np

from fflm.config.names import ACTIVATIONS
from fflm.kernels import activations, matrices
from fflm.kernels.matmul import matmul
from fflm.nn.buffers import buffer
from fflm.nn.draws import Draws
from fflm.nn.parameters import Parameters, Shape, uniform
from fflm.runtime.workers import Workers


class Dense:
    """The layer a = f(d + H x) of every column x of a batch; each worker computes some units, or some inputs.

    Backpropagation: delta = dC/dz, from dC/da by the derivative of the activation. The gradient of the biases is
    dC/dd = delta, that of the weights is dC/dH = delta x.T, summed over the batch; that of the inputs is H.T delta.

    Parameters
    ----------
    name : str
        ``hidden.0``, ``hidden.1`` ...: the first part of the names of its parameters.
    inputs, units : int
    activation : str
        A key of `fflm.config.names.ACTIVATIONS`.

    Attributes
    ----------
    z_t, out_t, delta_t : (units, >=B) float32
        d + H x, f of it, and after `backward` the gradient by z.

    Examples
    --------
    >>> layer = Dense("layer.0", inputs=2, units=1, activation="identity")
    >>> layer.shapes()
    {'layer.0.weights': (1, 2), 'layer.0.bias': (1,)}
    """

    def __init__(self, name: str, inputs: int, units: int, activation: str):
        self.name, self.inputs, self.units = name, inputs, units
        self.activation = ACTIVATIONS[activation]
        kernel = self.activation.kernel or activation
        self._activate = getattr(activations, f"{kernel}_forward")
        self._derive = getattr(activations, f"{kernel}_backward")
        self.grads: dict[str, np.ndarray] = {}

    def shapes(self) -> dict[str, Shape]:
        """Return the shapes of H (h, inputs), d (h,) and, where the activation learns its slope, the slopes (h,)."""
        shapes: dict[str, Shape] = {
            f"{self.name}.weights": (self.units, self.inputs),
            f"{self.name}.bias": (self.units,),
        }
        if self.activation.learned:
            shapes[f"{self.name}.slope"] = (self.units,)
        return shapes

    def initialise(self, generator: np.random.Generator) -> Parameters:
        """Draw first values as `fflm.config.names.Activation` says; biases are 0."""
        fan = self.inputs if self.activation.gain == "he" else self.inputs + self.units
        values = Parameters()
        for name, shape in self.shapes().items():
            if name.endswith(".weights"):
                values[name] = uniform(generator, shape, np.sqrt(6.0 / fan))
            else:
                values[name] = np.full(shape, self._usual_slope if name.endswith(".slope") else 0.0, np.float32)
        return values

    @property
    def _usual_slope(self) -> float:
        return self.activation.slope or 0.0

    def constants(self) -> Parameters:
        """Return a bias of 0 and the usual slope, for callers that set them without learning them."""
        constants = {"bias": 0.0, "slope": self._usual_slope}
        return Parameters({f"{self.name}.{p}": np.full(self.units, v, np.float32) for p, v in constants.items()})

    def prepare(self, parameters: Parameters, workers: Workers, batch_size: int, training: bool) -> None:
        """Take the parameters by name; a bias or slope that is not among them is constant."""
        self._workers = workers
        self.weights = parameters[f"{self.name}.weights"]
        self.bias = parameters.get(f"{self.name}.bias", np.zeros(self.units, np.float32))
        self.slope = parameters.get(f"{self.name}.slope", np.full(self.units, self._usual_slope, np.float32))
        self.z_t, self.out_t = buffer(self.units, batch_size), buffer(self.units, batch_size)
        self._training = training
        self._rows = buffer(batch_size if training else 0, self.inputs)
        self._grads = {"weights": self.weights, "bias": self.bias, "slope": self.slope} if training else {}
        self._grads = {part: np.zeros_like(value) for part, value in self._grads.items()}
        self.grads = {
            f"{self.name}.{part}": grad for part, grad in self._grads.items() if f"{self.name}.{part}" in parameters
        }

    def forward(self, inputs_t: np.ndarray, n: int, draws: Draws | None = None) -> np.ndarray:
        """Compute out_t = f(d + H inputs_t); in training the inputs are kept as rows (B, inputs) for `backward`."""

        def task(worker: int) -> None:
            first, last = self._share(worker)
            matmul(self.z_t[first:last, :n], self.weights[first:last], inputs_t[:, :n], False)
            self._activate(
                self.out_t[first:last], self.z_t[first:last], self.bias[first:last], self.slope[first:last], n
            )
            if self._training:
                first, last = self._workers.share(self.inputs, worker)
                matrices.transpose(self._rows, inputs_t, first, last, n)

        self._workers.run(task)
        return self.out_t

    def backward(self, grad_t: np.ndarray, n: int, out: np.ndarray | None, accumulate: bool = False) -> None:
        """Turn grad_t into delta, the gradient by z, by the derivative of the activation; then call `backward_z`."""

        def task(worker: int) -> None:
            first, last = self._share(worker)
            delta, slopes = grad_t[first:last], self._grads["slope"][first:last]
            self._derive(delta, slopes, self.z_t[first:last], self.out_t[first:last], self.slope[first:last], n)

        self._workers.run(task)
        self.backward_z(grad_t, n, out, accumulate)

    def backward_z(self, delta_t: np.ndarray, n: int, out: np.ndarray | None, accumulate: bool = False) -> None:
        """Compute the gradients of biases, weights and inputs from delta_t (units, >=n), the gradient by z."""
        self.delta_t = delta_t

        def task(worker: int) -> None:
            first, last = self._workers.share(self.units, worker)
            matrices.row_sums(self._grads["bias"][first:last], delta_t[first:last], n)
            matmul(self._grads["weights"][first:last], delta_t[first:last, :n], self._rows[:n, : self.inputs], False)
            if out is not None:
                first, last = self._workers.share(self.inputs, worker)
                matmul(out[first:last, :n], self.weights[:, first:last].T, delta_t[:, :n], accumulate)

        self._workers.run(task)

    def _share(self, worker: int) -> tuple[int, int]:
        """Return the worker's units; the first worker has all where the activation needs every unit's outputs."""
        if self.activation.joint:
            return (0, self.units) if worker == 0 else (0, 0)
        return self._workers.share(self.units, worker)
