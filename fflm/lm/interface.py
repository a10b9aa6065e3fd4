"""The interface of language models; perplexity, prediction and sampling need nothing else."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np

from fflm.text import NO_BREAKS, Tokenizer, Vocabulary

BATCH = 16


class Scorer(Protocol):
    """The protocol of scorers: language models and their sessions."""

    def log_probs(
        self, ids: np.ndarray, on_batch: Callable[[float], None] | None = None, breaks: np.ndarray = NO_BREAKS
    ) -> np.ndarray:
        """Do as `LanguageModel.log_probs`."""

    def next_word(self, contexts: np.ndarray) -> np.ndarray:
        """Do as `LanguageModel.next_word`."""


class LanguageModel(Protocol):
    """The protocol of language models: P(word | the words before it), over a fixed vocabulary.

    Attributes
    ----------
    vocabulary : Vocabulary
        V words; ids 0, 1, 2 are ``<unk>``, ``<s>`` and ``</s>``.
    tokenizer : Tokenizer
        How text becomes tokens of this model.
    reach : int
        The number of words before a word that the model uses.
    """

    vocabulary: Vocabulary
    tokenizer: Tokenizer
    reach: int

    def log_probs(
        self, ids: np.ndarray, on_batch: Callable[[float], None] | None = None, breaks: np.ndarray = NO_BREAKS
    ) -> np.ndarray:
        """Compute natural log P(ids[t] | the words before it) for every t of a text: (N,) float64, in nats.

        Parameters
        ----------
        ids : (N,) int32
            Words of the vocabulary. Contexts are filled with ``<s>`` before the first word, and before a word that
            follows ``</s>``; a cache counts words across it.
        on_batch : callable, optional
            Called with the number of words after each batch, for progress.
        breaks : (S,) int64
            Rising positions, above 0 and below N, at which text begins that does not follow what stands before it (see
            `fflm.text.TokenStream`): no context reaches across them, not even a cache's.

        Raises
        ------
        ConfigError
            If an id is outside the vocabulary, or the breaks are not such positions.
        """

    def next_word(self, contexts: np.ndarray) -> np.ndarray:
        """Compute P(. | context) for contexts (B, reach) int32, oldest word first: (B, V) float32, rows sum to 1.

        ``<s>`` stands where there is no word. Words up to a ``</s>`` are of another unit: only a cache uses them.
        """

    def session(self, batch: int = BATCH) -> AbstractContextManager[Scorer]:
        """Return a scorer for many calls, each of up to about `batch` contexts, for use in a ``with`` statement.

        It keeps what `log_probs` and `next_word` would make anew in each call, such as workers and scratch memory. The
        model must not be changed while it is open.
        """

    def describe(self) -> dict[str, Any]:
        """Return what `fflm info` prints of the model: at least ``kind`` and ``parameters``, as plain JSON values."""


class CountsContexts(LanguageModel, Protocol):
    """A language model that can tell how often it saw the two words before a word in training."""

    def context_counts(self, ids: np.ndarray, breaks: np.ndarray = NO_BREAKS) -> np.ndarray:
        """Count how often the (up to) two words before each word of ids (N,) int32 occurred in training: (N,) int64."""

    def counts_of(self, contexts: np.ndarray) -> np.ndarray:
        """Count how often the last two words of contexts (B, K) int32 occurred in training: (B,) int64."""
