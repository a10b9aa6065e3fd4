"""Options as Python users have them: numbers of NumPy, lists, arrays, paths; and what is refused."""

import inspect
import json
import re
from dataclasses import fields
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import fflm
from fflm.config import (
    CacheConfig,
    DataConfig,
    DynamicConfig,
    ModelConfig,
    NeuralCacheConfig,
    NgramConfig,
    SampleConfig,
    TokenizerConfig,
    TrainConfig,
    check_threads,
)
from fflm.errors import ConfigError
from fflm.teaching.arguments import check_flag, check_number, checked_sizes


@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [
        (TrainConfig, {"seed": np.int64(3)}, 3),
        (TrainConfig, {"seed": np.uint8(3)}, 3),
        (TrainConfig, {"epochs": np.array(3)[()]}, 3),
        (TrainConfig, {"learning_rate": np.float32(0.5)}, 0.5),
        (TrainConfig, {"learning_rate": np.float64(0.25)}, 0.25),
        (TrainConfig, {"minutes": np.int16(2)}, 2),
        (TrainConfig, {"minutes": Fraction(1, 2)}, 0.5),
        (TrainConfig, {"threads": np.int32(2)}, 2),
        (TrainConfig, {"vectors": Path("glove.txt")}, "glove.txt"),
        (DataConfig, {"vocab": Path("words.txt")}, "words.txt"),
        (DataConfig, {"encoding": np.str_("utf-8")}, "utf-8"),
        (TokenizerConfig, {"tokenizer": np.str_("char")}, "char"),
        (TokenizerConfig, {"lowercase": np.bool_(True)}, True),
        (ModelConfig, {"hidden_dims": np.array([3, 4])}, (3, 4)),
        (ModelConfig, {"hidden_dims": [3, np.int64(4)]}, (3, 4)),
        (ModelConfig, {"hidden_dims": (3,)}, (3,)),
        (ModelConfig, {"hidden_dims": 3}, (3,)),
        (ModelConfig, {"hidden_dims": np.int64(3)}, (3,)),
        (ModelConfig, {"hidden_dims": range(3, 5)}, (3, 4)),
        (SampleConfig, {"top_p": np.float16(0.5)}, 0.5),
        (CacheConfig, {"cache": np.int64(5)}, 5),
    ],
)
def test_numbers_lists_and_paths(kind, options, expected):
    """They are kept as Python's own, so that they can be written as JSON."""
    config = kind(**options)
    (name,) = options
    value = getattr(config, name)
    assert value == expected and type(value) is type(expected)
    assert all(type(part) is int for part in value) if isinstance(value, tuple) else True
    assert json.loads(json.dumps(config.to_dict()))[name] == (list(value) if isinstance(value, tuple) else value)


@pytest.mark.parametrize("empty", [0, (0,), [0], [], (), np.array([], int), np.int64(0), np.array([0])])
def test_no_hidden_layer(empty):
    assert ModelConfig(hidden_dims=empty, direct=True).hidden_dims == ()
    with pytest.raises(ConfigError, match=r"^hidden_dims must not be empty without direct connections, got \(\); add "):
        ModelConfig(hidden_dims=empty)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (ModelConfig, {"hidden_dims": False}, "hidden_dims must be a list of whole numbers, got False"),
        (ModelConfig, {"hidden_dims": True}, "hidden_dims must be a list of whole numbers, got True"),
        (ModelConfig, {"hidden_dims": [3, True]}, "hidden_dims must be a list of whole numbers, got [3, True]"),
        (ModelConfig, {"hidden_dims": np.array([True])}, "hidden_dims must be a list of whole numbers, got array("),
        (ModelConfig, {"hidden_dims": np.array([1.5])}, "hidden_dims must be a list of whole numbers, got array("),
        (ModelConfig, {"hidden_dims": [[3]]}, "hidden_dims must be a list of whole numbers, got [[3]]"),
        (ModelConfig, {"hidden_dims": "300"}, "hidden_dims must be a list of whole numbers, got '300'"),
        (ModelConfig, {"hidden_dims": {3: 4}}, "hidden_dims must be a list of whole numbers, got {3: 4}"),
        (ModelConfig, {"hidden_dims": [3, 0]}, "hidden_dims must be at least 1, got 0"),
        (ModelConfig, {"context_size": True}, "context_size must be a whole number, got True"),
        (ModelConfig, {"context_size": np.float64(3)}, "context_size must be a whole number, got np.float64(3.0)"),
        (ModelConfig, {"context_size": np.int64(0)}, "context_size must be at least 1, got 0"),
        (ModelConfig, {"direct": 1}, "direct must be True or False, got 1"),
        (ModelConfig, {"activation": 3}, "activation must be one of identity, "),
        (ModelConfig, {"activation": ["tanh"]}, "activation must be one of identity, "),
        (TrainConfig, {"dropout": np.bool_(False)}, "dropout must be a number, got np.False_"),
        (TrainConfig, {"learning_rate": Decimal("0.1")}, "learning_rate must be a number, got Decimal('0.1')"),
        (TrainConfig, {"learning_rate": "0.1"}, "learning_rate must be a number, got '0.1'"),
        (TrainConfig, {"learning_rate": np.float32("nan")}, "learning_rate must be above 0.0 and finite, got nan"),
        (TrainConfig, {"minutes": 10**400}, "minutes must be a number, got 1000"),
        (TrainConfig, {"seed": 10**400}, "seed must be at most 9223372036854775807, got 1000"),
        (TrainConfig, {"seed": None}, "seed must not be None"),
        (TrainConfig, {"vectors": b"file"}, "vectors must be a string or a path, got b'file'"),
        (DataConfig, {"encoding": Path("utf-8")}, "encoding must be a string, got PosixPath('utf-8')"),
        (DataConfig, {"vocab": 1000}, "vocab must be a file of words, got 1000, which is none; the size of a "),
        (DataConfig, {"vocab": "10k"}, "vocab must be a file of words, got '10k', which is none; the size of a "),
        (DataConfig, {"vocab": "words", "min_count": 5}, "min_count must not be given together with vocab, got 5"),
    ],
)  # fmt: skip
def test_refused(kind, options, message):
    with pytest.raises(ConfigError, match="^" + re.escape(message)) as error:
        kind(**options)
    assert len(str(error.value)) < 400


def test_a_file_whose_name_is_a_number_is_a_vocabulary(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("1000").write_text("word\n")
    assert DataConfig(vocab="1000").vocab == "1000"


def test_threads():
    check_threads(np.int64(2))
    with pytest.raises(ConfigError, match="^threads must be a whole number, got True$"):
        check_threads(True)


def test_an_unknown_option_says_which_is_meant():
    with pytest.raises(
        ConfigError, match=r"^unknown option 'epoch', expected one of .*, epochs, .*; did you mean epochs\?$"
    ):
        fflm.train("text", epoch=3)


def test_the_textbook_network_checks_alike():
    assert checked_sizes(np.array([2, 3])) == [2, 3]
    check_number("epochs", np.int64(3), 0, whole=True)
    check_number("rate", np.float32(0.5), 0)
    check_number("rate", Fraction(1, 2), 0)
    check_flag("shuffle", np.bool_(True))
    for number in (True, np.bool_(True), "3", 1.5):
        with pytest.raises(ConfigError, match="^epochs must be a whole number of at least 0, got "):
            check_number("epochs", number, 0, whole=True)
    with pytest.raises(ConfigError, match="^shuffle must be True or False, got 1$"):
        check_flag("shuffle", 1)


def test_training_takes_them(tmp_path):
    """From the call to the file of the run."""
    (tmp_path / "text").write_text("the cat sat on the mat .\n" * 60)
    (tmp_path / "words").write_text("the\ncat\nmat\n")
    model = fflm.train(
        tmp_path / "text",
        out=tmp_path / "run",
        vocab=tmp_path / "words",
        hidden_dims=np.array([4]),
        embedding_dim=np.int64(3),
        learning_rate=np.float32(0.125),
        seed=np.int64(2),
        epochs=np.int8(1),
        quiet=True,
    )
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["hidden_dims"], config["learning_rate"], config["seed"]) == ([4], 0.125, 2)
    assert config["vocab"] == str(tmp_path / "words")
    assert len(model.predict("the", top=np.int64(2))) == 2
    assert model.sample("the", tokens=np.int64(2), temperature=np.float32(0.5))[0].tokens


def test_signatures_list_every_option():
    """`help` and editors see the options; they are written down once, in the configurations."""
    kinds = {
        fflm.train: (TokenizerConfig, DataConfig, ModelConfig, TrainConfig),
        fflm.ngram: (NgramConfig, TokenizerConfig, DataConfig),
        fflm.mix: (CacheConfig, NeuralCacheConfig, DynamicConfig),
        fflm.Model.sample: (SampleConfig,),
    }
    for function, configs in kinds.items():
        parameters = inspect.signature(function).parameters
        assert "options" not in parameters
        for item in (item for kind in configs for item in fields(kind)):
            assert parameters[item.name].kind is inspect.Parameter.KEYWORD_ONLY or item.name in ("threads", "seed")
            assert f"\n    {item.name} : " in function.__doc__ or item.name in ("threads", "seed")
    parameters = inspect.signature(fflm.train).parameters
    assert repr(parameters["context_size"].default) == "planned" and parameters["min_count"].default == 2


@pytest.mark.parametrize(
    ("letter", "name"), [("n", "context_size, which is n - 1"), ("h", "hidden_dims"), ("m", "embedding_dim")]
)
def test_the_letters_of_the_paper_are_pointed_to_their_names(letter, name):
    with pytest.raises(ConfigError, match=f"; the paper's {letter} is {name}$"):
        fflm.train("missing.txt", **{letter: 3})
