"""A time budget: when training has to stop so that what follows still fits."""

from __future__ import annotations

import time


class TimeBudget:
    """So many minutes from a moment on; without minutes it is never over.

    Parameters
    ----------
    minutes : float or None
    started : float
        ``time.monotonic()`` from which they count.

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
        self._end = None if minutes is None else started + 60.0 * minutes
        self.closing_seconds = 0.0  # kept for what comes after training
        self._begin = time.monotonic()

    def is_over(self) -> bool:
        """Whether the time for training is up."""
        return self._end is not None and time.monotonic() >= self._end - self.closing_seconds

    def begin(self) -> None:
        """Count the time for training from now on."""
        self._begin = time.monotonic()

    def share(self) -> float:
        """How much of the time for training is over, from 0 to 1; 0 without a budget."""
        if self._end is None:
            return 0.0
        whole = self._end - self.closing_seconds - self._begin
        return min(1.0, (time.monotonic() - self._begin) / whole) if whole > 0.0 else 1.0
