"""The inputs of a network: the output of its encoder with dropout, as rows and transposed."""

from __future__ import annotations

import numpy as np

from fflm.kernels import dropout, matrices
from fflm.kernels.embeddings import RUN
from fflm.nn.batches import Batch
from fflm.nn.buffers import buffer
from fflm.nn.draws import Draws
from fflm.nn.encoders import Encoder
from fflm.nn.parameters import Parameters
from fflm.runtime.workers import Workers

PLACE = 0  # of the inputs among what draws (see `Draws.key`)


class Inputs:
    """The inputs x of a network: rows (B, width), which the encoder writes, and their transpose for the layers.

    Parameters
    ----------
    encoder : Encoder
    dropout : float
        Share of the features dropped in training.
    """

    def __init__(self, encoder: Encoder, dropout: float = 0.0):
        self.encoder, self.dropout, self.width = encoder, dropout, encoder.width

    def prepare(self, parameters: Parameters, workers: Workers, batch_size: int, training: bool) -> None:
        """Prepare the encoder, and make memory for x and, in training, its gradient."""
        self._workers = workers
        self.encoder.prepare(parameters, batch_size)
        self._x, self._x_t = buffer(batch_size, self.width), buffer(self.width, batch_size)
        if training:
            self.grad_t, self._grad = buffer(self.width, batch_size), buffer(batch_size, self.width)

    def forward(self, batch: Batch, draws: Draws | None) -> np.ndarray:
        """Let the encoder write x, apply dropout, and return x transposed, (width, >=B)."""
        self._key = None if draws is None or self.dropout == 0.0 else draws.key(PLACE)

        def task(worker: int) -> None:
            first, last = self._share(len(batch), worker)
            self.encoder.read(batch, self._x, first, last, draws)
            self._drop(self._x, first, last)
            matrices.transpose(self._x_t, self._x, first, last, self.width)

        self._workers.run(task)
        return self._x_t

    def backward(self, batch: Batch) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return the gradient of x (B, >=width), from `grad_t` (width, >=B), and the rows of tables that were read."""
        n = len(batch)
        touched = self.encoder.touched(batch)

        def task(worker: int) -> None:
            first, last = self._share(n, worker)
            matrices.transpose_columns(self._grad, self.grad_t, first, last, self.width)
            self._drop(self._grad, first, last)
            self.encoder.collect(self._grad, first, last)

        self._workers.run(task)
        return self._grad[:n], touched

    def _share(self, rows: int, worker: int) -> tuple[int, int]:
        """Return first and last-plus-one of the rows of a worker, whole runs of neighbouring rows."""
        first, last = self._workers.share(-(-rows // RUN), worker)
        return min(first * RUN, rows), min(last * RUN, rows)

    def _drop(self, rows: np.ndarray, first: int, last: int) -> None:
        if self._key is not None:
            dropout.dropout(rows[first:last], first, self._key, self.dropout, self.width)
