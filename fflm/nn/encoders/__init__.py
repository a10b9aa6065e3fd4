"""Encoders, one in each file: they turn a context, or a text, into the inputs of a network."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from fflm.nn.draws import Draws
from fflm.nn.parameters import Parameters, Shape


class Encoder(Protocol):
    """The protocol of encoders: they compute the inputs x of the first layer, and the gradients of their tables.

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
        """Return the name and shape of each table, (rows, features)."""

    def initialise(self, generator: np.random.Generator) -> Parameters:
        """Draw the first values of the tables."""

    def prepare(self, parameters: Parameters, batch_size: int) -> None:
        """Lend the encoder its tables, and make scratch memory for batches of up to `batch_size` rows."""

    def read(self, batch: Any, x: np.ndarray, first: int, last: int, draws: Draws | None = None) -> None:
        """Write rows first .. last-1 of the batch into x[first:last], x (B, >=width) *written*.

        Workers call it at the same time, each for other rows, which begin at a multiple of
        `fflm.kernels.embeddings.RUN`; `draws` is given in training.
        """

    def touched(self, batch: Any) -> dict[str, np.ndarray]:
        """Find the different rows (W,) int64 of each table that the batch has read; called once after `read`."""

    def collect(self, grad_x: np.ndarray, first: int, last: int) -> None:
        """Take in rows first .. last-1 of the gradient of x, grad_x (B, >=width) *read*; called after `touched`.

        Workers call it at the same time, each for other rows, as they call `read`.
        """

    def gradients(self, name: str, first: int, last: int, grad_x: np.ndarray) -> np.ndarray:
        """Compute the gradients (last - first, features) of the rows first .. last-1 of those in `touched`.

        grad_x (B, >=width) is *read*; it has been given to `collect` before. Workers call it at the same time, each
        for other rows.
        """
