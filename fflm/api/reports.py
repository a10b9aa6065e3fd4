"""Reports on n-gram models and mixtures when they are made."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class NgramReport:
    """The figures of an n-gram model made from text.

    Attributes
    ----------
    ngrams : tuple of int
        The number of n-grams of each order.
    prune : tuple of int
        The numbers of occurrences up to which n-grams of 1, 2 ... words were left out.
    seconds, estimation_seconds : float
        Duration of this call, everything included, and of counting and smoothing alone.
    valid, test : dict or None
        Reports on held-out text, as `Perplexity.to_dict` gives them.
    """

    out: str | None
    order: int
    smoothing: str
    ngrams: tuple[int, ...]
    prune: tuple[int, ...]
    seconds: float
    estimation_seconds: float
    train_tokens: int
    vocab_size: int
    valid: dict[str, Any] | None
    test: dict[str, Any] | None
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class MixtureReport:
    """The figures of a mixture.

    Attributes
    ----------
    parts : tuple of dict
        For each part its ``name``, ``model`` (the file it came from, or None), ``weight`` (its mean over the validation
        text) and ``valid_perplexity`` (None where a word has no probability, as in a cache).
    weights : list
        A row of the parts' weights; with `by_context_count`, one for each bucket of counts.
    """

    out: str | None
    parts: tuple[dict[str, Any], ...]
    weights: list[list[float]]
    by_context_count: bool
    valid: dict[str, Any]
    test: dict[str, Any] | None
    seconds: float
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return asdict(self)
