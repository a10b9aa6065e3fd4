"""The command ``fflm explain-graph``."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from fflm.cli.flags import add_force, takes_stdout, verb
from fflm.cli.printing import note, print_json, print_line, print_text
from fflm.errors import ConfigError, shown

if TYPE_CHECKING:
    from fflm.teaching.graph import Node


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb and its flags."""
    parser = verb(
        verbs,
        "explain-graph",
        run,
        "draw the computation graph of a formula, with the value and the gradient of every step",
        'fflm explain-graph "d = 2 * b; L = c * (a + d)" a=3 b=1 c=-2 --out graph.svg',
    )
    parser.add_argument(
        "formula",
        metavar="FORMULA",
        help="arithmetic with + - * / @ ** (a power), the functions abs exp log logsumexp mean sqrt sum, the "
        "activations identity relu leaky_relu prelu sigmoid softmax softplus swish tanh, W.T for a transpose; several "
        "steps with names, separated by semicolons",
    )
    parser.add_argument(
        "values",
        nargs="*",
        metavar="NAME=VALUE",
        help="what a name stands for: a number, or a list as [1, 2] or [[1, 2], [3, 4]]",
    )
    parser.set_defaults(any_number="values")
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="write a picture .svg, or a .dot file for Graphviz; - for dot on standard output (the default)",
    )
    add_force(parser, "FILE")


def run(arguments: argparse.Namespace) -> int:
    """Print or write the graph of a formula, with the value and the gradient of every step."""
    import numpy as np

    from fflm.teaching.formulas import parse
    from fflm.teaching.graph import in_order

    if takes_stdout(arguments, arguments.out):
        arguments.out = None
    _check_out(arguments.out, arguments.force)
    root = parse(arguments.formula, _values(arguments.values))
    if root.value.size != 1:
        raise ConfigError(
            f"the formula must end in a single number to have gradients, got an array of shape {root.value.shape}"
        )
    with np.errstate(all="ignore"):  # an infinite gradient is shown as it is
        root.backward()
    _note_undefined(root)
    if arguments.out is not None:
        from fflm.storage.files import write

        picture = root.to_svg() if arguments.out.lower().endswith(".svg") else root.to_dot()
        write(arguments.out, f"{picture}\n".encode())
    if arguments.json:
        print_json({"out": arguments.out, "nodes": _described(in_order(root))})
    elif arguments.out is not None:
        print_line(f"graph        {arguments.out}")
    else:
        print_text(root.to_dot())
    return 0


def _note_undefined(root: Node) -> None:
    """Say which values are the first that are no numbers."""
    import numpy as np

    from fflm.teaching.graph import in_order

    for node in in_order(root):
        if np.isnan(node.value).any() and not any(np.isnan(parent.value).any() for parent in node.parents):
            of = " and ".join(str(parent.value) for parent in node.parents)
            note(f"{node.operation or node.name} of {of} is not a number")


def _check_out(path: str | None, force: bool) -> None:
    from fflm.api.arguments import check_new_file

    if path is not None and not path.lower().endswith((".dot", ".svg")):
        raise ConfigError(f"the file to write must end in .dot or .svg, got {shown(path)}")
    check_new_file(path, force)


def _values(texts: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for text in texts:
        name, _, number = text.partition("=")
        name = name.strip()
        try:
            value = json.loads(number)
        except (ValueError, RecursionError):
            raise ConfigError(f"a value must be given as NAME=NUMBER, got {shown(text)}") from None
        if not name.isidentifier() or not _is_numbers(value):
            raise ConfigError(f"a value must be given as NAME=NUMBER, got {shown(text)}")
        if name in values:
            raise ConfigError(f"{name} must be given one value, got two")
        values[name] = value
    return values


def _is_numbers(value: object) -> bool:
    if isinstance(value, list):
        return all(map(_is_numbers, value))
    return type(value) in (int, float)


def _described(nodes: Iterable[Node]) -> list[dict[str, Any]]:
    """Describe every node; its parents are places in this list, from 0."""
    place = {id(node): i for i, node in enumerate(nodes)}
    return [
        {
            "name": node.name,
            "operation": node.operation,
            "parents": [place[id(parent)] for parent in node.parents],
            "value": _plain(node.value.tolist()),
            "gradient": None if node.grad is None else _plain(node.grad.tolist()),
        }
        for node in nodes
    ]


def _plain(value: Any) -> Any:
    """Return what JSON can hold: a number that is not finite becomes "inf", "-inf" or "nan"."""
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return value if math.isfinite(value) else str(value)
