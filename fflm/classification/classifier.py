"""The text classifier: embeddings, pooled; hidden layers; a softmax over labels. Its parts are the language model's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fflm.classification.features import TextIds, encode_texts
from fflm.config import ClassifierConfig
from fflm.nn.encoders.context import ContextInputs
from fflm.nn.encoders.texts import TextInputs
from fflm.nn.network import Network
from fflm.nn.parameters import Parameters, layer_shapes
from fflm.runtime.workers import Workers
from fflm.text import Tokenizer, Vocabulary

BATCH = 256


def shapes(config: ClassifierConfig, vocab_size: int, labels: int) -> dict[str, tuple[int, ...]]:
    """Name and shape of every parameter: ``embeddings`` (V + bigrams, m), then as those of the language model.

    Examples
    --------
    >>> shapes(ClassifierConfig(embedding_dim=4, bigrams=10), 5, 2)
    {'embeddings': (15, 4), 'output.weights': (2, 4), 'output.bias': (2,)}
    """
    m = config.embedding_dim
    width = {"mean-max": 2 * m, "window": config.window * m}.get(config.pooling, m)
    table = {"embeddings": (vocab_size + config.bigrams, m)}
    return table | layer_shapes(width, config.hidden_dims, config.activation, labels)


def text_network(
    config: ClassifierConfig, parameters: Parameters, team: Workers, batch_size: int, **options
) -> Network:
    """The classifier's network, which sees whole texts; `options` are those of `Network`."""
    table = parameters["embeddings"]
    if config.pooling == "window":
        inputs = ContextInputs(table, batch_size, config.window, 0)
    else:
        inputs = TextInputs(table, batch_size, config.pooling == "bag", config.pooling == "mean-max")
    return Network(config, parameters, inputs, team, **options)


def loader(network: Network, texts: TextIds, first: int, last: int, targets: np.ndarray | None = None) -> Callable:
    """What loads texts first .. last-1, and the targets of all of them, into a network."""
    ids, offsets = texts.batch(first, last)
    if targets is not None:
        targets = targets[first:last]
    if isinstance(network.inputs, ContextInputs):
        return network.inputs.given(ids.reshape(last - first, -1), targets)
    return network.inputs.given(ids, offsets, targets)


class Classifier:
    """A trained classifier: what its model file holds.

    Parameters
    ----------
    config : ClassifierConfig
    vocabulary : Vocabulary
    tokenizer : Tokenizer
    labels : sequence of str
    parameters : dict
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
        """Texts as ids."""
        return encode_texts(texts, self.tokenizer, self.vocabulary, self.config)

    def probabilities(self, texts: TextIds) -> np.ndarray:
        """P(label | text): (texts, labels) float32, each row sums to 1; a text of unknown words is as one of none."""
        out = np.empty((len(texts), len(self.labels)), np.float32)
        with Workers(self.threads) as team:
            network = text_network(self.config, self.parameters, team, BATCH)
            for first in range(0, len(texts), BATCH):
                last = min(first + BATCH, len(texts))
                network.probabilities(loader(network, texts, first, last), out[first:last])
        return out

    def describe(self) -> dict:
        """Kind, size, shape, as plain JSON values."""
        return {
            "kind": "text classifier",
            "parameters": sum(value.size for value in self.parameters.values()),
            "model": self.config.to_dict(),
            "labels": self.labels,
            "arrays": {name: list(value.shape) for name, value in self.parameters.items()},
        }
