"""The result of a comparison: the difference, whether it can be chance, and where it lies."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from fflm import html
from fflm.evaluation.perplexity import Perplexity, shown_perplexity

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Row:
    """A group of tokens: how many, their share, the perplexity of each model on them, bits of A minus bits of B.

    A perplexity is None where it is beyond 1e304.
    """

    label: str
    tokens: int
    share: float
    perplexity_a: float | None
    perplexity_b: float | None
    difference: float


@dataclass(frozen=True)
class WonWord:
    """A word on which a model wins: how often it occurs in the text, and the bits saved on all of them together."""

    word: str
    occurrences: int
    bits: float


@dataclass(frozen=True, repr=False)
class Comparison:
    """Models A and B on one text. A difference is bits of A minus bits of B: positive where B is better.

    Attributes
    ----------
    source : str
    per : str
        What the bits are counted by: ``token``, or ``character``; then there is nothing on single tokens.
    open : bool
        Whether the bits of unknown words are those of their spelling too.
    a, b : Perplexity
        The report on each model.
    difference : float
        Bits per token, or per character of the original text.
    difference_low, difference_high : float or None
        95 % bootstrap interval over groups of units (1,000 replicates).
    p_value : float or None
        Two-sided, of a paired permutation test: A and B swapped in groups drawn at random, 10,000 times.
    units : int or None
        The number of units (lines, or blocks of the stream) that were paired; None if they can't be paired. `notes`
        says why something is None.
    groups : int or None
        The number of groups that were drawn or swapped: each unit is one, but more than 2,000 units are joined with
        their neighbours into 2,000 groups or fewer.
    perplexity_ratio : float or None
        Perplexity of A divided by that of B.
    a_wins, b_wins : float or None
        Share of the tokens to which the model gives more probability than the other does.
    by_frequency, by_context, by_neighbours : tuple of Row, or None
        By the target word's count in training, by how often the two words before it were seen together, and by
        whether one of these is ``<unk>``. Only rows that have tokens.
    contexts_of : str or None
        The model whose training text `by_context` is about: ``A``, ``B`` or ``contexts``.
    a_words, b_words : tuple of WonWord, or None
        The words on which each wins most.
    notes : tuple of str
    bits_a, bits_b : (N,) float64, or None
        Bits of each token, for pictures; not part of `to_dict`.
    """

    source: str
    per: str
    a: Perplexity
    b: Perplexity
    difference: float
    difference_low: float | None
    difference_high: float | None
    p_value: float | None
    units: int | None
    groups: int | None
    open: bool = False
    perplexity_ratio: float | None = None
    a_wins: float | None = None
    b_wins: float | None = None
    by_frequency: tuple[Row, ...] | None = None
    by_context: tuple[Row, ...] | None = None
    by_neighbours: tuple[Row, ...] | None = None
    contexts_of: str | None = None
    a_words: tuple[WonWord, ...] | None = None
    b_words: tuple[WonWord, ...] | None = None
    notes: tuple[str, ...] = ()
    bits_a: np.ndarray | None = field(default=None, repr=False, compare=False)
    bits_b: np.ndarray | None = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        """Say the result in a line."""
        return f"Comparison({self.conclusion}; on {self.source})"

    def _repr_html_(self) -> str:
        shown = [part.shown() for part in (self.a, self.b)]
        both = [(name, *(part.get(name, "") for part in shown)) for name in dict.fromkeys([*shown[0], *shown[1]])]
        result = {"conclusion": self.conclusion, f"A - B, bits per {self.per}": f"{self.difference:+.4f}"}
        if self.difference_low is not None:
            result["95 % interval"] = f"{self.difference_low:+.4f} to {self.difference_high:+.4f}"
        groups = [
            html.table(
                [title, "tokens", "perplexity A", "perplexity B", "bits A - B"],
                [
                    (
                        row.label,
                        f"{row.tokens:,}",
                        *(
                            "> 1e304" if value is None else shown_perplexity(value)
                            for value in (row.perplexity_a, row.perplexity_b)
                        ),
                        f"{row.difference:+.3f}",
                    )
                    for row in rows
                ],
            )
            for title, rows in (("count in training", self.by_frequency), ("last 2 words seen", self.by_context))
            if rows
        ]
        head = html.title(f"Comparison on {self.source}")
        return html.box(head, html.facts(result), html.table(["", "A", "B"], both), *groups)

    @property
    def better(self) -> str | None:
        """The model that is better, ``A`` or ``B``; None if the text can't show one (p of 0.05 or more, or no p)."""
        if self.p_value is None or self.p_value >= SIGNIFICANT:
            return None
        return "B" if self.difference > 0 else "A"

    @property
    def conclusion(self) -> str:
        """The result as a sentence."""
        name, first, second = ("B", self.b, self.a) if self.difference > 0 else ("A", self.a, self.b)
        ahead = f"{name} is better by {abs(self.difference):.3g} bits per {self.per}"
        if first.oov > second.oov and not self.open:
            ahead += f", but has more unknown words ({first.oov:,} against {second.oov:,})"
        if self.p_value is None:
            return f"{ahead}; no p-value, so it may be chance" if self.difference else "no difference; no p-value"
        p = f"p = {self.p_value:.3g}"
        return f"no difference that this text can show; {p}" if self.better is None else f"{ahead}; {p}"

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain JSON values."""
        values = asdict(replace(self, bits_a=None, bits_b=None)) | {"better": self.better}
        del values["bits_a"], values["bits_b"]
        return {"conclusion": self.conclusion, **values}
