"""A whole text, as the classifier sees it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fflm.kernels import embeddings, pooling
from fflm.nn.encoders.embedding_rows import Inputs


class TextInputs(Inputs):
    """The sum of the features of a text's ids over their number, or its `root`; if asked for, each one's maximum."""

    def __init__(
        self,
        table: np.ndarray,
        batch_size: int,
        root: bool = False,
        maximum: bool = False,
        frozen: np.ndarray | None = None,
    ):
        self.root = root
        features = table.shape[1]
        self.width = features * (1 + maximum)
        self.highest = np.zeros((batch_size, features if maximum else 0), np.int32)
        self.ids, self.offsets = np.zeros(0, np.int32), np.zeros(1, np.int64)
        super().__init__(table, batch_size, 0, frozen)

    def given(
        self, ids: np.ndarray, offsets: np.ndarray, targets: np.ndarray | None = None
    ) -> Callable[[int, int], None]:
        """Load texts: ids (N,) int32 of all their words, text i from offsets[i] to offsets[i+1]; targets (B,) int32."""
        self.ids, self.offsets = ids, offsets
        if ids.size > self.slots.size:
            self.make_room(ids.size)

        def load(first, last):
            self.targets[first:last] = 0 if targets is None else targets[first:last]

        return load

    def gather(self, x: np.ndarray, first: int, last: int) -> None:
        """See `Inputs`."""
        pooling.gather_texts(
            x, self.highest[first:last], self.table, self.ids, self.offsets[first : last + 1], self.root
        )

    def find_words(self, n: int) -> int:
        """See `Inputs`."""
        return embeddings.find_words(self.words, self.slots, self.slot_of, self.ids.reshape(-1, 1), 0, self.frozen)

    def scatter(self, first: int, last: int, n: int, grad_x: np.ndarray) -> np.ndarray:
        """See `Inputs`."""
        pooling.scatter_texts(
            self.grads[first:last], first, grad_x[:n], self.highest, self.slots, self.offsets, self.root
        )
        return self.grads[first:last]
