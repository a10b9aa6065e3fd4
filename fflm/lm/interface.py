"""What a language model has to offer; perplexity, prediction and sampling need nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from fflm.text import Tokenizer, Vocabulary


class LanguageModel(Protocol):
    """P(word | the words before it), over a fixed vocabulary.

    Attributes
    ----------
    vocabulary : Vocabulary
        V words; ids 0, 1, 2 are ``<unk>``, ``<s>`` and ``</s>``.
    tokenizer : Tokenizer
        How text becomes tokens of this model.
    context_size : int
        K, how many words before a word the model looks at.
    """

    vocabulary: Vocabulary
    tokenizer: Tokenizer
    context_size: int

    def log_probs(self, ids: np.ndarray, on_batch: Callable[[int], None] | None = None) -> np.ndarray:
        """Natural log P(ids[t] | ids[t-K], ..., ids[t-1]) for every t of ids (N,) int32: (N,) float64.

        Before the first word, and before a word that follows ``</s>``, the context is filled with ``<s>``; a cache
        looks across it.
        `on_batch`, if given, is called with the number of words after each batch.
        """

    def next_word(self, contexts: np.ndarray) -> np.ndarray:
        """P(. | context) for contexts (B, K) int32, oldest word first: (B, V) float32, rows sum to 1.

        ``<s>`` stands where there is no word. Words up to a ``</s>`` are of another unit: only a cache looks at them.
        """

    def describe(self) -> dict:
        """What `fflm info` prints of the model: at least ``kind`` and ``parameters``, as plain JSON values."""
