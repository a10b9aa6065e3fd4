"""Files and folders to blocks of text. Nothing here knows tokens or named corpora."""

from __future__ import annotations

import codecs
import io
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NoReturn

from fflm.errors import TextError, did_you_mean, option_name, shown
from fflm.storage.contents import UTF16, UTF32, Content, DamagedFileError, unpacked

#: How many bytes are read at once; blocks of text are about as long.
CHUNK_BYTES = 2**20
#: How the names end of those files of a folder that are read, in capitals too.
TEXT_NAMES = (".txt", ".gz", ".bz2", ".xz")


def read_blocks(source: str, encoding: str = "utf-8") -> Iterator[str]:
    """Read text in blocks of about 1 MiB, cut at line ends (in longer lines, at spaces).

    Line ends come as ``\\n`` whatever they are in the file, and a byte order mark is dropped. Where a file doesn't
    end with a line end, one is added before the next file, and only there.

    Parameters
    ----------
    source : str
        A text file, also compressed by gzip, bzip2 or xz, ``-`` for standard input, or a folder: all its ``.txt``,
        ``.gz``, ``.bz2`` and ``.xz`` files, in capitals too, subfolders included, in the order of their names.
    encoding : str
        Character encoding by the name that Python knows it by.

    Yields
    ------
    str
        A block of text, not empty.

    Raises
    ------
    TextError
        A missing, unreadable or damaged file, one that is no text (a PDF, say), a folder without text files, an
        unknown encoding, or bytes that are not of this encoding.

    Examples
    --------
    >>> list(read_blocks("letters.txt"))  # doctest: +SKIP
    ['one line\\nanother line\\n']
    """
    return (block for _, block in read_files(source, encoding))


@contextmanager
def given_as(option: str) -> Iterator[None]:
    """Let an error about a source name the option that it was given as."""
    try:
        yield
    except TextError as error:
        raise error.about(option) from error


def read_files(source: str, encoding: str = "utf-8", corpora: Iterable[str] = ()) -> Iterator[tuple[str, str]]:
    """Yield the blocks of `read_blocks`, each with the name of its file; `corpora` may be meant by a missing one.

    Examples
    --------
    >>> list(read_files("letters.txt"))  # doctest: +SKIP
    [('letters.txt', 'one line\\nanother line\\n')]
    """
    encoding = _known_encoding(encoding)
    yield from join_files((path, _blocks(_decoded(path, encoding))) for path in list_files(source, corpora))


def join_files(files: Iterable[tuple[str, Iterable[str]]]) -> Iterator[tuple[str, str]]:
    """Chain the blocks of several files, with a line end between two files where the first lacks it.

    Examples
    --------
    >>> list(join_files([("a", ["one"]), ("b", ["two\\n"]), ("c", ["three"])]))
    [('a', 'one'), ('a', '\\n'), ('b', 'two\\n'), ('c', 'three')]
    """
    ended, last = True, ""
    for name, blocks in files:
        beginning = True
        for block in blocks:
            if beginning and not ended:
                yield last, "\n"
            beginning, last = False, name
            yield name, block
            ended = block.endswith("\n")


def list_files(source: str, corpora: Iterable[str] = ()) -> list[str]:
    """List the files a source stands for: itself, or all text files of a folder in the order of their names.

    Raises
    ------
    TextError
        If there is no such file or folder, or the folder holds no text file.

    Examples
    --------
    >>> list_files("-")
    ['-']
    """
    if source == "-" or not os.path.isdir(source):
        if source != "-" and not os.path.exists(source):
            meant = did_you_mean(source.partition(":")[0], corpora)
            hint = "" if meant is None else f"; did you mean {meant}?"
            raise TextError(
                f"source must be a file, a folder, - or the name of a corpus, got {shown(source)}: no such file{hint}"
            )
        return [source]
    paths: list[str] = []
    for folder, _, names in os.walk(source, onerror=_fail_unreadable):
        paths += [os.path.join(folder, name) for name in names if name.lower().endswith(TEXT_NAMES)]
    if not paths:
        raise TextError(f"folder must hold .txt, .gz, .bz2 or .xz files, got none in {shown(source)}")
    return sorted(paths)


def _fail_unreadable(error: OSError) -> NoReturn:
    raise TextError(f"source must be readable, got {error.filename!r}: {_reason(error)}")


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _known_encoding(name: str) -> str:
    try:
        known = codecs.lookup(name)
        "".encode(name)
    except (LookupError, ValueError):
        raise TextError(
            f"{option_name('encoding')} must be one that Python knows, such as utf-8 or cp1252, got {shown(name)}"
        ) from None
    # Only utf-8-sig drops the mark at the beginning that some editors write; it reads all of UTF-8.
    return "utf-8-sig" if known.name == "utf-8" else known.name


def _decoded(path: str, encoding: str) -> Iterator[str]:
    """Yield the text of a file in chunks, cut anywhere, with line ends as ``\\n``."""
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)(), translate=True)
    total, chunk = 0, b""
    try:
        with unpacked(path) as (file, content):
            _check_text(path, content, encoding)
            while chunk := file.read(CHUNK_BYTES):
                yield decoder.decode(chunk)
                total += len(chunk)
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        if "BOM" in error.reason:  # since Python 3.13; before, it is the error below
            raise _without_mark(path, encoding) from None
        # The decoder keeps the beginning of a character that the last chunk cut: error.object begins with it.
        offset = total - (len(error.object) - len(chunk)) + error.start
        where = "standard input" if path == "-" else shown(path)
        raise TextError(
            f"text must be {encoding.removesuffix('-sig')}, got an invalid byte at offset {offset} of {where}; "
            f"name its encoding with {option_name('encoding')}"
        ) from None
    except UnicodeError:
        raise _without_mark(path, encoding) from None
    except DamagedFileError as error:
        raise TextError(f"source must be an intact {error.packed} file, got {shown(path)}: {error.reason}") from None
    except OSError as error:
        raise TextError(f"source must be readable, got {shown(path)}: {_reason(error)}") from None


def _without_mark(path: str, encoding: str) -> TextError:
    return TextError(
        f"text must be {encoding} with a byte order mark, got {shown(path)}, which does not begin with one; "
        f"name its encoding with {option_name('encoding')}"
    )


def _check_text(path: str, content: Content, encoding: str) -> None:
    """Refuse what is no text, or text in an encoding that is seen at its first bytes to be another one."""
    if path.endswith(".gz") and not content.packed:
        raise TextError(f"source must be an intact gzip file, got {path!r}: its content is {content.name}")
    if not content.is_text:
        raise TextError(f"source must be text, got {path!r}, which is {content}")
    if content.name in (UTF16.name, UTF32.name) and encoding == "utf-8-sig":
        raise TextError(
            f"text must be utf-8, got {path!r}, which is {replace(content, advice='')}; name its encoding with "
            f"{option_name('encoding')}, or save it in UTF-8"
        )


def _blocks(chunks: Iterable[str]) -> Iterator[str]:
    """Move the cuts of `chunks` back to the last line end, or the last space where there is none."""
    kept: list[str] = []
    for chunk in chunks:
        cut = chunk.rfind("\n")
        if cut < 0:
            cut = chunk.rfind(" ")
        if cut >= 0:
            yield "".join((*kept, chunk[: cut + 1]))
            kept = [chunk[cut + 1 :]]
        else:
            kept.append(chunk)
    if rest := "".join(kept):
        yield rest
