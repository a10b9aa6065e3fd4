"""The command ``fflm info``."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fflm
from fflm.cli.flags import MODEL, verb
from fflm.cli.printing import print_json, print_line, word
from fflm.errors import ConfigError


def add(verbs: Any) -> None:
    """Add the verb and its flags."""
    summary = "say what a model file holds, what came of a run, or what this machine offers"
    parser = verb(verbs, "info", run, summary, "fflm info --system")
    parser.add_argument("model", nargs="?", metavar="MODEL", help=MODEL + ", or a text classifier")
    parser.add_argument("--system", action="store_true", help="versions, processor and the speed of its kernels")


def run(arguments: Namespace) -> int:
    """Print sizes and options of a model, or versions and speeds of this machine, one a line."""
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
            facts["run"]["report"].pop("history", None)  # fflm runs --curve prints it
        for name, value in _flat(facts):
            print_line(f"{name:24} {value}")
    return 0


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
