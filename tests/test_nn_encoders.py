"""The encoders of word pairs and of several encoders side by side; bags with decays."""

import numpy as np
import pytest

from fflm.config import ModelConfig
from fflm.errors import ConfigError
from fflm.kernels import word_pairs
from fflm.nn.batches import Contexts, Windows
from fflm.nn.draws import Draws
from fflm.nn.encoders.context import ContextEncoder
from fflm.nn.encoders.pairs import PairEncoder
from fflm.nn.encoders.side_by_side import SideBySide
from fflm.nn.language_model import context_network, initialise, shapes
from fflm.nn.parameters import Parameters
from fflm.runtime.workers import Workers

V, M, ROWS = 12, 3, 17
RNG = np.random.default_rng(0)
TABLES = {
    "embeddings": RNG.standard_normal((V, M)).astype(np.float32),
    "pairs": RNG.standard_normal((ROWS, M)).astype(np.float32),
}


def read(encoder, batch, draws=None):
    encoder.prepare(Parameters(TABLES), len(batch))
    x = np.full((len(batch), encoder.width + 2), 7.0, np.float32)
    encoder.read(batch, x, 0, len(batch), draws)
    assert (x[:, encoder.width :] == 7.0).all()
    return x[:, : encoder.width]


def contexts(rows=9, places=4):
    return RNG.integers(0, V, (rows, places)).astype(np.int32)


def test_a_pair_has_the_row_of_its_hash():
    ids = contexts()
    expected = TABLES["pairs"][[word_pairs.pair_row(a, b, ROWS) for a, b in ids[:, -2:]]]
    assert (read(PairEncoder(ROWS, M), Contexts(ids)) == expected).all()


def test_hashes_of_pairs_are_spread_evenly():
    counts = np.zeros(100, int)
    for a in range(100):
        for b in range(100):
            counts[word_pairs.pair_row(np.int32(a), np.int32(b), 100)] += 1
    assert counts.sum() == 10_000
    assert 60 < counts.min() and counts.max() < 145  # 100 each, give or take 10


def test_pairs_of_a_stream_are_those_of_its_contexts():
    """<s> stands before a text's beginning, a break and a </s>, as in the contexts of the embeddings."""
    stream = np.array([5, 6, 2, 7, 8, 9, 3, 2, 4, 4], np.int32)
    breaks, positions = np.array([5]), np.arange(10)
    encoder = ContextEncoder(V, M, 2)
    windows = Windows(stream, positions, breaks)
    read(encoder, windows)
    x = read(PairEncoder(ROWS, M), windows)
    assert (x == read(PairEncoder(ROWS, M), Contexts(encoder.contexts.copy()))).all()


def test_dropped_pairs_leave_nothing_and_others_weigh_more():
    ids = contexts(rows=400)
    whole, kept = (
        read(PairEncoder(ROWS, M), Contexts(ids)),
        read(PairEncoder(ROWS, M, 0.75), Contexts(ids), Draws(1, 1)),
    )
    dropped = (kept == 0.0).all(axis=1)
    assert 0.65 < dropped.mean() < 0.85
    assert (kept[~dropped] == whole[~dropped] * np.float32(4.0)).all()
    assert (read(PairEncoder(ROWS, M, 0.75), Contexts(ids)) == whole).all()  # evaluation drops nothing


def test_side_by_side_writes_columns_and_divides_gradients():
    ids = contexts()
    parts = [ContextEncoder(V, M, 2, 2, (0.5,)), PairEncoder(ROWS, M, 0.5)]
    both, draws = SideBySide(parts), Draws(2, 3)
    x = read(both, Contexts(ids), draws)
    alone = [
        read(part, Contexts(ids), draws) for part in (ContextEncoder(V, M, 2, 2, (0.5,)), PairEncoder(ROWS, M, 0.5))
    ]
    assert (x == np.concatenate(alone, axis=1)).all()
    assert both.shapes() == {"embeddings": (V, M), "pairs": (ROWS, M)}
    grad_x = RNG.standard_normal((len(ids), both.width)).astype(np.float32)
    touched = both.touched(Contexts(ids))
    both.collect(grad_x, 0, len(ids))
    inner = (x * grad_x).sum()  # x is linear in the tables: <x, G> = the sum over tables of <table, gradient>
    total = sum((TABLES[n][rows] * both.gradients(n, 0, len(rows), grad_x)).sum() for n, rows in touched.items())
    assert total == pytest.approx(inner, rel=1e-4)


CONFIG = ModelConfig(context_size=2, bag_size=6, bag_decays=(0.6, 1.0), pairs=ROWS, embedding_dim=M, hidden_dims=4)


def test_shapes_and_first_values():
    assert shapes(CONFIG, V)["hidden.0.weights"] == (4, (2 + 2 + 1) * M)
    assert not initialise(CONFIG, np.ones(V, np.int64), seed=1)["pairs"].any()


def test_gradients_of_every_table_by_central_differences():
    network = context_network(CONFIG, V)
    parameters = Parameters({n: (RNG.standard_normal(s) * 0.6).astype(np.float32) for n, s in network.shapes().items()})
    stream = RNG.integers(3, V, 30).astype(np.int32)
    batch = Windows(stream, np.arange(10, 30), np.array([14]))
    out = np.empty(len(batch))
    with Workers(2) as workers:
        network.prepare(parameters, workers, len(batch), True, keep_gradient=True)
        _, grads = network.gradients(batch)
        for name in ("embeddings", "pairs", "hidden.0.weights"):
            for row, column in [(3, 0), (5, 1), (2, 2), (0, 1)]:
                row %= len(parameters[name])
                before, difference = parameters[name][row, column], np.float32(1e-2)
                parameters[name][row, column] = before + difference
                network.log_probs(batch, out)
                above = -out.mean()
                parameters[name][row, column] = before - difference
                network.log_probs(batch, out)
                below = -out.mean()
                parameters[name][row, column] = before
                numeric = (above - below) / (2 * float(difference))
                assert grads[name][row, column] == pytest.approx(numeric, rel=2e-2, abs=2e-4)


def test_decays_are_checked():
    with pytest.raises(ConfigError, match=r"^bag_decays must be above 0\.0"):
        ModelConfig(bag_decays=(0.5, 0.0))
    with pytest.raises(ConfigError, match="^bag_decays must be at most 1.0|^bag_decays must be "):
        ModelConfig(bag_decays=(1.5,))
    with pytest.raises(ConfigError, match="^bag_decays must not be empty"):
        ModelConfig(bag_decays=())
    assert ModelConfig(bag_decays=0.5).bag_decays == (0.5,)
