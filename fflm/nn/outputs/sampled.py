"""The softmax over a sample of the vocabulary, for training (importance sampling: Bengio and Senecal 2003, 2008).

The exact softmax needs Z = sum over all words of e^y. A step on a sample S of the words estimates it by

    Z' = sum over w in S of e^y[w] / P(w in S),

the estimate of Horvitz and Thompson (1952), whose expectation is Z, and that of its gradient the gradient of Z. So a
step is that of the exact softmax over the words of S alone, with y[w] - log P(w in S) in place of y[w]. The loss is
-log(e^y[target] / Z'): as the logarithm is concave, its expectation is no more than the exact loss. It is called a
sampled loss, and no perplexity is computed from it; evaluation is always exact.

The words of S: given the batch, its targets are in S with probability 1. So are the words that are frequent enough.
The others lie side by side on a line of n strata of length 1, each word as long as it is frequent (see `WordSampler`),
and one point is drawn in each stratum, independently of the others. A word that lies in one stratum is drawn with
probability l, its length; one that lies in two strata, with lengths l and l', with 1 - (1 - l)(1 - l').
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fflm.kernels import embeddings, word_samples
from fflm.nn.draws import Draws
from fflm.nn.optimizers import Optimizer
from fflm.nn.outputs.softmax import BIAS, WEIGHTS, Softmax
from fflm.nn.parameters import Parameters, Shape
from fflm.runtime.workers import Workers

PLACE = -1  # of the output layer among what draws (see `Draws.key`)
POWER = 0.75  # of a word's count: its length on the line


def sample_size(vocab_size: int) -> int:
    """Return how many words to choose in a step, besides the targets, from a vocabulary of this size."""
    return min(vocab_size, 512)


class WordSampler:
    """The distribution from which words are drawn: their inclusion probabilities.

    Parameters
    ----------
    counts : (V,) int64
        How often each word occurs in training; lengths are in proportion to (count + 1)^0.75.
    size : int
        Words to choose in a step, besides the targets: the certain ones and the strata together.

    Attributes
    ----------
    always : (A,) int64
        Words that are certain: drawn in proportion to their length, they would be expected once or more in a sample.
    drawn : (N,) int64
        All other words.
    ends : (N,) float64
        Where each of `drawn` ends on the line, in strata.
    log_inclusion : (N,) float32
        The logarithm of the probability that each of `drawn` is in a sample.

    Examples
    --------
    >>> sampler = WordSampler(np.array([80, 80, 3, 3, 3, 3]), size=4)
    >>> sampler.always.tolist(), sampler.ends.tolist()
    ([0, 1], [0.5, 1.0, 1.5, 2.0])
    """

    def __init__(self, counts: np.ndarray, size: int):
        lengths = (np.asarray(counts, np.float64) + 1.0) ** POWER
        certain = np.zeros(len(lengths), bool)
        while size - certain.sum() > 0:
            strata = size - certain.sum()
            rest = lengths[~certain].sum()
            more = ~certain & (lengths * strata >= rest)
            if not more.any():
                break
            certain |= more
        self.size = len(lengths) if certain.all() else size
        self.always, self.drawn = np.flatnonzero(certain), np.flatnonzero(~certain)
        strata = max(0, self.size - len(self.always)) if len(self.drawn) else 0
        scaled = lengths[self.drawn] * (strata / lengths[self.drawn].sum() if strata else 0.0)
        self.ends = np.cumsum(scaled)
        if strata:
            self.ends[-1] = strata
        begins = np.concatenate(([0.0], self.ends[:-1]))
        borders = np.minimum(np.floor(begins) + 1.0, self.ends)  # a word shorter than 1 meets one border at most
        probability = 1.0 - (1.0 - (borders - begins)) * (1.0 - (self.ends - borders))
        with np.errstate(divide="ignore"):
            self.log_inclusion = np.log(probability).astype(np.float32)


class SampledSoftmax:
    """The output layer of `Softmax`; in training steps that ask for it (`Draws.sampled`), over a sample of the words.

    The rows of U and b of the sampled words, and of the averages of the update rule, are copied side by side, where
    the kernels of the exact softmax work on them, and then written back. All other rows stay as they are: the update
    is lazy, like that of embeddings. The words are a function of (seed, step) and of the targets.

    Parameters
    ----------
    vocab_size, features : int
        V and D.
    sampler : WordSampler
    table : str
        The name of U, as in `Softmax`.
    """

    def __init__(self, vocab_size: int, features: int, sampler: WordSampler, table: str = WEIGHTS):
        self.vocab_size, self.features, self.sampler, self.table = vocab_size, features, sampler, table
        self._exact = self._active = Softmax(vocab_size, features, table)
        self._rows: Optimizer | None = None

    def shapes(self) -> dict[str, Shape]:
        """Return the shapes of U (V, D) and b (V,)."""
        return self._exact.shapes()

    def initialise(self, generator: np.random.Generator, counts: np.ndarray) -> Parameters:
        """Draw the first values as `Softmax.initialise` does."""
        return self._exact.initialise(generator, counts)

    def prepare(
        self, parameters: Parameters, workers: Workers, batch_size: int, training: bool, keep_gradient: bool = False
    ) -> None:
        """Take U and b, and make memory for the sampled rows."""
        self._exact.prepare(parameters, workers, batch_size, training, keep_gradient)
        self._active = self._exact
        self._parameters, self._workers = parameters, workers
        if not training:
            return
        most = min(self.vocab_size, self.sampler.size + batch_size)
        self._sampled = Softmax(most, self.features, self.table)
        self._values = Parameters(
            {self.table: np.zeros((most, self.features), np.float32), BIAS: np.zeros(most, np.float32)}
        )
        self._sampled.prepare(self._values, workers, batch_size, True, keep_gradient)
        self._words, self._log_inclusion = np.zeros(most, np.int64), np.zeros(most, np.float32)
        self._places = np.full(self.vocab_size, -1, np.int32)
        self._rows = None

    # Training

    def losses(self, features_t: np.ndarray, targets: np.ndarray, draws: Draws | None, out: np.ndarray) -> None:
        """Write each column's exact loss, or its sampled one if `draws` ask for it, into out (B,) float64."""
        self._active = self._sampled if draws is not None and draws.sampled else self._exact
        if self._active is self._sampled and draws is not None:
            targets = self._choose(targets, draws)
        self._active.losses(features_t, targets, draws, out)

    def _choose(self, targets: np.ndarray, draws: Draws) -> np.ndarray:
        """Choose the words of this step, copy their rows side by side, and return the targets' places among them."""
        sampler, local = self.sampler, np.empty(len(targets), np.int32)
        self._size = word_samples.draw_words(
            self._words,
            self._log_inclusion,
            local,
            self._places,
            sampler.always,
            sampler.drawn,
            sampler.ends,
            sampler.log_inclusion,
            targets,
            draws.key(PLACE),
        )
        words = self._words[: self._size]
        self._sampled.resize(self._size)
        np.subtract(self._parameters[BIAS][words], self._log_inclusion[: self._size], self._values[BIAS][: self._size])

        def task(worker: int) -> None:
            first, last = self._workers.share(self._size, worker)
            embeddings.read_rows(self._values[self.table][first:last], self._parameters[self.table], words[first:last])

        self._workers.run(task)
        return local

    def backward(self, optimizer: Optimizer | None, out: np.ndarray) -> None:
        """Write the gradient of the features into out (D, >=B); update U and b, or keep their gradients."""
        if self._active is self._exact or optimizer is None:
            self._active.backward(optimizer, out)
        else:
            self._through_rows(optimizer, lambda rows: self._sampled.backward(rows, out))

    def _through_rows(self, optimizer: Optimizer, update: Callable[[Optimizer], None]) -> None:
        """Call `update` with an optimizer of the sampled rows, whose averages are those of `optimizer`."""
        if self._rows is None:
            self._rows = optimizer.like(self._values)
        rows, words = self._rows, self._words[: self._size]

        def read(worker: int) -> None:
            first, last = self._workers.share(self._size, worker)
            optimizer.read_averages(rows, words, first, last)

        def write(worker: int) -> None:
            first, last = self._workers.share(self._size, worker)
            optimizer.write_rows(rows, words, first, last)

        self._workers.run(read)
        update(rows)
        self._values[BIAS][: self._size] += self._log_inclusion[: self._size]
        self._workers.run(write)

    @property
    def grads(self) -> dict[str, np.ndarray]:
        """After ``backward(None, ...)``: the gradients of U and b, 0 for words that were not sampled."""
        if self._active is self._exact:
            return self._exact.grads
        grads = {}
        for name, shape in self.shapes().items():
            grads[name] = np.zeros(shape, np.float32)
            grads[name][self._words[: self._size]] = self._sampled.grads[name][: self._size]
        return grads

    def squared_norm(self) -> float:
        """Compute the sum of the squares of the gradients that were kept."""
        return self._active.squared_norm()

    def apply(self, optimizer: Optimizer, factor: float) -> None:
        """Update all words, or the sampled ones, from the gradients that were kept, times `factor`."""
        if self._active is self._exact:
            self._exact.apply(optimizer, factor)
        else:
            self._through_rows(optimizer, lambda rows: self._sampled.apply(rows, factor))

    # Evaluation

    def log_probs(self, features_t: np.ndarray, targets: np.ndarray, out: np.ndarray) -> None:
        """Write exact natural log P(target) of each column into out (B,) float64."""
        self._exact.log_probs(features_t, targets, out)

    def scores(self, features_t: np.ndarray, targets: np.ndarray, out: np.ndarray) -> None:
        """Write y of the target of each column into out (B,) float32."""
        self._exact.scores(features_t, targets, out)

    def distribution(self, features_t: np.ndarray, out: np.ndarray) -> None:
        """Write exact P of every word into out (B, V) float32; each row sums to 1."""
        self._exact.distribution(features_t, out)
