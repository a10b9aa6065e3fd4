"""The tables of activations, of costs and of update rules, by name.

The options take their names; the kernels of the same names compute them. To add one is to write its entry
here and its arithmetic (`kernels/activations.py`, `teaching/costs.py`, `kernels/updates.py`); the tests go through
these tables. The formulas of activations and costs are those of `fflm.teaching.formulas`: the float64 oracle
(`teaching/network_graph.py`) is built from them, and the kernels are tested against it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Activation:
    """A nonlinearity a = f(z).

    Attributes
    ----------
    formula : str
        The formula of f, in z and, where it has one, the slope s.
    gain : str
        How the first weights are drawn: ``glorot``, uniform in +-sqrt(6 / (in + out)) (Glorot and Bengio 2010), or
        ``he``, in +-sqrt(6 / in) (He et al. 2015).
    slope : float, optional
        The slope below 0, for activations that have one.
    learned : bool
        Whether the slope is a parameter, one for each unit.
    kernel : str, optional
        The name of the kernel, where it differs from that of the activation.
    joint : bool
        True for softmax: each output depends on all units of the layer, so it can only be the last layer.
    """

    formula: str
    gain: str = "glorot"
    slope: float | None = None
    learned: bool = False
    kernel: str | None = None
    joint: bool = False


ACTIVATIONS = {
    "identity": Activation("z"),
    "sigmoid": Activation("sigmoid(z)"),
    "tanh": Activation("tanh(z)"),
    "relu": Activation("relu(z)", "he"),
    "leaky-relu": Activation("s * z + (1 - s) * relu(z)", "he", slope=0.01, kernel="sloped"),
    "prelu": Activation("s * z + (1 - s) * relu(z)", "he", slope=0.25, learned=True, kernel="sloped"),
    "swish": Activation("z * sigmoid(z)", "he"),
    "softmax": Activation("softmax(z)", joint=True),
}


@dataclass(frozen=True)
class Cost:
    """A cost C(a, y) of one example, of the outputs a and the targets y.

    Attributes
    ----------
    formula : str
        The cost of each of the K outputs; the cost of an example is their sum.
    pair : str, optional
        The one output activation that it is for; then dC/dz is a - y, and computed so, without f'.
    stable : str, optional
        With a pair, the same cost as a formula in z, where no logarithm meets 0.
    """

    formula: str
    pair: str | None = None
    stable: str | None = None


COSTS = {
    "quadratic": Cost("(a - y) ** 2 / 2"),
    "squared": Cost("(a - y) ** 2"),
    "absolute": Cost("abs(a - y) / K"),
    "cross-entropy": Cost("-y * log(a) - (1 - y) * log(1 - a)", pair="sigmoid", stable="softplus(z) - y * z"),
    "log-likelihood": Cost("-y * log(a)", pair="softmax", stable="y * (logsumexp(z) - z)"),
}


def _unchanged(step: int, *constants: float) -> tuple[float, tuple[float, ...]]:
    return 1.0, constants


def _with_complement(step: int, rho: float, tiny: float) -> tuple[float, tuple[float, ...]]:
    return 1.0, (rho, 1.0 - rho, tiny)


def _bias_corrected(step: int, beta1: float, beta2: float, tiny: float) -> tuple[float, tuple[float, ...]]:
    """Correct for averages that begin at 0: in the first steps they are too small (Kingma and Ba 2015, section 3)."""
    return 1.0 - beta1**step, (beta1, 1.0 - beta1, beta2, 1.0 - beta2, tiny, 1.0 / math.sqrt(1.0 - beta2**step))


@dataclass(frozen=True)
class Rule:
    """An update rule.

    Attributes
    ----------
    source : str
        The publication that defines it.
    states : int
        The number of averages that it keeps for every weight.
    learning_rate : float
        The usual step size.
    constants : tuple of float
        The constants of the source, in its order.
    at_step : callable
        A function of the number of a step, from 1, and the constants; it returns what the learning rate is divided by,
        and the constants in the order in which the kernel names them.
    weight_decay : float
        The usual decoupled weight decay.
    kernel : str, optional
        The name of the kernel, where it differs from that of the rule.
    """

    source: str
    states: int
    learning_rate: float
    constants: tuple[float, ...] = ()
    at_step: Callable[..., tuple[float, tuple[float, ...]]] = _unchanged
    weight_decay: float = 0.0
    kernel: str | None = None


ADAM = (0.9, 0.999, 1e-8)
RULES = {
    "sgd": Rule("gradient descent", 0, 0.5),
    "momentum": Rule("Polyak 1964", 1, 0.1, (0.9,)),
    "adagrad": Rule("Duchi et al. 2011", 1, 0.05, (1e-10,)),
    "rmsprop": Rule("Tieleman and Hinton 2012", 1, 0.001, (0.99, 1e-8), _with_complement),
    "adadelta": Rule("Zeiler 2012", 2, 1.0, (0.9, 1e-6), _with_complement),
    "adam": Rule("Kingma and Ba 2015", 2, 0.001, ADAM, _bias_corrected),
    "adamw": Rule("Loshchilov and Hutter 2019", 2, 0.001, ADAM, _bias_corrected, weight_decay=0.1, kernel="adam"),
}
