"""Rows of the embedding matrix against the reference."""

import numpy as np
import pytest
import reference

from fflm.kernels import embeddings
from fflm.nn.encoders.context import bag_powers

NAN = np.float32(np.nan)
V = 11
CASES = [(0, ()), (1, (1.0,)), (3, (1.0,)), (5, (0.5, 1.0)), (20, (0.5, 0.9, 1.0)), (40, (0.2,))]


def windows(runs, places, seed=0):
    """Contexts of `runs` = lengths of runs; those of one run follow each other. <s> begins some of them."""
    rng, contexts = np.random.default_rng(seed), []
    for length in runs:
        words = rng.integers(0, V, places + length - 1).astype(np.int32)
        words[: rng.integers(0, places)] = 1
        contexts += [words[i : i + places] for i in range(length)]
    return np.stack(contexts)


class Batch:
    """Contexts, a table, and everything that the kernels compute from them."""

    def __init__(self, contexts, m, bag=0, decays=(), first=0, frozen=()):
        self.contexts, self.m, self.bag = contexts, m, bag
        rng = np.random.default_rng(1)
        self.table = rng.standard_normal((V, m)).astype(np.float32)
        self.powers, self.decays = bag_powers(bag, decays), np.array(decays, np.float32)
        self.width = (contexts.shape[1] - bag + len(self.powers)) * m
        self.grad_x = np.full((len(contexts), self.width + 5), NAN, np.float32)  # wider than x, as buffers are
        self.grad_x[:, : self.width] = rng.standard_normal((len(contexts), self.width))
        self.follows = np.zeros(len(contexts), bool)
        embeddings.find_followers(self.follows, contexts, first)
        self.bases, self.occurrences = np.zeros(len(contexts), np.int64), np.full(contexts.size, -9, np.int32)
        self.count = embeddings.list_occurrences(self.occurrences, self.bases, contexts, self.follows, bag)
        self.occurrences = self.occurrences[: self.count]
        self.slot_of, self.slots = np.full(V, -1, np.int32), np.full(self.count, -9, np.int32)
        self.words = np.full(V, -9, np.int64)
        frozen = np.array(frozen, bool)
        self.found = embeddings.find_words(self.words, self.slots, self.slot_of, self.occurrences, frozen)

    def gather(self):
        x = np.full((len(self.contexts), self.width + 3), 7.0, np.float32)
        embeddings.gather_rows(x, self.table, self.contexts, self.follows, self.decays, self.powers)
        assert (x[:, self.width :] == 7.0).all()
        return x[:, : self.width]

    def scatter(self, cuts=()):
        """The gradients of the words found; rows are divided at `cuts`, which begin no follower."""
        grads = np.full((self.count, self.m), NAN, np.float32)
        bounds = [0, *cuts, len(self.contexts)]
        for first, last in zip(bounds, bounds[1:], strict=False):
            embeddings.occurrence_gradients(
                grads, self.grad_x, self.contexts, self.follows, self.bases, self.decays, self.powers, first, last
            )
        out = np.full((self.found, self.m), NAN, np.float32)
        embeddings.add_occurrences(out, 0, grads, self.slots)
        return out, grads


def test_a_context_follows_the_one_before_if_it_is_moved_on_by_one_word():
    contexts = np.array([[3, 4, 5], [4, 5, 6], [4, 5, 7], [5, 7, 1], [7, 1, 1]], np.int32)
    follows = np.ones(5, bool)
    embeddings.find_followers(follows, contexts, 0)
    assert follows.tolist() == [False, True, False, True, True]
    embeddings.find_followers(follows, contexts, embeddings.RUN - 4)  # row 4 is at a multiple of RUN
    assert follows.tolist() == [False, True, False, True, False]


@pytest.mark.parametrize("bag, decays", CASES)
@pytest.mark.parametrize("runs", [(1, 1, 1, 1), (9, 1, 30), (3, 60)])
def test_gather_rows(runs, bag, decays):
    """Bags that follow from the row before are those that are computed anew."""
    batch = Batch(windows(runs, bag + 2), 5, bag, decays)
    expected = reference.gather_rows(batch.table.astype(np.float64), batch.contexts, bag, decays)
    np.testing.assert_allclose(batch.gather(), expected, rtol=1e-5, atol=2e-6)


def test_gather_rows_without_a_bag_copies():
    batch = Batch(windows((5, 3), 3), 4)
    assert (batch.gather() == batch.table[batch.contexts].reshape(8, -1)).all()


def test_a_word_that_falls_out_of_a_bag_leaves_no_trace():
    """Whether a run begins before or after a large word, the later sums are close."""
    batch = Batch(windows((32,), 6), 4, bag=4, decays=(1.0,))
    batch.table[:] *= 100.0
    alone = Batch(batch.contexts[-1:], 4, bag=4, decays=(1.0,))
    alone.table = batch.table
    np.testing.assert_allclose(batch.gather()[-1], alone.gather()[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("bag, decays", CASES)
@pytest.mark.parametrize("runs", [(1, 1, 1, 1), (9, 1, 30), (3, 60)])
def test_gradients_of_words(runs, bag, decays):
    batch = Batch(windows(runs, bag + 2), 5, bag, decays)
    exact = reference.scatter_rows((V, 5), batch.grad_x[:, : batch.width], batch.contexts, bag, decays)
    np.testing.assert_allclose(batch.scatter()[0], exact[batch.words[: batch.found]], rtol=1e-4, atol=2e-5)


def test_gathering_and_adding_up_are_transposes():
    """<gather(E), G> = <E, scatter(G)> for any E and G, as gather_rows is linear in the embeddings."""
    batch = Batch(windows((9, 1, 5), 8), 5, bag=6, decays=(0.8, 1.0))
    left = (batch.gather().astype(np.float64) * batch.grad_x[:, : batch.width]).sum()
    assert left == pytest.approx((batch.table[batch.words[: batch.found]] * batch.scatter()[0]).sum(), rel=1e-4)


def test_gradients_have_the_same_bits_in_shares():
    batch = Batch(windows((40, 24), 7), 3, bag=5, decays=(0.5, 1.0))
    whole, grads = batch.scatter()
    assert batch.scatter(cuts=[embeddings.RUN])[0].tobytes() == whole.tobytes()
    for cut in range(batch.found + 1):
        parts = np.full((batch.found, 3), NAN, np.float32)
        embeddings.add_occurrences(parts[:cut], 0, grads, batch.slots)
        embeddings.add_occurrences(parts[cut:], cut, grads, batch.slots)
        assert parts.tobytes() == whole.tobytes()


def test_occurrences_are_shared_by_contexts_that_follow_each_other():
    batch = Batch(np.array([[1, 1, 4], [1, 4, 9], [2, 3, 4]], np.int32), 1, bag=2, decays=(1.0,))
    assert batch.occurrences.tolist() == [-1, -1, 4, 9, 2, 3, 4]  # <s> is no word of a bag
    assert batch.bases.tolist() == [0, 1, 4]
    batch = Batch(np.array([[1, 1, 4], [1, 4, 9]], np.int32), 1)
    assert batch.occurrences.tolist() == [1, 1, 4, 9]


def find(occurrences, frozen=()):
    slot_of, size = np.full(V, -1, np.int32), len(occurrences)
    words, slots = np.full(size, -9, np.int64), np.full(size, -9, np.int32)
    found = embeddings.find_words(words, slots, slot_of, np.array(occurrences, np.int32), np.array(frozen, bool))
    assert (slot_of == -1).all()
    return found, words[:found].tolist(), slots.tolist()


def test_find_words_numbers_by_first_occurrence():
    assert find([4, 2, 4, 9, 2, 0]) == (4, [4, 2, 9, 0], [0, 1, 0, 2, 1, 3])
    assert find([-1, 4, -1, 4]) == (1, [4], [-1, 0, -1, 0])


def test_find_words_passes_over_frozen_words():
    frozen = np.zeros(V, bool)
    frozen[[4, 9]] = True
    assert find([4, 2, 4, 9, 2, 0], frozen) == (2, [2, 0], [-1, 0, -1, -1, 0, 1])


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 10, 97, 100])
def test_spread_words_renumbers(count):
    """Every word keeps its occurrences; the first half of the words is spread over both halves."""
    words, slots = np.arange(count) * 10, np.array([*range(count), -1, 0], np.int32)
    embeddings.spread_words(words, slots, count)
    assert (words[slots[:count]] == np.arange(count) * 10).all()
    assert slots[count:].tolist() == [-1, slots[0]]
    if count >= 6:
        in_front = (slots[: count // 2] < count // 2).sum()
        assert abs(in_front - count / 4) <= 2


def test_read_and_write_rows():
    table = np.random.default_rng(0).standard_normal((V, 3)).astype(np.float32)
    words = np.array([7, 0, 10], np.int64)
    out = np.empty((3, 3), np.float32)
    embeddings.read_rows(out, table, words)
    assert (out == table[words]).all()
    expected = table.copy()
    expected[words] = out + 1.0
    embeddings.write_rows(table, out + np.float32(1.0), words)
    assert (table == expected).all()
