"""Texts pooled to rows of numbers, and their gradients, against plain NumPy."""

import numpy as np
import pytest

from fflm.kernels import embeddings, pooling

VOCAB, M = 11, 5


def batch(sizes, seed=0):
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, VOCAB, sum(sizes)).astype(np.int32)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return rng.standard_normal((VOCAB, M)).astype(np.float32), ids, offsets


def gather(table, ids, offsets, maximum, root=False):
    rows = len(offsets) - 1
    x = np.full((rows, 2 * M + 3), 7.0, np.float32)
    highest = np.full((rows, M if maximum else 0), -9, np.int32)
    pooling.gather_texts(x, highest, table, ids, offsets, root)
    return x, highest


SIZES = [[1], [4, 1, 9], [3, 0, 2, 7, 0]]


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("maximum", [False, True])
@pytest.mark.parametrize("root", [False, True])
def test_gather_texts(sizes, maximum, root):
    table, ids, offsets = batch(sizes)
    x, highest = gather(table, ids, offsets, maximum, root)
    for i, size in enumerate(sizes):
        rows = table[ids[offsets[i] : offsets[i + 1]]]
        mean = rows.astype(np.float64).mean(axis=0) * (np.sqrt(size) if root else 1.0) if size else np.zeros(M)
        np.testing.assert_allclose(x[i, :M], mean, rtol=1e-6, atol=1e-7)
        if maximum:
            assert (x[i, M : 2 * M] == (rows.max(axis=0) if size else 0.0)).all()
            places = highest[i] if size else []
            assert all(table[ids[place], f] == x[i, M + f] for f, place in enumerate(places))
    assert (x[:, (1 + maximum) * M :] == 7.0).all()


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("maximum", [False, True])
@pytest.mark.parametrize("root", [False, True])
def test_scatter_texts_is_the_derivative(sizes, maximum, root):
    """Central differences of <gather(E), G> by every number of E."""
    table, ids, offsets = batch(sizes, seed=3)
    grad_x = np.random.default_rng(4).standard_normal((len(sizes), 2 * M + 3)).astype(np.float32)
    _, highest = gather(table, ids, offsets, maximum, root)
    slot_of, words = np.full(VOCAB, -1, np.int32), np.zeros(VOCAB, np.int64)
    slots = np.zeros(len(ids), np.int32)
    found = embeddings.find_words(words, slots, slot_of, ids, np.zeros(0, bool))
    grad = np.full((found, M), np.nan, np.float32)
    pooling.scatter_texts(grad, 0, grad_x, highest, slots, offsets, root)
    width, step = (1 + maximum) * M, np.float32(1e-2)  # linear as long as no maximum changes hands
    for s in range(found):
        for f in range(M):
            ends = []
            for sign in (1, -1):
                moved = table.copy()
                moved[words[s], f] += sign * step / 100
                x, _ = gather(moved, ids, offsets, maximum, root)
                ends.append((x[:, :width].astype(np.float64) * grad_x[:, :width]).sum())
            assert (ends[0] - ends[1]) / (2 * float(step) / 100) == pytest.approx(grad[s, f], abs=5e-3)
    for cut in range(found + 1):
        parts = np.full((found, M), np.nan, np.float32)
        pooling.scatter_texts(parts[:cut], 0, grad_x, highest, slots, offsets, root)
        pooling.scatter_texts(parts[cut:], cut, grad_x, highest, slots, offsets, root)
        assert parts.tobytes() == grad.tobytes()
