"""The table of all n-grams of a text up to some order, which n-gram models are estimated from and look up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fflm.errors import ConfigError
from fflm.kernels import ngrams
from fflm.text import NO_BREAKS, Vocabulary

#: How many words before a word are its context where contexts are counted: two, as in the paper (a trigram).
COUNTED_CONTEXT = 2


@dataclass(frozen=True)
class NgramTable:
    """A tree of n-grams as a few flat arrays; a node is an n-gram, and its parent the n-gram without its last word.

    Nodes are sorted by order, then by parent, then by last word; node w, for w < V, is the word w alone. A context is
    a node of less than the highest order; there are C of them.

    Attributes
    ----------
    words : (nodes,) int32
        Last words.
    children : (C + 1,) int64
        The nodes that add a word to context c are ``children[c]`` to ``children[c + 1] - 1``.
    links : (nodes,) int32
        The node of the longest suffix that is in the table; -1 for single words.
    starts : tuple of int
        First node of order 1, 2 ..., and the number of nodes at the end.

    Examples
    --------
    >>> table, counts = count_ngrams(np.array([3, 4, 3, 4, 4], np.int32), order=2, vocab_size=5)
    >>> table.sizes
    (5, 4)
    >>> [(table.ngram(node), int(counts[node])) for node in range(5, 9)]
    [((1, 3), 1), ((3, 4), 2), ((4, 3), 1), ((4, 4), 1)]
    """

    words: np.ndarray
    children: np.ndarray
    links: np.ndarray
    starts: tuple[int, ...]

    @property
    def order(self) -> int:
        """The number of words of the longest n-grams."""
        return len(self.starts) - 1

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of n-grams of each order."""
        return tuple(int(size) for size in np.diff(self.starts))

    def nodes(self, order: int) -> slice:
        """Return the nodes of one order, as a slice."""
        return slice(self.starts[order - 1], self.starts[order])

    def parents(self, order: int) -> np.ndarray:
        """Return the parent of each node of one order, from 2 on."""
        above = self.nodes(order - 1)
        fan = np.diff(self.children[above.start : above.stop + 1])
        return np.repeat(np.arange(above.start, above.stop), fan)

    @property
    def all_parents(self) -> np.ndarray:
        """The parent of each node, -1 of single words: (nodes,) int64."""
        contexts = np.repeat(np.arange(len(self.children) - 1), np.diff(self.children))
        return np.concatenate([np.full(self.starts[1], -1), contexts])

    def ngram(self, node: int) -> tuple[int, ...]:
        """Return the ids of a node's words."""
        words = []
        while node >= self.starts[1]:
            words.append(int(self.words[node]))
            node = int(np.searchsorted(self.children, node, side="right")) - 1
        return (node, *reversed(words))

    @property
    def tree(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The arrays that every kernel of `fflm.kernels.ngrams` reads first."""
        return self.words, self.children, self.links

    def states_of(self, contexts: np.ndarray) -> np.ndarray:
        """Find the node of the longest known suffix of each context (B, K), K < order, -1 for none: (B,) int64."""
        out = np.empty(len(contexts), np.int64)
        ngrams.states(out, *self.tree, np.ascontiguousarray(contexts))
        return out

    def counts_of(self, counts: np.ndarray, contexts: np.ndarray) -> np.ndarray:
        """Count how often contexts (B, K) occurred, by the `counts` of this table's contexts: (B,) int64.

        Only the last two words are looked at, as in the paper's trigram; one where the order is 2. ``<s>`` is a word.

        Raises
        ------
        ConfigError
            If the order is 1: there are no contexts.
        """
        if self.order == 1:
            raise ConfigError("contexts can't be counted by an n-gram model of order 1; take order 2 or more")
        contexts = contexts[:, -min(COUNTED_CONTEXT, self.order - 1) :]
        states, last = self.states_of(contexts), contexts[:, -1]
        # A state of fewer words means that all of them together were never seen; where a unit begins, <s> is all.
        begins = (last == Vocabulary.BOS) | (last == Vocabulary.EOS)
        complete = (states >= self.starts[1]) | begins | (self.order == 2)
        return np.where(complete, counts[states], 0).astype(np.int64)

    def only(self, kept: np.ndarray) -> NgramTable:
        """Return the table of the n-grams that are `kept` (nodes,) bool: all words, no n-gram without its beginning.

        Examples
        --------
        >>> table, counts = count_ngrams(np.array([3, 4, 3, 4, 4], np.int32), order=2, vocab_size=5)
        >>> small = table.only(np.append(np.ones(5, bool), counts[5:] > 1))
        >>> small.sizes, small.ngram(5)
        ((5, 1), (3, 4))
        """
        before = np.concatenate(([0], np.cumsum(kept)))  # the new numbers of the nodes
        starts = tuple(int(before[start]) for start in self.starts)
        links = self.links.copy()
        for order in range(2, self.order + 1):  # an n-gram may stay without its end: then a shorter end is the longest
            nodes = self.nodes(order)
            links[nodes] = np.where(kept[links[nodes]], links[nodes], links[links[nodes]])
        links = links[kept]
        links[starts[1] :] = before[links[starts[1] :]]
        contexts = np.append(kept[: self.starts[-2]], True)
        return NgramTable(self.words[kept], before[self.children[contexts]], links, starts)

    def beginning_with(self, word: int, order: int) -> slice:
        """Return the nodes of one order that begin with `word`: they stand together."""
        first, last = word, word + 1
        for _ in range(order - 1):
            first, last = int(self.children[first]), int(self.children[last])
        return slice(first, last)


def count_ngrams(
    ids: np.ndarray, order: int, vocab_size: int, breaks: np.ndarray = NO_BREAKS
) -> tuple[NgramTable, np.ndarray]:
    """Find and count the n-grams of a text.

    Each unit is read with one ``<s>`` before it; no n-gram reaches over the end of a unit, which is ``</s>``. Text that
    begins at a break begins a unit, as the beginning of a text does.

    Parameters
    ----------
    ids : (N,) int32
    order : int
        Words of the longest n-grams, at least 1.
    vocab_size : int
        V.
    breaks : (S,) int64
        Rising positions inside the text at which text begins that does not follow what stands before it.

    Returns
    -------
    NgramTable
        All words, seen or not, and all longer n-grams that occur.
    counts : (nodes,) int32
        How often each occurs; ``<s>`` as often as there are units.
    """
    if not len(ids):
        raise ConfigError("n-grams need a text of at least one word, got none")
    stream, left = _with_unit_begins(ids, breaks)
    bits = int(vocab_size).bit_length()
    node_of = stream.astype(np.int64)
    words, counts = [np.arange(vocab_size, dtype=np.int32)], [np.bincount(stream, minlength=vocab_size)]
    links, starts = [np.full(vocab_size, -1, np.int32)], [0, vocab_size]
    children: list[np.ndarray] = []
    for k in range(2, order + 1):
        places = np.flatnonzero(left >= k)
        keys = ((node_of[places] - starts[-2]) << bits) | stream[places + k - 1]
        different, inverse, count = _unique(keys)
        fan = np.bincount(different >> bits, minlength=starts[-1] - starts[-2])
        children.append(starts[-1] + np.cumsum(fan) - fan)
        link = np.empty(len(different), np.int32)
        link[inverse] = node_of[places + 1]
        node_of[places] = starts[-1] + inverse
        words.append((different & ((1 << bits) - 1)).astype(np.int32))
        counts.append(count)
        links.append(link)
        starts.append(starts[-1] + len(different))
    children.append(np.array([starts[-1]]))
    table = NgramTable(
        np.concatenate(words), np.concatenate(children).astype(np.int64), np.concatenate(links), tuple(starts)
    )
    return table, np.concatenate(counts).astype(np.int32)


def _with_unit_begins(ids: np.ndarray, breaks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Put ``<s>`` before each unit, and count for each place how many words from there on are in its unit."""
    begins = np.union1d(np.concatenate(([0], np.flatnonzero(ids[:-1] == Vocabulary.EOS) + 1)), breaks)
    stream = np.insert(ids, begins, Vocabulary.BOS)
    begins = begins + np.arange(len(begins))
    ends = np.append(begins[1:], len(stream))
    return stream, np.repeat(ends, ends - begins) - np.arange(len(stream))


def _unique(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the sorted different keys, the place of each key among them, and how often each occurs."""
    order = np.argsort(keys)
    keys = keys[order]
    new = np.empty(len(keys), bool)
    new[:1], new[1:] = True, keys[1:] != keys[:-1]
    inverse = np.empty(len(keys), np.int64)
    inverse[order] = np.cumsum(new) - 1
    first = np.flatnonzero(new)
    return keys[first], inverse, np.diff(np.append(first, len(keys)))
