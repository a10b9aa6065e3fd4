"""A continuous cache: words that occurred a short while ago in similar contexts are likely to occur again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fflm.config.adaptation import THETA
from fflm.kernels import neural_cache
from fflm.lm.cache import equally_likely
from fflm.lm.contexts import checked_breaks, checked_contexts, checked_ids
from fflm.lm.interface import BATCH
from fflm.lm.neural import LARGE_BATCH, NeuralLanguageModel
from fflm.nn.batches import Windows
from fflm.runtime.workers import Workers
from fflm.text import NO_BREAKS, Vocabulary

BLOCK = 4096  # rows between two moves of the features that are kept


class NeuralCacheModel:
    """A model that gives a word its share among the last N words, weighted by their contexts; see `LanguageModel`.

    P(w | context of t) is proportional to the sum over the last N places i with w[i] = w of exp(theta s(t, i)), where
    s(t, i) is how similar the features that the network's output layer reads are at t and at i (Grave, Joulin and
    Usunier 2017, equation 3, whose h[i] and x[i + 1] are our features at i and w[i]). The paper takes the product of
    the features for s; we take the cosine of their angle, so that theta means the same for any number of units and any
    activation. With theta = 0 it is the unigram cache (`CacheModel`).

    Like the unigram cache it keeps no state between calls, gives probability 0 to words that are not among the last N,
    so that it is of use only inside a mixture, and reaches across the ends of lines but never across a break. Before
    the first word all words but ``<s>`` are equally likely. It costs an evaluation of the hidden layers and N products
    of features for each word of a text; `next_word` evaluates the hidden layers at N places for each context.

    Parameters
    ----------
    network : NeuralLanguageModel
        The network whose features it reads, and whose vocabulary, tokenizer and threads it has.
    size : int
        N, in words.
    theta : float
        From 0 to `fflm.config.adaptation.LARGEST_THETA`.

    Examples
    --------
    >>> import fflm
    >>> cache = NeuralCacheModel(fflm.load("runs/demo").lm, size=3)
    >>> np.exp(cache.log_probs(np.array([3, 3, 4], np.int32))).round(3).tolist()
    [0.083, 1.0, 0.0]
    """

    def __init__(self, network: NeuralLanguageModel, size: int = 2000, theta: float = THETA):
        self.network, self.size, self.theta = network, size, theta
        self.vocabulary, self.tokenizer, self.reach = network.vocabulary, network.tokenizer, size + network.reach

    def with_theta(self, theta: float) -> NeuralCacheModel:
        """Return a cache like this one with another theta."""
        return NeuralCacheModel(self.network, self.size, theta)

    def log_probs(
        self, ids: np.ndarray, on_batch: Callable[[float], None] | None = None, breaks: np.ndarray = NO_BREAKS
    ) -> np.ndarray:
        """Compute natural log P(word | words before it) of a stream (N,) int32: (N,) float64.

        A word that is not in the cache has log P = -inf. The same bits for every number of threads.

        Raises
        ------
        ConfigError
            If an id is outside the vocabulary, or the breaks are no rising positions inside the text.
        """
        with self.session() as scorer:
            return scorer.log_probs(ids, on_batch, breaks)

    def log_probs_by_theta(
        self,
        thetas: np.ndarray,
        ids: np.ndarray,
        on_batch: Callable[[float], None] | None = None,
        breaks: np.ndarray = NO_BREAKS,
    ) -> np.ndarray:
        """Compute `log_probs` under each of thetas (T,), with one evaluation of the network: (T, N) float64."""
        with self.session() as scorer:
            return scorer.log_probs_by_theta(thetas, ids, on_batch, breaks)

    def next_word(self, contexts: np.ndarray) -> np.ndarray:
        """Compute P(. | context) for contexts (B, reach) int32, ``<s>`` where there is no word: (B, V) float32.

        Raises
        ------
        ConfigError
            If an id is outside the vocabulary, or a context is not `reach` words long.
        """
        with self.session() as scorer:
            return scorer.next_word(contexts)

    def session(self, batch: int = BATCH) -> NeuralCacheSession:
        """Open a scorer that keeps workers and the prepared network, for a ``with`` statement."""
        return NeuralCacheSession(self)

    def describe(self) -> dict[str, Any]:
        """Return kind, size and theta, as plain JSON values; the parameters are the network's."""
        return {"kind": "neural cache", "parameters": 0, "size": self.size, "theta": self.theta}


class NeuralCacheSession:
    """A scorer of a continuous cache for many calls: it keeps workers and the prepared network."""

    def __init__(self, model: NeuralCacheModel):
        self._model, self._workers = model, Workers(model.network.threads)
        self._network = model.network.network()
        self._network.prepare(model.network.parameters, self._workers, LARGE_BATCH)

    def __enter__(self) -> NeuralCacheSession:
        return self

    def __exit__(self, *exception: object) -> None:
        self._workers.close()

    def log_probs(
        self, ids: np.ndarray, on_batch: Callable[[float], None] | None = None, breaks: np.ndarray = NO_BREAKS
    ) -> np.ndarray:
        """Do as `NeuralCacheModel.log_probs` does."""
        found: np.ndarray = self.log_probs_by_theta(np.array([self._model.theta]), ids, on_batch, breaks)[0]
        return found

    def log_probs_by_theta(
        self,
        thetas: np.ndarray,
        ids: np.ndarray,
        on_batch: Callable[[float], None] | None = None,
        breaks: np.ndarray = NO_BREAKS,
    ) -> np.ndarray:
        """Do as `NeuralCacheModel.log_probs_by_theta` does."""
        size, vocab_size = self._model.size, len(self._model.vocabulary)
        ids, breaks = checked_ids(ids, vocab_size), checked_breaks(breaks, len(ids))
        thetas, places = np.array(thetas, np.float64), np.arange(ids.size)
        texts = np.concatenate(([0], breaks))[: ids.size]
        begins = np.maximum(places - size, texts[np.searchsorted(breaks, places, side="right")])
        out = np.empty((ids.size, thetas.size))
        rows, origin = np.empty((size + BLOCK, self._network.layers.units), np.float32), 0
        for first in range(0, ids.size, LARGE_BATCH):
            last = min(first + LARGE_BATCH, ids.size)
            if last - origin > len(rows):  # the last `size` rows are moved to the front
                rows[:size], origin = rows[first - size - origin : first - origin].copy(), first - size
            self._write_directions(rows[first - origin : last - origin], Windows(ids, places[first:last], breaks))
            known, words = rows[: last - origin], ids[origin:last]
            self._write_shares(out[first:last], known, words, begins[first:last] - origin, thetas)
            if on_batch is not None:
                on_batch(last - first)
        out[texts] = equally_likely(vocab_size)[ids[texts], None]
        with np.errstate(divide="ignore"):
            return np.log(out, out).T

    def next_word(self, contexts: np.ndarray) -> np.ndarray:
        """Do as `NeuralCacheModel.next_word` does."""
        model, vocab_size = self._model, len(self._model.vocabulary)
        contexts = checked_contexts(contexts, model.reach, vocab_size)
        out = np.empty((len(contexts), vocab_size), np.float32)
        for row, context in zip(out, contexts, strict=True):
            text = np.append(context, Vocabulary.EOS).astype(np.int32)  # any word stands for the next one
            begin = int(np.argmin(text == Vocabulary.BOS))
            places = np.arange(max(begin, model.network.reach), len(text))
            directions = np.empty((len(places), self._network.layers.units), np.float32)
            for first in range(0, len(places), LARGE_BATCH):
                part = slice(first, first + LARGE_BATCH)
                breaks = np.array([begin] if begin else [], np.int64)
                self._write_directions(directions[part], Windows(text, places[part], breaks))
            shares = np.empty(len(places) - 1)
            neural_cache.weights(shares, directions, model.theta)
            sums = np.bincount(text[places[:-1]], weights=shares, minlength=vocab_size)
            row[:] = sums if len(shares) else equally_likely(vocab_size)
        return out

    def _write_shares(
        self, out: np.ndarray, directions: np.ndarray, words: np.ndarray, begins: np.ndarray, thetas: np.ndarray
    ) -> None:
        """Write the shares of the last words into out (B, T); each worker computes some rows."""

        def task(worker: int) -> None:
            first, last = self._workers.share(len(out), worker)
            row = len(words) - len(out) + first
            neural_cache.word_shares(out[first:last], directions, words, begins[first:last], row, thetas)

        self._workers.run(task)

    def _write_directions(self, out: np.ndarray, batch: Windows) -> None:
        """Write the features of each row, divided by their length, into out (B, D) float32; features of 0 stay so."""
        features = self._network.features(batch)[:, : len(batch)]
        lengths = np.sqrt(np.square(features, dtype=np.float64).sum(axis=0))
        np.divide(features.T, np.maximum(lengths, np.finfo(np.float32).tiny)[:, None], out=out, casting="unsafe")
