"""The general feedforward network: any number of fully connected layers, any activations, any cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fflm.config.names import ACTIVATIONS, COSTS
from fflm.errors import DivergenceError
from fflm.nn.layers.chain import DenseStack
from fflm.nn.optimizers import Optimizer, usual_rates
from fflm.nn.parameters import Parameters, first_values
from fflm.teaching import costs, graph
from fflm.teaching.arguments import (
    check_flag,
    check_number,
    check_training,
    checked_activations,
    checked_sizes,
    examples,
    targets,
)
from fflm.teaching.network_graph import central_differences, largest_distance, lecture_graph
from fflm.teaching.passes import BackwardPass, ForwardPass


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
        Of the first weights and of the order of the examples.

    Attributes
    ----------
    weights : tuple of (units, inputs) float32
        The network's own; write into them (``network.weights[0][:] = ...``) to set them.
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
    The unit of the lecture (E1):

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
        self._value = getattr(costs, cost.replace("-", "_"))
        self._gradient = getattr(costs, cost.replace("-", "_") + "_gradient")
        self._arrays: Parameters = {}
        self._learned: list[str] = []  # names of those that `fit` changes
        generator = np.random.default_rng(seed)
        for i, activation in enumerate(self.activations):
            outputs, inputs = self.layer_sizes[i + 1], self.layer_sizes[i]
            learned = {"weights": True, "bias": bias, "slope": ACTIVATIONS[activation].learned}
            for part, shape in {"weights": (outputs, inputs), "bias": (outputs,), "slope": (outputs,)}.items():
                values = first_values(f".{part}", shape, activation, generator)
                self._arrays[f"layer.{i}.{part}"] = values.astype(np.float32)
                self._learned += [f"layer.{i}.{part}"] * learned[part]
        self.weights, self.biases, self.slopes = (
            tuple(self._arrays[f"layer.{i}.{part}"] for i in range(len(self.activations)))
            for part in ("weights", "bias", "slope")
        )
        self._stack = DenseStack(self._arrays, self.layer_sizes, self.activations)

    def __repr__(self) -> str:
        return f"FeedForward({self.layer_sizes}, {self.activations}, {self.cost!r})"

    # One batch

    def forward(self, X) -> ForwardPass:
        """z and a of every layer for examples X (N, inputs); E1 to E4.

        Examples
        --------
        >>> network = FeedForward([2, 3, 1], "tanh")
        >>> [a.shape for a in network.forward([[0.0, 1.0], [1.0, 1.0]]).a]
        [(2, 2), (2, 3), (2, 1)]
        """
        x = examples(X, self.layer_sizes[0])
        n = len(x)
        self._stack.forward(x)
        return ForwardPass(
            z=[layer.z_t[:, :n].T.copy() for layer in self._stack.layers],
            a=[x, *(layer.out_t[:, :n].T.copy() for layer in self._stack.layers)],
        )

    def predict(self, X) -> np.ndarray:
        """Outputs (N, outputs) float32 for examples X (N, inputs).

        Examples
        --------
        >>> FeedForward([2, 3], "softmax", "log-likelihood").predict([[0.0, 1.0]]).sum().round(5)
        np.float32(1.0)
        """
        return self._stack.forward(examples(X, self.layer_sizes[0])).T.copy()

    def mean_cost(self, X, Y) -> float:
        """The cost, mean over examples X (N, inputs) with targets Y; see `fit`.

        Examples
        --------
        >>> network = FeedForward([1, 1], "identity")
        >>> network.weights[0][:] = 3.0
        >>> network.mean_cost([[1.0]], [[1.0]])
        2.0
        """
        x, y_t = self._pairs(X, Y)
        self._stack.forward(x)
        return float(self._costs(y_t).mean())

    def backward(self, X, Y) -> BackwardPass:
        """Gradients of the mean cost by backpropagation (BP1 to BP4; E7 to E12), without an update.

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
        cost = self._backward(x, y_t).mean()
        return BackwardPass(
            cost=float(cost),
            deltas=[layer.delta_t[:, :n].T * np.float32(n) for layer in self._stack.layers],
            weights=[layer.grads[f"{layer.name}.weights"].copy() for layer in self._stack.layers],
            biases=[layer.grads[f"{layer.name}.bias"].copy() for layer in self._stack.layers],
            slopes=[layer.grads[f"{layer.name}.slope"].copy() for layer in self._stack.layers],
        )

    def _costs(self, y_t: np.ndarray) -> np.ndarray:
        last, n = self._stack.layers[-1], y_t.shape[1]
        return self._value(last.z_t[:, :n], last.out_t[:, :n], y_t)

    def _backward(self, x: np.ndarray, y_t: np.ndarray) -> np.ndarray:
        """Leaves the gradients of the mean cost in the layers; returns the costs (N,)."""
        a = self._stack.forward(x)
        delta = self._gradient(a, y_t) / np.float32(len(x))
        self._stack.backward(delta, by_outputs=COSTS[self.cost].pair is None)
        return self._costs(y_t)

    # Training

    def fit(
        self,
        X,
        Y,
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
            What suits the optimizer, by default.
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
        Exclusive or (E19), which no linear network learns:

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
        learned = {name: self._arrays[name] for name in self._learned}
        before = {name: value.copy() for name, value in learned.items()}
        updater, history, step = Optimizer(optimizer, learned, decay), [], 0
        for epoch in range(epochs):
            order = np.random.default_rng([self.seed, epoch]).permutation(len(x)) if size < len(x) else slice(None)
            x_now, y_now, total = x[order], y_t[:, order], 0.0
            for first in range(0, len(x), size):
                total += self._backward(x_now[first : first + size], y_now[:, first : first + size]).sum()
                if not np.isfinite(total):
                    self._diverged(before, f"the cost is {total:g} in epoch {epoch + 1}", rate)
                step += 1
                updater.begin_step(step, rate / (1.0 + decrease * epoch))
                for layer in self._stack.layers:
                    for name, grad in layer.grads.items():
                        if name in learned:
                            updater.update(name, grad, 0, len(grad))
            history.append(float(total / len(x)))
        if not all(np.isfinite(value).all() for value in learned.values()):
            self._diverged(before, "weights are not finite after the last update", rate)
        return history

    def _diverged(self, before: Parameters, how: str, rate: float) -> None:
        for name, value in before.items():
            self._arrays[name][:] = value
        raise DivergenceError(f"training diverged: {how} with learning rate {rate:g}; try a smaller one")

    # Checking

    def check_gradients(self, X, Y) -> dict[str, float]:
        """How far the gradients are from central differences (E13).

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
        self._backward(x, y_t)
        grads = {name: grad.copy() for layer in self._stack.layers for name, grad in layer.grads.items()}
        found = central_differences(self._arrays, self._learned, self.activations, self.cost, x, y_t.T)
        return {name: largest_distance(grads[name], exact) for name, exact in found.items()}

    def graph(self, X, Y) -> graph.Node:
        """The mean cost of examples as a computation graph (`fflm.graph`), as the lectures draw it (E17).

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
        return lecture_graph(self._arrays, self.activations, self.cost, x, y_t.T)

    def _pairs(self, X, Y) -> tuple[np.ndarray, np.ndarray]:
        x = examples(X, self.layer_sizes[0])
        return x, targets(Y, len(x), self.layer_sizes[-1], self.cost)
