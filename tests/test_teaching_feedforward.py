"""The general network: gradients, training, PyTorch, and what it says of bad input."""

import numpy as np
import pytest
from test_nn_optimizers import RATES, torch, torch_activation, torch_optimizer

from fflm import ConfigError, DivergenceError, FeedForward, graph
from fflm.config.names import ACTIVATIONS, COSTS, RULES
from fflm.teaching.formulas import on_nodes

__all__ = ["torch"]  # a fixture

PAIRS = [(cost, output) for cost in COSTS for output in ACTIVATIONS if COSTS[cost].pair in (None, output)]
HIDDEN = [name for name, activation in ACTIVATIONS.items() if not activation.joint]


def made_for(cost, output, hidden="tanh", outputs=3, seed=1):
    """A network with biases that are not 0, and a batch that its cost allows."""
    network, rng = FeedForward([4, 5, outputs], [hidden, output], cost, seed=seed), np.random.default_rng(seed)
    for bias in network.biases:
        bias[:] = 0.3 * rng.standard_normal(bias.shape)
    x, y = rng.standard_normal((7, 4)), rng.random((7, outputs))
    if cost == "log-likelihood":
        y /= y.sum(axis=1, keepdims=True)
    return network, x, y


@pytest.mark.parametrize("cost, output", PAIRS)
@pytest.mark.parametrize("hidden", HIDDEN)
def test_gradients_are_central_differences(hidden, cost, output):
    network, x, y = made_for(cost, output, hidden)
    checked = network.check_gradients(x, y)
    assert np.max(list(checked.values())) < 5e-6, checked
    learned = {f"layer.{i}.{part}" for i in (0, 1) for part in ("weights", "bias")}
    learned |= {f"layer.{i}.slope" for i, name in enumerate((hidden, output)) if name == "prelu"}
    assert set(checked) == learned


def test_the_check_finds_a_mistake(monkeypatch):
    network, x, y = made_for("quadratic", "tanh")
    monkeypatch.setattr(network._output, "gradient", lambda a, y: 1.01 * (a - y))
    assert min(network.check_gradients(x, y).values()) > 5e-3


@pytest.mark.parametrize("hidden", HIDDEN)
def test_the_check_leaves_corners_out(hidden):
    """Exclusive or, with biases 0: a ReLU of the inputs 0, 0 is at its corner, whatever its weights are."""
    network = FeedForward([2, 4, 1], [hidden, "sigmoid"], "cross-entropy")
    checked = network.check_gradients([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0])
    corners = ["layer.0.bias"] if hidden in ("relu", "leaky-relu", "prelu") else []
    assert [name for name, distance in checked.items() if np.isnan(distance)] == corners
    assert all(distance < 5e-6 for name, distance in checked.items() if name not in corners)
    network.biases[0][0] = 0.5  # now one of them is at no corner
    assert np.max(list(network.check_gradients([[0, 0], [0, 1]], [0, 1]).values())) < 5e-6


def test_a_cost_has_corners_too():
    network = FeedForward([2, 2], "identity", "absolute")
    network.weights[0][:] = [[1, 0], [0, 1]]
    assert np.isnan(network.check_gradients([[1, 2]], [[1, 2]])["layer.0.weights"])
    assert network.check_gradients([[1, 2]], [[1, 3]])["layer.0.weights"] < 1e-6


def test_a_graph_is_the_lectures():
    network = FeedForward([2, 2, 1], ["relu", "sigmoid"], "cross-entropy")
    root = network.graph([[1, 2]], [1])
    root.backward()
    nodes = {node.name: node for node in graph.in_order(root)}
    assert nodes["layer.0.a"].operation == "relu" and nodes["layer.1.a"].operation == "sigmoid"
    a, y = float(nodes["layer.1.a"].value[0, 0]), 1.0
    assert float(nodes["layer.1.z"].grad[0, 0]) == pytest.approx(a - y, rel=1e-12)  # E17
    assert {node.operation for node in nodes.values()} <= {"", "@", "+", "-", "*", "/", "relu", "sigmoid", "log", "sum"}


@pytest.mark.parametrize("weight", [40.0, 720.0, 740.0, 800.0])
@pytest.mark.parametrize("target", [0.0, 1.0])
def test_the_graph_of_saturated_outputs_is_finite(weight, target):
    for sign in (1.0, -1.0):
        network = FeedForward([1, 1], "sigmoid", "cross-entropy")
        network.weights[0][:] = sign * weight
        root = network.graph([[1.0]], [[target]])
        assert root.grad is None
        root.backward()
        nodes = {node.name: node for node in graph.in_order(root)}
        assert float(root.value) == pytest.approx(network.mean_cost([[1.0]], [[target]]), abs=1e-12)
        assert float(nodes["layer.0.z"].grad[0, 0]) == pytest.approx((sign > 0) - target, abs=1e-12)


@pytest.mark.parametrize("cost, output", PAIRS)
def test_gradients_are_those_of_the_graph(cost, output):
    network, x, y = made_for(cost, output)
    root = network.graph(x, y)
    root.backward()
    nodes, todo = {}, [root]
    while todo:
        node = todo.pop()
        nodes[node.name] = node
        todo += node.parents
    found = network.backward(x, y)
    assert found.cost == pytest.approx(float(root.value), rel=1e-6)
    for part, grads in (("weights", found.weights), ("bias", found.biases)):
        for i, grad in enumerate(grads):
            np.testing.assert_allclose(grad, nodes[f"layer.{i}.{part}"].grad, rtol=2e-5, atol=1e-6)


def test_a_delta_is_one_examples_own():
    network, x, y = made_for("quadratic", "tanh")
    together = network.backward(x, y)
    for i in range(len(x)):
        alone = network.backward(x[i : i + 1], y[i : i + 1])
        for layer in (0, 1):
            np.testing.assert_allclose(together.deltas[layer][i], alone.deltas[layer][0], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("optimizer", RULES)
@pytest.mark.parametrize("batch_size", [None, 3, 1])
def test_a_fit_is_the_same_twice_and_deltas_do_not_depend_on_what_was_before(optimizer, batch_size):
    results = []
    for first in (7, 2):
        network, x, y = made_for("cross-entropy", "sigmoid", "prelu")
        network.predict(x[:first])
        history = network.fit(x, y, epochs=5, batch_size=batch_size, optimizer=optimizer)
        results.append((history, b"".join(array.tobytes() for array in (*network.weights, *network.biases))))
    assert results[0] == results[1] and len(results[0][0]) == 5


def test_classes_may_be_given_as_numbers():
    network, x, _ = made_for("log-likelihood", "softmax")
    classes = np.array([0, 2, 1, 1, 0, 2, 2])
    assert network.mean_cost(x, classes) == network.mean_cost(x, np.eye(3)[classes])
    assert network.fit(x, classes, epochs=300, optimizer="adam", learning_rate=0.05)[-1] < 0.05
    assert network.predict(x).argmax(axis=1).tolist() == classes.tolist()


def test_a_cost_of_saturated_outputs_is_finite():
    network = FeedForward([1, 1], "sigmoid", "cross-entropy")
    network.weights[0][:] = 500.0
    assert network.mean_cost([[1.0]], [0.0]) == 500.0 and 0.0 < network.mean_cost([[1.0]], [1.0]) < 1e-200
    network = FeedForward([1, 2], "softmax", "log-likelihood")
    network.weights[0][:] = [[500.0], [-500.0]]
    assert network.mean_cost([[1.0]], [1]) == 1000.0


def test_without_biases():
    network = FeedForward([2, 3, 1], "tanh", bias=False)
    network.fit([[1.0, 2.0], [0.5, -1.0]], [0.3, -0.3], epochs=20)
    assert not any(bias.any() for bias in network.biases)
    assert set(network.check_gradients([[1.0, 2.0]], [0.1])) == {"layer.0.weights", "layer.1.weights"}


def test_weights_are_the_networks_own():
    network = FeedForward([1, 1], "identity")
    network.weights[0][:], network.biases[0][:] = 2.0, 1.0
    assert network.predict([[3.0]]).tolist() == [[7.0]]
    with pytest.raises(TypeError):
        network.weights[0] = np.ones((1, 1))


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("cost, output", PAIRS)
def test_the_graph_agrees_at_corners_too(cost, output, hidden):
    network = FeedForward([2, 4, 2], [hidden, output], cost)  # no biases: z = 0 everywhere
    x, y = np.zeros((3, 2)), np.array([[0.0, 1.0]] * 3)
    found, exact = network.backward(x, y), network.graph(x, y)
    exact.backward()
    biases = {node.name: node.grad for node in graph.in_order(exact) if node.name.endswith(".bias")}
    for i, grad in enumerate(found.biases):
        np.testing.assert_allclose(grad, biases[f"layer.{i}.bias"], atol=1e-6)


@pytest.mark.parametrize("cost", [name for name, cost in COSTS.items() if cost.stable])
def test_a_stable_form_is_the_formula(cost):
    rng = np.random.default_rng(0)
    z, y = graph.value(rng.standard_normal((4, 3)), "z"), graph.value(np.eye(3)[[0, 2, 1, 1]])
    a = on_nodes(ACTIVATIONS[COSTS[cost].pair].formula, z=z)
    gradients = []
    for formula in (COSTS[cost].formula, COSTS[cost].stable):
        found = on_nodes(formula, z=z, a=a, y=y).sum()
        found.backward()
        gradients.append([float(found.value), *z.grad.ravel()])
    np.testing.assert_allclose(*gradients, atol=1e-12)


# PyTorch


def torch_network(torch, network, x):
    """Outputs z and a of the same network in PyTorch's own functions, and its tensors."""
    tensors, a = {}, torch.tensor(x, dtype=torch.float32)
    for i, name in enumerate(network.activations):
        parts = {"weights": network.weights[i], "bias": network.biases[i]}
        if ACTIVATIONS[name].learned:
            parts["slope"] = network.slopes[i]
        for part, value in parts.items():
            tensors[f"layer.{i}.{part}"] = torch.nn.Parameter(torch.tensor(value))
    return tensors, a


def torch_cost(torch, network, tensors, a, y):
    functional, y = torch.nn.functional, torch.tensor(y, dtype=torch.float32)
    for i, name in enumerate(network.activations):
        z = functional.linear(a, tensors[f"layer.{i}.weights"], tensors[f"layer.{i}.bias"])
        a = z.softmax(1) if name == "softmax" else torch_activation(torch, name, z, tensors.get(f"layer.{i}.slope"))
    return {
        "quadratic": lambda: functional.mse_loss(a, y, reduction="sum") / 2 / len(y),
        "squared": lambda: functional.mse_loss(a, y, reduction="sum") / len(y),
        "absolute": lambda: functional.l1_loss(a, y),
        "cross-entropy": lambda: functional.binary_cross_entropy_with_logits(z, y, reduction="sum") / len(y),
        "log-likelihood": lambda: functional.cross_entropy(z, y),
    }[network.cost]()


EACH_ONCE = [
    *((hidden, "quadratic", "identity", "sgd") for hidden in HIDDEN),
    *(("tanh", cost, output, "sgd") for cost, output in PAIRS),
    *(("tanh", "cross-entropy", "sigmoid", name) for name in RULES),
]


@pytest.mark.parametrize("hidden, cost, output, optimizer", EACH_ONCE)
def test_six_steps_equal_pytorchs(torch, hidden, cost, output, optimizer):
    """Costs within 1e-5, parameters within 2e-5."""
    network, x, y = made_for(cost, output, hidden)
    tensors, a = torch_network(torch, network, x)
    rate = RATES[optimizer] / 5
    theirs, expected = torch_optimizer(torch, optimizer, list(tensors.values()), rate), []
    for _ in range(6):
        theirs.zero_grad()
        loss = torch_cost(torch, network, tensors, a, y)
        loss.backward()
        theirs.step()
        expected.append(loss.item())
    history = network.fit(x, y, epochs=6, optimizer=optimizer, learning_rate=rate, weight_decay=0.0)
    np.testing.assert_allclose(history, expected, rtol=0, atol=1e-5)
    for i in (0, 1):
        for part, own in (("weights", network.weights), ("bias", network.biases), ("slope", network.slopes)):
            if f"layer.{i}.{part}" in tensors:
                found = tensors[f"layer.{i}.{part}"].detach().numpy()
                np.testing.assert_allclose(own[i], found, rtol=0, atol=2e-5, err_msg=f"{i} {part}")


# Bad input


@pytest.mark.parametrize(
    "arguments, message",
    [
        (([3],), "layer_sizes must be two or more whole numbers of at least 1, got [3]"),
        (([3, 0],), "layer_sizes must be two or more whole numbers of at least 1, got [3, 0]"),
        ((5,), "layer_sizes must be two or more whole numbers of at least 1, got 5"),
        (([2, 1], "gelu"), f"activations must be among {', '.join(ACTIVATIONS)}, got 'gelu'"),
        (([2, True],), "layer_sizes must be two or more whole numbers of at least 1, got [2, True]"),
        (([2, 1], None), "activations and cost must be names, got None and 'quadratic'"),
        (([2, 1], "tanh", []), "activations and cost must be names, got ['tanh'] and []"),
        (([2, 3, 1], ["tanh"]), "activations must be one name, or one for each of 2 layers, got 1"),
        (([2, 3, 1], "softmax"), "softmax is for the last layer only"),
        (([2, 1], "tanh", "hinge"), f"cost must be one of {', '.join(COSTS)}, got 'hinge'"),
        (([2, 1], "tanh", "cross-entropy"), "the cost cross-entropy needs sigmoid outputs, got tanh"),
        (([2, 1], "sigmoid", "log-likelihood"), "the cost log-likelihood needs softmax outputs, got sigmoid"),
    ],
)
def test_impossible_networks(arguments, message):
    with pytest.raises(ConfigError) as error:
        FeedForward(*arguments)
    assert str(error.value) == message


X, Y = [[0.0, 1.0], [1.0, 0.0]], [0.0, 1.0]


@pytest.mark.parametrize(
    "arguments, options, message",
    [
        (([[1.0]], Y), {}, "X must be (examples, 2), got (1, 1)"),
        (([1.0, 2.0], Y), {}, "X must be (examples, 2), got (2)"),
        (([], []), {}, "X must not be empty"),
        (([[1, 2], [3]], Y), {}, "X must be numbers in rows of equal lengths"),
        (([["a", "b"]], Y), {}, "X must be numbers in rows of equal lengths"),
        (([[1e300, 1.0]], [1.0]), {}, "X must be finite numbers, none above 1e+36"),
        (([[1.0, np.nan]], [1.0]), {}, "X must be finite numbers, none above 1e+36"),
        ((X, [1.0]), {}, "Y must be (2, 1), a row for each of X, got (1, 1)"),
        ((X, [[1.0, 2.0]]), {}, "Y must be (2, 1), a row for each of X, got (1, 2)"),
        ((X, [0.0, 2.0]), {}, "targets of the cost cross-entropy must be from 0 to 1, got 0 to 2"),
        ((X, Y), {"optimizer": "lbfgs"}, f"optimizer must be one of {', '.join(RULES)}, got 'lbfgs'"),
        ((X, Y), {"epochs": -1}, "epochs must be a whole number of at least 0, got -1"),
        ((X, Y), {"epochs": 1.5}, "epochs must be a whole number of at least 0, got 1.5"),
        ((X, Y), {"batch_size": 0}, "batch_size must be a whole number of at least 1, got 0"),
        ((X, Y), {"learning_rate": -1.0}, "learning_rate must be a number of at least 0, got -1.0"),
        ((X, Y), {"learning_rate": 1e40}, "learning_rate must be a number of at least 0, got 1e+40"),
        ((X, Y), {"optimizer": []}, f"optimizer must be one of {', '.join(RULES)}, got []"),
        ((X, Y), {"decrease": np.nan}, "decrease must be a number of at least 0, got nan"),
    ],
)
def test_bad_examples_and_options_change_nothing(arguments, options, message):
    network = FeedForward([2, 1], "sigmoid", "cross-entropy")
    before = network.weights[0].copy()
    with pytest.raises(ConfigError) as error:
        network.fit(*arguments, **options)
    assert str(error.value) == message
    assert (network.weights[0] == before).all()


@pytest.mark.parametrize(
    "y, message",
    [
        ([0, 3], "classes in Y must be whole numbers from 0 to 2"),
        ([0.5, 1], "classes in Y must be whole numbers from 0 to 2"),
        ([[1, 0, 0], [0.5, 0.2, 0.2]], "targets of the cost log-likelihood must add up to 1, those of row 1 to 0.9"),
        ([[1, 0, 0], [-1, 1, 1]], "targets of the cost log-likelihood must be from 0 to 1, got -1 to 1"),
    ],
)
def test_bad_classes(y, message):
    with pytest.raises(ConfigError) as error:
        FeedForward([2, 3], "softmax", "log-likelihood").fit(X, y)
    assert str(error.value) == message


@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered:RuntimeWarning")
def test_divergence_is_said_and_loses_nothing():
    network = FeedForward([1, 1], "identity")
    before = network.weights[0].copy()
    message = "^training diverged: the loss is (inf|nan) at step .* with learning rate 10; try a smaller learning_rate$"
    with pytest.raises(DivergenceError, match=message):
        network.fit([[1000.0]], [1.0], epochs=100, learning_rate=10.0)
    assert (network.weights[0] == before).all() and not network.biases[0].any()
    message = "^training diverged: weights are not finite after the last update with learning rate 1e\\+36; try "
    with pytest.raises(DivergenceError, match=message):
        network.fit([[1e6]], [1e6], epochs=1, learning_rate=1e36)
    assert (network.weights[0] == before).all() and not network.biases[0].any()


def test_options_of_fit_have_their_effect():
    def trained(**options):
        network = FeedForward([2, 3, 1], "tanh", seed=3)
        network.fit([*X, [1.0, 1.0]], [0.0, 1.0, 1.0], epochs=3, learning_rate=0.1, **options)
        return network.weights[0].tobytes()

    plain = trained(batch_size=1)
    assert plain == trained(batch_size=1) and plain != trained(batch_size=1, weight_decay=0.5)
    assert plain != trained(batch_size=1, decrease=0.5) and plain != trained()
