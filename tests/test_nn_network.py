"""The whole network: forward, losses, gradients and updates against the reference, by hand and bit by bit."""

import math

import numba
import numpy as np
import pytest
import reference
from test_nn_optimizers import RATES

from fflm.config import ModelConfig
from fflm.config.names import ACTIVATIONS, RULES
from fflm.errors import ConfigError
from fflm.kernels import dropout
from fflm.nn.batches import Contexts, Windows
from fflm.nn.draws import Draws
from fflm.nn.language_model import context_network, initialise, shapes
from fflm.nn.optimizers import Optimizer
from fflm.nn.outputs import softmax
from fflm.nn.parameters import Parameters
from fflm.runtime.workers import Workers

# Only met in pure Python: NumPy warns where hashes wrap as they are meant to, and of not-a-number.
pytestmark = pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered:RuntimeWarning")
compiled_only = pytest.mark.skipif(
    numba.config.DISABLE_JIT, reason="plain NumPy stands in for the matrix product, whose bits depend on its shape"
)
SHAPES = [
    ("tanh", (4,), False),
    ("tanh", (4,), True),
    ("tanh", (5, 3), False),
    ("tanh", (5, 3), True),
    ("relu", (4,), False),
    ("relu", (4,), True),
    ("relu", (5, 3), False),
    ("relu", (5, 3), True),
    ("tanh", (), True),
    *((name, (5, 3), False) for name, kind in ACTIVATIONS.items() if name not in ("tanh", "relu") and not kind.joint),
]
each_shape = pytest.mark.parametrize("activation, hidden, direct", SHAPES)


@pytest.fixture
def workers():
    with Workers(2) as workers:
        yield workers


def configure(activation="tanh", hidden=(4,), direct=False, context_size=2, embedding_dim=3, bag_size=0):
    return ModelConfig(
        context_size=context_size,
        bag_size=bag_size,
        embedding_dim=embedding_dim,
        hidden_dims=hidden,
        activation=activation,
        direct=direct,
    )


def draw(config, vocab_size, seed=0, size=0.6):
    """Weights large enough that nothing is nearly linear."""
    rng = np.random.default_rng(seed)
    return Parameters(
        {name: (rng.standard_normal(s) * size).astype(np.float32) for name, s in shapes(config, vocab_size).items()}
    )


def batch(config, vocab_size, rows, seed=1):
    rng = np.random.default_rng(seed)
    contexts = rng.integers(0, vocab_size, (rows, config.bag_size + config.context_size)).astype(np.int32)
    return contexts, rng.integers(0, vocab_size, rows).astype(np.int32)


DROPOUT = 0.3, 0.2  # of the hidden layers, and of the inputs
NO_DROPOUT = 0.0, 0.0
DRAWS = Draws(seed=5, step=7)


def vocab_size_of(parameters):
    return len(parameters["output.bias"])


def own_gradients(config, parameters, contexts, targets, workers, rates=NO_DROPOUT, draws=None, batch_size=None):
    network = context_network(config, vocab_size_of(parameters), *rates)
    network.prepare(parameters, workers, batch_size or len(targets), training=True, keep_gradient=True)
    losses, grads = network.gradients(Contexts(contexts, targets), draws)
    return grads, losses


def own_log_probs(config, parameters, contexts, targets, workers, batch_size=None):
    network = context_network(config, vocab_size_of(parameters))
    network.prepare(parameters, workers, batch_size or len(targets))
    out = np.empty(len(targets))
    network.log_probs(Contexts(contexts, targets), out)
    return out


def assert_same_gradients(found, exact, tolerance=1e-6):
    """Each array within `tolerance` of its largest number."""
    assert found.keys() == exact.keys()
    for name, value in exact.items():
        worst = np.abs(found[name] - value).max() / (np.abs(value).max() or 1.0)
        assert worst < tolerance, f"{name} is off by {worst:.1e} of its largest number"


def masks_of(config, rates, draws, rows):
    """The factors that dropout applies, by the kernel itself."""
    width = (config.context_size + (config.bag_size > 0)) * config.embedding_dim
    masks = []
    for place, units in enumerate((width, *config.hidden_dims)):
        rate = rates[0] if place else rates[1]
        shape = (units, rows) if place else (rows, units)  # layers stand transposed, inputs do not
        mask = np.ones(shape, np.float32)
        if rate > 0.0:
            dropout.dropout(mask, 0, draws.key(place), rate, shape[1])
        masks.append((mask.T if place else mask).astype(np.float64))
    return masks


# Against the reference and central differences


@each_shape
@pytest.mark.parametrize("vocab_size, rows, bag_size", [(7, 6, 0), (150, 33, 0), (150, 33, 5)])
def test_losses_and_gradients_equal_the_reference(activation, hidden, direct, vocab_size, rows, bag_size, workers):
    config = configure(activation, hidden, direct, bag_size=bag_size)
    parameters, (contexts, targets) = draw(config, vocab_size), batch(config, vocab_size, rows)
    grads, losses = own_gradients(config, parameters, contexts, targets, workers)
    exact = reference.log_probs(parameters, contexts, targets, activation, direct)
    np.testing.assert_allclose(losses, -exact, rtol=0, atol=2e-6)
    assert (-losses == own_log_probs(config, parameters, contexts, targets, workers)).all()
    assert_same_gradients(grads, reference.gradients(parameters, contexts, targets, activation, direct))


@each_shape
@pytest.mark.parametrize("bag_size", [0, 3])
def test_central_differences(activation, hidden, direct, bag_size, workers):
    config = configure(activation, hidden, direct, bag_size=bag_size)
    parameters, (contexts, targets) = draw(config, 7), batch(config, 7, 6)
    grads, _ = own_gradients(config, parameters, contexts, targets, workers)
    exact, step = reference.widened(parameters), 1e-5
    for name, values in exact.items():
        difference = np.empty(values.shape)
        for place in np.ndindex(values.shape):
            kept, ends = values[place], []
            for shifted in (kept + step, kept - step):
                values[place] = shifted
                ends.append(reference.loss(exact, contexts, targets, activation, direct))
            values[place] = kept
            difference[place] = (ends[0] - ends[1]) / (2 * step)
        # differences are good to about 1e-10, gradients to float32
        np.testing.assert_allclose(grads[name], difference, rtol=0, atol=1e-6, err_msg=name)


@each_shape
def test_central_difference_of_the_network_itself(activation, hidden, direct, workers):
    # Along one random direction, with a step large enough for float32 and small enough for the third derivative;
    # on the contexts for which no unit with a corner changes sides between the two ends.
    config = configure(activation, hidden, direct)
    parameters, (contexts, targets) = draw(config, 30), batch(config, 30, 60)
    direction, step = draw(config, 30, seed=9, size=1.0), 2e-3
    ends = [
        {name: value + np.float32(sign * step) * direction[name] for name, value in parameters.items()}
        for sign in (1, -1)
    ]
    if activation in ("relu", "leaky-relu", "prelu"):
        sides = [
            np.concatenate(reference.forward(end, contexts, activation, direct)[1][2], axis=1) > 0.0 for end in ends
        ]
        smooth = (sides[0] == sides[1]).all(axis=1)
        assert smooth.sum() > 30
        contexts, targets = contexts[smooth], targets[smooth]
    grads, _ = own_gradients(config, parameters, contexts, targets, workers)
    losses = [-own_log_probs(config, end, contexts, targets, workers).mean() for end in ends]
    slope = sum((grads[name].astype(np.float64) * direction[name]).sum() for name in grads)
    assert (losses[0] - losses[1]) / (2 * step) == pytest.approx(slope, rel=5e-4, abs=5e-4)


@each_shape
@pytest.mark.parametrize("rows", [1, 19])
def test_dropout(activation, hidden, direct, rows, workers):
    config = configure(activation, hidden, direct)
    parameters, (contexts, targets) = draw(config, 20), batch(config, 20, rows)
    for rates in (DROPOUT, (0.0, 0.3), (0.3, 0.0)):
        masks = masks_of(config, rates, DRAWS, rows)
        grads, losses = own_gradients(config, parameters, contexts, targets, workers, rates, DRAWS)
        args = (parameters, contexts, targets, activation, direct, masks)
        np.testing.assert_allclose(losses, -reference.log_probs(*args), rtol=0, atol=2e-6)
        assert_same_gradients(grads, reference.gradients(*args), 2e-6)


@each_shape
def test_a_batch_smaller_than_the_buffers(activation, hidden, direct, workers):
    config = configure(activation, hidden, direct)
    parameters, (contexts, targets) = draw(config, 70), batch(config, 70, 40)
    network = context_network(config, 70, *DROPOUT)
    network.prepare(parameters, workers, 40, training=True, keep_gradient=True)
    for rows in (40, 13, 1, 40, 7):  # what an earlier, larger batch left behind must not matter
        args = contexts[:rows], targets[:rows]
        losses, grads = network.gradients(Contexts(*args), DRAWS)
        alone, own_losses = own_gradients(config, parameters, *args, workers, DROPOUT, DRAWS)
        np.testing.assert_allclose(losses, own_losses, rtol=0, atol=1e-6)
        assert_same_gradients(grads, alone)
        masks = masks_of(config, DROPOUT, DRAWS, rows)
        assert_same_gradients(grads, reference.gradients(parameters, *args, activation, direct, masks), 2e-6)


def test_a_vocabulary_of_many_tiles_and_several_tiles_a_slice(workers):
    config = configure("tanh", (3,), True, embedding_dim=2)
    vocab_size = 17000
    assert len(softmax.cut_tiles(vocab_size, 9)) == 34 > softmax.SLICES
    parameters, (contexts, targets) = draw(config, vocab_size), batch(config, vocab_size, 5)
    targets[:2] = 0, vocab_size - 1
    grads, losses = own_gradients(config, parameters, contexts, targets, workers)
    exact = reference.log_probs(parameters, contexts, targets, "tanh", True)
    np.testing.assert_allclose(losses, -exact, rtol=0, atol=3e-6)
    assert_same_gradients(grads, reference.gradients(parameters, contexts, targets, "tanh", True), 2e-6)


@pytest.mark.parametrize("vocab_size", [1, 3, 64, 65, 1023, 1024, 1025, 8192, 8193, 50000])
@pytest.mark.parametrize("features", [1, 100, 512, 10**6])
def test_tiles_cover_the_vocabulary_once(vocab_size, features):
    tiles = softmax.cut_tiles(vocab_size, features)
    assert tiles[0][0] == 0 and tiles[-1][1] == vocab_size
    assert all(last == first for (_, last), (first, _) in zip(tiles, tiles[1:], strict=False))
    assert all(0 < last - first <= softmax.LARGEST_TILE for first, last in tiles)


@pytest.mark.parametrize("direct", [False, True])
def test_windows_are_batches(direct, workers):
    config = configure(direct=direct)
    parameters = draw(config, 9)
    stream = np.array([3, 4, 5, 2, 6, 7, 2, 8], np.int32)
    positions = np.array([7, 0, 3, 5, 4], np.int64)
    contexts, targets = reference.gather_windows(stream, positions, 2)
    network, out = context_network(config, 9), np.empty(5)
    network.prepare(parameters, workers, 8)
    network.log_probs(Windows(stream, positions), out)
    given = own_log_probs(config, parameters, contexts.astype(np.int32), targets.astype(np.int32), workers, 8)
    assert (out == given).all()


# Probabilities


@each_shape
@pytest.mark.parametrize("vocab_size", [1, 3, 150])
def test_probabilities_sum_to_1_and_equal_the_reference(activation, hidden, direct, vocab_size, workers):
    config = configure(activation, hidden, direct)
    parameters, (contexts, targets) = draw(config, vocab_size), batch(config, vocab_size, 11)
    network, out = context_network(config, vocab_size), np.full((11, vocab_size), np.nan, np.float32)
    network.prepare(parameters, workers, 16)
    network.distribution(Contexts(contexts), out)
    np.testing.assert_allclose(out.sum(axis=1, dtype=np.float64), 1.0, rtol=0, atol=1e-6)
    logits, _ = reference.forward(parameters, contexts, activation, direct)
    np.testing.assert_allclose(out, reference.softmax(logits), rtol=5e-6)
    picked = np.log(out[np.arange(11), targets].astype(np.float64))
    np.testing.assert_allclose(own_log_probs(config, parameters, contexts, targets, workers), picked, rtol=0, atol=2e-6)


@compiled_only
def test_log_probs_do_not_depend_on_the_batch_size(workers):
    config = configure("tanh", (5, 3), True)
    parameters, (contexts, targets) = draw(config, 150), batch(config, 150, 53)
    whole = own_log_probs(config, parameters, contexts, targets, workers)
    for size in (1, 2, 7, 16, 17, 52):
        parts = [
            own_log_probs(config, parameters, contexts[i : i + size], targets[i : i + size], workers, size)
            for i in range(0, 53, size)
        ]
        assert np.concatenate(parts).tobytes() == whole.tobytes(), size


@pytest.mark.parametrize("vocab_size", [1, 2, 3, 100, 1000])
def test_weights_of_0_give_every_word_the_same_probability(vocab_size, workers):
    config = configure(direct=True)
    parameters = Parameters({name: np.zeros(s, np.float32) for name, s in shapes(config, vocab_size).items()})
    contexts, targets = batch(config, vocab_size, 9)
    found = own_log_probs(config, parameters, contexts, targets, workers)
    np.testing.assert_allclose(found, -math.log(vocab_size), rtol=0, atol=1e-15)


# Counting and first values


@pytest.mark.parametrize("context_size, m, h, vocab_size", [(1, 1, 1, 3), (4, 60, 50, 1000), (5, 30, 100, 16384)])
def test_number_of_parameters(context_size, m, h, vocab_size):
    """Bengio et al. 2003, section 2: V(1+m+h) + h(1+Km), plus V*K*m with direct connections."""
    expected = vocab_size * (1 + m + h) + h * (1 + context_size * m)
    for direct in (False, True):
        config = configure("tanh", (h,), direct, context_size, m)
        count = sum(math.prod(s) for s in shapes(config, vocab_size).values())
        assert count == expected + direct * vocab_size * context_size * m


def test_first_values():
    config = configure("tanh", (50, 40), True, 4, 30)
    counts = np.arange(200)
    first, again, other = (initialise(config, counts, seed) for seed in (1, 1, 2))
    assert {name: v.shape for name, v in first.items()} == shapes(config, 200)
    assert all(v.dtype == np.float32 and v.flags.c_contiguous for v in first.values())
    assert all(first[name].tobytes() == again[name].tobytes() for name in first)
    assert any((first[name] != other[name]).any() for name in first)
    assert np.exp(first["output.bias"].astype(np.float64)).sum() == pytest.approx(1.0, abs=1e-6)
    assert not first["hidden.0.bias"].any()
    limits = {"embeddings": 0.1, "hidden.0.weights": math.sqrt(6 / 170), "hidden.1.weights": math.sqrt(6 / 90)}
    limits["output.weights"] = 0.1 / math.sqrt(160)
    for name, limit in limits.items():
        assert 0.98 * limit < np.abs(first[name]).max() <= limit * (1 + 1e-7), name
    relu = initialise(configure("relu", (50,), False, 4, 30), counts, 1)
    assert 0.98 < np.abs(relu["hidden.0.weights"]).max() / math.sqrt(6 / 120) <= 1 + 1e-7


# By hand


def test_three_words_by_hand(workers):
    """V = 3, K = m = h = 1, tanh; one position, context word 2, target word 1; SGD at rate 1/2.

    Let L = ln 2. C = (5, 5, 1), H = L, d = 0, U = (5/3 L, 0, -5/3 L), b = (0, 0, 0).

        x = C(2) = 1
        a = tanh(d + H x) = tanh(ln 2) = (2 - 1/2) / (2 + 1/2) = 3/5
        y = b + U a = (L, 0, -L);  e^y = (2, 1, 1/2), sum 7/2;  P = (4/7, 2/7, 1/7)
        loss = -ln P(1) = ln(7/2)

        grad_y = P - (0, 1, 0) = (4/7, -5/7, 1/7) = grad_b
        grad_U = a grad_y = (12/35, -3/7, 3/35)
        grad_a = U . grad_y = 5/3 L (4/7 - 1/7) = 5/7 L
        grad_z = (1 - a^2) grad_a = 16/25 * 5/7 L = 16/35 L = grad_d
        grad_H = x grad_z = 16/35 L
        grad_x = H grad_z = 16/35 L^2 = grad_C(2); words 0 and 1 do not occur in the context: 0

        after one step: C(2) = 1 - 8/35 L^2; H = L - 8/35 L = 27/35 L; d = -8/35 L;
        U = (5/3 L - 6/35, 3/14, -5/3 L - 3/70); b = (-2/7, 5/14, -1/14)
    """
    config = configure("tanh", (1,), False, 1, 1)
    ln2 = math.log(2.0)
    start = {
        "embeddings": [[5], [5], [1]],
        "hidden.0.weights": [[ln2]],
        "hidden.0.bias": [0],
        "output.weights": [[5 / 3 * ln2], [0], [-5 / 3 * ln2]],
        "output.bias": [0, 0, 0],
    }
    grad = {
        "embeddings": [[0], [0], [16 / 35 * ln2**2]],
        "hidden.0.weights": [[16 / 35 * ln2]],
        "hidden.0.bias": [16 / 35 * ln2],
        "output.weights": [[12 / 35], [-3 / 7], [3 / 35]],
        "output.bias": [4 / 7, -5 / 7, 1 / 7],
    }
    after = {
        "embeddings": [[5], [5], [1 - 8 / 35 * ln2**2]],
        "hidden.0.weights": [[27 / 35 * ln2]],
        "hidden.0.bias": [-8 / 35 * ln2],
        "output.weights": [[5 / 3 * ln2 - 6 / 35], [3 / 14], [-5 / 3 * ln2 - 3 / 70]],
        "output.bias": [-2 / 7, 5 / 14, -1 / 14],
    }
    parameters = Parameters({name: np.array(value, np.float32) for name, value in start.items()})
    contexts, targets = np.array([[2]], np.int32), np.array([1], np.int32)

    network, probabilities = context_network(config, 3), np.empty((1, 3), np.float32)
    network.prepare(parameters, workers, 1)
    network.distribution(Contexts(contexts), probabilities)
    np.testing.assert_allclose(probabilities, [[4 / 7, 2 / 7, 1 / 7]], rtol=3e-7)

    grads, losses = own_gradients(config, parameters, contexts, targets, workers)
    assert losses[0] == pytest.approx(math.log(7 / 2), abs=2e-7)
    for name, value in grad.items():
        np.testing.assert_allclose(grads[name], value, rtol=0, atol=2e-7, err_msg=name)

    network.prepare(parameters, workers, 1, training=True)
    optimizer = Optimizer("sgd", parameters)
    optimizer.begin_step(1, 0.5)
    losses = network.step(Contexts(contexts, targets), optimizer)
    assert losses[0] == pytest.approx(math.log(7 / 2), abs=2e-7)
    for name, value in after.items():
        np.testing.assert_allclose(parameters[name], value, rtol=0, atol=2e-7, err_msg=name)


# Steps


def train(config, vocab_size, workers, optimizer_name="sgd", steps=4, rows=19, clip_norm=None, decay=0.0, rate=None):
    """Weights, optimiser and losses after some steps with dropout, the last on a smaller batch."""
    parameters = draw(config, vocab_size)
    network = context_network(config, vocab_size, 0.2, 0.2)
    network.prepare(parameters, workers, rows, training=True, clip_norm=clip_norm)
    optimizer = Optimizer(optimizer_name, parameters, decay)
    history = []
    for step in range(1, steps + 1):
        count = rows if step < steps else max(1, rows - 5)
        contexts, targets = batch(config, vocab_size, count, seed=step)
        optimizer.begin_step(step, rate or RATES[optimizer_name])
        history.append(network.step(Contexts(contexts, targets), optimizer, Draws(1, step)))
    return parameters, optimizer, np.concatenate(history)


def fingerprint(parameters, optimizer, losses):
    return b"".join(array.tobytes() for array in (*parameters.values(), *optimizer.state.values(), losses))


@compiled_only
@pytest.mark.parametrize("clip_norm", [None, 0.1])
@pytest.mark.parametrize("optimizer_name", RULES)
def test_same_bits_for_any_number_of_threads(optimizer_name, clip_norm):
    for activation, hidden, direct in (("tanh", (4,), False), ("relu", (5, 3), True), ("tanh", (), True)):
        results = set()
        for threads in (1, 2, 3, 7):  # 7: more threads than hidden units or slices
            with Workers(threads) as workers:
                config = configure(activation, hidden, direct)
                results.add(fingerprint(*train(config, 300, workers, optimizer_name, clip_norm=clip_norm, decay=0.01)))
        assert len(results) == 1


@compiled_only
def test_same_bits_for_any_number_of_threads_when_a_slice_has_several_tiles(monkeypatch):
    monkeypatch.setattr(softmax, "SLICES", 3)
    results = set()
    for threads in (1, 2, 3):
        with Workers(threads) as workers:
            results.add(fingerprint(*train(configure(direct=True), 500, workers, "adam")))
    assert len(results) == 1


@compiled_only
def test_same_bits_for_any_number_of_threads_with_a_bag():
    results = set()
    for threads in (1, 2, 3):
        with Workers(threads) as workers:
            results.add(fingerprint(*train(configure(bag_size=6), 300, workers, "adam", decay=0.01)))
    assert len(results) == 1


@pytest.mark.parametrize("optimizer_name", RULES)
def test_steps_equal_the_reference(optimizer_name, workers):
    config, vocab_size, decay = configure("tanh", (5, 3), True), 12, 0.05
    parameters = draw(config, vocab_size)
    exact, states = reference.widened(parameters), {name: {} for name in parameters}
    network = context_network(config, vocab_size)
    network.prepare(parameters, workers, 30, training=True)
    optimizer = Optimizer(optimizer_name, parameters, decay)
    rate = RATES[optimizer_name]
    for step in range(1, 5):
        contexts, targets = batch(config, vocab_size, 30, seed=step)
        assert len(np.unique(contexts)) == vocab_size  # so that lazy updates are updates of everything
        optimizer.begin_step(step, rate)
        losses = network.step(Contexts(contexts, targets), optimizer)
        args = (exact, contexts, targets, "tanh", True)
        np.testing.assert_allclose(losses, -reference.log_probs(*args), rtol=0, atol=2e-5)
        grads = reference.gradients(*args)
        for name in exact:
            own_decay = 0.0 if name.endswith("bias") else decay
            rule = reference.RULES[optimizer_name]
            exact[name] = rule(exact[name], grads[name], states[name], step, rate, own_decay)
    for name in exact:
        # Adam and Adagrad divide by the size of a gradient, which for the smallest is known to 1e-4 only
        np.testing.assert_allclose(parameters[name], exact[name], rtol=0, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("clip_norm", [None, 0.1])
def test_computing_exponentials_again_agrees_with_keeping_them(clip_norm, monkeypatch):
    config = configure("tanh", (5, 3), True)
    with Workers(2) as workers:
        args = (config, draw(config, 300), *batch(config, 300, 19), workers, DROPOUT, DRAWS, 25)
        kept, kept_losses = own_gradients(*args)
        weights, _, history = train(config, 300, workers, "sgd", clip_norm=clip_norm)
        monkeypatch.setattr(softmax, "KEPT_BYTES", 0)
        again, losses = own_gradients(*args)
        other, _, other_history = train(config, 300, workers, "sgd", clip_norm=clip_norm)
    assert (losses == kept_losses).all()
    assert_same_gradients(again, kept)
    np.testing.assert_allclose(other_history, history, rtol=0, atol=2e-6)
    for name in weights:
        np.testing.assert_allclose(other[name], weights[name], rtol=0, atol=1e-6, err_msg=name)


@compiled_only
def test_computing_exponentials_again_has_the_same_bits_for_any_number_of_threads(monkeypatch):
    monkeypatch.setattr(softmax, "KEPT_BYTES", 0)
    results = set()
    for threads in (1, 2, 3):
        with Workers(threads) as workers:
            results.add(fingerprint(*train(configure(), 300, workers, "adam")))
    assert len(results) == 1


@pytest.mark.parametrize("hidden, direct", [((4,), False), ((5, 3), True), ((), True)])
def test_clipping_scales_to_the_norm(hidden, direct, workers):
    config = configure("tanh", hidden, direct)
    contexts, targets = batch(config, 40, 19)
    start = draw(config, 40)
    grads = reference.gradients(start, contexts, targets, "tanh", direct)
    norm, limit = reference.norm(grads), 0.125
    assert norm > 2 * limit
    parameters = start.snapshot()
    network = context_network(config, 40)
    network.prepare(parameters, workers, 19, training=True, clip_norm=limit)
    optimizer = Optimizer("sgd", parameters)
    optimizer.begin_step(1, 1.0)
    network.step(Contexts(contexts, targets), optimizer)
    moved = {name: start[name].astype(np.float64) - parameters[name] for name in start}
    assert reference.norm(moved) == pytest.approx(limit, rel=1e-5)
    for name in moved:
        np.testing.assert_allclose(moved[name], grads[name] * limit / norm, rtol=0, atol=2e-7, err_msg=name)


@pytest.mark.parametrize("optimizer_name", RULES)
def test_a_norm_that_is_not_reached_changes_nothing(optimizer_name, workers):
    config = configure("relu", (5, 3), True)
    free = fingerprint(*train(config, 150, workers, optimizer_name))
    assert fingerprint(*train(config, 150, workers, optimizer_name, clip_norm=1e6)) == free


@pytest.mark.parametrize("optimizer_name", RULES)
def test_weight_decay_leaves_biases_alone(optimizer_name, workers):
    config, rate, decay = configure("tanh", (5, 3), True), 0.25, 0.5
    plain, _, _ = train(config, 40, workers, optimizer_name, steps=1, rate=rate)
    decayed, _, _ = train(config, 40, workers, optimizer_name, steps=1, rate=rate, decay=decay)
    start = draw(config, 40)
    seen = np.unique(batch(config, 40, 14, seed=1)[0])
    for name, value in plain.items():
        expected = value.copy()
        if name == "embeddings":
            expected[seen] -= rate * decay * start[name][seen]
        elif not name.endswith("bias"):
            expected -= rate * decay * start[name]
        if name.endswith("bias"):
            assert decayed[name].tobytes() == value.tobytes(), name
        np.testing.assert_allclose(decayed[name], expected, rtol=0, atol=5e-7, err_msg=name)


@pytest.mark.parametrize("clip_norm", [None, 0.1])
@pytest.mark.parametrize("optimizer_name", RULES)
def test_embeddings_of_words_that_do_not_occur_stay(optimizer_name, clip_norm, workers):
    config = configure()
    parameters = draw(config, 60)
    start = parameters["embeddings"].copy()
    network = context_network(config, 60)
    network.prepare(parameters, workers, 8, training=True, clip_norm=clip_norm)
    optimizer = Optimizer(optimizer_name, parameters, weight_decay=0.1)
    seen = set()
    for step in range(1, 4):
        contexts, targets = batch(config, 60, 8, seed=step)
        before = {key: array.copy() for key, array in {"": parameters["embeddings"], **optimizer.state}.items()}
        optimizer.begin_step(step, RATES[optimizer_name])
        network.step(Contexts(contexts, targets), optimizer)
        absent = np.setdiff1d(np.arange(60), contexts)
        for key in ("", *(key for key in optimizer.state if key.endswith("embeddings"))):
            now = optimizer.state[key] if key else parameters["embeddings"]
            assert (now[absent] == before[key][absent]).all()
        seen |= set(contexts.reshape(-1).tolist())
    changed = np.flatnonzero((parameters["embeddings"] != start).any(axis=1))
    assert changed.tolist() == sorted(seen)


def test_a_step_is_the_gradient(workers):
    config = configure("relu", (5, 3), True)
    start = draw(config, 150)
    contexts, targets = batch(config, 150, 14, seed=1)
    grads, losses = own_gradients(config, start, contexts, targets, workers, (0.2, 0.2), Draws(1, 1), 19)
    after, _, history = train(config, 150, workers, "sgd", steps=1, rate=0.5)
    assert (losses == history).all()
    for name in start:
        np.testing.assert_allclose(after[name], start[name] - 0.5 * grads[name], rtol=0, atol=3e-7, err_msg=name)


def test_not_a_number_is_not_hidden(workers):
    config = configure()
    parameters, (contexts, targets) = draw(config, 30), batch(config, 30, 9)
    parameters["embeddings"][contexts[4, 1], 0] = np.nan
    found = np.isnan(own_log_probs(config, parameters, contexts, targets, workers))
    assert (found == (contexts == contexts[4, 1]).any(axis=1)).all()


def test_gradients_of_a_text_are_those_of_central_differences(models):
    """`NeuralLanguageModel.gradients`, for lessons: every parameter, without dropout."""
    lm = models["neural"].lm
    ids = lm.vocabulary.encode("the cat sat on the mat . a dog".split())
    losses, gradients = lm.gradients(ids)
    np.testing.assert_allclose(losses, -lm.log_probs(ids), rtol=1e-5)
    assert set(gradients) == set(lm.parameters)
    generator = np.random.default_rng(1)
    for name, gradient in gradients.items():
        assert gradient.shape == lm.parameters[name].shape
        direction = generator.standard_normal(gradient.shape).astype(np.float32)
        sides = []
        for step in (1e-2, -1e-2):
            moved = lm.parameters.snapshot()
            moved[name] += step * direction / np.linalg.norm(direction)
            sides.append(-lm.with_parameters(moved).log_probs(ids).mean())
        slope = float((gradient * direction).sum() / np.linalg.norm(direction))
        assert (sides[0] - sides[1]) / 2e-2 == pytest.approx(slope, rel=2e-2, abs=2e-4), name
    with pytest.raises(ConfigError, match=r"^ids must be of shape \(N,\) with N at least 1, got shape \(0,\)$"):
        lm.gradients(ids[:0])
