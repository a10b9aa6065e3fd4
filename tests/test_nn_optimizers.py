"""Optimisers against the reference and against PyTorch."""

import numpy as np
import pytest
import reference

from fflm.config import ModelConfig
from fflm.config.names import ACTIVATIONS, RULES
from fflm.nn.network import context_network
from fflm.nn.optimizers import Optimizer
from fflm.nn.parameters import shapes
from fflm.runtime.workers import Workers

RATES = {
    "sgd": 0.5,
    "momentum": 0.1,
    "adagrad": 0.05,
    "rmsprop": 0.01,
    "adadelta": 1.0,
    "adam": 0.01,
    "adamw": 0.01,
}


@pytest.fixture
def torch():
    """PyTorch on one thread: two pools of threads would fight for the cores."""
    module = pytest.importorskip("torch", reason="PyTorch, an independent implementation, is not installed")
    threads = module.get_num_threads()
    module.set_num_threads(1)
    yield module
    module.set_num_threads(threads)


def table(rows=6, columns=5, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "output.weights": rng.standard_normal((rows, columns)).astype(np.float32),
        "output.bias": rng.standard_normal(rows).astype(np.float32),
    }


def gradient(parameters, step):
    rng = np.random.default_rng(1000 + step)
    return {name: rng.standard_normal(value.shape).astype(np.float32) for name, value in parameters.items()}


TOLERANCE = 1e-6


@pytest.mark.parametrize("decay", [0.0, 0.2])
@pytest.mark.parametrize("name", RULES)
def test_against_the_reference(name, decay):
    parameters, rate = table(), RATES[name]
    optimizer = Optimizer(name, parameters, decay)
    exact, states = reference.widened(parameters), {key: {} for key in parameters}
    for step in range(1, 9):
        step_rate = rate / step  # as a schedule changes it
        optimizer.begin_step(step, step_rate)
        for key, grad in gradient(parameters, step).items():
            optimizer.update(key, grad[:2], 0, 2)
            optimizer.update(key, grad[2:], 2, 6)
            own_decay = 0.0 if key.endswith("bias") else decay
            exact[key] = reference.RULES[name](
                exact[key], grad.astype(np.float64), states[key], step, step_rate, own_decay
            )
    for key in parameters:
        np.testing.assert_allclose(parameters[key], exact[key], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", RULES)
def test_the_state_is_what_the_rule_keeps(name):
    parameters = table()
    kept = ("first", "second")[: RULES[name].states]
    state = Optimizer(name, parameters).state
    assert set(state) == {f"{average}.{key}" for average in kept for key in parameters}
    for key, value in state.items():
        assert value.shape == parameters[key.split(".", 1)[1]].shape and value.dtype == np.float32 and not value.any()


@pytest.mark.parametrize("name", RULES)
def test_rows_are_updated_as_a_whole_table_is(name):
    whole, rows = ({"embeddings": table()["output.weights"]} for _ in range(2))
    optimizers = [Optimizer(name, parameters, 0.1) for parameters in (whole, rows)]
    words = np.array([4, 0, 5], np.int64)
    start = rows["embeddings"].copy()
    for step in range(1, 5):
        grad = gradient(whole, step)["embeddings"]
        for optimizer in optimizers:
            optimizer.begin_step(step, RATES[name])
        optimizers[0].update("embeddings", grad, 0, 6)
        optimizers[1].update_rows("embeddings", grad[words], words)
    assert (rows["embeddings"][words] == whole["embeddings"][words]).all()
    assert (rows["embeddings"][[1, 2, 3]] == start[[1, 2, 3]]).all()
    for key, value in optimizers[1].state.items():
        assert (value[words] == optimizers[0].state[key][words]).all() and not value[[1, 2, 3]].any()


# PyTorch


def torch_optimizer(torch, name, groups, rate):
    adam = {"lr": rate, "betas": (0.9, 0.999), "eps": 1e-8}
    return {
        "sgd": lambda: torch.optim.SGD(groups, lr=rate),
        "momentum": lambda: torch.optim.SGD(groups, lr=rate, momentum=0.9),
        "adagrad": lambda: torch.optim.Adagrad(groups, lr=rate, eps=1e-10),
        "rmsprop": lambda: torch.optim.RMSprop(groups, lr=rate, alpha=0.99, eps=1e-8),
        "adadelta": lambda: torch.optim.Adadelta(groups, lr=rate, rho=0.9, eps=1e-6),
        "adam": lambda: torch.optim.Adam(groups, **adam),
        "adamw": lambda: torch.optim.AdamW(groups, **adam, weight_decay=0.0),
    }[name]()


@pytest.mark.parametrize("name", RULES)
def test_against_pytorch(name, torch):
    decay = 0.2 if name == "adamw" else 0.0
    rate = RATES[name]
    parameters = table()
    tensors = {key: torch.nn.Parameter(torch.tensor(value)) for key, value in parameters.items()}
    groups = [{"params": [tensors["output.weights"]]}, {"params": [tensors["output.bias"]]}]
    if name == "adamw":
        groups[0]["weight_decay"] = decay
    theirs, own = torch_optimizer(torch, name, groups, rate), Optimizer(name, parameters, decay)
    for step in range(1, 6):
        own.begin_step(step, rate)
        for key, grad in gradient(parameters, step).items():
            own.update(key, grad, 0, 6)
            tensors[key].grad = torch.tensor(grad)
        theirs.step()
    for key, tensor in tensors.items():
        found = tensor.detach().numpy()
        np.testing.assert_allclose(parameters[key], found, rtol=0, atol=TOLERANCE, err_msg=key)


def torch_activation(torch, name, z, slope):
    """PyTorch's own function of that name."""
    functional = torch.nn.functional
    return {
        "identity": lambda: z,
        "sigmoid": lambda: torch.sigmoid(z),
        "tanh": lambda: torch.tanh(z),
        "relu": lambda: functional.relu(z),
        "leaky-relu": lambda: functional.leaky_relu(z, 0.01),
        "prelu": lambda: functional.prelu(z, slope),
        "swish": lambda: functional.silu(z),
    }[name]()


def torch_loss(torch, tensors, config, contexts, targets):
    """The network of the paper in PyTorch's own operations."""
    functional = torch.nn.functional
    x = functional.embedding(torch.tensor(contexts, dtype=torch.long), tensors["embeddings"]).flatten(1)
    below = x
    for i in range(len(config.hidden_dims)):
        z = functional.linear(below, tensors[f"hidden.{i}.weights"], tensors[f"hidden.{i}.bias"])
        below = torch_activation(torch, config.activation, z, tensors.get(f"hidden.{i}.slope"))
    features = torch.cat([below, x], dim=1) if config.direct else below
    logits = functional.linear(features, tensors["output.weights"], tensors["output.bias"])
    return functional.cross_entropy(logits, torch.tensor(targets, dtype=torch.long), reduction="none")


HIDDEN = [name for name, activation in ACTIVATIONS.items() if not activation.whole]
COMBINATIONS = [
    *(("tanh", (6,), False, name) for name in RULES),
    *((name, (5, 4), True, "adam") for name in HIDDEN),
]


@pytest.mark.parametrize("clip_norm", [None, 0.2])
@pytest.mark.parametrize("activation, hidden, direct, name", COMBINATIONS)
def test_the_whole_network_against_pytorch(name, activation, hidden, direct, clip_norm, torch):
    shape = {"context_size": 2, "bag_size": 0, "embedding_dim": 3, "hidden_dims": hidden}
    config = ModelConfig(**shape, activation=activation, direct=direct)
    rng = np.random.default_rng(0)
    vocab_size, rows, rate = 12, 40, RATES[name]
    parameters = {
        key: (rng.standard_normal(shape) * 0.5).astype(np.float32) for key, shape in shapes(config, vocab_size).items()
    }
    tensors = {key: torch.nn.Parameter(torch.tensor(value)) for key, value in parameters.items()}
    theirs, own = torch_optimizer(torch, name, list(tensors.values()), rate), Optimizer(name, parameters)
    with Workers(2) as team:
        network = context_network(config, parameters, team, rows, training=True, clip_norm=clip_norm)
        for step in range(1, 6):
            contexts = rng.integers(0, vocab_size, (rows, 2)).astype(np.int32)
            contexts[:vocab_size, 0] = np.arange(vocab_size)  # all occur: the lazy update is PyTorch's dense one
            targets = rng.integers(0, vocab_size, rows).astype(np.int32)
            own.begin_step(step, rate)
            losses = np.empty(rows)
            network.step(network.inputs.given(contexts, targets), losses, own)
            theirs.zero_grad()
            loss = torch_loss(torch, tensors, config, contexts, targets)
            loss.mean().backward()
            if clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(tensors.values(), clip_norm)
            theirs.step()
            np.testing.assert_allclose(losses, loss.detach().numpy(), rtol=0, atol=2e-5)
    for key, tensor in tensors.items():
        np.testing.assert_allclose(parameters[key], tensor.detach().numpy(), rtol=0, atol=2e-5, err_msg=key)


@pytest.mark.filterwarnings("ignore:Sparse invariant checks:UserWarning")  # in PyTorch's own Adagrad
@pytest.mark.parametrize("name", ["sgd", "adagrad"])
def test_lazy_rules_are_pytorchs_on_sparse_gradients(torch, name):
    """PyTorch has three: SGD, Adagrad and SparseAdam. The others are its dense rules on the rows that occur."""
    parameters = {"embeddings": table()["output.weights"]}
    tensor = torch.nn.Parameter(torch.tensor(parameters["embeddings"]))
    theirs, own = torch_optimizer(torch, name, [tensor], RATES[name]), Optimizer(name, parameters)
    for step in range(1, 6):
        words = np.sort(np.random.default_rng(step).permutation(6)[:3]).astype(np.int64)
        grad = gradient(parameters, step)["embeddings"][words]
        own.begin_step(step, RATES[name])
        own.update_rows("embeddings", grad, words)
        tensor.grad = torch.sparse_coo_tensor(
            torch.tensor(words)[None], torch.tensor(grad), (6, 5), check_invariants=True
        )
        theirs.step()
    np.testing.assert_allclose(parameters["embeddings"], tensor.detach().numpy(), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", ["momentum", "rmsprop", "adadelta"])
def test_lazy_rules_are_pytorchs_dense_ones_row_by_row(torch, name):
    """A row that occurs in some steps is updated as a tensor of its own that has known only those steps."""
    parameters = {"embeddings": table()["output.weights"]}
    rows = [torch.nn.Parameter(torch.tensor(row)) for row in parameters["embeddings"].copy()]
    theirs = [torch_optimizer(torch, name, [row], RATES[name]) for row in rows]
    own = Optimizer(name, parameters)
    for step in range(1, 6):
        words = np.sort(np.random.default_rng(step).permutation(6)[:3]).astype(np.int64)
        grad = gradient(parameters, step)["embeddings"][words]
        own.begin_step(step, RATES[name])
        own.update_rows("embeddings", grad, words)
        for word, part in zip(words, grad, strict=True):
            rows[word].grad = torch.tensor(part)
            theirs[word].step()
    found = np.stack([row.detach().numpy() for row in rows])
    np.testing.assert_allclose(parameters["embeddings"], found, rtol=0, atol=TOLERANCE)


def test_e18_sparse_adam_is_pytorchs(torch):
    """The lazy form of Adam: E18 of the lectures."""
    parameters = {"embeddings": table()["output.weights"]}
    tensor = torch.nn.Parameter(torch.tensor(parameters["embeddings"]))
    theirs, own = torch.optim.SparseAdam([tensor], lr=0.01), Optimizer("adam", parameters)
    for step in range(1, 6):
        words = np.sort(np.random.default_rng(step).permutation(6)[:3]).astype(np.int64)
        grad = gradient(parameters, step)["embeddings"][words]
        own.begin_step(step, 0.01)
        own.update_rows("embeddings", grad, words)
        tensor.grad = torch.sparse_coo_tensor(
            torch.tensor(words)[None], torch.tensor(grad), (6, 5), check_invariants=True
        )
        theirs.step()
    np.testing.assert_allclose(parameters["embeddings"], tensor.detach().numpy(), rtol=0, atol=TOLERANCE)
