"""The hidden layers, built from the options of a network."""

from __future__ import annotations

from collections.abc import Sequence

from fflm.nn.layers import Layer
from fflm.nn.layers.chain import Chain
from fflm.nn.layers.concatenate import Concatenate
from fflm.nn.layers.dense import Dense
from fflm.nn.layers.dropout import Dropout


def hidden_layers(
    width: int, hidden_dims: Sequence[int], activation: str, dropout: float = 0.0, direct: bool = False
) -> Layer:
    """Build fully connected layers ``hidden.0``, ``hidden.1`` ... each with dropout.

    Parameters
    ----------
    width : int
        Features of the inputs.
    hidden_dims : sequence of int
        Units of each layer.
    activation : str
    dropout : float
        Share of the units dropped in training.
    direct : bool
        Put the inputs beside the last layer's outputs (the paper's direct connections); without hidden layers they are
        the outputs anyway.

    Examples
    --------
    >>> hidden_layers(6, (4, 3), "tanh").shapes()["hidden.1.weights"]
    (3, 4)
    """
    layers: list[Layer] = []
    inputs = width
    for i, units in enumerate(hidden_dims):
        layers.append(Dense(f"hidden.{i}", inputs, units, activation))
        if dropout > 0.0:
            layers.append(Dropout(units, dropout, place=i + 1))
        inputs = units
    chain = Chain(width, layers)
    return Concatenate(chain) if direct and layers else chain
