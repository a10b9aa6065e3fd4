"""fflm info"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from typing import Any

import fflm
from fflm.cli.flags import MODEL, verb
from fflm.cli.printing import print_json, visible
from fflm.errors import ConfigError


def add(verbs: Any) -> None:
    """The verb and its flags."""
    parser = verb(verbs, "info", run, "what a model file holds, or what this machine offers", "fflm info --system")
    parser.add_argument("model", nargs="?", metavar="MODEL", help=MODEL + ", or a text classifier")
    parser.add_argument("--system", action="store_true", help="versions, processor and the speed of its kernels")


def run(arguments: Namespace) -> int:
    """Open, one library call, print."""
    if arguments.system:
        from fflm.cli.system import describe_system

        facts = describe_system()
    elif arguments.model is None:
        raise ConfigError("info needs a MODEL, or --system")
    else:
        facts = _open(arguments.model).info()
    if arguments.json:
        print_json(facts)
    else:
        for name, value in _flat(facts):
            print(f"{name:24} {value}")
    return 0


def _open(path: str) -> Any:
    from fflm.model_file import model_path
    from fflm.storage.tensors import is_classifier

    return fflm.TextClassifier.load(path) if is_classifier(model_path(path)) else fflm.load(path)


def _flat(facts: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in facts.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for i, part in enumerate(value):
                yield from _flat(part, f"{prefix}{name}.{i}.")
        else:
            sign = ", " if name == "labels" else " "
            yield prefix + name, sign.join(visible(str(part)) for part in value) if isinstance(value, list) else value
