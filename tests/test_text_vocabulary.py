"""Words and their ids."""

import numpy as np
import pytest

from fflm.errors import TextError
from fflm.text import Vocabulary

SPECIALS = ["<unk>", "<s>", "</s>"]


def test_ids():
    v = Vocabulary([*SPECIALS, "the", "cat"])
    assert (len(v), v.id("the"), v.id("dog"), v.words[4]) == (5, 3, 0, "cat")
    assert "cat" in v and "dog" not in v
    assert v.counts.tolist() == [0, 0, 0, 0, 0] and v.counts.dtype == np.int64
    assert (v.UNK, v.BOS, v.EOS) == (0, 1, 2)


def test_marks_are_no_words():
    v = Vocabulary([*SPECIALS, "the"])
    ids = v.encode(["<s>", "the", "<unk>", "</s>"])
    assert ids.tolist() == [0, 3, 0, 0] and ids.dtype == np.int32
    assert not any(mark in v for mark in SPECIALS)


def test_from_counts_orders_by_frequency_then_code_points():
    v = Vocabulary.from_counts(["b", "z", "a", "B", "</s>", "<unk>", "<s>"], [5, 9, 5, 1, 7, 2, 3], size=5, min_count=1)
    assert v.words == [*SPECIALS, "z", "a"]
    assert v.counts.tolist() == [5 + 1 + 2 + 3, 0, 7, 9, 5]


def test_from_counts_drops_rare_and_unseen_words():
    assert Vocabulary.from_counts(["a", "b"], [3, 2], size=9, min_count=3).words[3:] == ["a"]
    assert Vocabulary.from_counts(["a", "b"], [3, 0], size=9, min_count=1).words[3:] == ["a"]


def test_from_file_keeps_the_order(tmp_path):
    path = tmp_path / "words.txt"
    path.write_bytes("\ufeffzoo\r\n<unk>\r\n\r\n\u00e4\r\n </s>\r\n".encode())
    assert Vocabulary.from_file(str(path)).words == [*SPECIALS, "zoo", "\u00e4"]


def test_from_file_errors(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("a\nb\n\na\n")
    with pytest.raises(TextError, match=r"vocab '.*words.txt' must list a word once, got 'a' on lines 1 and 4"):
        Vocabulary.from_file(str(path))
    path.write_text("<unk>\n")
    with pytest.raises(TextError, match=r"vocab '.*words.txt' must list at least one word, got none"):
        Vocabulary.from_file(str(path))


@pytest.mark.parametrize(
    "lines",
    [
        ["red 12", "fox 7", "new\u00a0york 3"],
        ["red\t12", "fox\t7", "new\u00a0york\t3"],
        ["12 red", "7 fox", "3 new\u00a0york"],
        ["     12 red", "      7 fox", "      3 new\u00a0york"],  # uniq -c
        ["red -2.5", "fox -3", "new\u00a0york -1e2"],
        ["<unk> 0", "<s> 0", "</s> 9", "red 12", "fox 7", "new\u00a0york 3", ""],
        ["red", "fox", "new\u00a0york"],
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_counts_beside_the_words_are_counts(tmp_path, lines, end):
    path = tmp_path / "words.txt"
    path.write_bytes(end.join(lines).encode())
    assert Vocabulary.from_file(str(path)).words == [*SPECIALS, "red", "fox", "new\u00a0york"]


@pytest.mark.parametrize(
    "lines, got",
    [
        (["red 12", "fox"], "'red 12' on line 1"),
        (["red", "", "fox 12"], "'fox 12' on line 3"),
        (["red fox", "fox red"], "'red fox' on line 1"),
        (["0 red 12", "1 fox 7"], "'0 red 12' on line 1"),
    ],
)
def test_a_line_with_several_words_is_named(tmp_path, lines, got):
    path = tmp_path / "words.txt"
    path.write_text("\n".join(lines))
    with pytest.raises(
        TextError, match=f"must list one word a line, or on every line a word and its count, got {got}$"
    ):
        Vocabulary.from_file(str(path))


def test_blanks_are_words_of_a_vocabulary_of_characters(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("a\n \n1\n")
    assert Vocabulary.from_file(str(path)).words == [*SPECIALS, "a", " ", "1"]


def test_errors():
    with pytest.raises(TextError, match="words must begin with <unk>, <s>, </s>, got \\['a'\\]"):
        Vocabulary(["a"])
    with pytest.raises(TextError, match="vocabulary must have a word besides <unk>, <s> and </s>, got none; lower"):
        Vocabulary(SPECIALS)
    with pytest.raises(TextError, match="words must differ from each other, got 'a' twice"):
        Vocabulary([*SPECIALS, "a", "b", "a"])
    with pytest.raises(TextError, match=r"counts must have shape \(4,\), got \(2,\)"):
        Vocabulary([*SPECIALS, "a"], np.zeros(2))
    with pytest.raises(TextError, match="got none seen at least 2 times; lower min_count"):
        Vocabulary.from_counts(["a", "</s>"], [1, 5], size=9, min_count=2)
