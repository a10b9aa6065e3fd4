"""Computation graphs: every operation against central differences, the drawing, formulas, `fflm explain-graph`."""

import json
from xml.etree import ElementTree

import numpy as np
import pytest
import reference

from fflm import ConfigError, graph
from fflm.config import ModelConfig
from fflm.config.names import ACTIVATIONS
from fflm.nn.batches import Contexts
from fflm.nn.language_model import context_network, shapes
from fflm.nn.parameters import Parameters
from fflm.runtime.workers import Workers
from fflm.teaching.formulas import FUNCTIONS, NAMES, parse


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def check(make, *arrays, atol=1e-8):
    """Gradients of a scalar function of nodes against central differences of its value."""
    nodes = [graph.value(array) for array in arrays]
    make(*nodes).backward()
    for i, array in enumerate(arrays):
        difference = np.empty(array.shape)
        for place in np.ndindex(array.shape):
            ends = []
            for step in (1e-6, -1e-6):
                moved = [other.copy() for other in arrays]
                moved[i][place] += step
                ends.append(float(make(*(graph.value(other) for other in moved)).value))
            difference[place] = (ends[0] - ends[1]) / 2e-6
        assert nodes[i].grad.shape == array.shape
        np.testing.assert_allclose(nodes[i].grad, difference, rtol=1e-6, atol=atol)


WEIGHTS = draw(3, 4, seed=9)  # so that no gradient is the same everywhere
UNARY = {
    "negative": lambda x: -x,
    "power": lambda x: (x * x + 1.0) ** 1.5,
    "exp": lambda x: x.exp(),
    "log": lambda x: (x * x + 0.5).log(),
    "abs": lambda x: x.abs(),
    "tanh": lambda x: x.tanh(),
    "sigmoid": lambda x: x.sigmoid(),
    "relu": lambda x: x.relu(),
    "softmax": lambda x: x.softmax(),
    "logsumexp": lambda x: x.logsumexp() + 0.0 * x,
    "transpose": lambda x: x.T.T,
    "reshape": lambda x: x.reshape(2, 6).reshape(3, 4),
    "sum of rows": lambda x: x.sum(axis=1, keepdims=True) * x,
    "sum of columns": lambda x: x.sum(axis=0) * x,
    "mean": lambda x: x.mean() * x,
    "rows twice": lambda x: x[np.array([0, 2, 2])] * x,
    "a number": lambda x: x[1, 2] * x,
    "numbers on the left": lambda x: (1.0 - x) * (2.0 / (x * x + 1.0)) + 3.0 * (1.0 + x),
    "concatenate": lambda x: graph.concatenate([x[:, :1], x * x])[:, 1:] + x[:, :1],
    "both sides": lambda x: x * x * x - x / (x * x + 2.0),
}


@pytest.mark.parametrize("name", UNARY)
def test_operations_of_one_node(name):
    check(lambda x: (UNARY[name](x) * WEIGHTS).sum(), draw(3, 4))


@pytest.mark.parametrize("other", [(3, 4), (4,), (1, 4), (3, 1), (1,), ()])
@pytest.mark.parametrize("operation", ["+", "-", "*", "/"])
def test_broadcasting(operation, other):
    made = {
        "+": lambda x, y: x + y,
        "-": lambda x, y: x - y,
        "*": lambda x, y: x * y,
        "/": lambda x, y: x / (y * y + 1.0),
    }[operation]
    check(lambda x, y: (made(x, y) * WEIGHTS).sum(), draw(3, 4), draw(*other, seed=1))
    check(lambda y, x: (made(y, x) * WEIGHTS).sum(), draw(*other, seed=1), draw(3, 4))


@pytest.mark.parametrize(
    "left, right",
    [((3, 2), (2, 4)), ((2,), (2, 4)), ((3, 2), (2,)), ((2,), (2,)), ((2, 3, 2), (2, 4)), ((2, 3, 2), (2, 2, 4))],
)
def test_products_of_matrices_and_vectors(left, right):
    check(lambda a, b: ((a @ b) ** 2).sum(), draw(*left), draw(*right, seed=1), atol=1e-7)


@pytest.mark.parametrize("left, right", [((3,), (5, 3, 4)), ((5, 1, 3), (3,)), ((), (2,)), ((2, 3), (2, 3))])
def test_what_has_no_product(left, right):
    with pytest.raises(ValueError, match="have no matrix product$"):
        graph.value(draw(*left)) @ draw(*right)


def test_derivatives_at_corners_are_those_that_are_stated():
    for made, at, wanted in (
        (lambda x: x.relu(), 0.0, 1.0),
        (lambda x: x.abs(), 0.0, 0.0),
        (lambda x: x**0, 0.0, 0.0),
        (lambda x: x.softplus(), 0.0, 0.5),
        (lambda x: x.sigmoid().log(), -40.0, 1.0),
    ):
        x = graph.value(at)
        made(x).backward()
        assert float(x.grad) == wanted
    assert float(graph.value(-40.0).sigmoid().log().value) == pytest.approx(-40.0, rel=1e-15)


def test_values_and_gradients_belong_to_their_node():
    given = np.ones(2)
    x, y = graph.value(given), graph.value(np.ones(2))
    total = (x * y + x).sum()
    given[:] = 5.0
    total.backward()
    x.grad *= 2.0
    assert x.value.tolist() == [1.0, 1.0] and x.grad.tolist() == [4.0, 4.0] and y.grad.tolist() == [1.0, 1.0]


def test_an_array_on_the_left():
    x = graph.value(draw(4))
    assert isinstance(WEIGHTS @ x, graph.Node) and isinstance(WEIGHTS * x, graph.Node)
    (WEIGHTS @ x).sum().backward()
    np.testing.assert_allclose(x.grad, WEIGHTS.sum(axis=0))


def test_softmax_and_logsumexp_of_large_numbers():
    x = graph.value([1000.0, 1000.0, -1000.0])
    assert x.softmax().value.tolist() == [0.5, 0.5, 0.0]
    assert x.logsumexp().value.tolist() == [1000.0 + np.log(2.0)]


def test_backward_starts_at_one_number_and_forgets_earlier_gradients():
    x = graph.value([1.0, 2.0])
    with pytest.raises(ValueError, match=r"^backward starts at a single number, got an array of shape \(2,\)$"):
        (x * x).backward()
    total = (x * x).sum()
    total.backward()
    total.backward()
    assert x.grad.tolist() == [2.0, 4.0]
    assert graph.value(3.0).grad is None


def test_a_deep_graph_needs_no_recursion():
    x = node = graph.value(1.0)
    for _ in range(5000):
        node = node + 0.0
    node.backward()
    assert x.grad == 1.0


@pytest.mark.parametrize(
    "activation, hidden, direct, bag", [("tanh", (4,), True, 0), ("relu", (5, 3), False, 3), ("swish", (4,), True, 2)]
)
def test_the_language_models_loss_as_a_graph(activation, hidden, direct, bag):
    """The second oracle of the kernels' gradients: it shares no line with them, nor with the tests' reference."""
    config = ModelConfig(
        context_size=2, bag_size=bag, embedding_dim=3, hidden_dims=hidden, activation=activation, direct=direct
    )
    vocab_size, rows = 11, 6
    rng = np.random.default_rng(5)
    parameters = {
        name: (rng.standard_normal(shape) * 0.5).astype(np.float32)
        for name, shape in shapes(config, vocab_size).items()
    }
    contexts = rng.integers(0, vocab_size, (rows, bag + 2)).astype(np.int32)
    contexts[0, : bag // 2] = 1  # <s>: no word of a bag
    targets = rng.integers(0, vocab_size, rows).astype(np.int32)
    nodes = {name: graph.value(value, name) for name, value in parameters.items()}
    parts = [nodes["embeddings"][contexts[:, bag + k]] for k in range(2)]
    if bag:
        words = (contexts[:, :bag] != 1) * 1.0
        total = sum(nodes["embeddings"][contexts[:, k]] * words[:, k : k + 1] for k in range(bag))
        parts.append(total / np.sqrt(np.maximum(1.0, words.sum(axis=1, keepdims=True))))
    x = below = graph.concatenate(parts)
    for i in range(len(hidden)):
        z = below @ nodes[f"hidden.{i}.weights"].T + nodes[f"hidden.{i}.bias"]
        below = z * z.sigmoid() if activation == "swish" else getattr(z, activation)()
    features = graph.concatenate([below, x]) if direct else below
    logits = features @ nodes["output.weights"].T + nodes["output.bias"]
    loss = (logits.logsumexp().reshape(rows) - logits[np.arange(rows), targets]).mean()
    loss.backward()
    network = context_network(config, len(parameters["output.bias"]))
    with Workers(2) as workers:
        network.prepare(Parameters(parameters), workers, rows, training=True, keep_gradient=True)
        losses, grads = network.gradients(Contexts(contexts, targets))
    assert losses.mean() == pytest.approx(float(loss.value), rel=1e-6)
    assert grads.keys() == nodes.keys()
    for name, grad in grads.items():
        np.testing.assert_allclose(grad, nodes[name].grad, rtol=0, atol=2e-6 * np.abs(nodes[name].grad).max())
    by_hand = reference.gradients(parameters, contexts, targets, activation, direct)
    for name, grad in by_hand.items():
        np.testing.assert_allclose(grad, nodes[name].grad, rtol=0, atol=1e-12)


# The drawing


def test_to_dot_shows_operation_value_and_gradient():
    x = graph.value([[1.0, 2.0]], 'a "b|c"')
    total = (x @ np.ones((2, 1))).sum().named("L")
    total.backward()
    dot = total.to_dot()
    assert dot == graph.to_dot(total)
    assert '  n0 [label="a \\"b\\|c\\"|value [[1, 2]]|gradient [[1, 1]]"]' in dot.split("\n")
    assert "L = sum|value 3|gradient 1" in dot and dot.count("->") == 3
    assert "gradient" not in graph.value(1.0).to_dot()
    assert "value array of 20x30" in graph.value(np.zeros((20, 30))).to_dot()
    assert repr(graph.value(np.zeros(13), "x")) == "<x: array of 13>"


# Formulas as text


@pytest.mark.parametrize(
    "formula, values, expected",
    [
        ("c * (a + 2 * b)", {"a": 3, "b": 1, "c": -2}, -10.0),
        ("d = 2*b; e = a + d; c * e;", {"a": 3, "b": 1, "c": -2}, -10.0),
        ("-x ** 2 + (-x) ** 3 / 2 - +x", {"x": 2}, -10.0),
        ("x ** -1", {"x": 4}, 0.25),
        ("sum(W @ x)", {"W": [[1, 2], [3, 4]], "x": [1, -1]}, -2.0),
        ("sum(W.T @ x)", {"W": [[1, 2], [3, 4]], "x": [1, -1]}, -4.0),
        ("x = x + 1; x * x", {"x": 2}, 9.0),
        ("1e3", {}, 1000.0),
        ("x ** (1 / 2) + x ** -(2 - 1)", {"x": 4}, 2.25),
        ("+".join(["a"] * 1000), {"a": 2}, 2000.0),
        ("8 - 4 / 2 * a - 1 - (2 + a)", {"a": 1}, 2.0),
    ],
)
def test_formulas(formula, values, expected):
    assert float(parse(formula, values).value) == expected


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    found = parse(f"{name}(x)", {"x": [0.5, 2.0]})
    assert (found.value == getattr(graph.value([0.5, 2.0]), name)().value).all()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_of_the_table_is_a_function(name):
    z = np.array([-2.0, 0.5])
    found = parse(f"{name.replace('-', '_')}(x)", {"x": z}).value
    wanted = reference.softmax(z) if name == "softmax" else reference.ACTIVATIONS[name][0](z, ACTIVATIONS[name].slope)
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_each_name_of_a_step_is_a_box():
    steps = parse("h = x; L = h", {"x": 2})
    assert (steps.name, steps.parents[0].name, steps.parents[0].parents[0].name) == ("L", "h", "x")
    steps.backward()
    assert steps.parents[0].parents[0].grad == 1.0


@pytest.mark.parametrize(
    "formula, values, message",
    [
        ("", {}, "the formula must not be empty"),
        ("a +", {"a": 1}, "not a formula: invalid syntax"),
        ("a + b", {"a": 1}, "b has no value; give one, b=1.5"),
        ("sin(a)", {"a": 1}, f"sin is no function here, expected one of {', '.join(NAMES)}"),
        ("__import__('os').system('ls')", {}, "not a formula: __import__('os').system('ls')"),
        ("a.__class__", {"a": 1}, "not a formula: a.__class__"),
        ("import os", {}, "not a formula: import os"),
        ("a, b = 1", {}, "not a formula: a, b = 1"),
        ("'text'", {}, "not a formula: 'text'"),
        ("True", {}, "not a formula: True"),
        ("a ** (1 / 0)", {"a": 2}, "not a formula: in a ** (1 / 0), the exponent must be a number"),
        ("a(b)", {"a": 1, "b": 2}, "a is no function here, expected one of "),
        ("+".join(["a"] * 1000) + "+W@a", {"a": 1, "W": [[1]]}, "a step of many operators: arrays of shapes "),
        ("exp(" + "+".join(["a"] * 1000) + ", 1)", {"a": 1}, "exp must be given one value, got a step of many"),
        ("+".join(["a"] * 60) + " ^ 2", {"a": 1}, "not a formula: a + a + a"),
        ("a[0]", {"a": [1, 2]}, "not a formula: a[0]"),
        ("a ^ 2", {"a": 1}, "not a formula: a ^ 2; a power is written **"),
        ("exp(a, 2)", {"a": 1}, "exp must be given one value, got exp(a, 2)"),
        ("sum(a, axis=0)", {"a": 1}, "sum must be given one value, got sum(a, axis=0)"),
        ("a", {"a": float("inf")}, "a must be finite, got inf"),
        ("1e999 * a", {"a": 1}, "a number must be finite, got inf"),
        ("-1e999 * a", {"a": 1}, "a number must be finite, got -inf"),
        ("b = 2 * a; a * 3", {"a": 1}, "the formula must end in a step that uses all others, got b = 2 * a unused"),
        ("a ** b", {"a": 1, "b": 2}, "not a formula: in a ** b, the exponent must be a number"),
        ("W @ x", {"W": [[1, 2]], "x": [1, 2, 3]}, "W @ x: "),
        ("a", {"a": [[1, 2], [3]]}, "a must be a number, or lists of numbers of equal lengths, got [[1, 2], [3]]"),
        ("a", {"a": [[[1]]]}, "a must be a number, a vector or a matrix, got [[[1]]]"),
        ("exp(" * 150 + "a" + ")" * 150, {"a": 1}, "the formula must have at most 100 brackets"),
        ("a" * 20_000, {}, "the formula must be at most 10000 letters long, got 20000"),
    ],
)
def test_what_is_no_formula(formula, values, message):
    with pytest.raises(ConfigError) as error:
        parse(formula, values)
    assert str(error.value).startswith(message)


def test_a_step_of_very_many_operators():
    """How many Python takes depends on its version: those it does not take are refused with a reason."""
    formula = "+".join(["a"] * 4000)
    try:
        assert float(parse(formula, {"a": 1}).value) == 4000.0
    except ConfigError as error:
        assert str(error) == "not a formula: too many operators in one step; divide it into steps with names"


# The command


def test_explain_graph_prints_dot(fflm_main):
    code, out, err = fflm_main("explain-graph", "L = c * (a + 2 * b)", "a=3", "b=1", "c=-2")
    assert code == 0 and err == "" and out.startswith("digraph {") and out.endswith("}\n")
    assert '"L = *|value -10|gradient 1"' in out and '"a|value 3|gradient -2"' in out
    assert '"b|value 1|gradient -4"' in out and '"c|value -2|gradient 5"' in out


@pytest.mark.parametrize(
    "formula, number, said",
    [
        ("1 / a", 0, ""),
        ("a ** 0.5", -1, "note: ^0.5 of -1.0 is not a number\n"),
        ("a ** 400", 10, ""),
        ("log(a)", 0, ""),
    ],
)
def test_what_is_not_finite_is_shown_as_it_is(fflm_main, formula, number, said):
    code, out, err = fflm_main("explain-graph", formula, f"a={number}")
    assert (code, err) == (0, said) and ("inf" in out or "nan" in out)


def test_explain_graph_as_json(fflm_main):
    code, out, _ = fflm_main("explain-graph", "sum(W @ x)", "W=[[1, 2], [3, 4]]", "x=[1, -1]", "--json")
    nodes = json.loads(out)["nodes"]
    assert code == 0 and [node["name"] for node in nodes if node["name"]] == ["W", "x"]
    assert nodes[0]["gradient"] == [[1.0, -1.0], [1.0, -1.0]] and nodes[-1]["value"] == -2.0
    assert [(node["operation"], node["parents"]) for node in nodes] == [("", []), ("", []), ("@", [0, 1]), ("sum", [2])]
    values = [json.loads(fflm_main("explain-graph", "--json", "log(x)", "x=0").out)["nodes"][i] for i in (0, 1)]
    assert values[0]["gradient"] == "inf" and values[1]["value"] == "-inf"


def test_explain_graph_writes_files(fflm_main, tmp_path):
    target = tmp_path / "graph.dot"
    code, out, _ = fflm_main("explain-graph", "a * b", "a=1", "b=2", "--out", target)
    assert (code, out) == (0, f"graph        {target}\n") and target.read_text().startswith("digraph {")
    code, _, err = fflm_main("explain-graph", "a * b", "a=1", "b=2", "--out", target)
    assert (
        code == 1 and err == f"fflm: error: {target} exists already; choose another name, or replace it with --force\n"
    )


def test_explain_graph_draws_pictures(fflm_main, tmp_path):
    """Every value and gradient stands in the picture, which is a whole SVG by itself."""
    code, _, _ = fflm_main(
        "explain-graph", "L = sum(W @ x) ** 2", "W=[[1, 2]]", "x=[3, 4]", "--out", tmp_path / "g.svg"
    )
    picture = (tmp_path / "g.svg").read_text()
    assert code == 0 and ElementTree.fromstring(picture).tag == "{http://www.w3.org/2000/svg}svg"
    for text in ("W", "value [[1, 2]]", "gradient [[66, 88]]", "x", "gradient [22, 44]", "L = ^2", "value 121"):
        assert f">{text}</text>" in picture, text


def test_a_formula_that_begins_with_a_sign(fflm_main):
    assert json.loads(fflm_main("explain-graph", "--json", "--", "-log(a)", "a=1").out)["nodes"][0]["gradient"] == -1.0
    code, out, err = fflm_main("explain-graph", "-log(a)", "a=1")
    hint = "unrecognized arguments: -log(a); what begins with - and is no option needs -- before it\n"
    assert (code, out) == (2, "") and err.endswith(hint)
    assert fflm_main("info", "model", "another").err.endswith("unrecognized arguments: another\n")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["a * b", "a=1"], "b has no value; give one, b=1.5"),
        (["a", "a"], "a value must be given as NAME=NUMBER, got 'a'"),
        (["a", "--out", "g.dot", "a=b"], "a value must be given as NAME=NUMBER, got 'a=b'"),
        (["a", "a=true"], "a value must be given as NAME=NUMBER, got 'a=true'"),
        (["a", "=1"], "a value must be given as NAME=NUMBER, got '=1'"),
        (["a", "a=1", "a=2"], "a must be given one value, got two"),
        (["d = 2; d * 3", "d=5"], "the formula must use every value, got d, which does not occur in it"),
        (["1if"], "not a formula: invalid syntax"),
        (["relu(x)", "x=1", "relu=3"], "the formula must use every value, got relu, which does not occur in it"),
        (["a", "a=1", "b=2"], "the formula must use every value, got b, which does not occur in it"),
        (["a", "a=" + "9" * 320], "a must be a number, or lists of numbers of equal lengths, got " + "9" * 320),
        (["a", "a=b"], "a value must be given as NAME=NUMBER, got 'a=b'"),
        (["x", "x=[1, 2]"], "the formula must end in a single number to have gradients, got an array of shape (2,)"),
        (["W @ x", "W=[[1, 2]]", "x=[1]"], "W @ x: arrays of shapes (1, 2) and (1,) have no matrix product"),
        (["a", "a=1", "--out", "g.png"], "the file to write must end in .dot or .svg, got 'g.png'"),
    ],
)
def test_explain_graph_errors(fflm_main, arguments, message):
    code, out, err = fflm_main("explain-graph", *arguments)
    assert (code, out) == (1, "") and err == f"fflm: error: {message}\n"


def test_a_value_that_is_not_a_number_is_named(fflm_main):
    code, _, err = fflm_main("explain-graph", "L = -log(w * x + b)", "w=-2", "x=1", "b=-1")
    assert (code, err) == (0, "note: log of -3.0 is not a number\n")
    assert fflm_main("explain-graph", "log(x)", "x=2").err == ""
