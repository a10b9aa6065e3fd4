"""The base class of the encoders of words: a table of embeddings, and memory for the gradients of its rows."""

from __future__ import annotations

import numpy as np

from fflm.nn.parameters import Parameters, Shape, uniform

TABLE = "embeddings"
LARGEST_FIRST = 0.1  # first values are drawn from +-0.1
NONE_FROZEN = np.zeros(0, bool)


class EmbeddingRows:
    """The table of an encoder of words, and the gradients of its rows; an encoder adds `read` and `gradients`.

    Parameters
    ----------
    rows, features : int
        Shape of the table C (V, m).
    frozen : (V,) bool, optional
        Rows that are not learned.
    name : str
        The table's name among the parameters.

    Attributes
    ----------
    slots : (occurrences,) int32
        For each occurrence of a word in the batch its place in `words`, -1 where nothing is learned.
    words : (W,) int64
        The different rows of the batch, in the order of their first occurrence.
    """

    def __init__(self, rows: int, features: int, frozen: np.ndarray | None = None, name: str = TABLE):
        self.rows, self.features, self.name = rows, features, name
        self.frozen = NONE_FROZEN if frozen is None else frozen
        self.words, self.slots = np.zeros(0, np.int64), np.zeros(0, np.int32)

    def shapes(self) -> dict[str, Shape]:
        """Return the table's name and shape."""
        return {self.name: (self.rows, self.features)}

    def initialise(self, generator: np.random.Generator) -> Parameters:
        """Draw the first values of the table, uniform in +-0.1."""
        return Parameters({self.name: uniform(generator, (self.rows, self.features), LARGEST_FIRST)})

    def prepare(self, parameters: Parameters, batch_size: int) -> None:
        """Take the table from the parameters; the memory for gradients grows with the first batches."""
        self.table = parameters[self.name]
        self.slot_of = np.full(self.rows, -1, np.int32)
        self.words, self.slots = np.zeros(0, np.int64), np.zeros(0, np.int32)
        self.grads = np.zeros((0, self.features), np.float32)

    def grow(self, occurrences: int) -> None:
        """Make scratch memory for batches of `occurrences` occurrences of words."""
        if occurrences > len(self.slots):
            most = min(occurrences, self.rows)
            self.words, self.slots = np.zeros(most, np.int64), np.zeros(occurrences, np.int32)
            self.grads = np.zeros((most, self.features), np.float32)

    def collect(self, grad_x: np.ndarray, first: int, last: int) -> None:
        """Do nothing: `gradients` reads the gradient of x itself."""
