"""How many processors there are for us."""

import os


def available_cores() -> int:
    """Cores this process may use: those it is bound to, where the system tells.

    Examples
    --------
    >>> available_cores() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
