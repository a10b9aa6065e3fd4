"""Output layers, one in each file: each computes the loss of training and the probabilities of evaluation."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from fflm.nn.draws import Draws
from fflm.nn.optimizers import Optimizer
from fflm.nn.parameters import Parameters, Shape
from fflm.runtime.workers import Workers


class OutputLayer(Protocol):
    """The protocol of output layers: losses from features in training, exact probabilities in evaluation.

    features_t is (D, >=B) *read*, a batch of B columns; targets are (B,) int32.
    """

    @property
    def grads(self) -> dict[str, np.ndarray]:
        """After ``backward(None, ...)``: the gradient of each parameter by name."""

    def shapes(self) -> dict[str, Shape]:
        """Return the name and shape of each parameter."""

    def initialise(self, generator: np.random.Generator, counts: np.ndarray) -> Parameters:
        """Draw the first values of the parameters; counts (V,) are the occurrences of each target in training."""

    def prepare(
        self, parameters: Parameters, workers: Workers, batch_size: int, training: bool, keep_gradient: bool
    ) -> None:
        """Lend the layer its parameters, and make scratch memory for batches of up to `batch_size` columns.

        With `keep_gradient` the gradient of all parameters is kept by `backward`, for clipping and for tests.
        """

    def losses(self, features_t: np.ndarray, targets: np.ndarray, draws: Draws | None, out: np.ndarray) -> None:
        """Write each column's loss, which training minimises, into (B,) float64; the gradient is of their mean."""

    def backward(self, optimizer: Optimizer | None, out: np.ndarray) -> None:
        """Write the gradient of the features into out (D, >=B), after `losses`.

        Parameters are updated at once by the `optimizer`; without one, their gradient is kept in `grads`.
        """

    def squared_norm(self) -> float:
        """Compute the sum of the squares of the gradient that was kept."""

    def apply(self, optimizer: Optimizer, factor: float) -> None:
        """Update the parameters from the gradient that was kept, times `factor`."""

    def log_probs(self, features_t: np.ndarray, targets: np.ndarray, out: np.ndarray) -> None:
        """Write exact, normalised natural log P(target), from which perplexity is computed, into (B,) float64."""

    def scores(self, features_t: np.ndarray, targets: np.ndarray, out: np.ndarray) -> None:
        """Write the logits of the targets into (B,) float32."""

    def distribution(self, features_t: np.ndarray, out: np.ndarray) -> None:
        """Write the exact probabilities of all classes into (B, V) float32; rows sum to 1."""
