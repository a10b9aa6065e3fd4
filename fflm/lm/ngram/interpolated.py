"""The interpolated ("deleted interpolation") n-gram model that the paper mixes its networks with."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from fflm.kernels import ngrams
from fflm.lm.contexts import checked_breaks, checked_contexts, checked_ids, contexts_at
from fflm.lm.interface import BATCH
from fflm.lm.mixture_weights import bucket_of, fit_weights
from fflm.lm.ngram.table import COUNTED_CONTEXT, NgramTable, count_ngrams
from fflm.lm.parts import fill_in_parallel
from fflm.text import NO_BREAKS, Tokenizer, Vocabulary, known_ids

#: Weight that the uniform distribution always has: text without a surprise would leave it none.
SMALLEST_UNIFORM = 1e-6


class InterpolatedNgramModel:
    """A model with P(w | context) = sum over k of weight_k p_k, a mean of relative frequencies; see `LanguageModel`.

    p_0 is uniform, p_k the relative frequency of w after k - 1 words. The weights depend on how often the last two
    words were seen (Jelinek and Mercer 1980; Bengio et al. 2003, section 4.1). After a context that was never seen, the
    relative frequency is that after the longest one that was.

    Parameters
    ----------
    vocabulary : Vocabulary
    tokenizer : Tokenizer
    table : NgramTable
        The n-grams, of order 2 or more.
    counts : (nodes,) int32
        How often each n-gram occurred.
    weights : (buckets, order + 1) float64
        Rows sum to 1; the buckets are those of `fflm.lm.mixture_weights.bucket_of`.
    threads : int, optional

    Examples
    --------
    >>> from fflm.config import TokenizerConfig
    >>> vocabulary = Vocabulary(["<unk>", "<s>", "</s>", "a", "b"])
    >>> train, held_out = vocabulary.encode("a b a b b a a b".split()), vocabulary.encode("b a b".split())
    >>> model = InterpolatedNgramModel.fit(train, held_out, 2, vocabulary, Tokenizer(TokenizerConfig()))
    >>> float(model.next_word(np.array([[3]], np.int32)).sum().round(6))
    1.0
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        tokenizer: Tokenizer,
        table: NgramTable,
        counts: np.ndarray,
        weights: np.ndarray,
        threads: int | None = None,
    ):
        self.vocabulary, self.tokenizer, self.threads = vocabulary, tokenizer, threads
        self.table, self.counts, self.weights = table, counts, weights
        self.reach = table.order - 1
        contexts = len(table.children) - 1
        sums = np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))
        after = sums[table.children[1:]] - sums[table.children[:-1]]
        words = int(counts[: table.starts[1]].sum()) - int(counts[Vocabulary.BOS])
        self.totals = np.append(after[:contexts], words).astype(np.float64)

    @classmethod
    def fit(
        cls,
        ids: np.ndarray,
        held_out: np.ndarray,
        order: int,
        vocabulary: Vocabulary,
        tokenizer: Tokenizer,
        threads: int | None = None,
        breaks: np.ndarray = NO_BREAKS,
        held_out_breaks: np.ndarray = NO_BREAKS,
    ) -> InterpolatedNgramModel:
        """Count the n-grams of a text and fit the weights on text that was not counted.

        Parameters
        ----------
        ids : (N,) int32
            The text that is counted.
        held_out : (M,) int32
            The text on which the weights are fitted.
        order : int
        vocabulary : Vocabulary
        tokenizer : Tokenizer
        threads : int, optional
        breaks, held_out_breaks : (S,) int64
            The positions where unrelated texts were joined in each stream: no n-gram reaches over them.
        """
        ids, breaks = checked_ids(ids, len(vocabulary)), checked_breaks(breaks, len(ids))
        held_out, held_out_breaks = known_ids(held_out, len(vocabulary)), checked_breaks(held_out_breaks, len(held_out))
        table, counts = count_ngrams(ids, order, len(vocabulary), breaks)
        model = cls(vocabulary, tokenizer, table, counts, np.full((1, order + 1), 1.0 / (order + 1)), threads)
        with np.errstate(divide="ignore"):
            parts = np.log(model.relative_frequencies(held_out, breaks=held_out_breaks)).T
        weights = fit_weights(parts, bucket_of(model.context_counts(held_out, held_out_breaks)))
        weights[:, 0] = np.maximum(weights[:, 0], SMALLEST_UNIFORM)
        model.weights = weights / weights.sum(axis=1, keepdims=True)
        return model

    def relative_frequencies(
        self, ids: np.ndarray, on_batch: Callable[[float], None] | None = None, breaks: np.ndarray = NO_BREAKS
    ) -> np.ndarray:
        """Compute p_0 to p_order of every word of ids (N,) int32: (N, order + 1) float64."""
        ids, breaks = checked_ids(ids, len(self.vocabulary)), checked_breaks(breaks, len(ids))
        model = (*self.table.tree, self.counts, self.totals)

        def score(part: np.ndarray, first: int) -> None:
            ngrams.relative_frequencies(part, *model, ids, breaks, first)

        return fill_in_parallel(np.empty((ids.size, self.table.order + 1)), score, self.threads, on_batch)

    def log_probs(
        self, ids: np.ndarray, on_batch: Callable[[float], None] | None = None, breaks: np.ndarray = NO_BREAKS
    ) -> np.ndarray:
        """Compute natural log P(word | context) of every word of a stream (N,) int32: (N,) float64, in nats."""
        ids = known_ids(ids, len(self.vocabulary))
        parts = self.relative_frequencies(ids, on_batch, breaks)
        weights = self.weights[bucket_of(self.context_counts(ids, breaks))]
        with np.errstate(divide="ignore"):
            return np.log((parts * weights).sum(axis=1))

    def next_word(self, contexts: np.ndarray) -> np.ndarray:
        """Compute P(. | context) for contexts (B, K) int32, oldest word first: (B, V) float32; each row sums to 1."""
        contexts = checked_contexts(contexts, self.reach, len(self.vocabulary))
        out = np.empty((len(contexts), len(self.vocabulary)), np.float32)
        row = np.empty(out.shape[1])
        weights = self.weights[bucket_of(self.counts_of(contexts))]
        for i, state in enumerate(self.table.states_of(contexts)):
            ngrams.interpolated_distribution(row, weights[i], *self.table.tree, self.counts, self.totals, state)
            out[i] = row
        return out

    def context_counts(self, ids: np.ndarray, breaks: np.ndarray = NO_BREAKS) -> np.ndarray:
        """Count how often the (up to) two words before each word of ids (N,) int32 occurred in training: (N,) int64."""
        ids, breaks = checked_ids(ids, len(self.vocabulary)), checked_breaks(breaks, len(ids))
        return self.counts_of(contexts_at(ids, np.arange(ids.size), min(COUNTED_CONTEXT, self.reach), breaks))

    def counts_of(self, contexts: np.ndarray) -> np.ndarray:
        """Count how often the last two words of contexts (B, K) int32 occurred in training: (B,) int64."""
        return self.table.counts_of(self.counts, contexts)

    def session(self, batch: int = BATCH) -> AbstractContextManager[InterpolatedNgramModel]:
        """Return the model itself: nothing has to be kept between calls."""
        return nullcontext(self)

    def describe(self) -> dict[str, Any]:
        """Return kind, order, how many n-grams of each order, and the weights by bucket, as plain JSON values."""
        return {
            "kind": "interpolated n-gram model",
            "parameters": len(self.counts) + self.weights.size,
            "order": self.table.order,
            "ngrams": list(self.table.sizes),
            "smoothing": "interpolated",
            "weights": [[round(float(value), 6) for value in row] for row in self.weights],
        }
