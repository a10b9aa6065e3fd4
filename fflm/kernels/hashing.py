"""Hashes of 32 bits, computed in place of random numbers that would have to be stored."""

import numpy as np

from fflm.kernels._jit import kernel

GOLDEN = np.uint32(0x9E3779B9)  # 2^32 / golden ratio: its multiples spread evenly


@kernel("uint32(uint32)")
def scramble(x):
    """Compute a bijection of 32 bits in which every input bit moves about half of the output bits."""
    # Each step is cut to 32 bits: Numba multiplies two uint32 to a uint64.
    x = np.uint32(x ^ (x >> np.uint32(16)))
    x = np.uint32(x * np.uint32(0x7FEB352D))
    x = np.uint32(x ^ (x >> np.uint32(15)))
    x = np.uint32(x * np.uint32(0x846CA68B))
    return np.uint32(x ^ (x >> np.uint32(16)))
