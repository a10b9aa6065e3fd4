"""What a network sees: rows of the embeddings, and how a gradient finds its way back to them.

`ContextInputs` are the language model's: the words before a word. `TextInputs` are the classifier's: a whole text.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fflm.kernels import embeddings, pooling, windows

NONE_FROZEN = np.zeros(0, bool)


class Inputs:
    """Base of both: which words a batch has, and the sum of the gradients of each.

    Each has these methods. ``gather(x, first, last)``: x (last - first, >=width) *written*, the inputs of rows
    first .. last-1 of the batch. ``find_words(n)``: number the different words of a batch of n rows, in `words`;
    returns how many there are. ``scatter(first, last, n, grad_x)``: gradients (last - first, m) of words
    first .. last-1 of those found, from grad_x (B, >=width).

    Parameters
    ----------
    table : (V, m) float32
        The embeddings.
    batch_size : int
    occurrences : int
        Most words in a batch.
    frozen : (V,) bool, optional
        Words whose features are not learned.

    Attributes
    ----------
    width : int
        Features of an input.
    targets : (B,) int32
    """

    width: int

    def __init__(self, table: np.ndarray, batch_size: int, occurrences: int, frozen: np.ndarray | None = None):
        self.table = table
        self.targets = np.zeros(batch_size, np.int32)
        self.frozen = NONE_FROZEN if frozen is None else frozen
        self.slot_of = np.full(len(table), -1, np.int32)
        self.make_room(occurrences)

    def make_room(self, occurrences: int) -> None:
        """Scratch memory for so many words in a batch."""
        most = min(occurrences, len(self.table))
        self.words, self.slots = np.zeros(most, np.int64), np.zeros(occurrences, np.int32)
        self.grads = np.zeros((most, self.table.shape[1]), np.float32)


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

    def windows_at(self, stream: np.ndarray, positions: np.ndarray) -> Callable[[int, int], None]:
        """Load the windows that end at `positions` (B,) int64 of `stream` (N,) int32."""

        def load(first, last):
            windows.gather_windows(self.contexts[first:last], self.targets[first:last], stream, positions[first:last])

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
