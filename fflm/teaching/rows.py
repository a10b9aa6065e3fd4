"""Rows of numbers as the inputs of a network: no embeddings, nothing learned."""

from __future__ import annotations

import numpy as np

from fflm.nn.batches import Examples
from fflm.nn.draws import Draws
from fflm.nn.parameters import Parameters, Shape


class RowsEncoder:
    """An encoder whose inputs are the examples themselves.

    Parameters
    ----------
    width : int
        Numbers of an example.
    """

    def __init__(self, width: int):
        self.width = width

    def shapes(self) -> dict[str, Shape]:
        """Return an empty dict: the encoder has no tables."""
        return {}

    def initialise(self, generator: np.random.Generator) -> Parameters:
        """Return an empty dict: the encoder has no tables."""
        return Parameters()

    def prepare(self, parameters: Parameters, batch_size: int) -> None:
        """Do nothing: the encoder has no tables and no scratch memory."""

    def read(self, batch: Examples, x: np.ndarray, first: int, last: int, draws: Draws | None = None) -> None:
        """Copy examples first .. last-1 into x (B, >=width) *written*."""
        x[first:last, : self.width] = batch.inputs[first:last]

    def touched(self, batch: Examples) -> dict[str, np.ndarray]:
        """Return an empty dict: the encoder has no tables."""
        return {}

    def collect(self, grad_x: np.ndarray, first: int, last: int) -> None:
        """Do nothing: the encoder has no tables."""

    def gradients(self, name: str, first: int, last: int, grad_x: np.ndarray) -> np.ndarray:
        """Raise an error if called: the encoder has no tables."""
        raise KeyError(name)
