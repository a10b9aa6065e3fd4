"""Progress on stderr: a bar where that is a terminal or a notebook, else lines only."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec

from fflm.errors import visible


def say(line: str) -> None:
    """Print one line on stderr, above a bar if there is one; control characters are escaped."""
    from tqdm import tqdm

    tqdm.write(visible(line), file=sys.stderr)
    sys.stderr.flush()


def tell(warnings: Sequence[object], quiet: bool) -> None:
    """Say warnings at once, unless `quiet`; they stand in the report too."""
    if not quiet:
        for warning in warnings:
            say(str(warning))


def _in_notebook() -> bool:
    """Tell whether this is a notebook that can draw tqdm's bars: they are widgets."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel") and find_spec("ipywidgets") is not None


class Bar:
    """A bar of tokens with tokens/s and the time that is left; nothing where stderr is no terminal and no notebook.

    Parameters
    ----------
    total : int
        Tokens in all.
    label : str
        The text before the bar.
    shown : bool
        Whether a bar is drawn if there is where to draw it.
    initial : int
        Tokens that are done already.

    Attributes
    ----------
    visible : bool
        Whether there is a bar.
    """

    def __init__(self, total: int, label: str, shown: bool = True, initial: int = 0):
        self.visible = shown and (sys.stderr.isatty() or _in_notebook())
        self._bar = None
        if self.visible:
            if sys.stderr.isatty():
                from tqdm import tqdm
            else:
                from tqdm.notebook import tqdm

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

    def advance(self, tokens: float) -> None:
        """Count `tokens` more."""
        if self._bar is not None:
            self._bar.update(tokens)

    def note(self, text: str) -> None:
        """Show a short text behind the bar, such as the running perplexity."""
        if self._bar is not None:
            self._bar.set_postfix_str(text, refresh=False)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.close()
