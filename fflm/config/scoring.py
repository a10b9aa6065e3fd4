"""The options of scoring the texts of a file one by one: where a text stands in it, tables of words, and filters."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fflm.config.options import Checked, option
from fflm.errors import ConfigError, option_name, shown

#: What the bits of an unknown word may be.
UNKNOWN = ("spelled", "unk", "nan")
UNKNOWN_HELP = (
    "bits of an unknown word: spelled, those of <unk> and of its spelling, where the model has a spelling model; unk, "
    "those of <unk>; nan, none"
)


@dataclass(frozen=True)
class RecordsConfig(Checked):
    """Where in a file the texts stand that are scored one by one."""

    format: str | None = option(
        None,
        "lines: a text a line; jsonl: a JSON object a line; csv, tsv: a table whose first line names its columns "
        "(default: as the name of the file ends; with a column, else, as the first line looks; else lines)",
        choices=("lines", "jsonl", "csv", "tsv"),
    )
    column: str | None = option(
        None, "the column, or field of the JSON objects, that holds the text (default: text)", metavar="NAME"
    )
    id: str | None = option(
        None, "the column or field that identifies a text or an item; it is passed on", metavar="NAME"
    )


@dataclass(frozen=True)
class WordsConfig(Checked):
    """The options of tables of the surprisal of words (`fflm.evaluation.surprisal_words`)."""

    base: str = option("2", "the base of the logarithm: bits, nats or bans", choices=("2", "e", "10"))
    punctuation: str = option(
        "joined",
        "joined: a word is what stands between blanks; apart: marks at its beginning and end are words of their own",
        choices=("joined", "apart"),
    )
    context: str = option(
        "line",
        "line: each text stands alone; item: contexts run on through the texts that follow each other and have the "
        "same identifier; file: through the whole file",
        choices=("line", "item", "file"),
    )
    regions: str | None = option(
        None, "the mark that divides a text into regions, such as |; it is no part of the text", metavar="MARK"
    )
    totals: bool = option(False, "a row for each region (without regions: each text) in place of each word")
    end: bool = option(False, "a row for the end of a text too, where the model predicts one")
    no_entropy: bool = option(False, "leave the entropy out, which costs most of the time")
    unknown: str = option("spelled", UNKNOWN_HELP, choices=UNKNOWN)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.regions is not None and not self.regions.strip():
            raise ConfigError(f"{option_name('regions')} must be a mark that is no blank, got {shown(self.regions)}")


@dataclass(frozen=True)
class FilterConfig(Checked):
    """The options of `fflm filter`: which texts are kept."""

    keep_below: str | None = option(
        None, "keep texts whose figure is at most this: a number, or p60 for the 60th percentile", metavar="LIMIT"
    )
    keep_above: str | None = option(
        None, "keep texts whose figure is at least this: a number, or p5 for the 5th percentile", metavar="LIMIT"
    )
    figure: str | None = option(
        None,
        "what is looked at (default: open_perplexity, of a model without spelling model perplexity)",
        choices=("perplexity", "open_perplexity", "open_bits_per_character"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.keep_below is None and self.keep_above is None:
            raise ConfigError(
                f"{option_name('keep_below')} or {option_name('keep_above')} must be given, such as 300 or p60"
            )
        for name in ("keep_below", "keep_above"):
            limit = getattr(self, name)
            if limit is not None:
                parsed_limit(name, limit)


def parsed_limit(name: str, limit: str) -> tuple[float, bool]:
    """Return the number of a limit, and whether it is a percentile.

    Examples
    --------
    >>> parsed_limit("keep_below", "p60"), parsed_limit("keep_below", "300")
    ((60.0, True), (300.0, False))
    """
    percentile = limit.startswith("p")
    if re.fullmatch(r"\d+(\.\d*)?([eE]\d+)?", limit[percentile:]):
        value = float(limit[percentile:])
        if not percentile or value <= 100.0:
            return value, percentile
    raise ConfigError(
        f"{option_name(name)} must be a number that is not negative, or p and a percentile of 0 to 100, got "
        f"{shown(limit)}"
    )
