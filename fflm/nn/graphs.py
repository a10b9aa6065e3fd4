"""A feedforward network as a computation graph in float64, and its gradients against central differences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fflm import graph
from fflm.choices import ACTIVATIONS, COSTS
from fflm.expression import on_nodes
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
        a = on_nodes(ACTIVATIONS[activation].formula, z=z, s=slope)
    formula = COSTS[cost].stable or COSTS[cost].formula
    return on_nodes(formula, z=z, a=a, y=graph.value(y, "y"), K=graph.value(y.shape[1])).sum() / len(x)


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
