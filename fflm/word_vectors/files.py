"""Word vectors in the formats of word2vec (text and binary) and GloVe (text), also compressed.

A word2vec file begins with a line ``WORDS FEATURES``. In its text form a line for each word follows, the word and its
features with spaces between; in its binary form the word, a space and the features as 32-bit floats. A GloVe file is
the text form without the first line. Words may have blanks inside, or be a blank: the last FEATURES fields of a line
are the numbers.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np

from fflm.errors import LONGEST_EXCERPT, TextError, shown
from fflm.storage.contents import UTF16, UTF32, WORD2VEC, Content, unpacked

CHUNK_BYTES = 2**20
LONGEST_LINE = 2**20
MOST_FEATURES = 65536
LARGEST = 1e30  # squares of larger features overflow
CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")


@dataclass(frozen=True)
class Vectors:
    """Vectors read from a file.

    Attributes
    ----------
    words : list of str
        The words that were wanted, in the order of the file.
    matrix : (len(words), m) float32
    total : int
        Words in the file.
    """

    words: list[str]
    matrix: np.ndarray
    total: int


def read_vectors(path: str | Path, wanted: Container[str] | None = None) -> Vectors:
    """Read word vectors; the format is recognised from the file.

    Parameters
    ----------
    path : str
        A file, also compressed by gzip, bzip2 or xz.
    wanted : container of str, optional
        Words to keep; all by default. Of a word that stands there twice the first vector is kept.

    Raises
    ------
    TextError
        If it can't be read, or is no such file, saying where.

    Examples
    --------
    >>> with open("vectors.txt", "w") as file:
    ...     written = file.write("2 3\\nthe 0.5 1 -2\\ncat 0.25 0 1\\n")
    >>> read_vectors("vectors.txt", {"cat", "dog"})
    Vectors(words=['cat'], matrix=array([[0.25, 0.  , 1.  ]], dtype=float32), total=2)
    """
    check_vectors(path)
    try:
        with unpacked(path) as (file, content):
            _check_content(path, content)
            return _read(str(path), file, wanted)
    except (OSError, ValueError) as error:
        if isinstance(error, TextError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise TextError(f"can't read the vectors of {path}: {reason}") from error


def check_vectors(path: str | Path) -> None:
    """Raise TextError, before any work, if there is no such file.

    Examples
    --------
    >>> check_vectors("missing.txt")
    Traceback (most recent call last):
    fflm.errors.TextError: can't read the vectors of missing.txt: no such file
    """
    if not os.path.exists(path) or os.path.isdir(path):
        reason = "it is a folder" if os.path.isdir(path) else "no such file"
        raise TextError(f"can't read the vectors of {path}: {reason}")


def _check_content(path: str | Path, content: Content) -> None:
    if content.name in (UTF16.name, UTF32.name):
        raise TextError(f"can't read the vectors of {path}: it is {content.name}; save it in UTF-8")
    if not content.is_text and content.name != WORD2VEC.name:
        raise TextError(f"can't read the vectors of {path}: it is {content}")


#: Where a word stands, the word, and a function that makes its row.
_Record = tuple[str, bytes, Callable[[], np.ndarray]]


def _read(path: str, file: BinaryIO, wanted: Container[str] | None) -> Vectors:
    first = file.readline(LONGEST_LINE).removeprefix(codecs.BOM_UTF8)
    header = _header(first)
    if header is None:
        features = _numbers_at_end(first.split())
        if features < 1:
            raise TextError(
                f"{path} holds no word vectors: its first line must be WORDS FEATURES, or a word and numbers"
            )
        records = _text_records(path, file, first, features, 1)
    else:
        count, features = header
        second = file.read(min(LONGEST_LINE, 64 * features + 4096))
        if _is_text(second, features):
            records = _text_records(path, file, second, features, 2)
        else:
            records = _binary_records(path, file, second, features, count)
    words: list[str] = []
    rows: list[np.ndarray] = []
    seen: set[str] = set()
    total = 0
    for place, name, make_row in records:
        total += 1
        text = _decoded(path, place, name)
        if text not in seen and (wanted is None or text in wanted):
            seen.add(text)
            words.append(text)
            rows.append(make_row())
    if header is not None and total != header[0]:
        raise TextError(f"{path} is damaged: it says that it holds {header[0]:,} vectors, but holds {total:,}")
    matrix = np.array(rows, np.float32).reshape(len(rows), features)
    good = (np.abs(matrix) <= LARGEST).all(axis=1)
    if not good.all():
        word = words[int(np.flatnonzero(~good)[0])]
        raise TextError(f"{path}: the vector of {word!r} is not of finite numbers, none above {LARGEST:g}")
    return Vectors(words, matrix, total)


def _header(line: bytes) -> tuple[int, int] | None:
    parts = line.split()
    if len(parts) != 2 or not all(part.isdigit() for part in parts):
        return None
    count, features = map(int, parts)
    if not 1 <= features <= MOST_FEATURES:
        raise ValueError(f"vectors must have 1 to {MOST_FEATURES:,} features, got {features:,} in its first line")
    return count, features


def _numbers_at_end(parts: Sequence[bytes]) -> int:
    """Count the numbers after the word, which may have blanks."""
    count = 0
    while count < len(parts) - 1:
        try:
            _number(parts[-1 - count])
        except ValueError:
            break
        count += 1
    return count


def _number(text: bytes) -> float:
    if b"_" in text:  # which Python allows
        raise ValueError
    return float(text)


def _is_text(beginning: bytes, features: int) -> bool:
    """Tell whether a word2vec file is in the text form, by its beginning after the header.

    It is if a line ends with that many numbers, or numbers stand after its first word, or (lest a wrong line decides)
    if all of the beginning can be decoded.
    """
    line = beginning.split(b"\n", 1)[0]
    if _numbers_at_end([b"", *line.rsplit(None, features)[-features:]]) == features:
        return True
    numbers = line.split(None, 1)[1:]
    if numbers and not numbers[0].strip(b"0123456789+-.eE \t\r"):
        return True
    if features < 3 or CONTROL.search(beginning):  # so few bytes could be letters by chance
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(beginning)
    except UnicodeDecodeError:
        return False
    return True


def _fields(line: bytes, features: int) -> tuple[bytes, list[bytes]] | None:
    """Split a line into its word and its numbers, the last fields; a word of blanks alone stands before one blank."""
    parts = line.rsplit(None, features)
    if len(parts) == features + 1:
        return parts[0].lstrip(), parts[1:]
    blanks = line[: len(line) - len(line.lstrip())]
    return (blanks[:-1], parts) if len(parts) == features and len(blanks) > 1 else None


def _text_records(path: str, file: BinaryIO, beginning: bytes, features: int, number: int) -> Iterator[_Record]:
    """Yield the word of each line, and a function that makes its row: only wanted lines are parsed."""
    kept, plain, longer = beginning, 0, 0
    first_longer: tuple[int, bytes] | None = None
    while True:
        more = file.read(CHUNK_BYTES)
        *lines, kept = (kept + more).split(b"\n")
        if not more and kept:
            lines, kept = [*lines, kept], b""
        for line in lines:
            if (record := _fields(line, features)) is not None:
                word, numbers = record
                if len(parts := word.split()) > 1 and _numbers_at_end(parts):
                    longer += 1
                    first_longer = first_longer or (number, line)
                else:
                    plain += 1
                yield f"line {number}", word, partial(_row, path, number, numbers)
            elif line.strip():
                raise TextError(
                    f"{path}, line {number}: a word and {features} numbers must stand here, got {_start(line)}"
                )
            number += 1
        if not more:
            break
    # Where most words seem to end in a number, their vectors are longer than that of the first line.
    if first_longer and longer >= max(1, plain):
        number, line = first_longer
        raise TextError(f"{path}, line {number}: a word and {features} numbers must stand here, got {_start(line)}")


def _row(path: str, number: int, parts: list[bytes]) -> np.ndarray:
    try:
        with np.errstate(over="ignore"):  # refused later, by name
            return np.array([_number(part) for part in parts], np.float32)
    except ValueError:
        raise TextError(
            f"{path}, line {number}: a word and {len(parts)} numbers must stand here, got {_start(b' '.join(parts))}"
        ) from None


def _binary_records(path: str, file: BinaryIO, beginning: bytes, features: int, count: int) -> Iterator[_Record]:
    kept, begin, size = beginning, 0, 4 * features
    for number in range(1, count + 1):
        while (end := kept.find(b" ", begin)) < 0 or len(kept) < end + 1 + size:
            more = file.read(CHUNK_BYTES)
            if not more or (end < 0 and len(kept) - begin > LONGEST_LINE):
                text = f"{path} is damaged: it says that it holds {count:,} vectors, but ends in number {number:,}"
                raise TextError(text)
            kept, begin = kept[begin:] + more, 0
        row = np.frombuffer(kept, "<f4", features, end + 1)
        word = kept[begin:end].lstrip(b"\n")
        if CONTROL.search(word):  # of numbers: a word with a blank stood before them
            raise TextError(f"{path} is damaged: no word stands before vector {number:,}")
        yield f"vector {number}", word, row.copy
        begin = end + 1 + size
    if (kept[begin:] + file.read(CHUNK_BYTES)).strip():
        raise TextError(f"{path} is damaged: it says that it holds {count:,} vectors, but goes on after them")


def _decoded(path: str, place: str, word: bytes) -> str:
    try:
        return word.decode("utf-8")
    except UnicodeDecodeError:
        raise TextError(f"{path}, {place}: the word must be UTF-8, got {shown(word, most=40)}") from None


def _start(line: bytes) -> str:
    return shown(line.decode("utf-8", "replace"), LONGEST_EXCERPT)


def writable(words: Sequence[str]) -> list[int]:
    """Return the numbers of the words that a vector file can hold: no white space, no control characters.

    Examples
    --------
    >>> writable(["the", " ", "cat", "\\x00"])
    [0, 2]
    """
    return [
        i
        for i, word in enumerate(words)
        if word.split() == [word] and not CONTROL.search(word.encode("utf-8", "replace"))
    ]


def vector_file(words: Sequence[str], matrix: np.ndarray, binary: bool = False) -> Iterator[bytes]:
    """Yield the pieces of a word2vec file; numbers as text are the shortest that are read back as the same bits.

    Examples
    --------
    >>> b"".join(vector_file(["the", "cat"], np.array([[0.5, 1], [0.1, -2]], np.float32)))
    b'2 2\\nthe 0.5 1.0\\ncat 0.1 -2.0\\n'
    """
    yield f"{len(words)} {matrix.shape[1]}\n".encode()
    for word, row in zip(words, matrix, strict=True):
        name = word.encode("utf-8", "surrogatepass")
        if binary:
            yield name + b" " + row.astype("<f4").tobytes()
        else:
            yield name + b" " + " ".join(map(str, row)).encode() + b"\n"
