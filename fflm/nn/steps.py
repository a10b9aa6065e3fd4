"""The loop of training steps, the same for language model, classifier and textbook network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from fflm.errors import LossError
from fflm.nn.batches import Batch
from fflm.nn.draws import Draws
from fflm.nn.network import Network
from fflm.nn.optimizers import Optimizer

LARGEST_LOSS = 700.0  # the mean of a batch beyond which e to it is no number


@dataclass(frozen=True)
class Step:
    """What one step did.

    Attributes
    ----------
    number : int
        Counted from 1.
    learning_rate : float
    loss : float
        Sum of the losses of the batch, before the update.
    rows : int
        Rows of the batch.
    """

    number: int
    learning_rate: float
    loss: float
    rows: int


def steps(
    network: Network,
    optimizer: Optimizer,
    batches: Iterable[Batch],
    rate: Callable[[int], float],
    seed: int = 0,
    done: int = 0,
    largest_loss: float = LARGEST_LOSS,
) -> Iterator[Step]:
    """Train on one batch after another, and say after each what it did.

    Parameters
    ----------
    network : Network
        Prepared for training.
    optimizer : Optimizer
    batches : iterable of Batch
    rate : callable
        The learning rate of the step after so many steps.
    seed : int
        Of what is drawn in each step.
    done : int
        Steps before the first one of these.
    largest_loss : float
        A mean loss of a batch beyond it, or one that is not a number, ends training.

    Raises
    ------
    LossError
        Naming the step and its learning rate.
    """
    for number, batch in enumerate(batches, start=done + 1):
        learning_rate = rate(number - 1)
        optimizer.begin_step(number, learning_rate)
        loss = float(network.step(batch, optimizer, Draws(seed, number - 1)).sum())
        if not loss < largest_loss * len(batch):
            mean = loss / len(batch)
            raise LossError(f"the loss is {mean:g} at step {number} with learning rate {learning_rate:.4g}")
        yield Step(number, learning_rate, loss, len(batch))
