"""Functions of one number, written so that LLVM vectorises the loop that calls them: e^x, tanh x."""

import numpy as np

from fflm.kernels._jit import kernel

LOG2_E = np.float32(1.44269504)


# ln 2 in two pieces: the first has few bits, so that n * LN2_HIGH is exact (Cody and Waite 1980).
LN2_HIGH = np.float32(0.693359375)


LN2_LOW = np.float32(-2.12194440e-4)


LOWEST = np.float32(-87.0)


HIGHEST = np.float32(88.0)


HALF = np.float32(0.5)


ONE = np.float32(1.0)


TWO = np.float32(2.0)


# (e^r - 1 - r) / r^2 for |r| <= ln(2) / 2, least largest relative error; lowest power first.
E0, E1, E2, E3, E4 = (
    np.float32(c) for c in (5.000000095e-01, 1.666651889e-01, 4.166620614e-02, 8.368883015e-03, 1.395046933e-03)
)


# (tanh(x) / x - 1) / x^2 in powers of x^2 for |x| <= 0.625.
T0, T1, T2, T3, T4 = (
    np.float32(c) for c in (-3.333328395e-01, 1.333149178e-01, -5.374353061e-02, 2.065067551e-02, -5.717129924e-03)
)


SMALL = np.float32(0.625)


@kernel("float32(float32)")
def exp(x):
    """Compute e^x within 2 units in the last place on [-87, 88]; x is clamped to that range."""
    x = LOWEST if x < LOWEST else x  # written so that not-a-number stays what it is
    x = HIGHEST if x > HIGHEST else x
    n = np.floor(x * LOG2_E + HALF)
    r = (x - n * LN2_HIGH) - n * LN2_LOW
    p = (((E4 * r + E3) * r + E2) * r + E1) * r + E0
    mantissa = (p * r) * r + r + ONE
    power = (np.int32(n) + np.int32(127)) << np.int32(23)
    return mantissa * np.int32(power).view(np.float32)


@kernel("float32(float32)")
def tanh(x):
    """Compute tanh x within 3 units in the last place."""
    size = abs(x)
    z = x * x
    near = x + x * z * ((((T4 * z + T3) * z + T2) * z + T1) * z + T0)
    far = ONE - TWO / (exp(TWO * size) + ONE)
    far = far if x > np.float32(0.0) else -far
    return near if size < SMALL else far


@kernel("void(float32[::1], float32[::1])")
def exp_all(out, values):
    """Write into out (N,) e^values of values (N,) *read*."""
    for i in range(values.size):
        out[i] = exp(values[i])


@kernel("void(float32[::1], float32[::1])")
def tanh_all(out, values):
    """Write into out (N,) tanh(values) of values (N,) *read*."""
    for i in range(values.size):
        out[i] = tanh(values[i])
