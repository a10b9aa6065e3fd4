"""The command ``fflm serve``."""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec

from fflm.cli.flags import add_flags, add_threads, given, verb
from fflm.cli.printing import note, print_json, print_line
from fflm.config import ServeConfig, make
from fflm.errors import FflmError

NEEDED = ("fastapi", "uvicorn")


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb and its flags."""
    parser = verb(
        verbs,
        "serve",
        run,
        "explore models in a browser: type and see the next words, sample, colour a text by surprisal, walk the map of "
        "words, watch a training run; a JSON interface is under it (needs the serve extra)",
        "fflm serve runs/stdlib; then open http://127.0.0.1:8000/",
    )
    about = "a run folder, also of a run that goes on, or a model file"
    parser.add_argument("models", nargs="+", metavar="MODEL", help=about)
    add_flags(parser, ServeConfig)
    add_threads(parser)
    parser.set_defaults(any_number="models")


def run(arguments: argparse.Namespace) -> int:
    """Print the address, and serve until Ctrl-C."""
    if any(find_spec(name) is None for name in NEEDED):
        raise FflmError("serve needs fastapi and uvicorn: python -m pip install 'fflm[serve]'")
    from fflm.server.application import make_server

    server = make_server(arguments.models, make(ServeConfig, given(arguments, ServeConfig)), arguments.threads)
    if arguments.json:
        print_json({"url": server.url})
    else:
        print_line(server.url)
    sys.stdout.flush()
    note("open this address in a browser; Ctrl-C ends")
    try:
        server.run()
    except KeyboardInterrupt:  # how it is meant to end
        pass
    return 0
