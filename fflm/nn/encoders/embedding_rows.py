"""What the encoders of words share: which words a batch has, and the sum of the gradients of each."""

from __future__ import annotations

import numpy as np

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
