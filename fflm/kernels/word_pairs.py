"""Pairs of words: the rows of a table that the last two words of a context fall on, by a hash."""

import numpy as np

from fflm.kernels._jit import kernel
from fflm.kernels.hashing import GOLDEN, scramble
from fflm.kernels.matrices import PART
from fflm.kernels.windows import UNIT_BEGIN, UNIT_END, text_begin

ZERO = np.float32(0.0)


@kernel("int32(int32, int32, int64)")
def pair_row(before, last, rows):
    """Compute a hash of two words in 0 .. rows-1."""
    mixed = scramble(np.uint32(np.uint32(before) * GOLDEN + scramble(np.uint32(last))))
    return np.int32(np.uint64(mixed) * np.uint64(rows) >> np.uint64(32))


@kernel("void(int32[::1], int64, int32[::1], int64[::1], int64[::1])")
def pairs_at(pairs, rows, stream, breaks, positions):
    """Write into pairs (B,) the row of the two words before each of positions (B,) of stream (N,), all *read*.

    ``<s>`` stands for a word before the beginning of the text, as in `gather_windows`.
    """
    for i in range(positions.size):
        position = positions[i]
        begin = text_begin(breaks, position)
        last = stream[position - 1] if position - 1 >= begin else UNIT_BEGIN
        before = UNIT_BEGIN
        if last == UNIT_END:
            last = UNIT_BEGIN
        elif position - 2 >= begin and stream[position - 2] != UNIT_END:
            before = stream[position - 2]
        pairs[i] = pair_row(np.int32(before), np.int32(last), rows)


@kernel("void(int32[::1], int64, int32[:, ::1])")
def pairs_of(pairs, rows, contexts):
    """Write into pairs (B,) the row of the last two words of contexts (B, P) *read*."""
    places = contexts.shape[1]
    for i in range(contexts.shape[0]):
        before = contexts[i, places - 2] if places > 1 else np.int32(UNIT_BEGIN)
        pairs[i] = pair_row(np.int32(before), contexts[i, places - 1], rows)


@kernel("void(float32[::1], int64, uint32, float64)")
def keep_rows(factors, first, key, rate):
    """Write into factors (B,), of rows `first` and on, 0 with probability `rate`, else 1 / (1 - rate)."""
    limit = np.uint32(rate * 4294967296.0)
    scale = np.float32(1.0 / (1.0 - rate))
    for i in range(factors.size):
        drawn = scramble(key + scramble(np.uint32(first + i)))
        factors[i] = ZERO if drawn < limit else scale


@kernel(f"void({PART}, {PART}, int32[::1], float32[::1])")
def gather_pairs(x, table, pairs, factors):
    """Write into x (B, >=m) the rows `pairs` (B,) of table (rows, m) times factors (B,), all *read*."""
    for i in range(pairs.size):
        row = np.int64(pairs[i])
        for f in range(table.shape[1]):
            x[i, f] = factors[i] * table[row, f]


@kernel(f"void(float32[:, ::1], int64, {PART}, int32[::1], float32[::1])")
def scatter_scaled_rows(grad, first, grad_x, slots, factors):
    """Write into grad (W, m) the gradients of rows first .. first+W-1: those of grad_x (B, >=m) times their factors."""
    m = grad.shape[1]
    grad[:, :] = ZERO
    for i in range(slots.size):
        s = np.int64(slots[i]) - first
        if 0 <= s < grad.shape[0] and factors[i] > ZERO:
            for f in range(m):
                grad[s, f] += factors[i] * grad_x[i, f]
