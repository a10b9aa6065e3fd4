"""Flags: those made from the configuration dataclasses, so that a new option is written down once, and shared ones."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import fields

import fflm
from fflm.config import Checked

SOURCE = (
    "a text file (also .gz), a folder of .txt and .gz files, - for standard input, or a named corpus: stdlib, brown, "
    "gutenberg, state_union, inaugural, with :train, :valid or :test for one of its splits"
)
MODEL = "a run folder, a model file, or an ARPA file of n-grams"
NETWORK = "a network, or a mixture with one: a run folder or a model file"


def verb(verbs, name: str, run, summary: str, example: str) -> argparse.ArgumentParser:
    """The parser of one verb, with what all verbs have."""
    parser = verbs.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:].replace("%%", "%") + ".",
        epilog="Example: " + example,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    parser.add_argument("--json", action="store_true", help="print JSON, for machines")
    return parser


def add_flags(
    parser: argparse.ArgumentParser, kind: type[Checked], title: str | None = None, leave_out: Sequence[str] = ()
) -> None:
    """One flag for each field of `kind`; one that is not given leaves no trace: defaults stay in one place."""
    group = parser.add_argument_group(title) if title else parser
    for item in fields(kind):
        if item.name in leave_out:
            continue
        flag = "--" + item.name.replace("_", "-")
        type_name = item.type.removesuffix(" | None")
        if type_name == "bool":
            group.add_argument(flag, action="store_true", default=argparse.SUPPRESS, help=item.metadata["help"])
            continue
        choices = item.metadata["choices"]
        group.add_argument(
            flag,
            default=argparse.SUPPRESS,
            type={"int": int, "float": float, "tuple[int, ...]": int}.get(type_name, str),
            nargs="+" if type_name.startswith("tuple") else None,
            metavar="{" + ",".join(choices) + "}" if choices else item.metadata["metavar"],
            help=item.metadata["help"] + _default(item),
        )


def _default(item) -> str:
    if item.default is None:
        return ""
    value = (" ".join(map(str, item.default)) or "none") if isinstance(item.default, tuple) else item.default
    return f" (default: {value})"


def given(arguments: argparse.Namespace, *kinds: type[Checked]) -> dict:
    """The options of `kinds` that were given on the command line."""
    names = [item.name for kind in kinds for item in fields(kind)]
    return {name: getattr(arguments, name) for name in names if hasattr(arguments, name)}


def threads(parser) -> None:
    """The flag of the verbs that run a model."""
    parser.add_argument("--threads", type=int, metavar="N", help="worker threads (default: every core)")


def encoding(parser) -> None:
    """The flag of the verbs that read text."""
    parser.add_argument("--encoding", default="utf-8", metavar="NAME", help="of the text files (default: utf-8)")


def load_model(arguments):
    """The model that the arguments name."""
    return fflm.load(arguments.model, arguments.threads)
