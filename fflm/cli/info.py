"""The command ``fflm info``."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fflm
from fflm.cli.flags import MODEL, verb
from fflm.cli.printing import print_json, print_line, word
from fflm.cli.run_lines import run_lines
from fflm.errors import ConfigError


def add(verbs: Any) -> None:
    """Add the verb and its flags."""
    summary = "say what a model file holds, what came of a run, or what this machine offers"
    parser = verb(verbs, "info", run, summary, "fflm info --system")
    parser.add_argument("model", nargs="?", metavar="MODEL", help=MODEL + ", or a text classifier")
    parser.add_argument("--system", action="store_true", help="versions, processor and the speed of its kernels")


def run(arguments: Namespace) -> int:
    """Print the report of a run, sizes and options of a model, or versions and speeds of this machine, one a line."""
    if arguments.system:
        from fflm.api.system import describe_system

        facts = describe_system()
    elif arguments.model is None:
        raise ConfigError("info needs a MODEL, or --system")
    else:
        from fflm.api.runs import read_run
        from fflm.training.run_folder import REPORT

        facts = fflm.load(arguments.model).info()
        if (Path(arguments.model) / REPORT).exists():
            facts["run"] = read_run(arguments.model)
    if arguments.json:
        print_json(facts)
    else:
        if "run" in facts:
            _print_report(facts["run"])
        for name, value in _flat(facts):
            print_line(f"{name:24} {value}")
    return 0


def _print_report(run: dict[str, Any]) -> None:
    """Print the report of a run as training has ended with it, and take it out of the record."""
    from fflm.training.report import TrainReport

    run["report"].pop("history", None)  # fflm runs --curve prints it
    try:
        lines = list(run_lines(TrainReport(**run["report"])))
    except (AttributeError, KeyError, TypeError, ValueError):  # of another version
        return
    for line in [*lines, ""]:
        print_line(line)
    del run["report"]


def _flat(facts: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in facts.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for i, part in enumerate(value):
                yield from _flat(part, f"{prefix}{name}.{i}.")
        else:
            sign = ", " if name == "labels" else " "
            yield prefix + name, sign.join(word(str(part)) for part in value) if isinstance(value, list) else value
