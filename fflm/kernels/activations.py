"""Activations. Values stand as (units, batch): one row per unit, of which the first `columns` numbers are the batch.

All have one shape. `f_forward(out, z, bias, slope, columns)`: z (R, B) *accumulated*: bias (R,) *read* is added; out
(R, B) *written* = f(z). `f_backward(grad, grad_slope, z, out, slope, columns)`: grad (R, B) *written* *= f'(z), z and
out *read*. `slope` (R,) *read* and `grad_slope` (R,) *written* belong to `sloped` alone; others ignore them.
"""

import numpy as np

from fflm.kernels import softmax
from fflm.kernels._jit import kernel
from fflm.kernels.scalar import ONE, exp, tanh

ZERO = np.float32(0.0)
PART = "float32[:, ::1]"
FORWARD = f"void({PART}, {PART}, float32[::1], float32[::1], int64)"
BACKWARD = f"void({PART}, float32[::1], {PART}, {PART}, float32[::1], int64)"


@kernel("float32(float32)")
def sigmoid(z):
    """Compute 1 / (1 + e^-z)."""
    return ONE / (ONE + exp(-z))


@kernel(FORWARD)
def identity_forward(out, z, bias, slope, columns):
    """Compute a = z."""
    for i in range(z.shape[0]):
        for j in range(columns):
            z[i, j] += bias[i]
            out[i, j] = z[i, j]


@kernel(BACKWARD)
def identity_backward(grad, grad_slope, z, out, slope, columns):
    """Leave the gradient as it is: f' = 1."""


@kernel(FORWARD)
def sigmoid_forward(out, z, bias, slope, columns):
    """Compute a = 1 / (1 + e^-z)."""
    for i in range(z.shape[0]):
        row, values = z[i, :], out[i, :]
        for j in range(columns):
            row[j] += bias[i]
            values[j] = sigmoid(row[j])


@kernel(BACKWARD)
def sigmoid_backward(grad, grad_slope, z, out, slope, columns):
    """Multiply the gradient by f' = a (1 - a)."""
    for i in range(grad.shape[0]):
        for j in range(columns):
            grad[i, j] *= out[i, j] * (ONE - out[i, j])


@kernel(FORWARD)
def tanh_forward(out, z, bias, slope, columns):
    """Compute a = tanh z."""
    for i in range(z.shape[0]):
        row, values = z[i, :], out[i, :]
        for j in range(columns):
            row[j] += bias[i]
            values[j] = tanh(row[j])


@kernel(BACKWARD)
def tanh_backward(grad, grad_slope, z, out, slope, columns):
    """Multiply the gradient by f' = 1 - a^2."""
    for i in range(grad.shape[0]):
        for j in range(columns):
            grad[i, j] *= ONE - out[i, j] * out[i, j]


@kernel(FORWARD)
def relu_forward(out, z, bias, slope, columns):
    """Compute a = max(z, 0); not a number stays not a number."""
    for i in range(z.shape[0]):
        for j in range(columns):
            z[i, j] += bias[i]
            out[i, j] = ZERO if z[i, j] < ZERO else z[i, j]


@kernel(BACKWARD)
def relu_backward(grad, grad_slope, z, out, slope, columns):
    """Multiply the gradient by f' = 1 for z >= 0, else 0: at 0 it is taken as 1."""
    for i in range(grad.shape[0]):
        for j in range(columns):
            grad[i, j] = grad[i, j] if z[i, j] >= ZERO else ZERO


@kernel(FORWARD)
def sloped_forward(out, z, bias, slope, columns):
    """Compute a = z, or slope * z below 0: leaky ReLU, PReLU."""
    for i in range(z.shape[0]):
        for j in range(columns):
            z[i, j] += bias[i]
            out[i, j] = slope[i] * z[i, j] if z[i, j] < ZERO else z[i, j]


@kernel(BACKWARD)
def sloped_backward(grad, grad_slope, z, out, slope, columns):
    """Multiply the gradient by f' = 1 for z >= 0, else the slope; the slope's gradient has z below 0, else 0."""
    for i in range(grad.shape[0]):
        total = ZERO
        for j in range(columns):
            if z[i, j] < ZERO:
                total += grad[i, j] * z[i, j]
                grad[i, j] *= slope[i]
        grad_slope[i] = total


@kernel(FORWARD)
def swish_forward(out, z, bias, slope, columns):
    """Compute a = z / (1 + e^-z)."""
    for i in range(z.shape[0]):
        row, values = z[i, :], out[i, :]
        for j in range(columns):
            row[j] += bias[i]
            values[j] = row[j] * sigmoid(row[j])


@kernel(BACKWARD)
def swish_backward(grad, grad_slope, z, out, slope, columns):
    """Multiply the gradient by f' = s + a (1 - s), s = 1 / (1 + e^-z)."""
    for i in range(grad.shape[0]):
        row, values, grads = z[i, :], out[i, :], grad[i, :]
        for j in range(columns):
            s = sigmoid(row[j])
            grads[j] *= s + values[j] * (ONE - s)


@kernel(FORWARD)
def softmax_forward(out, z, bias, slope, columns):
    """Compute a = e^z / sum of e^z over the units: all R of a layer, not a share of them."""
    maxima, sums = np.empty(columns, np.float32), np.empty(columns, np.float32)
    softmax.add_bias(maxima, z, bias)
    for i in range(z.shape[0]):  # a copy of slices would compile seconds of Numba's error messages
        for j in range(columns):
            out[i, j] = z[i, j]
    softmax.exponentials(sums, out, maxima)
    for j in range(columns):
        sums[j] = ONE / sums[j]
    softmax.scale_columns(out, sums)


@kernel(BACKWARD)
def softmax_backward(grad, grad_slope, z, out, slope, columns):
    """Multiply each example's gradient by the Jacobian: a * (grad - sum of grad * a over the units)."""
    for j in range(columns):
        total = ZERO
        for i in range(grad.shape[0]):
            total += grad[i, j] * out[i, j]
        for i in range(grad.shape[0]):
            grad[i, j] = out[i, j] * (grad[i, j] - total)
