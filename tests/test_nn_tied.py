"""Output weights that are the embeddings (Press and Wolf 2017)."""

import json
from dataclasses import replace

import numpy as np
import pytest

import fflm
from fflm.config import ModelConfig, TrainConfig
from fflm.errors import ConfigError
from fflm.nn.batches import Windows
from fflm.nn.draws import Draws
from fflm.nn.language_model import context_network, initialise, shapes
from fflm.nn.optimizers import Optimizer
from fflm.nn.outputs.sampled import WordSampler
from fflm.nn.parameters import Parameters
from fflm.runtime.workers import Workers
from fflm.training.plan import with_plan

V, M = 30, 5
CONFIG = ModelConfig(context_size=2, bag_size=6, pairs=7, embedding_dim=M, hidden_dims=(4, M), tied=True)
RNG = np.random.default_rng(3)
BATCH = Windows(RNG.integers(3, V, 30).astype(np.int32), np.arange(10, 30), np.array([14]))
TINY = {"context_size": 2, "embedding_dim": 8, "tied": True, "schedule": "plateau", "ngram_order": 0, "quiet": True}


PROJECTED = replace(CONFIG, hidden_dims=(7,))


def drawn(config: ModelConfig = CONFIG) -> Parameters:
    rng = np.random.default_rng(1)
    return Parameters({n: (rng.standard_normal(s) * 0.6).astype(np.float32) for n, s in shapes(config, V).items()})


def test_there_is_one_table():
    assert shapes(CONFIG, V)["embeddings"] == (V, M) and "output.weights" not in shapes(CONFIG, V)
    assert list(initialise(CONFIG, np.ones(V, np.int64), seed=1)) == list(shapes(CONFIG, V))


@pytest.mark.parametrize("config", [CONFIG, PROJECTED])
def test_its_gradient_is_the_sum_of_both_by_central_differences(config):
    network, parameters, out = context_network(config, V), drawn(config), np.empty(len(BATCH))
    with Workers(2) as workers:
        network.prepare(parameters, workers, len(BATCH), True, keep_gradient=True)
        _, grads = network.gradients(BATCH)
        for row in (*range(3, 9), 0, V - 1):
            for column in range(M):
                before, difference, means = parameters["embeddings"][row, column], np.float32(1e-2), []
                for value in (before + difference, before - difference):
                    parameters["embeddings"][row, column] = value
                    network.log_probs(BATCH, out)
                    means.append(-out.mean())
                parameters["embeddings"][row, column] = before
                numeric = (means[0] - means[1]) / (2 * float(difference))
                assert grads["embeddings"][row, column] == pytest.approx(numeric, rel=2e-2, abs=3e-4)


def test_a_step_of_sgd_takes_the_whole_gradient_away():
    """By a network that is prepared twice, which once left it without memory for the gradients of tables."""
    parameters, network = drawn(), context_network(CONFIG, V)
    before = parameters["embeddings"].copy()
    with Workers(2) as workers:
        network.prepare(parameters, workers, len(BATCH), True, keep_gradient=True)
        _, grads = network.gradients(BATCH)
        network.prepare(parameters, workers, len(BATCH), True)
        optimizer = Optimizer("sgd", parameters)
        optimizer.begin_step(1, 0.5)
        network.step(BATCH, optimizer)
    np.testing.assert_allclose(parameters["embeddings"], before - 0.5 * grads["embeddings"], rtol=0, atol=2e-6)


@pytest.mark.parametrize("config", [CONFIG, PROJECTED])
@pytest.mark.parametrize("clip_norm", [None, 0.5])
def test_sampled_steps_are_the_same_for_any_number_of_threads(clip_norm, config):
    found = []
    for threads in (1, 2, 3):
        parameters = drawn(config)
        network = context_network(config, V, 0.3, 0.2, 0.5, sampler=WordSampler(np.arange(V), 9))
        optimizer = Optimizer("adamw", parameters, 0.1)
        with Workers(threads) as workers:
            network.prepare(parameters, workers, len(BATCH), True, clip_norm)
            for step in range(4):
                optimizer.begin_step(step + 1, 0.01)
                network.step(BATCH, optimizer, Draws(1, step, sampled=step < 3))
        found.append([value.tobytes() for value in parameters.values()])
    assert found[0] == found[1] == found[2]


def test_a_run_is_resumed_to_the_bit_and_its_file_read_again(tmp_path):
    (tmp_path / "text").write_text("a cat sat on the big red mat and it purred . " * 60)
    text = str(tmp_path / "text")
    for name, calls in (("twice", (1, 2)), ("once", (2,))):
        for number, epochs in enumerate(calls):
            fflm.train(text, out=tmp_path / name, resume=number > 0, epochs=epochs, **TINY)
    once, twice = (fflm.load(tmp_path / name).lm.parameters for name in ("once", "twice"))
    assert {name: value.tobytes() for name, value in once.items()} == {n: v.tobytes() for n, v in twice.items()}
    assert json.loads((tmp_path / "once" / "config.json").read_text())["tied"] is True
    assert fflm.load(tmp_path / "once").info()["model"]["tied"] is True


def test_a_projection_follows_a_hidden_layer_of_another_width():
    for shape, inputs in (
        ({"hidden_dims": 6}, 6),
        ({"hidden_dims": (5, 7)}, 7),
        ({"hidden_dims": 5, "direct": True}, 60),
    ):
        found = shapes(ModelConfig(embedding_dim=5, context_size=10, bag_size=100, tied=True, **shape), V)
        assert found["projection.weights"] == (5, inputs) and "output.weights" not in found
    assert "projection.weights" not in shapes(ModelConfig(embedding_dim=5, hidden_dims=5, tied=True), V)


def test_frozen_vectors_are_not_tied(tmp_path):
    (tmp_path / "text").write_text("a cat sat on the big red mat and it purred . " * 60)
    (tmp_path / "vectors").write_text("cat 1 2 3\nmat 3 2 1\n")
    options = {"vectors": str(tmp_path / "vectors"), "freeze_vectors": True, "epochs": 1, "quiet": True}
    with pytest.raises(ConfigError, match="^tied can't be with freeze_vectors: the output learns them$"):
        fflm.train(str(tmp_path / "text"), tied=True, hidden_dims=3, **options)
    fflm.train(str(tmp_path / "text"), **options)


def test_what_the_user_says_unties_or_ties_a_plan():
    plan = {"embedding_dim": 20, "hidden_dims": (20,), "tied": True}

    def planned(**given):
        config = TrainConfig(**{name: value for name, value in given.items() if name == "optimizer"})
        shape = ModelConfig(**{n: v for n, v in given.items() if n in ("hidden_dims", "embedding_dim", "direct")})
        shape = with_plan(shape, config, given, plan)[0]
        return shape.embedding_dim, shape.hidden_dims, shape.tied

    assert planned() == (20, (20,), True)
    assert planned(hidden_dims=(30,)) == (20, (30,), False)
    assert planned(embedding_dim=30) == (30, (20,), True)
    assert planned(direct=True) == (20, (20,), False)
    assert planned(tied=False) == (20, (20,), False)
    shape = ModelConfig(embedding_dim=30, tied=True)
    shape = with_plan(shape, TrainConfig(), {"embedding_dim": 30, "tied": True}, plan)[0]
    assert (shape.embedding_dim, shape.hidden_dims, shape.tied) == (30, (20,), True)
