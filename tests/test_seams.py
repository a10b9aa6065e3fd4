"""The seams carry: an output layer, an encoder and a layer of another kind, each added in one place.

Each is written here for reading, not for speed: a softmax factored into classes, a decayed sum of all earlier words,
and a residual connection. They are trained by the loop of the language model, evaluated and sampled.
"""

import math

import numpy as np
import pytest

from fflm.config import ModelConfig, SampleConfig, TokenizerConfig
from fflm.evaluation.perplexity import evaluate
from fflm.generation import sample
from fflm.kernels import windows
from fflm.lm import NeuralLanguageModel
from fflm.nn.batches import Contexts, Windows
from fflm.nn.encoders.embedding_rows import TABLE, EmbeddingRows
from fflm.nn.inputs import Inputs
from fflm.nn.language_model import context_network
from fflm.nn.layers.chain import Chain
from fflm.nn.layers.dense import Dense
from fflm.nn.layers.hidden import hidden_layers
from fflm.nn.network import Network
from fflm.nn.optimizers import Optimizer
from fflm.nn.outputs.softmax import Softmax
from fflm.nn.parameters import Parameters, uniform
from fflm.nn.steps import steps
from fflm.runtime.workers import Workers
from fflm.text import Tokenizer, TokenStream, Vocabulary

V, CLASSES = 23, 4


class ClassFactoredSoftmax:
    """P(w) = P(class of w) P(w | its class): two small softmaxes in place of a large one (Goodman 2001).

    The words of a class have neighbouring ids; each class has about the same number of words.
    """

    def __init__(self, vocab_size, features):
        self.vocab_size, self.features, self.grads = vocab_size, features, {}
        self.bounds = np.linspace(0, vocab_size, CLASSES + 1).astype(int)

    def shapes(self):
        rows = {"class": CLASSES, "output": self.vocab_size}
        shapes = {f"{name}.weights": (count, self.features) for name, count in rows.items()}
        return shapes | {f"{name}.bias": (count,) for name, count in rows.items()}

    def initialise(self, generator, counts):
        return Parameters({name: uniform(generator, shape, 0.1) for name, shape in self.shapes().items()})

    def prepare(self, parameters, workers, batch_size, training, keep_gradient):
        self.parameters = {name: parameters[name] for name in self.shapes()}
        self.grads = {name: np.zeros_like(value) for name, value in self.parameters.items()}

    def _probabilities(self, name, rows, features):
        logits = self.parameters[f"{name}.weights"][rows] @ features + self.parameters[f"{name}.bias"][rows][:, None]
        exponentials = np.exp(logits - logits.max(axis=0))
        return exponentials / exponentials.sum(axis=0)

    def _parts(self, features, targets):
        """For the softmax of the classes and for that of each class: its rows, its columns, their targets."""
        of = np.searchsorted(self.bounds, targets, side="right") - 1
        yield "class", slice(0, CLASSES), np.arange(len(targets)), of
        for c, (first, last) in enumerate(zip(self.bounds, self.bounds[1:], strict=False)):
            columns = np.flatnonzero(of == c)
            yield "output", slice(first, last), columns, targets[columns] - first

    def log_probs(self, features_t, targets, out):
        features = features_t[:, : len(targets)]
        out[:] = 0.0
        for name, rows, columns, right in self._parts(features, targets):
            p = self._probabilities(name, rows, features[:, columns])
            out[columns] += np.log(p[right, np.arange(len(columns))].astype(np.float64))

    def losses(self, features_t, targets, draws, out):
        self._features, self._targets = features_t[:, : len(targets)].copy(), targets
        self.log_probs(features_t, targets, out)
        np.negative(out, out)

    def backward(self, optimizer, out):
        features, targets = self._features, self._targets
        out[:, : len(targets)] = 0.0
        for name, rows, columns, right in self._parts(features, targets):
            delta = self._probabilities(name, rows, features[:, columns])
            delta[right, np.arange(len(columns))] -= 1.0
            delta /= len(targets)
            self.grads[f"{name}.weights"][rows] = delta @ features[:, columns].T
            self.grads[f"{name}.bias"][rows] = delta.sum(axis=1)
            out[:, columns] += self.parameters[f"{name}.weights"][rows].T @ delta
        if optimizer is not None:
            optimizer.update_all(self.grads)

    def squared_norm(self):
        return sum(float((grad.astype(np.float64) ** 2).sum()) for grad in self.grads.values())

    def apply(self, optimizer, factor):
        optimizer.update_all({name: grad * np.float32(factor) for name, grad in self.grads.items()})

    def scores(self, features_t, targets, out):
        out[:] = (self.parameters["output.weights"][targets] * features_t[:, : len(targets)].T).sum(axis=1)

    def distribution(self, features_t, out):
        features = features_t[:, : len(out)]
        classes = self._probabilities("class", slice(0, CLASSES), features)
        for c, (first, last) in enumerate(zip(self.bounds, self.bounds[1:], strict=False)):
            out[:, first:last] = (classes[c] * self._probabilities("output", slice(first, last), features)).T


class DecayedSum(EmbeddingRows):
    """x = the sum over k of decay^k C(w[t-1-k]), all words of a unit before t (Zhang et al. 2015: FOFE)."""

    def __init__(self, rows, features, reach, decay=0.5):
        super().__init__(rows, features)
        self.width, self.reach = features, reach
        self.weights = (decay ** np.arange(reach - 1, -1, -1)).astype(np.float32)

    def prepare(self, parameters, batch_size):
        super().prepare(parameters, batch_size)
        self.contexts = np.zeros((batch_size, self.reach), np.int32)

    def read(self, batch, x, first, last, draws=None):
        contexts = self.contexts[first:last]
        if isinstance(batch, Windows):
            targets = np.empty(last - first, np.int32)
            windows.gather_windows(contexts, targets, batch.stream, batch.breaks, batch.positions[first:last])
        else:
            contexts[:] = batch.ids[first:last]
        factors = self.weights * (contexts != Vocabulary.BOS)
        x[first:last, : self.width] = np.einsum("bk,bkm->bm", factors, self.table[contexts])

    def touched(self, batch):
        self.words = np.setdiff1d(self.contexts[: len(batch)], [Vocabulary.BOS]).astype(np.int64)
        return {TABLE: self.words}

    def gradients(self, name, first, last, grad_x):
        grads = np.zeros((last - first, self.features), np.float32)
        contexts = self.contexts[: len(grad_x)]
        for slot, word in enumerate(self.words[first:last]):
            grads[slot] = ((contexts == word) * self.weights).sum(axis=1) @ grad_x[:, : self.width]
        return grads


class Residual:
    """x + f(x) of a layer f with as many units as inputs (He et al. 2016)."""

    def __init__(self, layer):
        self.layer, self.inputs, self.units = layer, layer.inputs, layer.units

    @property
    def grads(self):
        return self.layer.grads

    def shapes(self):
        return self.layer.shapes()

    def initialise(self, generator):
        return self.layer.initialise(generator)

    def prepare(self, parameters, workers, batch_size, training):
        self.layer.prepare(parameters, workers, batch_size, training)
        self.out_t, self.copy_t = (np.zeros((self.units, batch_size), np.float32) for _ in range(2))

    def forward(self, inputs_t, n, draws):
        self.out_t[:, :n] = inputs_t[:, :n] + self.layer.forward(inputs_t, n, draws)[:, :n]
        return self.out_t

    def backward(self, grad_t, n, out, accumulate):
        self.copy_t[:, :n] = grad_t[:, :n]
        if out is not None:
            out[:, :n] = grad_t[:, :n] + (out[:, :n] if accumulate else 0.0)
        self.layer.backward(self.copy_t, n, out, True)


# A network with each of them


def with_class_factored_softmax(config, vocab_size, **options):
    network = context_network(config, vocab_size, **options)
    return Network(network.inputs, network.layers, ClassFactoredSoftmax(vocab_size, network.layers.units))


def with_decayed_sum(config, vocab_size, dropout=0.0, embedding_dropout=0.0, frozen=None):
    encoder = DecayedSum(vocab_size, config.embedding_dim, config.bag_size + config.context_size)
    layers = hidden_layers(encoder.width, config.hidden_dims, config.activation, dropout, config.direct)
    return Network(Inputs(encoder, embedding_dropout), layers, Softmax(vocab_size, layers.units))


def with_residual_layer(config, vocab_size, **options):
    network = context_network(config, vocab_size, **options)
    units = network.layers.units
    residual = Residual(Dense("residual", units, units, "tanh"))
    return Network(network.inputs, Chain(network.inputs.width, [network.layers, residual]), network.output)


BUILDERS = [with_class_factored_softmax, with_decayed_sum, with_residual_layer]
each = pytest.mark.parametrize("build", BUILDERS)
CONFIG = ModelConfig(context_size=2, bag_size=3, embedding_dim=5, hidden_dims=6)


def text(tokens):
    """Ids in which the next word is a function of the last one, but for one in five."""
    rng, ids = np.random.default_rng(0), [3, 4]
    while len(ids) < tokens:
        ids.append(3 + (ids[-1] * 7 + 1) % (V - 3) if rng.random() < 0.8 else int(rng.integers(3, V)))
    return np.array(ids, np.int32)


def trained(build, threads=2, clip_norm=None):
    ids = text(3000)
    vocabulary = Vocabulary(["<unk>", "<s>", "</s>", *(f"w{i}" for i in range(V - 3))], np.bincount(ids, minlength=V))
    parameters = build(CONFIG, V).initialise(seed=1, counts=vocabulary.counts)
    model = NeuralLanguageModel(CONFIG, vocabulary, Tokenizer(TokenizerConfig()), parameters, threads, build)
    network, optimizer = model.network(dropout=0.1, embedding_dropout=0.1), Optimizer("adam", parameters)
    generator = np.random.default_rng(1)
    batches = [Windows(ids, generator.integers(0, len(ids), 64)) for _ in range(400)]
    with Workers(threads) as workers:
        network.prepare(parameters, workers, 64, training=True, clip_norm=clip_norm)
        losses = [step.loss / step.rows for step in steps(network, optimizer, batches, lambda _: 0.01, seed=2)]
    return model, losses, ids


@each
def test_gradients_are_central_differences(build):
    network, rng = build(CONFIG, V), np.random.default_rng(3)
    parameters = Parameters({n: (rng.standard_normal(s) * 0.5).astype(np.float32) for n, s in network.shapes().items()})
    batch = Contexts(rng.integers(0, V, (9, 5)).astype(np.int32), rng.integers(0, V, 9).astype(np.int32))
    with Workers(2) as workers:
        network.prepare(parameters, workers, 9, training=True, keep_gradient=True)
        _, grads = network.gradients(batch)
        direction = {name: rng.standard_normal(value.shape).astype(np.float32) for name, value in parameters.items()}
        slope = sum(float((grads[name].astype(np.float64) * direction[name]).sum()) for name in grads)
        ends, start = [], parameters.snapshot()
        for sign in (1, -1):
            for name in parameters:
                parameters[name][...] = start[name] + np.float32(sign * 1e-3) * direction[name]
            out = np.empty(9)
            network.log_probs(batch, out)
            ends.append(-out.mean())
    assert set(grads) == set(parameters)
    assert (ends[0] - ends[1]) / 2e-3 == pytest.approx(slope, rel=2e-3, abs=2e-4)


@each
@pytest.mark.parametrize("clip_norm", [None, 0.3])
def test_it_is_trained_evaluated_and_sampled(build, clip_norm):
    model, losses, ids = trained(build, clip_norm=clip_norm)
    assert np.mean(losses[-50:]) < 0.7 * np.mean(losses[:10])
    stream = TokenStream(ids, np.array([0, len(ids)]), len(ids), "text")
    report = evaluate(model, stream)
    assert report.perplexity < 0.6 * V
    contexts = np.array([[3, 4, 5, 6, 7], [1, 1, 1, 1, 9]], np.int32)
    distribution = model.next_word(contexts)
    np.testing.assert_allclose(distribution.sum(axis=1), 1.0, atol=1e-5)
    log_probs = model.log_probs(np.array([3, 4, 5, 6, 7, 8], np.int32))
    assert log_probs[5] == pytest.approx(math.log(distribution[0, 8]), abs=1e-5)
    drawn = sample(model, "w1 w2", SampleConfig(tokens=20, samples=2))
    assert [len(text.tokens) for text in drawn] == [20, 20]


@each
def test_same_bits_for_any_number_of_threads(build):
    results = {
        b"".join(value.tobytes() for value in trained(build, threads)[0].parameters.values()) for threads in (1, 2, 3)
    }
    assert len(results) == 1
