"""Intervals and tests by resampling: units (lines, or blocks of the stream) are drawn, or swapped.

More than `MOST_UNITS` units are joined with their neighbours into groups, and these are drawn or swapped: the interval
is as wide and the time bounded.
"""

from __future__ import annotations

import numpy as np

REPLICATES = 1000
PERMUTATIONS = 10_000
MOST_UNITS = 2000


def group_starts(unit_starts: np.ndarray) -> np.ndarray:
    """Return where the groups of neighbouring units begin, (G,) of unit_starts (U + 1,); up to `MOST_UNITS` each unit.

    Examples
    --------
    >>> len(group_starts(np.arange(101))), len(group_starts(np.arange(5001)))
    (100, 1667)
    """
    starts = unit_starts[:-1]
    return starts[:: -(-len(starts) // MOST_UNITS)]


def group_sums(values: np.ndarray, unit_starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sums of values (N,) over each group of units, (G,), and how many values each group has, (G,)."""
    starts = group_starts(unit_starts)
    return np.add.reduceat(values, starts), np.diff(np.append(starts, len(values)))


def interval(values: np.ndarray, unit_starts: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the mean of values (N,), by the bootstrap over groups of units.

    Groups are drawn with replacement, as many as there are, `REPLICATES` times; the bounds are percentiles of the means
    of what was drawn.
    """
    sums, sizes = group_sums(values, unit_starts)
    generator = np.random.default_rng(0)
    means = np.empty(REPLICATES)
    for i in range(REPLICATES):
        drawn = generator.integers(0, len(sums), len(sums))
        means[i] = sums[drawn].sum() / sizes[drawn].sum()
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def permutation_p_value(sums: np.ndarray) -> float:
    """Return the two-sided p-value of a paired permutation test over the groups' sums of differences, sums (G,).

    It is how often sums whose signs are drawn at random add up to as much as they do, `PERMUTATIONS` times, the
    observed signs counted once.
    """
    generator = np.random.default_rng(0)
    total = sums.sum()
    enough = abs(total) - 1e-12 * np.abs(sums).sum()  # rounding must not decide between equals
    extreme = 0
    for _ in range(PERMUTATIONS):
        swapped = generator.integers(0, 2, len(sums), dtype=bool)
        extreme += bool(abs(total - 2.0 * sums[swapped].sum()) >= enough)
    return (1 + extreme) / (1 + PERMUTATIONS)
