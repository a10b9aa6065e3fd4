"""The command ``fflm completion``."""

from __future__ import annotations

import argparse
from importlib.util import find_spec

from fflm.cli.flags import verb
from fflm.errors import FflmError

SHELLS = ("bash", "zsh", "tcsh")


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb and its flags."""
    parser = verb(
        verbs,
        "completion",
        run,
        "print a script with which a shell completes the commands and flags of fflm (needs the completion extra)",
        "fflm completion bash > ~/.local/share/bash-completion/completions/fflm",
    )
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=f"one of {', '.join(SHELLS)}")


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    if find_spec("shtab") is None:
        raise FflmError("completion needs shtab: python -m pip install 'fflm[completion]'")
    import shtab

    from fflm.cli.main import make_parser  # which imports this module

    print(shtab.complete(make_parser(), shell=arguments.shell))
    return 0
