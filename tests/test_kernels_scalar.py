"""Exponential and hyperbolic tangent against float64."""

import numba
import numpy as np
import pytest
from reference import ulps

from fflm.kernels import scalar

COUNT = 2_000 if numba.config.DISABLE_JIT else 1_000_000
# Only met in pure Python: NumPy warns when an intermediate number that is not used overflows.
pytestmark = pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered:RuntimeWarning")


def apply(kernel, values):
    values = np.ascontiguousarray(values, np.float32)
    out = np.empty_like(values)
    kernel(out, values)
    return out


def grid(low, high):
    rng = np.random.default_rng(0)
    return np.sort(np.concatenate([np.linspace(low, high, COUNT), rng.uniform(low, high, COUNT)])).astype(np.float32)


def test_exp_within_2_ulps():
    x = grid(-87.0, 88.0)
    y = apply(scalar.exp_all, x)
    assert ulps(y, np.exp(x.astype(np.float64))).max() <= 2.0
    assert (np.diff(y) >= -2.0 * np.spacing(y[1:])).all()  # rises, to within its accuracy


def test_exp_at_the_seams_of_its_reduction():
    halves = (np.arange(-126, 127) - 0.5) * np.log(2.0)
    x = np.concatenate([np.nextafter(np.float32(halves), np.float32(s)) for s in (-1e9, 1e9)]).astype(np.float32)
    x = np.clip(x, -87.0, 88.0)
    assert ulps(apply(scalar.exp_all, x), np.exp(x.astype(np.float64))).max() <= 2.0


def test_exp_near_0_and_exact_at_0():
    assert apply(scalar.exp_all, [0.0, -0.0]).tolist() == [1.0, 1.0]
    x = np.float32(10.0) ** np.arange(-38, 0, dtype=np.float32)
    x = np.concatenate([x, -x])
    assert ulps(apply(scalar.exp_all, x), np.exp(x.astype(np.float64))).max() <= 2.0


def test_exp_is_clamped():
    low, high = apply(scalar.exp_all, [-87.0, 88.0])
    assert apply(scalar.exp_all, [-88.0, -1e30, -np.inf]).tolist() == [low] * 3
    assert apply(scalar.exp_all, [89.0, 1e30, np.inf]).tolist() == [high] * 3
    assert 0.0 < low < 2e-38 and 1e38 < high < np.inf


def test_not_a_number_stays():
    for length in (1, 5, 40):  # the vectorised part of the loop and its remainder
        for kernel in (scalar.exp_all, scalar.tanh_all):
            x = np.zeros(length, np.float32)
            x[-1] = np.nan
            found = np.isnan(apply(kernel, x))
            assert found[-1] and found.sum() == 1


def test_tanh_within_3_ulps():
    for low, high in ((-12.0, 12.0), (-1.0, 1.0), (-0.01, 0.01), (0.6, 0.65)):
        x = grid(low, high)
        y = apply(scalar.tanh_all, x)
        assert ulps(y, np.tanh(x.astype(np.float64))).max() <= 3.0
        assert (np.diff(y) >= -3.0 * np.spacing(np.abs(y[1:]))).all()
        assert np.abs(y).max() <= 1.0


def test_tanh_is_odd_exact_at_0_and_saturates():
    x = grid(0.0, 20.0)
    assert (apply(scalar.tanh_all, -x) == -apply(scalar.tanh_all, x)).all()
    ends = [0.0, 20.0, 1e30, np.inf, -20.0, -1e30, -np.inf]
    assert apply(scalar.tanh_all, ends).tolist() == [0.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0]
    tiny = np.float32([1e-38, 1e-30, 1e-10])
    assert (apply(scalar.tanh_all, tiny) == tiny).all()


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="about vectorised loops and their remainders")
def test_same_bits_wherever_an_element_stands():
    x = grid(-20.0, 20.0)[:: COUNT // 500]
    for kernel, one in ((scalar.exp_all, scalar.exp), (scalar.tanh_all, scalar.tanh)):
        y = apply(kernel, x)
        assert [one(v) for v in x] == y.tolist()
        for start in (1, 5, 13):
            assert apply(kernel, x[start:]).tobytes() == y[start:].tobytes()
