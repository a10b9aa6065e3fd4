"""Text to tokens and back."""

import subprocess
import sys
from concurrent.futures import BrokenExecutor

import pytest

from fflm.config import TokenizerConfig
from fflm.errors import ConfigError, TextError
from fflm.text import tokenizer as module
from fflm.text.tokenizer import Tokenizer

NASTY = [
    "",
    " ",
    "\n",
    "\n\n a\n",
    "\t\u00a0\u2028x",
    "\x00\x0b",
    "a\u0301e",
    "\U0001f469\u200d\U0001f52c",
    "\ufeff\u0130",
]


def make(name="word", **options):
    return Tokenizer(TokenizerConfig(tokenizer=name, **options))


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Hello, world!", ["Hello", ",", "world", "!"]),
        ("don't dont' 'tis it\u2019s", ["don't", "dont", "'", "'", "tis", "it\u2019s"]),
        ("well-known 3.14 snake_case", ["well", "-", "known", "3", ".", "14", "snake_case"]),
        (
            "stra\u00dfe na\u0069\u0308ve \u0928\u0939\u0940\u0902",
            ["stra\u00dfe", "na\u0069\u0308ve", "\u0928\u0939\u0940\u0902"],
        ),
        ("a <unk> <s>\n</s>\t(<unk>)", ["a", "<unk>", "<s>", "</s>", "(", "<unk>", ")"]),
        ("<s>a</s> x<s> </s", ["<", "s", ">", "a", "<", "/", "s", ">", "x", "<", "s", ">", "<", "/", "s"]),
        ("one\ntwo", ["one", "two"]),
    ],
)
def test_word(text, tokens):
    assert make().tokens(text) == tokens


def test_word_is_what_nltk_makes_of_the_pattern():
    from nltk.tokenize import RegexpTokenizer

    text = "The U.S. didn't -- in fact, couldn't -- pay $3.50 (or 'so') to Fran\u00e7ois; see p. 7: \"no\"."
    assert make().tokens(text) == RegexpTokenizer(r"\w+(?:['\u2019]\w+)*|[^\w\s]").tokenize(text)


def test_treebank_takes_each_line_for_a_sentence():
    assert make("treebank").tokens("They can't.\nIt's $5.") == ["They", "ca", "n't", ".", "It", "'s", "$", "5", "."]


def test_whitespace_leaves_punctuation_alone():
    assert make("whitespace").tokens(" <s> a,b \r\v\fc\n\n") == ["<s>", "a,b", "c"]


@pytest.mark.parametrize(
    "blank", "\u00a0 \u3000 \u2003 \u2009 \u202f \u1680 \u2028 \u2029 \x85 \x1c \x1f \u200b \ufeff".split(" ")
)
def test_whitespace_cuts_at_ascii_blanks_alone(blank):
    assert make("whitespace").tokens(f"a{blank}b c") == [f"a{blank}b", "c"]
    assert make("whitespace", boundary="line").tokens(f"a{blank}b c\n") == [f"a{blank}b", "c", "\n"]


def test_a_tokenizer_stored_before_that_cuts_as_it_did():
    """Such a model file does not say where it cuts."""
    old = Tokenizer.from_state(TokenizerConfig(tokenizer="whitespace").to_dict())
    assert old.tokens("a\u00a0b\u3000c d") == ["a", "b", "c", "d"]
    assert old != make("whitespace") and Tokenizer.from_state(old.state()) == old
    assert old.state() == TokenizerConfig(tokenizer="whitespace").to_dict()
    assert make("whitespace").state() == old.state() | {"blanks": "ascii"}


FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
WAVE = "\U0001f44b\U0001f3fd"
FLAGS = ["\U0001f1e9\U0001f1ea", "\U0001f1eb\U0001f1f7"]
ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
RAINBOW = "\U0001f3f3\ufe0f\u200d\U0001f308"
HEART = "\u2764\ufe0f"


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        (f"hi{FAMILY}{WAVE}!", ["hi", FAMILY, WAVE, "!"]),
        ("".join(FLAGS) + ENGLAND + RAINBOW, [*FLAGS, ENGLAND, RAINBOW]),
        (f"1\ufe0f\u20e3 #\ufe0f\u20e3 *\u20e3 {HEART}", ["1\ufe0f\u20e3", "#\ufe0f\u20e3", "*\u20e3", HEART]),
        ("\U0001f600\U0001f600 # * \u2192", ["\U0001f600", "\U0001f600", "#", "*", "\u2192"]),
        ("co\u00adoperate Don\u00adau\u00addampf", ["co\u00adoperate", "Don\u00adau\u00addampf"]),
        (FLAGS[0][0] + " \u00ad", [FLAGS[0][0], "\u00ad"]),
    ],
)
def test_emoji_sequences_and_soft_hyphens_stay_whole(text, tokens):
    assert make().tokens(text) == tokens


def test_a_word_tokenizer_stored_before_that_cuts_as_it_did():
    """Such a model file does not say whether sequences are whole."""
    old = Tokenizer.from_state(TokenizerConfig().to_dict())
    assert old.tokens(f"{WAVE} co\u00adop") == [*WAVE, "co", "\u00ad", "op"]
    assert old != make() and Tokenizer.from_state(old.state()) == old
    assert old.state() == TokenizerConfig().to_dict()
    assert make().state() == old.state() | {"sequences": "whole"}


def test_treebank_takes_marks_between_blanks():
    text = "<s> They came. </s> <s> The <unk> of Mr. <unk> ( <unk>)"
    tokens = "<s> They came . </s> <s> The <unk> of Mr. <unk> ( < unk > )".split()
    assert make("treebank").tokens(text) == tokens


@pytest.mark.parametrize("name", ["word", "treebank", "whitespace", "char"])
def test_state_and_back(name):
    for options in ({}, {"lowercase": True, "boundary": "line"}, {"digits_to_zero": True}):
        tokenizer = make(name, **options)
        again = Tokenizer.from_state(tokenizer.state())
        assert again == tokenizer and hash(again) == hash(tokenizer)
        assert again.learn(iter(["text"])) is again
    assert make(name) != make(name, lowercase=True) and make(name) != name


@pytest.mark.parametrize(
    "change, message",
    [
        ({"blanks": "all"}, "blanks must be ascii or unicode, got 'all'"),
        ({"boundary": "page"}, "boundary must be one of stream, line, eos, got 'page'"),
        ({"tokenizer": "word", "blanks": "ascii"}, "unknown option 'blanks'"),
    ],
)
def test_a_damaged_state_is_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        Tokenizer.from_state(make("whitespace").state() | change)


def test_char_has_line_ends_and_no_marks():
    assert make("char").tokens("a b\n") == ["a", " ", "b", "\n"]
    assert make("char", boundary="line").tokens("a b\n") == ["a", " ", "b", "\n"]
    assert make("char").tokens("<s>") == ["<", "s", ">"]


def test_lowercase_and_digits():
    assert make(lowercase=True).tokens("\u0130stanbul \u00c4RGER") == ["i\u0307stanbul", "\u00e4rger"]
    assert make(digits_to_zero=True).tokens("19\u0664 \u00b2x") == ["000", "\u00b2x"]


@pytest.mark.parametrize("name", ["word", "whitespace", "treebank"])
def test_line_ends_are_tokens_of_a_block_in_lines(name):
    assert make(name, boundary="line").tokens("a\n\nb c\n") == ["a", "\n", "\n", "b", "c", "\n"]
    assert make(name, boundary="line").tokens("a\nb") == ["a", "\n", "b"]
    assert make(name).tokens("a\n\nb c\n") == ["a", "b", "c"]


@pytest.mark.parametrize("text", NASTY)
def test_no_visible_character_is_lost(text):
    for name in ("word", "whitespace", "char"):
        assert "".join("".join(make(name).tokens(text)).split()) == "".join(text.split())
    assert make("char").join(make("char").tokens(text)) == text


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        ("Hello , world . It ' s", "Hello, world. It's"),
        ('He said , " yes ! " and left ( at once ) .', 'He said, "yes!" and left (at once).'),
        (
            "a well - known and / or 1 , 000 or 3 . 5 % , in 1990 , 20 men",
            "a well-known and/or 1,000 or 3.5%, in 1990, 20 men",
        ),
        ("it\u2019s \u201c so \u201d don't", "it\u2019s \u201cso\u201d don't"),
        ("", ""),
    ],
)
def test_word_detokenize(tokens, text):
    assert make().join(tokens.split()) == text


def test_the_other_detokenizers():
    assert make("treebank").join(["They", "ca", "n't", "."]) == "They can't."
    assert make("whitespace").join(["a", ",", "b"]) == "a , b"
    assert make("char").join(["a", " ", "<unk>"]) == "a <unk>"


@pytest.mark.parametrize("name", ["word", "treebank", "whitespace"])
def test_line_ends_are_joined_as_line_ends(name):
    assert make(name).join(["red", "fox", "\n", "a"]) == "red fox\na"


def test_processes_give_what_one_process_gives(monkeypatch):
    monkeypatch.setattr(module, "PARALLEL_CHARACTERS", 10)
    monkeypatch.setattr(module, "_can_fork", lambda: True)
    blocks = [f"This is block {i}.\nIt's short.\n" for i in range(9)]
    tokenizer = make("treebank", boundary="line")
    assert list(tokenizer.tokens_of_blocks(iter(blocks))) == [tokenizer.tokens(block) for block in blocks]


def test_a_broken_process_pool_is_replaced_by_this_process():
    class Broken:
        def result(self):
            raise BrokenExecutor

    def submit(pool, function, item):
        return None if item == 1 else Broken()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_submit", submit)
        assert list(module._map_in_processes(str, range(9))) == [str(i) for i in range(9)]


def test_an_endless_treebank_line_is_an_error(monkeypatch):
    class Slow:
        def tokenize(self, line):
            raise TimeoutError

    monkeypatch.setattr(module, "_treebank", Slow)
    with pytest.raises(TextError, match=r"treebank must finish a line .* got a line of 3 characters; break the lines"):
        make("treebank").tokens("abc")


def test_words_need_no_nltk():
    code = (
        "import sys; from fflm.text import Tokenizer; from fflm.config import TokenizerConfig as C;"
        "[Tokenizer(C(tokenizer=t)).join(Tokenizer(C(tokenizer=t)).tokens('a b'))"
        " for t in ('word', 'whitespace', 'char')]; sys.exit(any(m in sys.modules for m in ('nltk', 'numba')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
