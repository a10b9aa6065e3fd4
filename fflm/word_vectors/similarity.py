"""The agreement of word vectors with human judgements of similarity."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fflm.errors import LONGEST_EXCERPT, TextError, shown
from fflm.text.sources import read_blocks


@dataclass(frozen=True)
class Similarity:
    """The agreement of cosines with human judgement.

    Attributes
    ----------
    spearman : float
        Rank correlation over the pairs whose words are both known.
    pairs, known : int
        In the file, and of those the pairs that were counted.
    unknown_words : tuple of str
        The words without a vector, in the order of the file.
    """

    spearman: float
    pairs: int
    known: int
    unknown_words: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return asdict(self) | {"unknown_words": list(self.unknown_words)}


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Compute Spearman's rank correlation of a (N,) and b (N,); equal numbers share their mean rank.

    Examples
    --------
    >>> round(spearman(np.array([1.0, 2.0, 3.0, 3.0]), np.array([10.0, 20.0, 50.0, 40.0])), 4)
    0.9487
    """
    if len(a) < 2:
        return float("nan")
    ranks = [_ranks(values) for values in (a, b)]
    deviations = [rank - rank.mean() for rank in ranks]
    size = np.sqrt((deviations[0] ** 2).sum() * (deviations[1] ** 2).sum())
    return float((deviations[0] * deviations[1]).sum() / size) if size > 0.0 else float("nan")


def _ranks(values: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2.0)[inverse]


def _pairs(path: str, encoding: str, lowercase: bool) -> Iterator[tuple[str, str, float]]:
    number, pairs, begun = 0, 0, False
    if os.path.isdir(path) or (path != "-" and not os.path.exists(path)):
        raise TextError(f"can't read {path}: {'it is a folder' if os.path.isdir(path) else 'no such file'}")
    for line in "".join(read_blocks(path, encoding)).split("\n"):
        number += 1
        if not line.strip() or line.startswith("#"):
            continue
        parts = next((parts for sign in "\t,;" if len(parts := line.split(sign)) >= 3), line.split())
        first, second, score = [part.strip() for part in [*parts, "", "", ""][:3]]
        if not begun and score and not _is_number(score):  # the names of the columns
            begun = True
            continue
        if not (first and second and _is_number(score) and math.isfinite(float(score))):
            raise TextError(
                f"{path}, line {number}: two words and a number must stand here, got {shown(line, LONGEST_EXCERPT)}"
            )
        begun = True
        pairs += 1
        yield (*((first.lower(), second.lower()) if lowercase else (first, second)), float(score))
    if not pairs:
        raise TextError(f"{path} must hold pairs of words and a number, got none")


def _is_number(text: str) -> bool:
    try:
        return float(text) is not None and "_" not in text  # which Python allows
    except ValueError:
        return False
