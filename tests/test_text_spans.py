"""Where tokens and words stand in a text, whatever the tokenizer makes of them."""

import pytest

from fflm.config import TokenizerConfig
from fflm.text import Tokenizer
from fflm.text.spans import token_spans, word_spans

TEXTS = [
    "The cat sat.",
    '  "Yes," he said -- "it\'s 42%!"  ',
    "don't can't cannot gonna",
    "\u0130stanbul I\u0307 \u03a3\u039f\u03a3 \u00df",
    "e\u0301t\u00e9\u00a0nbsp\u2003em \U0001f469\u200d\U0001f469\u200d\U0001f466 \U0001f1e9\U0001f1ea",
    "<unk> said <unk>, ``quoted''",
    "\u6628\u5929 \u56fe\u4e66\u9986",
    "a\tb\x0bc",
    "",
]


@pytest.mark.parametrize("name", ["word", "whitespace", "char", "treebank"])
@pytest.mark.parametrize("lowercase", [False, True])
@pytest.mark.parametrize("text", TEXTS)
def test_tokens_stand_where_the_text_has_them(name, lowercase, text):
    tokenizer = Tokenizer(TokenizerConfig(tokenizer=name, lowercase=lowercase, digits_to_zero=True))
    found = token_spans(text, tokenizer)
    assert [token for token, _ in found] == tokenizer.tokens(text)
    for token, (first, last) in found:
        written = tokenizer.normalize(text[first:last]).casefold()  # a sigma at the end of a word is another one
        assert token.casefold() in written or (written == '"' and token in ("``", "''"))
    places = [span for _, span in found]
    assert places == sorted(places)
    covered = "".join(text[a:b] for a, b in places) if name != "char" else text
    assert "".join(covered.split()) == "".join(text.split())


def test_words_stand_between_blanks():
    text = "  The cat, \u201csat\u201d. "
    spans = [span for _, span in token_spans(text, Tokenizer(TokenizerConfig()))]
    assert [text[a:b] for a, b in word_spans(text, [spans], apart=False)] == ["The", "cat,", "\u201csat\u201d."]
    apart = word_spans(text, [spans], apart=True)
    assert [text[a:b] for a, b in apart] == ["The", "cat", ",", "\u201c", "sat", "\u201d", "."]


def test_marks_are_apart_only_where_every_tokenizer_cuts():
    text = "it's over..."
    spans = [
        [span for _, span in token_spans(text, Tokenizer(TokenizerConfig(tokenizer=name)))]
        for name in ("word", "whitespace")
    ]
    assert [text[a:b] for a, b in word_spans(text, spans[:1], apart=True)] == ["it's", "over", ".", ".", "."]
    assert [text[a:b] for a, b in word_spans(text, spans, apart=True)] == ["it's", "over..."]


def test_a_token_that_goes_on_across_a_blank_is_one_word():
    text = "no\u00a0break here"
    spans = [span for _, span in token_spans(text, Tokenizer(TokenizerConfig(tokenizer="whitespace")))]
    assert [text[a:b] for a, b in word_spans(text, [spans], apart=False)] == ["no\u00a0break", "here"]
