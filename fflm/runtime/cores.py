"""The number of processors that this process may use."""

import os


def available_cores() -> int:
    """Count the cores this process may use: those it is bound to, where the system tells.

    Examples
    --------
    >>> available_cores() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
