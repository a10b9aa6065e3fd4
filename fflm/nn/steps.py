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
    """The result of one training step.

    Attributes
    ----------
    number : int
        Counted from 1.
    learning_rate : float
    loss : float
        Sum of the losses of the batch, before the update.
    rows : int
        Rows of the batch.
    sampled : bool
        Whether the loss was computed over a sample of the vocabulary.
    """

    number: int
    learning_rate: float
    loss: float
    rows: int
    sampled: bool = False


def never(done: int) -> bool:
    """Return False, whatever the step."""
    return False


def steps(
    network: Network,
    optimizer: Optimizer,
    batches: Iterable[Batch],
    rate: Callable[[int], float],
    seed: int = 0,
    done: int = 0,
    largest_loss: float = LARGEST_LOSS,
    sampled: Callable[[int], bool] = never,
) -> Iterator[Step]:
    """Train on one batch after another, and yield the result of each step.

    Parameters
    ----------
    network : Network
        A network that is prepared for training.
    optimizer : Optimizer
    batches : iterable of Batch
    rate : callable
        A function from the number of steps done to the learning rate of the next step.
    seed : int
        The seed of the random numbers of each step, such as those of dropout.
    done : int
        The number of steps done before the first one of these.
    largest_loss : float
        A mean loss of a batch beyond it, or one that is not a number, ends training.
    sampled : callable
        A function from the number of steps done to whether the next step is made on a sample of the vocabulary.

    Raises
    ------
    LossError
        If training is ended so; the message names the step and its learning rate.
    """
    for number, batch in enumerate(batches, start=done + 1):
        learning_rate = rate(number - 1)
        optimizer.begin_step(number, learning_rate)
        on_sample = sampled(number - 1)
        loss = float(network.step(batch, optimizer, Draws(seed, number - 1, on_sample)).sum())
        if not loss < largest_loss * len(batch):
            mean = loss / len(batch)
            raise LossError(f"the loss is {mean:g} at step {number} with learning rate {learning_rate:.4g}")
        yield Step(number, learning_rate, loss, len(batch), on_sample)
