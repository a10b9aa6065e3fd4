"""Activations and their derivatives against the reference."""

import numpy as np
import pytest
import reference
from test_kernels_matrices import SENTINEL, normal, wide

from fflm.config.names import ACTIVATIONS
from fflm.kernels import activations

ONE_BY_ONE = [name for name, activation in ACTIVATIONS.items() if not activation.joint]


def kernels(name):
    own = ACTIVATIONS[name].kernel or name
    return getattr(activations, f"{own}_forward"), getattr(activations, f"{own}_backward")


def slopes(name, rows):
    learned = ACTIVATIONS[name].learned
    return normal(rows, seed=3) if learned else np.full(rows, ACTIVATIONS[name].slope or 0.0, np.float32)


def forward(name, z, bias=0.0):
    """Outputs of rows of numbers, by the kernel."""
    z = np.atleast_2d(np.asarray(z, np.float32))
    out = np.zeros_like(z)
    kernels(name)[0](out, z.copy(), np.full(len(z), bias, np.float32), slopes(name, len(z)), z.shape[1])
    return out


def derivative(name, z):
    z = np.atleast_2d(np.asarray(z, np.float32))
    grad, slope = np.ones_like(z), slopes(name, len(z))
    kernels(name)[1](grad, np.zeros(len(z), np.float32), z, forward(name, z), slope, z.shape[1])
    return grad


def test_each_activation_has_a_reference():
    assert set(ONE_BY_ONE) == set(reference.ACTIVATIONS)


@pytest.mark.parametrize("name", ONE_BY_ONE)
@pytest.mark.parametrize("rows, columns", [(1, 1), (5, 19), (3, 64)])
def test_forward_and_backward(name, rows, columns):
    f, f_prime = reference.ACTIVATIONS[name]
    start, bias, above, slope = (
        normal(rows, columns),
        normal(rows, seed=1),
        normal(rows, columns, seed=2),
        slopes(name, rows),
    )
    z, out = wide(start), wide(np.zeros((rows, columns)))
    kernels(name)[0](out, z, bias, slope, columns)
    exact, column = (start + bias[:, None]).astype(np.float64), slope[:, None].astype(np.float64)
    assert (z[:, :columns] == start + bias[:, None]).all()
    np.testing.assert_allclose(out[:, :columns], f(exact, column), rtol=1e-6)
    grad, grad_slope = wide(above), np.full(rows, 7.0, np.float32)
    kernels(name)[1](grad, grad_slope, z, out, slope, columns)
    np.testing.assert_allclose(grad[:, :columns], above * f_prime(exact, column), rtol=2e-6, atol=2e-7)
    for values in (z, out, grad):
        assert (values[:, columns:] == SENTINEL).all()
    if ACTIVATIONS[name].slope is not None:
        expected = (above.astype(np.float64) * np.minimum(exact, 0.0)).sum(axis=1)
        np.testing.assert_allclose(grad_slope, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ONE_BY_ONE)
def test_derivative_is_a_central_difference(name):
    z = np.linspace(-3.0, 3.0, 30)  # 0 is not among them
    f = reference.ACTIVATIONS[name][0]
    slope = slopes(name, 1).astype(np.float64)
    np.testing.assert_allclose(derivative(name, z)[0], (f(z + 1e-6, slope) - f(z - 1e-6, slope)) / 2e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["relu", "leaky-relu", "prelu"])
def test_the_derivative_at_0_is_1(name):
    assert derivative(name, [0.0, -0.0]).tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize("name", ONE_BY_ONE)
@pytest.mark.filterwarnings("ignore:(invalid value|overflow) encountered:RuntimeWarning")
def test_far_ends_and_not_a_number(name):
    f, _ = reference.ACTIVATIONS[name]
    ends = np.array([-1e4, -200.0, 200.0, 1e4])
    with np.errstate(over="ignore"):
        expected = f(ends, slopes(name, 1).astype(np.float64))
    np.testing.assert_allclose(forward(name, ends)[0], expected, rtol=1e-6, atol=1e-30)
    assert np.isnan(forward(name, [np.nan])[0, 0])


@pytest.mark.parametrize("units, columns", [(1, 3), (2, 1), (7, 20)])
def test_softmax(units, columns):
    start, bias, above = 3.0 * normal(units, columns), normal(units, seed=1), normal(units, columns, seed=2)
    z, out, grad = wide(start), wide(np.zeros((units, columns))), wide(above)
    empty = np.zeros(units, np.float32)
    activations.softmax_forward(out, z, bias, empty, columns)
    exact = reference.softmax((start + bias[:, None]).astype(np.float64).T).T
    np.testing.assert_allclose(out[:, :columns], exact, rtol=3e-6)
    np.testing.assert_allclose(out[:, :columns].sum(axis=0), 1.0, rtol=1e-6)
    activations.softmax_backward(grad, empty, z, out, empty, columns)
    for j in range(columns):
        jacobian = np.diag(exact[:, j]) - np.outer(exact[:, j], exact[:, j])
        np.testing.assert_allclose(grad[:, j], jacobian @ above[:, j], atol=1e-6)
    for values in (out, grad):
        assert (values[:, columns:] == SENTINEL).all()


def test_softmax_of_large_numbers():
    z = np.array([[1000.0], [1000.0], [-1000.0]], np.float32)
    out = np.zeros_like(z)
    activations.softmax_forward(out, z, np.zeros(3, np.float32), np.zeros(3, np.float32), 1)
    assert out[:2, 0].tolist() == [0.5, 0.5] and 0.0 <= out[2, 0] < 1e-37
