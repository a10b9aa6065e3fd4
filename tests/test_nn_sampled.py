"""The softmax over a sample of the vocabulary: probabilities, unbiased estimates, lazy updates, exact bits."""

import numpy as np
import pytest

from fflm.config import ModelConfig
from fflm.nn.batches import Contexts
from fflm.nn.buffers import buffer
from fflm.nn.draws import Draws
from fflm.nn.language_model import context_network
from fflm.nn.optimizers import Optimizer
from fflm.nn.outputs.sampled import SampledSoftmax, WordSampler
from fflm.nn.outputs.softmax import BIAS, WEIGHTS
from fflm.nn.parameters import Parameters
from fflm.runtime.workers import Workers

V, D, B = 40, 5, 7
COUNTS = (1000 / np.arange(1, V + 1)).astype(np.int64)
DRAWS = 4000


def parameters(seed=0):
    rng = np.random.default_rng(seed)
    values = {WEIGHTS: rng.standard_normal((V, D)), BIAS: rng.standard_normal(V)}
    return Parameters({name: value.astype(np.float32) for name, value in values.items()})


def batch(seed=1):
    rng = np.random.default_rng(seed)
    features_t = buffer(D, B)
    features_t[:, :B] = rng.standard_normal((D, B))
    return features_t, rng.integers(0, V, B).astype(np.int32)


@pytest.fixture
def layer():
    layer = SampledSoftmax(V, D, WordSampler(COUNTS, 12))
    with Workers(2) as workers:
        layer.prepare(parameters(), workers, B, training=True, keep_gradient=True)
        yield layer


def sampled_words(layer):
    return layer._words[: layer._size].tolist()


def inclusion_probabilities(sampler, targets):
    probabilities = np.ones(len(COUNTS))
    probabilities[sampler.drawn] = np.exp(sampler.log_inclusion)
    probabilities[targets] = 1.0
    return probabilities


@pytest.mark.parametrize("size", [1, 2, 12, 30, 39, 40, 100])
def test_the_line_of_a_sampler_is_as_long_as_its_strata(size):
    """Each certain word and each stratum give one word of the sample; no drawn word is longer than a stratum."""
    sampler = WordSampler(COUNTS, size)
    assert sorted([*sampler.always, *sampler.drawn]) == list(range(V))
    if len(sampler.drawn):
        assert len(sampler.always) + sampler.ends[-1] == size
        lengths = np.diff(sampler.ends, prepend=0.0)
        assert lengths.max() < 1.0
        assert ((np.exp(sampler.log_inclusion) <= lengths + 1e-6) & (sampler.log_inclusion > -np.inf)).all()
    else:
        assert len(sampler.always) == V <= size


def test_words_are_drawn_with_their_inclusion_probabilities(layer):
    features_t, targets = batch()
    counts, out = np.zeros(V), np.zeros(B)
    for step in range(DRAWS):
        layer.losses(features_t, targets, Draws(3, step, sampled=True), out)
        words = sampled_words(layer)
        assert len(words) == len(set(words))
        counts[words] += 1
    p = inclusion_probabilities(layer.sampler, targets)
    assert (counts[p == 1.0] == DRAWS).all()
    deviation = (counts / DRAWS - p)[p < 1.0] / np.sqrt(p * (1 - p) / DRAWS)[p < 1.0]
    assert abs(deviation).max() < 4.5
    assert 0.2 < np.mean(deviation**2) < 1.6  # about 0.7: words of one stratum exclude each other


def test_the_estimates_of_the_normaliser_and_of_its_gradient_are_unbiased(layer):
    """Means over many draws against the exact values, in standard errors of the mean."""
    features_t, targets = batch()
    values = parameters()
    features = features_t[:, :B].astype(np.float64)
    exponentials = np.exp(values[WEIGHTS] @ features + values[BIAS][:, None].astype(np.float64))
    normaliser, gradient = exponentials.sum(axis=0), values[WEIGHTS].T @ exponentials
    of_targets = exponentials[targets, np.arange(B)]
    estimates, gradients, out, grad_t = [], [], np.zeros(B), buffer(D, B)
    for step in range(DRAWS):
        layer.losses(features_t, targets, Draws(5, step, sampled=True), out)
        layer.backward(None, grad_t)
        estimate = np.exp(out) * of_targets
        estimates.append(estimate)
        gradients.append(estimate * (B * grad_t[:, :B] + values[WEIGHTS][targets].T))
    for draws, exact in ((np.array(estimates), normaliser), (np.array(gradients), gradient)):
        error = (draws.mean(axis=0) - exact) / (draws.std(axis=0) / np.sqrt(DRAWS))
        assert abs(error).max() < 4.5
    losses = np.log(np.array(estimates) / of_targets).mean(axis=0)
    assert (losses < np.log(normaliser / of_targets)).all()  # the logarithm is concave: a sampled loss is too small


def test_the_gradient_is_that_of_the_sampled_loss(layer):
    """Against central differences of the loss of the same draw, in float64."""
    features_t, targets = batch()
    out, grad_t, draws = np.zeros(B), buffer(D, B), Draws(1, 1, sampled=True)
    layer.losses(features_t, targets, draws, out)
    layer.backward(None, grad_t)
    words = np.array(sampled_words(layer))
    shift = np.log(inclusion_probabilities(layer.sampler, targets))[words]
    values = {name: value.astype(np.float64) for name, value in parameters().items()}

    def loss(features):
        y = values[WEIGHTS][words] @ features + (values[BIAS][words] - shift)[:, None]
        right = y[[words.tolist().index(target) for target in targets], np.arange(B)]
        return np.log(np.exp(y).sum(axis=0)) - right

    features = features_t[:, :B].astype(np.float64)
    np.testing.assert_allclose(out, loss(features), rtol=1e-5)
    for f in range(D):
        for array, grad in ((features, grad_t), (values[WEIGHTS].T, layer.grads[WEIGHTS].T)):
            column = 2 if array is features else words[-1]
            before = array[f, column]
            array[f, column] = before + 1e-5
            above = loss(features).mean()
            array[f, column] = before - 1e-5
            below = loss(features).mean()
            array[f, column] = before
            assert grad[f, column] == pytest.approx((above - below) / 2e-5, rel=1e-3, abs=1e-5)
    rest = np.setdiff1d(np.arange(V), words)
    assert not layer.grads[WEIGHTS][rest].any() and not layer.grads[BIAS][rest].any()


def test_a_sample_of_all_words_is_the_exact_softmax():
    features_t, targets = batch()
    layer, values, exact, sampled = SampledSoftmax(V, D, WordSampler(COUNTS, V)), parameters(), np.zeros(B), np.zeros(B)
    with Workers(1) as workers:
        layer.prepare(values, workers, B, training=True)
        layer.losses(features_t, targets, None, exact)
        layer.losses(features_t, targets, Draws(1, 1, sampled=True), sampled)
    assert sampled.tolist() == exact.tolist()


NETWORK = ModelConfig(
    context_size=2, bag_size=40, bag_decays=(0.5, 1.0), pairs=50, embedding_dim=3, hidden_dims=6, direct=True
)


def trained(threads, optimizer="adamw", clip_norm=None, steps=6, size=12, sampled=(True, True, False)):
    """Parameters and averages after some steps, sampled and exact ones in turn; a batch of runs of contexts."""
    options = {"dropout": 0.2, "embedding_dropout": 0.1, "pair_dropout": 0.3, "sampler": WordSampler(COUNTS, size)}
    network = context_network(NETWORK, V, **options)
    values = network.initialise(1, COUNTS)
    rule = Optimizer(optimizer, values, 0.1)
    with Workers(threads) as workers:
        network.prepare(values, workers, 70, True, clip_norm)
        for step in range(steps):
            stream = np.random.default_rng(step).integers(1, V, 42 + 70).astype(np.int32)
            ids = np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(stream, 42)[:70])
            rule.begin_step(step + 1, 0.05)
            network.step(Contexts(ids, stream[-70:].copy()), rule, Draws(1, step, sampled[step % len(sampled)]))
    return values | rule.state


@pytest.mark.parametrize("clip_norm", [None, 0.05])
@pytest.mark.parametrize("optimizer", ["sgd", "adagrad", "adamw"])
def test_the_same_bits_for_any_number_of_threads(optimizer, clip_norm):
    one = trained(1, optimizer, clip_norm)
    for threads in (2, 3, 5):
        other = trained(threads, optimizer, clip_norm)
        assert all(one[name].tobytes() == other[name].tobytes() for name in one)


def test_only_the_rows_of_the_sample_are_updated():
    features_t, targets = batch()
    layer, values = SampledSoftmax(V, D, WordSampler(COUNTS, 6)), parameters()
    before = values.snapshot()
    optimizer = Optimizer("adamw", values, 0.1)
    optimizer.begin_step(1, 0.1)
    with Workers(2) as workers:
        layer.prepare(values, workers, B, training=True)
        layer.losses(features_t, targets, Draws(1, 1, sampled=True), np.zeros(B))
        layer.backward(optimizer, buffer(D, B))
        words = np.array(sampled_words(layer))
    rest = np.setdiff1d(np.arange(V), words)
    assert len(rest) > 20
    for name in (WEIGHTS, BIAS):
        assert (values[name][rest] == before[name][rest]).all() and (values[name][words] != before[name][words]).all()
        assert not optimizer.state[f"first.{name}"][rest].any() and optimizer.state[f"second.{name}"][words].all()
