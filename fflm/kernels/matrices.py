"""Sums and moves of matrices. Values stand as (units, batch): one row per unit, of which the first `columns` numbers
are the batch (buffers are wider, so that rows begin apart in the cache).
"""

import numpy as np

from fflm.kernels._jit import kernel

ZERO = np.float32(0.0)


PART = "float32[:, ::1]"


@kernel(f"void(float32[::1], {PART}, int64)", reassociate=True)
def row_sums(out, values, columns):
    """Write into out (R,) the sums of the rows of values (R, B) *read*."""
    for i in range(values.shape[0]):
        total = ZERO
        for j in range(columns):
            total += values[i, j]
        out[i] = total


@kernel(f"void({PART}, float32[:, :, ::1], int64, int64)")
def sum_parts(out, parts, first, columns):
    """Write into out (R, B) rows first .. first+R-1 of parts (S, D, B) *read*, added in the order of S."""
    for i in range(out.shape[0]):
        row = out[i, :]
        for j in range(columns):
            row[j] = parts[0, first + i, j]
        for s in range(1, parts.shape[0]):
            part = parts[s, first + i, :]
            for j in range(columns):
                row[j] += part[j]


@kernel(f"void({PART}, {PART}, int64, int64, int64)")
def transpose(out, values, first, last, columns):
    """Write into out[j, i] values[i, j] *read* for i = first .. last-1 and j = 0 .. columns-1, block by block."""
    for i0 in range(first, last, 16):
        i1 = min(i0 + 16, last)
        for j in range(columns):
            row = out[j, :]
            for i in range(i0, i1):
                row[i] = values[i, j]


@kernel(f"void({PART}, {PART}, int64, int64, int64)")
def transpose_columns(out, values, first, last, rows):
    """Write into out[j, i] values[i, j] *read* for i = 0 .. rows-1 and j = first .. last-1, block by block."""
    for j0 in range(first, last, 16):
        j1 = min(j0 + 16, last)
        for i in range(rows):
            row = values[i, :]
            for j in range(j0, j1):
                out[j, i] = row[j]


@kernel(f"void({PART}, {PART}, int64, boolean)")
def copy(out, values, columns, accumulate):
    """Copy values (R, B) *read* into out (R, B) *written*, or add them, *accumulated*, on request."""
    for i in range(values.shape[0]):
        row, numbers = out[i, :], values[i, :]
        if accumulate:
            for j in range(columns):
                row[j] += numbers[j]
        else:
            for j in range(columns):
                row[j] = numbers[j]


@kernel(f"float64({PART}, int64)")
def sum_of_squares(values, columns):
    """Compute the sum of the squares of values (R, C) *read*, row by row, in float64."""
    total = 0.0
    for i in range(values.shape[0]):
        for j in range(columns):
            total += np.float64(values[i, j]) * np.float64(values[i, j])
    return total


@kernel(f"void({PART}, float32, int64)")
def scale(values, factor, columns):
    """Multiply values (R, C) *written* by `factor`."""
    for i in range(values.shape[0]):
        for j in range(columns):
            values[i, j] *= factor
