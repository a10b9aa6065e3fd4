"""Intervals and tests by resampling: units (lines, or blocks of the stream) are drawn, or swapped."""

from __future__ import annotations

import numpy as np

REPLICATES = 1000


MOST_UNITS = 2000


def unit_sums(values: np.ndarray, unit_starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums of values (N,) over each unit, and the units' sizes; beyond `MOST_UNITS` neighbouring units are one."""
    starts = unit_starts[:-1]
    if len(starts) > MOST_UNITS:  # as wide an interval, in bounded time
        starts = starts[:: -(-len(starts) // MOST_UNITS)]
    return np.add.reduceat(values, starts), np.diff(np.append(starts, len(values)))


def interval(values: np.ndarray, unit_starts: np.ndarray) -> tuple[float, float]:
    """95 % interval of the mean of values (N,): units drawn with replacement, percentiles of the weighted means."""
    sums, sizes = unit_sums(values, unit_starts)
    generator = np.random.default_rng(0)
    means = np.empty(REPLICATES)
    for i in range(REPLICATES):
        drawn = generator.integers(0, len(sums), len(sums))
        means[i] = sums[drawn].sum() / sizes[drawn].sum()
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
