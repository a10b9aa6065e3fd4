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


def test_marks_in_text_are_unknown_words():
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
