"""Output layers: what training minimises and what evaluation reports are two things; one layer a file."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from fflm.nn.draws import Draws
from fflm.nn.optimizers import Optimizer
from fflm.nn.parameters import Parameters, Shape
from fflm.runtime.workers import Workers


class OutputLayer(Protocol):
    """From features to losses in training, and to exact probabilities in evaluation.

    features_t is (D, >=B) *read*, a batch of B columns; targets are (B,) int32.
    """

    @property
    def grads(self) -> dict[str, np.ndarray]:
        """After ``backward(None, ...)``: the gradient of each parameter by name."""

    def shapes(self) -> dict[str, Shape]:
        """Name and shape of each parameter."""

    def initialise(self, generator: np.random.Generator, counts: np.ndarray) -> Parameters:
        """First values of the parameters; counts (V,) say how often each answer occurs in training."""

    def prepare(
        self, parameters: Parameters, workers: Workers, batch_size: int, training: bool, keep_gradient: bool
    ) -> None:
        """Lend the layer its parameters, and make scratch memory for batches of up to `batch_size` columns.

        With `keep_gradient` the gradient of all parameters is kept by `backward`, for clipping and for tests.
        """

    def losses(self, features_t: np.ndarray, targets: np.ndarray, draws: Draws | None, out: np.ndarray) -> None:
        """What training minimises, (B,) float64 *written*, for each column; the gradient is that of their mean."""

    def backward(self, optimizer: Optimizer | None, out: np.ndarray) -> None:
        """After `losses`: the gradient of the features into out (D, >=B) *written*.

        Parameters are updated at once by the `optimizer`; without one, their gradient is kept in `grads`.
        """

    def squared_norm(self) -> float:
        """Sum of the squares of the gradient that was kept."""

    def apply(self, optimizer: Optimizer, factor: float) -> None:
        """Update the parameters from the gradient that was kept, times `factor`."""

    def log_probs(self, features_t: np.ndarray, targets: np.ndarray, out: np.ndarray) -> None:
        """Exact and normalised natural log P(target), (B,) float64 *written*: what perplexity is made of."""

    def scores(self, features_t: np.ndarray, targets: np.ndarray, out: np.ndarray) -> None:
        """The targets' scores before they are normalised, (B,) float32 *written*."""

    def distribution(self, features_t: np.ndarray, out: np.ndarray) -> None:
        """Exact probabilities of all answers, (B, V) float32 *written*; rows sum to 1."""
