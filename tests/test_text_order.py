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
