"""The feedforward neural language model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fflm.config import ModelConfig
from fflm.lm.contexts import checked_breaks, checked_contexts, checked_ids, within_unit
from fflm.nn.network import context_network
from fflm.nn.parameters import Parameters
from fflm.runtime.workers import Team
from fflm.text import NO_BREAKS, Tokenizer, Vocabulary

BATCH = 256
SMALL_BATCH = 16


class NeuralLanguageModel:
    """A network with its vocabulary and tokenizer (Bengio et al. 2003, equation 1; E20); see `LanguageModel`.

    Parameters
    ----------
    config : ModelConfig
    vocabulary : Vocabulary
    tokenizer : Tokenizer
    parameters : dict
        float32 arrays as `fflm.nn.parameters.shapes` names them.
    threads : int, optional
        Workers; every core by default. No number changes a bit of any result.

    Examples
    --------
    >>> import numpy as np
    >>> from fflm.config import ModelConfig
    >>> from fflm.config import TokenizerConfig
    >>> from fflm.nn.parameters import initialise
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
        parameters: Parameters,
        threads: int | None = None,
    ):
        self.config, self.vocabulary, self.tokenizer = config, vocabulary, tokenizer
        self.parameters, self.threads = parameters, threads
        self.reach = config.bag_size + config.context_size

    def with_parameters(self, parameters: Parameters) -> NeuralLanguageModel:
        """The same model with other parameters."""
        return NeuralLanguageModel(self.config, self.vocabulary, self.tokenizer, parameters, self.threads)

    def log_probs(
        self, ids: np.ndarray, on_batch: Callable[[int], None] | None = None, breaks: np.ndarray = NO_BREAKS
    ) -> np.ndarray:
        """Natural log P(word | context) of every word of a stream.

        Parameters
        ----------
        ids : (N,) int32
            Word ids; contexts do not reach before the beginning, before a ``</s>`` or before a break.
        on_batch : callable, optional
            Called with the number of words after each batch, for progress.
        breaks : (S,) int64
            Where text begins that does not follow what stands before it; see `LanguageModel`.

        Returns
        -------
        (N,) float64
            In nats; the same bits for every number of threads.

        Raises
        ------
        ConfigError
            If an id is outside the vocabulary, or the breaks are no rising positions inside the text.
        """
        ids, breaks = checked_ids(ids, len(self.vocabulary)), checked_breaks(breaks, len(ids))
        out = np.empty(ids.size)
        with Team(self.threads) as team:
            network = context_network(self.config, self.parameters, team, BATCH)
            for first in range(0, ids.size, BATCH):
                last = min(first + BATCH, ids.size)
                network.log_probs(network.inputs.windows_at(ids, np.arange(first, last), breaks), out[first:last])
                if on_batch is not None:
                    on_batch(last - first)
        return out

    def next_word(self, contexts: np.ndarray) -> np.ndarray:
        """P(. | context) for each row of contexts.

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
        contexts = within_unit(checked_contexts(contexts, self.reach, len(self.vocabulary)))
        out = np.empty((len(contexts), len(self.vocabulary)), np.float32)
        with Team(self.threads) as team:
            network = context_network(self.config, self.parameters, team, SMALL_BATCH)
            for first in range(0, len(contexts), SMALL_BATCH):
                part = contexts[first : first + SMALL_BATCH]
                network.probabilities(network.inputs.given(part), out[first : first + SMALL_BATCH])
        return out

    def describe(self) -> dict:
        """Kind, number of parameters, shape of the network and of its arrays, as plain JSON values."""
        return {
            "kind": "neural language model",
            "parameters": sum(value.size for value in self.parameters.values()),
            "model": self.config.to_dict(),
            "arrays": {name: list(value.shape) for name, value in self.parameters.items()},
        }
