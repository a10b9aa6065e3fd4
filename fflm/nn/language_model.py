"""The language model's network: the words before a word, hidden layers, a softmax over the vocabulary."""

from __future__ import annotations

import numpy as np

from fflm.config import ModelConfig
from fflm.nn.encoders import Encoder
from fflm.nn.encoders.context import ContextEncoder
from fflm.nn.encoders.embedding_rows import TABLE
from fflm.nn.encoders.pairs import PairEncoder
from fflm.nn.encoders.side_by_side import SideBySide
from fflm.nn.inputs import Inputs
from fflm.nn.layers.chain import Chain
from fflm.nn.layers.dense import Dense
from fflm.nn.layers.hidden import hidden_layers
from fflm.nn.network import Network
from fflm.nn.outputs import OutputLayer
from fflm.nn.outputs.sampled import SampledSoftmax, WordSampler
from fflm.nn.outputs.softmax import WEIGHTS, Softmax
from fflm.nn.parameters import Parameters, Shape


def context_network(
    config: ModelConfig,
    vocab_size: int,
    dropout: float = 0.0,
    embedding_dropout: float = 0.0,
    pair_dropout: float = 0.0,
    frozen: np.ndarray | None = None,
    sampler: WordSampler | None = None,
) -> Network:
    """Build the network of Bengio et al. 2003, equation 1, or one with other layers.

    Parameters
    ----------
    config : ModelConfig
        K = ``context_size``, m = ``embedding_dim``, h = ``hidden_dims``.
    vocab_size : int
        V, special tokens included.
    dropout, embedding_dropout, pair_dropout : float
        Shares of the hidden units, of the inputs, and of the word pairs, dropped in training.
    frozen : (V,) bool, optional
        Words whose features are not learned.
    sampler : WordSampler, optional
        With it, training steps can be made on a sample of the vocabulary; see `fflm.nn.outputs.sampled`.

    With tied weights, and not as many units in the last hidden layer as a word has features, a linear layer
    ``projection`` onto the features follows.
    """
    encoder: Encoder = ContextEncoder(
        vocab_size, config.embedding_dim, config.context_size, config.bag_size, config.bag_decays, frozen
    )
    if config.pairs:
        encoder = SideBySide([encoder, PairEncoder(config.pairs, config.embedding_dim, pair_dropout)])
    layers = hidden_layers(encoder.width, config.hidden_dims, config.activation, dropout, config.direct)
    if config.tied and layers.units != config.embedding_dim:
        layers = Chain(layers.inputs, [layers, Dense("projection", layers.units, config.embedding_dim, "identity")])
    table = TABLE if config.tied else WEIGHTS
    output: OutputLayer = Softmax(vocab_size, layers.units, table)
    if sampler is not None:
        output = SampledSoftmax(vocab_size, layers.units, sampler, table)
    return Network(Inputs(encoder, embedding_dropout), layers, output)


def shapes(config: ModelConfig, vocab_size: int) -> dict[str, Shape]:
    """Return the name and shape of every parameter of `context_network`.

    Without direct connections and bag, and with one hidden layer, their sizes add up to ``V(1+m+h) + h(1+Km)``
    (Bengio et al. 2003, section 2); direct connections add ``V*K*m``, a bag is one more word of the context.

    Returns
    -------
    dict
        ``embeddings`` (V, m); ``hidden.0.weights`` (h, K*m), or (h, K*m + m) with a bag, ``hidden.0.bias`` (h,), with
        PReLU ``hidden.0.slope`` (h,), ``hidden.1.weights`` ...; ``output.weights`` (V, h), with direct connections as
        many columns more as the first hidden layer has, none with tied weights, where there may be a
        ``projection.weights`` (m, h) and ``projection.bias`` (m,) instead; ``output.bias`` (V,).

    Examples
    --------
    >>> shapes(ModelConfig(context_size=2, bag_size=0, embedding_dim=3, hidden_dims=5), 10)["hidden.0.weights"]
    (5, 6)
    """
    return context_network(config, vocab_size).shapes()


def initialise(config: ModelConfig, counts: np.ndarray, seed: int) -> Parameters:
    """Draw first values of `context_network`: uniform weights; output bias: the log of unigram probabilities.

    Parameters
    ----------
    config : ModelConfig
    counts : (V,) int64
        How often each word occurs in training; one is added to each, so that no probability is 0.
    seed : int

    Returns
    -------
    Parameters
        As `shapes` names them. Embeddings are uniform in +-0.1; hidden weights as `fflm.config.names.Activation` says;
        output weights in +-sqrt(1 / features) / 10.

    Examples
    --------
    >>> float(initialise(ModelConfig(), np.array([2, 0, 4]), seed=1)["output.bias"][2])  # log(5 / 9)
    -0.5877866744995117
    """
    return context_network(config, len(counts)).initialise(seed, counts)
