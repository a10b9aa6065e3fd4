"""The text classifier: embeddings, pooled; hidden layers; a softmax over labels. Its parts are the language model's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fflm.classification.features import TextIds, encode_texts
from fflm.config import ClassifierConfig
from fflm.nn.batches import Batch, Contexts, Texts
from fflm.nn.encoders.context import ContextEncoder
from fflm.nn.encoders.texts import TextEncoder
from fflm.nn.inputs import Inputs
from fflm.nn.layers.hidden import hidden_layers
from fflm.nn.network import Network
from fflm.nn.outputs.softmax import Softmax
from fflm.nn.parameters import Parameters, Shape
from fflm.runtime.workers import Workers
from fflm.text import Tokenizer, Vocabulary

BATCH = 256


def text_network(
    config: ClassifierConfig, vocab_size: int, labels: int, dropout: float = 0.0, embedding_dropout: float = 0.0
) -> Network:
    """Build the classifier's network, whose inputs are whole texts; the dropout is that of training."""
    rows = vocab_size + config.bigrams
    encoder: ContextEncoder | TextEncoder
    if config.pooling == "window":
        encoder = ContextEncoder(rows, config.embedding_dim, config.window)
    else:
        encoder = TextEncoder(rows, config.embedding_dim, config.pooling == "bag", config.pooling == "mean-max")
    layers = hidden_layers(encoder.width, config.hidden_dims, config.activation, dropout)
    return Network(Inputs(encoder, embedding_dropout), layers, Softmax(labels, layers.units))


def shapes(config: ClassifierConfig, vocab_size: int, labels: int) -> dict[str, Shape]:
    """Return name and shape of every parameter: ``embeddings`` (V + bigrams, m), then as those of the language model.

    Examples
    --------
    >>> shapes(ClassifierConfig(embedding_dim=4, bigrams=10), 5, 2)
    {'embeddings': (15, 4), 'output.weights': (2, 4), 'output.bias': (2,)}
    """
    return text_network(config, vocab_size, labels).shapes()


def batch_of(
    config: ClassifierConfig, texts: TextIds, first: int, last: int, targets: np.ndarray | None = None
) -> Batch:
    """Return texts first .. last-1 as a batch, with their targets out of those of all texts (N,) int32."""
    ids, offsets = texts.batch(first, last)
    given = None if targets is None else targets[first:last]
    if config.pooling == "window":
        return Contexts(ids.reshape(last - first, -1), given)
    return Texts(ids, offsets, given)


class Classifier:
    """A trained classifier: parameters, vocabulary, tokenizer and labels.

    Parameters
    ----------
    config : ClassifierConfig
    vocabulary : Vocabulary
    tokenizer : Tokenizer
    labels : sequence of str
    parameters : Parameters
        float32 arrays as `shapes` names them.
    threads : int, optional
        Workers; every core by default. No number changes a bit of any result.
    """

    def __init__(
        self,
        config: ClassifierConfig,
        vocabulary: Vocabulary,
        tokenizer: Tokenizer,
        labels: Sequence[str],
        parameters: Parameters,
        threads: int | None = None,
    ):
        self.config, self.vocabulary, self.tokenizer = config, vocabulary, tokenizer
        self.labels, self.parameters, self.threads = list(labels), parameters, threads

    def encode(self, texts: Sequence[str]) -> TextIds:
        """Return texts as ids."""
        return encode_texts(texts, self.tokenizer, self.vocabulary, self.config)

    def probabilities(self, texts: TextIds) -> np.ndarray:
        """Compute P(label | text): (texts, labels) float32, rows sum to 1; a text of unknown words counts as empty."""
        out = np.empty((len(texts), len(self.labels)), np.float32)
        network = text_network(self.config, len(self.vocabulary), len(self.labels))
        with Workers(self.threads) as workers:
            network.prepare(self.parameters, workers, BATCH)
            for first in range(0, len(texts), BATCH):
                last = min(first + BATCH, len(texts))
                network.distribution(batch_of(self.config, texts, first, last), out[first:last])
        return out

    def describe(self) -> dict[str, Any]:
        """Return kind, size and shape, as plain JSON values."""
        return {
            "kind": "text classifier",
            "parameters": sum(value.size for value in self.parameters.values()),
            "model": self.config.to_dict(),
            "labels": self.labels,
            "arrays": {name: list(value.shape) for name, value in self.parameters.items()},
        }
