"""The continuous cache: the last words, weighted by the similarity of their features to those of the next word.

The features of every place are scaled to length 1, so a product of two is the cosine s of their angle, and weights are
exp(theta * (s - 1)): at most about 1, without a look for the largest.
"""

import math

import numpy as np

from fflm.kernels._jit import kernel


@kernel("float64(float32[:, ::1], int64, int64)", reassociate=True)
def cosine(features, a, b):
    """Compute the product of rows a and b of features (M, D) *read*, of length 1."""
    total = np.float32(0.0)
    for d in range(features.shape[1]):
        total += features[a, d] * features[b, d]
    return float(total)


@kernel("void(float64[:, ::1], float32[:, ::1], int32[::1], int64[::1], int64, float64[::1])")
def word_shares(out, features, words, begins, first, thetas):
    """Write into out (n, T) the share of the word of row first, first + 1, ... among the rows before it.

    Features (M, D) and words (M,) *read* are those of neighbouring places; the cache of row first + i begins at row
    begins[i] (n,) *read*. One column for each of thetas (T,) *read*; where the cache is empty the share is 0.
    """
    count = thetas.size
    totals = np.zeros(count)
    for i in range(out.shape[0]):
        row = first + i
        out[i, :] = 0.0
        totals[:] = 0.0
        for back in range(begins[i], row):
            distance = cosine(features, back, row) - 1.0
            found = words[back] == words[row]
            for k in range(count):
                weight = math.exp(thetas[k] * distance)
                totals[k] += weight
                if found:
                    out[i, k] += weight
        if begins[i] < row:
            for k in range(count):
                out[i, k] /= totals[k]


@kernel("void(float64[::1], float32[:, ::1], float64)")
def weights(out, features, theta):
    """Write into out (M - 1,) the weight of each row of features (M, D) *read* for the last one; their sum is 1."""
    last, total = features.shape[0] - 1, 0.0
    for i in range(last):
        out[i] = math.exp(theta * (cosine(features, i, last) - 1.0))
        total += out[i]
    for i in range(last):
        out[i] /= total
