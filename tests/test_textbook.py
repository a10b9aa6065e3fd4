"""The worked examples E1 to E21 of the lectures on feedforward networks, by the library's own code.

Figures are as recomputed in float64; where the lecture's printed figure is wrong, the test says so.
"""

import numpy as np
import pytest

import fflm
from fflm import FeedForward, graph
from fflm.config.names import ACTIVATIONS, RULES

close = pytest.approx


def network(sizes, activations, cost="quadratic", weights=(), biases=(), **options):
    """A network with these weights; biases are 0 unless given."""
    made = FeedForward(sizes, activations, cost, **options)
    for own, given in zip(made.weights, weights, strict=True):
        own[:] = given
    for own, given in zip(made.biases, biases, strict=False):
        own[:] = given
    return made


# Units and activations


def test_e1_one_unit():
    unit = network([3, 1], "sigmoid", weights=[[[0.2, 0.3, 0.9]]], biases=[0.5])
    made = unit.forward([[0.5, 0.6, 0.1]])
    assert made.z[0][0, 0] == close(0.87) and made.a[1][0, 0] == close(0.7047, abs=5e-5)
    folded = network([4, 1], "sigmoid", weights=[[[0.5, 0.2, 0.3, 0.9]]], bias=False)
    assert folded.predict([[1, 0.5, 0.6, 0.1]])[0, 0] == close(made.a[1][0, 0], rel=1e-6)


@pytest.mark.parametrize(
    "example, z, a", [("E2", [2, -1.99, -0.01], [0.8677, 0.0161, 0.1163]), ("E3", [2, 1, -1], [0.7054, 0.2595, 0.0351])]
)
def test_e2_e3_softmax(example, z, a):
    layer = network([3, 3], "softmax", "log-likelihood", weights=[np.eye(3)])
    assert layer.predict([z])[0].tolist() == close(a, abs=5e-5)


def test_e4_relu_layer():
    weights, bias = [[-0.2, 0.4], [0.3, 0.1], [-0.5, -0.3]], [-0.3, 0.1, 0]
    without = network([2, 3], "identity", weights=[weights])
    assert without.predict([[-1, 1]])[0].tolist() == close([0.6, -0.2, 0.2])
    layer = network([2, 3], "relu", weights=[weights], biases=[bias])
    assert layer.predict([[-1, 1]])[0].tolist() == close([0.3, 0.0, 0.2])
    folded = network([3, 3], "relu", weights=[np.column_stack([bias, weights])], bias=False)
    assert folded.predict([[1, -1, 1]])[0].tolist() == close([0.3, 0.0, 0.2])


DERIVATIVES = {
    "identity": lambda z, a, s: np.ones_like(z),
    "sigmoid": lambda z, a, s: a * (1 - a),
    "tanh": lambda z, a, s: 1 - a**2,
    "relu": lambda z, a, s: (z >= 0) * 1.0,  # 1 at 0, as the lecture has it
    "leaky-relu": lambda z, a, s: np.where(z >= 0, 1.0, 0.01),
    "prelu": lambda z, a, s: np.where(z >= 0, 1.0, s),
    "swish": lambda z, a, s: a + (1 - a) / (1 + np.exp(-z)),
}


def test_e5_names_every_activation():
    assert set(DERIVATIVES) | {"softmax"} == set(ACTIVATIONS)


@pytest.mark.parametrize("name", DERIVATIVES)
def test_e5_activations_with_derivatives(name):
    z = np.array([-2.0, -0.5, 0.0, 0.5, 2.0])
    unit = network([1, 1], name, "quadratic", weights=[[[1.0]]], biases=[0.0])
    a = unit.predict(z[:, None])[:, 0].astype(np.float64)
    found = unit.backward(z[:, None], a[:, None] - 1)  # dC/da = a - y = 1, so that delta is f'(z)
    expected = DERIVATIVES[name](z, a, unit.slopes[0][0])
    assert found.deltas[0][:, 0].tolist() == close(expected.tolist(), abs=1e-6)


def test_e5_linear_layers_collapse():
    w1, w2, x = [[1.0, -2.0], [0.5, 3.0], [2.0, 0.25]], [[1.0, -1.0, 0.5]], [[0.3, -0.7], [2.0, 1.0]]
    two = network([2, 3, 1], "identity", weights=[w1, w2])
    one = network([2, 1], "identity", weights=[np.array(w2) @ np.array(w1)])
    assert two.predict(x).ravel().tolist() == close(one.predict(x).ravel().tolist(), rel=1e-6)


# Costs


@pytest.mark.parametrize(
    "outputs, cost, y, delta",
    [
        ("sigmoid", "quadratic", [0.2, 1.0], lambda a, y: (a - y) * a * (1 - a)),
        ("identity", "quadratic", [0.2, 1.0], lambda a, y: a - y),
        ("sigmoid", "cross-entropy", [0.0, 1.0], lambda a, y: a - y),
        ("softmax", "log-likelihood", [0.0, 1.0], lambda a, y: a - y),
        ("identity", "absolute", [0.2, 1.0], lambda a, y: np.sign(a - y) / 2),
    ],
)
def test_e6_output_and_cost(outputs, cost, y, delta):
    made = network([2, 2], outputs, cost, weights=[[[0.5, -1.5], [2.0, 0.3]]], biases=[[0.1, -0.2]])
    x, y = [[0.4, -0.6]], np.array(y)
    a = made.predict(x)[0]
    assert made.backward(x, [y]).deltas[0][0].tolist() == close(delta(a, y).tolist(), abs=1e-6)


def test_e6_no_slowdown_of_learning():
    """A unit that is sure and wrong: with the quadratic cost it hardly learns, with the cross-entropy it does."""
    slow = network([1, 1], "sigmoid", "quadratic", weights=[[[5.0]]]).backward([[1.0]], [[0.0]])
    quick = network([1, 1], "sigmoid", "cross-entropy", weights=[[[5.0]]]).backward([[1.0]], [[0.0]])
    assert slow.deltas[0][0, 0] == close(0.0066, abs=1e-4) and quick.deltas[0][0, 0] == close(0.9933, abs=1e-4)


# Backpropagation


def test_e7_two_layers():
    made = network([2, 1, 1], "sigmoid", weights=[[[0.4, -0.2]], [[0.1]]], bias=False)
    x, y = [[0.1, 0.3]], [[1.0]]
    forward, backward = made.forward(x), made.backward(x, y)
    assert [z[0, 0] for z in forward.z] == close([-0.02, 0.0495000], abs=5e-8)
    assert [a[0, 0] for a in forward.a[1:]] == close([0.495000, 0.512372], abs=5e-7)
    assert [delta[0, 0] for delta in backward.deltas] == close([-0.00304550, -0.121832], rel=5e-6)
    assert backward.weights[1][0, 0] == close(-0.0603070, rel=1e-6)
    assert backward.weights[0][0].tolist() == close([-0.000304550, -0.000913650], rel=2e-6)
    made.fit(x, y, epochs=1, learning_rate=0.01)
    assert made.weights[1][0, 0] == close(0.100603, abs=5e-7)
    assert made.weights[0][0].tolist() == close([0.400003046, -0.199990863], abs=3e-8)


def test_e8_one_wrong_sign():
    """The lecture prints 2 (0.78 - 1) = +0.44, a lost minus sign, and so moves every parameter the wrong way."""
    weights, biases = [[[1, 0.5], [0.1, 0]], [[0.2, 0.8]]], [[0, 0], [0.75]]
    made = network([2, 2, 1], "sigmoid", "squared", weights=weights, biases=biases)
    x, y = [[0, 1]], [[1]]
    forward, backward = made.forward(x), made.backward(x, y)
    assert forward.a[1][0].tolist() == close([0.622459, 0.5], abs=5e-7)
    assert forward.a[2][0, 0] == close(0.781511, abs=5e-7)
    assert backward.deltas[1][0, 0] == close(-0.0746148, abs=5e-8)
    assert backward.deltas[0][0].tolist() == close([-0.00350695, -0.0149230], rel=5e-6)
    made.fit(x, y, epochs=1, learning_rate=0.4)
    assert made.biases[1][0] == close(0.779846, abs=5e-7)
    assert made.weights[1][0].tolist() == close([0.218578, 0.814923], abs=5e-7)
    assert made.weights[0].ravel().tolist() == close([1, 0.501403, 0.1, 0.00596919], abs=5e-7)


def test_e9_two_outputs():
    """The lecture prints z = 0.8 for 0.08, and a delta of the layer below that does not follow from its own numbers."""
    weights, z1, z2 = [[0.6, 0.1], [0.7, 0.4]], np.array([0.51, 0.55]), np.array([0.46, 0.08])
    a1 = 1 / (1 + np.exp(-z1))
    biases = [z1, z2 - np.array(weights) @ a1]
    made = network([1, 2, 2], "sigmoid", weights=[[[0.0], [0.0]], weights], biases=biases)
    forward = made.forward([[0.0]])
    assert forward.z[0][0].tolist() == close(z1.tolist()) and forward.z[1][0].tolist() == close(z2.tolist(), abs=1e-6)
    assert forward.a[2][0].tolist() == close([0.61, 0.52], abs=5e-3)
    # The lecture subtracts y = [0.35, -0.5] from the rounded outputs; these targets keep its differences.
    y = forward.a[2][0] - ([0.61, 0.52] - np.array([0.35, -0.5]))
    backward = made.backward([[0.0]], [y])
    assert backward.deltas[1][0].tolist() == close([0.0617, 0.2546], abs=5e-5)
    assert backward.deltas[0][0].tolist() == close([0.05045, 0.02506], abs=5e-6)


def test_e10_toy_classifier():
    w, u, x, c = np.array([[0.3, -0.8], [1.1, 0.4]]), np.array([0.7, -1.2]), np.array([0.5, -0.25]), 1.0
    made = network([2, 2, 1], "sigmoid", "cross-entropy", weights=[w, u], bias=False)
    forward, backward = made.forward([x]), made.backward([x], [[c]])
    a, y = forward.a[1][0], forward.a[2][0, 0]
    # The lecture writes the derivatives of the log likelihood, which is the cost with the other sign.
    assert (-backward.weights[1][0]).tolist() == close(((c - y) * a).tolist(), rel=1e-5)
    expected = (c - y) * np.outer(u * a * (1 - a), x)
    assert (-backward.weights[0]).ravel().tolist() == close(expected.ravel().tolist(), rel=1e-5)


def test_e11_a_score_and_its_jacobian():
    w, b, u, x = (
        np.array([[0.3, -0.8], [1.1, 0.4], [0.2, 0.9]]),
        np.array([0.1, -0.3, 0.6]),
        [0.7, -1.2, 0.4],
        [0.5, 2.0],
    )
    made = network([2, 3, 1], ["tanh", "identity"], weights=[w, [u]], biases=[b, 0.0])
    s = made.predict([x])[0, 0]
    found = made.backward([x], [[s - 1.0]])  # dC/ds = s - y = 1
    slopes = 1 - np.tanh(w @ x + b) ** 2
    assert found.biases[0].tolist() == close((np.array(u) * slopes).tolist(), rel=1e-5)
    assert found.weights[0].ravel().tolist() == close(np.outer(u * slopes, x).ravel().tolist(), rel=1e-5)
    z = graph.value(w @ x + b)
    jacobian = []
    for i in range(3):
        single = z.tanh()[i]
        single.backward()
        jacobian.append(z.grad)
    assert np.allclose(jacobian, np.diag(slopes), atol=1e-12)


def test_e12_vanishing_gradient():
    weights = [0.5, 1.5, -0.7, 0.9]
    made = network([1, 1, 1, 1, 1], "sigmoid", weights=[[[w]] for w in weights], biases=[0.1, -0.2, 0.3, 0.4])
    forward, backward = made.forward([[0.8]]), made.backward([[0.8]], [[0.0]])
    slopes = [float(a[0, 0] * (1 - a[0, 0])) for a in forward.a[1:]]
    w = weights
    by_hand = slopes[0] * w[1] * slopes[1] * w[2] * slopes[2] * w[3] * slopes[3] * float(forward.a[4][0, 0])
    assert backward.biases[0][0] == close(by_hand, rel=1e-5)
    assert abs(backward.biases[0][0]) < 0.25**3 * abs(backward.biases[3][0])  # s' is at most 1/4, |w2 w3 w4| < 1


@pytest.mark.parametrize("name", DERIVATIVES)
def test_e13_gradient_check(name):
    rng = np.random.default_rng(0)
    made = FeedForward([3, 4, 2], [name, "identity"], seed=3)
    for bias in made.biases:
        bias[:] = rng.standard_normal(bias.shape)
    checked = made.check_gradients(rng.standard_normal((5, 3)), rng.standard_normal((5, 2)))
    expected = {"layer.0.weights", "layer.0.bias", "layer.1.weights", "layer.1.bias"}
    assert set(checked) == expected | ({"layer.0.slope"} if name == "prelu" else set())
    assert np.max(list(checked.values())) < 2e-6


# Computation graphs


def test_e14_a_graph_by_hand():
    a, b, c = graph.value(3.0, "a"), graph.value(1.0, "b"), graph.value(-2.0, "c")
    d = 2 * b
    e = a + d
    loss = c * e
    loss.backward()
    assert (d.value, e.value, loss.value) == (2, 5, -10)
    assert (c.grad, e.grad, a.grad, d.grad, b.grad) == (5, -2, -2, -2, -4)


def test_e15_a_product_of_a_sum():
    x, y, z = (graph.value(number) for number in (-2.0, 5.0, -4.0))
    q = x + y
    f = q * z
    f.backward()
    assert (q.value, f.value) == (3, -12)
    assert (x.grad, y.grad, z.grad, q.grad) == (-4, -4, 3, -4)


def test_e16_a_product():
    x, y = graph.value(4.0), graph.value(-3.0)
    f = x * y
    f.backward()
    assert (f.value, x.grad, y.grad) == (-12, -3, 4)


def test_e17_gradients_of_two_paths_add():
    x = graph.value(3.0)
    f = x * x + 2 * x
    f.backward()
    assert x.grad == 2 * 3 + 2


def test_e17_two_layers_with_relu_and_sigmoid():
    rng = np.random.default_rng(1)
    x, w1, b1, w2, b2 = (rng.standard_normal(shape) for shape in ((1, 3), (4, 3), 4, (1, 4), 1))
    w1, b1, w2, b2 = (graph.value(array) for array in (w1, b1, w2, b2))
    a1 = (graph.value(x) @ w1.T + b1).relu()
    z2 = a1 @ w2.T + b2
    a2 = z2.sigmoid()
    y = 1.0
    loss = -(y * a2.log() + (1 - y) * (1 - a2).log()).sum()
    loss.backward()
    assert z2.grad.item() == close(a2.value.item() - y, rel=1e-12)
    made = network(
        [3, 4, 1], ["relu", "sigmoid"], "cross-entropy", weights=[w1.value, w2.value], biases=[b1.value, b2.value]
    )
    found = made.backward(x, [[y]])
    assert found.cost == close(loss.value.item(), rel=1e-6)
    for mine, exact in zip([*found.weights, *found.biases], (w1, w2, b1, b2), strict=True):
        assert np.allclose(mine, exact.grad, rtol=1e-5, atol=1e-6)


# Training

XOR = ([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0])


@pytest.mark.parametrize("batch_size", [None, 2, 1], ids=["full batch", "mini-batch", "single example"])
@pytest.mark.parametrize("learning_rate", [0.1, 0.01, 0.001, 0.0001])
def test_e18_gradient_descent_lowers_the_cost(batch_size, learning_rate):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((40, 3))
    y = np.tanh(x @ [[1.0], [-2.0], [0.5]])
    made = FeedForward([3, 1], "tanh")
    before = made.mean_cost(x, y)
    made.fit(x, y, epochs=10, batch_size=batch_size, learning_rate=learning_rate)
    assert made.mean_cost(x, y) < before


def test_e18_the_rate_decreases_over_the_epochs():
    made = network([1, 1], "identity", weights=[[[0.0]]], bias=False)
    seen = []
    for epochs in (1, 2, 3):
        made.weights[0][:] = 0.0
        made.fit([[1.0]], [[1e6]], epochs=epochs, learning_rate=1e-6, decrease=1.0)  # dC/dw is -1e6, nearly always
        seen.append(float(made.weights[0][0, 0]))
    assert seen == close([1.0, 1.5, 1.5 + 1 / 3], rel=1e-5)


@pytest.mark.parametrize("optimizer", RULES)
def test_e18_every_optimizer_learns(optimizer):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 2))
    y = (x[:, 0] * x[:, 1] > 0) * 1.0
    made = FeedForward([2, 8, 1], ["tanh", "sigmoid"], "cross-entropy")
    rate = {"rmsprop": 0.01, "adam": 0.02, "adamw": 0.02}.get(optimizer)
    history = made.fit(x, y, epochs=300, batch_size=10, optimizer=optimizer, learning_rate=rate)
    assert history[-1] < 0.5 * history[0]


def test_e19_exclusive_or_needs_a_hidden_layer():
    x, y = XOR
    two = FeedForward([2, 4, 1], ["tanh", "sigmoid"], "cross-entropy")
    two.fit(x, y, epochs=500, optimizer="adam", learning_rate=0.05)
    assert two.predict(x).round().ravel().tolist() == y and two.mean_cost(x, y) < 0.05
    one = FeedForward([2, 1], "sigmoid", "cross-entropy")
    one.fit(x, y, epochs=2000, optimizer="adam", learning_rate=0.05)
    assert one.mean_cost(x, y) == close(np.log(2), abs=1e-3)  # no better than a coin


# Uses

WINDOW = {
    "context_size": 2,
    "bag_size": 0,
    "hidden_dims": 6,
    "activation": "tanh",
    "dropout": 0.0,
    "ngram_order": 0,
    "quiet": True,
}


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    path = tmp_path_factory.mktemp("e20") / "story.txt"
    path.write_text("the cat sat on the mat . a dog sat on the rug . " * 100)
    return path


def test_e20_windows_of_concatenated_embeddings(story):
    model = fflm.train(story, embedding_dim=3, learning_rate=0.05, epochs=20, **WINDOW)
    words = model.lm.vocabulary
    p = {name: value.astype(np.float64) for name, value in model.lm.parameters.items()}
    assert p["hidden.0.weights"].shape == (6, 2 * 3)
    first, second = p["embeddings"][words.encode(["a", "dog"])]
    of_first, of_second = p["hidden.0.weights"][:, :3], p["hidden.0.weights"][:, 3:]  # each position has its own
    hidden = np.tanh(of_first @ first + of_second @ second + p["hidden.0.bias"])
    z = p["output.weights"] @ hidden + p["output.bias"]
    expected = np.exp(z) / np.exp(z).sum()
    found = {near.word: near.probability for near in model.predict("cat the mat . a dog", top=len(words), special=True)}
    for number, word in enumerate(words.words):  # whatever stood before the window
        assert found[word] == close(expected[number], rel=1e-5)
    assert model.predict("a dog", top=1)[0].word == "sat"
    ngrams = fflm.ngram(story, order=3, quiet=True)
    assert model.perplexity(story).perplexity == close(ngrams.perplexity(story).perplexity, rel=0.1)


@pytest.mark.parametrize("frozen", [True, False])
def test_e20_pretrained_vectors_are_plugged_in(story, tmp_path, frozen):
    given = np.array([[0.5, 1.0, -0.25], [0.4, 0.9, 0.0]], np.float32)
    (tmp_path / "vectors").write_text("cat 0.5 1.0 -0.25\ndog 0.4 0.9 0\n")
    model = fflm.train(story, vectors=str(tmp_path / "vectors"), freeze_vectors=frozen, epochs=1, **WINDOW)
    learned = model.lm.parameters["embeddings"][model.lm.vocabulary.encode(["cat", "dog"])]
    assert (learned == given).all() == frozen


def test_e21_sentiment_of_three_classes():
    texts = ["a good film", "good acting", "a bad film", "bad acting", "a film", "acting"] * 10
    labels = ["positive", "positive", "negative", "negative", "neutral", "neutral"] * 10
    classifier = fflm.TextClassifier(hidden_dims=8, learning_rate=0.02, epochs=20).fit(texts, labels)
    assert classifier.predict(["good", "so bad", "a film with acting"]) == ["positive", "negative", "neutral"]
    assert classifier.predict_proba(["good"]).sum() == close(1.0, abs=1e-6)
