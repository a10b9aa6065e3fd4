"""Pictures, one a file, with the `plot` extra."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from fflm.errors import FflmError
from fflm.storage.files import one_line


def can_plot() -> bool:
    """Tell whether matplotlib is installed; it may be broken all the same, see `drawing`."""
    try:
        return find_spec("matplotlib") is not None
    except ValueError:  # it has been imported, and has no specification
        return False


@contextmanager
def drawing() -> Iterator[None]:
    """Turn whatever a broken matplotlib or scikit-learn raises, at import or while it draws, into one error.

    Also a decorator.

    Raises
    ------
    FflmError
        Naming what was raised inside. Lack of memory stays what it is.

    Examples
    --------
    >>> try:
    ...     with drawing():
    ...         raise ImportError("libpng16.so.16: cannot open shared object file")
    ... except FflmError as error:
    ...     print(str(error)[:66])
    the picture can't be drawn: ImportError: libpng16.so.16: cannot op
    """
    try:
        yield
    except (FflmError, MemoryError):
        raise
    except (Exception, SystemExit) as error:  # a broken library may leave by either
        raise FflmError(
            f"the picture can't be drawn: {type(error).__name__}: {one_line(error)}; it may help to install the plot "
            "extra again: python -m pip install --force-reinstall 'fflm[plot]'"
        ) from error
