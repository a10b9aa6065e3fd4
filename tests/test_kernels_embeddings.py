"""Rows of the embedding matrix against the reference."""

import numpy as np
import pytest
import reference

from fflm.kernels import embeddings

NAN = np.float32(np.nan)


def batch(rows, places, vocab_size, m, seed=0):
    rng = np.random.default_rng(seed)
    contexts = rng.integers(0, vocab_size, (rows, places)).astype(np.int32)
    table = rng.standard_normal((vocab_size, m)).astype(np.float32)
    grad_x = np.full((rows, places * m + 5), NAN, np.float32)  # wider than x, as the network's buffers are
    grad_x[:, : places * m] = rng.standard_normal((rows, places * m))
    return contexts, table, grad_x


def find(contexts, vocab_size, bag=0, frozen=()):
    slot_of = np.full(vocab_size, -1, np.int32)
    words, slots = np.full(contexts.size, -9, np.int64), np.full(contexts.size, -9, np.int32)
    found = embeddings.find_words(words, slots, slot_of, contexts, bag, np.array(frozen, bool))
    return found, words, slots, slot_of


@pytest.mark.parametrize("rows, places, m", [(1, 1, 1), (3, 2, 5), (17, 4, 16)])
def test_gather_rows(rows, places, m):
    contexts, table, _ = batch(rows, places, 11, m)
    x = np.full((rows, places * m + 3), 7.0, np.float32)
    embeddings.gather_rows(x, table, contexts, 0)
    assert (x[:, : places * m] == reference.gather_rows(table, contexts)).all()
    assert (x[:, places * m :] == 7.0).all()
    assert (x[:, : places * m] == table[contexts].reshape(rows, -1)).all()


def test_find_words_numbers_by_first_occurrence():
    found, words, slots, slot_of = find(np.array([[4, 2], [4, 9], [2, 0]], np.int32), 10)
    assert found == 4
    assert words[:4].tolist() == [4, 2, 9, 0]
    assert slots.tolist() == [0, 1, 0, 2, 1, 3]
    assert (slot_of == -1).all()


def test_find_words_inverts_and_can_be_called_again():
    for seed in range(5):
        contexts, _, _ = batch(13, 3, 20, 1, seed)
        found, words, slots, slot_of = find(contexts, 20)
        assert (slot_of == -1).all()
        assert found == len(np.unique(contexts))
        assert (words[slots] == contexts.reshape(-1)).all()


@pytest.mark.parametrize("rows, places, m", [(1, 1, 1), (3, 2, 5), (17, 4, 16)])
def test_scatter_rows_equals_add_at(rows, places, m):
    contexts, table, grad_x = batch(rows, places, 11, m)
    found, words, slots, _ = find(contexts, 11)
    grad = np.full((found, m), NAN, np.float32)
    embeddings.scatter_rows(grad, 0, grad_x, slots, contexts, 0)
    # float32, in the same order: the same bits
    expected = np.zeros_like(table)
    np.add.at(expected, contexts.reshape(-1), grad_x[:, : places * m].reshape(-1, m))
    assert (grad == expected[words[:found]]).all()
    exact = reference.scatter_rows(table.shape, grad_x[:, : places * m], contexts)
    np.testing.assert_allclose(grad, exact[words[:found]], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("bag", [1, 3])
def test_gather_rows_with_a_bag(bag):
    """The bag is the sum of its words over the root of their number; <s> is none of them."""
    contexts, table, _ = batch(17, bag + 2, 11, 5)
    contexts[3, :bag] = 1
    x = np.full((17, 3 * 5 + 3), 7.0, np.float32)
    embeddings.gather_rows(x, table, contexts, bag)
    assert (x[:, :10] == table[contexts[:, bag:]].reshape(17, -1)).all()
    for row, context in zip(x, contexts, strict=True):
        words = [word for word in context[:bag] if word != 1]
        expected = table[words].astype(np.float64).sum(axis=0) / np.sqrt(max(1, len(words)))
        np.testing.assert_allclose(row[10:15], expected, rtol=1e-5, atol=1e-6)
    assert (x[3, 10:15] == 0.0).all()
    assert (x[:, 15:] == 7.0).all()


def test_find_words_passes_over_beginnings_in_a_bag():
    found, words, slots, slot_of = find(np.array([[1, 4, 1], [4, 1, 2]], np.int32), 10, bag=2)
    assert (found, words[:3].tolist(), slots.tolist()) == (3, [4, 1, 2], [-1, 0, 1, 0, -1, 2])
    assert (slot_of == -1).all()


def test_find_words_passes_over_frozen_words():
    frozen = np.zeros(10, bool)
    frozen[[4, 9]] = True
    found, words, slots, slot_of = find(np.array([[4, 2], [4, 9], [2, 0]], np.int32), 10, frozen=frozen)
    assert (found, words[:2].tolist(), slots.tolist()) == (2, [2, 0], [-1, 0, -1, -1, 0, 1])
    assert (slot_of == -1).all()


def test_scatter_rows_is_the_transpose_of_gather_rows():
    """<gather(E), G> = <E, scatter(G)> for any E and G, as gather_rows is linear in the embeddings."""
    bag, m = 3, 5
    contexts, table, _ = batch(17, bag + 2, 11, m)
    contexts[3, :bag] = 1
    grad_x = np.random.default_rng(5).standard_normal((17, 3 * m)).astype(np.float32)
    x = np.zeros_like(grad_x)
    embeddings.gather_rows(x, table, contexts, bag)
    found, words, slots, _ = find(contexts, 11, bag)
    grad = np.full((found, m), NAN, np.float32)
    embeddings.scatter_rows(grad, 0, grad_x, slots, contexts, bag)
    assert (x.astype(np.float64) * grad_x).sum() == pytest.approx((table[words[:found]] * grad).sum(), rel=1e-4)


def test_scatter_rows_has_the_same_bits_in_shares():
    contexts, _, grad_x = batch(17, 4, 11, 3)
    found, _, slots, _ = find(contexts, 11)
    whole = np.empty((found, 3), np.float32)
    embeddings.scatter_rows(whole, 0, grad_x, slots, contexts, 0)
    for cut in range(found + 1):
        parts = np.full((found, 3), NAN, np.float32)
        embeddings.scatter_rows(parts[:cut], 0, grad_x, slots, contexts, 0)
        embeddings.scatter_rows(parts[cut:], cut, grad_x, slots, contexts, 0)
        assert parts.tobytes() == whole.tobytes()


def test_read_and_write_rows():
    _, table, _ = batch(1, 1, 11, 3)
    words = np.array([7, 0, 10], np.int64)
    out = np.empty((3, 3), np.float32)
    embeddings.read_rows(out, table, words)
    assert (out == table[words]).all()
    expected = table.copy()
    expected[words] = out + 1.0
    embeddings.write_rows(table, out + np.float32(1.0), words)
    assert (table == expected).all()
