"""Notes on a text: what was held out, what was read, what its reader should be warned of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Note:
    """A remark for the report of a run; as a string it is the line that reports print.

    Attributes
    ----------
    text : str
    is_warning : bool
        Whether it is printed at once, besides being in the report.

    Examples
    --------
    >>> str(Note("validation: a.txt")), str(Note("a.txt is read twice", is_warning=True))
    ('validation: a.txt', 'warning: a.txt is read twice')
    """

    text: str
    is_warning: bool = False

    def __str__(self) -> str:
        return f"warning: {self.text}" if self.is_warning else self.text
