"""Dropout and the small moves of the layers against the reference."""

import math

import numba
import numpy as np
import pytest
import reference

from fflm.kernels import dropout, hashing, matrices

SENTINEL = np.float32(777.0)
SURPLUS = 6
# 32-bit arithmetic wraps as it is meant to; in pure Python, NumPy warns about it.
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")


def wide(values):
    out = np.full((values.shape[0], values.shape[1] + SURPLUS), SENTINEL)
    out[:, : values.shape[1]] = values
    return out


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


# Dropout


def mask(rows, columns, first, key, rate):
    """What `dropout` makes of ones."""
    values = wide(np.ones((rows, columns), np.float32))
    dropout.dropout(values, first, np.uint32(key), rate, columns)
    assert (values[:, columns:] == SENTINEL).all()
    return values[:, :columns]


def test_scramble_is_32_bit_arithmetic():
    for x in (0, 1, 2, 12345, 2**31, 2**32 - 1):
        assert int(hashing.scramble(np.uint32(x))) == reference.scramble(x)


@pytest.mark.parametrize("key, rate", [(0, 0.5), (1, 0.1), (2**32 - 1, 0.9), (5, 0.0)])
def test_dropout_equals_the_reference(key, rate):
    found = mask(11, 23, 4, key, rate)
    expected = reference.dropout_mask(11, 23, 4, key, rate)
    np.testing.assert_allclose(found, expected, rtol=1e-7)


def test_dropout_makes_the_same_choice_in_any_share():
    whole = mask(12, 9, 0, 5, 0.4)
    for cut in range(13):
        parts = [np.ones((size, 9), np.float32) for size in (cut, 12 - cut)]
        dropout.dropout(parts[0], 0, np.uint32(5), 0.4, 9)
        dropout.dropout(parts[1], cut, np.uint32(5), 0.4, 9)
        assert (np.concatenate(parts) == whole).all()


def test_dropout_scales_what_it_keeps():
    values = normal(9, 16)
    before = values.copy()
    kept = mask(9, 16, 0, 7, 0.25)
    dropout.dropout(values, 0, np.uint32(7), 0.25, 16)
    assert (values == before * kept).all()
    assert set(np.unique(kept)) == {np.float32(0.0), np.float32(1 / 0.75)}


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.4, 0.9])
def test_dropout_keeps_its_rate_and_the_expectation(rate):
    rows, columns = (40, 50) if numba.config.DISABLE_JIT else (1000, 500)
    kept = mask(rows, columns, 0, 2024, rate)
    dropped = kept == 0.0
    spread = math.sqrt(rate * (1 - rate))
    assert abs(dropped.mean() - rate) < 5 * spread / math.sqrt(rows * columns)  # 5 standard deviations
    assert abs(dropped.mean(axis=0) - rate).max() < 5 * spread / math.sqrt(rows)
    assert abs(dropped.mean(axis=1) - rate).max() < 5 * spread / math.sqrt(columns)
    assert abs(kept.mean(dtype=np.float64) - 1.0) < 5 * spread / (1 - rate) / math.sqrt(rows * columns)


def test_dropout_of_neighbours_and_of_keys_is_independent():
    rows, columns = (40, 50) if numba.config.DISABLE_JIT else (300, 300)
    first, second = (mask(rows, columns, 0, key, 0.5) > 0 for key in (1, 2))
    bound = 5 * 0.5 / math.sqrt(rows * (columns - 1))
    for a, b in (
        (first, second),
        (first[:, 1:], first[:, :-1]),
        (first[1:], first[:-1]),
        (first[1:, 1:], first[:-1, :-1]),
        (first[1:], second[:-1]),
    ):
        assert abs((a == b).mean() - 0.5) < bound


# Sums and moves


def test_row_sums():
    values = normal(5, 200)
    buffer, out = wide(values), np.full(5, np.nan, np.float32)
    matrices.row_sums(out, buffer, 200)
    exact = values.astype(np.float64)
    assert (np.abs(out - exact.sum(axis=1)) <= 200 * 2.0**-24 * np.abs(exact).sum(axis=1)).all()


@pytest.mark.parametrize("count", [1, 2, 5])
def test_sum_parts_in_order(count):
    parts = np.full((count, 9, 17 + SURPLUS), np.nan, np.float32)
    parts[:, :, :17] = normal(count, 9, 17)
    out = wide(np.zeros((4, 17), np.float32))
    matrices.sum_parts(out, parts, 3, 17)
    expected = parts[0, 3:7, :17].copy()
    for part in parts[1:]:
        expected += part[3:7, :17]
    assert (out[:, :17] == expected).all()
    assert (out[:, 17:] == SENTINEL).all()


@pytest.mark.parametrize("first, last", [(0, 37), (5, 21), (16, 32), (8, 8)])
def test_transpose(first, last):
    values = wide(normal(37, 10))
    out = np.full((10, 40), SENTINEL)
    matrices.transpose(out, values, first, last, 10)
    assert (out[:, first:last] == values[first:last, :10].T).all()
    out[:, first:last] = SENTINEL
    assert (out == SENTINEL).all()


def test_sum_of_squares_and_scale():
    values = normal(6, 33)
    buffer = wide(values)
    exact = (values.astype(np.float64) ** 2).sum()
    assert matrices.sum_of_squares(buffer, 33) == pytest.approx(exact, rel=1e-14)
    matrices.scale(buffer, np.float32(0.3), 33)
    assert (buffer[:, :33] == values * np.float32(0.3)).all()
    assert (buffer[:, 33:] == SENTINEL).all()


# Copies


@pytest.mark.parametrize("rows, columns", [(1, 1), (5, 17), (40, 33)])
def test_copy_and_add(rows, columns):
    values, out = normal(rows, columns), wide(normal(rows, columns, seed=1))
    expected = out[:, :columns] + values
    matrices.copy(out, wide(values), columns, True)
    assert (out[:, :columns] == expected).all() and (out[:, columns:] == SENTINEL).all()
    matrices.copy(out, wide(values), columns, False)
    assert (out[:, :columns] == values).all() and (out[:, columns:] == SENTINEL).all()


@pytest.mark.parametrize("first, last", [(0, 0), (0, 5), (3, 21), (0, 40)])
def test_transposing_some_columns(first, last):
    values, out = wide(normal(7, 40)), np.full((40, 9), SENTINEL, np.float32)
    matrices.transpose_columns(out, values, first, last, 7)
    assert (out[first:last, :7] == values[:, first:last].T).all()
    assert (out[:, 7:] == SENTINEL).all() and (out[:first] == SENTINEL).all() and (out[last:] == SENTINEL).all()
