"""A unigram cache: words that occurred a short while ago are likely to occur again."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from fflm.kernels import unigram_cache
from fflm.lm.contexts import checked_breaks, checked_contexts, checked_ids
from fflm.lm.interface import BATCH
from fflm.lm.parts import fill_in_parallel
from fflm.text import NO_BREAKS, Tokenizer, Vocabulary

FASTEST_DECAY = 1e3  # e^-1000 is 0: only the last word counts


class CacheModel:
    """A model that gives a word its share among the last N words (Kuhn and De Mori 1990); see `LanguageModel`.

    It keeps no state: a word's probability depends on the text given before it and on nothing else, so that scoring a
    text twice gives the same figures. Before the first word all words but ``<s>`` are equally likely. Words that are
    not in the cache have probability 0, so use it only inside a mixture. It reaches across the ends of lines, which it
    takes for words as well, but never across a break into unrelated text.

    Parameters
    ----------
    vocabulary : Vocabulary
    tokenizer : Tokenizer
    size : int
        N, in words.
    half_life : float, optional
        A word so many words back weighs half as much (Clarkson and Robinson 1997: exponential decay); else all weigh
        the same.
    threads : int, optional

    Examples
    --------
    >>> from fflm.config import TokenizerConfig
    >>> vocabulary = Vocabulary(["<unk>", "<s>", "</s>", "a", "b"])
    >>> cache = CacheModel(vocabulary, Tokenizer(TokenizerConfig()), size=3)
    >>> np.exp(cache.log_probs(np.array([3, 3, 4, 3], np.int32))).round(3).tolist()
    [0.25, 1.0, 0.0, 0.667]
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        tokenizer: Tokenizer,
        size: int = 500,
        half_life: float | None = None,
        threads: int | None = None,
    ):
        self.vocabulary, self.tokenizer, self.threads = vocabulary, tokenizer, threads
        self.reach, self.half_life = size, half_life
        self.decay = 0.0 if half_life is None else min(math.log(2.0) / half_life, FASTEST_DECAY)

    def log_probs(
        self, ids: np.ndarray, on_batch: Callable[[float], None] | None = None, breaks: np.ndarray = NO_BREAKS
    ) -> np.ndarray:
        """Compute natural log P(word | words before it) of a stream (N,) int32: (N,) float64.

        A word that is not in the cache has log P = -inf. See `LanguageModel`.

        Raises
        ------
        ConfigError
            If an id is outside the vocabulary, or the breaks are no rising positions inside the text.
        """
        ids, breaks = checked_ids(ids, len(self.vocabulary)), checked_breaks(breaks, len(ids))
        before, out = np.empty(ids.size, np.int32), np.empty(ids.size)
        unigram_cache.places_before(before, np.full(len(self.vocabulary), -1, np.int32), ids)

        def score(part: np.ndarray, first: int) -> None:
            unigram_cache.cache_probabilities(part, ids, breaks, before, first, self.reach, self.decay)

        fill_in_parallel(out, score, self.threads, on_batch)
        begins = np.concatenate(([0], breaks))[: ids.size]
        out[begins] = equally_likely(len(self.vocabulary))[ids[begins]]
        with np.errstate(divide="ignore"):
            return np.log(out, out)

    def next_word(self, contexts: np.ndarray) -> np.ndarray:
        """Compute P(. | context) for contexts (B, N) int32, ``<s>`` where there is no word: (B, V) float32.

        Raises
        ------
        ConfigError
            If an id is outside the vocabulary, or a context is not N words long.
        """
        contexts = checked_contexts(contexts, self.reach, len(self.vocabulary))
        weights = np.exp(-self.decay * np.arange(self.reach - 1, -1, -1))
        out = np.empty((len(contexts), len(self.vocabulary)), np.float32)
        for row, context in zip(out, contexts, strict=True):
            read = context != Vocabulary.BOS
            sums = np.bincount(context[read], weights=weights[read], minlength=len(row))
            row[:] = sums / sums.sum() if read.any() else equally_likely(len(row))
        return out

    def session(self, batch: int = BATCH) -> AbstractContextManager[CacheModel]:
        """Return the model itself: nothing has to be kept between calls."""
        return nullcontext(self)

    def describe(self) -> dict[str, Any]:
        """Return kind, size and half-life, as plain JSON values."""
        return {"kind": "cache", "parameters": 0, "size": self.reach, "half_life": self.half_life}


def equally_likely(vocab_size: int) -> np.ndarray:
    """Return the distribution (V,) float64 of a cache that is empty: all words but ``<s>`` are equally likely."""
    uniform = np.full(vocab_size, 1.0 / (vocab_size - 1))
    uniform[Vocabulary.BOS] = 0.0
    return uniform
