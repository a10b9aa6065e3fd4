"""Files of many texts, read one text at a time: lines, JSON lines, CSV and TSV tables. Nothing here knows tokens.

A text that can't be read (a byte that is not of the encoding, JSON that is none, a field that is missing) is a record
too: it says what is wrong, and the texts after it are read. Tables are read as RFC 4180 has them, tab-separated ones
too: a field in double quotes may hold line ends, and a double quote in it is written twice.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import lzma
import os
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from fflm.config import RecordsConfig
from fflm.errors import ConfigError, TextError, did_you_mean, option_name, shown
from fflm.storage.contents import COMPRESSIONS, content_of
from fflm.storage.files import standard_input

#: How many bytes are read at once, at most; what a pipe holds is read at once.
CHUNK_BYTES = 2**19
TEXT_FIELD = "text"
_FORMATS = {".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl"}
_PACKED = (".gz", ".bz2", ".xz")
_DELIMITERS = {"csv": ",", "tsv": "\t"}


@dataclass(slots=True)
class Record:
    """One text of a file.

    Attributes
    ----------
    line : int
        The line of the file on which it begins, from 1.
    text : str or None
        None where it can't be read, or is the first line of a table, which names the columns.
    id : Any
        The value of the field that identifies it; None without one.
    error : str or None
        What is wrong with it.
    raw : bytes
        Its bytes as they stand in the file, line end included.
    """

    line: int
    text: str | None = None
    id: Any = None
    error: str | None = None
    raw: bytes = b""

    @property
    def is_header(self) -> bool:
        """Whether it is the line that names the columns of a table."""
        return self.text is None and self.error is None


def read_records(source: str, config: RecordsConfig, encoding: str = "utf-8") -> Iterator[list[Record]]:
    """Read the texts of a file in their order, in batches: what a pipe holds by now, or at most about 512 KiB.

    Parameters
    ----------
    source : str
        A file, also compressed by gzip, bzip2 or xz, or ``-`` for standard input.
    config : RecordsConfig
    encoding : str
        An encoding in which a line end is the byte 10, as it is in UTF-8.

    Raises
    ------
    TextError
        If the file can't be read, is no text, or is a table without the columns that are asked for.
    ConfigError
        If the encoding is none of these.

    Examples
    --------
    >>> with open("few.jsonl", "w") as file:
    ...     _ = file.write('{"id": "a", "text": "the cat"}\\n{"id": "b"}\\n')
    >>> for record in next(read_records("few.jsonl", RecordsConfig(id="id"))):
    ...     print(record.line, record.id, record.text, record.error)
    1 a the cat None
    2 b None no field 'text'
    """
    encoding = _known_encoding(encoding)
    batches = _lines(source)
    first = next(batches, [])
    if first:
        first[0] = first[0].removeprefix(codecs.BOM_UTF8)
    kind = config.format or _format_of(source, config, first)
    if kind == "lines" and (config.column or config.id):
        given = "column" if config.column else "id"
        raise ConfigError(
            f"{option_name(given)} must name a column, got {shown(getattr(config, given))} for {shown(source)}, which "
            f"has none; name its format with {option_name('format')} (jsonl, csv, tsv)"
        )
    chained = _chain(first, batches)
    if kind in _DELIMITERS:
        yield from _table(chained, source, config, encoding, _DELIMITERS[kind])
        return
    number = 0
    for lines in chained:
        records = []
        for line in lines:
            number += 1
            record = Record(number, raw=line)
            try:
                record.text = line.rstrip(b"\n").removesuffix(b"\r").decode(encoding)
            except UnicodeDecodeError as error:
                record.error = f"no {encoding}: byte {error.start + 1} of the line"
            if kind == "jsonl" and record.text is not None:
                _read_object(record, config)
            records.append(record)
        yield records


def _chain(first: list[bytes], batches: Iterator[list[bytes]]) -> Iterator[list[bytes]]:
    if first:
        yield first
    yield from batches


def _format_of(source: str, config: RecordsConfig, lines: list[bytes]) -> str:
    """Return the format by the end of the file's name; where fields are asked for, else, as the first line looks."""
    name, end = os.path.splitext(source.lower())
    if end in _PACKED:
        end = os.path.splitext(name)[1]
    if end in _FORMATS:
        return _FORMATS[end]
    if not (config.column or config.id):
        return "lines"
    head = lines[0].lstrip() if lines else b""
    return "jsonl" if head.startswith(b"{") else "tsv" if b"\t" in head else "csv"


def _read_object(record: Record, config: RecordsConfig) -> None:
    """Replace the text of a record, a JSON object, by the fields that are asked for."""
    content, record.text = record.text or "", None
    if not content.strip():
        record.text = ""
        return
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        record.error = f"no JSON: {getattr(error, 'msg', 'it can not be read')}"
        return
    if not isinstance(value, dict):
        record.error = f"no JSON object: {shown(value, most=40)}"
        return
    if config.id is not None:
        record.id = value.get(config.id)
    field = config.column or TEXT_FIELD
    text = value.get(field)
    if isinstance(text, str):
        record.text = text
    else:
        record.error = (
            f"no text in field {field!r}: {shown(text, most=40)}" if field in value else f"no field {field!r}"
        )
    if record.error is None and config.id is not None and config.id not in value:
        record.text, record.error = None, f"no field {config.id!r}"


def _table(
    batches: Iterator[list[bytes]], source: str, config: RecordsConfig, encoding: str, delimiter: str
) -> Iterator[list[Record]]:
    """Read a table; bytes that are not of the encoding are kept apart until it is known in which field they are."""
    used: list[bytes] = []
    waiting = [0]

    def decoded() -> Iterator[str]:
        for lines in batches:
            for i, line in enumerate(lines):
                waiting[0] = len(lines) - i - 1
                used.append(line)
                yield line.decode(encoding, "surrogateescape")

    rows = csv.reader(decoded(), delimiter=delimiter, strict=True)
    places: list[int] | None = None
    records: list[Record] = []
    done = 0
    while True:
        record, row = Record(done + 1), None
        try:
            row = next(rows, None)
        except csv.Error as error:
            record.error = f"no row of a table: {error}"
        done, record.raw = rows.line_num, b"".join(used)
        used.clear()
        if row is None and record.error is None:
            break
        if places is None:
            places = _places(row or [], source, config)
        elif row is not None:
            _read_row(record, row, places, encoding)
        records.append(record)
        if not waiting[0]:
            yield records
            records = []
    if records:
        yield records


def _places(header: list[str], source: str, config: RecordsConfig) -> list[int]:
    """Return where in a row the text stands and, where it is asked for, what identifies it."""
    places = []
    for option, name in (("column", config.column or TEXT_FIELD), ("id", config.id)):
        if name is None:
            continue
        if name not in header:
            meant = did_you_mean(name, header)
            hint = f"; did you mean {shown(meant)}?" if meant else ""
            raise TextError(
                f"{option_name(option)} must be a column of {shown(source)}, got {shown(name)}; it has "
                f"{', '.join(shown(column, most=40) for column in header[:20]) or 'none'}{hint}"
            )
        places.append(header.index(name))
    return places


def _read_row(record: Record, row: list[str], places: list[int], encoding: str) -> None:
    if not row:  # an empty line
        record.text = ""
        return
    fields = [row[place] if place < len(row) else None for place in places]
    record.id = fields[1] if len(fields) > 1 else None
    if None in fields:
        record.error = f"too few fields: {len(row)}"
    elif any("\ud800" <= char <= "\udfff" for field in fields for char in field or ""):
        record.error = f"no {encoding}"
    else:
        record.text = fields[0]
    if isinstance(record.id, str):
        record.id = record.id.encode(encoding, "surrogateescape").decode(encoding, "replace")


def _known_encoding(encoding: str) -> str:
    try:
        if "\n".encode(encoding) == b"\n":
            return codecs.lookup(encoding).name
    except (LookupError, ValueError, TypeError):
        pass
    raise ConfigError(
        f"{option_name('encoding')} must be one that Python knows and in which a line end is one byte, such as utf-8 "
        f"or cp1252, got {shown(encoding)}"
    )


def _lines(source: str) -> Iterator[list[bytes]]:
    """Yield the lines of a file with their ends, as many at once as have come."""
    kept: list[bytes] = []
    try:
        with _opened(source) as file:
            while chunk := file.read1(CHUNK_BYTES):
                cut = chunk.rfind(b"\n") + 1
                if not cut:
                    kept.append(chunk)
                    continue
                whole = b"".join((*kept, chunk[:cut]))
                kept = [chunk[cut:]] if cut < len(chunk) else []
                yield io.BytesIO(whole).readlines()
        if kept:
            yield [b"".join(kept)]
    except (EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise TextError(f"source must be readable, got {shown(source)}: {reason}") from None


@contextmanager
def _opened(source: str) -> Iterator[Any]:
    """Open a file for reading, decompressed; of a pipe no more is read than what it holds."""
    with ExitStack() as stack:
        file: Any = standard_input() if source == "-" else stack.enter_context(open(source, "rb"))
        head = file.peek(512)
        for first, _, unpack in COMPRESSIONS:
            if head.startswith(first):
                file = io.BufferedReader(unpack(file))
                head = file.peek(512)
                break
        content = content_of(head)
        if not content.is_text:
            raise TextError(f"source must be text, got {shown(source)}, which is {content}")
        yield file
