"""The command ``fflm runs``."""

from __future__ import annotations

import argparse
import csv
import io
from typing import Any

from fflm.cli.flags import verb
from fflm.cli.printing import print_json, print_line, print_text
from fflm.errors import ConfigError, option_name

#: The columns that a terminal has room for.
SHOWN = ("run", "valid", "test", "network_valid", "network_test", "epochs", "seconds", "seed", "stopped")


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb and its flags."""
    parser = verb(
        verbs,
        "runs",
        run,
        "tabulate the results of runs, with mean and deviation of those that differ in the seed alone",
        "fflm runs runs --sort valid",
    )
    parser.add_argument("folders", nargs="+", metavar="FOLDER", help="a run folder, or a folder of run folders")
    parser.add_argument("--sort", metavar="COLUMN", help="sort by a column, such as valid or seconds; smallest first")
    parser.add_argument("--csv", action="store_true", help="print every column as CSV")
    parser.add_argument("--curve", action="store_true", help="print the learning curves of the runs as CSV")


def run(arguments: argparse.Namespace) -> int:
    """Print a line for each run."""
    from fflm.api.runs import find_runs, read_run, table_of_runs

    if arguments.curve:
        if arguments.sort is not None:
            raise ConfigError(f"{option_name('sort')} must not be given with --curve")
        rows: list[dict[str, Any]] = [
            {"run": str(path), **record}
            for path in find_runs(arguments.folders)
            for record in read_run(path)["report"].get("history", [])
        ]
    else:
        rows = table_of_runs(arguments.folders, arguments.sort)
    if arguments.json:
        print_json(rows)
    elif arguments.csv or arguments.curve:
        names = dict.fromkeys(name for row in rows for name in row)
        text = io.StringIO()
        writer = csv.DictWriter(text, list(names), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        print_text(text.getvalue().removesuffix("\n"))
    else:
        print_runs(rows)
    return 0


def print_runs(rows: list[dict[str, Any]]) -> None:
    """Print the rows of a table of runs in columns."""
    cells = [list(SHOWN), *([_cell(row[name]) for name in SHOWN] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for first, *others in cells:
        numbers = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        print_line("  ".join([first.ljust(widths[0]), *numbers]))


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
