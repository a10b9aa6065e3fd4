"""Tables of ``fflm score``: a row for each word, or for each text of a file."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from fflm.cli.flags import adaptation, as_flags, given
from fflm.cli.printing import note, print_json, print_line
from fflm.config import RecordsConfig, WordsConfig
from fflm.errors import ConfigError, option_name, shown

if TYPE_CHECKING:
    from fflm.api.model import Model
    from fflm.evaluation.surprisal_words import Sentence
    from fflm.lm import LanguageModel

#: What stands in a table where there is no number: R and pandas read it so.
MISSING = "NA"


def asked_for(arguments: argparse.Namespace) -> str | None:
    """Return the flag that asks for a table, None where the tokens of the sources as one text are asked for.

    Raises
    ------
    ConfigError
        If options are given that do not go together.
    """
    words = [*given(arguments, WordsConfig), *(["also"] if arguments.also else [])]
    words = [name for name in words if name != "unknown"]
    records = list(given(arguments, RecordsConfig))
    if arguments.per_line:
        if words or hasattr(arguments, "unknown"):
            raise ConfigError(
                f"{option_name('per_line')} must not be given with {option_name((words or ['unknown'])[0])}, which is "
                "for tables of words"
            )
        asked = "per_line"
    elif arguments.words or words or records:
        asked = "words" if arguments.words else (words or records)[0]
    else:
        return None
    refused: dict[str, Any] = {"html": arguments.html, "top": arguments.top}
    if name := next((name for name, value in refused.items() if value is not None), None):
        raise ConfigError(f"{option_name(name)} must not be given with {option_name(asked)}")
    if options := adaptation(arguments):
        raise ConfigError(f"{as_flags(options)} must not be given with {option_name(asked)}: each text is by itself")
    if len(arguments.sources) > 1:
        raise ConfigError(
            f"{option_name('sources')} must be one file with {option_name(asked)}, got {len(arguments.sources)}"
        )
    return asked


def print_texts(arguments: argparse.Namespace, model: Model) -> None:
    """Print a line for each text of a file, as it comes."""
    from fflm.evaluation.text_scores import score_records

    config = RecordsConfig(**given(arguments, RecordsConfig))
    (source,) = arguments.sources
    names = ["log_prob", "perplexity", "open_log_prob", "open_perplexity", "open_bits_per_character"]
    names = ["line", *(["id"] if config.id else []), *names, "tokens", "unknown"]
    if not arguments.json:
        print_line(*names)
    read = broken = 0
    for record, score in score_records(model.lm, os.fspath(source), config, arguments.encoding):
        if record.is_header:
            continue
        read += 1
        values = {"line": record.line, **({"id": record.id} if config.id else {}), **score.to_dict()}
        if score.error is not None:
            broken += 1
            note(f"line {record.line:,} of {source} has no figures: {score.error}")
        if arguments.json:
            print_json(values)
        else:
            print_line(
                *(_cell(None if score.error is not None and name in NUMBERS else values[name]) for name in names)
            )
        sys.stdout.flush()
    note(f"{read:,} texts" + (f", {broken:,} could not be read" if broken else ""))


#: What a text that can't be read has no numbers of.
NUMBERS = ("tokens", "unknown")


def print_words(arguments: argparse.Namespace, models: dict[str, LanguageModel]) -> None:
    """Print a line for each word, or each region, of the texts of a file."""
    from fflm.evaluation.surprisal_words import word_rows
    from fflm.text.records import read_records

    records = RecordsConfig(**given(arguments, RecordsConfig))
    words = WordsConfig(**given(arguments, WordsConfig))
    (source,) = arguments.sources

    def sentences() -> Iterator[Sentence]:
        from fflm.evaluation.surprisal_words import Sentence

        for record in chain.from_iterable(read_records(os.fspath(source), records, arguments.encoding)):
            if record.error is not None:
                note(f"line {record.line:,} of {source} is left out: {record.error}")
            elif record.text is not None:
                yield Sentence(record.line, record.id if records.id else record.line, record.text)

    number = 0
    for number, row in enumerate(word_rows(models, sentences(), words), start=1):
        if arguments.json:
            print_json(row)
            continue
        if number == 1:
            print_line(*row)
        print_line(*map(_cell, row.values()))
    note(f"{number:,} rows")


def model_names(paths: list[str]) -> list[str]:
    """Return a name for each model, for its columns: what distinguishes its path from the others.

    Examples
    --------
    >>> model_names(["runs/a", "runs/b", "runs/kn5.safetensors"])
    ['a', 'b', 'kn5']
    """
    short = [
        os.path.basename(os.path.normpath(path)).removesuffix(".safetensors").removesuffix(".arpa") for path in paths
    ]
    names = short if len(set(short)) == len(short) else list(paths)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigError(f"{option_name('also')} must name other models, got {shown(twice)} twice")
    return names


def _cell(value: object) -> str:
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        return f"{value:z.6f}" if abs(value) < 1e9 else f"{value:.6g}"
    return str(value).replace("\\", "\\\\")
