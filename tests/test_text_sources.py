"""Files and folders to text."""

import bz2
import gzip
import io
import lzma
import os
import sys

import pytest

from fflm.errors import TextError
from fflm.text import sources
from fflm.text.sources import read_blocks


def read(path, encoding="utf-8"):
    return "".join(read_blocks(str(path), encoding))


def test_a_file(tmp_path):
    (tmp_path / "a.txt").write_bytes("\ufeffone\r\ntwo\rthree\u2028 f\u00fcr".encode())
    assert read(tmp_path / "a.txt") == "one\ntwo\nthree\u2028 f\u00fcr"


def test_a_compressed_file(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"one\n") + gzip.compress(b"two\n"))
    assert read(tmp_path / "a.gz") == "one\ntwo\n"


def test_an_old_encoding(tmp_path):
    (tmp_path / "a.txt").write_bytes("caf\u00e9 \u201cno\u201d".encode("cp1252"))
    assert read(tmp_path / "a.txt", "cp1252") == "caf\u00e9 \u201cno\u201d"
    assert read(tmp_path / "a.txt", "windows-1252") == "caf\u00e9 \u201cno\u201d"


def test_utf_16(tmp_path):
    (tmp_path / "a.txt").write_text("caf\u00e9\n", encoding="utf-16")
    assert read(tmp_path / "a.txt", "utf-16") == "caf\u00e9\n"


def test_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\r\nb")))
    assert read("-") == "a\nb"


def test_a_folder_is_read_in_the_order_of_names(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "b.txt").write_text("b")
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"a"))
    (tmp_path / "sub" / "c.txt").write_text("c\n")
    (tmp_path / "sub" / "d.txt").write_text("")
    (tmp_path / "e.md").write_text("e")
    assert read(tmp_path) == "a\nb\nc\n"


def test_a_folder_is_read_whatever_the_compression_and_the_case_of_names(tmp_path):
    (tmp_path / "a.txt.xz").write_bytes(lzma.compress(b"a\n"))
    (tmp_path / "b.txt.bz2").write_bytes(bz2.compress(b"b\n"))
    (tmp_path / "c.TXT").write_text("c\n")
    assert read(tmp_path) == "a\nb\nc\n"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_blocks_end_at_line_ends_and_lose_nothing(tmp_path, monkeypatch, size):
    monkeypatch.setattr(sources, "CHUNK_BYTES", size)
    text = "\u00e4 b\n\n\U0001f469 long line of words\nend \u00df"
    (tmp_path / "a.txt").write_bytes(text.replace("\n", "\r\n").encode())
    blocks = list(read_blocks(str(tmp_path / "a.txt")))
    assert "".join(blocks) == text
    assert all(block[-1] in "\n " for block in blocks[:-1])


def test_missing(tmp_path):
    with pytest.raises(TextError, match=r"source must be a file, a folder, - or the name of a corpus, got '.*x.txt'"):
        read(tmp_path / "x.txt")


def test_a_folder_without_text(tmp_path):
    with pytest.raises(TextError, match=r"folder must hold .txt, .gz, .bz2 or .xz files, got none in '"):
        read(tmp_path)


@pytest.mark.parametrize("size", [2, 5, 1000])
@pytest.mark.parametrize(("mark", "offset"), [(b"", 6), (b"\xef\xbb\xbf", 9)])
def test_bad_bytes_are_named_by_their_offset(tmp_path, monkeypatch, size, mark, offset):
    monkeypatch.setattr(sources, "CHUNK_BYTES", size)
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(mark + "f\u00fcr\r\n".encode() + b"\xff no"))
    with pytest.raises(
        TextError, match=rf"text must be utf-8, .* at offset {offset} of '.*a.gz'; name its encoding with"
    ):
        read(path)


def test_a_character_cut_at_the_end_of_the_file(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"abc\xe2\x82")
    with pytest.raises(TextError, match=r"at offset 3 of"):
        read(tmp_path / "a.txt")


@pytest.mark.parametrize("name", ["utf-9", "base64", "\0", ""])
def test_unknown_encoding(tmp_path, name):
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(TextError, match=r"encoding must be one that Python knows, such as utf-8 or cp1252, got"):
        read(tmp_path / "a.txt", name)


@pytest.mark.parametrize(
    "data", [b"no gzip", gzip.compress(b"text" * 99, mtime=0)[:-9], b"\x1f\x8b\x08\0\0\0\0\0\0\0\xff\xff\xff"]
)
def test_damaged_gzip(tmp_path, data):
    (tmp_path / "a.gz").write_bytes(data)
    with pytest.raises(TextError, match=r"source must be an intact gzip file, got '.*a.gz'"):
        read(tmp_path / "a.gz")


def test_unreadable(tmp_path, monkeypatch):
    def refuse(*args):
        raise PermissionError(13, "Permission denied", str(tmp_path))

    (tmp_path / "a.txt").write_text("a")
    with monkeypatch.context() as patch:
        patch.setattr(sources, "unpacked", refuse)
        with pytest.raises(TextError, match=r"source must be readable, got '.*a.txt': permission denied"):
            read(tmp_path / "a.txt")
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(TextError, match=r"source must be readable, got '.*': permission denied"):
        read(tmp_path)
