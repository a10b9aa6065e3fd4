"""The general feedforward network: any number of fully connected layers, any activations, any cost."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NoReturn

import numpy as np
from numpy.typing import ArrayLike

from fflm import html
from fflm.errors import DivergenceError
from fflm.nn.batches import Examples
from fflm.nn.inputs import Inputs
from fflm.nn.layers.chain import Chain
from fflm.nn.layers.dense import Dense
from fflm.nn.network import Network
from fflm.nn.optimizers import Optimizer, usual_rates
from fflm.nn.parameters import Parameters
from fflm.nn.steps import steps
from fflm.runtime.workers import Workers
from fflm.teaching import graph
from fflm.teaching.arguments import (
    check_flag,
    check_number,
    check_training,
    checked_activations,
    checked_sizes,
    examples,
    targets,
)
from fflm.teaching.cost_output import CostOutput
from fflm.teaching.network_graph import central_differences, largest_distance, lecture_graph
from fflm.teaching.passes import BackwardPass, ForwardPass
from fflm.teaching.rows import RowsEncoder


class FeedForward:
    """L fully connected layers, a = f(W x + b), trained by backpropagation.

    The layers, activations and update rules are those of the language model.

    Parameters
    ----------
    layer_sizes : sequence of int
        Inputs, units of each layer, the last of which are the outputs.
    activations : str or sequence of str
        One for all layers, or one for each: identity, sigmoid, tanh, relu, leaky-relu, prelu, swish; softmax for the
        last one.
    cost : str
        quadratic (sum of (a - y)^2 / 2), squared, absolute (a mean), cross-entropy (with sigmoid outputs),
        log-likelihood (with softmax outputs).
    bias : bool
        Whether biases are learned; else they stay 0, or what one writes into them.
    seed : int
        The seed of the first weights and of the order of the examples.

    Attributes
    ----------
    weights : tuple of (units, inputs) float32
        The arrays of the network itself; write into them (``network.weights[0][:] = ...``) to set them.
    biases : tuple of (units,) float32
        Zeros, in a network without.
    slopes : tuple of (units,) float32
        Below 0: 0.01 of leaky-relu, learned for prelu, without meaning for the others.

    Raises
    ------
    ConfigError
        If a name is unknown, or the output layer does not go with the cost.

    Examples
    --------
    One unit, example E1 of the lectures (see `fflm.teaching`):

    >>> unit = FeedForward([3, 1], "sigmoid")
    >>> unit.weights[0][:], unit.biases[0][:] = [0.2, 0.3, 0.9], 0.5
    >>> round(float(unit.predict([[0.5, 0.6, 0.1]])[0, 0]), 4)
    0.7047
    """

    def __init__(
        self,
        layer_sizes: Sequence[int],
        activations: str | Sequence[str] = "sigmoid",
        cost: str = "quadratic",
        *,
        bias: bool = True,
        seed: int = 1,
    ):
        self.layer_sizes = checked_sizes(layer_sizes)
        self.activations = checked_activations(activations, cost, len(self.layer_sizes) - 1)
        check_number("seed", seed, 0, whole=True)
        check_flag("bias", bias)
        self.cost, self.seed = cost, seed
        sizes = self.layer_sizes
        self._layers = [Dense(f"layer.{i}", sizes[i], sizes[i + 1], name) for i, name in enumerate(self.activations)]
        self._output = CostOutput(self._layers[-1], cost)
        below = Chain(self.layer_sizes[0], self._layers[:-1])
        self._network = Network(Inputs(RowsEncoder(self.layer_sizes[0])), below, self._output)
        self._workers, self._batch_size = Workers(1), 0
        self._learned = [name for name in self._network.shapes() if bias or not name.endswith(".bias")]
        self._parameters = self._network.initialise(seed, counts=np.zeros(0, np.int64))
        for layer in self._layers:  # biases and slopes that are not learned may still be set
            self._parameters |= {
                name: value for name, value in layer.constants().items() if name not in self._parameters
            }
        self.weights, self.biases, self.slopes = (
            tuple(self._parameters[f"{layer.name}.{part}"] for layer in self._layers)
            for part in ("weights", "bias", "slope")
        )

    def __repr__(self) -> str:
        return f"FeedForward({self.layer_sizes}, {self.activations}, {self.cost!r})"

    # One batch

    def _repr_html_(self) -> str:
        rows = [
            (f"layer {i}", inputs, units, self.activations[i], f"{inputs * units + units:,}")
            for i, (inputs, units) in enumerate(zip(self.layer_sizes, self.layer_sizes[1:], strict=False))
        ]
        return html.box(
            html.title("FeedForward"), html.table(["", "inputs", "units", "activation", "parameters"], rows)
        )

    def forward(self, X: ArrayLike) -> ForwardPass:
        """Compute z and a of every layer for examples X (N, inputs).

        Examples
        --------
        >>> network = FeedForward([2, 3, 1], "tanh")
        >>> [a.shape for a in network.forward([[0.0, 1.0], [1.0, 1.0]]).a]
        [(2, 2), (2, 3), (2, 1)]
        """
        x = examples(X, self.layer_sizes[0])
        n = len(x)
        self._outputs(x)
        return ForwardPass(
            z=[layer.z_t[:, :n].T.copy() for layer in self._layers],
            a=[x, *(layer.out_t[:, :n].T.copy() for layer in self._layers)],
        )

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Compute the outputs (N, outputs) float32 for examples X (N, inputs).

        Examples
        --------
        >>> FeedForward([2, 3], "softmax", "log-likelihood").predict([[0.0, 1.0]]).sum().round(5)
        np.float32(1.0)
        """
        return self._outputs(examples(X, self.layer_sizes[0]))

    def mean_cost(self, X: ArrayLike, Y: ArrayLike) -> float:
        """Compute the mean of the cost over examples X (N, inputs) with targets Y; see `fit`.

        Examples
        --------
        >>> network = FeedForward([1, 1], "identity")
        >>> network.weights[0][:] = 3.0
        >>> network.mean_cost([[1.0]], [[1.0]])
        2.0
        """
        x, y_t = self._pairs(X, Y)
        self._prepare(len(x))
        negative = np.empty(len(x))
        self._network.log_probs(Examples(x, y_t), negative)
        return -float(negative.mean())

    def backward(self, X: ArrayLike, Y: ArrayLike) -> BackwardPass:
        """Compute the gradients of the mean cost by backpropagation, equations BP1 to BP4, without an update.

        Examples
        --------
        >>> network = FeedForward([1, 1], "identity")
        >>> network.weights[0][:] = 3.0
        >>> found = network.backward([[2.0]], [[1.0]])
        >>> found.cost, found.deltas[0].tolist(), found.weights[0].tolist(), found.biases[0].tolist()
        (12.5, [[5.0]], [[10.0]], [5.0])
        """
        x, y_t = self._pairs(X, Y)
        n = len(x)
        self._prepare(n)
        costs, _ = self._network.gradients(Examples(x, y_t))
        return BackwardPass(
            cost=float(costs.mean()),
            deltas=[layer.delta_t[:, :n].T * np.float32(n) for layer in self._layers],
            weights=[layer.grads[f"{layer.name}.weights"].copy() for layer in self._layers],
            biases=[layer.grads[f"{layer.name}.bias"].copy() for layer in self._layers],
            slopes=[layer.grads[f"{layer.name}.slope"].copy() for layer in self._layers],
        )

    def _prepare(self, batch_size: int) -> None:
        """Make scratch memory, if it is for smaller batches."""
        if batch_size > self._batch_size:
            self._batch_size = batch_size
            self._network.prepare(self._parameters, self._workers, batch_size, training=True)

    def _outputs(self, x: np.ndarray) -> np.ndarray:
        """Compute the outputs (N, outputs) of examples x (N, inputs); every layer keeps its outputs."""
        self._prepare(len(x))
        out = np.empty((len(x), self.layer_sizes[-1]), np.float32)
        self._network.distribution(Examples(x, x), out)
        return out

    # Training

    def fit(
        self,
        X: ArrayLike,
        Y: ArrayLike,
        *,
        epochs: int = 100,
        batch_size: int | None = None,
        optimizer: str = "sgd",
        learning_rate: float | None = None,
        decrease: float = 0.0,
        weight_decay: float | None = None,
    ) -> list[float]:
        """Train on examples X (N, inputs) with targets Y.

        Parameters
        ----------
        X : (N, inputs)
        Y : (N, outputs), or (N,)
            For a single output, or, with the cost log-likelihood, the numbers of the classes.
        epochs : int
            Passes over the examples; each is in another order.
        batch_size : int, optional
            Examples per update: 1 for one at a time, all of them by default.
        optimizer : str
            sgd, momentum, adagrad, rmsprop, adadelta, adam, adamw. Each call begins it anew.
        learning_rate : float, optional
            The rate; by default the optimizer's.
        decrease : float
            In epoch t = 0, 1 ... the rate is learning_rate / (1 + decrease * t).
        weight_decay : float, optional
            Decoupled, never on biases; what suits the optimizer, by default.

        Returns
        -------
        list of float
            The mean cost of each epoch, of each example before the update that it is part of.

        Raises
        ------
        ConfigError
            If shapes or options make no sense.
        DivergenceError
            If the cost is no finite number any more; the weights are then as before the call.

        Examples
        --------
        Exclusive or, example E19 of the lectures, which no linear network learns:

        >>> X, Y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
        >>> network = FeedForward([2, 4, 1], ["tanh", "sigmoid"], "cross-entropy")
        >>> history = network.fit(X, Y, epochs=500, optimizer="adam", learning_rate=0.05)
        >>> network.predict(X).round().ravel().tolist()
        [0.0, 1.0, 1.0, 0.0]
        """
        x, y_t = self._pairs(X, Y)
        size = len(x) if batch_size is None else batch_size
        check_training(optimizer, epochs=epochs, batch_size=size, decrease=decrease)
        rate, decay = usual_rates(optimizer, learning_rate, weight_decay)
        check_number("learning_rate", rate, 0.0)
        check_number("weight_decay", decay, 0.0)
        learned = Parameters({name: self._parameters[name] for name in self._learned})
        before, updater = learned.snapshot(), Optimizer(optimizer, learned, decay)
        per_epoch = math.ceil(len(x) / size)
        self._prepare(min(size, len(x)))

        def rate_of(done: int) -> float:
            return rate / (1.0 + decrease * (done // per_epoch))

        sums = [0.0] * epochs
        loop = steps(self._network, updater, self._batches(x, y_t, epochs, size), rate_of, largest_loss=math.inf)
        try:
            for step in loop:
                sums[(step.number - 1) // per_epoch] += step.loss
        except DivergenceError as error:
            self._diverged(before, str(error))
        if not learned.are_finite():
            self._diverged(before, f"weights are not finite after the last update with learning rate {rate:g}")
        return [total / len(x) for total in sums]

    def _batches(self, x: np.ndarray, y_t: np.ndarray, epochs: int, size: int) -> Iterator[Examples]:
        """Yield the examples in batches, in another order in each epoch; as they are where one batch holds all."""
        for epoch in range(epochs):
            order: np.ndarray = np.arange(len(x))
            if size < len(x):
                order = np.random.default_rng([self.seed, epoch]).permutation(len(x))
            for first in range(0, len(x), size):
                rows = order[first : first + size]
                yield Examples(x[rows], np.ascontiguousarray(y_t[:, rows]))

    def _diverged(self, before: Parameters, how: str) -> NoReturn:
        self._parameters.restore(before)
        raise DivergenceError(f"training diverged: {how}; try a smaller learning_rate")

    # Checking

    def check_gradients(self, X: ArrayLike, Y: ArrayLike) -> dict[str, float]:
        """Compute how far the gradients are from central differences (example E13 of the lectures).

        The differences are those of the same cost as a computation graph (`fflm.graph`) in float64, where they are
        good to about 1e-9: in float32 they would have three digits.

        Returns
        -------
        dict
            For each parameter, ``layer.0.weights`` ..., the largest distance from its central difference, over the
            largest of these. A few 1e-7 is float32's rounding, 1e-2 a mistake. Numbers at a corner are left out, as
            the first biases of a ReLU, 0, with inputs 0: the cost has no derivative by them. nan if nothing is left.

        Examples
        --------
        >>> network = FeedForward([2, 3, 1], "tanh")
        >>> max(network.check_gradients([[0.1, 0.9], [0.5, 0.2]], [0.0, 1.0]).values()) < 1e-5
        True
        """
        x, y_t = self._pairs(X, Y)
        self._prepare(len(x))
        _, grads = self._network.gradients(Examples(x, y_t))
        found = central_differences(self._parameters, self._learned, self.activations, self.cost, x, y_t.T)
        return {name: largest_distance(grads[name], exact) for name, exact in found.items()}

    def graph(self, X: ArrayLike, Y: ArrayLike) -> graph.Node:
        """Build the computation graph (`fflm.graph`) of the mean cost, as the lectures draw it in example E17.

        Nodes are named ``layer.0.weights``, ``layer.0.bias``, ``layer.0.z``, ``layer.0.a`` ... Where an output is so
        near 0 or 1 that the logarithm of the lectures' cost is not finite, the cost is drawn as a formula of z.

        Examples
        --------
        >>> network = FeedForward([2, 1], "sigmoid", "cross-entropy")
        >>> cost = network.graph([[0.1, 0.9]], [[1.0]])
        >>> bool(abs(cost.value - network.mean_cost([[0.1, 0.9]], [[1.0]])) < 1e-6)
        True
        """
        x, y_t = self._pairs(X, Y)
        return lecture_graph(self._parameters, self.activations, self.cost, x, y_t.T)

    def _pairs(self, X: ArrayLike, Y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        x = examples(X, self.layer_sizes[0])
        return x, targets(Y, len(x), self.layer_sizes[-1], self.cost)
