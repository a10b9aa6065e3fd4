"""What a network can be made of: one table of activations, one of costs, one of update rules.

The configuration offers their names, the kernels of the same names compute them. To add one is to write its entry
here, its arithmetic (`kernels/activations.py`, `nn/costs.py`, `kernels/updates.py`), for the first two its line in the
float64 oracle (`nn/graphs.py`), and its line in the tests, which go through these tables and find what is missing.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Activation:
    """A nonlinearity a = f(z); the lecture's example E5 has those of single units, E2 and E3 the softmax.

    Attributes
    ----------
    formula : str
    gain : str
        First weights: ``glorot``, uniform in +-sqrt(6 / (in + out)) (Glorot and Bengio 2010), or ``he``, in
        +-sqrt(6 / in) (He et al. 2015).
    slope : float, optional
        Slope below 0, for those that have one.
    learned : bool
        Whether the slope is a parameter, one for each unit.
    kernel : str, optional
        The kernel's name, where it is not the activation's own.
    whole : bool
        Whether a unit's output depends on the whole layer: then it is for output layers alone.
    """

    formula: str
    gain: str = "glorot"
    slope: float | None = None
    learned: bool = False
    kernel: str | None = None
    whole: bool = False


ACTIVATIONS = {
    "identity": Activation("z"),
    "sigmoid": Activation("1 / (1 + e^-z)"),
    "tanh": Activation("tanh z"),
    "relu": Activation("max(z, 0)", "he"),
    "leaky-relu": Activation("z, or 0.01 z below 0", "he", slope=0.01, kernel="sloped"),
    "prelu": Activation("z, or s z below 0, s learned", "he", slope=0.25, learned=True, kernel="sloped"),
    "swish": Activation("z / (1 + e^-z)", "he"),
    "softmax": Activation("e^z / sum of e^z over the layer", whole=True),
}


@dataclass(frozen=True)
class Cost:
    """A cost C(a, y) of one example: the outputs a against what they should be, y; E6 pairs outputs and costs.

    Attributes
    ----------
    formula : str
    pair : str, optional
        The one output activation that it is for; then dC/dz is a - y, and computed so, without f'.
    """

    formula: str
    pair: str | None = None


COSTS = {
    "quadratic": Cost("sum of (a - y)^2 / 2"),
    "squared": Cost("sum of (a - y)^2"),
    "absolute": Cost("mean of |a - y|"),
    "cross-entropy": Cost("-sum of y ln a + (1 - y) ln(1 - a)", pair="sigmoid"),
    "log-likelihood": Cost("-sum of y ln a", pair="softmax"),
}


@dataclass(frozen=True)
class Rule:
    """An update rule; E18.

    Attributes
    ----------
    source : str
    states : int
        Averages that it keeps for every weight.
    learning_rate : float
        Usual step size.
    constants : tuple of float
        In the order in which the kernel names them.
    weight_decay : float
        Usual decoupled weight decay.
    kernel : str, optional
        The kernel's name, where it is not the rule's own.
    """

    source: str
    states: int
    learning_rate: float
    constants: tuple[float, ...] = ()
    weight_decay: float = 0.0
    kernel: str | None = None


RULES = {
    "sgd": Rule("gradient descent", 0, 0.5),
    "momentum": Rule("Polyak 1964", 1, 0.1, (0.9,)),
    "adagrad": Rule("Duchi et al. 2011", 1, 0.05, (1e-10,)),
    "rmsprop": Rule("Tieleman and Hinton 2012", 1, 0.001, (0.99, 1e-8)),
    "adadelta": Rule("Zeiler 2012", 2, 1.0, (0.9, 1e-6)),
    "adam": Rule("Kingma and Ba 2015", 2, 0.001, (0.9, 0.999, 1e-8)),
    "adamw": Rule("Loshchilov and Hutter 2019", 2, 0.001, (0.9, 0.999, 1e-8), weight_decay=0.1, kernel="adam"),
}
