"""What is shown while one waits, always on stderr: a bar on a terminal, else only lines."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from contextlib import contextmanager

from fflm.errors import visible

COMPILING = "compiling the kernels for this processor (first use only, some seconds) ..."


def say(line: str) -> None:
    """Print one line on stderr, above a bar if there is one; what a terminal would obey is escaped."""
    from tqdm import tqdm

    tqdm.write(visible(line), file=sys.stderr)
    sys.stderr.flush()


def tell(warnings: Sequence[str], quiet: bool) -> None:
    """Say warnings at once, unless `quiet`; they stand in the report too."""
    if not quiet:
        for warning in warnings:
            say(warning)


@contextmanager
def announce_if_slow(line: str, seconds: float = 3.0):
    """Print `line` on stderr if what is done inside takes longer than `seconds`."""
    timer = threading.Timer(seconds, lambda: print(line, file=sys.stderr, flush=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class Bar:
    """A tqdm bar of tokens with tokens/s and ETA; nothing when stderr is no terminal, or when not `shown`."""

    def __init__(self, total: int, label: str, shown: bool = True, initial: int = 0):
        self.visible = shown and sys.stderr.isatty()
        self._bar = None
        if self.visible:
            from tqdm import tqdm

            self._bar = tqdm(
                total=total,
                initial=initial,
                desc=label,
                unit=" tokens",
                unit_scale=True,
                leave=False,
                mininterval=0.2,
                smoothing=0.1,
                file=sys.stderr,
                dynamic_ncols=True,
            )

    def advance(self, tokens: int) -> None:
        """Count `tokens` more."""
        if self._bar is not None:
            self._bar.update(tokens)

    def note(self, text: str) -> None:
        """Show a short text behind the bar, such as the running perplexity."""
        if self._bar is not None:
            self._bar.set_postfix_str(text, refresh=False)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *exception) -> None:
        if self._bar is not None:
            self._bar.close()
