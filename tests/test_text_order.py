"""The order in which training visits a text."""

import numpy as np
import pytest
import reference

from fflm.text.order import SHUFFLE_ROUNDS, ShuffledOrder


def all_places(order, batch=7):
    out = np.full(order.size, -1)
    for first in range(0, order.size, batch):
        order.places(first, out[first : first + batch])
    return out


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
def test_a_shuffled_order_is_the_permutation_of_its_seed_and_epoch():
    keys = np.random.SeedSequence([5, 2]).generate_state(SHUFFLE_ROUNDS)
    assert all_places(ShuffledOrder(50, seed=5, epoch=2)).tolist() == reference.shuffled(50, keys).tolist()


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
def test_every_place_comes_once_and_every_epoch_differs():
    orders = [all_places(ShuffledOrder(60, seed, epoch)).tolist() for seed in (1, 2) for epoch in (0, 1)]
    assert all(sorted(order) == list(range(60)) for order in orders)
    assert len(set(map(tuple, orders))) == 4


@pytest.mark.parametrize("size, run", [(1, 4), (5, 2), (60, 7), (64, 8), (61, 100)])
def test_runs_come_whole_and_every_place_once(size, run):
    orders = [all_places(ShuffledOrder(size, 3, epoch, run)) for epoch in (0, 1)]
    for order in orders:
        assert sorted(order.tolist()) == list(range(size))
        following = (order[1:] - order[:-1]) % size == 1
        whole = size // min(run, size)
        assert following.sum() >= size - 1 - whole
    if size > 30 and run < size:
        assert orders[0].tolist() != orders[1].tolist()
