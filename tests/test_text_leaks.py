"""The leak guard: which units of a held-out text occur verbatim in another, against a slow and obvious search."""

import tracemalloc

import numpy as np
import pytest

from fflm.config import DataConfig, TokenizerConfig
from fflm.text import Leak, Tokenizer, TokenStream, Vocabulary, encode, encode_texts, find_leaks, leaks, load

EOS = 2


def stream(ids, bounds=None):
    """In the line boundary if it ends with </s>; else one unit, or those that `bounds` says."""
    ids = np.array(ids, np.int32)
    if ids[-1] == EOS:
        bounds = [0, *(np.flatnonzero(ids == EOS) + 1)]
    return TokenStream(ids, np.array(bounds or [0, len(ids)]), len(ids), "a.txt")


def slow_leaks(train, text):
    """The leaking units of a stream, each compared with every place of the training text; or each line with each."""
    train, ids = train.tolist(), text.ids.tolist()
    bounds = text.unit_starts.tolist()
    units = [ids[a:b] for a, b in zip(bounds, bounds[1:], strict=False)]
    if ids[-1] == EOS:
        lines, line = [], []
        for i in train:
            line.append(i)
            if i == EOS:
                lines.append(line)
                line = []
        found = [unit for unit in units if unit in lines]
    else:
        found = [u for u in units if any(u == train[i : i + len(u)] for i in range(len(train) - len(u) + 1))]
    long = sum(len(unit) > 10 for unit in found)
    kind = "lines" if ids[-1] == EOS else "blocks"
    return Leak(len(found), len(units), sum(map(len, found)), len(ids), long, kind)


@pytest.fixture(params=[2**18, 64, 1], ids="piece{}".format)
def pieces(request, monkeypatch):
    """Pieces so small that units and training lines lie across them."""
    monkeypatch.setattr(leaks, "PIECE", request.param)


# Lines


def test_lines():
    train = np.array([3, 4, EOS, 5, EOS, 3, 4, 6, EOS], np.int32)
    text = stream([5, EOS, 4, EOS, 3, 4, EOS, 3, 4, 6, EOS, 6, EOS, 5, EOS])
    # 5; 3 4; 3 4 6 and 5 again are lines of the training text, 4 and 6 are only parts of one
    assert find_leaks(train, text) == Leak(4, 6, 2 + 3 + 4 + 2, 15, 0, "lines")


def test_long_lines_are_counted_apart():
    """Longer than ten tokens, the end of the line among them."""
    ten, eleven = [*range(3, 12), EOS], [*range(3, 13), EOS]
    assert find_leaks(np.array(ten + eleven, np.int32), stream(ten + eleven)) == Leak(2, 2, 21, 21, 1, "lines")


@pytest.mark.parametrize("seed", range(8))
def test_random_lines(pieces, seed):
    """Few words and short lines: about half of them recur."""
    random = np.random.default_rng(seed)
    train, ids = (random.choice([EOS, 3, 4, 5], size, p=[0.3, 0.3, 0.3, 0.1]) for size in (700, 300))
    train, ids = (np.append(part[part.cumsum() > EOS], EOS).astype(np.int32) for part in (train, ids))
    leak = find_leaks(train, stream(ids))
    assert leak == slow_leaks(train, stream(ids))
    assert 0 < leak.units < leak.of_units


def test_training_text_without_a_whole_line():
    assert find_leaks(np.array([3, 4], np.int32), stream([3, 4, EOS])).units == 0
    assert find_leaks(np.array([], np.int32), stream([3, 4, EOS])).units == 0


# Blocks


@pytest.mark.parametrize("seed", range(8))
def test_random_blocks(pieces, seed):
    """Copies at any alignment count, one changed token makes them new; blocks of several lengths."""
    random = np.random.default_rng(seed)
    train, ids = (random.integers(3, 9, size).astype(np.int32) for size in (2000, 1000))
    bounds = [0, *(np.cumsum(random.integers(20, 40, 30))), len(ids)]
    for number in range(0, 30, 3):
        first, last = bounds[number], bounds[number + 1]
        place = int(random.integers(0, len(train) - 50))
        ids[first:last] = train[place : place + last - first]
        if number % 2:
            ids[random.integers(first, last)] = 9
    text = stream(ids, bounds)
    leak = find_leaks(train, text)
    assert leak == slow_leaks(train, text)
    assert (leak.units, leak.of_units) == (5, 31)


def test_first_and_last_place_of_the_training_text(pieces):
    train = np.arange(3, 303, dtype=np.int32)
    for place in (0, 1, 199, 200):
        assert find_leaks(train, stream(train[place : place + 100])).units == 1
    assert find_leaks(train, stream(np.append(train, 303))).units == 0  # longer than all of it
    assert find_leaks(train[:0], stream(train)).units == 0


@pytest.mark.parametrize("words", [50, 50_000])
@pytest.mark.parametrize("length", [25, 2001, 100_001])
def test_no_false_alarm(words, length):
    """Random texts over the same words, of lengths that leave a rest of a few tokens after the blocks."""
    random = np.random.default_rng(words)
    train = random.integers(3, 3 + words, 200_000).astype(np.int32)
    size = min(1000, length // 100 or 1)
    text = stream(random.integers(3, 3 + words, length), [*range(0, length, size), length])
    assert find_leaks(train, text).units == 0


def test_short_units_are_taken_together():
    """Units of a few tokens, as short texts have them, would occur in any text: blocks have 20 tokens or more."""
    train = np.arange(3, 1003, dtype=np.int32)
    ids = train[:115].copy()
    ids[[4, 50]] = 1, 1
    text = stream(ids, [*range(0, 115, 5), 115])
    assert find_leaks(train, text) == Leak(3, 5, 75, 115, 3, "blocks")  # 20 to 39, 60 to 79, 80 to 114
    assert find_leaks(train, stream(ids[5:10], [0, 1, 2, 3, 4, 5])) == Leak(1, 1, 5, 5, 0, "blocks")


def test_a_short_rest_belongs_to_the_block_before_it():
    train = np.arange(3, 3003, dtype=np.int32)
    ids = np.append(train[:2000], 9)
    assert find_leaks(train, stream(ids, [0, 1000, 2000, 2001])) == Leak(1, 2, 1000, 2001, 1, "blocks")


# Hashes


def test_hashes_alone_decide_nothing(monkeypatch):
    """Even where all runs have the same hash, only those that are the same are found."""
    monkeypatch.setattr(leaks, "_mixed", lambda ids: np.zeros(len(ids), np.uint64))
    random = np.random.default_rng(1)
    train, ids = (random.integers(2, 5, size).astype(np.int32) for size in (400, 200))
    train[-1] = ids[-1] = EOS
    assert find_leaks(train, stream(ids)) == slow_leaks(train, stream(ids))
    train, ids = train + 2, ids + 2
    ids[:60] = train[300:360]
    text = stream(ids, [*range(0, 200, 20), 200])
    assert find_leaks(train, text) == slow_leaks(train, text)


@pytest.mark.parametrize("size", [1, 2, 7, 64, 65])
def test_a_run_has_the_same_hash_wherever_it_stands(pieces, size):
    """And it is the sum of the definition, modulo 2**64; different runs have different hashes."""
    ids = np.random.default_rng(size).integers(0, 2**31 - 1, 200).astype(np.int32)
    places = np.arange(len(ids) - size + 1)
    mixed = leaks._mixed(ids).tolist()
    expected = [sum(mixed[i + k] * leaks.BASE**k for k in range(size)) % 2**64 for i in places]
    assert leaks._hash_runs(ids, places, np.full(len(places), size)).tolist() == expected
    found = [part for part in leaks._windows(ids, np.array([size]))]
    assert np.concatenate([hashes for hashes, _, _ in found]).tolist() == expected
    assert np.concatenate([starts for _, starts, _ in found]).tolist() == places.tolist()
    assert len(set(expected)) == len(expected)


def test_memory_is_bounded():
    """A long training text is searched piece by piece: not even eight bytes a token."""
    random = np.random.default_rng(1)
    train, ids = (random.integers(3, 1000, size).astype(np.int32) for size in (8_000_000, 100_000))
    text = stream(ids, [*range(0, len(ids), 1000), len(ids)])
    tracemalloc.start()
    try:
        find_leaks(train, text)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40e6 < 8 * len(train)


# Warnings


@pytest.fixture
def write(tmp_path):
    def write(name, lines):
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        return str(tmp_path / name)

    return write


def lines_of(prefix, count):
    """Lines of which no two are the same, each of eight tokens and an end."""
    return [" ".join(f"{prefix}{i}-{k}" for k in range(8)) for i in range(count)]


def warnings_of(train, valid=None, test=None, boundary="line", **options):
    config = TokenizerConfig(tokenizer="whitespace", boundary=boundary)
    valid, test = ([path] if path else None for path in (valid, test))
    corpus = load([train], valid, test, config, DataConfig(min_count=1, **options), seed=1)
    assert corpus.warnings == [note for note in corpus.notes if str(note).startswith("warning: ")]
    return [str(note) for note in corpus.warnings]


def test_warnings_of_lines(write):
    a, b, c = lines_of("a", 40), lines_of("b", 10), lines_of("c", 6)
    train = write("t.txt", a)
    valid, test = write("v.txt", b[:9] + a[3:4]), write("e.txt", c + b[:1] + a[:3])
    assert warnings_of(train, valid, test) == [
        "warning: 1 of 10 validation units (lines; 10 %, 10 % of the tokens) occur verbatim in the training text; "
        "longer than 10 tokens: 0",
        "warning: 3 of 10 test units (lines; 30 %, 30 % of the tokens) occur verbatim in the training text; "
        "longer than 10 tokens: 0",
        "warning: 1 of 10 test units (lines; 10 %, 10 % of the tokens) occur verbatim in the validation text; "
        "longer than 10 tokens: 0",
    ]
    assert warnings_of(train, write("v.txt", b), write("e.txt", c)) == []


def test_warnings_of_blocks(write):
    """An unaligned copy of 56 tokens in a text of 240: two whole blocks of 20 lie in it."""
    a, b = lines_of("a", 400), lines_of("b", 30)
    valid = write("v.txt", b[:13] + a[100:107] + b[13:23])
    assert warnings_of(write("t.txt", a), valid, boundary="stream") == [
        "warning: 2 of 12 validation units (blocks; 16.7 %, 16.7 % of the tokens) occur verbatim in the training text; "
        "longer than 10 tokens: 2"
    ]
    assert warnings_of(write("t.txt", a), write("v.txt", b), boundary="stream") == []


def test_warnings_of_what_is_held_out(write):
    """A text that holds everything twice: what is drawn is still there, unless both of a pair are drawn."""
    lines = lines_of("a", 100)
    (warning,) = warnings_of(write("t.txt", lines + lines))
    assert warning.startswith("warning: 10 of 10 validation units (lines; 100 %, 100 % of the tokens) occur verbatim ")
    assert warnings_of(write("t.txt", lines)) == []
    # 50,000 tokens twice: blocks of 1,000, whose copies are not cut by another stretch that was held out
    lines = lines_of("a", 6250)
    (warning,) = warnings_of(write("t.txt", lines + lines), boundary="stream")
    assert warning.startswith("warning: 5 of 5 validation units (blocks; 100 %, ")
    # 10,000 tokens twice: a single stretch of ten blocks of 100
    lines = lines_of("a", 1250)
    (warning,) = warnings_of(write("t.txt", lines + lines), boundary="stream")
    assert warning.startswith("warning: 5 of 5 validation units (blocks; 100 %, ")
    assert warnings_of(write("t.txt", lines), boundary="stream") == []


@pytest.mark.parametrize("boundary", ["line", "stream"])
def test_verbatim_means_the_words_and_not_what_the_vocabulary_leaves_of_them(write, boundary):
    """With a vocabulary of one word all of these lines are the same ids."""
    train, valid = write("t.txt", lines_of("a", 40)), write("v.txt", lines_of("b", 10))
    config, data = TokenizerConfig("whitespace", boundary=boundary), DataConfig(vocab=write("words.txt", ["x"]))
    corpus = load([train], [valid], None, config, data, seed=1)
    leak = find_leaks(corpus.train.ids, corpus.valid)
    assert leak.units == leak.of_units > 0
    assert corpus.notes == ()


@pytest.mark.parametrize("boundary", ["line", "stream"])
def test_texts_in_the_ids_of_a_model(write, boundary):
    """Without the training text of the model: the test text against the validation text, word for word."""
    kind = Tokenizer(TokenizerConfig(tokenizer="whitespace", boundary=boundary))
    vocabulary = Vocabulary(["<unk>", "<s>", "</s>", "a1-1"])
    a, b = lines_of("a", 20), lines_of("b", 20)
    valid, test = [write("v.txt", a)], [write("e.txt", [*b[:10], *a[:10]])]
    streams, warnings = encode_texts({"validation": valid, "test": test}, kind, vocabulary, DataConfig())
    for name, sources in (("validation", valid), ("test", test)):
        expected = encode(sources, kind, vocabulary, DataConfig())
        assert streams[name].ids.tolist() == expected.ids.tolist()
        assert streams[name].unit_starts.tolist() == expected.unit_starts.tolist()
    (warning,) = map(str, warnings)
    assert warning.startswith(f"warning: {'10 of 20' if boundary == 'line' else '4 of 8'} test units (")
    streams, warnings = encode_texts({"validation": valid, "test": None}, kind, vocabulary, DataConfig())
    assert (streams["test"], warnings) == (None, [])
