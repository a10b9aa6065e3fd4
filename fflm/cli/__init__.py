"""The command ``fflm``: arguments to configuration, one library call, print."""

from fflm.cli.main import main

__all__ = ["main"]
