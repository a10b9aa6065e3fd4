"""Output layer: a softmax over the vocabulary, divided among the workers (Bengio et al. 2003, section 3.2).

The vocabulary is cut into fixed tiles, and the tiles are grouped into slices; a worker owns whole slices: their rows of
U and b, their gradients and their update, which follows at once while the tile is in the cache. Maxima and sums are
combined in the order of tiles, gradients of the features in the order of slices, so that the number of workers does
not change a bit of the result.
"""

from __future__ import annotations

import numpy as np

from fflm.kernels import matrices, softmax
from fflm.kernels.matmul import matmul
from fflm.nn.buffers import buffer
from fflm.nn.optimizers import Optimizer
from fflm.nn.parameters import Parameters
from fflm.runtime.workers import Workers

SLICES = 24  # divided evenly by most numbers of cores
PART_BYTES = 64 * 2**20  # the slices' gradients of the features together, where a batch is large
LARGEST_TILE = 512
TILE_WEIGHTS = 96 * 1024  # a tile of U, 384 KB, shares a second-level cache with its logits
KEPT_BYTES = 128 * 2**20  # exponentials of a batch are kept for the backward pass up to here, else computed again


def cut_tiles(vocab_size: int, features: int) -> list[tuple[int, int]]:
    """First and last-plus-one word of each tile: 64 to 512 words, few enough for the cache, about 16 tiles or more."""
    cached = TILE_WEIGHTS // features // 16 * 16
    words = max(64, min(LARGEST_TILE, cached, -(-vocab_size // 16 // 16) * 16))
    return [(first, min(first + words, vocab_size)) for first in range(0, vocab_size, words)]


class VocabularySoftmax:
    """y = b + U features; loss = mean over the batch of -log softmax(y)[target].

    Parameters
    ----------
    parameters : dict
        ``output.weights`` U (V, D) and ``output.bias`` b (V,).
    team : Workers
    batch_size : int
        Most rows B of a batch.
    training : bool
        Whether `backward` will be called.
    whole_gradient : bool
        Keep the gradients of all words in `grads` and update nothing (for clipping, and for tests).
    """

    def __init__(
        self,
        parameters: Parameters,
        team: Workers,
        batch_size: int,
        training: bool = False,
        whole_gradient: bool = False,
    ):
        self.weights, self.bias = parameters["output.weights"], parameters["output.bias"]
        self.team = team
        vocab_size, features = self.weights.shape
        self.tiles = cut_tiles(vocab_size, features)
        self.widest = self.tiles[0][1]
        part = buffer(1, batch_size).size * features * 4
        self.slices = min(SLICES, len(self.tiles), max(8, PART_BYTES // part))
        self.maxima, self.sums = buffer(len(self.tiles), batch_size), buffer(len(self.tiles), batch_size)
        self.peaks, self.totals = np.zeros(batch_size, np.float32), np.zeros(batch_size)
        self.target_logits = np.zeros(batch_size, np.float32)
        kept = vocab_size * self.maxima.shape[1] * 4 <= KEPT_BYTES
        self.exponentials = buffer(vocab_size, batch_size) if training and kept else None
        self.scratch = (
            [buffer(self.widest, batch_size) for _ in range(team.size)] if self.exponentials is None else None
        )
        self.grads = None
        if training:
            self.grad_features = buffer(self.slices, features, batch_size)
            rows = vocab_size if whole_gradient else self.widest
            self._grads = [
                (np.zeros((rows, features), np.float32), np.zeros(rows, np.float32))
                for _ in range(1 if whole_gradient else team.size)
            ]
            if whole_gradient:
                self.grads = {"output.weights": self._grads[0][0], "output.bias": self._grads[0][1]}

    def owned(self, worker: int) -> range:
        """Slices of a worker."""
        return range(*self.team.share(self.slices, worker))

    def slice_tiles(self, part: int) -> range:
        """Tiles of a slice."""
        return range(len(self.tiles) * part // self.slices, len(self.tiles) * (part + 1) // self.slices)

    def forward(self, features_t: np.ndarray, targets: np.ndarray) -> None:
        """Find the maxima, sums and target logits of features_t (D, >=B) for targets (B,) int32."""
        n = targets.size
        self.team.run(lambda worker: self._forward(worker, features_t[:, :n], targets))
        softmax.combine(self.peaks[:n], self.totals[:n], self.maxima, self.sums)

    def _forward(self, worker: int, features_t: np.ndarray, targets: np.ndarray) -> None:
        n = targets.size
        for part in self.owned(worker):
            for tile in self.slice_tiles(part):
                first, _ = self.tiles[tile]
                logits = self._logits(tile, worker, features_t, self.maxima[tile, :n])
                softmax.pick_targets(self.target_logits[:n], logits, targets, first)
                softmax.exponentials(self.sums[tile, :n], logits, self.maxima[tile, :n])

    def _logits(self, tile: int, worker: int, features_t: np.ndarray, maxima: np.ndarray) -> np.ndarray:
        first, last = self.tiles[tile]
        values = self.scratch[worker][: last - first] if self.exponentials is None else self.exponentials[first:last]
        matmul(values[:, : features_t.shape[1]], self.weights[first:last], features_t, False)
        softmax.add_bias(maxima, values, self.bias[first:last])
        return values

    def log_probs(self, out: np.ndarray) -> None:
        """Natural log P(target) of the last `forward` into out (B,) float64."""
        n = out.size
        softmax.log_probabilities(out, self.target_logits[:n], self.peaks[:n], self.totals[:n])

    def probabilities(self, features_t: np.ndarray, out: np.ndarray) -> None:
        """The whole distribution into out (B, V) float32, after `forward` with the same features."""
        n = out.shape[0]
        whole = (1.0 / self.totals[:n]).astype(np.float32)

        def task(worker):
            maxima, sums = np.empty(n, np.float32), np.empty(n, np.float32)
            for part in self.owned(worker):
                for tile in self.slice_tiles(part):
                    first, last = self.tiles[tile]
                    values = self._logits(tile, worker, features_t[:, :n], maxima)
                    softmax.exponentials(sums, values, self.peaks[:n])
                    softmax.scale_columns(values, whole)
                    out[:, first:last] = values[:, :n].T

        self.team.run(task)

    def backward(
        self, features_t: np.ndarray, features: np.ndarray, targets: np.ndarray, optimizer: Optimizer | None
    ) -> None:
        """Gradients of the mean loss, after `forward`; tiles are updated at once if there is an `optimizer`.

        features_t (D, >=B) and features (B, D) are the same numbers; the gradient of the features is left in parts
        `grad_features` (slices, D, >=B).
        """
        n = targets.size
        whole = None if self.exponentials is not None else (1.0 / self.totals[:n]).astype(np.float32)

        def task(worker):
            for part in self.owned(worker):
                for number, tile in enumerate(self.slice_tiles(part)):
                    first, last = self.tiles[tile]
                    grad_weights, grad_bias = self._grad_rows(worker, first, last)
                    if whole is None:
                        values, factors = self.exponentials[first:last], self.maxima[tile, :n]
                    else:
                        values, factors = self._again(tile, worker, features_t[:, :n]), whole
                    softmax.loss_gradient(grad_bias, values, factors, targets, first)
                    matmul(self.grad_features[part, :, :n], self.weights[first:last].T, values[:, :n], number > 0)
                    matmul(grad_weights, values[:, :n], features, False)
                    if optimizer is not None:
                        optimizer.update("output.weights", grad_weights, first, last)
                        optimizer.update("output.bias", grad_bias, first, last)

        self.team.run(task)

    def _grad_rows(self, worker: int, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        if self.grads is not None:
            return self.grads["output.weights"][first:last], self.grads["output.bias"][first:last]
        grad_weights, grad_bias = self._grads[worker]
        return grad_weights[: last - first], grad_bias[: last - first]

    def _again(self, tile: int, worker: int, features_t: np.ndarray) -> np.ndarray:
        n = features_t.shape[1]
        values = self._logits(tile, worker, features_t, np.empty(n, np.float32))
        softmax.exponentials(np.empty(n, np.float32), values, self.peaks[:n])
        return values

    def apply(self, optimizer: Optimizer, factor: float) -> None:
        """Update all words from the whole gradient, scaled by `factor`."""

        def task(worker):
            for part in self.owned(worker):
                for tile in self.slice_tiles(part):
                    first, last = self.tiles[tile]
                    for name, grad in self.grads.items():
                        rows = grad[first:last]
                        matrices.scale(rows.reshape(1, -1), np.float32(factor), rows.size)
                        optimizer.update(name, rows, first, last)

        self.team.run(task)

    def squared_norm(self) -> float:
        """Sum of squares of the whole gradient, tiles in order."""
        sums = np.zeros((len(self.tiles), 2))

        def task(worker):
            for part in self.owned(worker):
                for tile in self.slice_tiles(part):
                    first, last = self.tiles[tile]
                    for i, grad in enumerate(self.grads.values()):
                        rows = grad[first:last].reshape(1, -1)
                        sums[tile, i] = matrices.sum_of_squares(rows, rows.size)

        self.team.run(task)
        return float(sums.sum())
