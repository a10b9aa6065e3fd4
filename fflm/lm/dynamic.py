"""Dynamic evaluation: a network goes on learning from the text that it scores (Krause et al. 2018)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from typing import Any

import numpy as np

from fflm.config.adaptation import CLIP_NORM, RATE, SEGMENT
from fflm.errors import DivergenceError, option_name
from fflm.lm.contexts import checked_breaks, checked_ids
from fflm.lm.interface import BATCH, LanguageModel
from fflm.lm.mixture import Mixture
from fflm.lm.neural import NeuralLanguageModel
from fflm.nn.batches import Windows
from fflm.nn.optimizers import Optimizer
from fflm.nn.steps import LARGEST_LOSS
from fflm.runtime.workers import Workers
from fflm.text import NO_BREAKS


class DynamicModel:
    """A network that takes a training step on each segment of a text after it has scored it; see `LanguageModel`.

    With the parameters theta[0] as trained and s[i] the segments of a text, s[i] is scored with theta[i - 1], then
    theta[i] = theta[i - 1] - rate * gradient of the mean loss of s[i] at theta[i - 1]: Krause et al. 2018, section 3,
    with plain SGD (Mikolov et al. 2010 began it); a gradient of a norm above `clip_norm` is scaled down to it (Pascanu
    et al. 2013), without which a wide layer of ReLU diverges now and then. Of section 5, the rule that divides each
    gradient by its root mean square over the training text needs that text, and the decay towards theta[0] won nothing
    on validation text.
    Nothing is learned from a word before it is scored, so the probabilities are those of a model.

    The steps are taken on a copy: the network's parameters stay as they are. Each text begins with the parameters as
    trained, and so does what follows a break into unrelated text; across a ``</s>`` learning goes on. A step uses no
    dropout. It takes 3 times the arithmetic of an evaluation, and about 5 times as long because its batches are small;
    scoring comes with it, from the losses before the update, which are exact.

    Parameters
    ----------
    network : NeuralLanguageModel
    rate : float
        The learning rate; 0 changes nothing.
    segment : int
        Words of a segment; the last one before a break, or the end, may be shorter.
    clip_norm : float
        The largest norm of a gradient, over all parameters.

    Examples
    --------
    >>> import fflm
    >>> network = fflm.load("runs/demo").lm
    >>> ids = np.array([3, 3, 3, 3, 3, 3], np.int32)  # an unlikely text, which becomes likelier as it goes on
    >>> before, after = network.log_probs(ids), DynamicModel(network, rate=1.0, segment=2).log_probs(ids)
    >>> before[:2].tolist() == after[:2].tolist(), bool(after[5] > before[5] + 1)
    (True, True)
    """

    def __init__(
        self, network: NeuralLanguageModel, rate: float = RATE, segment: int = SEGMENT, clip_norm: float = CLIP_NORM
    ):
        self.network, self.rate, self.segment, self.clip_norm = network, rate, segment, clip_norm
        self.vocabulary, self.tokenizer, self.reach = network.vocabulary, network.tokenizer, network.reach

    def log_probs(
        self, ids: np.ndarray, on_batch: Callable[[float], None] | None = None, breaks: np.ndarray = NO_BREAKS
    ) -> np.ndarray:
        """Compute natural log P(word | all words before it) of a stream (N,) int32: (N,) float64, in nats.

        The same bits for every number of threads. See `LanguageModel`.

        Raises
        ------
        ConfigError
            If an id is outside the vocabulary, or the breaks are no rising positions inside the text.
        DivergenceError
            If the mean loss of a segment is beyond any perplexity, or no number: the rate is too large.
        """
        ids, breaks = checked_ids(ids, len(self.vocabulary)), checked_breaks(breaks, len(ids))
        out, trained = np.empty(ids.size), self.network.parameters
        parameters, network = trained.snapshot(), self.network.network()
        optimizer = Optimizer("sgd", parameters)
        optimizer.begin_step(1, self.rate)
        with Workers(self.network.threads) as workers:
            network.prepare(parameters, workers, self.segment, training=True, clip_norm=self.clip_norm)
            for begin, end in pairwise([0, *breaks.tolist(), ids.size]):
                parameters.restore(trained)
                for first in range(begin, end, self.segment):
                    last = min(first + self.segment, end)
                    losses = network.step(Windows(ids, np.arange(first, last), breaks), optimizer)
                    if not losses.mean() < LARGEST_LOSS:
                        raise DivergenceError(
                            f"dynamic evaluation diverged at token {first + 1} with learning rate {self.rate:g}; "
                            f"give a smaller {option_name('dynamic_rate')}"
                        )
                    out[first:last] = -losses
                    if on_batch is not None:
                        on_batch(last - first)
        return out

    def next_word(self, contexts: np.ndarray) -> np.ndarray:
        """Compute P(. | context) of contexts (B, K) int32 under the network as trained: (B, V) float32.

        A few words before a word are no text to learn from: only `log_probs` adapts.
        """
        return self.network.next_word(contexts)

    def session(self, batch: int = BATCH) -> AbstractContextManager[DynamicModel]:
        """Return the model itself: nothing is kept between calls, each of which begins with the trained parameters."""
        return nullcontext(self)

    def describe(self) -> dict[str, Any]:
        """Return what the network says of itself, and rate and segment, as plain JSON values."""
        return self.network.describe() | {"kind": "dynamic neural", "rate": self.rate, "segment": self.segment}


def dynamic_evaluation(model: LanguageModel, rate: float = RATE, segment: int = SEGMENT) -> LanguageModel:
    """Return a model like this one, with dynamic evaluation of each of its networks; the model itself is not changed.

    Weights of a mixture stay as they are, and so do the features that a continuous cache reads. A model without a
    network is returned as it is.

    Examples
    --------
    >>> import fflm
    >>> dynamic_evaluation(fflm.load("runs/demo").lm).describe()["rate"]
    0.1
    """
    if isinstance(model, NeuralLanguageModel):
        return DynamicModel(model, rate, segment)
    if isinstance(model, Mixture):
        return model.with_parts([dynamic_evaluation(part, rate, segment) for part in model.parts])
    return model
