"""Encoders: what a network sees of a context, or of a text, one a file."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from fflm.nn.draws import Draws
from fflm.nn.parameters import Parameters, Shape


class Encoder(Protocol):
    """How a batch becomes the inputs x of the first layer, and how a gradient finds its way back.

    An encoder is described first, by its sizes, and prepared before its first batch. Its parameters are tables of which
    a batch touches a few rows; only these are updated. `batch` is of the kind that the encoder reads (see
    `fflm.nn.batches`).

    Attributes
    ----------
    width : int
        Features of an input.
    """

    width: int

    def shapes(self) -> dict[str, Shape]:
        """Name and shape of each table, (rows, features)."""

    def initialise(self, generator: np.random.Generator) -> Parameters:
        """First values of the tables."""

    def prepare(self, parameters: Parameters, batch_size: int) -> None:
        """Lend the encoder its tables, and make scratch memory for batches of up to `batch_size` rows."""

    def read(self, batch: Any, x: np.ndarray, first: int, last: int, draws: Draws | None = None) -> None:
        """Rows first .. last-1 of the batch into x[first:last], x (B, >=width) *written*.

        Workers call it at once, each for rows of its own; `draws` is given in training.
        """

    def touched(self, batch: Any) -> dict[str, np.ndarray]:
        """The different rows (W,) int64 of each table that the batch has read; called once after `read`."""

    def gradients(self, name: str, first: int, last: int, grad_x: np.ndarray) -> np.ndarray:
        """Gradients (last - first, features) of the rows first .. last-1 of those in `touched`.

        grad_x (B, >=width) is *read*. Workers call it at once, each for rows of its own.
        """
