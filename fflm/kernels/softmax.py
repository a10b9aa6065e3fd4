"""Softmax over the vocabulary, tile by tile. Logits stand as (words of the tile, batch): one row per word.

So maxima and sums over words run down columns, and whole rows of the batch are treated at once. Rows may be wider than
the batch, whose size B is that of the arrays (B,).

`slice_forward` and `slice_backward` walk the tiles of one slice of the vocabulary; the other kernels treat one tile.
"""

import math

import numpy as np

from fflm.kernels._jit import kernel
from fflm.kernels.matmul import matmul
from fflm.kernels.scalar import exp
from fflm.kernels.updates import NOTHING, update

ZERO = np.float32(0.0)
TILE = "float32[:, ::1]"


@kernel(f"void(float32[::1], {TILE}, float32[::1])")
def add_bias(maxima, logits, bias):
    """Add bias (T,) *read* to logits (T, B) *accumulated*; write into maxima (B,) the largest of each column."""
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
    """Write into out (B,) the logits of those targets (B,) *read* that are in this tile, from word `first` on."""
    for j in range(targets.size):
        word = targets[j] - first
        if 0 <= word < logits.shape[0]:
            out[j] = logits[word, j]


@kernel(f"void(float32[::1], {TILE}, float32[::1])")
def exponentials(sums, values, maxima):
    """Write e^(values - maxima (B,) *read*) into values (T, B), and the sum of each column into sums (B,)."""
    words, columns = values.shape[0], sums.size
    for j in range(columns):
        sums[j] = ZERO
    for t in range(words):
        row = values[t, :]
        for j in range(columns):
            e = exp(row[j] - maxima[j])
            row[j] = e
            sums[j] += e


@kernel(f"void(float32[::1], float64[::1], {TILE}, {TILE}, {TILE})")
def combine(peaks, totals, factors, maxima, sums):
    """Combine the tiles' maxima and sums, (tiles, B) *read*, over the vocabulary, in the order of the tiles.

    peaks, totals (B,) *written*: the largest logit, and the sum of e^(logit - peak). factors (tiles, B) *written*: what
    turns a tile's exponentials into probabilities.
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
            factors[s, j] = factor
            totals[j] += np.float64(factor) * np.float64(sums[s, j])
    for s in range(tiles):
        for j in range(columns):
            factors[s, j] = np.float32(factors[s, j] / totals[j])


@kernel("void(float64[::1], float32[::1], float32[::1], float64[::1])")
def log_probabilities(out, target_logits, peaks, totals):
    """Write into out (B,) natural log P(target): its logit less the log of the sum of all exponentials."""
    for j in range(out.size):
        out[j] = np.float64(target_logits[j]) - np.float64(peaks[j]) - math.log(totals[j])


@kernel(f"void({TILE}, float32[::1])")
def scale_columns(values, factors):
    """Multiply the columns of values (T, B) *written* by factors (B,) *read*."""
    for t in range(values.shape[0]):
        row = values[t, :]
        for j in range(factors.size):
            row[j] *= factors[j]


@kernel(f"void(float32[::1], {TILE}, float32[::1], int32[::1], int64)", reassociate=True)
def loss_gradient(grad_bias, values, factors, targets, first):
    """Turn exponentials, values (T, B) *written*, into gradients of the mean loss, (P - [word is target]) / B.

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


@kernel(
    f"void({TILE}, {TILE}, {TILE}, float32[::1], {TILE}, float32[::1], {TILE}, int32[::1], int64[::1])",
)
def slice_forward(values, maxima, sums, target_logits, weights, bias, features_t, targets, bounds):
    """Compute the exponentials of one slice of the vocabulary, tile by tile; the slice has S words in T tiles.

    values (S, >=B) *written*: e^(logit - the tile's maximum); with fewer rows, as many as the largest tile has, each
    tile writes over the one before, in the cache. maxima, sums (T, >=B) *written*: of each tile's columns;
    target_logits (B,) *written* where the target is a word of the slice. weights (S, D), bias (S,), features_t
    (D, >=B), targets (B,) *read*; bounds (T+1,) *read*: the first word of each tile, and the last plus one.
    """
    columns, kept = targets.size, values.shape[0] == bounds[-1] - bounds[0]
    for tile in range(bounds.size - 1):
        first, last = bounds[tile] - bounds[0], bounds[tile + 1] - bounds[0]
        row = first if kept else 0
        logits = values[row : row + last - first]
        matmul(logits[:, :columns], weights[first:last], features_t[:, :columns], False)
        add_bias(maxima[tile, :columns], logits, bias[first:last])
        pick_targets(target_logits, logits, targets, bounds[tile])
        exponentials(sums[tile, :columns], logits, maxima[tile, :columns])


@kernel(
    f"void({TILE}, {TILE}, float32[::1], UniTuple({TILE}, 3), UniTuple(float32[::1], 3), {TILE}, {TILE}, {TILE}, "
    "int32[::1], int64[::1], int64, UniTuple(float32[::1], 2))",
)
def slice_backward(
    grad_features_t, grad_weights, grad_bias, weights, bias, values, factors, features, targets, bounds, rule, rates
):
    """Compute one slice's gradients of the mean loss after `slice_forward`; update each tile while it is cached.

    grad_features_t (D, >=B) *written*: the slice's part of the gradient of the features. values (S, >=B): exponentials
    become gradients of the logits. weights and bias are each the parameters (S, D), (S,) and the two states of the
    update rule, *updated* by `rule` with the rates (8,) of the weights and (8,) of the bias; grad_weights and grad_bias
    are scratch of one tile then. If `rule` is NOTHING, they are *written*: the gradients (S, D), (S,). factors
    (T, >=B), features (>=B, D), targets (B,), bounds (T+1,) *read*.
    """
    columns = targets.size
    for tile in range(bounds.size - 1):
        first, last = bounds[tile] - bounds[0], bounds[tile + 1] - bounds[0]
        row = first if rule == NOTHING else 0
        tile_grad_weights = grad_weights[row : row + last - first]
        tile_grad_bias = grad_bias[row : row + last - first]
        gradient = values[first:last]
        loss_gradient(tile_grad_bias, gradient, factors[tile, :columns], targets, bounds[tile])
        matmul(grad_features_t[:, :columns], weights[0][first:last].T, gradient[:, :columns], tile > 0)
        matmul(tile_grad_weights, gradient[:, :columns], features[:columns, : weights[0].shape[1]], False)
        if rule != NOTHING:
            update(
                rule,
                weights[0][first:last].reshape(-1),
                tile_grad_weights.reshape(-1),
                weights[1][first:last].reshape(-1),
                weights[2][first:last].reshape(-1),
                rates[0],
            )
            states = bias[1][first:last], bias[2][first:last]
            update(rule, bias[0][first:last], tile_grad_bias, states[0], states[1], rates[1])


@kernel(f"void({TILE}, {TILE}, {TILE}, int64[::1])")
def probabilities(out, values, factors, bounds):
    """Write a slice's exponentials (S, >=B) *read*, times its tiles' factors, into out (B, V) from column bounds[0] on.

    factors (T, >=B) and bounds (T+1,), as of `slice_forward`, *read*.
    """
    for tile in range(bounds.size - 1):
        for first in range(bounds[tile], bounds[tile + 1], 16):
            last = min(first + 16, bounds[tile + 1])
            for j in range(out.shape[0]):
                factor = factors[tile, j]
                for word in range(first, last):
                    out[j, word] = values[word - bounds[0], j] * factor
