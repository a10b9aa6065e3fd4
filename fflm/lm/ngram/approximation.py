"""An n-gram model in back-off form that comes close to any language model, pruned to a stated size.

The n-grams are those of a text. P(w | h) of an n-gram is the mean of the model's P(w | all words before it) over the
places of the text at which the words h stand before w: of all distributions that see h alone, the mean is the closest
one by relative entropy. Where h is shorter than the longest contexts, P(w | h) is needed behind contexts that were not
seen, and so each different longest context that ends with h counts once, however often it occurs, as in Kneser-Ney
smoothing. An n-gram model can so stand in for a network in the first pass of a recogniser, as in Arisoy, Chen,
Ramabhadran and Sethy (2014, section III). The back-off weight of h gives the remaining probability to the words
that were not seen behind h, in proportion to P(w | h without its first word), and each context sums to 1.

Then n-grams are left out by the entropy criterion of Stolcke (1998, section 3): first those without which the model
changes least, by relative entropy weighted with the frequency of h. An n-gram stays as long as a longer one that begins
with it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from fflm.errors import ConfigError, option_name
from fflm.lm.contexts import checked_breaks, checked_ids, contexts_at
from fflm.lm.interface import LanguageModel
from fflm.lm.ngram.backoff import NgramModel
from fflm.lm.ngram.table import NgramTable, count_ngrams
from fflm.text import NO_BREAKS, Vocabulary

#: Contexts whose distributions are computed at once: the array of (BATCH, V) numbers must not be large.
BATCH = 64


def approximate(
    model: LanguageModel,
    ids: np.ndarray,
    order: int,
    largest: int,
    breaks: np.ndarray = NO_BREAKS,
    threads: int | None = None,
    on_batch: Callable[[float], None] | None = None,
) -> NgramModel:
    """Make the n-gram model of a language model (see above).

    Parameters
    ----------
    model : LanguageModel
    ids : (N,) int32
        The text whose n-grams it has, in the model's vocabulary.
    order : int
        Words of the longest n-grams.
    largest : int
        The most n-grams of all orders together, the V words among them.
    breaks : (S,) int64
        The breaks of the text.
    threads : int, optional
        For the n-gram model.
    on_batch : callable, optional
        Called with the number of words after each batch, for progress.

    Raises
    ------
    ConfigError
        If `largest` is less than the size of the vocabulary, the text is empty, or an id is outside the vocabulary.

    Examples
    --------
    >>> import fflm
    >>> model = fflm.load("runs/demo").lm
    >>> ids = model.vocabulary.encode("the cat sat on the mat .".split())
    >>> small = approximate(model, ids, order=2, largest=15)
    >>> small.table.sizes, float(small.next_word(np.array([[3]], np.int32)).sum().round(5))
    ((13, 2), 1.0)
    """
    vocab_size = len(model.vocabulary)
    ids, breaks = checked_ids(ids, vocab_size), checked_breaks(breaks, len(ids))
    if largest < vocab_size:
        raise ConfigError(
            f"{option_name('ngrams')} must be at least the {vocab_size:,} words of the vocabulary, got {largest:,}"
        )
    table, counts = count_ngrams(ids, order, vocab_size, breaks)
    probs, followed = _mean_probabilities(model, table, ids, breaks, on_batch)
    losses = _losses(table, probs, followed / len(ids))
    kept = _most_important(table, losses, largest)
    sizes = list(table.sizes)
    table, probs, counts = table.only(kept), probs[kept], counts[kept]
    backoffs = _backed_off(table, probs).weights
    with np.errstate(divide="ignore"):  # <s> is never predicted: log 0
        log_probs, log_backoffs = np.log(probs).astype(np.float32), np.log(backoffs).astype(np.float32)
    facts = {"smoothing": f"approximation of a {model.describe()['kind']}", "ngrams_of_the_text": sizes}
    return NgramModel(
        model.vocabulary, model.tokenizer, table, log_probs, log_backoffs, counts[: len(backoffs)], facts, threads
    )


def _mean_probabilities(
    model: LanguageModel,
    table: NgramTable,
    ids: np.ndarray,
    breaks: np.ndarray,
    on_batch: Callable[[float], None] | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the mean P(last word | context) of every node, and how often a word follows each context: (C,).

    A place weighs one over how often its longest context occurs.
    """
    states = table.states_of(contexts_at(ids, np.arange(len(ids)), table.order - 1, breaks))
    suffixes = [states]  # of each place: its longest context, then the ends of it, one word shorter each
    for _ in range(2, table.order):
        suffixes.append(np.where(suffixes[-1] >= 0, table.links[suffixes[-1]], -1))
    order = np.lexsort(suffixes)  # by the last word, then the one before it: places of one context stand together
    totals, followed = np.zeros(table.starts[-1]), np.zeros(len(table.children) - 1, np.int64)
    _, longest, sizes = np.unique(states, return_inverse=True, return_counts=True)
    weights, mass = 1.0 / sizes[longest], np.zeros(len(followed))
    for places, rows in _distributions(model, ids, order, breaks):
        rows *= weights[places, None]
        totals[: table.starts[1]] += rows.sum(axis=0)
        for nodes in suffixes:
            for node, run in _runs(nodes[places]):
                if node >= 0:
                    followed[node] += run.stop - run.start
                    mass[node] += weights[places[run]].sum()
                    children = slice(table.children[node], table.children[node + 1])
                    totals[children] += rows[run, table.words[children]].sum(axis=0)
        if on_batch is not None:
            on_batch(len(places))
    totals[: table.starts[1]] /= weights.sum()
    totals[table.starts[1] :] /= mass[table.all_parents[table.starts[1] :]]
    return totals, followed


def _distributions(
    model: LanguageModel, ids: np.ndarray, order: np.ndarray, breaks: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield places (B,) in this order and P(. | all words before each) (B, V) float64, 0 for ``<s>``, sums of 1."""
    with model.session(BATCH) as scorer:
        for first in range(0, len(order), BATCH):
            places = order[first : first + BATCH]
            rows = scorer.next_word(contexts_at(ids, places, model.reach, breaks)).astype(np.float64)
            rows[:, Vocabulary.BOS] = 0.0
            yield places, rows / rows.sum(axis=1, keepdims=True)


def _runs(values: np.ndarray) -> Iterator[tuple[int, slice]]:
    """Yield each value and the run of places in which it stands."""
    starts = np.flatnonzero(np.append(True, values[1:] != values[:-1]))
    for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(values)], strict=True):
        yield int(values[start]), slice(start, stop)


class _BackedOff(NamedTuple):
    """Back-off figures of a table.

    Attributes
    ----------
    weights : (C,) float64
        Back-off weight b of each context; 1 where no word is left to back off to.
    shorter : (nodes,) float64
        P(last word | the context without its first word), as the model gives it.
    left, left_shorter : (C,) float64
        1 - the sum of P over the words that follow a context, and 1 - the sum of `shorter` over them.
    """

    weights: np.ndarray
    shorter: np.ndarray
    left: np.ndarray
    left_shorter: np.ndarray


def _backed_off(table: NgramTable, probs: np.ndarray) -> _BackedOff:
    """Compute the back-off weights with which every context sums to 1, shorter contexts first."""
    parents, contexts = table.all_parents, len(table.children) - 1
    out = _BackedOff(np.ones(contexts), np.zeros(len(probs)), np.ones(contexts), np.ones(contexts))
    for order in range(2, table.order + 1):
        nodes, above = table.nodes(order), table.nodes(order - 1)
        links = table.links[nodes]
        factor, states, targets = np.ones(len(links)), table.links[parents[nodes]], parents[links]
        while (longer := states != targets).any():
            factor[longer] *= out.weights[states[longer]]
            states = np.where(longer, table.links[states], states)
        out.shorter[nodes] = factor * probs[links]
        local, size = parents[nodes] - above.start, above.stop - above.start
        out.left[above] -= np.bincount(local, probs[nodes], size)
        out.left_shorter[above] -= np.bincount(local, out.shorter[nodes], size)
        open_ended = (out.left[above] > 0.0) & (out.left_shorter[above] > 0.0)
        out.weights[above][open_ended] = out.left[above][open_ended] / out.left_shorter[above][open_ended]
    return out


def _losses(table: NgramTable, probs: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """Compute the relative entropy that leaving out each n-gram alone costs, in nats a word: (nodes,) float64.

    Stolcke (1998), equations 3 to 5, with the relative frequencies (C,) of the contexts for P(h).
    """
    back, parents, rest = _backed_off(table, probs), table.all_parents, slice(table.starts[1], None)
    p, shorter, above = probs[rest], back.shorter[rest], parents[rest]
    left = back.left[above]
    weight = (left + p) / np.maximum(back.left_shorter[above] + shorter, np.finfo(float).tiny)
    with np.errstate(divide="ignore", invalid="ignore"):
        own = p * (np.log(shorter) + np.log(weight) - np.log(p))
        others = np.maximum(left, 0.0) * (np.log(weight) - np.log(back.weights[above]))
    losses = np.zeros(len(probs))
    losses[rest] = -frequencies[above] * (np.nan_to_num(own) + np.nan_to_num(others))
    return losses


def _most_important(table: NgramTable, losses: np.ndarray, largest: int) -> np.ndarray:
    """Tell which n-grams stay: all words, then those of the largest losses, with all that they begin with: (nodes,)."""
    losses, parents = losses.copy(), table.all_parents
    losses[: table.starts[1]] = np.inf
    for order in range(table.order, 1, -1):  # an n-gram is worth as much as the best one that begins with it
        nodes = table.nodes(order)
        np.maximum.at(losses, parents[nodes], losses[nodes])
    kept = np.zeros(len(losses), bool)
    kept[np.argsort(-losses, kind="stable")[:largest]] = True  # of equals the shorter: its node comes first
    return kept
