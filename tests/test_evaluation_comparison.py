"""Comparison: every figure worked by hand, the test and the interval against theory, and what is refused."""

import itertools
import json
import math
import re
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import CYCLE

import fflm
from fflm import plots
from fflm.config import TokenizerConfig
from fflm.errors import ConfigError, FflmError, TextError
from fflm.evaluation import breakdowns as tables
from fflm.evaluation import comparison as paired
from fflm.evaluation import resampling
from fflm.evaluation.comparison import compare
from fflm.lm import NgramModel
from fflm.plots.comparison import comparison_plot
from fflm.text import NO_BREAKS, Tokenizer, Vocabulary

WORDS = ["<unk>", "<s>", "</s>", "yes", "no"]
TEXT = "yes no\nyes dog\nyes yes\n"
# Bits of <unk>, <s>, </s>, yes, no.
A = [2, 2, 2, 2, 2]
B = [3, 9, 2, 1, 3]
NOT_COUNTED = "contexts must be an n-gram model made by fflm, or a mixture with one, as only these count contexts; "
NO_CONTEXTS = "no breakdown by seen and unseen context: give an n-gram model as contexts (--contexts MODEL)"
KEYS = """conclusion source per a b difference difference_low difference_high p_value units groups open perplexity_ratio
    a_wins b_wins by_frequency by_context by_neighbours contexts_of a_words b_words notes better""".split()


class Unigram:
    """A language model of a few lines: nothing but what the interface promises."""

    reach = 1

    def __init__(self, bits, words=WORDS, counts=(7, 0, 3, 5, 2000), **options):
        self.vocabulary = Vocabulary(words, counts)
        options = {"tokenizer": "whitespace", "boundary": "line"} | options
        self.tokenizer = Tokenizer(TokenizerConfig(**options))
        self.bits = np.array(bits, float)

    def log_probs(self, ids, on_batch=None, breaks=NO_BREAKS):
        return -math.log(2) * self.bits[ids]

    def describe(self):
        return {"kind": "unigram", "parameters": 0}


class Counting(Unigram):
    """One that has counted contexts, as an n-gram model has: here each was seen 10 times its position."""

    table, counts = SimpleNamespace(order=3), np.ones(5)

    def context_counts(self, ids, breaks=NO_BREAKS):
        return 10 * np.arange(len(ids))


class WithoutCounts(Unigram):
    """An n-gram model from a file that has no counts."""

    table, counts = SimpleNamespace(order=3), None


@pytest.fixture
def source(tmp_path):
    (tmp_path / "text").write_text(TEXT)
    return [str(tmp_path / "text")]


@pytest.fixture
def other(demo, tmp_path):
    """The path of a model with the vocabulary of `demo`, a little worse."""
    model = fflm.load(demo)
    model.lm.parameters["output.bias"] += np.random.default_rng(5).normal(0, 0.3, 13).astype(np.float32)
    model.save(tmp_path / "other.safetensors")
    return str(tmp_path / "other.safetensors")


def table(rows):
    return [(row.label, row.tokens) for row in rows]


# The difference


def test_definition(source):
    """Lines of A - B: yes +1, no -1, </s> 0; +1, <unk> -1, 0; +1, +1, 0: 2 bits over 9 tokens."""
    report = compare(Unigram(A), Unigram(B), source)
    assert (report.source, report.per, report.units) == (source[0], "token", 3)
    assert report.difference == pytest.approx(2 / 9, rel=1e-14)
    assert report.difference == pytest.approx(report.a.bits_per_token - report.b.bits_per_token, rel=1e-14)
    assert report.perplexity_ratio == pytest.approx(report.a.perplexity / report.b.perplexity, rel=1e-13)
    assert (report.a_wins, report.b_wins) == (2 / 9, 4 / 9)
    assert report.bits_a.tolist() == [2] * 9 and report.bits_b.tolist() == [1, 3, 2, 1, 3, 2, 1, 1, 2]
    back = compare(Unigram(B), Unigram(A), source)
    assert (back.difference, back.p_value) == (-report.difference, report.p_value)
    assert (back.a_words, back.b_words) == (report.b_words, report.a_words)


def test_each_report_is_that_of_perplexity(demo, other, text):
    a, b = fflm.load(demo), fflm.load(other)
    report = compare(a.lm, b.lm, [text])
    for part, model in ((report.a, a), (report.b, b)):
        alone = model.perplexity(text).to_dict() | {"tokens_per_second": part.tokens_per_second}
        assert part.to_dict() == alone


def test_identical_models_differ_by_nothing(source):
    report = compare(Unigram(B), Unigram(B), source)
    assert (report.difference, report.p_value, report.perplexity_ratio) == (0, 1, 1)
    assert str((report.difference_low, report.difference_high)) == "(0.0, 0.0)"
    assert (report.a_wins, report.b_wins, report.a_words, report.b_words) == (0, 0, (), ())
    assert report.better is None
    assert report.conclusion == "no difference that this text can show; p = 1"


def test_conclusion(tmp_path):
    """B saves a bit on "yes", and loses one on "no"."""
    text = tmp_path / "text"
    text.write_text("yes\n" * 20)
    report = compare(Unigram(A), Unigram(B), [str(text)])
    assert (report.better, report.conclusion) == ("B", "B is better by 0.5 bits per token; p = 0.0001")
    report = compare(Unigram(B), Unigram(A), [str(text)])
    assert (report.better, report.conclusion) == ("A", "A is better by 0.5 bits per token; p = 0.0001")
    text.write_text("yes\n" * 11 + "no\n" * 9)
    report = compare(Unigram(A), Unigram(B), [str(text)])
    assert report.difference > 0 and report.better is None
    assert report.conclusion == f"no difference that this text can show; p = {report.p_value:.3g}"


def test_one_unit_has_neither_interval_nor_p_value(tmp_path):
    (tmp_path / "text").write_text("yes yes\n")
    report = compare(Unigram(A), Unigram(B), [str(tmp_path / "text")])
    assert (report.difference_low, report.difference_high, report.p_value, report.units) == (None, None, None, 1)
    assert "no interval and no p-value: the text is a single unit (line or block)" in report.notes
    assert report.conclusion == "B is better by 0.667 bits per token; no p-value, so it may be chance"
    assert compare(Unigram(A), Unigram(A), [str(tmp_path / "text")]).conclusion == "no difference; no p-value"


def test_few_units_are_named(source):
    """Of 2 ** 3 swaps at least 2 are as extreme as any."""
    note = "3 units (lines or blocks) are few: no p-value below 0.25 is possible"
    assert note in compare(Unigram(A), Unigram(B), source).notes


# The p-value


@pytest.mark.parametrize("seed", range(4))
def test_p_value_is_that_of_all_swaps(seed):
    """The share of all 2 ** 8 swaps that are as extreme, within four standard errors of 10,000 draws."""
    sums = np.random.default_rng(seed).normal(0.3, 1, 8)
    totals = [abs(np.dot(signs, sums)) for signs in itertools.product((1, -1), repeat=8)]
    exact = np.mean([total >= abs(sums.sum()) - 1e-9 for total in totals])
    assert resampling.permutation_p_value(sums) == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 10_000))


def test_p_value_counts_the_observed_swap():
    assert resampling.permutation_p_value(np.ones(100)) == 1 / 10_001
    assert resampling.permutation_p_value(np.zeros(100)) == resampling.permutation_p_value(np.array([0.0, 5.0])) == 1


def test_rounding_decides_no_p_value():
    """0.1 + 0.2 - 0.3 is not 0 in floating point: swapping these three must count as changing nothing."""
    assert resampling.permutation_p_value(np.array([0.1, 0.2, -0.3, 0.5])) == resampling.permutation_p_value(
        np.array([1.0, 2.0, -3.0, 5.0])
    )


def test_p_value_is_rarely_small_by_chance(monkeypatch):
    monkeypatch.setattr(resampling, "PERMUTATIONS", 199)
    generator = np.random.default_rng(11)
    values = [resampling.permutation_p_value(generator.standard_t(3, 20)) for _ in range(400)]
    assert np.mean(np.array(values) <= 0.05) == pytest.approx(0.05, abs=0.03)
    assert np.mean(values) == pytest.approx(0.5, abs=0.05)


def test_lines_are_swapped_whole(tmp_path):
    """Eight lines of twenty equal tokens are eight observations, not 160."""
    lines = ["yes " * 20] * 6 + ["no " * 20] * 2
    (tmp_path / "text").write_text("\n".join(lines))
    report = compare(Unigram(A), Unigram(B), [str(tmp_path / "text")])
    assert report.units == 8
    assert report.p_value == pytest.approx(2 * (1 + 8 + 28) / 2**8, abs=0.02)


# The interval


def test_interval_is_as_wide_as_theory_says():
    """Independent tokens: +-1.96 standard errors of their mean, within a tenth."""
    difference = np.random.default_rng(3).normal(0.2, 1.5, 20_000)
    found = paired._significance(difference, np.arange(0, 20_001, 20), 1.0, [])
    low, high = found["difference_low"], found["difference_high"]
    assert low < difference.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * 1.5 / math.sqrt(20_000), rel=0.1)


def test_many_units_are_joined_and_that_is_said(monkeypatch):
    """The number of units of the text, and the number of groups that were drawn."""
    difference = np.random.default_rng(9).normal(0.01, 1, 4000)
    fine = paired._significance(difference, np.arange(0, 4001, 4), 1.0, [])
    monkeypatch.setattr(resampling, "MOST_UNITS", 150)
    coarse = paired._significance(difference, np.arange(0, 4001, 4), 1.0, [])
    assert coarse["units"] == fine["units"] == fine["groups"] == 1000
    assert coarse["groups"] == 143 == len(resampling.group_starts(np.arange(0, 4001, 4)))
    assert coarse["p_value"] == pytest.approx(fine["p_value"], abs=0.1)
    sums = resampling.group_sums(difference, np.arange(0, 4001, 4))[0]
    assert len(sums) <= 150 and sums.sum() == pytest.approx(difference.sum())


# Where the difference lies


def test_breakdown_by_frequency(source):
    rows = compare(Unigram(A), Unigram(B), source).by_frequency
    assert table(rows) == [("unknown word", 1), ("1-9", 4), ("1,000-9,999", 1), ("line end", 3)]
    assert [row.difference for row in rows] == pytest.approx([-1, 1, -1, 0], abs=1e-12)
    assert [row.share for row in rows] == [1 / 9, 4 / 9, 1 / 9, 3 / 9]
    assert (rows[1].perplexity_a, rows[1].perplexity_b) == pytest.approx((4, 2), rel=1e-12)


def test_breakdowns_hold_every_token_once(demo, other, text):
    lm = fflm.load(demo).lm
    contexts = Counting(A, lm.vocabulary.words, None, tokenizer="word", boundary="stream")
    report = compare(lm, fflm.load(other).lm, [text], contexts)
    for rows in (report.by_frequency, report.by_context, report.by_neighbours):
        assert sum(row.tokens for row in rows) == 1600
        assert sum(row.share * row.difference for row in rows) == pytest.approx(report.difference, rel=1e-9)


def test_bands():
    counts = np.array([0, 1, 9, 10, 99, 100, 999, 1000, 9999, 10000, 10**9])
    found = {label: counts[mask].tolist() for label, mask in tables.bands(counts, tables.FREQUENCIES)}
    assert found == {
        "0 (unseen)": [0],
        "1-9": [1, 9],
        "10-99": [10, 99],
        "100-999": [100, 999],
        "1,000-9,999": [1000, 9999],
        "10,000+": [10000, 10**9],
    }
    labels = [label for label, _ in tables.bands(counts, tables.CONTEXT_COUNTS)]
    assert labels == ["0 (unseen)", "1", "2-9", "10-99", "100+"]


def test_frequencies_are_those_of_the_model_that_has_them(source):
    nothing, others = [0] * 5, [1, 1, 1, 1, 1]
    report = compare(Unigram(A, counts=nothing), Unigram(B, counts=nothing), source)
    assert report.by_frequency is None
    assert "no breakdown by word frequency: the vocabulary has no counts of the training text" in report.notes
    report = compare(Unigram(A, counts=nothing), Unigram(B), source)
    assert report.by_frequency == compare(Unigram(A), Unigram(B), source).by_frequency
    report = compare(Unigram(A), Unigram(B, counts=others), source)
    assert report.by_frequency == compare(Unigram(A), Unigram(B), source).by_frequency
    assert "A and B were trained on different texts: the word frequencies are those of A's" in report.notes


def test_breakdown_by_neighbours():
    """The word and the line end after <unk>, and nothing beyond the line; an <unk> is not its own neighbour."""
    unk, end, yes = 0, 2, 3
    ids = np.array([yes, unk, yes, yes, yes, end, unk, end, yes, yes, unk, unk])
    near, far = (mask for _, mask in tables.by_neighbours(ids))
    assert np.flatnonzero(near).tolist() == [2, 3, 7, 11]
    assert (near ^ far).all()
    assert [mask.tolist() for _, mask in tables.by_neighbours(np.array([unk]))] == [[False], [True]]


def test_neighbours_in_a_report(source):
    report = compare(Unigram(A), Unigram(B), source)
    assert table(report.by_neighbours) == [("with <unk>", 1), ("without <unk>", 8)]


def test_breakdown_by_context(source):
    expected = [("0 (unseen)", 1), ("10-99", 8)]
    for a, b, contexts, name in (
        (Unigram(A), Counting(B), None, "B"),
        (Counting(A), Unigram(B), None, "A"),
        (Counting(A), WithoutCounts(B), None, "A"),
        (Counting(A), Counting(B), None, "A"),
        (Counting(A), Counting(B), Counting(A), "contexts"),
        (Unigram(A), Unigram(B), Counting(A), "contexts"),
    ):
        report = compare(a, b, source, contexts)
        assert (table(report.by_context), report.contexts_of) == (expected, name)
        assert "seen" not in " ".join(report.notes)


def test_contexts_of_an_ngram_model(text):
    """Of the 95 cycles it was trained on: "sat on", "on the" and "the mat" come twice in each, all others once."""
    words = ["<unk>", "<s>", "</s>", *"the cat sat on mat . a dog with it".split()]
    tokenizer = Tokenizer(TokenizerConfig(tokenizer="whitespace"))
    ids = Vocabulary(words).encode(CYCLE.split() * 95)
    model = NgramModel.kneser_ney(ids, 3, Vocabulary(words, np.bincount(ids, minlength=13)), tokenizer)
    report = compare(model, model, [text])
    assert report.contexts_of == "A"
    assert table(report.by_context) == [("1", 2), ("10-99", 998), ("100+", 600)]  # two are at the beginning


def test_without_an_ngram_model_there_are_no_contexts(source):
    for b in (Unigram(B), WithoutCounts(B)):
        report = compare(Unigram(A), b, source)
        assert (report.by_context, report.contexts_of) == (None, None)
        assert (
            "no breakdown by seen and unseen context: give an n-gram model as contexts (--contexts MODEL)"
            in report.notes
        )


def test_words_that_decide(source):
    report = compare(Unigram(A), Unigram(B), source)
    assert [(w.word, w.occurrences, w.bits) for w in report.a_words] == [("<unk>", 1, 1.0), ("no", 1, 1.0)]
    assert [(w.word, w.occurrences, w.bits) for w in report.b_words] == [("yes", 4, 4.0)]
    assert [w.word for w in compare(Unigram(A), Unigram(B), source, top=1).a_words] == ["<unk>"]


def test_a_perplexity_beyond_all_numbers_is_none(source):
    """One hopeless word, while the whole text still has a perplexity."""
    report = compare(Unigram(A), Unigram([2, 2, 2, 2, 1500]), source)
    hopeless = next(row for row in report.by_frequency if row.tokens == 1 and row.label != "unknown word")
    assert (hopeless.perplexity_a, hopeless.perplexity_b) == (pytest.approx(4), None)
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["difference"] == report.difference


# Bits per character


def test_per_character(source):
    """The same text, 23 characters; B does not know "no": 2 x 9 bits against 1 + 3 + 2 + 1 + 3 + 2 + 1 + 1 + 2 = 16."""
    b = Unigram([3, 9, 2, 1], WORDS[:4], counts=(0, 0, 0, 0))
    report = compare(Unigram(A), b, source, per_character=True)
    assert (report.per, report.units, report.a.oov, report.b.oov) == ("character", 3, 1, 2)
    assert report.a.bits_per_character == pytest.approx(18 / 23, rel=1e-14)
    assert report.difference == pytest.approx(2 / 23, rel=1e-12)
    assert report.difference_low == pytest.approx(0, abs=1e-12)  # all three lines are one on which B saves nothing
    assert report.difference_high == pytest.approx(6 / 23, rel=1e-12)  # or the third
    for name in ("a_wins", "by_frequency", "by_context", "by_neighbours", "a_words", "bits_a", "perplexity_ratio"):
        assert getattr(report, name) is None
    assert report.notes[0] == (
        "a model pays for <unk>, not for the letters it stands for, and looks the better for it, as there is no "
        "spelling model in A and B: unknown are 1 of 9 tokens in A, 2 of 9 in B"
    )


def test_better_for_its_unknown_words(tmp_path):
    (tmp_path / "text").write_text("yes no\n" * 20)
    b = Unigram([1, 1, 1, 1], WORDS[:4], counts=None)
    report = compare(Unigram(A), b, [str(tmp_path / "text")], per_character=True)
    assert report.conclusion == (
        "B is better by 0.429 bits per character, but has more unknown words (20 against 0); p = 0.0001"
    )


@pytest.mark.parametrize(
    ("text", "options", "why"),
    [
        ("no yes\n", {"boundary": "stream"}, "A and B cut the text into different units; models of lines could be"),
        (" \nyes\n", {"tokenizer": "char"}, "A reads 1 lines, B 2"),
    ],
)
def test_per_character_without_common_units(tmp_path, text, options, why):
    (tmp_path / "text").write_text(text)
    report = compare(Unigram(A), Unigram(B, **options), [str(tmp_path / "text")], per_character=True)
    assert (report.difference_low, report.p_value, report.units) == (None, None, None)
    assert report.notes[-1].startswith(f"no interval and no p-value: {why}")
    assert report.conclusion.endswith("; no p-value, so it may be chance")
    assert report.difference == report.a.bits_per_character - report.b.bits_per_character


def test_lines_pair_whatever_the_tokenizer(source):
    report = compare(Unigram(A), Unigram(B, tokenizer="char"), source, per_character=True)
    assert report.units == 3 and report.p_value is not None
    assert (report.a.tokens, report.b.tokens) == (9, 23)


def test_blocks_pair_where_the_tokenizer_is_the_same(tmp_path):
    (tmp_path / "text").write_text("yes no " * 100)
    a = Unigram(A, boundary="stream")
    b = Unigram(B[:4], WORDS[:4], counts=None, boundary="stream")
    report = compare(a, b, [str(tmp_path / "text")], per_character=True)
    assert (report.units, report.difference, report.p_value) == (100, 0, 1)


# What is refused


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (Unigram(B, boundary="stream"), "boundary is 'line' in A and 'stream' in B"),
        (Unigram(B, lowercase=True), "lowercase is False in A and True in B"),
        (
            Unigram(B, [*WORDS[:4], "maybe"]),
            "word 4 is 'no' in A and 'maybe' in B",
        ),
        (
            Unigram(B, WORDS[:4], counts=None),
            "their vocabularies have 5 and 4 words, and only A has 'no'",
        ),
        (
            Unigram(B, [*WORDS, "maybe"], counts=None),
            "their vocabularies have 5 and 6 words, and only B has 'maybe'",
        ),
        (
            Unigram(B, [*WORDS[:3], "no", "maybe", "yes"], counts=None),
            "their vocabularies have 5 and 6 words, and word 3 is 'yes' in A and 'no' in B",
        ),
    ],
)
def test_models_that_are_unlike(other, reason):
    """Refused before the text is read: there is none."""
    with pytest.raises(FflmError) as error:
        compare(Unigram(A), other, ["missing"])
    assert str(error.value) == (
        f"A and B can't be compared per token: {reason}; per_character compares them in bits per character"
    )


def test_contexts_of_a_model_that_can_not_say():
    a, b = Unigram(A), Unigram(B)
    for contexts in (a, WithoutCounts(A)):
        with pytest.raises(FflmError) as error:
            compare(a, b, ["missing"], contexts)
        assert str(error.value) == NOT_COUNTED + "got a model of kind 'unigram'"
    with pytest.raises(FflmError, match="^contexts must have the vocabulary and tokenizer of A and B: .*'stream' in c"):
        compare(a, b, ["missing"], contexts=Counting(A, boundary="stream"))


def test_options_that_contradict_each_other():
    a, b = Unigram(A), Counting(B)
    with pytest.raises(ConfigError, match="^top must be at least 1, got 0$"):
        compare(a, b, ["missing"], top=0)
    with pytest.raises(ConfigError, match="^contexts must not be given together with per_character"):
        compare(a, b, ["missing"], contexts=b, per_character=True)
    with pytest.raises(ConfigError, match="^sources must be files or corpora with per_character, got '-'"):
        compare(a, b, ["-"], per_character=True)
    with pytest.raises(TextError, match="'missing': no such file$"):
        compare(a, b, ["missing"])


@pytest.mark.parametrize("per_character", [False, True])
def test_model_without_a_probability_is_named(source, per_character):
    with pytest.raises(FflmError, match="^B: perplexity is undefined: token 2 of .*text, 'no', has no probability$"):
        compare(Unigram(A), Unigram([2, 2, 2, 2, math.inf]), source, per_character=per_character)


# The command


def test_report_for_readers(demo, other, text, fflm_main):
    code, out, err = fflm_main("compare", demo, other, text, "--top", 3)
    assert (code, err) == (0, "")
    report = compare(fflm.load(demo).lm, fflm.load(other).lm, [text], top=3)
    lines = out.splitlines()
    assert lines[:3] == [f"A     {demo}", f"B     {other}", f"text  {text}"]
    assert f"perplexity          {report.a.perplexity:>24.2f}{report.b.perplexity:>24.2f}" in lines
    assert "tokens                                 1,600                   1,600" in lines
    assert f"difference A - B    {report.difference:+.4f} bits per token" in lines
    assert f"conclusion          {report.conclusion}" in lines and report.better == "A"
    interval = f"{report.difference_low:+.4f} to {report.difference_high:+.4f}"
    assert f"  95 % interval     {interval} (bootstrap over 100 units)" in lines
    assert f"  p-value           {report.p_value:.3g} (A and B swapped at random in these)" in lines
    for start in ("count in training", "last 2 words  ", "A wins most on"):
        assert sum(line.startswith(start) for line in lines) == 1, start
    words = lines[[line.startswith("A wins most on") for line in lines].index(True) + 1 :]
    assert words[0].split()[:3] == [report.a_words[0].word, f"{report.a_words[0].occurrences}", words[0].split()[2]]
    assert words.index("") == 3
    assert (
        lines[-1]
        == "note  no breakdown by seen and unseen context: give an n-gram model as contexts (--contexts MODEL)"
    )


def test_groups_for_readers(demo, other, text, fflm_main, monkeypatch):
    """More units than are drawn: the printed lines and the JSON say both numbers."""
    monkeypatch.setattr(resampling, "MOST_UNITS", 40)
    out = fflm_main("compare", demo, other, text).out
    assert " (bootstrap over 34 groups of neighbours, of 100 units)\n" in out
    report = json.loads(fflm_main("compare", demo, other, text, "--json").out)
    assert (report["units"], report["groups"]) == (100, 34)


def test_json(demo, other, text, fflm_main):
    code, out, err = fflm_main("compare", demo, other, text, "--json")
    assert (code, err, out.count("\n")) == (0, "", 1)
    report = json.loads(out)
    assert list(report) == KEYS
    assert (report["a"]["model"], report["b"]["model"], report["source"]) == (demo, other, text)
    bits = [report[part]["bits_per_token"] for part in "ab"]
    assert report["difference"] == pytest.approx(bits[0] - bits[1], rel=1e-9)
    assert report["difference_low"] < report["difference"] < report["difference_high"] < 0
    assert (report["better"], report["p_value"], report["units"], report["groups"]) == ("A", 1 / 10_001, 100, 100)
    assert list(report["by_frequency"][0]) == ["label", "tokens", "share", "perplexity_a", "perplexity_b", "difference"]
    assert list(report["a_words"][0]) == ["word", "occurrences", "bits"]


def test_number_of_threads_changes_nothing(demo, other, text, fflm_main):
    def report(threads):
        found = json.loads(fflm_main("compare", demo, other, text, "--json", "--threads", threads).out)
        for part in "ab":
            del found[part]["tokens_per_second"]
        return found

    assert report(1) == report(2)
    assert fflm_main("compare", demo, other, text, "--threads", 0).err == (
        "fflm: error: --threads must be at least 1, got 0\n"
    )


def test_command_per_character(demo, text, tmp_path, fflm_main):
    fflm.train(text, out=tmp_path / "run", vocab_size=8, hidden_dims=5, epochs=1, quiet=True)
    code, plain, _ = fflm_main("compare", demo, tmp_path / "run", text)
    assert code == 0 and "note  compared per character, as their vocabularies have 13 and 8 words" in plain
    code, out, err = fflm_main("compare", demo, tmp_path / "run", text, "--per-character")
    assert code == 0 and re.fullmatch(r"warning: B: 31.2 % of the tokens are unknown words .*\n", err)
    assert " bits per character\n" in out and "last 2 words" not in out and "wins most" not in out
    assert "note  unknown words are spelled out, so both models pay for every letter" in out
    report = json.loads(fflm_main("compare", demo, tmp_path / "run", text, "--per-character", "--json").out)
    assert (list(report), report["per"], report["by_frequency"]) == (KEYS, "character", None)


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (["--top", 0], "--top must be at least 1, got 0"),
        (
            ["--contexts", "DEMO"],
            "--" + NOT_COUNTED + "got a model of kind 'neural language model'",
        ),
        (["--contexts", "missing"], "no such model: missing"),
        (["--plot", "x.svg"], "--plot must be a file name that ends with .png, got 'x.svg'"),
        (["--plot", "missing/x.png"], "can't write missing/x.png: there is no folder missing"),
        (
            ["--plot", "x.png", "--per-character"],
            "--plot must not be given together with --per-character: it shows the bits of single tokens",
        ),
    ],
)
def test_wrong_flags(demo, text, fflm_main, flags, error):
    flags = [demo if flag == "DEMO" else flag for flag in flags]
    assert fflm_main("compare", demo, demo, text, *flags) == (1, "", f"fflm: error: {error}\n")


def test_missing_models_and_texts(demo, text, fflm_main):
    assert fflm_main("compare", demo, "missing", text).err == "fflm: error: no such model: missing\n"
    assert fflm_main("compare", demo, demo, "missing").err.endswith("'missing': no such file\n")
    assert fflm_main("compare", "", demo, text).err.startswith("fflm: error: no such model: ")
    assert fflm_main("compare", demo, text).code == 2


# The picture


def test_picture(demo, other, text, fflm_main, in_temporary_folder):
    pytest.importorskip("matplotlib")
    code, out, err = fflm_main("compare", demo, other, text, "--plot", "picture.png")
    assert (code, err) == (0, "") and "conclusion" in out
    assert (in_temporary_folder / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert not list(in_temporary_folder.glob(".*.tmp"))


def test_picture_of_equal_models(demo, text):
    """No difference, one bit value, nothing but zeros: no warning, no division by nothing."""
    pytest.importorskip("matplotlib")
    for bits in (np.array([1.0, 2.0]), np.array([0.0]), np.full(3, 0.5)):
        assert comparison_plot(bits, bits, "A $\nB").startswith(b"\x89PNG")


def test_picture_without_matplotlib(fflm_main, monkeypatch):
    """Said before anything is read: neither model nor text exists."""
    monkeypatch.setattr(plots, "can_plot", lambda: False)
    assert fflm_main("compare", "missing", "missing", "missing", "--plot", "x.png") == (
        1,
        "",
        'fflm: error: --plot needs matplotlib, which is not installed; install it with pip install "fflm[plot]"\n',
    )
