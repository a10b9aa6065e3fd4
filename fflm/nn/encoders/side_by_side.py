"""Several encoders side by side."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from fflm.nn.draws import Draws
from fflm.nn.encoders import Encoder
from fflm.nn.parameters import Parameters, Shape


class SideBySide:
    """An encoder of encoders: x = (x of the first, x of the second, ...), all of the same batch.

    Parameters
    ----------
    encoders : sequence of Encoder
        Their tables have different names.
    """

    def __init__(self, encoders: Sequence[Encoder]):
        self.encoders = list(encoders)
        ends = list(accumulate(encoder.width for encoder in self.encoders))
        self.width = ends[-1]
        self._columns = [slice(end - encoder.width, end) for end, encoder in zip(ends, self.encoders, strict=True)]
        self._of = {name: i for i, encoder in enumerate(self.encoders) for name in encoder.shapes()}

    def shapes(self) -> dict[str, Shape]:
        """Return the name and shape of each table."""
        return {name: shape for encoder in self.encoders for name, shape in encoder.shapes().items()}

    def initialise(self, generator: np.random.Generator) -> Parameters:
        """Draw the first values of the tables, encoder by encoder."""
        return Parameters({n: v for encoder in self.encoders for n, v in encoder.initialise(generator).items()})

    def prepare(self, parameters: Parameters, batch_size: int) -> None:
        """Lend the encoders their tables."""
        for encoder in self.encoders:
            encoder.prepare(parameters, batch_size)
        self._own = [np.zeros((batch_size, encoder.width), np.float32) for encoder in self.encoders]

    def read(self, batch: Any, x: np.ndarray, first: int, last: int, draws: Draws | None = None) -> None:
        """Let each encoder write its columns of rows first .. last-1 of x (B, >=width) *written*."""
        for encoder, columns, own in zip(self.encoders, self._columns, self._own, strict=True):
            if columns.start == 0:  # x may be wider than what an encoder writes
                encoder.read(batch, x, first, last, draws)
            else:
                encoder.read(batch, own, first, last, draws)
                x[first:last, columns] = own[first:last]

    def touched(self, batch: Any) -> dict[str, np.ndarray]:
        """Find the different rows of every table that the batch has read."""
        return {name: rows for encoder in self.encoders for name, rows in encoder.touched(batch).items()}

    def collect(self, grad_x: np.ndarray, first: int, last: int) -> None:
        """Give each encoder its columns of rows first .. last-1 of grad_x (B, >=width) *read*."""
        for encoder, columns, own in zip(self.encoders, self._columns, self._own, strict=True):
            if columns.start == 0:
                encoder.collect(grad_x, first, last)
            else:
                own[first:last] = grad_x[first:last, columns]
                encoder.collect(own, first, last)

    def gradients(self, name: str, first: int, last: int, grad_x: np.ndarray) -> np.ndarray:
        """Compute the gradients of the rows first .. last-1 of a table, from grad_x (B, >=width) *read*."""
        number = self._of[name]
        own = grad_x if number == 0 else self._own[number][: len(grad_x)]
        return self.encoders[number].gradients(name, first, last, own)
