"""The softmax tiles against the reference: the vocabulary in pieces gives what it gives in one."""

import numpy as np
import pytest
import reference

from fflm.kernels import softmax

SURPLUS = 5  # columns of the buffers beyond the batch
SENTINEL = np.float32(4321.0)
EPS = 2.0**-24  # half a unit in the last place at 1


def wide(values):
    """A buffer that holds `values` (R, B) and a sentinel beyond the batch."""
    out = np.full((values.shape[0], values.shape[1] + SURPLUS), SENTINEL)
    out[:, : values.shape[1]] = values
    return out


def surplus_untouched(*buffers):
    return all((buffer[:, -SURPLUS:] == SENTINEL).all() for buffer in buffers)


def batch(words, rows, seed=0, spread=3.0):
    rng = np.random.default_rng(seed)
    logits = (rng.standard_normal((words, rows)) * spread).astype(np.float32)
    bias = rng.standard_normal(words).astype(np.float32)
    targets = rng.integers(0, words, rows).astype(np.int32)
    return logits, bias, targets


def forward(logits, bias, targets, cuts):
    """The tiles between `cuts`, as the output layer treats them."""
    rows = targets.size
    values = wide(logits)
    maxima, sums, factors = (wide(np.zeros((len(cuts) - 1, rows), np.float32)) for _ in range(3))
    peaks, totals, picked = np.zeros(rows, np.float32), np.zeros(rows), np.full(rows, np.nan, np.float32)
    for tile, (first, last) in enumerate(zip(cuts, cuts[1:], strict=False)):
        softmax.add_bias(maxima[tile, :rows], values[first:last], bias[first:last])
        softmax.pick_targets(picked, values[first:last], targets, first)
        softmax.exponentials(sums[tile, :rows], values[first:last], maxima[tile, :rows])
    softmax.combine(peaks, totals, factors, maxima, sums)
    assert surplus_untouched(values, maxima, sums, factors)
    return values, factors, peaks, totals, picked


def test_add_bias():
    logits, bias, _ = batch(7, 19)
    values, maxima = wide(logits), np.full(19, np.nan, np.float32)
    softmax.add_bias(maxima, values, bias)
    assert (values[:, :19] == logits + bias[:, None]).all()
    assert (maxima == (logits + bias[:, None]).max(axis=0)).all()
    assert surplus_untouched(values)


def test_add_bias_with_only_very_low_logits():
    values, maxima = np.full((3, 4), -3e38, np.float32), np.zeros(4, np.float32)
    softmax.add_bias(maxima, values, np.zeros(3, np.float32))
    assert (maxima == np.float32(-3e38)).all()


def test_pick_targets_only_of_this_tile():
    logits, _, _ = batch(4, 6)
    out = np.full(6, SENTINEL)
    softmax.pick_targets(out, wide(logits), np.array([9, 10, 11, 13, 14, 2**31 - 1], np.int32), 10)
    assert out.tolist() == [SENTINEL, logits[0, 1], logits[1, 2], logits[3, 3], SENTINEL, SENTINEL]


def test_exponentials():
    logits, _, _ = batch(33, 19)
    maxima = logits.max(axis=0)
    values, sums = wide(logits), np.full(19, np.nan, np.float32)
    softmax.exponentials(sums, values, maxima)
    exact = np.exp(logits.astype(np.float64) - maxima)
    # the difference is rounded at a size of up to 20 before it is exponentiated
    np.testing.assert_allclose(values[:, :19], exact, rtol=24 * EPS)
    np.testing.assert_allclose(sums, exact.sum(axis=0), rtol=(33 + 24) * EPS)
    assert surplus_untouched(values)


@pytest.mark.parametrize("cuts", [[0, 40], [0, 1, 40], [0, 13, 26, 39, 40]])
def test_tiles_make_one_softmax(cuts):
    logits, bias, targets = batch(40, 19)
    values, factors, peaks, totals, picked = forward(logits, bias, targets, cuts)
    biased = (logits + bias[:, None]).astype(np.float64)
    exact = reference.softmax(biased.T).T
    assert (peaks == biased.max(axis=0)).all()
    np.testing.assert_allclose(totals, np.exp(biased - peaks).sum(axis=0), rtol=1e-6)
    out = np.empty(19)
    softmax.log_probabilities(out, picked, peaks, totals)
    np.testing.assert_allclose(out, np.log(exact[targets, np.arange(19)]), rtol=0, atol=1e-6)
    for tile, (first, last) in enumerate(zip(cuts, cuts[1:], strict=False)):
        softmax.scale_columns(values[first:last], factors[tile, :19])
    np.testing.assert_allclose(values[:, :19], exact, rtol=2e-6)
    np.testing.assert_allclose(values[:, :19].astype(np.float64).sum(axis=0), 1.0, rtol=0, atol=1e-6)
    assert surplus_untouched(values)


@pytest.mark.parametrize("cuts", [[0, 40], [0, 13, 26, 39, 40]])
def test_loss_gradient(cuts):
    logits, bias, targets = batch(40, 19)
    values, factors, *_ = forward(logits, bias, targets, cuts)
    grad_bias = np.full(40, np.nan, np.float32)
    for tile, (first, last) in enumerate(zip(cuts, cuts[1:], strict=False)):
        softmax.loss_gradient(grad_bias[first:last], values[first:last], factors[tile, :19], targets, first)
    exact = reference.softmax((logits + bias[:, None]).astype(np.float64).T).T
    exact[targets, np.arange(19)] -= 1.0
    exact /= 19
    np.testing.assert_allclose(values[:, :19], exact, rtol=0, atol=2e-7 / 19 * 4)
    np.testing.assert_allclose(grad_bias, exact.sum(axis=1), rtol=0, atol=2e-7)
    assert surplus_untouched(values)


def test_targets_that_occur_twice_count_twice():
    values = wide(np.zeros((2, 3), np.float32))
    grad_bias = np.empty(2, np.float32)
    softmax.loss_gradient(grad_bias, values, np.ones(3, np.float32), np.array([1, 1, 0], np.int32), 0)
    third = np.float32(1 / 3)
    assert values[:, :3].tolist() == [[0.0, 0.0, -third], [-third, -third, 0.0]]
    np.testing.assert_allclose(grad_bias, [-1 / 3, -2 / 3], rtol=1e-6)


def test_huge_and_distant_logits():
    logits = np.array([[1e30, 300.0], [0.0, 0.0], [-1e30, -300.0]], np.float32)
    for cuts in ([0, 3], [0, 1, 2, 3]):
        _, _, peaks, totals, picked = forward(logits, np.zeros(3, np.float32), np.array([0, 2], np.int32), cuts)
        out = np.empty(2)
        softmax.log_probabilities(out, picked, peaks, totals)
        assert out.tolist() == [0.0, -600.0]  # the log probability of a word far behind is not clamped


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")  # NumPy's scalars, in pure Python
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("cuts", [[0, 6], [0, 2, 4, 6]])
def test_not_a_number_and_infinity_are_not_hidden(bad, cuts):
    logits, bias, targets = batch(6, 4)
    targets[:] = 0
    logits[3, 1] = bad  # not the target: it must spoil its column's log probability and no other
    _, _, peaks, totals, picked = forward(logits, bias, targets, cuts)
    out = np.empty(4)
    softmax.log_probabilities(out, picked, peaks, totals)
    assert np.isnan(out).tolist() == [False, True, False, False]
