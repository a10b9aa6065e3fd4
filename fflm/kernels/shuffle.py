"""A shuffled order that is computed, never stored."""

import numpy as np

from fflm.kernels._jit import kernel
from fflm.kernels.hashing import GOLDEN, scramble


@kernel("uint32(uint32, uint32)")
def mix(half, key):
    """Compute the round function of the shuffle: a well mixed hash of half a number and a key."""
    return scramble(np.uint32(half * GOLDEN + key))


@kernel("void(int64[::1], int64, int64, uint32[::1])")
def shuffled(out, start, size, keys):
    """Write places start, start + 1, ... of a permutation of 0 .. size-1 into out (B,); keys (R,) *read* choose it.

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
