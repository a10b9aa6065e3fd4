"""n-gram models in back-off form: Kneser-Ney smoothed ones, and those read from ARPA files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from fflm.errors import ConfigError
from fflm.kernels import ngrams
from fflm.lm.contexts import checked_breaks, checked_contexts, checked_ids, contexts_at
from fflm.lm.interface import BATCH
from fflm.lm.ngram.kneser_ney import estimate, frequent, prune_to_size
from fflm.lm.ngram.table import COUNTED_CONTEXT, NgramTable, count_ngrams
from fflm.lm.parts import fill_in_parallel
from fflm.text import NO_BREAKS, Tokenizer, Vocabulary


class NgramModel:
    """An n-gram model: P of the longest n-gram in the table, times b of every longer context; see `LanguageModel`.

    Parameters
    ----------
    vocabulary : Vocabulary
    tokenizer : Tokenizer
    table : NgramTable
    log_probs : (nodes,) float32
        Natural log P(last word | the words before it) of each n-gram.
    backoffs : (C,) float32
        Natural log b of each context.
    counts : (C,) int32, optional
        How often each context occurred in training; an ARPA file does not say.
    facts : dict, optional
        The facts that `describe` adds: smoothing, discounts.
    threads : int, optional

    Examples
    --------
    >>> from fflm.config import TokenizerConfig
    >>> vocabulary = Vocabulary(["<unk>", "<s>", "</s>", "a", "b"])
    >>> ids = vocabulary.encode("a b a b b a a b".split())
    >>> model = NgramModel.kneser_ney(ids, 2, vocabulary, Tokenizer(TokenizerConfig()))
    >>> p = model.next_word(np.array([[3]], np.int32))[0]
    >>> float(p.sum().round(6)), [vocabulary.words[i] for i in np.argsort(-p)[:2]]
    (1.0, ['b', 'a'])
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        tokenizer: Tokenizer,
        table: NgramTable,
        log_probs: np.ndarray,
        backoffs: np.ndarray,
        counts: np.ndarray | None = None,
        facts: dict[str, Any] | None = None,
        threads: int | None = None,
    ):
        self.vocabulary, self.tokenizer, self.threads = vocabulary, tokenizer, threads
        self.table, self.node_log_probs, self.backoffs, self.counts = table, log_probs, backoffs, counts
        self.facts = facts or {}
        self.reach = table.order - 1

    @classmethod
    def kneser_ney(
        cls,
        ids: np.ndarray,
        order: int,
        vocabulary: Vocabulary,
        tokenizer: Tokenizer,
        threads: int | None = None,
        breaks: np.ndarray = NO_BREAKS,
        prune: Sequence[int] = (),
        largest: int | None = None,
    ) -> NgramModel:
        """Estimate an interpolated modified Kneser-Ney model (`kneser_ney.estimate`) from a text.

        Parameters
        ----------
        ids : (N,) int32
        order : int
        vocabulary : Vocabulary
        tokenizer : Tokenizer
        threads : int, optional
            For the model; counting takes one.
        breaks : (S,) int64
            The positions where unrelated texts were joined: no n-gram reaches over them.
        prune : sequence of int
            The numbers of occurrences up to which n-grams are left out (`kneser_ney.frequent`).
        largest : int, optional
            Without `prune`: the number of n-grams above which seldom ones are left out (`kneser_ney.prune_to_size`).
        """
        ids, breaks = checked_ids(ids, len(vocabulary)), checked_breaks(breaks, len(ids))
        table, counts = count_ngrams(ids, order, len(vocabulary), breaks)
        if not prune and largest is not None:
            prune = prune_to_size(table, counts, largest)
        kept = frequent(table, counts, prune) if any(prune) else None
        log_probs, backoffs, discounts, fallback = estimate(table, counts, kept)
        facts: dict[str, Any] = {"smoothing": "kneser-ney", "discounts": [list(values) for values in discounts]}
        if fallback:
            facts["fallback_discounts"] = fallback
        if kept is not None:
            facts["prune"] = list(prune)
            backoffs = backoffs[kept[: len(backoffs)]]
            table, log_probs, counts = table.only(kept), log_probs[kept], counts[kept]
        return cls(vocabulary, tokenizer, table, log_probs, backoffs, counts[: len(backoffs)], facts, threads)

    def log_probs(
        self, ids: np.ndarray, on_batch: Callable[[float], None] | None = None, breaks: np.ndarray = NO_BREAKS
    ) -> np.ndarray:
        """Compute natural log P(word | context) of every word of a stream (N,) int32: (N,) float64, in nats.

        Raises
        ------
        ConfigError
            If an id is outside the vocabulary, or the breaks are no rising positions inside the text.
        """
        ids, breaks = checked_ids(ids, len(self.vocabulary)), checked_breaks(breaks, len(ids))
        model = (*self.table.tree, self.node_log_probs, self.backoffs)

        def score(part: np.ndarray, first: int) -> None:
            ngrams.backoff_log_probs(part, *model, ids, breaks, first, self.reach)

        return fill_in_parallel(np.empty(ids.size), score, self.threads, on_batch)

    def next_word(self, contexts: np.ndarray) -> np.ndarray:
        """Compute P(. | context) for contexts (B, K) int32, oldest word first: (B, V) float32; each row sums to 1.

        Raises
        ------
        ConfigError
            If an id is outside the vocabulary, or a context is not K words long.
        """
        contexts = checked_contexts(contexts, self.reach, len(self.vocabulary))
        out = np.empty((len(contexts), len(self.vocabulary)), np.float32)
        row = np.empty(out.shape[1])
        for i, state in enumerate(self.table.states_of(contexts)):
            ngrams.backoff_distribution(row, *self.table.tree, self.node_log_probs, self.backoffs, state)
            out[i] = row
        return out

    def after(self, words: Sequence[int]) -> np.ndarray:
        """Compute P(. | words), nothing being known of what stands before them: (V,) float64.

        `next_word` has ``<s>`` there. No words at all are the empty context.

        Raises
        ------
        ConfigError
            If an id is outside the vocabulary.
        """
        seen = list(words)[max(0, len(words) - self.reach) :]  # single words have no context, not even <s>
        ids = checked_ids(np.array(seen, np.int32), len(self.vocabulary))
        state = int(self.table.states_of(ids[None])[0])
        row = np.empty(len(self.vocabulary))
        ngrams.backoff_distribution(row, *self.table.tree, self.node_log_probs, self.backoffs, state)
        return row

    def context_counts(self, ids: np.ndarray, breaks: np.ndarray = NO_BREAKS) -> np.ndarray:
        """Count how often the (up to) two words before each word of ids (N,) int32 occurred in training: (N,) int64.

        Raises
        ------
        ConfigError
            If the model came from an ARPA file, which has no counts.
        """
        ids, breaks = checked_ids(ids, len(self.vocabulary)), checked_breaks(breaks, len(ids))
        return self.counts_of(contexts_at(ids, np.arange(ids.size), min(COUNTED_CONTEXT, self.reach), breaks))

    def counts_of(self, contexts: np.ndarray) -> np.ndarray:
        """Count how often the last two words of contexts (B, K) int32 occurred in training: (B,) int64."""
        if self.counts is None:
            raise ConfigError("an n-gram model read from an ARPA file has no counts; take one made by fflm ngram")
        return self.table.counts_of(self.counts, contexts)

    def units_seen(self, ids: np.ndarray, unit_starts: np.ndarray, breaks: np.ndarray = NO_BREAKS) -> np.ndarray:
        """Tell which units of a stream consist of n-grams of the highest order that training saw: (U,) bool.

        A unit of fewer than twice as many words does not count: a few common words in a row were seen anyway.
        """
        ids, breaks = checked_ids(ids, len(self.vocabulary)), checked_breaks(breaks, len(ids))
        order = self.table.order

        def match(part: np.ndarray, first: int) -> None:
            ngrams.longest_ngrams(part, *self.table.tree, ids, breaks, first, self.reach)

        longest = fill_in_parallel(np.empty(ids.size, np.int64), match, self.threads, None)
        starts, sizes = unit_starts[:-1], np.diff(unit_starts)
        begins = np.union1d(starts, breaks)
        place = np.arange(ids.size) - np.repeat(begins, np.diff(np.append(begins, ids.size)))
        shorter = longest < self.table.nodes(order).start
        unseen = np.add.reduceat(shorter & (place >= order - 1), starts)
        return (unseen == 0) & (sizes >= 2 * order)

    def session(self, batch: int = BATCH) -> AbstractContextManager[NgramModel]:
        """Return the model itself: nothing has to be kept between calls."""
        return nullcontext(self)

    def describe(self) -> dict[str, Any]:
        """Return kind, order, how many n-grams of each order, smoothing and discounts, as plain JSON values."""
        return {
            "kind": "n-gram model",
            "parameters": len(self.node_log_probs) + len(self.backoffs),
            "order": self.table.order,
            "ngrams": list(self.table.sizes),
            **self.facts,
        }
