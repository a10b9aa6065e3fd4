"""Training a classifier: shuffled epochs over labelled texts, a rate that falls to 0."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

import numpy as np

from fflm.classification.classifier import Classifier, batch_of, text_network
from fflm.classification.features import TextIds
from fflm.config import ClassifierTrainConfig
from fflm.errors import DivergenceError, option_name
from fflm.nn.batches import Batch
from fflm.nn.optimizers import Optimizer, usual_rates
from fflm.nn.steps import steps
from fflm.runtime.workers import Workers

#: Learning rate and weight decay, where others suit texts than suit a language model.
USUAL = {"adam": (0.002, 0.0), "adamw": (0.002, 3.0)}
#: Multiplications of a batch below which a second worker costs more than it helps.
WORTH_SHARING = 1_500_000


def fit(
    classifier: Classifier,
    texts: TextIds,
    targets: np.ndarray,
    config: ClassifierTrainConfig,
    on_batch: Callable[[int], None] | None = None,
) -> tuple[list[float], float]:
    """Train in place; a pure function of texts, configuration and seed, whatever the threads.

    Returns
    -------
    list of float, float
        Mean loss of each epoch in nats (with dropout), seconds.

    Raises
    ------
    DivergenceError
        If a loss is no finite number.
    """
    begin, losses = time.perf_counter(), []
    rate, decay = usual_rates(config.optimizer, config.learning_rate, config.weight_decay, USUAL)
    optimizer = Optimizer(config.optimizer, classifier.parameters, decay)
    size, epoch_steps = config.batch_size, math.ceil(len(texts) / config.batch_size)
    total_steps = config.epochs * epoch_steps
    network = text_network(
        classifier.config,
        len(classifier.vocabulary),
        len(classifier.labels),
        config.dropout,
        config.embedding_dropout,
    )

    def batches(epoch: int) -> Iterator[Batch]:
        order = np.random.default_rng([config.seed, epoch]).permutation(len(texts))
        shuffled, wanted = texts.take(order), targets[order]
        for first in range(0, len(texts), size):
            yield batch_of(classifier.config, shuffled, first, min(first + size, len(texts)), wanted)

    with Workers(_threads(classifier, texts, config)) as workers:
        network.prepare(classifier.parameters, workers, size, training=True)
        for epoch in range(config.epochs):
            total = 0.0
            try:
                for step in steps(
                    network,
                    optimizer,
                    batches(epoch),
                    lambda done: rate * (1.0 - done / total_steps),
                    seed=config.seed,
                    done=epoch * epoch_steps,
                    largest_loss=math.inf,
                ):
                    total += step.loss
                    if on_batch is not None:
                        on_batch(step.rows)
            except DivergenceError as error:
                raise DivergenceError(
                    f"training diverged: {error}; try a smaller {option_name('learning_rate')}"
                ) from error
            losses.append(total / len(texts))
    if not np.isfinite(classifier.probabilities(texts.take(np.arange(min(size, len(texts)))))).all():
        raise DivergenceError(f"training diverged in its last step with learning rate {rate:g}; try a smaller one")
    return losses, time.perf_counter() - begin


def _threads(classifier: Classifier, texts: TextIds, config: ClassifierTrainConfig) -> int | None:
    """Return the threads that are given; else one where batches are small: workers would mostly wait."""
    weights = sum(value.size for name, value in classifier.parameters.items() if name != "embeddings")
    pooled = len(texts.ids) / len(texts) * classifier.config.embedding_dim
    small = config.batch_size * (pooled + weights) < WORTH_SHARING
    return 1 if config.threads is None and small else config.threads
