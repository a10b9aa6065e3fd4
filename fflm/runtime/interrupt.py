"""Ctrl-C during training, which ends after the step it is in."""

from __future__ import annotations

import signal
import threading
from types import FrameType


class Interrupt:
    """A ``with`` statement in which the first Ctrl-C only sets `asked`, and the second one does its usual work.

    Ctrl-C stays as it is in another thread than the main one, where it is ignored (in a script's background job, say),
    and where something other than Python handles it.

    Attributes
    ----------
    asked : bool
        Whether Ctrl-C was pressed.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: signal._HANDLER = None

    def __enter__(self) -> Interrupt:
        before = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is threading.main_thread() and before not in (None, signal.SIG_IGN):
            self._before = before
            signal.signal(signal.SIGINT, self._ask)
        return self

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, self._before)

    def __exit__(self, *exception: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
