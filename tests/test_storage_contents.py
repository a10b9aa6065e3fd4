"""What a file is, by its first bytes: named for people, read whatever its name is."""

import bz2
import gzip
import io
import lzma
import sys
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save

from fflm.errors import ModelFileError, TextError
from fflm.lm import read_arpa
from fflm.model_file import load_model
from fflm.storage import contents
from fflm.storage.contents import COMPRESSIONS, DamagedFileError, content_of, unpacked, what_is
from fflm.text.sources import read_blocks
from fflm.word_vectors.files import read_vectors

ARPA = b"\\data\\\nngram 1=2\n\n\\1-grams:\n-0.3\t</s>\n-99\t<s>\n-0.3\tyes\n\n\\end\\\n".replace(b"1=2", b"1=3")


def archive(*names):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as writer:
        for name in names:
            writer.writestr(name, b"content")
    return file.getvalue()


def array():
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


#: No text: the beginning of the name, and bytes.
OTHERS = [
    ("a PDF document", b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"),
    ("a PostScript document", b"%!PS-Adobe-3.0\n"),
    ("an RTF document", b"{\\rtf1\\ansi text}"),
    ("an old Office document", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500)),
    ("a Word document", archive("[Content_Types].xml", "word/document.xml")),
    ("an Excel workbook", archive("[Content_Types].xml", "xl/workbook.xml")),
    ("PowerPoint slides", archive("ppt/presentation.xml")),
    ("an EPUB book", archive("mimetype") + b"application/epub+zip"),
    ("a PyTorch file", archive("model/data.pkl", "model/version")),
    ("a PyTorch file", b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n"),
    ("an archive of NumPy arrays", archive("C.npy", "H.npy")),
    ("a zip archive", archive("a.txt")),
    ("a zip archive", b"PK\x05\x06" + bytes(18)),
    ("a NumPy array", array()),
    ("a pickle", b"\x80\x04\x95\x0b\0\0\0\0\0\0\0\x8c\x01a."),
    ("an HDF5 file", b"\x89HDF\r\n\x1a\n" + bytes(9)),
    ("a GGUF model", b"GGUF\x03\0\0\0"),
    ("a zstd file", b"\x28\xb5\x2f\xfd\x04\x58"),
    ("an lz4 file", b"\x04\x22\x4d\x18\x64\x40\xa7"),
    ("a 7z archive", b"7z\xbc\xaf\x27\x1c\0\4"),
    ("a rar archive", b"Rar!\x1a\x07\x01\0"),
    ("a tar archive", b"a.txt".ljust(257, b"\0") + b"ustar\x0000".ljust(255, b"\0") + b"text\n"),
    ("a binary file of KenLM", b"mmap lm http://kheafield.com/code format version 5\n\0" + bytes(80)),
    ("a binary file of SRILM", b"SRILM_BINARY_NGRAM_002\n\0\1\2"),
    ("a binary file of IRSTLM", b"blmt 2 4 9\n\0\1\2"),
    ("an iARPA file of IRSTLM", b"iARPA\n\n\\data\\\nngram 1=2\n"),
    ("a binary file of fastText", b"\xba\x16\x4f\x2f\x0c\0\0\0"),
    ("a SQLite database".replace("a ", "an ", 1), b"SQLite format 3\0" + bytes(80)),
    ("a Parquet file", b"PAR1\x15\x04\x15"),
    ("a picture (PNG)", b"\x89PNG\r\n\x1a\n" + bytes(9)),
    ("a picture (JPEG)", b"\xff\xd8\xff\xe0\0\x10JFIF"),
    ("a program (ELF)", b"\x7fELF\2\1\1" + bytes(9)),
    ("a safetensors file", save({"C": np.zeros(2, np.float32)})),
]
OTHER_NAMES = [name for name, _ in OTHERS]


@pytest.fixture
def write(tmp_path):
    def write(content, name="file"):
        (tmp_path / name).write_bytes(content)
        return str(tmp_path / name)

    return write


@pytest.mark.parametrize(("name", "content"), OTHERS, ids=OTHER_NAMES)
def test_each_reader_names_what_it_can_not_read(write, name, content):
    path = write(content)
    with pytest.raises(TextError, match=r"^source must be text, got '.*file', which is ") as caught:
        list(read_blocks(path))
    assert f"which is {name}" in str(caught.value)
    with pytest.raises(TextError) as caught:
        read_vectors(path)
    assert f"it is {name}" in str(caught.value)
    if name != "a safetensors file":
        with pytest.raises(ModelFileError) as caught:
            load_model(path)
        assert f"is not a model file, or it is damaged: it is {name}" in str(caught.value)
    if "ARPA" not in name:
        with pytest.raises(ModelFileError) as caught:
            read_arpa(path)
        assert f"is not an ARPA file: it has no line \\data\\, and is {name}" in str(caught.value)
    packed = write(gzip.compress(content), "packed")
    with pytest.raises(TextError, match=r"which is .* \(compressed by gzip\)"):
        list(read_blocks(packed))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("an empty file", b""),
        ("text", b"the cat\n"),
        ("text", b"\xef\xbb\xbfthe caf\xc3\xa9"),
        ("text", b"GGUF and ID3 are formats; RIFF too\n"),
        ("text", b"data\n"),
        ("text", b'{"a": 1}\n'),
        ("an HTML page", b"\n <!DOCTYPE html>\n<html>"),
        ("an ARPA file of n-grams", ARPA),
        ("an ARPA file of n-grams", b"\xef\xbb\xbf" + ARPA),
        ("an ARPA file of n-grams", b"\n# made by hand\r\n\r\n  " + ARPA.replace(b"\n", b"\r\n")),
        ("an ARPA file of n-grams after other text", b"This is a file\nmade by hand\n" + ARPA),
        ("text in UTF-16", "text".encode("utf-16")),
        ("text in UTF-16", "some text\n".encode("utf-16-le")),
        ("text in UTF-16", "some text\n".encode("utf-16-be")),
        ("text in UTF-32", "text".encode("utf-32")),
        ("a binary word2vec file", b"1 3\nthe " + np.ones(3, "<f4").tobytes()),
        ("neither text in UTF-8 nor a format that fflm knows", "caf\u00e9 noir".encode("latin-1")),
    ],
)
def test_texts_and_tables(name, content):
    assert content_of(content).name == name
    assert content_of(content).is_text == (
        name not in ("an ARPA file of n-grams", "a binary word2vec file", "an HTML page")
    )


def test_a_character_that_is_cut_does_not_make_text_something_else():
    assert content_of("caf\u00e9".encode()[:-1]).name == "text"


@pytest.mark.parametrize(("first", "packed", "opened"), COMPRESSIONS, ids=[str(i) for i in range(len(COMPRESSIONS))])
def test_every_compression_is_known_by_its_own_bytes(first, packed, opened):
    assert any(make(b"text").startswith(first) for make in PACK[packed])


PACK = {
    "gzip": [gzip.compress],
    "bzip2": [lambda data, level=level: bz2.compress(data, level) for level in range(1, 10)],
    "xz": [lzma.compress],
}


@pytest.mark.parametrize("packed", PACK)
@pytest.mark.parametrize("name", ["a", "a.txt", "a.lm.gz", "a.bz2"])
def test_compressed_files_of_any_name_are_read(write, monkeypatch, packed, name):
    pack = PACK[packed][0]
    assert "".join(read_blocks(write(pack(b"one\ntwo\n" * 50_000), name))) == "one\ntwo\n" * 50_000
    assert load_model(write(pack(ARPA), name)).vocabulary.words[3:] == ["yes"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(pack(b"one"))))
    assert list(read_blocks("-")) == ["one"]
    assert not sys.stdin.buffer.closed


@pytest.mark.parametrize("packed", PACK)
def test_damage_is_named_by_its_compression(write, monkeypatch, packed):
    content = PACK[packed][0](np.random.default_rng(1).bytes(200_000))
    for damaged in (content[:-20], content[:12], content[:50_000] + b"\0" * 200 + content[50_200:]):
        path = write(damaged)
        with pytest.raises(TextError, match=f"^source must be an intact {packed} file, got '.*file': [^\n]+$"):
            list(read_blocks(path, "latin-1"))
        with pytest.raises(DamagedFileError, match=f"not an intact {packed} file: "), unpacked(path) as (file, _):
            file.read()


def test_text_in_utf_16_says_what_to_do(write):
    path = write("text\n".encode("utf-16"))
    with pytest.raises(
        TextError, match="^text must be utf-8, got '.*file', which is text in UTF-16; name its encoding wi"
    ):
        list(read_blocks(path))
    assert list(read_blocks(path, "utf-16")) == ["text\n"]


@pytest.mark.parametrize("name", ["file", "file.arpa"])
def test_a_model_in_utf_16_is_to_be_converted(write, name):
    with pytest.raises(ModelFileError, match=r"text in UTF-16; convert the file to UTF-8$"):
        load_model(write(ARPA.decode().encode("utf-16"), name))


@pytest.mark.parametrize("page", ["<!DOCTYPE html>\n<p>caf\u00e9", "<html>\ncaf\u00e9"])
def test_a_page_given_as_text(write, page):
    message = "^source must be text, got '.*file', which is an HTML page; save it as plain text first$"
    for encoding in ("utf-8", "latin-1"):
        with pytest.raises(TextError, match=message):
            list(read_blocks(write(page.encode(encoding)), encoding))


def test_arpa_given_as_text(write):
    with pytest.raises(TextError, match="^source must be text, got '.*file', which is an ARPA file of n-grams$"):
        list(read_blocks(write(ARPA)))
    assert "".join(read_blocks(write(b"About ARPA files:\n" + ARPA))).startswith("About ARPA")


def test_a_pipe_needs_no_second_reading(write, monkeypatch):
    monkeypatch.setattr(contents, "HEAD_BYTES", 3)
    assert "".join(read_blocks(write(b"one\ntwo\n"))) == "one\ntwo\n"
    assert what_is(write(b"one\ntwo\n")).name == "text"
