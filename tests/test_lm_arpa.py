"""ARPA files: round trips, files as other tools write them, pruned models, every kind of damage, KenLM's opinion."""

import gzip
import math
import re

import numpy as np
import pytest
import reference

from fflm.config import TokenizerConfig
from fflm.errors import FflmError, ModelFileError
from fflm.lm import NgramModel, arpa_lines, read_arpa
from fflm.lm.ngram.arpa import reading, writing
from fflm.text import Tokenizer, Vocabulary

WORDS = ["<unk>", "<s>", "</s>", "a", "b", "c", "d"]
UNK, BOS, EOS, A, B, C, D = range(7)
LN10 = math.log(10)


def tokenizer(boundary="line"):
    return Tokenizer(TokenizerConfig(tokenizer="whitespace", boundary=boundary))


def random_text(length=600, seed=1, boundary="line"):
    rng = np.random.default_rng(seed)
    ids = rng.choice([A, B, C, UNK], length, p=[0.5, 0.3, 0.15, 0.05])
    if boundary == "line":
        ids[rng.random(length) < 0.2] = EOS
    return ids.astype(np.int32)


def estimated(order, boundary="line", words=WORDS, ids=None):
    ids = random_text(boundary=boundary) if ids is None else ids
    return NgramModel.kneser_ney(ids, order, Vocabulary(words), tokenizer(boundary))


def write(path, model):
    path.write_bytes("".join(arpa_lines(model)).encode("utf-8", "surrogatepass"))
    return path


def arrays(model):
    table = model.table
    return [table.words, table.children, table.links, model.node_log_probs, model.backoffs]


def assert_same_bits(found, expected):
    assert found.vocabulary.words == expected.vocabulary.words
    assert found.table.starts == expected.table.starts
    for one, other in zip(arrays(found), arrays(expected), strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert one.tobytes() == other.tobytes()


# Round trips


@pytest.mark.parametrize("boundary", ["stream", "line"])
@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_a_round_trip_keeps_every_bit(tmp_path, monkeypatch, order, boundary):
    model = estimated(order, boundary)
    path = write(tmp_path / "model.arpa", model)
    assert_same_bits(read_arpa(path, tokenizer(boundary)), model)
    assert_same_bits(read_arpa(path, tokenizer(boundary), model.vocabulary), model)
    monkeypatch.setattr(writing, "BATCH", 7)
    assert write(tmp_path / "batches.arpa", model).read_bytes() == path.read_bytes()
    for block in (1, 64, 1000):
        monkeypatch.setattr(reading, "BLOCK_BYTES", block)
        assert_same_bits(read_arpa(path, tokenizer(boundary)), model)


def test_a_text_shorter_than_the_order(tmp_path):
    model = estimated(5, ids=np.array([A, B], np.int32))
    assert model.table.sizes == (7, 2, 1, 0, 0)
    path = write(tmp_path / "model.arpa", model)
    assert "ngram 4=0\nngram 5=0\n" in path.read_text()
    assert_same_bits(read_arpa(path, tokenizer()), model)


def test_numbers_at_the_edges_of_float32(tmp_path):
    model = estimated(2)
    rng = np.random.default_rng(3)
    count = len(model.node_log_probs)
    model.node_log_probs = -np.exp(rng.uniform(-80, 5, count)).astype(np.float32)
    model.node_log_probs[:4] = [0.0, -np.inf, -np.finfo(np.float32).tiny, -1e-30]
    model.backoffs = (rng.choice([-1, 1], 7) * np.exp(rng.uniform(-80, 4, 7))).astype(np.float32)
    assert_same_bits(read_arpa(write(tmp_path / "model.arpa", model), tokenizer()), model)


def test_lines_are_those_of_the_format(tmp_path):
    model = estimated(2, ids=np.array([A, B, EOS, A, EOS], np.int32), words=WORDS[:5])
    lines = list(arpa_lines(model))
    assert all(line.endswith("\n") and line.count("\n") == 1 + line.startswith("\n") for line in lines)
    text = "".join(lines)
    assert text.startswith("\\data\\\nngram 1=5\nngram 2=4\n\n\\1-grams:\n")
    assert text.endswith("\n\n\\end\\\n")
    unigrams, bigrams = (part.strip().split("\n") for part in re.split(r"\\[12]-grams:\n|\\end", text)[1:3])
    assert [line.split("\t")[1] for line in unigrams] == WORDS[:5]
    assert unigrams[1].startswith("-99\t<s>\t-")
    assert [line.split("\t")[1] for line in bigrams] == ["<s> a", "a </s>", "a b", "b </s>"]
    assert {line.count("\t") for line in unigrams} == {2} and {line.count("\t") for line in bigrams} == {1}
    for line, log_prob, backoff in zip(
        unigrams, model.node_log_probs[:5].tolist(), model.backoffs.tolist(), strict=True
    ):
        assert float(line.split("\t")[0]) == pytest.approx(max(log_prob / LN10, -99), rel=1e-8)
        assert float(line.split("\t")[2]) == pytest.approx(backoff / LN10, rel=1e-8)


def test_a_gzip_file(tmp_path):
    model = estimated(3)
    (tmp_path / "model.arpa.gz").write_bytes(gzip.compress("".join(arpa_lines(model)).encode()))
    assert_same_bits(read_arpa(tmp_path / "model.arpa.gz", tokenizer()), model)
    assert_same_bits(read_arpa(str(tmp_path / "model.arpa.gz"), tokenizer()), model)


def test_words_of_other_alphabets_and_signs(tmp_path):
    words = [*WORDS[:3], "\u00e9t\u00e9", "\\end\\", "-1.5", "\\2-grams:", "\u8a9e", "\udcff", "<s>s"]
    model = estimated(3, words=words)
    assert_same_bits(read_arpa(write(tmp_path / "model.arpa", model), tokenizer()), model)


@pytest.mark.parametrize("word", ["a\u00a0b", "\u00a0", "a\u2028b", "\u3000", "\x1c", "\x85", "a\u200bb", "a\vb", "\f"])
def test_other_blanks_may_stand_in_words(tmp_path, word):
    """Lines are cut at blanks, tabs and line ends, as by KenLM and SRILM."""
    model = estimated(3, words=[*WORDS[:5], word, *WORDS[6:]])
    assert_same_bits(read_arpa(write(tmp_path / "model.arpa", model), tokenizer()), model)


@pytest.mark.parametrize("word", ["", " ", "\n", "a b", "a\tb", "b ", "a\rb"])
def test_words_with_white_space_are_refused(word):
    message = f"^words of an ARPA file must have no white space inside nor be <UNK>, got {re.escape(repr(word))}$"
    with pytest.raises(FflmError, match=message):
        list(arpa_lines(estimated(2, words=[*WORDS[:6], word])))


def test_another_name_of_unk_is_refused():
    with pytest.raises(FflmError, match="nor be <UNK>, got '<UNK>'$"):
        list(arpa_lines(estimated(2, words=[*WORDS[:6], "<UNK>"])))


# Files as others write them

#: As SRILM's ngram-count: text before the header, tabs, no weight where it is 0, <s> without a probability.
SRILM = """\

\\data\\
ngram 1=6
ngram  2=      5
ngram 3 = 2

\\1-grams:
-0.8\t</s>
-99\t<s>\t-0.3
-0.5\ta\t-0.2
-0.6\tb -0.1
-0.9\t<unk>
-1.1\tc

\\2-grams:
-0.3\t<s> a\t-0.05
-0.4\ta b\t0.04
-0.7\tb </s>

-0.45\ta a
-0.2\tb a

\\3-grams:
-0.15\t<s> a b
-0.25\ta b a

\\end\\
"""
#: Some probabilities by hand, log10: context, word, value.
BY_HAND = [
    ("<s>", "a", -0.3),
    ("<s> a", "b", -0.15),
    ("<s> a", "a", -0.05 - 0.45),  # <s> a a is not there: b(<s> a) P(a | a)
    ("<s> a", "c", -0.05 - 0.2 - 1.1),  # nor a c: b(<s> a) b(a) P(c)
    ("<s> a", "</s>", -0.05 - 0.2 - 0.8),
    ("<s>", "b", -0.3 - 0.6),
    ("a b", "a", -0.25),
    ("a b", "</s>", 0.04 - 0.7),
    ("a b", "b", 0.04 - 0.1 - 0.6),
    ("b b", "a", -0.2),  # b b is not there and weighs nothing
    ("c c", "c", -1.1),
    ("<unk> b", "<unk>", -0.1 - 0.9),
    ("b zebra", "a", -0.5),
    ("a b", "<s>", -math.inf),
]


def read(tmp_path, text, boundary="line", **options):
    (tmp_path / "model.arpa").write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_arpa(tmp_path / "model.arpa", tokenizer(boundary), **options)


def log10_prob(model, context, word):
    size = model.reach
    ids = [model.vocabulary.words.index(w) if w in model.vocabulary.words else UNK for w in context.split()]
    probabilities = model.next_word(np.array([([BOS] * size + ids)[-size:]], np.int32))[0]
    with np.errstate(divide="ignore"):
        return np.log10(probabilities[model.vocabulary.words.index(word)])


def test_a_file_as_srilm_writes_it(tmp_path):
    model = read(tmp_path, SRILM)
    assert model.vocabulary.words == ["<unk>", "<s>", "</s>", "a", "b", "c"]
    assert (model.reach, model.table.sizes, model.counts) == (2, (6, 5, 2), None)
    assert model.describe()["smoothing"] == "as in the ARPA file"
    for context, word, expected in BY_HAND:
        assert log10_prob(model, context, word) == pytest.approx(expected, abs=1e-6), (context, word)
    ids = np.array([A, B, EOS, A, A, EOS], np.int32)
    expected = [-0.3, -0.15, 0.04 - 0.7, -0.3, -0.05 - 0.45, -0.2 - 0.8]
    assert model.log_probs(ids) / LN10 == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\t", " "),
        lambda text: text.replace("\t", "  \t"),
        lambda text: "\n".join("\t" + line + " " for line in text.split("\n")),
        lambda text: text.replace("\n\n", "\n"),
        lambda text: text.replace("\n", "\n\n"),
        lambda text: "This file was made\nby hand, \\data\\ follows\n\\not yet\\\n\n" + text,
        lambda text: text + "\nwhat follows is not read\n\\data\\\n",
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("<unk>", "<UNK>"),
        lambda text: text.replace("-99\t<s>", "0\t<s>"),  # lmplz writes that
        lambda text: text.replace("-99\t<s>", "-98.9999\t<s>"),
        lambda text: text.replace("-99\t<s>", "-inf\t<s>"),
        lambda text: text.replace("-0.25\ta b a", "-0.25\ta b a\t0"),
        lambda text: text.replace("-0.2\tb a\n", "-2e-1\tb a\t0.0\n"),
        lambda text: text.replace("-0.5\ta", "-.5\ta"),
    ],
)
def test_the_same_file_written_otherwise(tmp_path, change):
    expected = read(tmp_path, SRILM)
    found = read(tmp_path, change(SRILM))
    assert_same_bits(found, expected)


def test_any_order_of_the_ngrams(tmp_path):
    expected = read(tmp_path, SRILM)
    lines = SRILM.replace("-0.7\tb </s>\n\n", "-0.7\tb </s>\n").split("\n")
    for first, last in ((15, 20), (22, 24)):
        assert lines[first - 1].endswith("-grams:") and not lines[last]
        lines[first:last] = reversed(lines[first:last])
    assert_same_bits(read(tmp_path, "\n".join(lines)), expected)


def test_a_vocabulary_asked_for(tmp_path):
    """The ids are its own; the words are those of the file, whatever their order."""
    own = Vocabulary(["<unk>", "<s>", "</s>", "c", "b", "a"])
    model, expected = read(tmp_path, SRILM, vocabulary=own), read(tmp_path, SRILM)
    assert model.vocabulary is own
    ids = np.array([A, B, A, EOS, B, A, A, B, C, UNK], np.int32)
    others = np.array([0, 1, 2, 5, 4, 3], np.int32)[ids]
    assert model.log_probs(others).tolist() == expected.log_probs(ids).tolist()
    nodes = [model.table.ngram(node) for node in range(model.table.starts[-1])]
    assert nodes == sorted(nodes, key=lambda ngram: (len(ngram), ngram))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("abcd", "the word 'd' of the vocabulary asked for is missing"),
        ("ab", "line 13: its words must be in the vocabulary asked for, got 'c'"),
        ("xabc", "the word 'x' of the vocabulary asked for is missing"),
    ],
)
def test_a_vocabulary_of_other_words(tmp_path, words, message):
    with pytest.raises(ModelFileError, match=f"model.arpa is not a sound ARPA file: {message}$"):
        read(tmp_path, SRILM, vocabulary=Vocabulary([*WORDS[:3], *words]))


def without(text, *lines):
    for line in lines:
        assert line in text
        text = text.replace(line, "")
    return text


def test_a_closed_vocabulary(tmp_path):
    """Without <unk> unknown words have no probability; everything else is as it was."""
    closed = without(SRILM, "-0.9\t<unk>\n").replace("ngram 1=6", "ngram 1=5")
    model, expected = read(tmp_path, closed), read(tmp_path, SRILM)
    assert model.vocabulary.words == expected.vocabulary.words
    ids = np.array([A, UNK, B, A, EOS], np.int32)
    found = model.log_probs(ids)
    assert found[1] == -np.inf and np.isfinite(np.delete(found, 1)).all()
    assert np.delete(found, 1).tolist() == np.delete(expected.log_probs(ids), 1).tolist()
    assert model.next_word(np.array([[A, B]]))[0, UNK] == 0
    assert_same_bits(read_arpa(write(tmp_path / "again.arpa", model), tokenizer()), model)


def test_no_marks_of_boundaries(tmp_path):
    text = "\\data\\\nngram 1=2\nngram 2=1\n\\1-grams:\n-0.301\ta\t-0.1\n-0.302\tb\n\\2-grams:\n-0.2\ta b\n\\end\\\n"
    model = read(tmp_path, text, boundary="stream")
    assert model.vocabulary.words == ["<unk>", "<s>", "</s>", "a", "b"]
    assert model.log_probs(np.array([3, 4, 3])) / LN10 == pytest.approx([-0.301, -0.2, -0.301], abs=1e-6)
    assert model.log_probs(np.array([2, 0])).tolist() == [-np.inf, -np.inf]


def test_words_of_a_file_are_split_at_ascii_white_space_only(tmp_path):
    model = read(tmp_path, SRILM.replace("c\n", "c\u00a0c\n"))
    assert model.vocabulary.words[-1] == "c\u00a0c"


def dropped(model, ngrams):
    """An ARPA file of a model without some n-grams and all that begin with them; the model as dictionaries."""
    words, table = model.vocabulary.words, model.table
    log_probs, backoffs, lines = {}, {}, []
    for node in range(table.starts[-1]):
        ngram = table.ngram(node)
        if any(ngram[: len(gone)] == gone for gone in ngrams):
            continue
        log_probs[ngram] = float(model.node_log_probs[node])
        line = f"{max(log_probs[ngram] / LN10, -99)}\t{' '.join(words[i] for i in ngram)}"
        if node < len(model.backoffs):
            backoffs[ngram] = float(model.backoffs[node])
            line += f"\t{backoffs[ngram] / LN10}"
        lines.append((len(ngram), line))
    text = "\\data\\\n"
    orders = range(1, table.order + 1)
    text += "".join(f"ngram {order}={sum(size == order for size, _ in lines)}\n" for order in orders)
    for order in orders:
        text += f"\n\\{order}-grams:\n" + "".join(f"{line}\n" for size, line in lines if size == order)
    return text + "\n\\end\\\n", log_probs, backoffs


def test_a_pruned_model_may_lack_the_ends_of_ngrams(tmp_path):
    """Without a b, c a b is there still: the longest known suffix of c a b is b, and of b c a b it is c a b."""
    text, log_probs, backoffs = dropped(estimated(4), [(A, B), (B, B), (A, C, A)])
    model = read(tmp_path, text)
    table = model.table
    nodes, *expected = reference.ngram_tree(log_probs, 4, len(WORDS))
    for found, array in zip((table.words, table.children, table.links), expected, strict=True):
        assert found.dtype == array.dtype and found.tolist() == array.tolist()
    missing = [ngram for ngram in nodes if len(ngram) > 1 and ngram[1:] not in log_probs]
    assert len(missing) > 10
    ids = random_text(400, seed=7)
    by_hand = [
        reference.backoff_log_prob(log_probs, backoffs, reference.context_before(ids, t, 3), int(word))
        for t, word in enumerate(ids)
    ]
    np.testing.assert_allclose(model.log_probs(ids), by_hand, rtol=0, atol=3e-6)
    for context in {(UNK, A, B), (B, A, B), (C, A, B), (A, A, C), (BOS, A, B)} | {n for n in missing if len(n) == 3}:
        row = [reference.backoff_log_prob(log_probs, backoffs, context, word) for word in range(len(WORDS))]
        np.testing.assert_allclose(model.next_word(np.array([context])), np.exp([row]), rtol=3e-6)
    assert_same_bits(read_arpa(write(tmp_path / "again.arpa", model), tokenizer()), model)


# Damage


def broken(tmp_path, text, message, **options):
    pattern = f"^{re.escape(str(tmp_path / 'model.arpa'))} {message}$"
    with pytest.raises(ModelFileError, match=pattern) as caught:
        read(tmp_path, text, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        # numbers
        ("-0.5\ta\t", "x\ta\t", "line 10: log10 P must be a number of at most 0, got 'x'"),
        ("-0.5\ta\t", "0.5\ta\t", "line 10: log10 P must be a number of at most 0, got '0.5'"),
        ("-0.15\t<s>", "1e-7\t<s>", "line 24: log10 P must be a number of at most 0, got '1e-7'"),
        ("-0.5\ta\t", "nan\ta\t", "line 10: log10 P must be a number of at most 0, got 'nan'"),
        ("-0.5\ta\t", "inf\ta\t", "line 10: log10 P must be a number of at most 0, got 'inf'"),
        ("-0.5\ta\t", "-0,5\ta\t", "line 10: log10 P must be a number of at most 0, got '-0,5'"),
        ("a b\t0.04", "a b\tnan", "line 17: log10 b must be a number up to 30, got 'nan'"),
        ("a b\t0.04", "a b\tinf", "line 17: log10 b must be a number up to 30, got 'inf'"),
        ("a b\t0.04", "a b\t1e300", "line 17: log10 b must be a number up to 30, got '1e300'"),
        ("a b\t0.04", "a b\tb", "line 17: log10 b must be a number up to 30, got 'b'"),
        ("<s> a b\n", "<s> a b x\n", "line 24: log10 b must be a number up to 30, got 'x'"),
        # fields
        ("a b\t0.04", "a b c 0.04", "line 17: expected log10 P, a 2-gram and perhaps log10 b, got '-0.4 a b c 0.04'"),
        ("-1.1\tc", "-1.1", "line 13: expected log10 P, a 1-gram and perhaps log10 b, got '-1.1'"),
        ("-0.25\ta b a", "a b a", "line 25: expected log10 P, a 3-gram and perhaps log10 b, got 'a b a'"),
        ("-0.25\ta b", "-0.25\t" + "b" * 99, "line 25: expected .*, got '-0.25 b{54}'\\.\\.\\."),
        # words
        ("0.2\tb a\n", "0.2\tb zebra\n", "line 21: its words must be among the 1-grams, got 'zebra'"),
        ("<s> a\t", "<S> a\t", "line 16: its words must be among the 1-grams, got '<S>'"),
        ("-0.2\tb a\n", "-0.2\ta b\n", "the 2-gram 'a b' stands there twice"),
        ("-1.1\tc\n", "-1.1\tb\n", "the 1-gram 'b' stands there twice"),
        ("-1.1\tc\n", "-1.1\t<UNK>\n", "the 1-gram '<unk>' stands there twice"),
        ("a b a\n", "<s> a b\n", "the 3-gram '<s> a b' stands there twice"),
        ("a b a\n", "a c a\n", "the 3-gram 'a c a' must have its beginning, all but the last word, in the file"),
        ("a b a\n", "</s> b a\n", "the 3-gram '</s> b a' must have its beginning, all but the last word, in the file"),
        # header and sections
        ("ngram 1=6", "ngram 1=7", "line 15: the header counts 7 1-grams, got 6"),
        ("5\nngram 3", "4\nngram 3", "line 23: the header counts 4 2-grams, got 5"),
        ("ngram 3 = 2", "ngram 3 = 999999999999", "line 27: the header counts 999999999999 3-grams, got 2"),
        ("ngram 1=6", "ngram 0=6", "line 3: expected ngram 1= and a number, the order at most 20, got 'ngram 0=6'"),
        ("ngram 3 =", "ngram 4 =", "line 5: expected ngram 3= and a number, the order at most 20, got 'ngram 4 = 2'"),
        ("ngram 3 = 2", "ngram 3 = x", "line 5: expected ngram 3= .*, got 'ngram 3 = x'"),
        ("ngram 3 = 2", "ngram 3 = -2", "line 5: expected ngram 3= .*, got 'ngram 3 = -2'"),
        ("ngram 3 = 2", "three", "line 5: expected ngram 3= .*, got 'three'"),
        ("\nngram 3 = 2", "", r"line 22: expected \\end\\, got '\\\\3-grams:'"),
        ("ngram 3 = 2", "ngram 3 = 2\nngram 4 = 0", r"line 28: expected \\4-grams:, got '\\\\end\\\\'"),
        ("\\2-grams:", "\\3-grams:", r"line 15: expected \\2-grams:, got '\\\\3-grams:'"),
        ("\\2-grams:", "\\2-gram:", r"line 15: expected \\2-grams:, got '\\\\2-gram:'"),
        ("\\end\\", "\\END\\", r"line 27: expected \\end\\, got '\\\\END\\\\'"),
        ("\\end\\", "", r"it was cut short, \\end\\ is missing"),
        ("\\1-grams:", "", "line 8: expected ngram 4= and a number, the order at most 20, got '-0.8 </s>'"),
    ],
)  # fmt: skip
def test_damage_is_named(tmp_path, old, new, message):
    assert SRILM.count(old) == 1
    broken(tmp_path, SRILM.replace(old, new), f"is not a sound ARPA file: {message}")


def test_lines_are_counted_across_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "BLOCK_BYTES", 16)
    message = "line 25: log10 P must be a number of at most 0, got 'x'"
    broken(tmp_path, SRILM.replace("-0.25", "x"), f"is not a sound ARPA file: {message}")


def test_a_file_cut_anywhere_is_refused(tmp_path):
    whole = SRILM.rstrip("\n")
    for end in range(len(whole)):
        with pytest.raises(ModelFileError, match="ARPA file"):
            read(tmp_path, whole[:end])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"the cat sat on the mat\n" * 9,
        b"mmap lm http://kheafield.com/code format version 5\n\0" + bytes(range(256)) * 40,
        np.random.default_rng(1).bytes(100_000),
        b"\\end\\\n",
        b"data\n",
    ],
)
def test_files_of_another_kind(tmp_path, content):
    kind = ""
    if not content:
        kind = ", and is an empty file"
    elif b"\0" in content:
        kind = (
            ", and is (a binary file of KenLM; give the ARPA file it came from|neither text in UTF-8 nor a format .*)"
        )
    broken(tmp_path, content, rf"is not an ARPA file: it has no line \\data\\{kind}")


@pytest.mark.parametrize(
    "header", ["\\data\\\n\\1-grams:\n-1 a\n\\end\\\n", "\\data\\\n\\end\\\n", "\\data\\\n\\data\\\n"]
)
def test_a_header_without_counts(tmp_path, header):
    broken(
        tmp_path,
        header,
        r"is not a sound ARPA file: line \d: (the header counts 0 1-grams, got 1|expected .1-grams:.*)",
    )


def test_orders_up_to_twenty(tmp_path):
    def text(order):
        counts = "".join(f"ngram {k}={2 if k == 1 else 1}\n" for k in range(1, order + 1))
        sections = "".join(f"\\{k}-grams:\n" + f"-0.5 {'a ' * k}\n" for k in range(2, order + 1))
        return f"\\data\\\n{counts}\\1-grams:\n-0.5 a\n-0.6 b\n{sections}\\end\\\n"

    assert read(tmp_path, text(20)).reach == 19
    message = "line 22: expected ngram 21= and a number, the order at most 20, got 'ngram 21=1'"
    broken(tmp_path, text(21), f"is not a sound ARPA file: {message}")


def test_words_that_are_not_utf8(tmp_path):
    broken(
        tmp_path, SRILM.encode().replace(b"c\n", b"caf\xe9\n"), r"is not a sound ARPA file: words must be UTF-8, got .*"
    )


def test_no_words_but_the_marks(tmp_path):
    text = "\\data\\\nngram 1=3\n\\1-grams:\n-1 <unk>\n-99 <s>\n-0.1 </s>\n\\end\\\n"
    broken(tmp_path, text, "is not a sound ARPA file: it must have a word besides <unk>, <s> and </s>")


def test_files_that_can_not_be_read(tmp_path):
    for path, reason in ((tmp_path / "none.arpa", "no such file or directory"), (tmp_path, "is a directory")):
        with pytest.raises(ModelFileError, match=f"^{re.escape(str(path))} can't be read: {reason}$"):
            read_arpa(path, tokenizer())
    with pytest.raises(ModelFileError, match="can't be read: embedded null byte$"):
        read_arpa("a\0b", tokenizer())
    packed = gzip.compress("".join(arpa_lines(estimated(3))).encode())
    for damaged in (packed[:-20], packed[:20] + b"\0\0\0" + packed[23:]):
        (tmp_path / "model.arpa.gz").write_bytes(damaged)
        with pytest.raises(ModelFileError, match="^[^\n]*model.arpa.gz can't be read: [^\n]+$"):
            read_arpa(tmp_path / "model.arpa.gz", tokenizer())


# KenLM reads what is written here


@pytest.fixture
def kenlm_of(tmp_path):
    """``kenlm_of(model)``: KenLM's own reading of its ARPA file."""
    kenlm = pytest.importorskip("kenlm", reason="KenLM, an independent implementation, is not installed")

    def load(source):
        path = tmp_path / "for-kenlm.arpa"
        if isinstance(source, str):
            path.write_text(source)
        else:
            write(path, source)
        config = kenlm.Config()
        config.show_progress = False
        return kenlm.LanguageModel(str(path), config)

    return load


def kenlm_scores(other, words, ids):
    """log10 P of every word of a text, </s> included."""
    out = []
    for unit in reference.units(ids):
        unit = unit[1:]
        ends = unit[-1] == EOS
        sentence = " ".join(words[i] for i in unit[: len(unit) - ends])
        out += [score for score, _, _ in other.full_scores(sentence, bos=True, eos=ends)]
    return np.array(out)


@pytest.mark.parametrize("boundary", ["stream", "line"])
@pytest.mark.parametrize("order", [2, 3, 5])
def test_kenlm_agrees_on_every_token(kenlm_of, order, boundary):
    model = estimated(order, boundary)
    other = kenlm_of(model)
    for seed in (1, 8):  # the text itself, and another with a word that it never saw
        ids = random_text(500, seed, boundary)
        ids[ids == UNK] = D if seed == 8 else UNK
        found = model.log_probs(ids) / LN10
        np.testing.assert_allclose(found, kenlm_scores(other, WORDS, ids), rtol=0, atol=5e-6)


def test_kenlm_agrees_on_models_of_others(kenlm_of, tmp_path):
    model = read(tmp_path, SRILM)
    ids = np.random.default_rng(1).integers(0, 6, 300).astype(np.int32)
    ids[ids == BOS] = EOS
    expected = kenlm_scores(kenlm_of(model), model.vocabulary.words, ids)
    np.testing.assert_allclose(model.log_probs(ids) / LN10, expected, rtol=0, atol=5e-6)


def test_kenlm_agrees_on_pruned_models(kenlm_of, tmp_path):
    text, _, _ = dropped(estimated(4), [(A, B), (B, B), (A, C, A)])
    model, other = read(tmp_path, text), kenlm_of(text)
    ids = random_text(400, seed=7)
    expected = kenlm_scores(other, WORDS, ids)
    np.testing.assert_allclose(model.log_probs(ids) / LN10, expected, rtol=0, atol=5e-6)
