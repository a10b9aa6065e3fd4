"""Mixtures of language models over one vocabulary."""

from __future__ import annotations

import copy
import reprlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, TypeGuard

import numpy as np

from fflm.errors import ConfigError
from fflm.lm.contexts import checked_breaks, checked_contexts
from fflm.lm.interface import BATCH, CountsContexts, LanguageModel, Scorer
from fflm.lm.mixture_weights import BUCKETS, PRIOR_WORDS, bucket_of, fit_weights, mixed_log_probs
from fflm.text import NO_BREAKS, Vocabulary, known_ids


def difference_between(a: LanguageModel, b: LanguageModel, names: tuple[str, str] = ("one", "the other")) -> str | None:
    """Say how the tokenizers or vocabularies of two models, called `names`, differ; None if they are the same."""
    if a.tokenizer != b.tokenizer:
        states = a.tokenizer.state(), b.tokenizer.state()
        option = next(name for name in states[0] | states[1] if states[0].get(name) != states[1].get(name))
        values = [reprlib.repr(state[option]) if option in state else "missing" for state in states]
        return f"{option} is {values[0]} in {names[0]} and {values[1]} in {names[1]}"
    words = a.vocabulary.words, b.vocabulary.words
    if words[0] == words[1]:
        return None
    sizes = [len(part) for part in words]
    counted = "" if sizes[0] == sizes[1] else f"their vocabularies have {sizes[0]:,} and {sizes[1]:,} words, and "
    for place, pair in enumerate(zip(*words, strict=False)):
        if pair[0] != pair[1]:
            return f"{counted}word {place} is {pair[0]!r} in {names[0]} and {pair[1]!r} in {names[1]}"
    longer = int(np.argmax(sizes))
    return f"{counted}only {names[longer]} has {words[longer][min(sizes)]!r}"


class Mixture:
    """A model whose P(w | context) is the sum over its parts of weight_i P_i(w | context); see `LanguageModel`.

    Parameters
    ----------
    parts : sequence of LanguageModel
        Models of the same vocabulary and tokenizer, which become the mixture's.
    weights : (1, parts) or (buckets, parts) float64
        Rows sum to 1. With several rows the weights depend on how often the first part that counts contexts (an n-gram
        model) saw the last two words (Bengio et al. 2003, section 4.1).

    Raises
    ------
    ConfigError
        If the parts' vocabularies or tokenizers differ, or none of them counts contexts though the weights ask for it.

    Examples
    --------
    >>> import fflm
    >>> model = fflm.load("runs/demo").lm
    >>> mixture = Mixture([model, model], np.array([[0.5, 0.5]]))
    >>> ids = np.array([3, 4, 5], np.int32)
    >>> bool(np.allclose(mixture.log_probs(ids), model.log_probs(ids)))
    True
    """

    def __init__(self, parts: Sequence[LanguageModel], weights: np.ndarray):
        self.parts, self.weights = list(parts), np.asarray(weights, np.float64)
        self._scorers: list[Scorer] = list(parts)
        if not self.parts:
            raise ConfigError("a mixture must have at least one part, got none")
        first = self.parts[0]
        for i, part in enumerate(self.parts[1:], start=2):
            if (difference := difference_between(first, part)) is not None:
                raise ConfigError(f"models must share a vocabulary to be mixed, model {i} differs from 1: {difference}")
        if self.weights.ndim != 2 or self.weights.shape[1] != len(self.parts):
            raise ConfigError(f"weights must have shape (buckets, {len(self.parts)}), got {self.weights.shape}")
        if len(self.weights) not in (1, BUCKETS):
            raise ConfigError(f"weights must have 1 or {BUCKETS} rows, got {len(self.weights)}")
        self.vocabulary, self.tokenizer = first.vocabulary, first.tokenizer
        if self.vocabulary.spelling is None:  # then that of the first part that has one
            spellings = (part.vocabulary.spelling for part in parts)
            if spelling := next(filter(None, spellings), None):
                self.vocabulary = Vocabulary(first.vocabulary.words, first.vocabulary.counts, spelling)
        self.reach = max(part.reach for part in self.parts)
        self.by_context_count = len(self.weights) > 1
        if self.by_context_count:
            self._counting_part()

    @classmethod
    def fit(
        cls,
        parts: Sequence[LanguageModel],
        ids: np.ndarray,
        log_probs: np.ndarray,
        by_context_count: bool = False,
        breaks: np.ndarray = NO_BREAKS,
    ) -> Mixture:
        """Find the weights under which a validation text is most probable (`mixture_weights.fit_weights`).

        Parameters
        ----------
        parts : sequence of LanguageModel
        ids : (N,) int32
            The validation text.
        log_probs : (parts, N) float64
            The result of `log_probs_of_parts` for the stream.
        by_context_count : bool
            Weights that depend on how often the last two words were seen.
        breaks : (S,) int64
            The breaks of the validation text.
        """
        even = cls(parts, np.full((1, len(parts)), 1.0 / len(parts)))
        given = (log_probs.max(axis=0) > -np.inf) | (ids != Vocabulary.UNK)
        buckets = bucket_of(even.context_counts(ids, breaks))[given] if by_context_count else None
        return cls(parts, fit_weights(log_probs[:, given], buckets))

    @classmethod
    def choose(
        cls,
        parts: Sequence[LanguageModel],
        ids: np.ndarray,
        log_probs: np.ndarray,
        unit_starts: np.ndarray,
        breaks: np.ndarray = NO_BREAKS,
    ) -> Mixture:
        """Fit constant weights and weights by context count on half of a text, and keep what wins on the other half.

        The halves are every other unit. Weights of the kind that has won are then fitted on the whole text.

        Parameters
        ----------
        parts : sequence of LanguageModel
        ids : (N,) int32
            The validation text.
        log_probs : (parts, N) float64
            The result of `log_probs_of_parts` for the stream.
        unit_starts : (U + 1,) int64
            The positions at which its units begin, and its length.
        breaks : (S,) int64
            The breaks of the text.
        """
        even = cls(parts, np.full((1, len(parts)), 1.0 / len(parts)))
        given = (log_probs.max(axis=0) > -np.inf) | (ids != Vocabulary.UNK)
        first_half = np.repeat(np.arange(len(unit_starts) - 1) % 2 == 0, np.diff(unit_starts))
        fitted, checked = first_half & given, ~first_half & given
        buckets = None
        if any(map(can_count_contexts, parts)) and fitted.any() and checked.any():
            buckets = bucket_of(even.context_counts(ids, breaks))
            constant, rows = (fit_weights(log_probs[:, fitted], of, PRIOR_WORDS) for of in (None, buckets[fitted]))
            on_checked = log_probs[:, checked]
            gain = mixed_log_probs(on_checked, rows[buckets[checked]]) - mixed_log_probs(on_checked, constant)
            if gain.mean() <= 0.0:
                buckets = None
        of = None if buckets is None else buckets[given]
        return cls(parts, fit_weights(log_probs[:, given], of, PRIOR_WORDS))

    def with_parts(self, parts: Sequence[LanguageModel]) -> Mixture:
        """Return a mixture with these weights of other parts, each of which takes the place of one."""
        mixture = copy.copy(self)
        mixture.parts, mixture._scorers = list(parts), list(parts)
        return mixture

    @property
    def names(self) -> list[str]:
        """Return a short name for each part: its kind, numbered where several are of one kind."""
        kinds = [part.describe()["kind"].removesuffix(" model").removesuffix(" language") for part in self.parts]
        return [
            kind if kinds.count(kind) == 1 else f"{kind} {kinds[: i + 1].count(kind)}" for i, kind in enumerate(kinds)
        ]

    def log_probs(
        self, ids: np.ndarray, on_batch: Callable[[float], None] | None = None, breaks: np.ndarray = NO_BREAKS
    ) -> np.ndarray:
        """Compute natural log P(word | context) of every word of a stream (N,) int32: (N,) float64, in nats.

        Raises
        ------
        ConfigError
            If an id is outside the vocabulary, or the breaks are no rising positions inside the text.
        """
        ids, breaks = known_ids(ids, len(self.vocabulary)), checked_breaks(breaks, len(ids))
        part_done = on_batch and (lambda words: on_batch(words / len(self.parts)))
        return self.combined(ids, log_probs_of_parts(self._scorers, ids, part_done, breaks), breaks)

    def combined(self, ids: np.ndarray, log_probs: np.ndarray, breaks: np.ndarray = NO_BREAKS) -> np.ndarray:
        """Compute `log_probs` of a stream (N,) from those of the parts (parts, N) on it: (N,) float64."""
        return mixed_log_probs(log_probs, self.weights_at(ids, breaks))

    def weights_at(self, ids: np.ndarray, breaks: np.ndarray = NO_BREAKS) -> np.ndarray:
        """Return the parts' weights for every word of a stream (N,) int32: (N, parts), or (1, parts) if constant."""
        return self.weights[bucket_of(self.context_counts(ids, breaks))] if self.by_context_count else self.weights

    def next_word(self, contexts: np.ndarray) -> np.ndarray:
        """Compute P(. | context) for contexts (B, K) int32, oldest word first: (B, V) float32; each row sums to 1."""
        return self.contributions(contexts).sum(axis=0).astype(np.float32)

    def contributions(self, contexts: np.ndarray) -> np.ndarray:
        """Compute what each part adds to P(. | context), its weight times its probability: (parts, B, V) float64."""
        contexts = checked_contexts(contexts, self.reach, len(self.vocabulary))
        weights = self.weights[bucket_of(self.counts_of(contexts))] if self.by_context_count else self.weights
        return np.stack(
            [
                weights[:, i, None] * scorer.next_word(contexts[:, self.reach - part.reach :])
                for i, (part, scorer) in enumerate(zip(self.parts, self._scorers, strict=True))
            ]
        )

    @contextmanager
    def session(self, batch: int = BATCH) -> Iterator[Mixture]:
        """Return the mixture with a session of each part, for many calls of up to about `batch` contexts each."""
        with ExitStack() as stack:
            mixture = copy.copy(self)
            mixture._scorers = [stack.enter_context(part.session(batch)) for part in self.parts]
            yield mixture

    def context_counts(self, ids: np.ndarray, breaks: np.ndarray = NO_BREAKS) -> np.ndarray:
        """Ask the first part that counts contexts how often it saw the two words before each word: (N,) int64.

        Raises
        ------
        ConfigError
            If no part counts contexts.
        """
        return self._counting_part().context_counts(ids, breaks)

    def counts_of(self, contexts: np.ndarray) -> np.ndarray:
        """Ask the same part how often it saw the last two words of contexts (B, K) int32: (B,) int64."""
        part = self._counting_part()
        return part.counts_of(contexts[:, self.reach - part.reach :])

    def _counting_part(self) -> CountsContexts:
        part = next((part for part in self.parts if can_count_contexts(part)), None)
        if part is None:
            raise ConfigError("contexts are counted by an n-gram model made by fflm ngram, got none among the parts")
        return part

    def describe(self) -> dict[str, Any]:
        """Return kind, weights, and the description of each part, as plain JSON values."""
        parts = [part.describe() for part in self.parts]
        return {
            "kind": "mixture",
            "parameters": sum(part["parameters"] for part in parts) + self.weights.size,
            "weights": [[round(float(value), 6) for value in row] for row in self.weights],
            "parts": parts,
        }


def log_probs_of_parts(
    parts: Sequence[Scorer],
    ids: np.ndarray,
    on_batch: Callable[[float], None] | None = None,
    breaks: np.ndarray = NO_BREAKS,
) -> np.ndarray:
    """Compute natural log P of every word of a stream (N,) int32 under each part: (parts, N) float64."""
    out = np.empty((len(parts), len(ids)))
    for i, part in enumerate(parts):
        out[i] = part.log_probs(ids, on_batch, breaks=breaks)
    return out


def can_count_contexts(model: LanguageModel) -> TypeGuard[CountsContexts]:
    """Tell whether a model can count contexts of training: n-gram models with counts, mixtures with such a part."""
    if isinstance(model, Mixture):
        return any(map(can_count_contexts, model.parts))
    table = getattr(model, "table", None)
    return table is not None and table.order > 1 and getattr(model, "counts", None) is not None
