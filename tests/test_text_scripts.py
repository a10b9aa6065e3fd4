"""Text without spaces between words is noticed."""

import numpy as np
import pytest

from fflm.config import TokenizerConfig
from fflm.text import Tokenizer
from fflm.text.scripts import unspaced_notes

CHINESE = "\u6628\u5929\u6211\u4eec\u5728\u56fe\u4e66\u9986\u91cc\u8bfb\u4e66\u3002"
CHINESE_WORDS = "\u6628\u5929 \u6211\u4eec \u5728 \u56fe\u4e66\u9986 \u91cc \u8bfb \u4e66 \u3002"
JAPANESE = "\u79c1\u306f\u6628\u65e5\u56f3\u66f8\u9928\u3067\u672c\u3092\u8aad\u307f\u307e\u3057\u305f\u3002"
THAI = (
    "\u0e40\u0e21\u0e37\u0e48\u0e2d\u0e27\u0e32\u0e19\u0e19\u0e35\u0e49\u0e09\u0e31\u0e19\u0e2d\u0e48\u0e32\u0e19"
    "\u0e2b\u0e19\u0e31\u0e07\u0e2a\u0e37\u0e2d"
)
ENGLISH = "Yesterday we read in the library, and met \u6797 there."


def notes(text, name="word"):
    tokenizer = Tokenizer(TokenizerConfig(tokenizer=name))
    words, counts = np.unique(np.array(tokenizer.tokens(text), object), return_counts=True)
    return unspaced_notes(words.tolist(), counts, tokenizer)


@pytest.mark.parametrize("text", [CHINESE, JAPANESE, THAI, CHINESE + ENGLISH], ids=["zh", "ja", "th", "half"])
@pytest.mark.parametrize("name", ["word", "whitespace"])
def test_unspaced_text_is_warned_of(text, name):
    (note,) = notes(text, name)
    assert note.is_warning and note.text.startswith(
        f"the text has no spaces between words, so the tokenizer {name} makes words of "
    )
    assert note.text.endswith(" characters on average, whole clauses; take the tokenizer char")


@pytest.mark.parametrize("text", [CHINESE_WORDS, ENGLISH, "", "12 . !"])
def test_other_text_is_not(text):
    assert notes(text) == []


def test_nor_is_text_read_as_characters():
    assert notes(CHINESE, "char") == []


def test_the_length_is_the_mean_of_the_tokens():
    assert "makes words of 11.0 characters" in notes(CHINESE)[0].text


def test_ngram_prints_one_line(fflm_main, tmp_path):
    text = tmp_path / "zh.txt"
    text.write_text((CHINESE + "\n") * 40, encoding="utf-8")
    done = fflm_main("ngram", text, "--out", tmp_path / "zh.safetensors", "--min-count", 1)
    lines = [line for line in done.err.splitlines() if "no spaces" in line]
    assert done.code == 0 and len(lines) == 1 and lines[0].startswith("warning: the text has no spaces between words")
    done = fflm_main("ngram", text, "--out", tmp_path / "c.safetensors", "--min-count", 1, "--tokenizer", "char")
    assert done.code == 0 and "no spaces" not in done.err
