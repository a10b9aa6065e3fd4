"""A feedforward network as a computation graph in float64, and its gradients against central differences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fflm.config.names import ACTIVATIONS, COSTS
from fflm.nn.parameters import Parameters
from fflm.teaching import graph
from fflm.teaching.formulas import on_nodes

DIFFERENCE = 1e-5  # step of the central differences: their error is about its square
CORNERS = ("relu", "abs")  # operations without a derivative at 0


def cost_graph(
    arrays: Parameters, activations: Sequence[str], cost: str, x: np.ndarray, y: np.ndarray, stable: bool = False
) -> graph.Node:
    """Build the graph of the mean cost of examples x (N, inputs) with targets y (N, outputs).

    `arrays` holds ``layer.0.weights``, ``layer.0.bias``, ``layer.0.slope`` ...: nodes of these names, and of
    ``layer.0.z``, ``layer.0.a`` ... The cost is that of the outputs a, as in the lectures; if `stable` that of the
    last z where a formula for it is known, in which no logarithm meets 0.
    """
    a = graph.value(x, "x")
    for i, activation in enumerate(activations):
        weights, bias, slope = (
            graph.value(arrays[name], name) for name in (f"layer.{i}.{part}" for part in ("weights", "bias", "slope"))
        )
        z = (a @ weights.T + bias).named(f"layer.{i}.z")
        a = on_nodes(f"a = {ACTIVATIONS[activation].formula}", z=z, s=slope).named(f"layer.{i}.a")
    formula = (stable and COSTS[cost].stable) or COSTS[cost].formula
    return on_nodes(formula, z=z, a=a, y=graph.value(y, "y"), K=graph.value(y.shape[1])).sum() / len(x)


def lecture_graph(
    arrays: Parameters, activations: Sequence[str], cost: str, x: np.ndarray, y: np.ndarray
) -> graph.Node:
    """Build `cost_graph` of the outputs, as the lectures do; of the last z where it or a gradient is not finite."""
    with np.errstate(all="ignore"):
        root = cost_graph(arrays, activations, cost, x, y)
        root.backward()
    nodes = graph.in_order(root)
    if not all(
        np.isfinite(node.value).all() and node.grad is not None and np.isfinite(node.grad).all() for node in nodes
    ):
        return cost_graph(arrays, activations, cost, x, y, stable=True)
    for node in nodes:
        node.grad = None  # as of a graph just made
    return root


def central_differences(
    arrays: Parameters, names: Sequence[str], activations: Sequence[str], cost: str, x: np.ndarray, y: np.ndarray
) -> dict[str, np.ndarray]:
    """Compute (C(w + h) - C(w - h)) / 2h for every number w of the arrays `names`; arguments as of `cost_graph`.

    Where a corner lies between w - h and w + h, so that C has no derivative to compare with, it is nan.
    """
    exact, differences = Parameters({name: value.astype(np.float64) for name, value in arrays.items()}), {}
    for name in names:
        values, difference = exact[name], np.empty(exact[name].shape)
        for place in np.ndindex(values.shape):
            kept, ends = values[place], []
            for shifted in (kept + DIFFERENCE, kept - DIFFERENCE):
                values[place] = shifted
                ends.append(cost_graph(exact, activations, cost, x, y, stable=True))
            values[place] = kept
            difference[place] = float(ends[0].value - ends[1].value) / (2.0 * DIFFERENCE)
            if any((a != b).any() for a, b in zip(*map(_sides, ends), strict=True)):
                difference[place] = np.nan
        differences[name] = difference
    return differences


def largest_distance(grad: np.ndarray, exact: np.ndarray) -> float:
    """Compute the largest distance from central differences, over the largest of these; nan is left out."""
    known = ~np.isnan(exact)
    if not known.any():
        return float("nan")
    return float(np.abs(grad - exact)[known].max() / (np.abs(exact[known]).max() or 1.0))


def _sides(root: graph.Node) -> list[np.ndarray]:
    """Tell on which side of each corner of an activation every number is."""
    return [node.parents[0].value >= 0.0 for node in graph.in_order(root) if node.operation in CORNERS]
