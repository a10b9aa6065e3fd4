"""Windows gathered straight from the stream of ids, in a shuffled order that is computed, never stored."""

import numpy as np

from fflm.kernels._jit import kernel
from fflm.kernels.scalar import GOLDEN, scramble

UNIT_END = 2  # the id of </s>; it ends a unit, before which contexts do not look
UNIT_BEGIN = 1  # the id of <s>, which stands for every word before the unit


@kernel("void(int32[:, ::1], int32[::1], int32[::1], int64[::1])")
def gather_windows(contexts, targets, stream, positions):
    """contexts (B, K), oldest word first, and targets (B,) *written* from stream (N,) at positions (B,) *read*."""
    rows, size = contexts.shape
    for i in range(rows):
        position = positions[i]
        targets[i] = stream[position]
        inside = True
        for back in range(1, size + 1):
            if inside:
                inside = position - back >= 0 and stream[position - back] != UNIT_END
            contexts[i, size - back] = stream[position - back] if inside else UNIT_BEGIN


@kernel("uint32(uint32, uint32)")
def mix(half, key):
    """The round function of the shuffle: a well mixed hash of half a number and a key."""
    return scramble(np.uint32(half * GOLDEN + key))


@kernel("void(int64[::1], int64, int64, uint32[::1])")
def shuffled(out, start, size, keys):
    """out (B,) *written*: places start, start + 1, ... of a permutation of 0 .. size-1 chosen by keys (R,) *read*.

    A Feistel network over the next even power of two, walked until it falls inside (Black and Rogaway 2002).
    """
    bits = 1
    while (1 << (2 * bits)) < size:
        bits += 1
    mask = np.uint32((1 << bits) - 1)
    for i in range(out.size):
        number = start + i
        while True:
            left = np.uint32(number >> bits)
            right = np.uint32(number & 0xFFFFFFFF) & mask
            for r in range(keys.size):
                old = right
                right = left ^ (mix(right, keys[r]) & mask)
                left = old
            number = (np.int64(left) << bits) | np.int64(right)
            if number < size:
                break
        out[i] = number
