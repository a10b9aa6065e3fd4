"""Mixtures of language models over one vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fflm.errors import ConfigError
from fflm.lm.contexts import checked_contexts, checked_ids
from fflm.lm.interface import LanguageModel
from fflm.lm.mixing import bucket_of, fit_weights


def difference_between(a: LanguageModel, b: LanguageModel) -> str | None:
    """How the vocabularies or tokenizers of two models differ, or None if they are the same."""
    tokenizers = a.tokenizer.config.to_dict(), b.tokenizer.config.to_dict()
    for name, value in tokenizers[0].items():
        if tokenizers[1][name] != value:
            return f"{name} is {value!r} in one and {tokenizers[1][name]!r} in the other"
    words = a.vocabulary.words, b.vocabulary.words
    if len(words[0]) != len(words[1]):
        return f"their vocabularies have {len(words[0]):,} and {len(words[1]):,} words"
    for place, pair in enumerate(zip(*words, strict=True)):
        if pair[0] != pair[1]:
            return f"word {place} is {pair[0]!r} in one and {pair[1]!r} in the other"
    return None


class Mixture:
    """P(w | context) = sum over the parts of weight_i P_i(w | context); see `LanguageModel`.

    Parameters
    ----------
    parts : sequence of LanguageModel
        Of the same vocabulary and tokenizer, which become the mixture's.
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
        if not self.parts:
            raise ConfigError("a mixture must have at least one part, got none")
        first = self.parts[0]
        for i, part in enumerate(self.parts[1:], start=2):
            if (difference := difference_between(first, part)) is not None:
                raise ConfigError(
                    f"models must share a vocabulary to be mixed, model {i} differs from 1: {difference}"
                )
        if self.weights.ndim != 2 or self.weights.shape[1] != len(self.parts):
            raise ConfigError(f"weights must have shape (buckets, {len(self.parts)}), got {self.weights.shape}")
        self.vocabulary, self.tokenizer = first.vocabulary, first.tokenizer
        self.context_size = max(part.context_size for part in self.parts)
        self.by_context_count = len(self.weights) > 1
        if self.by_context_count:
            self._counting_part()

    @classmethod
    def fit(
        cls,
        parts: Sequence[LanguageModel],
        ids: np.ndarray,
        by_context_count: bool = False,
        on_batch: Callable[[int], None] | None = None,
    ) -> Mixture:
        """The mixture under which a validation text (N,) int32 is most probable (`fflm.lm.mixing.fit_weights`)."""
        even = cls(parts, np.full((1, len(parts)), 1.0 / len(parts)))
        buckets = bucket_of(even.context_counts(ids)) if by_context_count else None
        return cls(parts, fit_weights(even.log_probs_of_parts(ids, on_batch), buckets))

    @property
    def names(self) -> list[str]:
        """A short name for each part: its kind, numbered where several are of one kind."""
        kinds = [part.describe()["kind"] for part in self.parts]
        return [
            kind if kinds.count(kind) == 1 else f"{kind} {kinds[: i + 1].count(kind)}" for i, kind in enumerate(kinds)
        ]

    def log_probs(self, ids: np.ndarray, on_batch: Callable[[int], None] | None = None) -> np.ndarray:
        """Natural log P(word | context) of every word of a stream (N,) int32: (N,) float64, in nats.

        Raises
        ------
        ConfigError
            If an id is outside the vocabulary.
        """
        ids = checked_ids(ids, len(self.vocabulary))
        weights = self.weights[bucket_of(self.context_counts(ids)) if self.by_context_count else np.zeros(1, int)]
        with np.errstate(divide="ignore"):
            return np.logaddexp.reduce(self.log_probs_of_parts(ids, on_batch) + np.log(weights).T, axis=0)

    def log_probs_of_parts(self, ids: np.ndarray, on_batch: Callable[[int], None] | None = None) -> np.ndarray:
        """Natural log P of every word under each part: (parts, N) float64."""
        out = np.empty((len(self.parts), len(ids)))
        for i, part in enumerate(self.parts):
            # The first part is asked to report: a mixture begins with its network, which takes nearly all the time.
            out[i] = part.log_probs(ids, on_batch if i == 0 else None)
        return out

    def next_word(self, contexts: np.ndarray) -> np.ndarray:
        """P(. | context) for contexts (B, K) int32, oldest word first: (B, V) float32; each row sums to 1."""
        return self.contributions(contexts).sum(axis=0).astype(np.float32)

    def contributions(self, contexts: np.ndarray) -> np.ndarray:
        """What each part adds to P(. | context), its weight times its probability: (parts, B, V) float64."""
        contexts = checked_contexts(contexts, self.context_size, len(self.vocabulary))
        weights = self.weights[bucket_of(self.counts_of(contexts)) if self.by_context_count else np.zeros(1, int)]
        return np.stack(
            [
                weights[:, i, None] * part.next_word(contexts[:, self.context_size - part.context_size :])
                for i, part in enumerate(self.parts)
            ]
        )

    def context_counts(self, ids: np.ndarray) -> np.ndarray:
        """How often the first part that counts contexts saw the two words before each word: (N,) int64.

        Raises
        ------
        ConfigError
            If no part does.
        """
        return self._counting_part().context_counts(ids)

    def counts_of(self, contexts: np.ndarray) -> np.ndarray:
        """The same of contexts (B, K) int32: (B,) int64."""
        part = self._counting_part()
        return part.counts_of(contexts[:, self.context_size - part.context_size :])

    def _counting_part(self):
        part = next((part for part in self.parts if can_count_contexts(part)), None)
        if part is None:
            raise ConfigError("contexts are counted by an n-gram model made by fflm ngram, got none among the parts")
        return part

    def describe(self) -> dict:
        """Kind, weights, and the description of each part, as plain JSON values."""
        parts = [part.describe() for part in self.parts]
        return {
            "kind": "mixture",
            "parameters": sum(part["parameters"] for part in parts) + self.weights.size,
            "weights": [[round(float(value), 6) for value in row] for row in self.weights],
            "parts": parts,
        }


def can_count_contexts(model: LanguageModel) -> bool:
    """Whether a model knows how often it saw a context: n-gram models with counts, and mixtures with such a part."""
    if isinstance(model, Mixture):
        return any(map(can_count_contexts, model.parts))
    table = getattr(model, "table", None)
    return table is not None and table.order > 1 and model.counts is not None
