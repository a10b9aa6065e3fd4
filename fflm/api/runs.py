"""Run folders as records: what came of each, and tables of many."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from fflm.errors import ConfigError, ModelFileError, option_name, shown
from fflm.storage.files import read_json
from fflm.training.run_folder import CONFIG, REPORT

#: The columns of a table of runs: where each stands in a report.
COLUMNS = {
    "valid": ("report", "valid_perplexity"),
    "test": ("report", "test_perplexity"),
    "network_valid": ("report", "parts", "network", "valid", "perplexity"),
    "network_test": ("report", "parts", "network", "test", "perplexity"),
    "epochs": ("report", "epochs"),
    "steps": ("report", "steps"),
    "seconds": ("report", "seconds"),
    "tokens_per_second": ("report", "tokens_per_second"),
    "parameters": ("report", "parameters"),
    "seed": ("options", "seed"),
    "stopped": ("report", "stopped"),
    "finished": ("finished",),
}
#: Options that do not tell runs apart which differ in their seeds alone.
_NO_DIFFERENCE = {"seed", "text", "threads", "checkpoint_seconds"}


def read_run(folder: str | Path) -> dict[str, Any]:
    """Read the record of a run, ``report.json`` in its folder (or that file).

    Raises
    ------
    ModelFileError
        If there is none, or it is damaged.

    Examples
    --------
    >>> record = read_run("runs/demo")
    >>> record["options"]["seed"], record["report"]["stopped"]
    (1, 'epochs')
    """
    path = Path(folder)
    path = path / REPORT if path.is_dir() or not path.suffix else path
    if not path.exists():
        began = (path.parent / CONFIG).exists()
        raise ModelFileError(
            f"there is no {REPORT} in {path.parent}"
            + ("; the run is going on, was killed, or is of an older version" if began else "; it is no run folder")
        )
    if path.suffix != ".json":
        raise ModelFileError(f"{path} is neither a run folder nor the {REPORT} of one")
    record = read_json(path)
    if not all(isinstance(record.get(part), dict) for part in ("report", "options")):
        raise ModelFileError(f"{path} is damaged: report or options are missing")
    return record


def find_runs(folders: Iterable[str | Path]) -> list[Path]:
    """Return the run folders among some folders and in them, each once, in their order.

    Raises
    ------
    ModelFileError
        If a folder is none, or has no run in it.

    Examples
    --------
    >>> find_runs(["runs"])
    [PosixPath('runs/demo')]
    """
    found: dict[Path, None] = {}
    for name in folders:
        folder = Path(name)
        own = [folder] if (folder / REPORT).exists() else sorted(path.parent for path in folder.rglob(REPORT))
        if not own:
            read_run(folder)  # says why
            raise ModelFileError(f"there is no run in {folder}")
        found |= dict.fromkeys(own)
    return list(found)


def table_of_runs(folders: Sequence[str | Path], sort: str | None = None) -> list[dict[str, Any]]:
    """Tabulate runs: a row for each, and one for each group that differs in the seed alone (mean and deviation).

    Parameters
    ----------
    folders : sequence of path
        Run folders, or folders of these.
    sort : str, optional
        A column to sort by, smallest first.

    Raises
    ------
    ModelFileError
        If there is no run, or a record is damaged.
    ConfigError
        If there is no such column.

    Examples
    --------
    >>> [(row["run"], row["stopped"]) for row in table_of_runs(["runs"])]
    [('runs/demo', 'epochs')]
    """
    if sort is not None and sort not in COLUMNS:
        raise ConfigError(f"{option_name('sort')} must be one of {', '.join(COLUMNS)}, got {shown(sort)}")
    paths = find_runs(folders)
    records = [read_run(path) for path in paths]
    rows = [{"run": str(path), **_cells(record)} for path, record in zip(paths, records, strict=True)]
    if sort is not None:
        rows.sort(key=lambda row: (row[sort] is None, row[sort] if row[sort] is not None else 0))
    return [*rows, *_groups(paths, records)]


def _cells(record: dict[str, Any]) -> dict[str, Any]:
    return {name: _at(record, place) for name, place in COLUMNS.items()}


def _at(value: Any, place: Sequence[str]) -> Any:
    for name in place:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _groups(paths: list[Path], records: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the means of runs that differ in the seed alone, and the deviations between them."""
    groups: dict[str, list[int]] = {}
    for number, record in enumerate(records):
        key = repr(
            sorted((name, repr(value)) for name, value in record["options"].items() if name not in _NO_DIFFERENCE)
        )
        groups.setdefault(key, []).append(number)
    for members in groups.values():
        if len({_at(records[i], COLUMNS["seed"]) for i in members}) < 2:
            continue
        cells = [_cells(records[i]) for i in members]
        first, *others = (paths[i] for i in members)
        names = [str(first), *(path.name if path.parent == first.parent else str(path) for path in others)]
        name = f"{len(members)} seeds: {', '.join(names)}"
        for label, function in (("mean of", statistics.fmean), ("deviation of", _deviation)):
            row: dict[str, Any] = {"run": f"{label} {name}"}
            for column in COLUMNS:
                values = [cell[column] for cell in cells]
                numbers = all(isinstance(value, (int, float)) for value in values) and column != "seed"
                row[column] = function(values) if numbers else None
            yield row


def _deviation(values: Sequence[float]) -> float:
    """Return the standard deviation of a sample, as N - 1 values are free."""
    return statistics.stdev(values) if len(values) > 1 else math.nan
