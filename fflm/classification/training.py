"""Training a classifier: shuffled epochs over labelled texts, a rate that falls to 0."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np

from fflm.classification.classifier import Classifier, loader, text_network
from fflm.classification.features import TextIds
from fflm.config import ClassifierTrainConfig
from fflm.errors import DivergenceError, option_name
from fflm.nn.layers.dropout import drops_of_step
from fflm.nn.optimizers import Optimizer, usual_rates
from fflm.runtime.workers import Team

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
    rates = [config.embedding_dropout] + [config.dropout] * len(classifier.config.hidden_dims)
    size = config.batch_size
    steps, step = config.epochs * math.ceil(len(texts) / size), 0
    with Team(_workers(classifier, texts, config)) as team:
        network = text_network(classifier.config, classifier.parameters, team, size, training=True)
        for epoch in range(config.epochs):
            order, total = np.random.default_rng([config.seed, epoch]).permutation(len(texts)), 0.0
            shuffled, wanted = texts.take(order), targets[order]
            for first in range(0, len(texts), size):
                last = min(first + size, len(texts))
                batch = np.empty(last - first)
                optimizer.begin_step(step + 1, rate * (1.0 - step / steps))
                drops = drops_of_step(rates, config.seed, step)
                network.step(loader(network, shuffled, first, last, wanted), batch, optimizer, drops)
                step, total = step + 1, total + float(batch.sum())
                if not math.isfinite(total):
                    place = f"in epoch {epoch + 1} with learning rate {rate:g}"
                    raise DivergenceError(f"training diverged {place}; try a smaller {option_name('learning_rate')}")
                if on_batch is not None:
                    on_batch(last - first)
            losses.append(total / len(texts))
    if not np.isfinite(classifier.probabilities(texts.take(np.arange(min(size, len(texts)))))).all():
        raise DivergenceError(f"training diverged in its last step with learning rate {rate:g}; try a smaller one")
    return losses, time.perf_counter() - begin


def _workers(classifier: Classifier, texts: TextIds, config: ClassifierTrainConfig) -> int | None:
    """As many as were asked for; else one for small batches, which workers would spend on waiting for each other."""
    weights = sum(value.size for name, value in classifier.parameters.items() if name != "embeddings")
    pooled = len(texts.ids) / len(texts) * classifier.config.embedding_dim
    small = config.batch_size * (pooled + weights) < WORTH_SHARING
    return 1 if config.threads is None and small else config.threads
