"""What came of the training of a classifier, and of its evaluation on labelled texts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fflm import html

NORMAL_95 = 1.959963984540054  # of 95 % of the normal distribution


@dataclass(frozen=True)
class ClassificationReport:
    """Accuracy, and other measures, of a classifier.

    Attributes
    ----------
    texts : int
    accuracy : float
    accuracy_low, accuracy_high : float
        95 % interval (Wilson 1927).
    macro_f1 : float
        Mean over the labels of 2 PR / (P + R), 0 for a label that is never right; over those that occur in the texts
        or in the predictions.
    labels : tuple of str
    confusion : tuple of tuple of int
        Row by row for the true label, how often each label was predicted.

    Examples
    --------
    >>> found = report(["bad", "good"], np.array([0, 1]), np.array([0, 0]))
    >>> found.to_dict()["accuracy"], found.confusion
    (0.5, ((1, 0), (1, 0)))
    """

    texts: int
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    macro_f1: float
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]

    def _repr_html_(self) -> str:
        figures = {
            "texts": f"{self.texts:,}",
            "accuracy": f"{100 * self.accuracy:.2f} %",
            "95 % interval": f"{100 * self.accuracy_low:.2f} % to {100 * self.accuracy_high:.2f} %",
            "macro F1": f"{self.macro_f1:.4f}",
        }
        rows = [(label, *counts) for label, counts in zip(self.labels, self.confusion, strict=True)]
        return html.box(html.facts(figures), html.table(["true / predicted", *self.labels], rows))

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return asdict(self) | {"labels": list(self.labels), "confusion": [list(row) for row in self.confusion]}


@dataclass(frozen=True)
class FitReport:
    """The figures of a classifier's training.

    Attributes
    ----------
    losses : tuple of float
        The mean loss of each epoch in nats, with dropout.
    seconds : float
        Duration of training alone.
    words_per_second : float
        The words of the training texts, counted once for each epoch (as fastText does), by these seconds.
    out : str or None
        The model file, where `fflm.classify` wrote one.
    valid, test : ClassificationReport or None
        Reports on the other texts of `fflm.classify`.
    """

    texts: int
    words: int
    labels: tuple[str, ...]
    vocab_size: int
    parameters: int
    losses: tuple[float, ...]
    seconds: float
    words_per_second: float
    out: str | None = None
    valid: ClassificationReport | None = None
    test: ClassificationReport | None = None

    def _repr_html_(self) -> str:
        figures = {
            "training": f"{self.texts:,} texts, {self.words:,} words, {self.seconds:.1f} s",
            "vocabulary": f"{self.vocab_size:,} words",
            "parameters": f"{self.parameters:,}",
            "labels": ", ".join(self.labels),
        }
        curve = html.curve(list(enumerate(self.losses, start=1)), "epoch", "loss in nats")
        parts = [
            html.title(name) + part._repr_html_()
            for name, part in (("Validation", self.valid), ("Test", self.test))
            if part is not None
        ]
        return html.box(html.title("Training"), html.facts(figures), curve, *parts)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        lists = {"labels": list(self.labels), "losses": list(self.losses)}
        parts = {name: part and part.to_dict() for name, part in (("valid", self.valid), ("test", self.test))}
        return {"out": self.out} | asdict(self) | lists | parts


def report(labels: Sequence[str], true: np.ndarray, predicted: np.ndarray) -> ClassificationReport:
    """Compute the report for true and predicted numbers (N,) of labels.

    Examples
    --------
    >>> found = report(["bad", "good"], np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]))
    >>> found.accuracy, round(found.macro_f1, 4), found.confusion
    (0.75, 0.7333, ((1, 1), (0, 2)))
    """
    size = len(labels)
    confusion = np.zeros((size, size), np.int64)
    np.add.at(confusion, (true, predicted), 1)
    right, rows, columns = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    seen = rows + columns > 0
    f1 = 2.0 * right[seen] / (rows + columns)[seen]
    accuracy = float(right.sum() / len(true))
    low, high = wilson(accuracy, len(true))
    return ClassificationReport(
        texts=len(true),
        accuracy=accuracy,
        accuracy_low=low,
        accuracy_high=high,
        macro_f1=float(f1.mean()),
        labels=tuple(labels),
        confusion=tuple(tuple(map(int, row)) for row in confusion),
    )


def wilson(share: float, count: int) -> tuple[float, float]:
    """Compute the 95 % confidence interval of a share of `count` (Wilson 1927).

    Examples
    --------
    >>> [round(end, 4) for end in wilson(0.9, 100)]
    [0.8256, 0.9448]
    """
    z = NORMAL_95
    middle = share + z * z / (2 * count)
    spread = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    low, high = ((middle + sign * spread) / (1 + z * z / count) for sign in (-1, 1))
    return max(0.0, low), min(1.0, high)
