"""Windows and the computed shuffle."""

import numba
import numpy as np
import pytest
import reference

from fflm.kernels import shuffle, windows

COMPILED = not numba.config.DISABLE_JIT
# 32-bit arithmetic wraps as it is meant to; in pure Python, NumPy warns about it.
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")


def gather(stream, positions, size, breaks=()):
    contexts = np.full((len(positions), size), -7, np.int32)
    targets = np.full(len(positions), -7, np.int32)
    stream, breaks, positions = (
        np.asarray(stream, np.int32),
        np.array(breaks, np.int64),
        np.asarray(positions, np.int64),
    )
    windows.gather_windows(contexts, targets, stream, breaks, positions)
    return contexts, targets


def permutation(size, keys, start=0, count=None):
    out = np.empty(size - start if count is None else count, np.int64)
    shuffle.shuffled(out, start, size, np.asarray(keys, np.uint32))
    return out


def test_start_of_the_stream():
    contexts, targets = gather([5, 6, 7], [0, 1, 2], 2)
    assert contexts.tolist() == [[1, 1], [1, 5], [5, 6]]
    assert targets.tolist() == [5, 6, 7]


def test_contexts_do_not_look_before_a_unit():
    contexts, targets = gather([5, 6, 2, 7, 8, 2, 2, 9], range(8), 3)
    assert contexts.tolist() == [
        [1, 1, 1],
        [1, 1, 5],
        [1, 5, 6],  # </s> itself is predicted from its unit
        [1, 1, 1],
        [1, 1, 7],
        [1, 7, 8],
        [1, 1, 1],  # an empty unit
        [1, 1, 1],
    ]
    assert targets.tolist() == [5, 6, 2, 7, 8, 2, 2, 9]


def test_contexts_do_not_look_across_a_break():
    """At a break text begins as at the beginning of the stream, whatever stands before it."""
    contexts, targets = gather([5, 6, 7, 8, 2, 9, 5], range(7), 3, breaks=[1, 3, 6])
    assert contexts.tolist() == [
        [1, 1, 1],
        [1, 1, 1],  # 6 begins a text of two words
        [1, 1, 6],
        [1, 1, 1],
        [1, 1, 8],
        [1, 1, 1],  # after </s>, inside the third text
        [1, 1, 1],
    ]
    assert targets.tolist() == [5, 6, 7, 8, 2, 9, 5]


def test_the_beginning_of_a_text_is_the_last_break_before_it():
    for breaks in ([], [4], [1, 2, 3], [2, 3, 7, 11, 12], [1, 19]):
        held = np.array(breaks, np.int64)
        for position in range(20):
            assert windows.breaks_until(held, position) == sum(place <= position for place in breaks)
            assert windows.text_begin(held, position) == reference.begin_of_text(breaks, position)


@pytest.mark.parametrize("breaks", [0, 1, 2, 30])
@pytest.mark.parametrize("size", [1, 2, 5, 12])
def test_random_streams_equal_the_reference(size, breaks):
    rng = np.random.default_rng(size)
    stream = rng.integers(0, 6, 150)
    positions = rng.permutation(150)
    breaks = np.sort(rng.choice(np.arange(1, 150), breaks, replace=False))
    for values, expected in zip(
        gather(stream, positions, size, breaks),
        reference.gather_windows(stream, positions, size, breaks),
        strict=True,
    ):
        assert (values == expected).all()


def test_ids_at_the_limits_of_int32_are_just_ids():
    low, high = -(2**31), 2**31 - 1
    contexts, targets = gather([low, high, low], [1, 2], 2)
    assert contexts.tolist() == [[1, low], [low, high]]
    assert targets.tolist() == [high, low]


def test_contexts_longer_than_the_stream():
    assert gather([3], [0], 40)[0].tolist() == [[1] * 40]


def test_mix_is_32_bit_arithmetic():
    for half, key in ((0, 0), (1, 2), (12345, 2**32 - 1), (2**32 - 1, 2**31)):
        assert int(shuffle.mix(np.uint32(half), np.uint32(key))) == reference.mix(half, key)


def test_shuffled_equals_the_reference():
    keys = [3, 2**32 - 1, 17, 99]
    for size in (1, 2, 16, 17, 70):
        assert permutation(size, keys).tolist() == reference.shuffled(size, keys).tolist()


def test_shuffled_is_a_permutation():
    larger = (255, 256, 257, 1023, 1025, 65537, 10**6) if COMPILED else (257, 1025)
    for size in (*range(1, 71), *larger):
        for keys in ([1, 2, 3, 4], [2**32 - 1, 0, 5, 77, 8, 9]):
            out = permutation(size, keys)
            assert (np.sort(out) == np.arange(size)).all(), size


def test_shuffled_starts_anywhere():
    for size in (5, 64, 300):
        whole = permutation(size, [4, 3, 2, 1])
        for start in range(0, size, 3):
            count = min(7, size - start)
            assert (permutation(size, [4, 3, 2, 1], start, count) == whole[start : start + count]).all()


def test_shuffled_differs_by_key_and_mixes():
    size = 5000 if COMPILED else 500
    orders = np.stack([permutation(size, [seed, seed + 1, seed + 2, seed + 3]) for seed in range(6)])
    for i in range(6):
        for other in (*orders[:i], np.arange(size)):
            assert (orders[i] == other).sum() < 12  # about 1 place in common is expected (Poisson)
        # rank correlation with the identity and serial correlation: standard deviation 1 / sqrt(size)
        assert abs(np.corrcoef(orders[i], np.arange(size))[0, 1]) < 5 / np.sqrt(size)
        assert abs(np.corrcoef(orders[i][1:], orders[i][:-1])[0, 1]) < 5 / np.sqrt(size)


@pytest.mark.skipif(not COMPILED, reason="a size that no pure Python loop reaches")
def test_shuffled_beyond_32_bits():
    size = 2**34 + 5
    for start in (0, 2**33, size - 1000):
        out = permutation(size, [1, 2, 3, 4], start, 1000)
        assert len(set(out.tolist())) == 1000 and out.min() >= 0 and out.max() < size
        assert (permutation(size, [1, 2, 3, 4], start + 10, 20) == out[10:30]).all()
