"""The content of a file, recognised by its first bytes and never by its name, and decompression."""

from __future__ import annotations

import bz2
import codecs
import contextlib
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from fflm.storage.files import standard_input

#: How many bytes at the beginning of a file are examined. The comments before the ``\data\`` of an ARPA file may be
#: about as long.
HEAD_BYTES = 2**16


@dataclass(frozen=True)
class Content:
    """What the bytes of a file are.

    Attributes
    ----------
    name : str
        For messages, such as ``a PDF document``.
    is_text : bool
        Whether it can be read as text. What is not recognised may be: in an encoding other than UTF-8.
    advice : str
        What to do instead, if there is something; it follows a semicolon.
    packed : str
        The compression that was undone to see it: ``gzip``, ``bzip2``, ``xz`` or nothing.
    """

    name: str
    is_text: bool = False
    advice: str = ""
    packed: str = ""

    def __str__(self) -> str:
        packed = f" (compressed by {self.packed})" if self.packed else ""
        advice = f"; {self.advice}" if self.advice else ""
        return self.name + packed + advice


class DamagedFileError(ValueError):
    """A compressed file that can't be decompressed; `packed` is its compression."""

    def __init__(self, packed: str, reason: str):
        super().__init__(f"not an intact {packed} file: {reason}")
        self.packed, self.reason = packed, reason


UNPACK = "decompress it first"
SAVE_TEXT = "save it as plain text first"
NO_PICKLE = "fflm reads no pickle, as it can run any program; export what is needed as text"
OTHER_FORMAT = "fflm can't read it"

EMPTY = Content("an empty file", True)
TEXT = Content("text", True)
ARPA = Content("an ARPA file of n-grams")
TEXT_BEFORE_ARPA = Content("an ARPA file of n-grams after other text", True)
SAFETENSORS = Content("a safetensors file")
UNKNOWN = Content("neither text in UTF-8 nor a format that fflm knows", True)
UTF16 = Content("text in UTF-16", True, "convert the file to UTF-8")
UTF32 = Content("text in UTF-32", True, "convert the file to UTF-8")
WORD2VEC = Content("a binary word2vec file", False, "it is for --vectors")
ZIP = Content("a zip archive", False, UNPACK)
PYTORCH = Content("a PyTorch file", False, NO_PICKLE)
HTML = Content("an HTML page", False, SAVE_TEXT)

#: The first bytes of formats. Compressions that Python's own library undoes are not among them.
SIGNATURES: tuple[tuple[bytes, Content], ...] = (
    (b"mmap lm http://kheafield.com/code", Content("a binary file of KenLM", False, "give the ARPA file it came from")),
    (b"SRILM_BINARY", Content("a binary file of SRILM", False, "give the ARPA file it came from")),
    (b"blmt", Content("a binary file of IRSTLM", False, "give the ARPA file it came from")),
    (b"Qblmt", Content("a binary file of IRSTLM", False, "give the ARPA file it came from")),
    (b"iARPA\n", Content("an iARPA file of IRSTLM", False, "convert it with compile-lm --text=yes")),
    (b"\xba\x16\x4f\x2f", Content("a binary file of fastText", False, "give its .vec file for --vectors")),
    (b"%PDF-", Content("a PDF document", False, SAVE_TEXT)),
    (b"%!PS", Content("a PostScript document", False, SAVE_TEXT)),
    (b"{\\rtf", Content("an RTF document", False, SAVE_TEXT)),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Content("an old Office document (.doc, .xls, .ppt)", False, SAVE_TEXT)),
    (b"\x28\xb5\x2f\xfd", Content("a zstd file", False, UNPACK)),
    (b"\x04\x22\x4d\x18", Content("an lz4 file", False, UNPACK)),
    (b"7z\xbc\xaf\x27\x1c", Content("a 7z archive", False, UNPACK)),
    (b"Rar!\x1a\x07", Content("a rar archive", False, UNPACK)),
    (b"LZIP", Content("an lzip file", False, UNPACK)),
    (b"\x1f\x9d", Content("a file of compress (.Z)", False, UNPACK)),
    (b"\x5d\x00\x00", Content("an lzma file", False, UNPACK)),
    (b"\xff\x06\x00\x00sNaPpY", Content("a snappy file", False, UNPACK)),
    (b"\x93NUMPY", Content("a NumPy array (.npy)", False, OTHER_FORMAT)),
    (b"\x89HDF\r\n\x1a\n", Content("an HDF5 file", False, OTHER_FORMAT)),
    (b"GGUF", Content("a GGUF model", False, OTHER_FORMAT)),
    (b"PAR1", Content("a Parquet file", False, SAVE_TEXT)),
    (b"ARROW1", Content("an Arrow file", False, SAVE_TEXT)),
    (b"SQLite format 3\0", Content("an SQLite database", False, SAVE_TEXT)),
    (b"\x89PNG\r\n", Content("a picture (PNG)")),
    (b"\xff\xd8\xff", Content("a picture (JPEG)")),
    (b"GIF8", Content("a picture (GIF)")),
    (b"RIFF", Content("sound or a picture (RIFF)")),
    (b"ID3", Content("sound (MP3)")),
    (b"OggS", Content("sound (Ogg)")),
    (b"\x7fELF", Content("a program (ELF)")),
)

#: Names of the members of a zip archive, which stand in it as they are.
ZIP_MEMBERS: tuple[tuple[bytes, Content], ...] = (
    (b"word/", Content("a Word document (.docx)", False, SAVE_TEXT)),
    (b"xl/", Content("an Excel workbook (.xlsx)", False, SAVE_TEXT)),
    (b"ppt/", Content("PowerPoint slides (.pptx)", False, SAVE_TEXT)),
    (b"application/epub+zip", Content("an EPUB book", False, SAVE_TEXT)),
    (b"application/vnd.oasis.opendocument", Content("an OpenDocument file (.odt)", False, SAVE_TEXT)),
    (b"[Content_Types].xml", Content("an Office document", False, SAVE_TEXT)),
    (b"data.pkl", PYTORCH),
    (b".npy", Content("an archive of NumPy arrays (.npz)", False, OTHER_FORMAT)),
)

COMPRESSIONS: tuple[tuple[bytes, str, Callable[[BinaryIO], Any]], ...] = (
    (b"\x1f\x8b", "gzip", lambda file: gzip.GzipFile(fileobj=file, mode="rb")),
    *((b"BZh%d1AY&SY" % level, "bzip2", bz2.BZ2File) for level in range(1, 10)),
    (b"\xfd7zXZ\0", "xz", lzma.LZMAFile),
)

_DATA = re.compile(rb"^[ \t\v\f]*\\data\\[ \t\v\f]*\r?$", re.MULTILINE)
_BEFORE_DATA = re.compile(rb"(?:[ \t\r\v\f]*(?:#[^\n]*)?\n)*[ \t\v\f]*\\data\\\s")
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_WORD2VEC = re.compile(rb"\d{1,12} \d{1,6}\r?\n")


def content_of(head: bytes) -> Content:
    r"""Tell what a file is that begins with these bytes; `unpacked` looks into compressed ones.

    Parameters
    ----------
    head : bytes
        The first `HEAD_BYTES`, or all there are.

    Examples
    --------
    >>> print(content_of(b"%PDF-1.7"))
    a PDF document; save it as plain text first
    >>> print(content_of(b"# a comment\n\\data\\\nngram 1=9\n"))
    an ARPA file of n-grams
    """
    if not head:
        return EMPTY
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 2**32:
        return SAFETENSORS
    binary = _CONTROL.search(head) is not None
    for first, content in SIGNATURES:
        if head.startswith(first) and (binary or not first.isalnum()):  # a text may begin with GGUF or ID3
            return content
    if head[257:262] == b"ustar":
        return Content("a tar archive", False, UNPACK)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return next((content for name, content in ZIP_MEMBERS if name in head), ZIP)
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return Content("a pickle", False, NO_PICKLE) if b"torch" not in head else PYTORCH
    return _content_of_text(head)


def _content_of_text(head: bytes) -> Content:
    for mark, content in (
        (codecs.BOM_UTF32_LE, UTF32),
        (codecs.BOM_UTF32_BE, UTF32),
        (codecs.BOM_UTF16_LE, UTF16),
        (codecs.BOM_UTF16_BE, UTF16),
    ):
        if head.startswith(mark):
            return content
    text = head.removeprefix(codecs.BOM_UTF8)
    if _BEFORE_DATA.match(text + b"\n"):
        return ARPA
    if _DATA.search(text):
        return TEXT_BEFORE_ARPA
    if (header := _WORD2VEC.match(text)) and _CONTROL.search(text, header.end()):
        return WORD2VEC
    if _half_are_null(text):
        return UTF16
    if text[:100].lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return HTML
    try:
        codecs.getincrementaldecoder("utf-8")().decode(text)
    except UnicodeDecodeError:
        return UNKNOWN
    return TEXT


def _half_are_null(text: bytes) -> bool:
    """Tell whether every other byte is 0 nearly everywhere, as in UTF-16 without a mark of its byte order."""
    halves = text[0:1000:2], text[1:1000:2]
    counts = sorted(half.count(0) for half in halves)
    return len(text) >= 4 and counts[0] == 0 and counts[1] > 0.7 * len(halves[1])


class _Joined(io.RawIOBase):
    """The bytes that were looked at, then the rest of the file."""

    def __init__(self, head: bytes, rest: BinaryIO, packed: str = ""):
        self._head, self._rest, self._packed = head, rest, packed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = self._head[: len(buffer)] or _read(self._rest, len(buffer), self._packed)
        self._head = self._head[len(part) :]
        buffer[: len(part)] = part
        return len(part)


def _read(file: BinaryIO, size: int, packed: str) -> bytes:
    try:
        return file.read(size)
    except (EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        if packed and getattr(error, "errno", None) is None:
            raise DamagedFileError(packed, str(error).lower()) from error
        raise


@contextlib.contextmanager
def unpacked(path: str | Path) -> Iterator[tuple[BinaryIO, Content]]:
    """Open a file: its bytes from the first on, decompressed if they are gzip, bzip2 or xz, and what they are.

    Parameters
    ----------
    path : path
        A file of any kind, also a pipe; ``-`` for standard input.

    Raises
    ------
    OSError, ValueError
        If it can't be opened or read.
    DamagedFileError
        If it can't be decompressed; while the bytes are read, too.

    Examples
    --------
    >>> with open("packed", "wb") as file:
    ...     _ = file.write(gzip.compress(b"one line"))
    >>> with unpacked("packed") as (file, content):
    ...     content.name, content.packed, file.read()
    ('text', 'gzip', b'one line')
    """
    with contextlib.ExitStack() as stack:
        file = standard_input() if str(path) == "-" else stack.enter_context(open(path, "rb"))
        head = file.read(HEAD_BYTES)
        file = io.BufferedReader(_Joined(head, file))
        packed = ""
        for first, name, opened in COMPRESSIONS:
            if head.startswith(first):
                packed = name
                inside = opened(file)
                head = _read(inside, HEAD_BYTES, packed)
                file = io.BufferedReader(_Joined(head, inside, packed))
                break
        content = content_of(head)
        yield file, Content(content.name, content.is_text, content.advice, packed)


def what_is(path: str | Path) -> Content:
    """Tell what a file is, as `unpacked` does, without its bytes.

    Examples
    --------
    >>> what_is("text.txt").name
    'text'
    """
    with unpacked(path) as (_, content):
        return content
