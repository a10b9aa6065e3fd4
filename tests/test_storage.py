"""The model file and the training state: bit-exact round trips, and a clear error for everything else."""

import errno
import json
import os
import re
import shutil
import stat
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save, save_file

import fflm
from fflm.errors import FflmError, ModelFileError
from fflm.model_file import MODEL
from fflm.storage.files import Lock, read_json, write_json
from fflm.storage.tensors import read_tensors, write_tensors
from fflm.training.run_folder import STATE

NOT_FINITE = (np.nan, np.inf, -np.inf)


def contents(path):
    """Tensors and metadata of a safetensors file, by the safetensors library alone."""
    with safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()


@pytest.fixture
def file(demo, tmp_path) -> Path:
    """A model file of one's own."""
    return Path(shutil.copy(Path(demo) / MODEL, tmp_path / "model.safetensors"))


@pytest.fixture
def rewrite(file):
    """``rewrite(tensors={...}, description={...})``: the model file with these values in place; None takes one out.

    A description that is a string stands for the whole entry as it is.
    """

    def rewrite(tensors=None, description=None):
        before, metadata = contents(file)
        parts = {name: value for name, value in (before | (tensors or {})).items() if value is not None}
        entry = description
        if not isinstance(description, str):
            facts = json.loads(metadata["fflm"])
            for name, value in (description or {}).items():
                both = isinstance(value, dict) and isinstance(facts.get(name), dict)
                facts[name] = facts[name] | value if both else value
            entry = json.dumps({name: value for name, value in facts.items() if value is not None})
        save_file(parts, file, {"fflm": entry})
        return file

    return rewrite


def refused(path, match):
    """Loading raises ModelFileError, one line that names the file."""
    with pytest.raises(ModelFileError, match=match) as caught:
        fflm.load(path)
    message = str(caught.value)
    assert "\n" not in message and message == message.strip()
    assert str(path) in message
    return message


# Round trips


def test_file_from_before_there_were_bags(demo, file):
    """Version 0.1.0 as it first landed wrote no bag_size: its networks had none."""
    tensors, metadata = contents(file)
    facts = json.loads(metadata["fflm"])
    del facts["model"]["bag_size"]
    save_file(tensors, file, {"fflm": json.dumps(facts)})
    model = fflm.load(file)
    assert model.lm.config.bag_size == 0
    assert model.predict("the cat sat on the", top=3) == fflm.load(demo).predict("the cat sat on the", top=3)


def test_no_name_to_write(demo):
    with pytest.raises(FflmError, match="^the file to write must have a name, got ''$"):
        fflm.load(demo).save("")


def test_saved_and_loaded_to_the_bit(demo, tmp_path):
    model = fflm.load(demo)
    model.save(tmp_path / "copy.safetensors")
    again = fflm.load(tmp_path / "copy.safetensors")
    assert again.lm.config == model.lm.config
    assert again.lm.tokenizer.config == model.lm.tokenizer.config
    assert again.lm.vocabulary.words == model.lm.vocabulary.words
    np.testing.assert_array_equal(again.lm.vocabulary.counts, model.lm.vocabulary.counts)
    assert list(again.lm.parameters) == list(model.lm.parameters)
    for name, value in model.lm.parameters.items():
        assert again.lm.parameters[name].tobytes() == value.tobytes()


def test_the_same_model_makes_the_same_file(demo, tmp_path):
    """Also in another process, and with every array and every line of metadata in one fixed order."""
    content = (Path(demo) / MODEL).read_bytes()
    for i in range(5):
        fflm.load(demo).save(tmp_path / f"{i}.safetensors")
        assert (tmp_path / f"{i}.safetensors").read_bytes() == content


def test_unusual_words_survive(tmp_path):
    text = 'na\u00efve \u0939\u093f\u0928\u094d\u0926\u0940 \U0001f600 "quoted" back\\slash {json} \'\n'
    (tmp_path / "text").write_text(text * 30, encoding="utf-8")
    model = fflm.train(
        str(tmp_path / "text"), out=tmp_path / "run", tokenizer="whitespace", hidden_dims=3, epochs=1, quiet=True
    )
    assert set(fflm.load(tmp_path / "run").lm.vocabulary.words[3:]) == set(text.split())
    assert fflm.load(tmp_path / "run").predict("x", top=9) == model.predict("x", top=9)


def test_a_run_folder_means_its_model(demo):
    assert repr(fflm.load(demo)) == repr(fflm.load(Path(demo) / MODEL))


def test_it_is_plain_safetensors(demo):
    """Read with the safetensors library alone: arrays, and text that explains them."""
    tensors, metadata = contents(Path(demo) / MODEL)
    shapes = {name: (value.shape, value.dtype.name) for name, value in tensors.items()}
    assert shapes == {
        "embeddings": ((13, 4), "float32"),
        "hidden.0.weights": ((50, 8), "float32"),
        "hidden.0.bias": ((50,), "float32"),
        "output.weights": ((13, 50), "float32"),
        "output.bias": ((13,), "float32"),
        "counts": ((13,), "int64"),
    }
    assert list(metadata) == ["fflm"]
    description = json.loads(metadata["fflm"])
    assert sorted(description) == ["kind", "model", "spelling", "tokenizer", "version", "words"]
    assert (description["version"], description["kind"]) == (1, "neural language model")
    assert description["words"][:4] == ["<unk>", "<s>", "</s>", "the"]
    assert description["model"]["hidden_dims"] == [50]
    assert description["tokenizer"]["tokenizer"] == "word"
    assert tensors["counts"].sum() == 1520
    assert set(load_file(Path(demo) / STATE)) > {"parameters.embeddings", "best.embeddings", "first.embeddings"}


# Damage


def test_truncated(file):
    content = file.read_bytes()
    generator = np.random.default_rng(1)
    lengths = {0, 1, 7, 8, 9, 100, len(content) // 2, len(content) - 1, *generator.integers(0, len(content), 40)}
    for length in sorted(lengths):
        file.write_bytes(content[:length])
        refused(file, "is not a model file, or it is damaged: ")


def test_longer_than_it_says(file):
    file.write_bytes(file.read_bytes() + b"\0" * 16)
    refused(file, "is not a model file, or it is damaged: ")


def test_random_bytes(file):
    generator = np.random.default_rng(2)
    for size in (1, 8, 50, 1000, 10000):
        file.write_bytes(generator.bytes(size))
        refused(file, "is not a model file, or it is damaged: ")


def test_bit_flips_in_the_header(file):
    """Each is a ModelFileError, or a whole model: of a name or a number that was changed, or of a word."""
    content = file.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    generator = np.random.default_rng(3)
    loaded = 0
    for place in [*range(8 * 8), *generator.integers(0, 8 * header, 500)]:
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << (place % 8)
        file.write_bytes(damaged)
        try:
            model = fflm.load(file)
        except ModelFileError as error:
            assert str(file) in str(error) and "\n" not in str(error)
        else:
            loaded += 1
            assert len(model.lm.vocabulary) == 13
            assert sum(p.probability for p in model.predict("the cat", top=99, special=True)) == pytest.approx(
                1, abs=1e-5
            )
    assert loaded < 300


def test_bytes_changed_in_the_header(file):
    content = file.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    generator = np.random.default_rng(4)
    for _ in range(200):
        damaged = bytearray(content)
        for place in generator.integers(0, header, 3):
            damaged[place] = generator.integers(0, 256)
        file.write_bytes(damaged)
        try:
            fflm.load(file)
        except ModelFileError as error:
            assert str(file) in str(error) and "\n" not in str(error)


def test_not_a_model(tmp_path, text):
    refused(text, "is not a model file, or it is damaged: ")
    refused(tmp_path / "missing", "^no such model: ")
    (tmp_path / "folder").mkdir()
    refused(tmp_path / "folder", "^no such model: .*folder")
    with pytest.raises(ModelFileError, match=r"^no such model: .*a \.\.\. a+"):
        fflm.load(tmp_path / ("a" * 5000))
    with pytest.raises(ModelFileError, match=r"^no such model: .*a\\x00b$"):
        fflm.load(tmp_path / "a\0b")


def test_safetensors_of_someone_else(file):
    save_file({"weight": np.zeros(3, np.float32)}, file)
    refused(file, "was not written by fflm: its metadata has no entry 'fflm'$")
    save_file({"weight": np.zeros(3, np.float32)}, file, {"format": "pt"})
    refused(file, "was not written by fflm: its metadata has no entry 'fflm'$")


def test_training_state_is_not_a_model(demo):
    refused(Path(demo) / STATE, "must hold a language model, got 'training state'$")


def test_newer_format(rewrite):
    refused(rewrite(description={"version": 2}), "has format version 2, this fflm reads up to 1; upgrade fflm$")


@pytest.mark.parametrize("version", ["", "1", -1, 0, 1.5, True, [1]])
def test_version_that_is_no_whole_number(rewrite, version):
    refused(rewrite(description={"version": version}), f"is damaged: its format version is {re.escape(repr(version))}$")


def test_version_of_ten_thousand_digits(rewrite):
    refused(rewrite(description='{"kind": "neural language model", "version": ' + "9" * 10000 + "}"), "is damaged: ")


@pytest.mark.parametrize("entry", ["", "{", "[]", "null", "7", '"version"', "{}", "[" * 100000])
def test_entry_that_is_no_description(rewrite, entry):
    refused(rewrite(description=entry), "is damaged: ")


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"output.bias": None}, "output.bias is missing"),
        ({"extra": np.zeros(2, np.float32)}, "unexpected array 'extra'"),
        (
            {"output.bias": np.zeros(14, np.float32)},
            r"output.bias must be float32 of shape \(13,\), got float32 \(14,\)",
        ),
        ({"output.bias": np.zeros((13, 1), np.float32)}, r"got float32 \(13, 1\)"),
        (
            {"output.bias": np.zeros(13, np.float64)},
            r"output.bias must be float32 of shape \(13,\), got float64 \(13,\)",
        ),
        ({"output.bias": np.zeros(13, np.float16)}, "got float16"),
        ({"output.bias": np.zeros(13, np.int32)}, "got int32"),
        ({"counts": None}, "counts is missing"),
        ({"counts": np.zeros(5, np.int64)}, r"counts must have shape \(13,\), got \(5,\)"),
        ({"counts": np.zeros((13, 2), np.int64)}, r"counts must have shape \(13,\), got \(13, 2\)"),
        ({"counts": np.full(13, np.nan)}, "counts"),
        ({"counts": np.full(13, -1)}, "counts"),
    ],
)
def test_wrong_arrays(rewrite, tensors, message):
    refused(rewrite(tensors), f"is damaged: .*{message}")


@pytest.mark.parametrize("name", ["embeddings", "hidden.0.weights", "hidden.0.bias", "output.weights", "output.bias"])
@pytest.mark.parametrize("value", NOT_FINITE)
def test_values_that_are_not_finite(file, rewrite, name, value):
    array = contents(file)[0][name].copy()
    array.flat[-1] = value
    refused(rewrite({name: array}), f"is damaged: {name} holds values that are not finite$")


def test_array_type_that_numpy_does_not_have(file):
    header = json.dumps({"x": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}).encode()
    for kind in (b"BF16", b"F8_E4M3", b"X1"):
        changed = header.replace(b"BF16", kind)
        file.write_bytes(len(changed).to_bytes(8, "little") + changed + b"\0\0\0\0")
        refused(file, "is not a model file, or it is damaged: ")


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"model": None}, "model is missing"),
        ({"tokenizer": None}, "tokenizer is missing"),
        ({"words": None}, "words is missing"),
        ({"model": []}, "."),
        ({"model": "{}"}, "."),
        ({"model": {"context_size": 2, "colour": "red"}}, "unknown option 'colour', expected one of activation, "),
        ({"model": {"context_size": 0}}, "context_size must be at least 1, got 0"),
        ({"model": {"context_size": "2"}}, "context_size must be a whole number, got '2'"),
        ({"tokenizer": {"tokenizer": None}}, "tokenizer must not be None"),
        ({"model": {"hidden_dims": [50.5]}}, "hidden_dims must be a list of whole numbers"),
        ({"model": {"hidden_dims": [[50]]}}, "hidden_dims must be a list of whole numbers"),
        ({"model": {"activation": ["tanh"]}}, "activation must be "),
        ({"model": {"context_size": 3}}, "must be float32 of shape "),
        ({"tokenizer": {"tokenizer": "french"}}, "tokenizer must be one of word, treebank, whitespace, char"),
        ({"words": {}}, "words must be a list of strings"),
        ({"words": ["<unk>", "<s>", "</s>", 7]}, "words must be a list of strings"),
        ({"words": ["the", "cat"]}, "words must begin with <unk>, <s>, </s>"),
        ({"words": ["<unk>", "<s>", "</s>"]}, "vocabulary must have a word besides"),
        ({"words": ["<unk>", "<s>", "</s>", "a"]}, r"counts must have shape \(4,\), got \(13,\)"),
    ],
)
def test_wrong_description(rewrite, description, message):
    refused(rewrite(description=description), f"is damaged: .*{message}")


def test_word_that_stands_twice(rewrite):
    counts, words = np.ones(5, np.int64), ["<unk>", "<s>", "</s>", "a", "a"]
    file = rewrite({"counts": counts}, {"words": words})
    refused(file, "is damaged: words must differ from each other, got 'a' twice$")


def test_words_that_do_not_match_the_arrays(rewrite):
    file = rewrite({"counts": np.ones(4, np.int64)}, {"words": ["<unk>", "<s>", "</s>", "a"]})
    refused(file, r"must be float32 of shape \(4, 4\), got float32 \(13, 4\)$")


# Writing


def no_space(*arguments, **options):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("tensors", "description"),
    [
        ({}, {}),
        ({"a": np.zeros(0, np.float32), "b": np.zeros((0, 3), np.int64)}, {"words": []}),
        (
            {"x": np.arange(7, dtype=np.uint8), "y": np.array([True]), "\u00e9": np.ones((2, 3, 4))},
            {"w": '"\\/\n\u00e9\U0001f600'},
        ),
        ({"b": np.ones((3, 2), np.float32), "a.b": np.ones(1, np.float32), "c": np.ones(1, np.int32)}, {"n": 1.5}),
        ({"z": np.ones(1, np.int64), "y": np.ones(2), "t": np.ones((4, 3), np.float32).T}, {}),
    ],
)
def test_the_file_is_that_of_the_safetensors_library(tmp_path, tensors, description):
    write_tensors(tmp_path / "file", tensors, "test", description)
    entry = json.dumps({"version": 1, "kind": "test", **description})
    arrays = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
    assert (tmp_path / "file").read_bytes() == save(arrays, {"fflm": entry})
    again, described = read_tensors(tmp_path / "file", ["test"], "test")
    assert described == {"version": 1, "kind": "test", **description}
    assert set(again) == set(tensors)
    for name, value in tensors.items():
        np.testing.assert_array_equal(again[name], value)


def test_every_temporary_name_is_ours(file, demo, monkeypatch):
    """What a kill leaves behind can be told from any file of the user's."""
    names, replace = [], os.replace
    monkeypatch.setattr("os.replace", lambda old, new: (names.extend(os.listdir(file.parent)), replace(old, new)))
    fflm.load(demo).save(file, force=True)
    (temporary,) = set(names) - {file.name}
    assert re.fullmatch(r"\.model\.safetensors\.[0-9a-f]{8}\.tmp", temporary)


@pytest.mark.parametrize(
    ("where", "what"),
    [
        ("builtins.open", no_space),
        ("fflm.storage.files.os.fsync", no_space),
        ("fflm.storage.files.os.replace", no_space),
    ],
)
def test_full_disk_leaves_the_old_file_and_nothing_else(demo, file, monkeypatch, where, what):
    before = file.read_bytes()
    other = fflm.load(demo)
    other.lm.parameters["output.bias"][...] = 0.0
    with monkeypatch.context() as patched:
        patched.setattr(where, what)
        with pytest.raises(FflmError, match="^can't write .*No space left on device.*; what was there is untouched$"):
            other.save(file, force=True)
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_where_nothing_can_be_written(demo, tmp_path):
    model = fflm.load(demo)
    with pytest.raises(FflmError, match="^can't write .*nowhere.*: there is no folder "):
        model.save(tmp_path / "nowhere" / "model.safetensors")
    (tmp_path / "folder").mkdir()
    with pytest.raises(FflmError, match="^can't write .*folder: "):
        model.save(tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_permissions_are_those_of_any_new_file(demo, tmp_path):
    (tmp_path / "ordinary").touch()
    fflm.load(demo).save(tmp_path / "model.safetensors")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_json_files(tmp_path):
    write_json(tmp_path / "config.json", {"seed": 1})
    assert read_json(tmp_path / "config.json") == {"seed": 1}
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(ModelFileError, match="config.json must hold a JSON object, got list$"):
        read_json(tmp_path / "config.json")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelFileError, match="config.json can't be read: "):
        read_json(tmp_path / "config.json")
    with pytest.raises(ModelFileError, match="missing.json can't be read: "):
        read_json(tmp_path / "missing.json")
    (tmp_path / "config.json").write_bytes(b"\xff")
    with pytest.raises(ModelFileError, match="config.json can't be read: "):
        read_json(tmp_path / "config.json")


# Locks


def test_a_lock_has_one_holder_at_a_time(tmp_path):
    first, second = Lock(tmp_path / "lock"), Lock(tmp_path / "lock")
    assert first.acquire() and first.acquire()  # it is held already
    assert (second.acquire(), second.holder()) == (False, os.getpid())
    second.release()  # what it does not hold
    assert not second.acquire()
    first.release()
    assert list(tmp_path.iterdir()) == []
    assert second.acquire()
    second.release()


def test_a_lock_file_without_a_holder_locks_nobody_out(tmp_path):
    """It is left by a process that was killed, and names that, or nothing at all."""
    for content in ("12345678\n", "", "?"):
        (tmp_path / "lock").write_text(content)
        lock = Lock(tmp_path / "lock")
        assert lock.holder() == (12345678 if content[:1] == "1" else None)
        assert lock.acquire()
        assert lock.holder() == os.getpid()
        lock.release()


def test_a_lock_file_that_its_holder_removes_at_this_moment(tmp_path, monkeypatch):
    """Between opening and locking: the lock on a file that is gone would lock nobody out."""
    fcntl = pytest.importorskip("fcntl")
    flock, calls = fcntl.flock, []

    def removed(handle, operation):
        calls.append(handle)
        if len(calls) == 1:
            (tmp_path / "lock").unlink()
        flock(handle, operation)

    monkeypatch.setattr("fcntl.flock", removed)
    lock = Lock(tmp_path / "lock")
    assert lock.acquire()
    assert len(calls) == 2
    assert not Lock(tmp_path / "lock").acquire()
    lock.release()


def test_a_lock_needs_no_space(tmp_path, monkeypatch):
    monkeypatch.setattr("os.write", no_space)
    lock = Lock(tmp_path / "lock")
    assert lock.acquire()
    assert not Lock(tmp_path / "lock").acquire()
    assert lock.holder() is None
    lock.release()


def test_an_error_of_the_disk_is_no_lock(tmp_path, monkeypatch):
    def broken(*arguments):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("fcntl.flock", broken)
    with pytest.raises(OSError, match="Input/output error"):
        Lock(tmp_path / "lock").acquire()
