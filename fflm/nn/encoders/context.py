"""The words before a word, as the language model sees them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fflm.kernels import embeddings, windows
from fflm.nn.encoders.embedding_rows import Inputs


class ContextInputs(Inputs):
    """K words side by side (E20), oldest first; and, added up without their order, the `bag_size` words before them."""

    def __init__(
        self, table: np.ndarray, batch_size: int, context_size: int, bag_size: int, frozen: np.ndarray | None = None
    ):
        places = bag_size + context_size
        self.bag_size = bag_size
        self.width = (context_size + (bag_size > 0)) * table.shape[1]
        self.contexts = np.zeros((batch_size, places), np.int32)
        super().__init__(table, batch_size, batch_size * places, frozen)

    # Loading a batch: a function that fills rows first .. last-1 of contexts and targets, called by each worker.

    def windows_at(self, stream: np.ndarray, positions: np.ndarray, breaks: np.ndarray) -> Callable[[int, int], None]:
        """Load the windows that end at `positions` (B,) int64 of `stream` (N,) int32, cut at breaks (S,) int64."""

        def load(first, last):
            contexts, targets = self.contexts[first:last], self.targets[first:last]
            windows.gather_windows(contexts, targets, stream, breaks, positions[first:last])

        return load

    def given(self, contexts: np.ndarray, targets: np.ndarray | None = None) -> Callable[[int, int], None]:
        """Load contexts (B, bag + K) int32, oldest word first, and targets (B,) int32."""

        def load(first, last):
            self.contexts[first:last] = contexts[first:last]
            self.targets[first:last] = 0 if targets is None else targets[first:last]

        return load

    def gather(self, x: np.ndarray, first: int, last: int) -> None:
        """See `Inputs`."""
        embeddings.gather_rows(x, self.table, self.contexts[first:last], self.bag_size)

    def find_words(self, n: int) -> int:
        """See `Inputs`."""
        return embeddings.find_words(
            self.words, self.slots, self.slot_of, self.contexts[:n], self.bag_size, self.frozen
        )

    def scatter(self, first: int, last: int, n: int, grad_x: np.ndarray) -> np.ndarray:
        """See `Inputs`."""
        slots = self.slots[: n * self.contexts.shape[1]]
        embeddings.scatter_rows(self.grads[first:last], first, grad_x[:n], slots, self.contexts[:n], self.bag_size)
        return self.grads[first:last]
