"""Files of many texts: lines, JSON lines, CSV and TSV; what can't be read is said, and what follows is read."""

import gzip
import json

import pytest

from fflm.config import RecordsConfig
from fflm.errors import ConfigError, TextError
from fflm.text.records import read_records


def records(path, content, encoding="utf-8", **options):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return [record for batch in read_records(str(path), RecordsConfig(**options), encoding) for record in batch]


def seen(found):
    return [(record.line, record.id, record.text, record.error) for record in found]


def test_lines_are_texts_and_blank_lines_are_kept(tmp_path):
    found = records(tmp_path / "x.txt", "one text\n\n  \r\nlast, without an end")
    assert seen(found) == [
        (1, None, "one text", None),
        (2, None, "", None),
        (3, None, "  ", None),
        (4, None, "last, without an end", None),
    ]
    assert b"".join(record.raw for record in found) == (tmp_path / "x.txt").read_bytes()


def test_a_line_that_is_not_of_the_encoding_is_passed_over(tmp_path):
    found = records(tmp_path / "x", b"good\nb\xe9d\ngood again\n")
    assert [record.error for record in found] == [None, "no utf-8: byte 2 of the line", None]
    assert found[2].text == "good again"
    assert records(tmp_path / "x", b"b\xe9d\n", "cp1252")[0].text == "b\u00e9d"


def test_json_lines(tmp_path):
    lines = ['{"text": "a b", "id": 7}', "", "{broken", "[1]", '{"id": 8}', '{"text": 5, "id": 9}', '{"text": "end"}']
    found = records(tmp_path / "x.jsonl", "\n".join(lines), id="id")
    assert seen(found)[:2] == [(1, 7, "a b", None), (2, None, "", None)]
    assert found[2].error.startswith("no JSON: ")
    assert [record.error for record in found[3:]] == [
        "no JSON object: [1]",
        "no field 'text'",
        "no text in field 'text': 5",
        "no field 'id'",
    ]
    assert records(tmp_path / "x.jsonl", '{"body": "here"}', column="body")[0].text == "here"


@pytest.mark.parametrize(("name", "delimiter"), [("x.csv", ","), ("x.tsv", "\t")])
def test_tables(tmp_path, name, delimiter):
    rows = [["item", "sentence"], ["1", '"Yes, he said ""no""\nand left"'], ["2", "plain"], ["3"]]
    content = "\n".join(map(delimiter.join, rows)) + "\n"
    found = records(tmp_path / name, content, column="sentence", id="item")
    assert found[0].is_header
    assert seen(found[1:]) == [
        (2, "1", 'Yes, he said "no"\nand left', None),
        (4, "2", "plain", None),
        (5, "3", None, "too few fields: 1"),
    ]
    assert "".join(record.raw.decode() for record in found) == content


def test_a_column_that_is_not_there(tmp_path):
    with pytest.raises(TextError) as error:
        records(tmp_path / "x.csv", "item,sentence\n1,a\n", column="sentense")
    assert str(error.value) == (
        f"column must be a column of '{tmp_path}/x.csv', got 'sentense'; it has 'item', 'sentence'; did you mean "
        "'sentence'?"
    )


def test_lines_have_no_columns(tmp_path):
    with pytest.raises(ConfigError, match="^column must name a column, got 'text' for .*, which has none"):
        records(tmp_path / "x.txt", "a\n", column="text", format="lines")


@pytest.mark.parametrize(
    ("content", "kind"), [('{"a": "b"}\n', "jsonl"), ("n\ta\n1\tb\n", "tsv"), ("n,a\n1,b\n", "csv")]
)
def test_the_format_is_seen_in_the_first_line(tmp_path, content, kind):
    found = records(tmp_path / "no-ending", content, column="a")
    assert found[-1].text == "b"
    assert seen(found) == seen(records(tmp_path / "no-ending", content, column="a", format=kind))


def test_compressed_and_with_a_byte_order_mark(tmp_path):
    content = b"\xef\xbb\xbf" + json.dumps({"text": "a"}).encode()
    assert records(tmp_path / "x.jsonl.gz", gzip.compress(content))[0].text == "a"


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", gzip.compress(b"abc\n" * 10_000, mtime=0)[:40]])
def test_what_is_no_text(tmp_path, content):
    with pytest.raises(TextError, match="^source must be "):
        records(tmp_path / "x", content)


def test_encodings_in_which_a_line_end_is_more_than_a_byte(tmp_path):
    with pytest.raises(
        ConfigError, match="^encoding must be one that Python knows and in which a line end is one byte"
    ):
        records(tmp_path / "x", b"", "utf-16")
