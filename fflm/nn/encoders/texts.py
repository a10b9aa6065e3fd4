"""The encoder of the classifier: the embeddings of a whole text, pooled."""

from __future__ import annotations

import numpy as np

from fflm.kernels import embeddings, pooling
from fflm.nn.batches import Texts
from fflm.nn.draws import Draws
from fflm.nn.encoders.embedding_rows import EmbeddingRows
from fflm.nn.parameters import Parameters


class TextEncoder(EmbeddingRows):
    """An encoder: the sum of the features of a text's ids, over their number or its root; optionally maxima too.

    Parameters
    ----------
    rows, features : int
        Shape of the table C (V, m).
    root : bool
        Divide by the root of the number of ids.
    maximum : bool
        Put the maximum of each feature beside the sum.
    """

    def __init__(self, rows: int, features: int, root: bool = False, maximum: bool = False):
        super().__init__(rows, features)
        self.root, self.maximum = root, maximum
        self.width = features * (1 + maximum)

    def prepare(self, parameters: Parameters, batch_size: int) -> None:
        """Take the table from the parameters, and make memory for the places of the maxima."""
        super().prepare(parameters, batch_size)
        self.highest = np.zeros((batch_size, self.features if self.maximum else 0), np.int32)
        self.batch = Texts(np.zeros(0, np.int32), np.zeros(1, np.int64))

    def read(self, batch: Texts, x: np.ndarray, first: int, last: int, draws: Draws | None = None) -> None:
        """Pool the features of texts first .. last-1 into x (B, >=width) *written*."""
        offsets = batch.offsets[first : last + 1]
        pooling.gather_texts(x[first:last], self.highest[first:last], self.table, batch.ids, offsets, self.root)

    def touched(self, batch: Texts) -> dict[str, np.ndarray]:
        """Find the different rows (W,) int64 of the texts of a batch."""
        self.batch = batch
        self.grow(batch.ids.size)
        count = embeddings.find_words(self.words, self.slots, self.slot_of, batch.ids, self.frozen)
        return {self.name: self.words[:count]}

    def gradients(self, name: str, first: int, last: int, grad_x: np.ndarray) -> np.ndarray:
        """Compute gradients (last - first, m) of the touched rows first .. last-1, from grad_x (B, >=width) *read*."""
        pooling.scatter_texts(
            self.grads[first:last], first, grad_x, self.highest, self.slots, self.batch.offsets, self.root
        )
        return self.grads[first:last]
