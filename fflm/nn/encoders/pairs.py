"""The encoder of hashed word pairs: features of the last two words together."""

from __future__ import annotations

import numpy as np

from fflm.kernels import embeddings, word_pairs
from fflm.nn.batches import Contexts, Windows
from fflm.nn.draws import Draws
from fflm.nn.encoders.embedding_rows import EmbeddingRows
from fflm.nn.parameters import Parameters

PLACE = -2  # of the encoder among what draws (see `Draws.key`)


class PairEncoder(EmbeddingRows):
    """An encoder: a row of features for each pair of the last two words, chosen by a hash of their ids.

    Two pairs that meet in a row share it (feature hashing: Weinberger et al. 2009). Features begin at 0. In training a
    context's pair is left out, all of its features together, with probability `dropout`, and the others are divided by
    1 - dropout: pairs learn fast, and what they learn is soon only true of the training text.

    Parameters
    ----------
    rows, features : int
        Shape of the table.
    dropout : float
    """

    def __init__(self, rows: int, features: int, dropout: float = 0.0):
        super().__init__(rows, features, name="pairs")
        self.width, self.dropout = features, dropout

    def initialise(self, generator: np.random.Generator) -> Parameters:
        """Return features of 0: a pair says nothing until it is learned."""
        return Parameters({self.name: np.zeros((self.rows, self.features), np.float32)})

    def prepare(self, parameters: Parameters, batch_size: int) -> None:
        """Take the table from the parameters, and make memory for the pairs of a batch."""
        super().prepare(parameters, batch_size)
        self.pairs, self.factors = np.zeros(batch_size, np.int32), np.ones(batch_size, np.float32)

    def read(self, batch: Windows | Contexts, x: np.ndarray, first: int, last: int, draws: Draws | None = None) -> None:
        """Write the features of the pairs of rows first .. last-1 into x (B, >=width) *written*."""
        pairs, factors = self.pairs[first:last], self.factors[first:last]
        if isinstance(batch, Windows):
            word_pairs.pairs_at(pairs, self.rows, batch.stream, batch.breaks, batch.positions[first:last])
        else:
            word_pairs.pairs_of(pairs, self.rows, np.require(batch.ids[first:last], np.int32, "C"))
        rate = 0.0 if draws is None else self.dropout
        word_pairs.keep_rows(factors, first, np.uint32(0) if draws is None else draws.key(PLACE), rate)
        word_pairs.gather_pairs(x[first:last], self.table, pairs, factors)

    def touched(self, batch: Windows | Contexts) -> dict[str, np.ndarray]:
        """Find the different rows (W,) int64 of the batch that was read last."""
        pairs = self.pairs[: len(batch)]
        self.grow(pairs.size)
        count = embeddings.find_words(self.words, self.slots, self.slot_of, pairs, self.frozen)
        return {self.name: self.words[:count]}

    def gradients(self, name: str, first: int, last: int, grad_x: np.ndarray) -> np.ndarray:
        """Compute gradients (last - first, m) of the touched rows first .. last-1, from grad_x (B, >=width) *read*."""
        n = len(grad_x)
        word_pairs.scatter_scaled_rows(self.grads[first:last], first, grad_x, self.slots[:n], self.factors[:n])
        return self.grads[first:last]
