"""The learning rate of each step."""

from __future__ import annotations

from fflm.config import TrainConfig
from fflm.training.state import Position
from fflm.training.time_budget import TimeBudget

PAPER_DECAY = 1e-8  # r of the paper's schedule for SGD: rate / (1 + r * words seen), section 4.1


class Schedule:
    """``linear``: the rate falls in a straight line to 0, which it reaches at the end of the epochs, or of the time
    budget where that comes first. ``plateau``: it is halved after each validation without improvement; for SGD it
    also falls as in the paper.

    Parameters
    ----------
    config : TrainConfig
    steps_per_epoch : int
    budget : TimeBudget
        Without minutes every rate is a function of the step alone.

    Examples
    --------
    >>> schedule = Schedule(TrainConfig(epochs=2), 10, TimeBudget(None, 0.0))
    >>> schedule.rate(Position(step=5, learning_rate=0.001))
    0.00075
    """

    def __init__(self, config: TrainConfig, steps_per_epoch: int, budget: TimeBudget):
        self._config, self._budget = config, budget
        self._steps = config.epochs * steps_per_epoch

    def rate(self, position: Position) -> float:
        """The learning rate of the step after `position`."""
        if self._config.schedule == "linear":
            done = position.step / self._steps if self._steps else 0.0
            return position.learning_rate * max(0.0, 1.0 - max(done, self._budget.share()))
        if self._config.optimizer == "sgd":
            return position.learning_rate / (1.0 + PAPER_DECAY * position.tokens)
        return position.learning_rate

    def failed(self, position: Position) -> None:
        """Validation has not improved."""
        if self._config.schedule == "plateau":
            position.learning_rate /= 2.0
