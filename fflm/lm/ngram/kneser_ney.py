"""Interpolated modified Kneser-Ney smoothing (Chen and Goodman 1998, sections 3 and 4), in back-off form.

An n-gram's adjusted count is its count at the highest order or behind ``<s>``, and else the number of different words
that it follows. With D(a) = D1, D2, D3 for a = 1, 2, 3 and more,

    P(w | c) = (a(c w) - D(a(c w))) / a(c .) + b(c) P(w | c without its first word)
    b(c) = (D1 N1(c .) + D2 N2(c .) + D3 N3(c .)) / a(c .)

down to the uniform distribution over all words but ``<s>``. Written as P for n-grams that were seen and b for their
contexts, this is what the ARPA format holds.

A pruned model leaves out n-grams that occur seldom, as `lmplz --prune` of KenLM does. Discounts and a(c .) are those of
all n-grams; the whole adjusted count of an n-gram that is left out goes to b(c), as its discount would have done, so
that probabilities still sum to 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fflm.lm.ngram.table import NgramTable
from fflm.text import Vocabulary

#: The discounts of KenLM where the counts of counts allow no closed form (tiny or odd corpora).
FALLBACK = (0.5, 1.0, 1.5)


def discounts(adjusted: np.ndarray) -> tuple[tuple[float, float, float], bool]:
    """Compute D1, D2, D3 of one order from its adjusted counts, and tell whether they are `FALLBACK`.

    The closed form (Chen and Goodman 1998, equation 26) is taken if n1 to n4, the numbers of n-grams with adjusted
    count 1 to 4, are all positive and every D_k is above 0 and at most k.

    Examples
    --------
    >>> discounts(np.repeat([1, 2, 3, 4], [10, 4, 2, 1]))[0]
    (0.5555555555555556, 1.1666666666666665, 1.8888888888888888)
    >>> discounts(np.array([5, 5, 5]))
    ((0.5, 1.0, 1.5), True)
    """
    n = np.bincount(np.minimum(adjusted, 5), minlength=6)[1:5].astype(float)
    if n.all():
        y = n[0] / (n[0] + 2.0 * n[1])
        d1, d2, d3 = (float(k - (k + 1) * y * n[k] / n[k - 1]) for k in (1, 2, 3))
        values = d1, d2, d3
        if all(0.0 < value <= k for k, value in enumerate(values, start=1)):
            return values, False
    return FALLBACK, True


def frequent(table: NgramTable, counts: np.ndarray, prune: Sequence[int]) -> np.ndarray:
    """Tell which n-grams a pruned model keeps: (nodes,) bool.

    Parameters
    ----------
    table : NgramTable
    counts : (nodes,) int32
        How often each n-gram occurs.
    prune : sequence of int
        For 1, 2 ... words the number of occurrences up to which an n-gram is left out; the last number holds for all
        longer n-grams too. The first is 0 and they do not fall, so that every part of an n-gram that is kept is kept.

    Examples
    --------
    >>> from fflm.lm.ngram.table import count_ngrams
    >>> table, counts = count_ngrams(np.array([3, 4, 3, 4, 4], np.int32), order=2, vocab_size=5)
    >>> [table.ngram(int(node)) for node in np.flatnonzero(frequent(table, counts, [0, 1])[5:]) + 5]
    [(3, 4)]
    """
    kept = np.ones(table.starts[-1], bool)
    for k in range(2, table.order + 1):
        nodes = table.nodes(k)
        kept[nodes] = counts[nodes] > prune[min(k, len(prune)) - 1]
    return kept


def prune_to_size(table: NgramTable, counts: np.ndarray, largest: int) -> list[int]:
    """Choose what to leave out of a model so that it has at most `largest` n-grams.

    Returns
    -------
    list of int
        Nothing, if there are so few; else 0 and 0 (words and pairs stay, however many they are) and the smallest number
        of occurrences up to which longer n-grams must be left out; see `frequent`.

    Examples
    --------
    >>> from fflm.lm.ngram.table import count_ngrams
    >>> table, counts = count_ngrams(np.array([3, 4, 3, 4, 4], np.int32), order=3, vocab_size=5)
    >>> prune_to_size(table, counts, largest=13), prune_to_size(table, counts, largest=10)
    ([], [0, 0, 1])
    """
    if table.starts[-1] <= largest or table.order < 3:
        return []
    occurrences = np.bincount(counts[table.starts[2] :])
    left = np.cumsum(occurrences[::-1])[::-1]  # left[t]: so many occur t times or more
    small_enough = np.append(left, 0) <= max(0, largest - table.starts[2])
    return [0, 0, max(1, int(np.argmax(small_enough)) - 1)]


def estimate(
    table: NgramTable, counts: np.ndarray, kept: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, list[tuple[float, float, float]], list[int]]:
    """Smooth the counts of a table.

    Parameters
    ----------
    table : NgramTable
    counts : (nodes,) int32
    kept : (nodes,) bool, optional
        The n-grams that a pruned model keeps, as `frequent` gives them. The figures of the others mean nothing.

    Returns
    -------
    log_probs : (nodes,) float32
        Natural log P(last word | the words before it).
    backoffs : (C,) float32
        Natural log b of each context; 0 for one that no word follows.
    discounts : list
        D1, D2, D3 of each order.
    fallback : list of int
        The orders whose discounts are `FALLBACK`.
    """
    probs, backoffs, chosen, fallback = smoothed(table, counts, kept)
    with np.errstate(divide="ignore"):  # <s> is never predicted: log 0
        return np.log(probs).astype(np.float32), np.log(backoffs).astype(np.float32), chosen, fallback


def smoothed(
    table: NgramTable, counts: np.ndarray, kept: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, list[tuple[float, float, float]], list[int]]:
    """Do as `estimate`, but return P (nodes,) and b (C,) themselves, float64, in place of their logarithms.

    Examples
    --------
    >>> from fflm.lm.ngram.table import count_ngrams
    >>> float(smoothed(*count_ngrams(np.array([3, 4, 3, 4, 4], np.int32), order=1, vocab_size=5))[0].sum())
    1.0
    """
    vocab_size, order = table.starts[1], table.order
    probs = np.empty(table.starts[-1])
    backoffs = np.ones(len(table.children) - 1)
    chosen, fallback = [], []
    below = np.full(vocab_size, 1.0 / (vocab_size - 1))
    below[Vocabulary.BOS] = 0.0
    for k in range(1, order + 1):
        nodes = table.nodes(k)
        adjusted = _adjusted(table, counts, k)
        values, is_fallback = discounts(adjusted)
        chosen.append(values)
        fallback += [k] if is_fallback else []
        discount = np.array([0.0, *values])[np.minimum(adjusted, 3)]
        if k == 1:
            total = adjusted.sum()
            probs[nodes] = (adjusted - discount) / total + discount.sum() / total * below
            continue
        parents = table.parents(k)
        contexts = table.nodes(k - 1)
        local = parents - contexts.start
        size = contexts.stop - contexts.start
        totals = np.bincount(local, weights=adjusted, minlength=size)
        passed_on = discount if kept is None else np.where(kept[nodes], discount, adjusted)
        left = np.bincount(local, weights=passed_on, minlength=size)
        followed = totals > 0.0
        backoffs[contexts][followed] = left[followed] / totals[followed]
        shorter = probs[table.links[nodes]]
        probs[nodes] = (adjusted - discount) / totals[local] + backoffs[parents] * shorter
    return probs, backoffs, chosen, fallback


def _adjusted(table: NgramTable, counts: np.ndarray, order: int) -> np.ndarray:
    """Compute the adjusted counts of the nodes of one order, int64."""
    nodes = table.nodes(order)
    adjusted = counts[nodes].astype(np.int64)
    if order < table.order:
        longer = table.links[table.nodes(order + 1)] - nodes.start
        begin = table.beginning_with(Vocabulary.BOS, order)
        seen = adjusted[begin.start - nodes.start : begin.stop - nodes.start].copy()
        adjusted = np.bincount(longer, minlength=nodes.stop - nodes.start)
        adjusted[begin.start - nodes.start : begin.stop - nodes.start] = seen
    if order == 1:
        adjusted[Vocabulary.BOS] = 0
    return adjusted
