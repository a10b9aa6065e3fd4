"""The feedforward neural language model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fflm.config import ModelConfig
from fflm.errors import ConfigError
from fflm.lm.contexts import checked_breaks, checked_contexts, checked_ids, within_unit
from fflm.lm.interface import BATCH, LanguageModel
from fflm.lm.mixture import Mixture
from fflm.nn.batches import Contexts, Windows
from fflm.nn.language_model import context_network
from fflm.nn.network import Network
from fflm.nn.parameters import Parameters
from fflm.runtime.workers import Workers
from fflm.text import NO_BREAKS, Tokenizer, Vocabulary

LARGE_BATCH = 256  # for texts: weights are read once for so many words


class NeuralLanguageModel:
    """A network with its vocabulary and tokenizer (Bengio et al. 2003, equation 1); see `LanguageModel`.

    Parameters
    ----------
    config : ModelConfig
    vocabulary : Vocabulary
    tokenizer : Tokenizer
    parameters : mapping
        float32 arrays as `fflm.nn.language_model.shapes` names them.
    threads : int, optional
        Workers; every core by default. No number changes a bit of any result.
    build : callable
        Makes the network of a configuration and a vocabulary size, with the options of `context_network`.

    Examples
    --------
    >>> import numpy as np
    >>> from fflm.config import ModelConfig, TokenizerConfig
    >>> from fflm.nn.language_model import initialise
    >>> vocabulary = Vocabulary(["<unk>", "<s>", "</s>", "yes"])
    >>> config = ModelConfig(context_size=4, bag_size=0)
    >>> parameters = initialise(config, vocabulary.counts, seed=1)
    >>> model = NeuralLanguageModel(config, vocabulary, Tokenizer(TokenizerConfig()), parameters)
    >>> float(model.next_word(np.ones((1, 4), np.int32)).sum().round(6))
    1.0
    """

    def __init__(
        self,
        config: ModelConfig,
        vocabulary: Vocabulary,
        tokenizer: Tokenizer,
        parameters: Mapping[str, np.ndarray],
        threads: int | None = None,
        build: Callable[..., Network] = context_network,
    ):
        self.config, self.vocabulary, self.tokenizer = config, vocabulary, tokenizer
        self.parameters = Parameters(parameters)  # the same arrays
        self.threads, self._build = threads, build
        self.reach = config.bag_size + config.context_size

    def with_parameters(self, parameters: Parameters) -> NeuralLanguageModel:
        """Return a model like this one with other parameters."""
        return NeuralLanguageModel(self.config, self.vocabulary, self.tokenizer, parameters, self.threads, self._build)

    def network(self, **options: Any) -> Network:
        """Build the model's network, not yet prepared; `options` are those of `context_network`, for training."""
        return self._build(self.config, len(self.vocabulary), **options)

    def session(self, batch: int = BATCH) -> NeuralSession:
        """Open a scorer that keeps workers and scratch memory for batches of so many rows, for a ``with`` statement.

        Examples
        --------
        >>> import fflm
        >>> model = fflm.load("runs/demo").lm
        >>> with model.session(batch=1) as scorer:
        ...     shapes = [scorer.next_word(np.full((1, 2), word, np.int32)).shape for word in (3, 4)]
        >>> shapes
        [(1, 13), (1, 13)]
        """
        return NeuralSession(self, batch)

    def log_probs(
        self, ids: np.ndarray, on_batch: Callable[[float], None] | None = None, breaks: np.ndarray = NO_BREAKS
    ) -> np.ndarray:
        """Compute natural log P(word | context) of every word of a stream.

        Parameters
        ----------
        ids : (N,) int32
            Word ids; contexts do not reach before the beginning or before a ``</s>``.
        on_batch : callable, optional
            Called with the number of words after each batch, for progress.

        Returns
        -------
        (N,) float64
            In nats; the same bits for every number of threads.

        Raises
        ------
        ConfigError
            If an id is outside the vocabulary.
        """
        with self.session(LARGE_BATCH) as scorer:
            return scorer.log_probs(ids, on_batch, breaks)

    def next_word(self, contexts: np.ndarray) -> np.ndarray:
        """Compute P(. | context) for each row of contexts.

        Parameters
        ----------
        contexts : (B, K) int32
            Oldest word first; ``<s>`` (id 1) where there is no word.

        Returns
        -------
        (B, V) float32
            Probabilities; each row sums to 1.

        Raises
        ------
        ConfigError
            If an id is outside the vocabulary, or a context is not K words long.
        """
        with self.session() as scorer:
            return scorer.next_word(contexts)

    def gradients(self, ids: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Compute the losses of the words of a text, and the gradient of their mean, as a step of training has them.

        Nothing is dropped out, and the softmax is exact.

        Parameters
        ----------
        ids : (N,) int32
            Word ids; at most some thousand, as all are one batch.

        Returns
        -------
        losses : (N,) float64
            In nats.
        gradients : dict
            By the names of the parameters, in their shapes, float32.

        Raises
        ------
        ConfigError
            If an id is outside the vocabulary, or there is none.

        Examples
        --------
        >>> import fflm
        >>> network = fflm.load("runs/demo").network.lm
        >>> losses, gradients = network.gradients(network.vocabulary.encode("the cat sat".split()))
        >>> losses.shape, gradients["embeddings"].shape
        ((3,), (13, 4))
        """
        ids = checked_ids(ids, len(self.vocabulary))
        if ids.ndim != 1 or not len(ids):
            raise ConfigError(f"ids must be of shape (N,) with N at least 1, got shape {ids.shape}")
        network = self.network()
        with Workers(self.threads) as workers:
            network.prepare(self.parameters, workers, len(ids), training=True, keep_gradient=True)
            return network.gradients(Windows(ids, np.arange(len(ids)), NO_BREAKS))

    def describe(self) -> dict[str, Any]:
        """Return kind, number of parameters, shape of the network and of its arrays, as plain JSON values."""
        return {
            "kind": "neural language model",
            "parameters": sum(value.size for value in self.parameters.values()),
            "model": self.config.to_dict(),
            "arrays": {name: list(value.shape) for name, value in self.parameters.items()},
        }


class NeuralSession:
    """A scorer of a model for many calls: it keeps workers, and the network prepared for batches of some size.

    Parameters
    ----------
    model : NeuralLanguageModel
        Its parameters must stay as they are while the session is open.
    batch : int
    """

    def __init__(self, model: NeuralLanguageModel, batch: int):
        self._model, self._batch = model, batch
        self._workers = Workers(model.threads)
        self._network = model.network()
        self._network.prepare(model.parameters, self._workers, batch)

    def __enter__(self) -> NeuralSession:
        return self

    def __exit__(self, *exception: object) -> None:
        self._workers.close()

    def log_probs(
        self, ids: np.ndarray, on_batch: Callable[[float], None] | None = None, breaks: np.ndarray = NO_BREAKS
    ) -> np.ndarray:
        """Do as `NeuralLanguageModel.log_probs` does."""
        ids, breaks = checked_ids(ids, len(self._model.vocabulary)), checked_breaks(breaks, len(ids))
        out = np.empty(ids.size)
        for first in range(0, ids.size, self._batch):
            last = min(first + self._batch, ids.size)
            self._network.log_probs(Windows(ids, np.arange(first, last), breaks), out[first:last])
            if on_batch is not None:
                on_batch(last - first)
        return out

    def next_word(self, contexts: np.ndarray) -> np.ndarray:
        """Do as `NeuralLanguageModel.next_word` does."""
        vocab_size = len(self._model.vocabulary)
        contexts = within_unit(checked_contexts(contexts, self._model.reach, vocab_size))
        out = np.empty((len(contexts), vocab_size), np.float32)
        for first in range(0, len(contexts), self._batch):
            part = contexts[first : first + self._batch]
            self._network.distribution(Contexts(part), out[first : first + self._batch])
        return out


def network_in(model: LanguageModel) -> NeuralLanguageModel | None:
    """Return the network of a model: itself, or the first one in a mixture; None if there is none.

    Examples
    --------
    >>> import fflm
    >>> network_in(fflm.mix("runs/demo", valid="text.txt", cache=20, quiet=True).lm).reach
    2
    """
    if isinstance(model, NeuralLanguageModel):
        return model
    parts = model.parts if isinstance(model, Mixture) else []
    return next(filter(None, map(network_in, parts)), None)
