"""Pictures, one a file: with the `plot` extra, and of graphs with Graphviz."""

from importlib.util import find_spec


def can_plot() -> bool:
    """Tell whether matplotlib is installed."""
    return find_spec("matplotlib") is not None
