"""A feedforward network as a computation graph in float64, and its gradients against central differences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fflm import graph
from fflm.choices import ACTIVATIONS
from fflm.nn.parameters import Parameters

DIFFERENCE = 1e-5  # step of the central differences: their error is about its square


def cost_graph(arrays: Parameters, activations: Sequence[str], cost: str, x: np.ndarray, y: np.ndarray) -> graph.Node:
    """The mean cost of examples x (N, inputs) with targets y (N, outputs).

    `arrays` holds ``layer.0.weights``, ``layer.0.bias``, ``layer.0.slope`` ...: nodes of these names.
    """
    a = graph.value(x, "x")
    for i, activation in enumerate(activations):
        weights, bias, slope = (
            graph.value(arrays[name], name) for name in (f"layer.{i}.{part}" for part in ("weights", "bias", "slope"))
        )
        z = a @ weights.T + bias
        a = _activated(activation, z, slope)
    return _cost(cost, z, a, graph.value(y, "y")).sum() / len(x)


def _activated(name: str, z: graph.Node, slope: graph.Node) -> graph.Node:
    if name == "identity":
        return z
    if name == "swish":
        return z * z.sigmoid()
    if ACTIVATIONS[name].slope is not None:
        return z.relu() - slope * (-z).relu()
    return getattr(z, name)()


def _cost(name: str, z: graph.Node, a: graph.Node, y: graph.Node) -> graph.Node:
    if name == "cross-entropy":
        return z.relu() - y * z + (1.0 + (-z.abs()).exp()).log()
    if name == "log-likelihood":
        return y * (z.logsumexp() - z)
    if name == "absolute":
        return (a - y).abs() / y.value.shape[1]
    return (a - y) ** 2 * (0.5 if name == "quadratic" else 1.0)


def central_differences(
    arrays: Parameters, names: Sequence[str], activations: Sequence[str], cost: str, x: np.ndarray, y: np.ndarray
) -> dict[str, np.ndarray]:
    """(C(w + h) - C(w - h)) / 2h for every number w of the arrays `names`; arguments as of `cost_graph`."""
    exact, differences = {name: value.astype(np.float64) for name, value in arrays.items()}, {}
    for name in names:
        values, difference = exact[name], np.empty(exact[name].shape)
        for place in np.ndindex(values.shape):
            kept, ends = values[place], []
            for shifted in (kept + DIFFERENCE, kept - DIFFERENCE):
                values[place] = shifted
                ends.append(float(cost_graph(exact, activations, cost, x, y).value))
            values[place] = kept
            difference[place] = (ends[0] - ends[1]) / (2.0 * DIFFERENCE)
        differences[name] = difference
    return differences
