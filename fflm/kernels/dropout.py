"""Dropout: numbers set to 0 by a hash, the same in the forward and the backward pass.

`first` is the number of the first row in the whole layer, so that any share of its rows can be done alone.
"""

import numpy as np

from fflm.kernels._jit import kernel
from fflm.kernels.hashing import GOLDEN, scramble
from fflm.kernels.matrices import PART, ZERO


@kernel(f"void({PART}, int64, uint32, float64, int64)")
def dropout(values, first, key, rate, columns):
    """Set each of values (R, C) *written* to 0 with probability `rate`, else divide it by 1 - rate.

    The choice is a hash of (key, row, column): the backward pass repeats it on the gradient, any division among
    workers makes the same one, and no generator's state has to be saved.
    """
    limit = np.uint32(rate * 4294967296.0)
    scale = np.float32(1.0 / (1.0 - rate))
    for i in range(values.shape[0]):
        row_key = scramble(key + scramble(np.uint32(first + i)))
        for j in range(columns):
            drawn = scramble(row_key + np.uint32(j) * GOLDEN)
            values[i, j] = ZERO if drawn < limit else values[i, j] * scale
