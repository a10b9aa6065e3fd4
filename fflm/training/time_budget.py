"""The time budget of training, with time kept for validation, test and saving."""

from __future__ import annotations

import math
import time

from fflm.kernels._cache import compile_seconds

SAVING_SECONDS = 0.3  # kept free at the end, besides what saving takes
LEAST_TRAINING = 0.5  # of the time that is left when training begins; evaluation that needs more comes after the end


class TimeBudget:
    """A number of minutes from a moment on; without minutes the budget is never over.

    Its clock stands still while kernels are compiled.

    Parameters
    ----------
    minutes : float or None
    started : float
        ``time.monotonic()`` from which they count.

    Attributes
    ----------
    closing_seconds : float
        Time kept for what comes after training; see `reserve`.
    beyond_seconds : float
        How much longer the closing evaluation takes than is kept for it: the exact figures of a long text are computed
        in any case, and training gets half of the time in any case.
    saving_seconds : float
        The part of it in which the model and the state are saved.

    Examples
    --------
    >>> budget = TimeBudget(1.0, time.monotonic())
    >>> budget.is_over()
    False
    >>> budget.closing_seconds = 60.0
    >>> budget.is_over()
    True
    """

    def __init__(self, minutes: float | None, started: float):
        self._started = started
        self._end = None if minutes is None else started + 60.0 * minutes
        self.saving_seconds = SAVING_SECONDS
        self.closing_seconds = self.beyond_seconds = 0.0
        self._begin = self.clock()

    def clock(self) -> float:
        """Return ``time.monotonic()`` less the seconds in which kernels were compiled since the budget began."""
        return time.monotonic() - compile_seconds(self._started)

    @property
    def is_limited(self) -> bool:
        """Whether the budget has a number of minutes."""
        return self._end is not None

    def is_over(self) -> bool:
        """Tell whether the time for training is up."""
        return self.remaining() <= 0.0

    def remaining(self) -> float:
        """Compute the seconds left for training; infinite without minutes."""
        return math.inf if self._end is None else self._end - self.closing_seconds - self.clock()

    def reserve(self, held_out: int, tokens_per_second: float) -> None:
        """Keep time for saving, and for evaluating `held_out` tokens at this speed."""
        needed = self.saving_seconds + 1.05 * held_out / tokens_per_second
        most = needed if self._end is None else max(0.0, (1.0 - LEAST_TRAINING) * (self._end - self._begin))
        self.closing_seconds = min(needed, most)
        self.beyond_seconds = needed - self.closing_seconds

    def begin(self) -> None:
        """Count the time for training from now on."""
        self._begin = self.clock()

    def share(self) -> float:
        """Compute the share of the time for training that is over, from 0 to 1; 0 without minutes."""
        if self._end is None:
            return 0.0
        total = self._end - self.closing_seconds - self._begin
        return min(1.0, (self.clock() - self._begin) / total) if total > 0.0 else 1.0
