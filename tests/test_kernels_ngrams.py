"""Lookups in trees of n-grams, and in a cache, against dictionaries of tuples."""

import numpy as np
import pytest
import reference

from fflm.kernels import ngrams, unigram_cache

VOCAB = 7
NO_BREAKS = np.zeros(0, np.int64)
#: Breaks of a text of 60 words: none, one, two side by side, some at line ends and inside lines.
BREAKS = {"none": [], "one": [20], "many": [1, 2, 17, 30, 31, 49]}
each_breaks = pytest.mark.parametrize("breaks", BREAKS.values(), ids=BREAKS)


def text(length=60, seed=1, ends=0.15):
    """Words 3 to 6 and <unk>, the first ones often; </s> now and then."""
    rng = np.random.default_rng(seed)
    ids = rng.choice([3, 4, 5, 6, 0], length, p=[0.4, 0.3, 0.15, 0.1, 0.05])
    return np.where(rng.random(length) < ends, 2, ids).astype(np.int32)


class Tree:
    """The n-grams of a text, some left out on request, with random numbers at their nodes."""

    def __init__(self, order, ids=None, dropped=lambda ngram: False, seed=3):
        self.order, self.ids = order, text() if ids is None else ids
        self.counts = {g: n for g, n in reference.ngram_counts(self.ids, order).items() if not dropped(g)}
        self.nodes, *arrays = reference.ngram_tree(self.counts, order, VOCAB)
        self.arrays = tuple(arrays)
        self.contexts = [ngram for ngram in self.nodes if len(ngram) < order]
        self.place = {ngram: i for i, ngram in enumerate(self.nodes)} | {(): -1}
        rng = np.random.default_rng(seed)
        self.log_probs = -rng.random(len(self.nodes)).astype(np.float32) * 5
        self.backoffs = -rng.random(len(self.contexts)).astype(np.float32)

    def known(self, context):
        """The longest suffix of a context that is a context of the tree."""
        return next(s for s in reference.suffixes(tuple(context)[-self.order + 1 :]) if s in self.place)

    def log_prob(self, context, word):
        log_probs = {ngram: float(self.log_probs[i]) for ngram, i in self.place.items() if ngram}
        backoffs = dict(zip(self.contexts, map(float, self.backoffs), strict=True))
        return reference.backoff_log_prob(log_probs, backoffs, context, word)


def pruned(ngram):
    """3 4 and 4 4, and all that begins with them: 5 3 4 loses its suffix."""
    return ngram[:2] in ((3, 4), (4, 4))


TREES = {"bigrams": (2,), "trigrams": (3,), "4-grams": (4,), "pruned": (3, None, pruned), "pruned 4": (4, None, pruned)}


@pytest.fixture(params=TREES.values(), ids=TREES)
def tree(request):
    return Tree(*request.param)


def test_the_pruned_tree_lacks_suffixes_but_no_beginning():
    tree = Tree(*TREES["pruned"])
    assert all(ngram[:-1] in tree.place for ngram in tree.nodes)
    assert [ngram for ngram in tree.nodes if ngram[1:] not in tree.place] != []


def test_child(tree):
    words, children, _ = tree.arrays
    for context in tree.contexts:
        for word in range(VOCAB):
            expected = tree.place.get((*context, word), -1)
            assert ngrams.child(words, children, tree.place[context], word) == expected


def test_states_are_the_longest_known_suffixes(tree):
    rng = np.random.default_rng(5)
    for size in range(tree.order):
        contexts = rng.integers(0, VOCAB, (200, size)).astype(np.int32)
        out = np.full(200, -7, np.int64)
        ngrams.states(out, *tree.arrays, contexts)
        for found, context in zip(out, contexts.tolist(), strict=True):
            # <s> stands for </s> and for all before it too
            ends = [i for i, word in enumerate(context) if word in (1, 2)]
            within = (1, *context[ends[-1] + 1 :]) if ends else context
            assert found == tree.place[tree.known(within)], context


@each_breaks
def test_state_before_every_word(tree, breaks):
    places = np.array(breaks, np.int64)
    for size in range(tree.order):
        for position in range(len(tree.ids)):
            context = reference.context_before(tree.ids, position, size, breaks)
            expected = tree.place[next(s for s in reference.suffixes(context) if s in tree.place)]
            assert ngrams.state_before(*tree.arrays, tree.ids, places, position, size) == expected


@each_breaks
def test_backoff_log_probs_from_any_word_on(tree, breaks):
    places, size = np.array(breaks, np.int64), tree.order - 1
    other = text(50, seed=9)
    for ids in (tree.ids, other):
        contexts = [reference.context_before(ids, t, size, breaks) for t in range(len(ids))]
        expected = np.array([tree.log_prob(c, int(word)) for c, word in zip(contexts, ids, strict=True)])
        for first, count in ((0, len(ids)), (1, 20), (20, 12), (len(ids) - 1, 1), (17, 0)):
            out = np.full(count, np.nan)
            ngrams.backoff_log_probs(out, *tree.arrays, tree.log_probs, tree.backoffs, ids, places, first, size)
            np.testing.assert_allclose(out, expected[first : first + count], rtol=0, atol=2e-6)


def test_backoff_distribution_of_every_context(tree):
    for context in [(), *tree.contexts]:
        out = np.full(VOCAB, np.nan)
        ngrams.backoff_distribution(out, *tree.arrays, tree.log_probs, tree.backoffs, tree.place[context])
        expected = [np.exp(tree.log_prob(context, word)) for word in range(VOCAB)]
        np.testing.assert_allclose(out, expected, rtol=3e-6, atol=0)


def test_words_that_are_impossible():
    """log 0 = -inf stays -inf, and is no NaN when weights are added to it."""
    tree = Tree(3)
    tree.log_probs[:] = -np.inf
    out = np.zeros(len(tree.ids))
    ngrams.backoff_log_probs(out, *tree.arrays, tree.log_probs, tree.backoffs, tree.ids, NO_BREAKS, 0, 2)
    assert (out == -np.inf).all()
    row = np.full(VOCAB, np.nan)
    ngrams.backoff_distribution(row, *tree.arrays, tree.log_probs, tree.backoffs, tree.place[(3, 4)])
    assert (row == 0).all()


def test_order_one_has_no_contexts():
    tree = Tree(1)
    assert tree.arrays[1].tolist() == [VOCAB]
    out, row = np.zeros(len(tree.ids)), np.zeros(VOCAB)
    ngrams.backoff_log_probs(out, *tree.arrays, tree.log_probs, tree.backoffs, tree.ids, NO_BREAKS, 0, 0)
    assert (out == tree.log_probs[tree.ids]).all()
    ngrams.backoff_distribution(row, *tree.arrays, tree.log_probs, tree.backoffs, -1)
    np.testing.assert_allclose(row, np.exp(tree.log_probs), rtol=1e-6)


@pytest.fixture(params=[2, 3, 4])
def counted(request):
    """A tree with the counts of its nodes, and how often each context was followed."""
    tree = Tree(request.param)
    counts = np.array([tree.counts.get(ngram, 0) for ngram in tree.nodes], np.int32)
    totals = [sum(n for g, n in tree.counts.items() if g[:-1] == context) for context in tree.contexts]
    words = sum(n for g, n in tree.counts.items() if len(g) == 1 and g != (1,))
    return tree, counts, np.array([*totals, words], np.float64)


def test_longest_seen_and_level(counted):
    tree, _, totals = counted
    _, _, links = tree.arrays
    assert ngrams.level(links, -1) == 0 and ngrams.longest_seen(links, totals, -1) == -1
    unfollowed = 0
    for context in tree.contexts:
        assert ngrams.level(links, tree.place[context]) == len(context)
        seen = next(s for s in reference.suffixes(context) if not s or totals[tree.place[s]])
        assert ngrams.longest_seen(links, totals, tree.place[context]) == tree.place[seen]
        unfollowed += seen != context
    assert unfollowed


@each_breaks
def test_relative_frequencies(counted, breaks):
    tree, counts, totals = counted
    places = np.array(breaks, np.int64)
    for ids in (tree.ids, text(50, seed=9), np.array([6, 6, 6, 0, 0, 2, 2, 1], np.int32)):
        out = np.full((len(ids) - 3, tree.order + 1), np.nan)
        ngrams.relative_frequencies(out, *tree.arrays, counts, totals, ids, places, 3)
        for t, row in enumerate(out, start=3):
            context = reference.context_before(ids, t, tree.order - 1, breaks)
            expected = reference.relative_frequencies(tree.counts, tree.order, VOCAB, context, int(ids[t]))
            np.testing.assert_allclose(row, expected, rtol=1e-12, err_msg=f"{context} {ids[t]}")


def test_interpolated_distribution(counted):
    tree, counts, totals = counted
    weights = np.arange(1.0, tree.order + 2)
    weights /= weights.sum()
    for context in [(), *tree.contexts]:
        out = np.full(VOCAB, np.nan)
        ngrams.interpolated_distribution(out, weights, *tree.arrays, counts, totals, tree.place[context])
        expected = [
            weights @ reference.relative_frequencies(tree.counts, tree.order, VOCAB, context, word)
            for word in range(VOCAB)
        ]
        np.testing.assert_allclose(out, expected, rtol=1e-12, err_msg=str(context))
        assert out.sum() == pytest.approx(1.0, abs=1e-12)


@each_breaks
def test_longest_ngrams(breaks):
    tree = Tree(3)
    ids = text(50, seed=9)
    out = np.full(45, -7, np.int64)
    ngrams.longest_ngrams(out, *tree.arrays, ids, np.array(breaks, np.int64), 5, 2)
    lengths = set()
    for t, found in enumerate(out, start=5):
        context = reference.context_before(ids, t, 2, breaks)
        known = [(*s, int(ids[t])) for s in reference.suffixes(context) if (*s, int(ids[t])) in tree.place]
        assert found == tree.place[known[0]]
        lengths.add(len(known[0]))
    assert lengths == {1, 2, 3}


# Caches


def test_places_before():
    ids = np.array([4, 4, 2, 4, 6, 2], np.int32)
    before, last = np.full(6, -7, np.int32), np.full(VOCAB, -1, np.int32)
    unigram_cache.places_before(before, last, ids)
    assert before.tolist() == [-1, 0, -1, 1, -1, 2]
    assert last.tolist() == [-1, -1, 5, -1, 3, -1, 4]


@each_breaks
@pytest.mark.parametrize("half_life", [None, 3.0, 1e-9, 1e12])
@pytest.mark.parametrize("size", [1, 2, 10, 1000])
def test_cache_probabilities(size, half_life, breaks):
    """It looks across </s> and not across a break, where nothing is left to look at."""
    ids, places = text(60), np.array(breaks, np.int64)
    before = np.full(60, -7, np.int32)
    unigram_cache.places_before(before, np.full(VOCAB, -1, np.int32), ids)
    decay = 0.0 if half_life is None else np.log(2.0) / half_life
    begins = [reference.begin_of_text(breaks, t) for t in range(60)]
    expected = [
        reference.cache_probs(ids[begin:t], size, half_life, VOCAB)[ids[t]] if begin < t else 0.0
        for t, begin in enumerate(begins)
    ]
    for first, count in ((0, 60), (13, 20), (20, 5), (59, 1), (3, 0)):
        out = np.full(count, np.nan)
        unigram_cache.cache_probabilities(out, ids, places, before, first, size, decay)
        np.testing.assert_allclose(out, expected[first : first + count], rtol=1e-11, atol=0)
