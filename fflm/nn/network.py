"""The network: inputs, hidden layers, output layer; a training step, and exact probabilities.

x = encoder(batch); features = layers(x); the output layer turns them into losses or probabilities. Any classes
that implement the protocols `Encoder`, `Layer` and `OutputLayer` can be combined.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fflm.kernels import matrices
from fflm.nn.batches import Batch
from fflm.nn.buffers import buffer
from fflm.nn.draws import Draws
from fflm.nn.inputs import Inputs
from fflm.nn.layers import Layer
from fflm.nn.optimizers import Optimizer
from fflm.nn.outputs import OutputLayer
from fflm.nn.parameters import Parameters, Shape
from fflm.runtime.workers import Workers


class Network:
    """A network of inputs, layers and an output layer; it is built from sizes, then prepared for batches.

    Encoder and output layer may share a table. A step then updates it twice: the output layer's gradient first, with
    the rows of all words that it computes, then the encoder's.

    Parameters
    ----------
    inputs : Inputs
    layers : Layer
    output : OutputLayer

    Examples
    --------
    >>> from fflm.config import ModelConfig
    >>> from fflm.nn.batches import Contexts
    >>> from fflm.nn.language_model import context_network
    >>> network = context_network(ModelConfig(context_size=2, bag_size=0, embedding_dim=3, hidden_dims=4), 10)
    >>> parameters, out = network.initialise(seed=1, counts=np.ones(10, np.int64)), np.empty((1, 10), np.float32)
    >>> with Workers(1) as workers:
    ...     network.prepare(parameters, workers, batch_size=1)
    ...     network.distribution(Contexts(np.array([[5, 6]], np.int32)), out)
    >>> out.sum().round(5)
    np.float32(1.0)
    """

    def __init__(self, inputs: Inputs, layers: Layer, output: OutputLayer):
        self.inputs, self.layers, self.output = inputs, layers, output

    def shapes(self) -> dict[str, Shape]:
        """Return the name and shape of every parameter."""
        return self.inputs.encoder.shapes() | self.layers.shapes() | self.output.shapes()

    def initialise(self, seed: int, counts: np.ndarray) -> Parameters:
        """Draw the first values of all parameters; counts (V,) are the occurrences of each target in training."""
        generator = np.random.default_rng(seed)
        values = self.inputs.encoder.initialise(generator) | self.layers.initialise(generator)
        return Parameters(values | self.output.initialise(generator, counts))

    def prepare(
        self,
        parameters: Parameters,
        workers: Workers,
        batch_size: int,
        training: bool = False,
        clip_norm: float | None = None,
        keep_gradient: bool = False,
    ) -> None:
        """Lend the network its parameters, and make scratch memory for batches of up to `batch_size` rows.

        Parameters
        ----------
        parameters : Parameters
            Arrays by the names of `shapes`; `step` updates them in place.
        workers : Workers
        batch_size : int
        training : bool
            Whether `step` or `gradients` will be called; without, no memory for gradients is made.
        clip_norm : float, optional
            Gradients are scaled down to this global norm before an update (Pascanu et al. 2013). Of a table that
            encoder and output layer share, each of the two gradients counts by itself.
        keep_gradient : bool
            Whether `gradients` will be called.
        """
        self._workers, self._clip_norm = workers, clip_norm
        self.inputs.prepare(parameters, workers, batch_size, training)
        self.layers.prepare(parameters, workers, batch_size, training)
        self.output.prepare(parameters, workers, batch_size, training, keep_gradient or clip_norm is not None)
        self._grad_features_t = buffer(self.layers.units if training else 0, batch_size)

    # Evaluation

    def features(self, batch: Batch, draws: Draws | None = None) -> np.ndarray:
        """Compute the features, the inputs (D, >=B) of the output layer, in the last layer's buffer."""
        return self.layers.forward(self.inputs.forward(batch, draws), len(batch), draws)

    def log_probs(self, batch: Batch, out: np.ndarray) -> None:
        """Write natural log P(target) of each row, exact, into out (B,) float64."""
        self.output.log_probs(self.features(batch), batch.targets, out)

    def distribution(self, batch: Batch, out: np.ndarray) -> None:
        """Write P(. | row) of each row, exact, into out (B, V) float32."""
        self.output.distribution(self.features(batch), out)

    # Training

    def step(self, batch: Batch, optimizer: Optimizer, draws: Draws | None = None) -> np.ndarray:
        """Update on one batch, with the rates that `optimizer.begin_step` has set; return the losses (B,) float64."""
        if self._clip_norm is None:
            losses, grad_x, touched = self._backward(batch, optimizer, draws)
            encoder = self.inputs.encoder
            self._update(optimizer, touched, lambda name, first, last: encoder.gradients(name, first, last, grad_x))
            return losses
        losses, grad_x, touched = self._backward(batch, None, draws)
        kept = self._table_gradients(grad_x, touched)
        factor = min(1.0, self._clip_norm / max(self._norm(kept), 1e-30))
        self.output.apply(optimizer, factor)
        for grad in (*self.layers.grads.values(), *kept.values()):
            matrices.scale(grad.reshape(1, -1), np.float32(factor), grad.size)
        self._update(optimizer, touched, lambda name, first, last: kept[name][first:last])
        return losses

    def gradients(self, batch: Batch, draws: Draws | None = None) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Compute the losses (B,) and the gradient of their mean by parameter name, without an update."""
        losses, grad_x, touched = self._backward(batch, None, draws)
        grads = {name: np.zeros(shape, np.float32) for name, shape in self.inputs.encoder.shapes().items()}
        for name, grad in self._table_gradients(grad_x, touched).items():
            grads[name][touched[name]] = grad
        for name, grad in (self.layers.grads | self.output.grads).items():
            grads[name] = grad + grads[name] if name in grads else grad.copy()
        return losses, grads

    def _backward(
        self, batch: Batch, optimizer: Optimizer | None, draws: Draws | None
    ) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        """Compute the losses, the gradient of the inputs (B, >=width), and the rows of the tables that were read."""
        losses, grad_t = np.empty(len(batch)), self._grad_features_t
        self.output.losses(self.features(batch, draws), batch.targets, draws, losses)
        self.output.backward(optimizer, grad_t)
        self.layers.backward(grad_t, len(batch), self.inputs.grad_t, False)
        return losses, *self.inputs.backward(batch)

    def _table_gradients(self, grad_x: np.ndarray, touched: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: self.inputs.encoder.gradients(name, 0, len(rows), grad_x) for name, rows in touched.items()}

    def _norm(self, kept: dict[str, np.ndarray]) -> float:
        """Compute the norm of all gradients together."""
        grads = (*kept.values(), *self.layers.grads.values())
        total = sum(matrices.sum_of_squares(grad.reshape(1, -1), grad.size) for grad in grads)
        return float(np.sqrt(total + self.output.squared_norm()))

    def _update(
        self,
        optimizer: Optimizer,
        touched: dict[str, np.ndarray],
        gradients: Callable[[str, int, int], np.ndarray],
    ) -> None:
        """Update the layers, and the rows of tables that the batch read; each worker updates its share of the rows."""

        def task(worker: int) -> None:
            for name, grad in self.layers.grads.items():
                if name in optimizer:  # others are constants
                    first, last = self._workers.share(len(grad), worker)
                    optimizer.update(name, grad[first:last], first, last)
            for name, rows in touched.items():
                first, last = self._workers.share(len(rows), worker)
                if last > first:
                    optimizer.update_rows(name, gradients(name, first, last), rows[first:last])

        self._workers.run(task)
