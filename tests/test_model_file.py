"""Model files of every kind: the same bits again, and one clear line for a file that is damaged, wherever it is.

Compiled lookups do not check bounds: no damaged table of n-grams may come through.
"""

import json
import re

import numpy as np
import pytest
from safetensors.numpy import save_file
from test_storage import NOT_FINITE, contents

import fflm
from fflm.config import TokenizerConfig
from fflm.errors import ConfigError, FflmError, ModelFileError
from fflm.lm import Mixture
from fflm.model_file import load_model, save_model
from fflm.model_file.kinds import DEEPEST

NAMES = ["neural", "unigram", "kn", "interpolated", "arpa", "cache", "mixture", "by-count", "nested", "adaptive"]
V = 13
each_kind = pytest.mark.parametrize("name", NAMES)
IDS = np.random.default_rng(1).integers(2, V, 300).astype(np.int32)


def works(model):
    """It can be used without a crash, whatever its numbers are."""
    lm = model.lm
    contexts = np.random.default_rng(2).integers(0, len(lm.vocabulary), (3, lm.reach)).astype(np.int32)
    assert lm.log_probs(IDS % len(lm.vocabulary)).shape == IDS.shape
    assert lm.next_word(contexts).shape == (3, len(lm.vocabulary))
    assert repr(model) and json.dumps(model.info()) and model.predict("the cat")


@pytest.fixture
def damaged(model_files, tmp_path):
    """``damaged("kn", change)``: that file after ``change(arrays, description)``, of its part `number` if given."""

    def damaged(name, change, number=None):
        arrays, metadata = contents(model_files / name)
        description = json.loads(metadata["fflm"])
        if number is None:
            change(arrays, description)
        else:
            prefix = f"{number}."
            own = {key.removeprefix(prefix): arrays.pop(key) for key in sorted(arrays) if key.startswith(prefix)}
            change(own, description["parts"][number])
            arrays |= {prefix + key: value for key, value in own.items()}
        save_file(arrays, tmp_path / "damaged", {"fflm": json.dumps(description)})
        return tmp_path / "damaged"

    return damaged


@pytest.fixture
def refused(damaged):
    """``refused(message, "kn", change)``: the damaged file is refused, in one line that says `message`."""

    def refused(message, *arguments):
        path = damaged(*arguments)
        with pytest.raises(ModelFileError) as caught:
            fflm.load(path)
        assert re.fullmatch(f"{re.escape(str(path))} is damaged: {message}", str(caught.value)), caught.value

    return refused


def put(name, place, value):
    """A change of one element of one array."""

    def change(arrays, description):
        arrays[name] = arrays[name].copy()
        arrays[name][place] = value

    return change


def replaced(name, make):
    """A change of one array as a whole: `make` is called with it; None takes it out."""

    def change(arrays, description):
        arrays[name] = make(arrays.get(name))
        if arrays[name] is None:
            del arrays[name]

    return change


def described(**values):
    """A change of the description."""
    return lambda arrays, description: description.update(values)


# Round trips


@each_kind
def test_saved_and_loaded_to_the_bit(models, model_files, tmp_path, name):
    before, after = models[name].lm, fflm.load(model_files / name).lm
    assert after.log_probs(IDS).tobytes() == before.log_probs(IDS).tobytes()
    contexts = np.random.default_rng(3).integers(0, V, (9, before.reach)).astype(np.int32)
    assert after.next_word(contexts).tobytes() == before.next_word(contexts).tobytes()
    assert type(after) is type(before) and after.reach == before.reach
    assert after.describe() == before.describe()
    assert after.vocabulary.words == before.vocabulary.words
    assert after.vocabulary.counts.tolist() == before.vocabulary.counts.tolist()
    assert after.tokenizer.config == before.tokenizer.config == TokenizerConfig()
    save_model(after, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (model_files / name).read_bytes()


def test_counted_contexts_survive(models, model_files):
    for name in ("kn", "interpolated", "by-count", "nested"):
        counts = fflm.load(model_files / name).lm.context_counts(IDS)
        assert counts.tolist() == models[name].lm.context_counts(IDS).tolist() and counts.any()
    with pytest.raises(ConfigError, match="^an n-gram model read from an ARPA file has no counts"):
        fflm.load(model_files / "arpa").lm.context_counts(IDS)


def test_what_a_file_holds(model_files):
    """Arrays under plain names, and text that explains them; a mixture has those of its parts."""
    arrays, metadata = contents(model_files / "kn")
    nodes, followed = (535,), (111,)
    assert {name: (value.dtype.name, value.shape) for name, value in arrays.items()} == {
        "words": ("int32", nodes),
        "children": ("int64", (112,)),
        "links": ("int32", nodes),
        "log_probs": ("float32", nodes),
        "backoffs": ("float32", followed),
        "context_counts": ("int32", followed),
        "counts": ("int64", (V,)),
    }
    description = json.loads(metadata["fflm"])
    assert sorted(description) == ["facts", "kind", "spelling", "starts", "tokenizer", "version", "words"]
    assert (description["kind"], description["starts"]) == ("n-gram model", [0, 13, 111, 535])
    whole, metadata = contents(model_files / "mixture")
    assert {f"1.{name}" for name in arrays} - set(whole) == {"1.counts"}
    assert {name.partition(".")[0] for name in whole} == {"0", "1", "2", "weights", "counts"}
    parts = json.loads(metadata["fflm"])["parts"]
    kinds = ["neural language model", "n-gram model", "interpolated n-gram model", "cache"]
    assert [part["kind"] for part in parts] == kinds
    assert parts[1] == {"kind": "n-gram model", "starts": description["starts"], "facts": description["facts"]}
    assert parts[3] == {"kind": "cache", "cache": {"cache": 5, "cache_half_life": None}}


def test_the_layout_holds_no_file_name(models, model_files):
    """Nothing to follow: not even those of the parts."""
    for part in models["mixture"].report.parts[:3]:
        assert part["model"].encode() not in (model_files / "mixture").read_bytes()


# Nested mixtures


def deep(model, levels):
    for _ in range(levels):
        model = Mixture([model], np.ones((1, 1)))
    return model


def test_mixtures_of_mixtures_as_deep_as_can_be_read(models, tmp_path):
    leaf = models["kn"].lm
    save_model(deep(leaf, DEEPEST), tmp_path / "deep")
    model = load_model(tmp_path / "deep")
    assert model.log_probs(IDS).tobytes() == deep(leaf, DEEPEST).log_probs(IDS).tobytes()
    with pytest.raises(ConfigError, match="^mixtures must be at most 8 deep, got one more; mix the parts of one inst"):
        save_model(Mixture([leaf, model], np.full((1, 2), 0.5)), tmp_path / "deeper")
    assert not (tmp_path / "deeper").exists()


def test_a_file_of_mixtures_too_deep(models, tmp_path):
    save_model(deep(models["cache"].lm, DEEPEST), tmp_path / "deep")
    arrays, metadata = contents(tmp_path / "deep")
    description = json.loads(metadata["fflm"])
    description["parts"] = [{"kind": "mixture", "parts": description["parts"]}]
    arrays = {name if name == "counts" else f"0.{name}": value for name, value in arrays.items()}
    save_file(arrays | {"weights": np.ones((1, 1))}, tmp_path / "deeper", {"fflm": json.dumps(description)})
    with pytest.raises(ModelFileError, match="deeper is damaged: mixtures must be at most 8 deep$"):
        load_model(tmp_path / "deeper")


# Names


@pytest.mark.parametrize("name", ["kn.arpa", "kn.arpa.gz"])
def test_a_name_under_which_it_would_be_taken_for_an_arpa_file(models, tmp_path, name):
    message = f"^can't write .*{re.escape(name)}: it has the name of an ARPA file; take another name, or use fflm expo"
    with pytest.raises(FflmError, match=message):
        models["kn"].save(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["missing.arpa", "a" * 5000 + ".arpa", "a\0b.arpa", "folder.arpa"])
def test_names_of_no_arpa_file(tmp_path, name):
    (tmp_path / "folder.arpa").mkdir()
    with pytest.raises(ModelFileError) as caught:
        fflm.load(tmp_path / name)
    assert "\n" not in str(caught.value)


# Damage anywhere


@each_kind
def test_truncated(model_files, tmp_path, name):
    content = (model_files / name).read_bytes()
    for length in np.random.default_rng(4).integers(0, len(content), 30):
        (tmp_path / "file").write_bytes(content[:length])
        with pytest.raises(ModelFileError, match="file is not a model file, or it is damaged: "):
            fflm.load(tmp_path / "file")


@each_kind
def test_flipped_bits(model_files, tmp_path, name):
    """Each is a ModelFileError, or a model that can be used: of a word or a number that was changed."""
    content = (model_files / name).read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    generator = np.random.default_rng(5)
    refusals = 0
    for place in [*generator.integers(0, 8 * header, 150), *generator.integers(8 * header, 8 * len(content), 150)]:
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << (place % 8)
        (tmp_path / "file").write_bytes(flipped)
        try:
            model = fflm.load(tmp_path / "file")
        except ModelFileError as error:
            assert str(tmp_path / "file") in str(error) and "\n" not in str(error)
            refusals += 1
        else:
            works(model)
    assert refusals > 50


# Tables of n-grams: as a file of their own, and as parts 1 and 2 of a mixture

TABLES = [("kn", None), ("arpa", None), ("interpolated", None), ("mixture", 1), ("mixture", 2)]
each_table = pytest.mark.parametrize(("name", "number"), TABLES)


@each_table
@pytest.mark.parametrize("starts", [
    None, "0", 7, {}, {"0": 0}, [], [0], [0, 13.0, 111, 535], ["0", "13", "111", "535"], [False, 13, 111, 535],
    [1, 13, 111, 535], [0, 12, 111, 535], [0, 14, 111, 535], [0, 13, 12, 535], [0, 13, 536, 535], [0, 13, -1, 535],
    [0, *[13] * 33, 535], [0, 13, 10**40, 535], [0, 13, 111, float("nan")],
])  # fmt: skip
def test_starts(refused, name, number, starts):
    refused("starts must be rising whole numbers, 0 and 13 first, got .{1,63}", name, described(starts=starts), number)


@each_table
@pytest.mark.parametrize(("starts", "message"), [
    ([0, 13], r"words must be int32 of shape \(13,\), got int32 \(535,\)"),
    ([0, 13, 111], r"words must be int32 of shape \(111,\), got int32 \(535,\)"),
    ([0, 13, 111, 536], r"words must be int32 of shape \(536,\), got int32 \(535,\)"),
    ([0, 13, 111, 10**40], r"words must be int32 of shape \(10+,\), got int32 \(535,\)"),
    ([0, 13, 535], r"children must be int64 of shape \(14,\), got int64 \(112,\)"),
    ([0, 13, 110, 535], r"children must be int64 of shape \(111,\), got int64 \(112,\)"),
    ([0, 13, 111, 111, 535], "its n-grams are not in order"),
    ([0, 13, 60, 111, 535], "its n-grams are not in order"),
])  # fmt: skip
def test_starts_that_do_not_fit(refused, name, number, starts, message):
    refused(message, name, described(starts=starts), number)


@each_table
@pytest.mark.parametrize("array", ["words", "links", "children"])
def test_shapes_and_types_of_a_table(refused, name, number, array):
    dtype, size = ("int64", 112) if array == "children" else ("int32", 535)
    wrong = np.int32 if array == "children" else np.int64
    expected = rf"{array} must be {dtype} of shape \({size},\), got "
    refused(f"{array} is missing", name, replaced(array, lambda value: None), number)
    refused(rf"{expected}{dtype} \({size - 1},\)", name, replaced(array, lambda value: value[1:]), number)
    refused(rf"{expected}{dtype} \({size}, 1\)", name, replaced(array, lambda value: value[:, None]), number)
    refused(rf"{expected}{dtype} \(0,\)", name, replaced(array, lambda value: value[:0]), number)
    refused(rf"{expected}{wrong.__name__} .*", name, replaced(array, lambda value: value.astype(wrong)), number)
    refused(rf"{expected}float64 .*", name, replaced(array, lambda value: value.astype(np.float64)), number)
    refused(rf"{expected}bool .*", name, replaced(array, lambda value: value > 0), number)


def swapped(name, a, b):
    def change(arrays, description):
        arrays[name] = arrays[name].copy()
        arrays[name][[a, b]] = arrays[name][[b, a]]

    return change


@each_table
@pytest.mark.parametrize("change", [
    put("children", 0, 12), put("children", 0, -1), put("children", 5, -1), put("children", 5, 2**62),
    put("children", 5, -(2**63)), put("children", 5, 2**63 - 1), put("children", 12, 112), put("children", 13, 110),
    put("children", 13, 112), put("children", 111, 534), put("children", 111, 536), put("children", slice(None), 0),
    put("children", slice(1, 13), 111), put("children", slice(14, 111), 535),
    put("words", 0, 1), put("words", 12, 13), put("words", 13, -1), put("words", 534, V), put("words", 200, 2**31 - 1),
    put("words", 200, -(2**31)), put("words", slice(13, None), 5), swapped("words", 3, 4), swapped("words", 20, 21),
    put("links", 0, 0), put("links", 12, 2**31 - 1), put("links", 0, -2), put("links", 13, -1), put("links", 13, 13),
    put("links", 50, 50), put("links", 50, 60), put("links", 534, 534), put("links", 534, 111), put("links", 300, -1),
    put("links", 300, 2**31 - 1), put("links", 300, -(2**31)), put("links", slice(13, None), 5),
])  # fmt: skip
def test_tables_that_are_not_in_order(refused, name, number, change):
    refused("its n-grams are not in order", name, change, number)


def sound(table, size):
    """One node at a time: all that lookups rely on."""
    starts, contexts = list(table.starts), table.starts[-2]
    nodes = range(starts[-1])
    orders = [order for order in range(1, table.order + 1) for _ in range(starts[order - 1], starts[order])]
    assert len(table.words) == len(table.links) == len(orders) and len(table.children) == contexts + 1
    assert table.words[:size].tolist() == list(range(size)) and set(table.links[:size].tolist()) == {-1}
    found = []
    for context in range(contexts):
        own = nodes[table.children[context] : table.children[context + 1]]
        words = [int(table.words[node]) for node in own]
        assert words == sorted(set(words)) and all(0 <= word < size for word in words)
        assert all(orders[node] == orders[context] + 1 for node in own)
        found += own
    assert found == list(nodes[size:])
    for node in nodes[size:]:
        link = table.links[node]
        assert 0 <= link and orders[link] < orders[node] and table.words[link] == table.words[node]


@pytest.fixture
def small(demo, text, tmp_path):
    """Arrays and metadata of the file of a small model, as it is."""
    model = fflm.ngram(text, order=3, vocab_of=demo, quiet=True)
    model.save(tmp_path / "small")
    sound(model.lm.table, V)
    return contents(tmp_path / "small")


def test_children_so_far_apart_that_their_difference_overflows(small, tmp_path):
    """A fall from 3 * 2**61 to -2**62 is a rise in 64 bits."""
    arrays, metadata = small
    for place in range(1, len(arrays["children"]) - 2):
        children = arrays["children"].copy()
        children[place : place + 2] = 3 * 2**61, -(2**62)
        save_file(arrays | {"children": children}, tmp_path / "changed", metadata)
        with pytest.raises(ModelFileError, match="is damaged: its n-grams are not in order$"):
            fflm.load(tmp_path / "changed")


def test_every_element_of_a_table_is_checked(small, tmp_path):
    """Each in turn takes values that it must not have: what is not refused is a sound table of other n-grams."""
    arrays, metadata = small
    tried = loaded = 0
    for name in ("words", "children", "links"):
        info = np.iinfo(arrays[name].dtype)
        for place, value in enumerate(arrays[name].tolist()):
            near = {value - 1, value + 1, -1, 0, V, len(arrays["children"]), len(arrays["words"])}
            for other in (near | {info.min, info.max}) - {value}:
                changed = arrays[name].copy()
                changed[place] = other
                save_file(arrays | {name: changed}, tmp_path / "changed", metadata)
                tried += 1
                try:
                    again = fflm.load(tmp_path / "changed")
                except ModelFileError as error:
                    assert str(error).endswith("is damaged: its n-grams are not in order")
                else:
                    sound(again.lm.table, V)
                    works(again)
                    loaded += 1
    assert tried > 900 and loaded < tried / 20


# n-gram models


@pytest.mark.parametrize(("name", "number"), [("kn", None), ("arpa", None), ("mixture", 1)])
@pytest.mark.parametrize(("array", "size"), [("log_probs", 535), ("backoffs", 111)])
def test_numbers_of_an_ngram_model(refused, name, number, array, size):
    shape = rf"{array} must be float32 of shape \({size},\), got "
    refused(f"{array} is missing", name, replaced(array, lambda value: None), number)
    refused(rf"{shape}float32 \({size - 1},\)", name, replaced(array, lambda value: value[1:]), number)
    refused(rf"{shape}float64 .*", name, replaced(array, lambda value: value.astype(np.float64)), number)
    refused(rf"{shape}int32 .*", name, replaced(array, lambda value: np.zeros(size, np.int32)), number)
    for value in NOT_FINITE if array == "backoffs" else (np.nan, np.inf):
        refused(f"{array} holds values that are not finite", name, put(array, size - 1, value), number)


def test_probabilities_above_one(refused):
    refused("log_probs must be logarithms of probabilities", "kn", put("log_probs", 5, 0.01))


def test_a_probability_of_zero_is_one(damaged):
    assert fflm.load(damaged("kn", put("log_probs", 3, -np.inf))).lm.node_log_probs[3] == -np.inf


def test_counts_of_contexts(refused):
    shape = r"context_counts must be int32 of shape \(111,\), got "
    refused(shape + r"int32 \(535,\)", "kn", replaced("context_counts", lambda value: np.zeros(535, np.int32)))
    refused(shape + r"int64 \(111,\)", "kn", replaced("context_counts", lambda value: value.astype(np.int64)))
    refused("context_counts must not be negative", "kn", put("context_counts", 110, -1))


@pytest.mark.parametrize(("name", "number"), [("kn", None), ("interpolated", None), ("mixture", 1), ("mixture", 2)])
def test_an_array_too_many(refused, name, number):
    refused("unexpected array 'extra'", name, replaced("extra", lambda value: np.zeros(2)), number)


@pytest.mark.parametrize(("facts", "message"), [
    (None, "facts must be an object with nothing but discounts, fallback_discounts, prune, smoothing"),
    ([], "facts must be an object with nothing but .*"),
    ({"parameters": "many"}, "facts must be an object with nothing but .*"),
    ({"kind": "mixture"}, "facts must be an object with nothing but .*"),
    ({"smoothing": 3}, "facts must be an object with nothing but .*"),
    ({"discounts": [[0.5, 1, 1.5]]}, "discounts must be three numbers for each of 3 orders"),
    ({"discounts": [[0.5, 1, 1.5]] * 2 + [[0.5, 1, float("nan")]]}, "discounts must be three numbers .*"),
    ({"discounts": [["x", 1, 1.5]] * 3}, ".*"),
    ({"discounts": [[0.5, 1], [1], []]}, ".*"),
    ({"discounts": 10**400}, ".*"),
    ({"discounts": None}, "discounts must be three numbers .*"),
    ({"fallback_discounts": "1"}, "fallback_discounts must be whole numbers"),
    ({"fallback_discounts": [[1]]}, "fallback_discounts must be whole numbers"),
])  # fmt: skip
def test_facts(refused, facts, message):
    """They are shown next to the others: they must not pass for them."""
    refused(message, "kn", described(facts=facts))


# Interpolated models


@pytest.mark.parametrize(("name", "number"), [("interpolated", None), ("mixture", 2)])
def test_numbers_of_an_interpolated_model(refused, name, number):
    weights, counts = "weights must be float64, not negative, and sum to 1 in each row", "ngram_counts must "
    shape = r"weights must be float64 of shape \(16, 4\), got "
    for array in ("weights", "ngram_counts"):
        refused(f"{array} is missing", name, replaced(array, lambda value: None), number)
    refused(shape + r"float64 \(1, 4\)", name, replaced("weights", lambda value: value[:1]), number)
    refused(shape + r"float64 \(0, 4\)", name, replaced("weights", lambda value: value[:0]), number)
    refused(shape + r"float64 \(16, 3\)", name, replaced("weights", lambda value: value[:, 1:]), number)
    refused(shape + r"float64 \(\)", name, replaced("weights", lambda value: np.array(1.0)), number)
    refused(shape + r"float32 \(16, 4\)", name, replaced("weights", lambda value: value.astype(np.float32)), number)
    for value in NOT_FINITE:
        refused("weights holds values that are not finite", name, put("weights", (15, 3), value), number)
    refused(weights, name, put("weights", (15, 3), 1.5), number)
    refused(weights, name, put("weights", 0, [-0.5, 0.5, 0.5, 0.5]), number)
    refused(counts + "be int32 .*, got int64 .*", name, replaced("ngram_counts", lambda c: c.astype(np.int64)), number)
    refused(counts + r"be int32 .*, got int32 \(5,\)", name, replaced("ngram_counts", lambda c: c[:5]), number)
    for change in (
        put("ngram_counts", 3, -1),
        put("ngram_counts", 534, -1),
        put("ngram_counts", 13, 0),
        put("ngram_counts", [0, *range(2, V)], 0),
    ):
        refused(counts + "not be negative, and only those of single words, not of all, may be 0", name, change, number)


def test_an_interpolated_model_of_single_words(refused):
    def change(arrays, description):
        arrays |= {name: arrays[name][:V] for name in ("words", "links", "ngram_counts")}
        arrays |= {"children": np.array([V]), "weights": arrays["weights"][:, :2]}
        description["starts"] = [0, V]

    refused("the order of an interpolated model must be at least 2, got 1", "interpolated", change)


# Caches


@pytest.mark.parametrize(("cache", "message"), [
    (None, ".*"),
    ([], ".*"),
    ({}, "option 'cache' is missing"),
    ({"cache": 5}, "option 'cache_half_life' is missing"),
    ({"cache": None, "cache_half_life": None}, "cache must not be None"),
    ({"cache": None, "cache_half_life": 3.0}, "cache_half_life must not be given without cache; .*"),
    ({"cache": 0, "cache_half_life": None}, "cache must be at least 1, got 0"),
    ({"cache": 10**9, "cache_half_life": None}, "cache must be at most 100000, got 1000000000"),
    ({"cache": "5", "cache_half_life": None}, "cache must be a whole number, got '5'"),
    ({"cache": 5.0, "cache_half_life": None}, "cache must be a whole number, got 5.0"),
    ({"cache": 5, "cache_half_life": 0.0}, "cache_half_life must be above 0.0, got 0.0"),
    ({"cache": 5, "cache_half_life": float("nan")}, "cache_half_life must be above 0.0 and finite, got nan"),
    ({"cache": 5, "cache_half_life": [3]}, "cache_half_life must be a number, got .*"),
    ({"cache": 5, "cache_half_life": None, "path": "/etc"}, "unknown option 'path', expected one of cache, .*"),
])  # fmt: skip
@pytest.mark.parametrize(("name", "number"), [("cache", None), ("mixture", 3)])
def test_caches(refused, name, number, cache, message):
    refused(message, name, described(cache=cache), number)


def test_a_cache_has_no_arrays(refused):
    refused("unexpected array 'extra'", "cache", replaced("extra", lambda value: np.zeros(1)))
    refused("unexpected array 'extra'", "mixture", replaced("extra", lambda value: np.zeros(1)), 3)


# Mixtures


@pytest.mark.parametrize(("make", "message"), [
    (lambda value: None, "a mixture must have one weight for each part"),
    (lambda value: value[0], "a mixture must have one weight for each part"),
    (lambda value: np.array(1.0), "a mixture must have one weight for each part"),
    (lambda value: value[:, 1:], "a mixture must have one weight for each part"),
    (lambda value: value[:0], "weights must have 1 or 16 rows, got 0"),
    (lambda value: np.repeat(value, 2, axis=0), "weights must have 1 or 16 rows, got 2"),
    (lambda value: value.astype(np.float32), "weights must be float64, .*"),
    (lambda value: np.array([[1, 0, 0, 0]]), "weights must be float64, .*"),
    (lambda value: value * 0.9, "weights must be float64, not negative, and sum to 1 in each row"),
    (lambda value: value * 0.0, "weights must be float64, not negative, and sum to 1 in each row"),
    (lambda value: np.array([[1.5, -0.5, 0.0, 0.0]]), "weights must be float64, not negative, .*"),
    (lambda value: np.array([[np.nan, 1.0, 0.0, 0.0]]), "weights must be float64, not negative, .*"),
    (lambda value: np.array([[np.inf, 1.0, 0.0, 0.0]]), "weights must be float64, not negative, .*"),
    (lambda value: np.full((16, 4), [[0.25]]) * ([[1]] * 15 + [[2]]), "weights must be float64, not negative, .*"),
])  # fmt: skip
def test_weights_of_a_mixture(refused, make, message):
    refused(message, "mixture", replaced("weights", make))


def test_weights_by_count(refused):
    def without_counts(arrays, description):
        """The n-gram model as one from an ARPA file; a cache in the place of the interpolated one."""
        for name in [name for name in arrays if name.startswith("2.") or name == "1.context_counts"]:
            del arrays[name]
        description["parts"][2] = {"kind": "cache", "cache": {"cache": 5, "cache_half_life": None}}

    refused("weights must have 1 or 16 rows, got 3", "by-count", replaced("weights", lambda value: value[:3]))
    message = "contexts are counted by an n-gram model made by fflm ngram, got none among the parts"
    refused(message, "by-count", without_counts)


@pytest.mark.parametrize(("parts", "message"), [
    (None, "parts must be a list"),
    ({}, "parts must be a list"),
    ("mixture", "parts must be a list"),
    (7, "parts must be a list"),
    ([], "unexpected array '0..*'"),
    ([{}], "unexpected array '[12]..*'"),
])  # fmt: skip
def test_parts_of_a_mixture(refused, parts, message):
    refused(message, "mixture", described(parts=parts))


@pytest.mark.parametrize("part", [None, [], "cache", 7, {}, {"kind": None}, {"kind": "n-grams"}, {"kind": ["cache"]}])
def test_a_part_of_no_known_kind(refused, part):
    def change(arrays, description):
        description["parts"][3] = part

    kinds = "neural language model, n-gram model, interpolated n-gram model, cache, neural cache, mixture"
    refused(f"a part must be one of {kinds}, got .*", "mixture", change)


@pytest.mark.parametrize(("number", "message"), [
    (0, "embeddings is missing"),
    (1, "words is missing"),
    (2, "words is missing"),
])  # fmt: skip
def test_a_part_that_is_missing(refused, number, message):
    """Its arrays; its description; both."""

    def arrays_gone(arrays, description):
        for name in [name for name in arrays if name.startswith(f"{number}.")]:
            del arrays[name]

    def description_gone(arrays, description):
        del description["parts"][number]

    def both_gone(arrays, description):
        arrays_gone(arrays, description)
        description_gone(arrays, description)

    refused(message, "mixture", arrays_gone)
    refused(".*", "mixture", description_gone)
    refused(".*", "mixture", both_gone)


@pytest.mark.parametrize(
    "name", ["4.words", "-1.words", "x.words", "words", ".words", "9" * 5000 + ".words", "\u00b2.w"]
)
def test_an_array_of_no_part(refused, name):
    refused(".*", "mixture", replaced(name, lambda value: np.zeros(1)))


def test_a_part_with_damage_of_its_own(refused):
    refused("output.bias holds values that are not finite", "mixture", put("output.bias", 0, np.nan), 0)
    shorter = replaced("output.bias", lambda value: value[1:])
    refused(r"output.bias must be float32 of shape \(13,\), got float32 \(12,\)", "mixture", shorter, 0)
    refused("model is missing", "mixture", lambda arrays, description: description.pop("model"), 0)
    refused("its n-grams are not in order", "nested", put("0.1.links", 400, 2**31 - 1))
    refused("a mixture must have one weight for each part", "nested", replaced("weights", lambda value: None), 1)


def test_words_that_do_not_match_the_parts(refused):
    def change(arrays, description):
        description["words"].append("more")
        arrays["counts"] = np.append(arrays["counts"], 0)

    refused("starts must be rising whole numbers, 0 and 14 first, .*", "kn", change)
    refused(r"embeddings must be float32 of shape \(14, 4\), got float32 \(13, 4\)", "mixture", change)
    refused(r"counts must have shape \(13,\), got \(12,\)", "kn", replaced("counts", lambda value: value[1:]))


def test_kinds_that_are_no_language_model(damaged):
    for kind in ("training state", "n-grams", 7, None, ["mixture"]):
        with pytest.raises(ModelFileError, match="damaged must hold a language model, got "):
            fflm.load(damaged("kn", described(kind=kind)))


@each_kind
def test_arrays_of_another_kind(damaged, name):
    """Only a cache and a mixture have nothing in common with what they are taken for; none is taken for another."""
    own = json.loads(contents(damaged(name, lambda arrays, description: None))[1]["fflm"])["kind"]
    for kind in ("neural language model", "n-gram model", "interpolated n-gram model", "cache", "mixture"):
        if kind != own:
            with pytest.raises(ModelFileError, match="is damaged: "):
                fflm.load(damaged(name, described(kind=kind)))
