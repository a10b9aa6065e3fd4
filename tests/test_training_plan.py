"""The plan of a run: larger networks for more time, and nothing that a user gave is planned."""

import math

import pytest

from fflm.config import ModelConfig, TrainConfig
from fflm.training.plan import PLANNED, SIZES, make_plan, training_seconds, with_plan

TEXTS = [(30, 20), (10_000, 900), (420_000, 8_900), (800_000, 16_383), (2_090_000, 33_278)]


def units(plan):
    return plan["embedding_dim"] * plan["hidden_dims"][0]


@pytest.mark.parametrize(("tokens", "vocab_size"), TEXTS)
def test_more_time_or_a_faster_machine_never_makes_a_smaller_network(tokens, vocab_size):
    for flops in (5e10, 1.5e11, 6e11):
        found = [units(make_plan(tokens, vocab_size, seconds, flops=flops)) for seconds in (1, 10, 60, 300, 1200, 9000)]
        assert found == sorted(found)
    slow, fast = (units(make_plan(tokens, vocab_size, 300.0, flops=flops)) for flops in (1e10, 1e12))
    assert slow <= fast


def test_a_few_lines_get_the_smallest_network_however_long_it_may_train():
    plan = make_plan(30, 20, seconds=1e6)
    assert plan["hidden_dims"] == SIZES[0].hidden_dims and plan["pairs"] == 0 and plan["bag_size"] == 30


@pytest.mark.parametrize(("tokens", "vocab_size", "seconds", "dims", "dropout"), [
    (420_000, 8_900, 50.0, (64, (128,)), 0.1),
    (420_000, 8_900, 280.0, (192, (1024,)), 0.5),  # the shorter text with the larger dropout
    (420_000, 8_900, 1e5, (192, (1024,)), 0.5),
    (800_000, 16_383, 50.0, (64, (128,)), 0.1),
    (800_000, 16_383, 280.0, (200, (200,)), 0.3),
    (800_000, 16_383, 1150.0, (192, (1024,)), 0.4),
    (2_090_000, 33_278, 280.0, (200, (200,)), 0.3),
    (2_090_000, 33_278, 1150.0, (192, (1024,)), 0.4),
])  # fmt: skip
def test_sizes_at_the_speed_of_a_laptop(tokens, vocab_size, seconds, dims, dropout):
    """At 1.5e11 operations a second: the texts of about these sizes that the plan was made on."""
    plan = make_plan(tokens, vocab_size, seconds, flops=1.5e11)
    assert ((plan["embedding_dim"], plan["hidden_dims"]), plan["dropout"]) == (dims, dropout)


def test_characters_get_longer_contexts_two_layers_and_longer_n_grams():
    plan = make_plan(1_000_000, 65, 60.0, flops=1.5e11, characters=True)
    assert (plan["context_size"], plan["hidden_dims"], plan["ngram_order"]) == (12, (512, 256), 7)
    small = make_plan(5_000, 40, characters=True)
    assert small["hidden_dims"] == (128, 64) and small["pairs"] == 0
    assert make_plan(1_000_000, 65, 60.0)["ngram_order"] == 5


def test_few_epochs_get_a_network_that_needs_no_more():
    assert make_plan(420_000, 8_900, epochs=1)["hidden_dims"] == (128,)
    assert make_plan(420_000, 8_900, epochs=3)["hidden_dims"] == (200,)
    assert make_plan(420_000, 8_900, epochs=4)["hidden_dims"] == (1024,)


def test_a_larger_vocabulary_is_slower_and_the_exact_softmax_more_so():
    for size in SIZES:
        speeds = [size.tokens_per_second(vocab_size, 1.5e11) for vocab_size in (100, 1_000, 30_000, 300_000)]
        assert speeds == sorted(speeds, reverse=True) and speeds[0] > speeds[-1]


def test_evaluation_takes_its_time_but_never_most_of_it():
    assert training_seconds(60.0, 0, 16_384, 1.5e11) == pytest.approx(57.0)
    assert 30.0 < training_seconds(60.0, 200_000, 16_384, 1.5e11) < 57.0
    assert training_seconds(60.0, 10**9, 16_384, 1.5e11) == training_seconds(60.0, 10**12, 16_384, 1.5e11) > 0.0


def test_what_was_given_is_kept_and_everything_else_is_planned():
    plan = make_plan(800_000, 16_383, 1150.0)
    shape, config = with_plan(ModelConfig(), TrainConfig(dropout=0.05), {"dropout": 0.05}, plan)
    assert config.dropout == 0.05 and shape.hidden_dims == (1024,) and config.learning_rate == plan["learning_rate"]
    for name in set(PLANNED) - {"dropout"}:
        assert getattr(shape if hasattr(shape, name) else config, name) == plan[name]
    given = {"hidden_dims": (7,)}
    shape, _ = with_plan(ModelConfig(hidden_dims=(7,)), TrainConfig(), given, plan)
    assert (shape.hidden_dims, shape.activation, shape.tied) == ((7,), "tanh", False)
    assert math.isfinite(make_plan(10**9, 250_000, 3600.0)["learning_rate"])
