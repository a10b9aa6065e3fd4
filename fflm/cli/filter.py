"""The command ``fflm filter``."""

from __future__ import annotations

import argparse
import os
import sys

from fflm.cli.flags import MODEL, add_encoding, add_flags, add_records, add_threads, given, load_model, verb
from fflm.cli.printing import note, print_json
from fflm.config import FilterConfig, RecordsConfig


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb and its flags."""
    parser = verb(
        verbs,
        "filter",
        run,
        "pass on the texts of a file, one a line, that a model finds likely enough, as they stand in it",
        "fflm filter runs/stdlib documents.txt --keep-below p60 > likely.txt",
    )
    parser.add_argument("model", metavar="MODEL", help=MODEL)
    parser.add_argument("source", metavar="FILE", help="a file of texts, also compressed; - for standard input")
    add_flags(parser, FilterConfig)
    add_records(parser)
    add_encoding(parser)
    add_threads(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the texts that are kept, byte for byte, and on stderr how many were."""
    from fflm.evaluation.text_filter import kept_records

    config = FilterConfig(**given(arguments, FilterConfig))
    records = RecordsConfig(**given(arguments, RecordsConfig))
    model = load_model(arguments)
    read = kept = broken = 0
    found = kept_records(model.lm, os.fspath(arguments.source), records, config, arguments.encoding, note)
    for record, good in found:
        if record.is_header:
            good = True
        else:
            read, kept, broken = read + 1, kept + bool(good), broken + (good is None)
        if good is None:
            note(
                f"line {record.line:,} of {arguments.source} is left out: {record.error or 'its marks can not be read'}"
            )
        elif good and arguments.json:
            print_json({"line": record.line, "id": record.id, "text": record.text})
        elif good:
            sys.stdout.buffer.write(record.raw)
            sys.stdout.buffer.flush()
    note(f"{kept:,} of {read:,} texts kept" + (f", {broken:,} could not be read" if broken else ""))
    return 0
