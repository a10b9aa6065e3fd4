"""The whole network: inputs, hidden layers, softmax; forward, backward and one training step.

A batch stands transposed, (features, batch), except where rows of words are read or added: see `kernels/softmax.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fflm.config import ModelConfig
from fflm.kernels import dropout, matrices
from fflm.nn.buffers import buffer
from fflm.nn.encoders.context import ContextInputs
from fflm.nn.encoders.embedding_rows import Inputs
from fflm.nn.layers.dense import DenseLayer
from fflm.nn.layers.dropout import Drop
from fflm.nn.optimizers import Optimizer
from fflm.nn.outputs.softmax import VocabularySoftmax
from fflm.nn.parameters import Parameters
from fflm.runtime.workers import Workers


class Network:
    """The network of Bengio et al. 2003, or any of its kind, with its scratch memory.

    Parameters
    ----------
    config : ModelConfig
    parameters : dict
        As `fflm.nn.parameters.shapes` names them; read here, and updated in place by `step`.
    inputs : Inputs
        What the network sees, and the largest batch.
    team : Workers
    training : bool
        Whether `step` or `gradients` will be called.
    clip_norm : float, optional
        Gradients are scaled down to this global norm before an update.
    """

    def __init__(
        self,
        config: ModelConfig,
        parameters: Parameters,
        inputs: Inputs,
        team: Workers,
        training: bool = False,
        clip_norm: float | None = None,
        whole_gradient: bool = False,
    ):
        self.parameters, self.inputs, self.team = parameters, inputs, team
        self.direct, self.training, self.clip_norm = config.direct, training, clip_norm
        self.batch_size = batch_size = len(inputs.targets)
        self.width = width = inputs.width
        self.x = buffer(batch_size, width)
        sizes = list(config.hidden_dims)
        self.last = sizes[-1] if sizes else 0
        features = self.last + (width if config.direct or not sizes else 0)
        self.features_t = buffer(features, batch_size)  # [hidden outputs; inputs], the paper's [f(d + Hx); x]
        self.x_t = self.features_t[self.last :] if features > self.last else buffer(width, batch_size)
        outputs = [buffer(units, batch_size) for units in sizes[:-1]] + [self.features_t[: self.last]]
        self.hidden = [
            DenseLayer(f"hidden.{i}", parameters, config.activation, team, batch_size, outputs[i])
            for i in range(len(sizes))
        ]
        self.output = VocabularySoftmax(parameters, team, batch_size, training, whole_gradient or clip_norm is not None)
        if training:
            self._make_backward_buffers(sizes, features)

    def _make_backward_buffers(self, sizes: list[int], features: int) -> None:
        size = self.batch_size
        self.copies = [buffer(size, units) for units in sizes[:-1]]  # row-major inputs of hidden.1, hidden.2 ...
        self.features = buffer(size, features)
        self.grad_x, self.grad_x_t = buffer(size, self.width), buffer(self.width, size)

    def forward(self, load: Callable, n: int, drops: list[Drop | None] | None = None) -> None:
        """Run a batch of n rows up to the maxima and sums of the softmax.

        `drops` holds the dropout of the embeddings and of each hidden layer, for training.
        """
        drops = drops or [None] * (1 + len(self.hidden))
        self.team.run(lambda worker: self._embed(worker, load, n, drops[0]))
        inputs_t = self.x_t
        for i, layer in enumerate(self.hidden):
            copy = None
            if self.training:
                copy = self.features if layer is self.hidden[-1] else self.copies[i]
            layer.forward(inputs_t, n, drops[i + 1], copy)
            inputs_t = layer.out_t
        self.output.forward(self.features_t, self.inputs.targets[:n])

    def _embed(self, worker: int, load: Callable, n: int, drop: Drop | None) -> None:
        first, last = self.team.share(n, worker)
        load(first, last)
        x = self.x[first:last]
        self.inputs.gather(x, first, last)
        if drop is not None:
            dropout.dropout(x, first, drop.key, drop.rate, self.width)
        matrices.transpose(self.x_t, self.x, first, last, self.width)
        if self.training and self.features_t.shape[0] > self.last:
            self.features[first:last, self.last : self.last + self.width] = x[:, : self.width]

    def log_probs(self, load: Callable, out: np.ndarray) -> None:
        """Natural log P(target | context) of a batch into out (B,) float64."""
        self.forward(load, out.size)
        self.output.log_probs(out)

    def probabilities(self, load: Callable, out: np.ndarray) -> None:
        """P(. | context) of a batch into out (B, V) float32."""
        self.forward(load, out.shape[0])
        self.output.probabilities(self.features_t, out)

    def step(
        self, load: Callable, losses: np.ndarray, optimizer: Optimizer, drops: list[Drop | None] | None = None
    ) -> None:
        """One update on a batch; its losses, -log P(target) in nats, go into `losses` (B,) float64."""
        n = losses.size
        at_once = optimizer if self.clip_norm is None else None
        self._backward(load, losses, drops, at_once)
        factor = 1.0
        if self.clip_norm is not None:
            factor = min(1.0, self.clip_norm / max(self._gradient_norm(n), 1e-30))
            self.output.apply(optimizer, factor)
        self._update(optimizer, n, factor)

    def gradients(
        self, load: Callable, losses: np.ndarray, drops: list[Drop | None] | None = None
    ) -> dict[str, np.ndarray]:
        """Gradients of the mean loss of a batch, without an update, by parameter name (needs ``whole_gradient``)."""
        n = losses.size
        self._backward(load, losses, drops, None)
        found = self._add_embedding_gradients(n)
        table = np.zeros_like(self.inputs.table)
        table[self.inputs.words[:found]] = self.inputs.grads[:found]
        grads = {"embeddings": table}
        for layer in self.hidden:
            grads.update(layer.grads)
        return {name: value.copy() for name, value in (grads | self.output.grads).items()}

    def _backward(
        self, load: Callable, losses: np.ndarray, drops: list[Drop | None] | None, optimizer: Optimizer | None
    ) -> None:
        n = losses.size
        drops = drops or [None] * (1 + len(self.hidden))
        self.forward(load, n, drops)
        self.output.log_probs(losses)
        np.negative(losses, losses)
        width = self.output.weights.shape[1]
        self.output.backward(self.features_t, self.features[:n, :width], self.inputs.targets[:n], optimizer)
        self.team.run(lambda worker: self._collect(worker, n, drops))
        for i in reversed(range(len(self.hidden))):
            self.team.run(lambda worker, i=i: self._backward_hidden(worker, i, n, drops))

    def _collect(self, worker: int, n: int, drops: list[Drop | None]) -> None:
        if self.hidden:
            layer = self.hidden[-1]
            first, last = self.team.share(layer.units, worker)
            matrices.sum_parts(layer.delta_t[first:last], self.output.grad_features, first, n)
            layer.finish_delta(first, last, n, drops[-1])
        if self.features_t.shape[0] > self.last:
            first, last = self.team.share(self.width, worker)
            matrices.sum_parts(self.grad_x_t[first:last], self.output.grad_features, self.last + first, n)
            if not self.hidden:
                self._finish_grad_x(first, last, n, drops[0])

    def _backward_hidden(self, worker: int, i: int, n: int, drops: list[Drop | None]) -> None:
        layer = self.hidden[i]
        layer.grad_weights(worker, self.x if i == 0 else self.copies[i - 1], n)
        first, last = self.team.share(layer.inputs, worker)
        if i > 0:
            below = self.hidden[i - 1]
            layer.grad_inputs(below.delta_t, first, last, n, False)
            below.finish_delta(first, last, n, drops[i])
        else:
            layer.grad_inputs(self.grad_x_t, first, last, n, self.direct)
            self._finish_grad_x(first, last, n, drops[0])

    def _finish_grad_x(self, first: int, last: int, n: int, drop: Drop | None) -> None:
        if drop is not None:
            dropout.dropout_transposed(self.grad_x_t[first:last], first, drop.key, drop.rate, n)
        matrices.transpose(self.grad_x, self.grad_x_t, first, last, n)

    def _add_embedding_gradients(self, n: int) -> int:
        found = self.inputs.find_words(n)
        self.inputs.scatter(0, found, n, self.grad_x)
        return found

    def _gradient_norm(self, n: int) -> float:
        found = self._add_embedding_gradients(n)
        grads = [self.inputs.grads[:found], *(grad for layer in self.hidden for grad in layer.grads.values())]
        total = sum(matrices.sum_of_squares(grad.reshape(1, -1), grad.size) for grad in grads)
        return float(np.sqrt(total + self.output.squared_norm()))

    def _update(self, optimizer: Optimizer, n: int, factor: float) -> None:
        found = self.inputs.find_words(n)

        def task(worker):
            for layer in self.hidden:
                first, last = self.team.share(layer.units, worker)
                for name, grad in layer.grads.items():
                    self._scaled(grad[first:last], factor)
                    optimizer.update(name, grad[first:last], first, last)
            first, last = self.team.share(found, worker)
            if last > first:
                rows = self.inputs.scatter(first, last, n, self.grad_x)
                self._scaled(rows, factor)
                optimizer.update_rows("embeddings", rows, self.inputs.words[first:last])

        self.team.run(task)

    def _scaled(self, grad: np.ndarray, factor: float) -> None:
        if factor != 1.0:
            matrices.scale(grad.reshape(1, -1), np.float32(factor), grad.size)


def context_network(
    config: ModelConfig,
    parameters: Parameters,
    team: Workers,
    batch_size: int,
    frozen: np.ndarray | None = None,
    **options,
) -> Network:
    """The language model's network, which sees the words before a word; `options` are those of `Network`."""
    inputs = ContextInputs(parameters["embeddings"], batch_size, config.context_size, config.bag_size, frozen)
    return Network(config, parameters, inputs, team, **options)
