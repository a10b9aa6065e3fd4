"""The loop of multiply-adds that shows how fast a core can be: it does all that it counts."""

import numpy as np
import pytest

from fflm.kernels._jit import LANES
from fflm.kernels.peak import OPERATIONS, SUMS, multiply_adds
from fflm.nn.product_speed import fma_peak


def test_operations_of_a_round():
    assert OPERATIONS == 2 * SUMS * LANES


def test_every_sum_grows(monkeypatch):
    """With the factor 0.5 each sum nears 1; the loop adds one number of each of them, plain loops have one sum."""
    out = np.zeros(1, np.float32)
    multiply_adds(out, np.float32(0.5), 60)
    assert out[0] == pytest.approx(SUMS) or out[0] == pytest.approx(1.0)


def test_the_peak_is_a_speed():
    assert fma_peak(1, repetitions=2, tries=1) > 1e5
