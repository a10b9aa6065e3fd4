"""The network's parameters: names, shapes, first values.

Every parameter is float32 in C order, under one name in one dict; the model file stores exactly this dict.
"""

from __future__ import annotations

import numpy as np

from fflm.config import ModelConfig

Parameters = dict[str, np.ndarray]


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
        ``embeddings`` (V, m); ``hidden.0.weights`` (h, K*m), or (h, K*m + m) with a bag, ``hidden.0.bias`` (h,),
        ``hidden.1.weights`` ...; ``output.weights`` (V, h), with direct connections as many columns more as the first
        hidden layer has; ``output.bias`` (V,).

    Examples
    --------
    >>> from fflm.config import ModelConfig
    >>> shapes(ModelConfig(context_size=2, bag_size=0, embedding_dim=3, hidden_dims=5), 10)["hidden.0.weights"]
    (5, 6)
    """
    width = input_width(config)
    named = {"embeddings": (vocab_size, config.embedding_dim)}
    inputs = width
    for i, units in enumerate(config.hidden_dims):
        named[f"hidden.{i}.weights"] = (units, inputs)
        named[f"hidden.{i}.bias"] = (units,)
        inputs = units
    features = (inputs if config.hidden_dims else 0) + (width if config.direct else 0)
    named["output.weights"] = (vocab_size, features)
    named["output.bias"] = (vocab_size,)
    return named


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
        As `shapes` names them. Embeddings are uniform in +-0.1; hidden weights in +-sqrt(6 / (in + out)) for tanh and
        +-sqrt(6 / in) for ReLU (Glorot and Bengio 2010; He et al. 2015); output weights in +-sqrt(1 / features) / 10.

    Examples
    --------
    >>> import numpy as np
    >>> from fflm.config import ModelConfig
    >>> float(initialise(ModelConfig(), np.array([2, 0, 4]), seed=1)["output.bias"][2])  # log(5 / 9)
    -0.5877866744995117
    """
    generator = np.random.default_rng(seed)
    parameters = {}
    for name, shape in shapes(config, len(counts)).items():
        if name == "output.bias":
            smoothed = counts.astype(np.float64) + 1.0
            values = np.log(smoothed / smoothed.sum())
        elif name.endswith("bias"):
            values = np.zeros(shape)
        else:
            values = generator.uniform(-1.0, 1.0, shape) * _scale(name, shape, config.activation)
        parameters[name] = np.ascontiguousarray(values, dtype=np.float32)
    return parameters


def _scale(name: str, shape: tuple[int, ...], activation: str) -> float:
    if name == "embeddings":
        return 0.1
    outputs, inputs = shape
    if name == "output.weights":
        return 0.1 / np.sqrt(inputs)
    return np.sqrt(6.0 / inputs) if activation == "relu" else np.sqrt(6.0 / (inputs + outputs))


def buffer(*shape: int) -> np.ndarray:
    """Zeroed float32 scratch (..., width) whose rows are at least `shape[-1]` wide and start on a cache line.

    Rows are an odd number of cache lines long: at a power of two, the rows that a matrix product walks through would
    fall on the same few places of the first-level cache.
    """
    line = 16
    width = (-(-shape[-1] // line) | 1) * line
    flat = np.zeros(int(np.prod(shape[:-1])) * width + line, np.float32)
    start = -(flat.ctypes.data // flat.itemsize) % line
    return flat[start : start + flat.size - line].reshape(*shape[:-1], width)
