"""The weight of a language model and a word penalty under which n-best lists have the fewest word errors.

The total score of a hypothesis is: score + weight * log P - penalty * words. As one of the two changes, the total of
each hypothesis is a straight line, and the best one of a list changes only where two lines cross: the number of errors
is known exactly for all values at once (Och 2003, section 4). The search changes weight and penalty in turn until
neither helps, from several starts, drawn with a seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

STARTS = 20


@dataclass(frozen=True)
class Candidates:
    """The hypotheses of several lists side by side.

    Attributes
    ----------
    scores, log_probs, words, errors : (N,) float64
        The first pass, the language model (nats), the number of words, and the word errors.
    starts : (lists + 1,) int64
        Where each list begins.
    """

    scores: np.ndarray
    log_probs: np.ndarray
    words: np.ndarray
    errors: np.ndarray
    starts: np.ndarray

    def totals(self, weight: float, penalty: float) -> np.ndarray:
        """Compute the total score of every hypothesis; a log probability of -inf counts nothing at the weight 0."""
        with np.errstate(invalid="ignore"):
            weighted = np.where(weight == 0.0, 0.0, weight * self.log_probs)
        return self.scores + weighted - penalty * self.words

    def best(self, weight: float, penalty: float) -> np.ndarray:
        """Return the place of the best hypothesis of each list, of equals the first: (lists,) int64."""
        totals = self.totals(weight, penalty)
        return np.array([first + np.argmax(totals[first:last]) for first, last in self._ranges()], np.int64)

    def errors_at(self, weight: float, penalty: float) -> float:
        """Count the word errors of the best hypotheses."""
        return float(self.errors[self.best(weight, penalty)].sum())

    def least_errors(self) -> float:
        """Count the word errors of the oracle: of the best hypothesis that each list has."""
        return float(np.minimum.reduceat(self.errors, self.starts[:-1]).sum())

    def _ranges(self) -> list[tuple[int, int]]:
        return list(zip(self.starts[:-1].tolist(), self.starts[1:].tolist(), strict=True))

    def best_along(self, offsets: np.ndarray, slopes: np.ndarray, low: float) -> float:
        """Find the x >= low with the fewest errors, the total being offsets + x * slopes: the middle of its interval.

        Of intervals with equally few errors the widest is taken.
        """
        changes: list[tuple[float, float]] = []
        errors = 0.0
        for first, last in self._ranges():
            places, crossings = _envelope(offsets[first:last], slopes[first:last], low)
            counted = self.errors[first:last][places]
            errors += counted[0]
            changes += zip(crossings, np.diff(counted).tolist(), strict=True)
        changes.sort()
        bounds = [low]
        found = [errors]
        for crossing, change in changes:
            errors += change
            if crossing == bounds[-1]:
                found[-1] = errors
            else:
                bounds.append(crossing)
                found.append(errors)
        reach = max(1.0, 2.0 * (bounds[-1] - low)) if len(bounds) > 1 else 1.0
        widths = np.diff([*bounds, max(bounds[-1], low + reach)])
        fewest = np.flatnonzero(np.array(found) == min(found))
        chosen = int(fewest[np.argmax(widths[fewest])])
        return bounds[chosen] + float(widths[chosen]) / 2.0


def _envelope(offsets: np.ndarray, slopes: np.ndarray, low: float) -> tuple[list[int], list[float]]:
    """Return the lines that are highest from x = low on, one after the other, and the x at which each takes over."""
    usable = np.isfinite(offsets) & np.isfinite(slopes)
    if not usable.any():
        return [0], []
    heights = np.where(usable, offsets + low * np.where(usable, slopes, 0.0), -np.inf)
    place = int(np.lexsort((np.arange(len(heights)), -np.where(usable, slopes, -np.inf), -heights))[0])
    places, x = [place], low
    crossings: list[float] = []
    while True:
        steeper = np.flatnonzero(usable & (slopes > slopes[place]))
        if not len(steeper):
            return places, crossings
        meets = (offsets[place] - offsets[steeper]) / (slopes[steeper] - slopes[place])
        x = max(x, float(meets.min()))
        ties = steeper[meets <= x]
        place = int(ties[np.argmax(slopes[ties])])
        places.append(place)
        crossings.append(x)


def fit(
    candidates: Candidates, weight: float | None = None, penalty: float | None = None, seed: int = 1
) -> tuple[float, float]:
    """Return weight (at least 0) and penalty with the fewest errors that the search finds; those given stay.

    Parameters
    ----------
    candidates : Candidates
    weight, penalty : float, optional
        Values that are not to be fitted.
    seed : int
        Of the starts.
    """
    finite = candidates.log_probs[np.isfinite(candidates.log_probs)]
    spread = float(np.std(finite)) if len(finite) else 0.0
    scale = float(np.std(candidates.scores)) / spread if spread > 0.0 else 0.0
    generator = np.random.default_rng(seed)
    starts = [(0.0, 0.0), (scale or 1.0, 0.0)]
    starts += [
        ((scale or 1.0) * float(np.exp(generator.normal())), float(generator.normal()) * (scale or 1.0))
        for _ in range(STARTS)
    ]
    found: list[tuple[float, int, float, float]] = []
    for number, start in enumerate(starts):
        at = start[0] if weight is None else weight, start[1] if penalty is None else penalty
        errors, *end = _descend(candidates, *at, weight is None, penalty is None)
        found.append((errors, number, end[0], end[1]))
    _, _, fitted_weight, fitted_penalty = min(found)
    return fitted_weight, fitted_penalty


def _descend(
    candidates: Candidates, weight: float, penalty: float, free_weight: bool, free_penalty: bool
) -> tuple[float, float, float]:
    """Change weight and penalty in turn as long as errors get fewer: errors, weight, penalty."""
    errors = candidates.errors_at(weight, penalty)
    while True:
        before = errors
        for free, is_weight in ((free_weight, True), (free_penalty, False)):
            if not free:
                continue
            if is_weight:
                new = candidates.best_along(candidates.totals(0.0, penalty), candidates.log_probs, 0.0), penalty
            else:
                totals = candidates.totals(weight, 0.0)
                finite = np.append(totals[np.isfinite(totals)], 0.0)
                low = -1.0 - float(np.ptp(finite))  # all lines cross above it
                new = weight, candidates.best_along(totals, -candidates.words, low)
            fewer = candidates.errors_at(*new)
            if fewer < errors:
                errors, (weight, penalty) = fewer, new
        if errors >= before:
            return errors, weight, penalty


def hypothesis_words(texts: Sequence[str]) -> np.ndarray:
    """Count the words between blanks of each text: (N,) float64."""
    return np.array([len(text.split()) for text in texts], np.float64)
