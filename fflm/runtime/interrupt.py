"""Ctrl-C as a question: training ends after the step it is in."""

from __future__ import annotations

import signal
import threading


class Interrupt:
    """Inside the ``with`` statement the first Ctrl-C only sets `asked`; the second one is the usual one.

    In another thread than the main one, and where Ctrl-C is ignored, it stays as it is.
    """

    def __init__(self):
        self.asked = False
        self._before = None

    def __enter__(self) -> Interrupt:
        ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # a script's background job, say
        if threading.current_thread() is threading.main_thread() and not ignored:
            self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def _ask(self, number, frame) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, self._before or signal.SIG_DFL)

    def __exit__(self, *exception) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
