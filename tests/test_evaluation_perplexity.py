"""Perplexity: the definition, its independence of batches and threads, its honesty about what it can't say."""

import json
import math

import numpy as np
import pytest

import fflm
from fflm.config import DataConfig, TokenizerConfig
from fflm.errors import FflmError, TextError
from fflm.evaluation import resampling
from fflm.evaluation.perplexity import evaluate
from fflm.lm import neural
from fflm.text import NO_BREAKS, Tokenizer, TokenStream, Vocabulary, encode

WORDS = ["<unk>", "<s>", "</s>", "yes", "no"]
KEYS = [
    "model",
    "source",
    "tokens",
    "oov",
    "oov_rate",
    "cross_entropy_nats",
    "bits_per_token",
    "perplexity",
    "perplexity_without_oov",
    "bits_per_character",
    "perplexity_low",
    "perplexity_high",
    "tokens_per_second",
    "unknown_words",
    "unk_in_text",
    "notes",
    "open_perplexity",
    "open_bits_per_token",
    "open_bits_per_word",
    "open_bits_per_character",
    "words",
]


class Unigram:
    """A language model of six lines: nothing but what the interface promises."""

    def __init__(self, probabilities, boundary="stream"):
        self.vocabulary = Vocabulary(WORDS)
        self.tokenizer = Tokenizer(TokenizerConfig(tokenizer="whitespace", boundary=boundary))
        self.reach = 1
        self.probabilities = np.array(probabilities)

    def log_probs(self, ids, on_batch=None, breaks=NO_BREAKS):
        with np.errstate(divide="ignore"):
            return np.log(self.probabilities[ids])


def stream_of(ids, characters=100, unit=3):
    starts = np.append(np.arange(0, len(ids), unit), len(ids))
    return TokenStream(np.array(ids, np.int32), starts, characters, "some text")


def encoded(model, path):
    return encode([str(path)], model.lm.tokenizer, model.lm.vocabulary, DataConfig())


def test_definition():
    """yes yes no <unk>, P = 1/2, 1/2, 1/4, 1/8: 1 + 1 + 2 + 3 = 7 bits over 4 tokens and 14 characters."""
    report = evaluate(Unigram([0.125, 0.0, 0.125, 0.5, 0.25]), stream_of([3, 3, 4, 0], characters=14))
    assert (report.source, report.tokens, report.oov, report.oov_rate) == ("some text", 4, 1, 0.25)
    assert report.bits_per_token == pytest.approx(7 / 4, rel=1e-15)
    assert report.cross_entropy_nats == pytest.approx(7 / 4 * math.log(2), rel=1e-15)
    assert report.perplexity == pytest.approx(2 ** (7 / 4), rel=1e-15)
    assert report.perplexity_without_oov == pytest.approx(2 ** (4 / 3), rel=1e-15)
    assert report.bits_per_character == pytest.approx(7 / 14, rel=1e-15)
    assert report.tokens_per_second > 0


def test_line_ends_are_tokens(tmp_path):
    (tmp_path / "text").write_text("yes\nno yes\n")
    model = Unigram([0.0, 0.0, 0.5, 0.25, 0.25], boundary="line")
    stream = encode([str(tmp_path / "text")], model.tokenizer, model.vocabulary, DataConfig())
    report = evaluate(model, stream)
    assert report.tokens == 5
    assert report.bits_per_token == pytest.approx((3 * 2 + 2 * 1) / 5, rel=1e-15)
    assert report.bits_per_character == pytest.approx(8 / len("yes\nno yes\n"), rel=1e-15)


def test_uniform_model_has_perplexity_v():
    report = evaluate(Unigram([0.2] * 5), stream_of([3, 4, 3, 3, 0, 2, 4]))
    assert report.perplexity == pytest.approx(5, rel=1e-14)
    assert (report.perplexity_low, report.perplexity_high) == pytest.approx((5, 5), rel=1e-14)


def test_network_of_zero_weights_has_perplexity_v(demo, text):
    model = fflm.load(demo)
    for value in model.lm.parameters.values():
        value[...] = 0.0
    assert model.perplexity(text).perplexity == pytest.approx(13, rel=1e-6)


def test_equals_next_word_probabilities(demo, text):
    """log_probs, computed in batches from the stream, against one distribution at a time."""
    model = fflm.load(demo)
    ids = encoded(model, text).ids[:100]
    padded = np.concatenate([[Vocabulary.BOS] * 2, ids]).astype(np.int32)
    expected = [np.log(np.float64(model.lm.next_word(padded[None, t : t + 2])[0, ids[t]])) for t in range(len(ids))]
    np.testing.assert_allclose(model.lm.log_probs(ids), expected, rtol=0, atol=2e-6)


# Independence


def test_batch_size_changes_no_bit(demo, text, monkeypatch):
    model = fflm.load(demo)
    ids = encoded(model, text).ids[:500]
    expected = model.lm.log_probs(ids)
    for size in (1, 7, 64):
        monkeypatch.setattr(neural, "LARGE_BATCH", size)
        assert model.lm.log_probs(ids).tobytes() == expected.tobytes(), size


def test_number_of_threads_changes_no_bit(demo, text):
    ids = encoded(fflm.load(demo), text).ids
    one, two, three = (fflm.load(demo, threads).lm.log_probs(ids).tobytes() for threads in (1, 2, 3))
    assert one == two == three


def test_progress_counts_every_token(demo, text):
    model = fflm.load(demo)
    stream, seen = encoded(model, text), []
    evaluate(model.lm, stream, seen.append)
    assert sum(seen) == len(stream) == 1600


# Words that the model does not know


def test_unknown_words_are_counted_and_predicted(demo, tmp_path):
    (tmp_path / "text").write_text("the cat sat on the zebra . a dog sat on the mat\n")
    report = fflm.load(demo).perplexity(str(tmp_path / "text"))
    assert (report.tokens, report.oov, report.oov_rate) == (13, 1, 1 / 13)
    assert report.perplexity > report.perplexity_without_oov > 1


def test_only_unknown_words(demo, tmp_path, fflm_main):
    (tmp_path / "text").write_text("xx yy zz\n")
    report = fflm.load(demo).perplexity(str(tmp_path / "text"))
    assert (report.oov, report.oov_rate, report.perplexity_without_oov) == (3, 1.0, None)
    assert math.isfinite(report.perplexity)
    assert "without unknown words none is known" in fflm_main("perplexity", demo, tmp_path / "text").out


# The interval


def test_interval_holds_the_estimate_and_is_seeded():
    generator = np.random.default_rng(3)
    model = Unigram([0.125, 0.0, 0.125, 0.5, 0.25])
    stream = stream_of(generator.choice([0, 2, 3, 4], 3000), unit=10)
    report, again = evaluate(model, stream), evaluate(model, stream)
    assert report.perplexity_low < report.perplexity < report.perplexity_high
    assert (report.perplexity_low, report.perplexity_high) == (again.perplexity_low, again.perplexity_high)


def test_interval_is_as_wide_as_theory_says():
    """Units are independent, so the mean's standard error is known: +-1.96 of it, within a tenth."""
    generator = np.random.default_rng(5)
    model = Unigram([0.125, 0.0, 0.125, 0.5, 0.25])
    stream = stream_of(generator.choice([0, 2, 3, 4], 20000), unit=5)
    log_probs = model.log_probs(stream.ids)
    report = evaluate(model, stream)
    width = math.log(report.perplexity_high / report.perplexity_low)
    assert width == pytest.approx(2 * 1.96 * log_probs.std() / math.sqrt(len(log_probs)), rel=0.1)


def test_many_units_are_joined_without_loss(monkeypatch):
    """With more than MOST_UNITS units neighbours are drawn together; the interval is about the same."""
    generator = np.random.default_rng(7)
    model, ids = Unigram([0.125, 0.0, 0.125, 0.5, 0.25]), generator.choice([0, 2, 3, 4], 4000)
    fine = evaluate(model, stream_of(ids, unit=4))
    monkeypatch.setattr(resampling, "MOST_UNITS", 150)
    coarse = evaluate(model, stream_of(ids, unit=4))
    assert fine.perplexity == coarse.perplexity
    assert coarse.perplexity_low == pytest.approx(fine.perplexity_low, rel=0.02)
    assert coarse.perplexity_high == pytest.approx(fine.perplexity_high, rel=0.02)


def test_one_unit_has_no_spread():
    report = evaluate(Unigram([0.125, 0.0, 0.125, 0.5, 0.25]), stream_of([3, 4, 0], unit=3))
    assert report.perplexity_low == report.perplexity_high == pytest.approx(report.perplexity, rel=1e-14)


# Never infinite, never NaN, without a named cause


@pytest.mark.parametrize("bad", [0.0, np.nan])
def test_token_without_probability_is_named(bad):
    with pytest.raises(FflmError, match="^perplexity is undefined: token 3 of some text, 'no', has no probability$"):
        evaluate(Unigram([0.25, 0.0, 0.25, 0.5, bad]), stream_of([3, 3, 4, 0, 4]))


def test_perplexity_beyond_all_numbers():
    class Hopeless(Unigram):
        def log_probs(self, ids, on_batch=None, breaks=NO_BREAKS):
            return np.full(len(ids), -800.0)

    with pytest.raises(FflmError, match="some text is too large for a number: the cross-entropy is 800 nats$"):
        evaluate(Hopeless([0.2] * 5), stream_of([3, 4]))


def test_empty_and_unreadable_sources(demo, tmp_path):
    model = fflm.load(demo)
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "latin.txt").write_bytes("the caf\u00e9".encode("latin-1"))
    with pytest.raises(TextError, match="^text must have at least one token, got none in '.*empty.txt'$"):
        model.perplexity(str(tmp_path / "empty.txt"))
    with pytest.raises(TextError, match="got an invalid byte at offset 7 of '.*latin.txt'"):
        model.perplexity(str(tmp_path / "latin.txt"))
    assert model.perplexity(str(tmp_path / "latin.txt"), encoding="latin-1").tokens == 2
    with pytest.raises(TextError, match="no such file$"):
        model.perplexity(str(tmp_path / "missing.txt"))


# The command


def test_json_has_the_promised_keys_in_order(demo, text, fflm_main):
    code, out, err = fflm_main("perplexity", demo, text, "--json")
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert list(report) == KEYS
    assert (report["model"], report["source"], report["tokens"], report["oov"]) == (demo, text, 1600, 0)
    assert report["perplexity"] == fflm.load(demo).perplexity(text).perplexity
    assert 2 ** (2 / 16) < report["perplexity"] < 1.1


def test_report_for_readers(demo, text, fflm_main):
    code, out, err = fflm_main("perplexity", demo, text)
    assert code == 0
    for line in ("tokens                  1,600", "out of vocabulary       0 (0.00 %)", "perplexity              1.09"):
        assert line in out
    assert err.startswith("speed ") and err.count("\n") == 1


def test_several_sources_are_one_text(demo, text):
    model = fflm.load(demo)
    once, twice = model.perplexity(text), model.perplexity(text, text)
    assert (twice.tokens, twice.source) == (3200, f"{text}, {text}")
    assert twice.perplexity == pytest.approx(once.perplexity, rel=0.01)
