"""The encoder of the language model: the embeddings of the words before a word."""

from __future__ import annotations

import numpy as np

from fflm.kernels import embeddings, windows
from fflm.nn.batches import Contexts, Windows
from fflm.nn.draws import Draws
from fflm.nn.encoders.embedding_rows import EmbeddingRows
from fflm.nn.parameters import Parameters

SMALLEST_FACTOR = 0.001  # of a word in a bag; a smaller one is 0


class ContextEncoder(EmbeddingRows):
    """An encoder: the embeddings of K words side by side, oldest first, and sums of the `bag_size` words before.

    x = (C(w[t-K]), ..., C(w[t-1])), Bengio et al. 2003, section 2. With bags, x ends with m features more for each: in
    a bag of decay a the word n places before the last one of the bag counts a^n (Zhang et al. 2015: FOFE, two such
    sums); with a decay of 1 their order does not matter (Irie, Schlueter and Ney 2015). Sums are divided by the root
    of the sum of the squares of these factors (see `fflm.kernels.embeddings`); factors under 0.001 are left out.

    Parameters
    ----------
    rows, features : int
        Shape of the table C (V, m).
    context_size : int
        K.
    bag_size : int
        0 for the paper's network.
    decays : tuple of float
        One for each bag.
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
        self,
        rows: int,
        features: int,
        context_size: int,
        bag_size: int = 0,
        decays: tuple[float, ...] = (1.0,),
        frozen: np.ndarray | None = None,
    ):
        super().__init__(rows, features, frozen)
        self.places, self.powers = bag_size + context_size, bag_powers(bag_size, decays)
        self.decays = np.array(decays, np.float32)[: len(self.powers)]
        self.width = (context_size + len(self.powers)) * features

    def prepare(self, parameters: Parameters, batch_size: int) -> None:
        """Take the table from the parameters, and make memory for the contexts of a batch."""
        super().prepare(parameters, batch_size)
        self.contexts = np.zeros((batch_size, self.places), np.int32)
        self.follows, self.bases = np.zeros(batch_size, bool), np.zeros(batch_size, np.int64)
        self.occurrence_grads = np.zeros((0, self.features), np.float32)

    def read(self, batch: Windows | Contexts, x: np.ndarray, first: int, last: int, draws: Draws | None = None) -> None:
        """Gather the features of the words of rows first .. last-1 into x (B, >=width) *written*."""
        contexts, follows = self.contexts[first:last], self.follows[first:last]
        if isinstance(batch, Windows):
            targets = np.empty(last - first, np.int32)
            windows.gather_windows(contexts, targets, batch.stream, batch.breaks, batch.positions[first:last])
        else:
            contexts[:] = batch.ids[first:last]
        embeddings.find_followers(follows, contexts, first)
        embeddings.gather_rows(x[first:last], self.table, contexts, follows, self.decays, self.powers)

    def touched(self, batch: Windows | Contexts) -> dict[str, np.ndarray]:
        """Find the different words (W,) int64 of the batch that was read last."""
        n = len(batch)
        occurrences = np.empty(n * self.places, np.int32)
        bag = self.powers.shape[1]
        self.count = embeddings.list_occurrences(occurrences, self.bases, self.contexts[:n], self.follows[:n], bag)
        self.grow(self.count)
        if self.count > len(self.occurrence_grads):
            self.occurrence_grads = np.zeros((self.count, self.features), np.float32)
        slots = self.slots[: self.count]
        words = embeddings.find_words(self.words, slots, self.slot_of, occurrences[: self.count], self.frozen)
        embeddings.spread_words(self.words, slots, words)
        return {self.name: self.words[:words]}

    def collect(self, grad_x: np.ndarray, first: int, last: int) -> None:
        """Compute the gradients of the occurrences of words in rows first .. last-1 of grad_x (B, >=width) *read*."""
        embeddings.occurrence_gradients(
            self.occurrence_grads,
            grad_x,
            self.contexts,
            self.follows,
            self.bases,
            self.decays,
            self.powers,
            first,
            last,
        )

    def gradients(self, name: str, first: int, last: int, grad_x: np.ndarray) -> np.ndarray:
        """Compute gradients (last - first, m) of the touched words first .. last-1, from what `collect` has left."""
        embeddings.add_occurrences(self.grads[first:last], first, self.occurrence_grads, self.slots[: self.count])
        return self.grads[first:last]


def bag_powers(size: int, decays: tuple[float, ...]) -> np.ndarray:
    """Compute the factor of each place in each bag: (R, N) float32, (0, 0) if the size N is 0.

    Examples
    --------
    >>> bag_powers(3, (1.0, 0.5)).tolist()
    [[1.0, 1.0, 1.0], [0.25, 0.5, 1.0]]
    """
    if size == 0:
        return np.zeros((0, 0), np.float32)
    powers = np.power(np.array(decays)[:, None], np.arange(size - 1, -1, -1.0))
    return np.where(powers < SMALLEST_FACTOR, 0.0, powers).astype(np.float32)
