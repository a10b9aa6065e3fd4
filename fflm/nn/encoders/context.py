"""The encoder of the language model: the embeddings of the words before a word."""

from __future__ import annotations

import numpy as np

from fflm.kernels import embeddings, windows
from fflm.nn.batches import Contexts, Windows
from fflm.nn.draws import Draws
from fflm.nn.encoders.embedding_rows import TABLE, EmbeddingRows
from fflm.nn.parameters import Parameters


class ContextEncoder(EmbeddingRows):
    """An encoder: the embeddings of K words side by side, oldest first, and the sum of `bag_size` words before.

    x = (C(w[t-K]), ..., C(w[t-1])), Bengio et al. 2003, section 2. With a bag, x ends with m features more: the bag's
    are added up without their order and divided by the root of their number (see `fflm.kernels.embeddings`).

    Parameters
    ----------
    rows, features : int
        Shape of the table C (V, m).
    context_size : int
        K.
    bag_size : int
        0 for the paper's network.
    frozen : (V,) bool, optional
        Words whose features are not learned.

    Examples
    --------
    >>> encoder = ContextEncoder(5, 2, context_size=2)
    >>> encoder.prepare(Parameters({"embeddings": np.arange(10, dtype=np.float32).reshape(5, 2)}), batch_size=1)
    >>> x = np.zeros((1, 4), np.float32)
    >>> encoder.read(Contexts(np.array([[4, 3]], np.int32)), x, 0, 1)
    >>> x.tolist()
    [[8.0, 9.0, 6.0, 7.0]]
    """

    def __init__(
        self, rows: int, features: int, context_size: int, bag_size: int = 0, frozen: np.ndarray | None = None
    ):
        super().__init__(rows, features, frozen)
        self.places, self.bag_size = bag_size + context_size, bag_size
        self.width = (context_size + (bag_size > 0)) * features

    def prepare(self, parameters: Parameters, batch_size: int) -> None:
        """Take the table from the parameters, and make memory for the contexts of a batch."""
        super().prepare(parameters, batch_size)
        self.contexts = np.zeros((batch_size, self.places), np.int32)

    def read(self, batch: Windows | Contexts, x: np.ndarray, first: int, last: int, draws: Draws | None = None) -> None:
        """Gather the features of the words of rows first .. last-1 into x (B, >=width) *written*."""
        contexts = self.contexts[first:last]
        if isinstance(batch, Windows):
            targets = np.empty(last - first, np.int32)
            windows.gather_windows(contexts, targets, batch.stream, batch.breaks, batch.positions[first:last])
        else:
            contexts[:] = batch.ids[first:last]
        embeddings.gather_rows(x[first:last], self.table, contexts, self.bag_size)

    def touched(self, batch: Windows | Contexts) -> dict[str, np.ndarray]:
        """Find the different words (W,) int64 of the batch that was read last."""
        contexts = self.contexts[: len(batch)]
        self.grow(contexts.size)
        count = embeddings.find_words(self.words, self.slots, self.slot_of, contexts, self.bag_size, self.frozen)
        return {TABLE: self.words[:count]}

    def gradients(self, name: str, first: int, last: int, grad_x: np.ndarray) -> np.ndarray:
        """Compute gradients (last - first, m) of the touched words first .. last-1, from grad_x (B, >=width) *read*."""
        n = len(grad_x)
        slots = self.slots[: n * self.places]
        embeddings.scatter_rows(self.grads[first:last], first, grad_x, slots, self.contexts[:n], self.bag_size)
        return self.grads[first:last]
