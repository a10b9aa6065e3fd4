"""What messages are made of: one visible line, long values cut, options named as the reader wrote them."""

import ast
import copy
import pickle
import re
from dataclasses import fields
from pathlib import Path

import pytest

import fflm
from fflm.config import (
    CacheConfig,
    ClassifierConfig,
    ClassifierTrainConfig,
    DataConfig,
    ModelConfig,
    NgramConfig,
    SampleConfig,
    TokenizerConfig,
    TrainConfig,
)
from fflm.errors import ConfigError, FflmError, did_you_mean, option_name, shown, visible

CONFIGS = (CacheConfig, ClassifierConfig, ClassifierTrainConfig, DataConfig, ModelConfig, NgramConfig, SampleConfig)
OPTIONS = {item.name for kind in (*CONFIGS, TokenizerConfig, TrainConfig) for item in fields(kind)}


def as_flag(name):
    return "--" + name.replace("_", "-")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain words", "plain words"),
        ("na\u00efve \u0939\u093f\u0928\u094d\u0926\u0940 \U0001f600 \u4f60", None),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \U0001f468\u200d\U0001f469", None),  # joiners inside words
        ("10\u00a0000 \u3000", None),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("\x00\x07\x08\x7f", "\\x00\\x07\\x08\\x7f"),
        ("\x80\x9b31m\x9f", "\\x80\\x9b31m\\x9f"),
        ("a\nb\tc\rd\x0b\x0c", "a\\nb\\tc\\rd\\x0b\\x0c"),
        ("a\u2028b\u2029c\x85d", "a\\u2028b\\u2029c\\x85d"),
        ("\u202eevil\u2066\u200f\u061c", "\\u202eevil\\u2066\\u200f\\u061c"),
        ("\u200b\ufeff\u2060\xad\u3164", "\\u200b\\ufeff\\u2060\\xad\\u3164"),
        ("\U000e0041\U000e0100", "\\U000e0041\\U000e0100"),
        ("\udcff", "\\udcff"),
    ],
)
def test_visible(text, expected):
    """Controls, separators of lines, marks of direction and characters without a shape; all other text as it is."""
    assert visible(text) == (text if expected is None else expected)


def test_every_control_character_is_visible():
    for number in (*range(32), *range(127, 160)):
        assert visible(chr(number)).isprintable() and len(visible(chr(number))) > 1


def test_visible_keeps_what_is_meant():
    assert visible("a\nb\tc\x1b", keep="\n\t") == "a\nb\tc\\x1b"


def test_shown():
    assert (shown("a'b"), shown(3), shown(None), shown([1, 2])) == ('"a\'b"', "3", "None", "[1, 2]")
    assert shown("a" * 300) == f"'{'a' * 200}'..."
    assert shown(list(range(1000)), most=12) == "[0, 1, 2, 3,..."
    assert shown("a\x1bb\u202e\n") == "'a\\x1bb\\u202e\\n'"
    assert "\n" not in shown(ast.parse("a")) + shown({"a": ["\n"] * 90})


def test_an_error_is_one_line_that_a_terminal_shows():
    error = FflmError("no such model: a\nb\x1b[2J\u202ec")
    assert str(error) == "no such model: a\\nb\\x1b[2J\\u202ec" == error.worded(as_flag)


def test_a_long_error_is_cut_in_its_middle():
    text = str(FflmError(f"no such model: {'a' * 155_000}; give another"))
    assert len(text) == 1005 and text.startswith("no such model: aaa") and text.endswith("aaa; give another")


def test_an_option_is_a_keyword_or_a_flag():
    error = ConfigError(f"{option_name('embedding_dim')} must be 3, got 0; or a smaller {option_name('word2vec')}")
    assert str(error) == "embedding_dim must be 3, got 0; or a smaller word2vec"
    assert repr(error) == "ConfigError('embedding_dim must be 3, got 0; or a smaller word2vec')"
    for same in (error, pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert same.worded(as_flag) == "--embedding-dim must be 3, got 0; or a smaller --word2vec"


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("trian", ["train", "ngram", "mix"], "train"),
        ("perplexty", ["perplexity", "predict"], "perplexity"),
        ("frobnicate", ["train", "ngram", "mix"], None),
        ("--epoch", ["--epochs", "--seed"], "--epochs"),
        ("--context_size", ["--context-size", "--seed"], "--context-size"),
        ("--hidden", ["--hidden-dims", "--threads"], "--hidden-dims"),
        ("--lr", ["--learning-rate", "--top"], "--learning-rate"),
        ("--EPOCHS", ["--epochs"], "--epochs"),
        ("--x", ["--xylophone"], None),
        ("", ["train"], None),
    ],
)
def test_did_you_mean(word, known, meant):
    assert did_you_mean(word, known) == meant


def raised_texts():
    """The literal text of every raise in the package, and where it stands."""
    package = Path(fflm.__file__).parent
    for path in sorted(package.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Raise) or node.exc is None:
                continue
            inside = {id(part) for call in ast.walk(node.exc) if is_marked(call) for part in ast.walk(call)}
            for part in ast.walk(node.exc):
                if isinstance(part, ast.Constant) and isinstance(part.value, str) and id(part) not in inside:
                    yield f"{path.relative_to(package)}:{node.lineno}", part.value


def is_marked(node):
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "option_name"


WHOLE_COMMAND = r"fflm \w+ --\S+|-m (nltk.downloader|pip install) --\S+"


def test_no_message_names_an_option_unmarked():
    """An option whose name is no English word, or a flag, would be shown to the wrong reader."""
    names = "|".join(sorted(name for name in OPTIONS if "_" in name))
    found = [
        f"{where}: {text}"
        for where, text in raised_texts()
        # FeedForward is Python's alone, cli/ the command line's; a whole command is for both readers.
        if not where.startswith(("teaching/", "cli/"))
        and re.search(
            rf"\b({names})\b|--[a-z]", re.sub(r"fflm \w+ --\S+|-m (nltk.downloader|pip install) --\S+", "", text)
        )
    ]
    assert found == []
