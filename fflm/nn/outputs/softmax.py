"""The exact softmax over the vocabulary, divided among the workers (Bengio et al. 2003, section 3.2).

The vocabulary is cut into fixed tiles, and the tiles are grouped into slices (see `fflm.nn`). A worker computes whole
slices: the logits of their words, the gradients of the rows of U and b, and their update, which follows at once while
the tile is in the cache. Maxima and sums are combined in the order of tiles, gradients of the features in the order of
slices, so that the number of workers does not change a bit of the result. Each slice is one compiled call forward and
one backward.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fflm.kernels import matrices, softmax
from fflm.kernels.updates import NOTHING
from fflm.nn.buffers import buffer
from fflm.nn.draws import Draws
from fflm.nn.optimizers import Optimizer
from fflm.nn.parameters import Parameters, Shape, uniform
from fflm.runtime.workers import Workers

SLICES = 24  # divided evenly by most numbers of cores
PART_BYTES = 64 * 2**20  # the slices' gradients of the features together, where a batch is large
LARGEST_TILE = 512
TILE_WEIGHTS = 96 * 1024  # a tile of U, 384 KB, shares a second-level cache with its logits
KEPT_BYTES = 128 * 2**20  # exponentials of a batch are kept for the backward pass up to here, else computed again
PREDICTED_BYTES = 8 * 2**20  # and for distributions up to here: those of a few contexts

WEIGHTS, BIAS = "output.weights", "output.bias"


def cut_tiles(vocab_size: int, features: int) -> list[tuple[int, int]]:
    """Return first and last-plus-one word of each tile: 64 to 512 words that fit the cache, about 16 or more tiles."""
    cached = TILE_WEIGHTS // features // 16 * 16
    words = max(64, min(LARGEST_TILE, cached, -(-vocab_size // 16 // 16) * 16))
    return [(first, min(first + words, vocab_size)) for first in range(0, vocab_size, words)]


@dataclass(frozen=True)
class Slice:
    """Neighbouring tiles of the vocabulary that one worker computes, and the rows of every array that belong to them.

    Attributes
    ----------
    bounds : (T + 1,) int64
        The first word of each of its T tiles, and the last word plus one.
    words, tiles : slice
        Its rows of arrays over the vocabulary, and of arrays over the tiles.
    """

    bounds: np.ndarray
    words: slice
    tiles: slice

    @property
    def size(self) -> int:
        """The number of words of the slice."""
        return int(self.bounds[-1] - self.bounds[0])

    @property
    def largest_tile(self) -> int:
        """How many words its largest tile has."""
        return int(np.diff(self.bounds).max())


def cut_slices(tiles: list[tuple[int, int]], count: int) -> list[Slice]:
    """Group the tiles into `count` slices of neighbouring tiles, as equal as possible."""
    starts = np.array([first for first, _ in tiles] + [tiles[-1][1]], np.int64)
    slices = []
    for part in range(count):
        first, last = len(tiles) * part // count, len(tiles) * (part + 1) // count
        words = slice(int(starts[first]), int(starts[last]))
        slices.append(Slice(starts[first : last + 1], words, slice(first, last)))
    return slices


class Softmax:
    """The output layer y = b + U features; loss = -log softmax(y)[target], exactly.

    Parameters
    ----------
    vocab_size, features : int
        V and D.
    table : str
        The name of U among the parameters: an encoder's table where both share it.

    Attributes
    ----------
    grads : dict
        After ``backward(None, ...)``: the gradients of U and b.
    """

    def __init__(self, vocab_size: int, features: int, table: str = WEIGHTS):
        self.vocab_size, self.features, self.table = vocab_size, features, table
        self.grads: dict[str, np.ndarray] = {}

    def shapes(self) -> dict[str, Shape]:
        """Return the shapes of U (V, D) and b (V,)."""
        return {self.table: (self.vocab_size, self.features), BIAS: (self.vocab_size,)}

    def initialise(self, generator: np.random.Generator, counts: np.ndarray) -> Parameters:
        """Draw U from +-sqrt(1 / D) / 10; set b to the log of the unigram probabilities, counts plus one."""
        weights = uniform(generator, (self.vocab_size, self.features), 0.1 / np.sqrt(self.features))
        smoothed = counts.astype(np.float64) + 1.0
        return Parameters({self.table: weights, BIAS: np.log(smoothed / smoothed.sum()).astype(np.float32)})

    def prepare(
        self, parameters: Parameters, workers: Workers, batch_size: int, training: bool, keep_gradient: bool = False
    ) -> None:
        """Take U and b, divide the vocabulary, and make scratch memory, which training keeps exponentials in."""
        self.weights, self.bias, self._workers = parameters[self.table], parameters[BIAS], workers
        tiles = cut_tiles(self.vocab_size, self.features)
        part = buffer(1, batch_size).size * self.features * 4
        self._division = tiles[0][1], min(SLICES, max(8, PART_BYTES // part))  # height of a tile, most slices
        self.resize(self.vocab_size)
        self._maxima, self._sums, self._factors = (buffer(len(tiles), batch_size) for _ in range(3))
        self._normalisers = np.zeros(batch_size, np.float32), np.zeros(batch_size)  # peaks, totals
        self._target_logits = np.zeros(batch_size, np.float32)
        self._exponentials = None
        if self.vocab_size * self._maxima.shape[1] * 4 <= (KEPT_BYTES if training else PREDICTED_BYTES):
            self._exponentials = buffer(self.vocab_size, batch_size)
        largest = max(part.size for part in self.slices)
        self._scratch = [buffer(largest, batch_size) for _ in range(workers.size if self._exponentials is None else 0)]
        if training:
            self._rows = buffer(batch_size, self.features)
            self._parts = buffer(len(self.slices), self.features, batch_size)
            rows, copies = (self.vocab_size, 1) if keep_gradient else (tiles[0][1], workers.size)
            self._gradients = [
                (np.zeros((rows, self.features), np.float32), np.zeros(rows, np.float32)) for _ in range(copies)
            ]
            self.grads = dict(zip((self.table, BIAS), self._gradients[0], strict=True)) if keep_gradient else {}

    def resize(self, size: int) -> None:
        """Compute over the first `size` words alone from now on, in tiles of the same height."""
        height, most_slices = self._division
        tiles = [(first, min(first + height, size)) for first in range(0, size, height)]
        self.slices = cut_slices(tiles, min(most_slices, len(tiles)))

    # Forward

    def losses(self, features_t: np.ndarray, targets: np.ndarray, draws: Draws | None, out: np.ndarray) -> None:
        """Write -log P(target) of each column into out (B,) float64; the features are kept for `backward`."""
        self._batch = features_t, targets
        self._forward(features_t, targets, self._rows)
        self._write_log_probs(out)
        np.negative(out, out)

    def log_probs(self, features_t: np.ndarray, targets: np.ndarray, out: np.ndarray) -> None:
        """Write natural log P(target) of each column into out (B,) float64."""
        self._forward(features_t, targets)
        self._write_log_probs(out)

    def scores(self, features_t: np.ndarray, targets: np.ndarray, out: np.ndarray) -> None:
        """Write y of the target of each column into out (B,) float32."""
        self._forward(features_t, targets)
        out[:] = self._target_logits[: len(out)]

    def distribution(self, features_t: np.ndarray, out: np.ndarray) -> None:
        """Write P of every word into out (B, V) float32; each row sums to 1."""
        n = len(out)
        self._forward(features_t, np.zeros(n, np.int32))

        def task(worker: int) -> None:
            for part in self._owned(worker):
                values = self._values(part, worker)
                if self._exponentials is None:
                    self._slice_forward(part, values, features_t, np.zeros(n, np.int32))
                softmax.probabilities(out, values, self._factors[part.tiles], part.bounds)

        self._workers.run(task)

    def _forward(self, features_t: np.ndarray, targets: np.ndarray, rows: np.ndarray | None = None) -> None:
        """Compute each tile's maxima and sums, the factors, peaks and totals; copy the features into rows (B, D)."""
        n = len(targets)

        def task(worker: int) -> None:
            for part in self._owned(worker):
                kept = self._exponentials is not None
                values = self._values(part, worker) if kept else self._scratch[worker][: part.largest_tile]
                self._slice_forward(part, values, features_t, targets)
            if rows is not None:
                first, last = self._workers.share(self.features, worker)
                matrices.transpose(rows, features_t, first, last, n)

        self._workers.run(task)
        used = slice(0, self.slices[-1].tiles.stop)
        self._workers.gather_tiles(self._maxima[used], self._sums[used])
        peaks, totals = self._normalisers
        softmax.combine(peaks[:n], totals[:n], self._factors[used], self._maxima[used], self._sums[used])

    def _slice_forward(self, part: Slice, values: np.ndarray, features_t: np.ndarray, targets: np.ndarray) -> None:
        softmax.slice_forward(
            values,
            self._maxima[part.tiles],
            self._sums[part.tiles],
            self._target_logits[: len(targets)],
            self.weights[part.words],
            self.bias[part.words],
            features_t,
            targets,
            part.bounds,
        )

    def _write_log_probs(self, out: np.ndarray) -> None:
        n = len(out)
        peaks, totals = self._normalisers
        softmax.log_probabilities(out, self._target_logits[:n], peaks[:n], totals[:n])

    def _owned(self, worker: int) -> list[Slice]:
        first, last = self._workers.share(len(self.slices), worker)
        return self.slices[first:last]

    def _values(self, part: Slice, worker: int) -> np.ndarray:
        """Return the array (S, >=B) that holds a slice's logits, exponentials and gradients."""
        return self._scratch[worker][: part.size] if self._exponentials is None else self._exponentials[part.words]

    # Backward

    def backward(self, optimizer: Optimizer | None, out: np.ndarray) -> None:
        """Write the gradient of the features into out (D, >=B); update U and b, or keep their gradients.

        Where the exponentials of the batch were too many to keep, those of each slice are computed again.
        """
        features_t, targets = self._batch

        def task(worker: int) -> None:
            for number, part in zip(
                range(*self._workers.share(len(self.slices), worker)), self._owned(worker), strict=True
            ):
                values = self._values(part, worker)
                if self._exponentials is None:
                    self._slice_forward(part, values, features_t, targets)
                self._slice_backward(part, number, values, worker, optimizer)

        self._workers.run(task)
        parts = self._parts[: len(self.slices)]
        self._workers.sum_slices(parts)

        def add(worker: int) -> None:
            first, last = self._workers.share(self.features, worker)
            matrices.sum_parts(out[first:last], parts, first, len(targets))

        self._workers.run(add)

    def _slice_backward(
        self, part: Slice, number: int, values: np.ndarray, worker: int, optimizer: Optimizer | None
    ) -> None:
        if optimizer is None:
            weights, bias = (
                (self.weights[part.words], NO_ROWS, NO_ROWS),
                (self.bias[part.words], NO_NUMBERS, NO_NUMBERS),
            )
            rule, rates = NOTHING, (NO_NUMBERS, NO_NUMBERS)
            grad_weights, grad_bias = self.grads[self.table][part.words], self.grads[BIAS][part.words]
        else:
            weights, bias = optimizer.rows(self.table, part.words), optimizer.rows(BIAS, part.words)
            rule, rates = optimizer.number, (optimizer.rates[self.table], optimizer.rates[BIAS])
            grad_weights, grad_bias = self._gradients[worker]
        softmax.slice_backward(
            self._parts[number],
            grad_weights,
            grad_bias,
            weights,
            bias,
            values,
            self._factors[part.tiles],
            self._rows,
            self._batch[1],
            part.bounds,
            rule,
            rates,
        )

    def apply(self, optimizer: Optimizer, factor: float) -> None:
        """Update all words from the gradients that were kept, times `factor`."""

        def task(worker: int) -> None:
            for first, last in self._owned_tiles(worker):
                for name, grad in self.grads.items():
                    rows = grad[first:last]
                    matrices.scale(rows.reshape(1, -1), np.float32(factor), rows.size)
                    optimizer.update(name, rows, first, last)

        self._workers.run(task)

    def squared_norm(self) -> float:
        """Compute the sum of the squares of the gradients that were kept, tiles in order."""
        tiles = [tile for part in self.slices for tile in _tiles(part)]
        sums = np.zeros((len(tiles), len(self.grads)))
        number = {tile: i for i, tile in enumerate(tiles)}

        def task(worker: int) -> None:
            for tile in self._owned_tiles(worker):
                for i, grad in enumerate(self.grads.values()):
                    rows = grad[tile[0] : tile[1]].reshape(1, -1)
                    sums[number[tile], i] = matrices.sum_of_squares(rows, rows.size)

        self._workers.run(task)
        return float(sums.sum())

    def _owned_tiles(self, worker: int) -> list[tuple[int, int]]:
        return [tile for part in self._owned(worker) for tile in _tiles(part)]


NO_ROWS, NO_NUMBERS = np.zeros((0, 0), np.float32), np.zeros(0, np.float32)


def _tiles(part: Slice) -> list[tuple[int, int]]:
    bounds = part.bounds.tolist()
    return list(zip(bounds[:-1], bounds[1:], strict=True))
