"""Softmax over the vocabulary, tile by tile. Logits stand as (words of the tile, batch): one row per word.

So maxima and sums over words run down columns, and whole rows of the batch are treated at once. Rows may be wider than
the batch, whose size B is that of the arrays (B,).
"""

import math

import numpy as np

from fflm.kernels._jit import kernel
from fflm.kernels.scalar import exp

ZERO = np.float32(0.0)
TILE = "float32[:, ::1]"


@kernel(f"void(float32[::1], {TILE}, float32[::1])")
def add_bias(maxima, logits, bias):
    """logits (T, B) *accumulated*: bias (T,) *read* is added; maxima (B,) *written*: the largest of each column."""
    words, columns = logits.shape[0], maxima.size
    for j in range(columns):
        maxima[j] = -np.inf
    for t in range(words):
        row = logits[t, :]
        for j in range(columns):
            value = row[j] + bias[t]
            row[j] = value
            maxima[j] = value if value > maxima[j] else maxima[j]


@kernel(f"void(float32[::1], {TILE}, int32[::1], int64)")
def pick_targets(out, logits, targets, first):
    """out (B,) *written* only where targets (B,) *read* is a word of this tile, whose first word is `first`."""
    for j in range(targets.size):
        word = targets[j] - first
        if 0 <= word < logits.shape[0]:
            out[j] = logits[word, j]


@kernel(f"void(float32[::1], {TILE}, float32[::1])")
def exponentials(sums, values, maxima):
    """values (T, B) *written* = e^(values - maxima (B,) *read*); sums (B,) *written*: the sum of each column."""
    words, columns = values.shape[0], sums.size
    for j in range(columns):
        sums[j] = ZERO
    for t in range(words):
        row = values[t, :]
        for j in range(columns):
            e = exp(row[j] - maxima[j])
            row[j] = e
            sums[j] += e


@kernel(f"void(float32[::1], float64[::1], {TILE}, {TILE})")
def combine(peaks, totals, maxima, sums):
    """peaks, totals (B,) *written*: largest logit and sum of exponentials, from maxima, sums (tiles, B) *read*.

    maxima are then *written* as the factors (tiles, B) that turn a tile's exponentials into probabilities.
    """
    tiles, columns = maxima.shape[0], peaks.size
    for j in range(columns):
        peaks[j] = maxima[0, j]
        totals[j] = 0.0
    for s in range(1, tiles):
        for j in range(columns):
            peaks[j] = maxima[s, j] if maxima[s, j] > peaks[j] else peaks[j]
    for s in range(tiles):
        for j in range(columns):
            factor = exp(maxima[s, j] - peaks[j])
            maxima[s, j] = factor
            totals[j] += np.float64(factor) * np.float64(sums[s, j])
    for s in range(tiles):
        for j in range(columns):
            maxima[s, j] = np.float32(maxima[s, j] / totals[j])


@kernel("void(float64[::1], float32[::1], float32[::1], float64[::1])")
def log_probabilities(out, target_logits, peaks, totals):
    """out (B,) *written* = natural log P(target): its logit less the log of the sum of all exponentials."""
    for j in range(out.size):
        out[j] = np.float64(target_logits[j]) - np.float64(peaks[j]) - math.log(totals[j])


@kernel(f"void({TILE}, float32[::1])")
def scale_columns(values, factors):
    """values (T, B) *written* *= factors (B,) *read*."""
    for t in range(values.shape[0]):
        row = values[t, :]
        for j in range(factors.size):
            row[j] *= factors[j]


@kernel(f"void(float32[::1], {TILE}, float32[::1], int32[::1], int64)", reassociate=True)
def loss_gradient(grad_bias, values, factors, targets, first):
    """values (T, B) *written*: exponentials become gradients of the mean loss, (P - [word is target]) / B.

    factors (B,) and targets (B,) *read*; `first` is the tile's first word; grad_bias (T,) *written*: sums of the rows.
    """
    words, columns = values.shape[0], targets.size
    share = np.float32(1.0 / columns)
    for t in range(words):
        row = values[t, :]
        total = ZERO
        for j in range(columns):
            p = row[j] * factors[j] * share
            row[j] = p
            total += p
        grad_bias[t] = total
    for j in range(columns):
        word = targets[j] - first
        if 0 <= word < words:
            values[word, j] -= share
            grad_bias[word] -= share
