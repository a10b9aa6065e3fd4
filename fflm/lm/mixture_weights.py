"""Weights of a mixture, fitted by expectation maximisation: constant, or by how often a context was seen."""

from __future__ import annotations

import numpy as np

from fflm.errors import FflmError

BUCKETS = 16
#: The constant weights count in each bucket like this many more words.
PRIOR_WORDS = 10.0
MOST_ROUNDS, SMALLEST_GAIN = 500, 1e-9  # nats per word
LONGEST_STEP = 1e6  # in steps of a round


def bucket_of(counts: np.ndarray) -> np.ndarray:
    """Put contexts that were seen so often (N,) into buckets: floor(log2(1 + count)), at most 15: (N,) int64.

    The paper (section 4.1) has buckets that grow in the same proportion.

    Examples
    --------
    >>> bucket_of(np.array([0, 1, 2, 3, 6, 7, 10**9])).tolist()
    [0, 1, 1, 2, 2, 3, 15]
    """
    return np.minimum(np.frexp(counts + 1.0)[1] - 1, BUCKETS - 1).astype(np.int64)


def mixed_log_probs(log_probs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Compute natural log P of each word under a mixture: (N,) float64.

    Parameters
    ----------
    log_probs : (parts, N) float64
        Natural log P of each word under each part.
    weights : (N, parts) or (1, parts) float64
        Rows sum to 1.

    Examples
    --------
    >>> np.exp(mixed_log_probs(np.log([[0.5, 0.1], [0.1, 0.3]]), np.array([[0.75, 0.25]]))).round(3).tolist()
    [0.4, 0.15]
    """
    with np.errstate(divide="ignore"):
        mixed: np.ndarray = np.logaddexp.reduce(log_probs + np.log(weights).T, axis=0)
    return mixed


def fit_weights(log_probs: np.ndarray, buckets: np.ndarray | None = None, even_words: float = 0.0) -> np.ndarray:
    """Find the weights under which a text is most probable.

    Parameters
    ----------
    log_probs : (parts, N) float64
        Natural log P of each word of the text under each part.
    buckets : (N,) int64, optional
        The bucket of each word's context.
    even_words : float
        Constant weights count this many more words, shared evenly among the parts: a text of few words leaves none
        without weight.

    Returns
    -------
    (buckets, parts) float64
        One row of constant weights, or `BUCKETS` rows; rows sum to 1. A bucket without words has the constant weights.

    Raises
    ------
    FflmError
        If a word has no probability under any part.

    Examples
    --------
    >>> log_probs = np.log([[0.6, 0.6, 0.1], [0.1, 0.1, 0.6]])
    >>> fit_weights(log_probs).round(3).tolist()
    [[0.733, 0.267]]
    """
    if not log_probs.size:
        raise FflmError("weights can't be fitted on a text of no tokens")
    best = log_probs.max(axis=0)
    if not np.isfinite(best).all():
        place = int(np.flatnonzero(~np.isfinite(best))[0])
        raise FflmError(f"weights can't be fitted: token {place + 1} has no probability under any of the models")
    likelihoods = np.exp(log_probs - best)
    nowhere, even = np.zeros(log_probs.shape[1], np.int64), np.full((1, len(log_probs)), 1.0 / len(log_probs))
    constant = _expectation_maximisation(likelihoods, nowhere, even, even_words)
    if buckets is None:
        return constant
    return _expectation_maximisation(likelihoods, buckets, np.repeat(constant, BUCKETS, axis=0), PRIOR_WORDS)


def _expectation_maximisation(
    likelihoods: np.ndarray, buckets: np.ndarray, weights: np.ndarray, prior_words: float
) -> np.ndarray:
    """Take each weight, round by round, to the mean share of its part in a word (Dempster, Laird and Rubin 1977).

    Where a part deserves next to nothing, its weight falls by little in each round. So after every two rounds the
    weights go on in the direction that they took (SQUAREM: Varadhan and Roland 2008), if that raises the likelihood.
    """
    prior = prior_words * weights
    words = np.bincount(buckets, minlength=len(weights))[:, None] + prior_words
    occupied = words[:, 0] > 0

    def one_round(weights: np.ndarray) -> tuple[np.ndarray, float]:
        """Return the weights after a round, and the objective before it, in nats per word."""
        shares = weights[buckets].T * likelihoods
        totals: np.ndarray = shares.sum(axis=0)
        shares = shares / totals
        sums = np.stack([np.bincount(buckets, weights=share, minlength=len(weights)) for share in shares], axis=1)
        kept = prior > 0.0
        objective = np.log(totals).sum() + (prior[kept] * np.log(weights[kept])).sum()
        after: np.ndarray = np.where(occupied[:, None], (sums + prior) / np.maximum(words, 1.0), weights)
        return after, float(objective) / len(buckets)

    for _ in range(MOST_ROUNDS):
        once, before = one_round(weights)
        twice, _ = one_round(once)
        step, bend = once - weights, twice - 2.0 * once + weights
        length = float(np.linalg.norm(step)) / max(float(np.linalg.norm(bend)), 1e-300)
        length = min(max(1.0, length), LONGEST_STEP)  # without a bend, at the end, there is no length
        far = np.maximum(weights + 2.0 * length * step + length**2 * bend, 0.01 * twice)  # 0 would stay 0
        far /= far.sum(axis=1, keepdims=True)
        weights, after = one_round(twice)
        leapt, leap = one_round(far)
        if leap > after:
            weights, after = leapt, leap
        if after - before < SMALLEST_GAIN:
            break
    return weights / weights.sum(axis=1, keepdims=True)
