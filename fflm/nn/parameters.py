"""The network's parameters: names, shapes, first values.

Every parameter is float32 in C order, under one name in one dict; the model file stores exactly this dict.
"""

from __future__ import annotations

import numpy as np

from fflm.config import ModelConfig
from fflm.config.names import ACTIVATIONS

Parameters = dict[str, np.ndarray]


ROWS = 1024


def shapes(config: ModelConfig, vocab_size: int) -> dict[str, tuple[int, ...]]:
    """Name and shape of every parameter.

    Without direct connections and bag, and with one hidden layer, their sizes add up to ``V(1+m+h) + h(1+Km)``
    (Bengio et al. 2003, section 2); direct connections add ``V*K*m``, a bag is one more word of the context.

    Parameters
    ----------
    config : ModelConfig
        K = ``context_size``, m = ``embedding_dim``, h = ``hidden_dims``.
    vocab_size : int
        V, special tokens included.

    Returns
    -------
    dict
        ``embeddings`` (V, m); ``hidden.0.weights`` (h, K*m), or (h, K*m + m) with a bag, ``hidden.0.bias`` (h,), with
        PReLU ``hidden.0.slope`` (h,), ``hidden.1.weights`` ...; ``output.weights`` (V, h), with direct connections as
        many columns more as the first hidden layer has; ``output.bias`` (V,).

    Examples
    --------
    >>> from fflm.config import ModelConfig
    >>> shapes(ModelConfig(context_size=2, bag_size=0, embedding_dim=3, hidden_dims=5), 10)["hidden.0.weights"]
    (5, 6)
    """
    width = input_width(config)
    named = {"embeddings": (vocab_size, config.embedding_dim)}
    return named | layer_shapes(width, config.hidden_dims, config.activation, vocab_size, config.direct)


def layer_shapes(
    width: int, hidden_dims: tuple[int, ...], activation: str, outputs: int, direct: bool = False
) -> dict[str, tuple[int, ...]]:
    """Name and shape of the parameters after the embeddings, for inputs of `width` features.

    Examples
    --------
    >>> layer_shapes(4, (), "tanh", 2)
    {'output.weights': (2, 4), 'output.bias': (2,)}
    """
    named, inputs = {}, width
    for i, units in enumerate(hidden_dims):
        named[f"hidden.{i}.weights"] = (units, inputs)
        named[f"hidden.{i}.bias"] = (units,)
        if ACTIVATIONS[activation].learned:
            named[f"hidden.{i}.slope"] = (units,)
        inputs = units
    features = inputs + (width if direct and hidden_dims else 0)
    return named | {"output.weights": (outputs, features), "output.bias": (outputs,)}


def input_width(config: ModelConfig) -> int:
    """Features of a context: m for each of the K words in order, and m for the bag of those before, if there is one."""
    return (config.context_size + (config.bag_size > 0)) * config.embedding_dim


def initialise(config: ModelConfig, counts: np.ndarray, seed: int) -> Parameters:
    """First values: small uniform weights; output bias at the log of the training unigram probabilities.

    Parameters
    ----------
    config : ModelConfig
    counts : (V,) int64
        How often each word occurs in training; one is added to each, so that no probability is 0.
    seed : int

    Returns
    -------
    dict
        As `shapes` names them. Embeddings are uniform in +-0.1; hidden weights as `fflm.config.names.Activation` says;
        output weights in +-sqrt(1 / features) / 10.

    Examples
    --------
    >>> import numpy as np
    >>> from fflm.config import ModelConfig
    >>> float(initialise(ModelConfig(), np.array([2, 0, 4]), seed=1)["output.bias"][2])  # log(5 / 9)
    -0.5877866744995117
    """
    return first_parameters(shapes(config, len(counts)), config.activation, counts, seed)


def first_parameters(named: dict[str, tuple[int, ...]], activation: str, counts: np.ndarray, seed: int) -> Parameters:
    """First values of parameters of these shapes; `counts` (outputs,) of the words, or labels, to be predicted."""
    generator = np.random.default_rng(seed)
    parameters = {}
    for name, shape in named.items():
        if name == "output.bias":
            smoothed = counts.astype(np.float64) + 1.0
            values = np.log(smoothed / smoothed.sum())
        elif name == "embeddings":
            values = _uniform(generator, shape, 0.1)
        elif name == "output.weights":
            values = _uniform(generator, shape, 0.1 / np.sqrt(shape[1]))
        else:
            values = first_values(name, shape, activation, generator)
        parameters[name] = np.ascontiguousarray(values, dtype=np.float32)
    return parameters


def first_values(name: str, shape: tuple[int, ...], activation: str, generator: np.random.Generator) -> np.ndarray:
    """First values of one parameter of a fully connected layer; see `fflm.config.names.Activation`."""
    chosen = ACTIVATIONS[activation]
    if name.endswith(".weights"):
        outputs, inputs = shape
        fan = inputs if chosen.gain == "he" else inputs + outputs
        return _uniform(generator, shape, np.sqrt(6.0 / fan))
    return np.full(shape, (chosen.slope or 0.0) if name.endswith(".slope") else 0.0)


def _uniform(generator: np.random.Generator, shape: tuple[int, ...], size: float) -> np.ndarray:
    """float32 in +-size; drawn some rows at a time, so that no large array of float64 is made."""
    values = np.empty(shape, np.float32)
    for first in range(0, len(values), ROWS):
        some = values[first : first + ROWS]
        some[:] = generator.uniform(-1.0, 1.0, some.shape) * size
    return values
