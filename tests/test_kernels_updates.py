"""The update rules against the reference, over several steps."""

import numpy as np
import pytest
import reference

from fflm.config.names import RULES
from fflm.kernels import updates

KERNELS = [name for name, rule in RULES.items() if rule.kernel is None]
STATES = {name: RULES[name].states for name in KERNELS}


def rates(name, step, rate, decay):
    constants = RULES[name].constants
    keep = 1.0 - rate * decay
    if name == "adam":
        rate /= 1.0 - 0.9**step
        constants = (0.9, 1.0 - 0.9, 0.999, 1.0 - 0.999, 1e-8, 1.0 / np.sqrt(1.0 - 0.999**step))
    elif name in ("rmsprop", "adadelta"):
        rho, tiny = constants
        constants = (rho, 1.0 - rho, tiny)
    return np.array([rate, keep, *constants, *[0.0] * (6 - len(constants))], np.float32)


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("name", KERNELS)
def test_rule(name, decay):
    rng = np.random.default_rng(0)
    weights = rng.standard_normal(37).astype(np.float32)
    first, second = (np.zeros(37 if STATES[name] > i else 0, np.float32) for i in range(2))
    exact, state = weights.astype(np.float64), {}
    for step in range(1, 8):
        grad = rng.standard_normal(37).astype(np.float32)
        kept = grad.copy()
        exact = reference.RULES[name](exact, grad.astype(np.float64), state, step, 0.05, decay)
        getattr(updates, name)(weights, grad, first, second, rates(name, step, 0.05, decay))
        assert (grad == kept).all()
        np.testing.assert_allclose(weights, exact, rtol=0, atol=5e-7)


@pytest.mark.parametrize("name", KERNELS)
def test_a_gradient_of_0_moves_nothing_at_first(name):
    weights = np.array([1.5, -2.0, 0.0], np.float32)
    first, second = (np.zeros(3 if STATES[name] > i else 0, np.float32) for i in range(2))
    getattr(updates, name)(weights, np.zeros(3, np.float32), first, second, rates(name, 1, 0.5, 0.0))
    assert weights.tolist() == [1.5, -2.0, 0.0]


@pytest.mark.parametrize("name", ["adagrad", "adam"])
def test_the_first_step_of_an_adaptive_rule_is_the_rate(name):
    grad = np.array([1e-4, 1.0, -100.0], np.float32)
    weights = np.zeros(3, np.float32)
    getattr(updates, name)(weights, grad, np.zeros(3, np.float32), np.zeros(3, np.float32), rates(name, 1, 0.5, 0.0))
    # Adam adds 1e-8 to |grad|: 1e-4 of the smallest here
    np.testing.assert_allclose(weights, -0.5 * np.sign(grad), rtol=1.5e-4)


@pytest.mark.parametrize("name", KERNELS)
def test_same_bits_in_any_share(name):
    rng = np.random.default_rng(1)
    start, grad = (rng.standard_normal(50).astype(np.float32) for _ in range(2))
    averages = [np.abs(rng.standard_normal(50 if STATES[name] > i else 0)).astype(np.float32) for i in range(2)]
    results = []
    for cut in (0, 1, 16, 23, 49):
        weights, state = start.copy(), [a.copy() for a in averages]
        for part in (slice(0, cut), slice(cut, 50)):
            args = [a[part] for a in (weights, grad, *state)]
            getattr(updates, name)(*args, rates(name, 3, 0.05, 0.01))
        results.append(b"".join(a.tobytes() for a in (weights, *state)))
    assert len(set(results)) == 1


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")  # NumPy's scalars, in pure Python
@pytest.mark.parametrize("name", KERNELS)
def test_not_a_number_reaches_the_weight(name):
    weights, grad = np.zeros(3, np.float32), np.array([0.0, np.nan, 1.0], np.float32)
    state = [np.zeros(3 if STATES[name] > i else 0, np.float32) for i in range(2)]
    getattr(updates, name)(weights, grad, *state, rates(name, 1, 0.05, 0.0))
    assert np.isnan(weights).tolist() == [False, True, False]
