"""The schedule of the learning rate, and the rule by which training ends early."""

from __future__ import annotations

from fflm.config import TrainConfig
from fflm.training.state import Plan, Position
from fflm.training.time_budget import TimeBudget

FULL_RATE_SHARE = 0.1  # of a run still to come when it is resumed: enough to begin again at the full rate
PAPER_DECAY = 1e-8  # r of the paper's schedule for SGD: rate / (1 + r * words seen), section 4.1


class Schedule:
    """The learning rate over the steps of a run.

    ``plateau``: the rate is halved after each validation without improvement, and training ends after `patience` of
    them; for SGD the rate also falls as in the paper.

    ``linear``: the rate falls in a straight line to 0, which it reaches at the end of the epochs, or of the time budget
    where that comes first. No validation ends it, since the last part of the line is where most is gained. The line is
    the plan of a run. A run that was stopped and is resumed to the same end, in epochs, goes on in the same line, to
    the bit. Resumed to another end (other epochs, or any minutes) it gets a new line, which begins at the full learning
    rate if at least a tenth of the steps of the run, as it is planned now, are still to come; if less, in proportion
    lower, but never lower than the rate of the last step. So it is, because nothing lower was better: a run of 2 epochs
    on part of Brown ended at a perplexity of 105.5; 2 more from the full rate ended at 90.8, from a half, a quarter and
    an eighth of it at 96.0, 99.9 and 102.4; 4 planned from the beginning ended at 90.6
    (``scripts/resume_heights.py``). The first validations may be worse than where the run stopped, where that was
    good; the best model is kept.

    Parameters
    ----------
    config : TrainConfig
    steps_per_epoch : int
    budget : TimeBudget
        Without minutes every rate is a function of the plan and the step alone.

    Examples
    --------
    >>> schedule = Schedule(TrainConfig(epochs=2), 10, TimeBudget(None, 0.0))
    >>> schedule.rate(Position(step=5, learning_rate=0.001))
    0.00075
    """

    def __init__(self, config: TrainConfig, steps_per_epoch: int, budget: TimeBudget):
        self._config, self._budget = config, budget
        self._steps = config.epochs * steps_per_epoch

    def begin(self, position: Position) -> str | None:
        """Plan this call, once its time for training is known; return a note if that changes the plan of a run.

        Parameters
        ----------
        position : Position
            The progress of training; the plan is written into it.
        """
        config, before = self._config, position.plan
        plan = Plan(config.epochs, config.minutes)
        if config.schedule != "linear" or position.step == 0:
            position.plan = plan
            return None
        if config.minutes is None and before.minutes is None and before.epochs in (config.epochs, None):
            return None  # the same end
        if position.step >= self._steps or self._budget.is_over():
            return None  # no step follows
        height = max(position.rate / position.learning_rate, min(1.0, self._share_to_come(position) / FULL_RATE_SHARE))
        position.plan = Plan(config.epochs, config.minutes, position.step, height)
        return (
            f"resumed after {position.step:,} steps to another end: the learning rate, {position.rate:.3g} in the last "
            f"of them, falls again from {height * position.learning_rate:.3g} to 0"
        )

    def _share_to_come(self, position: Position) -> float:
        """Compute the share of the run's planned steps that is still to come."""
        left = float(self._steps - position.step)
        if position.seconds:
            left = min(left, self._budget.remaining() * position.step / position.seconds)
        return left / (position.step + left)

    def done(self, position: Position) -> float:
        """Compute the share of the plan that is over, from 0 to 1, by steps or by the clock, whichever is more."""
        plan, length = position.plan, self._steps - position.plan.begin
        return max((position.step - plan.begin) / length if length > 0 else 0.0, self._budget.share())

    def rate(self, position: Position) -> float:
        """Compute the learning rate of the step after `position`."""
        if self._config.schedule == "linear":
            return position.learning_rate * position.plan.height * max(0.0, 1.0 - self.done(position))
        if self._config.optimizer == "sgd":
            return position.learning_rate / (1.0 + PAPER_DECAY * position.tokens)
        return position.learning_rate

    def failed(self, position: Position) -> None:
        """Count a validation that has not improved."""
        if self._config.schedule == "plateau":
            position.learning_rate /= 2.0

    def gives_up(self, position: Position) -> bool:
        """Tell whether so many validations have failed that training ends early; never while the rate falls by plan."""
        return self._config.schedule == "plateau" and position.failures >= self._config.patience
