"""The errors of fflm, and what their lines are made of: names of options, values cut short, no control characters.

An error is a single line that says what is wrong and what to do. It names an option as the reader wrote it:
``embedding_dim`` in Python, ``--embedding-dim`` on the command line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

LONGEST_VALUE, LONGEST_EXCERPT = 200, 60
LONGEST_MESSAGE = 1000

# An option's name stands between two of these; it is a code point that no text holds, reserved for uses like this one.
_MARK = "\ufdd0"
_OPTION = re.compile(f"{_MARK}([a-z0-9_]+(?:=True)?){_MARK}")

# Control characters, line and paragraph separators, marks of direction, characters without a shape, halves of
# characters. Not the joiners U+200C and U+200D, which some scripts and emoji need inside a word.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb\ufdd1-\ufdef\ufffe\uffff\ud800-\udfff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def visible(text: str, keep: str = "") -> str:
    r"""Return `text` with every character that a terminal would obey or not show written as an escape.

    Such characters are control characters (ESC, line ends, tabs, the C1 set, DEL), separators of lines, marks of
    direction and characters without a shape. Those in `keep` stay as they are.

    Examples
    --------
    >>> print(visible("a\x1b[31mb\nc"))
    a\x1b[31mb\nc
    """
    return _UNSEEN.sub(lambda found: found[0] if found[0] in keep else ascii(found[0])[1:-1], text)


def shown(value: object, most: int = LONGEST_VALUE) -> str:
    """Return a value as it is shown in a message: as Python writes it, on one line, cut after `most` characters.

    Examples
    --------
    >>> shown("text"), shown(3), shown("a" * 100, most=5)
    ("'text'", '3', "'aaaaa'...")
    """
    if isinstance(value, (str, bytes)):
        return visible(repr(value[:most])) + ("..." if len(value) > most else "")
    text = visible(" ".join(repr(value).split()))
    return text if len(text) <= most else text[:most] + "..."


def option_name(name: str) -> str:
    """Return the name of an option, marked for a message: there it is shown as a keyword or as a flag.

    Examples
    --------
    >>> error = FflmError(f"{option_name('context_size')} must be at least 1, got 0")
    >>> str(error), error.worded(lambda name: "--" + name.replace("_", "-"))
    ('context_size must be at least 1, got 0', '--context-size must be at least 1, got 0')
    """
    return f"{_MARK}{name}{_MARK}"


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return the one of `known` that was probably meant by `word`, or None.

    It is one that begins with the word, else the most similar one, else the one whose parts begin with its letters.

    Examples
    --------
    >>> did_you_mean("trian", ["train", "mix"]), did_you_mean("--lr", ["--learning-rate", "--seed"])
    ('train', '--learning-rate')
    """
    import difflib  # not needed where nothing is wrong

    known = list(known)
    plain = word.replace("_", "-").lower()
    names = {name.replace("_", "-").lower(): name for name in known}
    longer = sorted((name for name in names if name.startswith(plain) and len(plain.strip("-")) > 1), key=len)
    near = longer[:1] or difflib.get_close_matches(plain, names, n=1, cutoff=0.7)
    letters = plain.strip("-")
    initials = [name for name in names if "".join(part[0] for part in name.strip("-").split("-")) == letters]
    return names[(near or initials)[0]] if near or (len(letters) > 1 and initials) else None


class FflmError(Exception):
    """Anything fflm refuses to do. The command line prints it as ``fflm: error: ...`` and exits with 1."""

    def __init__(self, message: str = ""):
        message = visible(message, keep=_MARK)
        if len(message) > LONGEST_MESSAGE:
            half = LONGEST_MESSAGE // 2
            message = f"{message[:half]} ... {message[-half:]}"
        self._message = message
        super().__init__(self.worded(lambda name: name))

    def about(self, option: str) -> FflmError:
        """Return the same error about the source given as `option`, where it speaks of a source."""
        return type(self)(re.sub("^source must", f"{option_name(option)} must", self._message))

    def worded(self, name_of: Callable[[str], str]) -> str:
        """Return the message, the name of each option as `name_of` gives it."""
        return _OPTION.sub(lambda found: name_of(found[1]), self._message).replace(_MARK, "")


class ConfigError(FflmError, ValueError):
    """An option out of its range, or options that contradict each other."""


class TextError(FflmError):
    """A text, a corpus or a vocabulary that can't be used."""


class ModelFileError(FflmError):
    """A model file or a run folder that is missing, damaged, of another kind or newer than this version."""


class DivergenceError(FflmError, ArithmeticError):
    """Training met a loss that is not a number; the last good model is still on disk."""


class LossError(DivergenceError):
    """The loss of a training step is no finite number; it names the step and its learning rate."""


class PerplexityError(FflmError, ArithmeticError):
    """A perplexity that is undefined, because a probability is 0 or no number, or too large for a number."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C ended a training, and everything has been saved: the same call with ``resume=True`` goes on.

    It is a `KeyboardInterrupt`, not an `FflmError`: a loop over several trainings ends, unless it catches either.

    Attributes
    ----------
    model : Model
        The best model so far, evaluated as at the end of any training; its `report` says how far training came.
    """

    def __init__(self, message: str, model):
        super().__init__(message)
        self.model = model

    @property
    def report(self):
        """The figures of the run, those of ``model.report``."""
        return self.model.report
