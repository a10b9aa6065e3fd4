"""Prediction and sampling, for any language model: exact on distributions made by hand."""

import contextlib
import json
import math

import numpy as np
import pytest

import fflm
from fflm.config import DataConfig, SampleConfig, TokenizerConfig
from fflm.errors import ConfigError, FflmError, TextError
from fflm.generation import context_of, draw, influences, predict, sample
from fflm.text import Tokenizer, Vocabulary, encode

WORDS = ["<unk>", "<s>", "</s>", "a", "b", "c", "d"]
UNK, BOS, EOS, A, B, C, D = range(7)


class Bigram:
    """P(next | last word) from a table with a row for each word; all that generation may ask for."""

    def __init__(self, rows, boundary="stream", otherwise=(0.1, 0.1, 0.1, 0.1, 0.2, 0.2, 0.2)):
        self.vocabulary = Vocabulary(WORDS)
        self.tokenizer = Tokenizer(TokenizerConfig(tokenizer="whitespace", boundary=boundary))
        self.reach = 2
        self.table = np.array([rows.get(word, otherwise) for word in range(len(WORDS))], np.float32)

    def session(self, batch=16):
        return contextlib.nullcontext(self)

    def next_word(self, contexts):
        assert contexts.dtype == np.int32 and contexts.shape[1] == self.reach
        return self.table[contexts[:, -1]]


def frequencies(config, probabilities, barred=(), draws=20000):
    """How often each word is drawn, over many draws of one generator."""
    generator = np.random.default_rng(config.seed)
    probabilities = np.array(probabilities, np.float32)
    drawn = [draw(probabilities, list(barred), config, generator) for _ in range(draws)]
    return np.bincount(drawn, minlength=len(probabilities)) / draws


def assert_drawn_from(expected, config, probabilities, barred=(), draws=20000):
    """Pearson's chi-square stays below mean + 5 standard deviations (df = support - 1); nothing else is drawn."""
    expected = np.array(expected)
    seen = frequencies(config, probabilities, barred, draws)
    support = expected > 0
    assert (seen[~support] == 0).all()
    statistic = draws * ((seen - expected)[support] ** 2 / expected[support]).sum()
    df = support.sum() - 1
    assert statistic <= df + 5 * math.sqrt(2 * max(df, 1)), (seen, expected)


P = [0.0, 0.0, 0.0, 0.5, 0.25, 0.15, 0.1]


# One word


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, P),
        ({"top_k": 2}, [0, 0, 0, 2 / 3, 1 / 3, 0, 0]),
        ({"top_k": 1}, [0, 0, 0, 1, 0, 0, 0]),
        ({"top_k": 99}, P),
        ({"top_p": 0.49}, [0, 0, 0, 1, 0, 0, 0]),
        ({"top_p": 0.51}, [0, 0, 0, 2 / 3, 1 / 3, 0, 0]),
        ({"top_p": 0.8}, [0, 0, 0, 5 / 9, 2.5 / 9, 1.5 / 9, 0]),
        ({"top_p": 1.0}, P),
        ({"temperature": 0.5}, np.square(P) / np.square(P).sum()),
        ({"temperature": 2.0}, np.sqrt(P) / np.sqrt(P).sum()),
        ({"temperature": 0.5, "top_k": 2}, [0, 0, 0, 0.8, 0.2, 0, 0]),
        ({"temperature": 2.0, "top_k": 3, "top_p": 0.5}, [0, 0, 0, 0.5**0.5 / 1.207107, 0.5 / 1.207107, 0, 0]),
    ],
)
def test_distribution_that_words_are_drawn_from(options, expected):
    assert_drawn_from(expected, SampleConfig(**options), P)


def test_top_p_that_is_reached_exactly_takes_no_word_more():
    assert_drawn_from([0, 0, 0, 1, 0, 0, 0], SampleConfig(top_p=0.5), [0, 0, 0, 0.5, 0.25, 0.25, 0])
    assert_drawn_from([0, 0, 0, 2 / 3, 1 / 3, 0, 0], SampleConfig(top_p=0.75), [0, 0, 0, 0.5, 0.25, 0.25, 0])


def test_temperature_zero_takes_the_likeliest_and_of_equals_the_first():
    config, generator = SampleConfig(temperature=0), np.random.default_rng(1)
    assert draw(np.array(P, np.float32), [], config, generator) == A
    assert draw(np.array([0.1, 0, 0, 0.3, 0.1, 0.3, 0.2], np.float32), [], config, generator) == A
    assert draw(np.array([0.9, 0, 0, 0.01, 0.04, 0.05, 0], np.float32), [UNK], config, generator) == C


def test_a_very_low_temperature_is_as_good_as_zero():
    for temperature in (1e-3, 1e-300):
        assert_drawn_from([0, 0, 0, 1, 0, 0, 0], SampleConfig(temperature=temperature), P, draws=100)


def test_barred_words_share_their_probability_among_the_others():
    barred_out = [0, 0, 0, 0, 0.5, 0.3, 0.2]
    assert_drawn_from(barred_out, SampleConfig(), P, barred=[UNK, BOS, EOS, A])


@pytest.mark.parametrize("options", [{}, {"temperature": 0.0}, {"temperature": 0.3}, {"top_k": 3}, {"top_p": 0.9}])
def test_a_barred_word_is_never_drawn_however_likely(options):
    """Even where float32 leaves the others next to nothing; where it leaves them nothing, that is said."""
    for probabilities in ([0.999, 0, 0, 0.001, 0, 0, 0], [1, 0, 0, 1e-40, 0, 0, 0]):
        seen = frequencies(SampleConfig(**options), probabilities, barred=[UNK, BOS, EOS], draws=100)
        assert seen[[UNK, BOS, EOS]].sum() == 0
    with pytest.raises(FflmError, match="^no word can be drawn: all probability is on words left out, such as <unk>"):
        frequencies(SampleConfig(**options), [1, 0, 0, 0, 0, 0, 0], barred=[UNK, BOS, EOS], draws=1)


# Continuations


def test_greedy_continuation_follows_the_table():
    model = Bigram({A: [0, 0, 0, 0, 0.9, 0.1, 0], B: [0, 0, 0, 0, 0, 1, 0], C: [0, 0, 0, 1, 0, 0, 0]})
    (drawn,) = sample(model, "d a", SampleConfig(tokens=5, temperature=0))
    assert drawn.prompt == "d a"
    assert drawn.tokens == ("b", "c", "a", "b", "c")
    assert drawn.text == "b c a b c"
    assert drawn.log_prob == pytest.approx(2 * math.log(0.9), rel=1e-6)
    assert drawn.to_dict() == {
        "prompt": "d a",
        "text": "b c a b c",
        "tokens": ["b", "c", "a", "b", "c"],
        "log_prob": drawn.log_prob,
    }


def test_log_prob_is_that_of_the_model_whatever_the_temperature():
    model = Bigram({})
    (drawn,) = sample(model, "a", SampleConfig(tokens=50, temperature=3.0, top_k=3))
    words = [model.vocabulary.id(token) for token in drawn.tokens]
    assert len(words) == 50
    expected = sum(math.log(model.table[previous, word]) for previous, word in zip([A, *words], words, strict=False))
    assert drawn.log_prob == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("boundary", ["stream", "line"])
def test_special_tokens_are_drawn_only_when_asked_for(boundary):
    model = Bigram({}, boundary, otherwise=(0.4, 0.3, 0.1, 0.1, 0.1, 0.0, 0.0))
    config = SampleConfig(tokens=50, samples=40)
    words = [token for drawn in sample(model, "a", config) for token in drawn.tokens]
    assert set(words) == {"a", "b"}
    words = [token for drawn in sample(model, "a", config, special=True) for token in drawn.tokens]
    assert {"<unk>", "<s>"} < set(words)
    assert "</s>" not in words


def test_line_ends_early_and_its_end_counts():
    model = Bigram({A: [0, 0, 0.25, 0, 0.75, 0, 0], B: [0, 0, 1, 0, 0, 0, 0]}, boundary="line")
    samples = sample(model, "a", SampleConfig(tokens=9, samples=200))
    assert {drawn.tokens for drawn in samples} == {(), ("b",)}
    for drawn in samples:
        assert drawn.log_prob == pytest.approx(math.log(0.75 if drawn.tokens else 0.25), rel=1e-6)
    assert 30 < sum(not drawn.tokens for drawn in samples) < 70


def test_same_seed_same_text_and_no_sample_depends_on_the_number_of_samples():
    model = Bigram({})
    many = sample(model, "a", SampleConfig(samples=40, seed=7))
    assert sample(model, "a", SampleConfig(samples=40, seed=7)) == many
    assert sample(model, "a", SampleConfig(samples=3, seed=7)) == many[:3]
    assert len({drawn.tokens for drawn in many}) == 40
    assert sample(model, "a", SampleConfig(samples=40, seed=8)) != many


def test_samples_of_a_network_do_not_depend_on_their_number(demo):
    """Many go through the network together; each gets the bits it would get alone."""
    model = fflm.load(demo)
    many = model.sample("the", samples=40, tokens=10, temperature=2.0, seed=3)
    assert model.sample("the", samples=1, tokens=10, temperature=2.0, seed=3) == many[:1]
    assert model.sample("the", samples=17, tokens=10, temperature=2.0, seed=3) == many[:17]
    assert fflm.load(demo, threads=3).sample("the", samples=40, tokens=10, temperature=2.0, seed=3) == many


def test_log_prob_of_a_network_equals_the_sum_of_its_log_probs(demo, tmp_path):
    model = fflm.load(demo)
    prompt = "the cat sat"
    (drawn,) = model.sample(prompt, tokens=25, temperature=1.5)
    (tmp_path / "text").write_text(f"{prompt} {' '.join(drawn.tokens)}")
    ids = encode([str(tmp_path / "text")], model.lm.tokenizer, model.lm.vocabulary, DataConfig()).ids
    assert drawn.log_prob == pytest.approx(model.lm.log_probs(ids)[3:].sum(), abs=1e-4)


# Contexts


def test_only_the_last_words_of_a_prompt_count():
    model = Bigram({})
    assert context_of(model, "a b c d").tolist() == [C, D]
    assert context_of(model, "d").tolist() == [BOS, D]
    assert context_of(model, "").tolist() == [BOS, BOS]
    assert context_of(model, "zebra <unk>").tolist() == [UNK, UNK]
    assert context_of(model, "a").dtype == np.int32


def test_a_prompt_may_end_its_line():
    stream, lines = Bigram({}), Bigram({}, boundary="line")
    for end in ("\n", "\r\n", "\r", " \n\n ", " </s>", " </s>\n", "\n<s>", " </s> <s>"):
        assert context_of(lines, "a b" + end).tolist() == [B, EOS], end
    assert context_of(lines, "a\nb").tolist() == [EOS, B]
    assert context_of(lines, "<s> a b").tolist() == [A, B]
    assert context_of(lines, "\n").tolist() == [BOS, BOS]
    assert context_of(stream, "a b\n").tolist() == [A, B]
    assert context_of(stream, "a b </s>").tolist() == [B, EOS]
    with pytest.raises(TextError, match="^<s> must begin a line or follow </s>, got it inside of line 2 of 'the promp"):
        context_of(lines, "a\nb <s> c")


def test_prompts_empty_long_and_unknown(demo):
    model = fflm.load(demo)
    for prompt in ("", " \n ", "the cat sat on the mat . a dog", "zebra giraffe", "\udcff"):
        (drawn,) = model.sample(prompt, tokens=3)
        assert (drawn.prompt, len(drawn.tokens)) == (prompt, 3)
        assert len(model.predict(prompt, top=99, special=True)) == 13


# Predictions


def test_predictions_fall_and_equals_stand_in_the_order_of_the_vocabulary():
    model = Bigram({A: [0.05, 0.05, 0, 0.1, 0.3, 0.2, 0.3]})
    everything = predict(model, "a", top=99, special=True)
    assert [p.word for p in everything] == ["b", "d", "c", "a", "<unk>", "<s>", "</s>"]
    assert sum(p.probability for p in everything) == pytest.approx(1, abs=1e-6)
    assert predict(model, "a", top=2) == everything[:2]
    assert predict(model, "a", top=99) == everything[:4]  # no marks unless they are asked for
    assert everything[0].to_dict() == {"word": "b", "probability": pytest.approx(0.3)}


def test_predictions_of_a_network_sum_to_one(demo):
    model = fflm.load(demo)
    for context in ("", "the cat", "zebra"):
        probabilities = [p.probability for p in model.predict(context, top=13, special=True)]
        assert sum(probabilities) == pytest.approx(1, abs=1e-6)
        assert probabilities == sorted(probabilities, reverse=True)
    assert [p.word for p in model.predict("the mat", top=2)] in ([".", "with"], ["with", "."])


def test_completions_are_the_words_that_begin_so(demo):
    """Their probabilities are those of all next words, and their shares sum to 1."""
    model = fflm.load(demo)
    words = {p.word: p.probability for p in model.predict("the cat", top=99)}
    for prefix in ("", "s", "th", "a", "zz", "."):
        found = model.predict("the cat", top=99, prefix=prefix)
        expected = [word for word in words if word.startswith(prefix)]
        assert [p.word for p in found] == expected
        assert [p.probability for p in found] == [words[word] for word in expected]
        if prefix and expected:
            assert sum(p.share for p in found) == pytest.approx(1, abs=1e-6)
            assert found[0].to_dict()["share"] == found[0].probability / sum(words[word] for word in expected)
        else:
            assert all(p.share is None for p in found)


def test_a_prefix_is_read_as_the_text_was(tmp_path):
    (tmp_path / "t.txt").write_text("the cat sat on the mat\n" * 50)
    lower = fflm.ngram(tmp_path / "t.txt", order=2, lowercase=True, quiet=True)
    assert [p.word for p in lower.predict("The", prefix="MA")] == ["mat"]
    chars = fflm.ngram(tmp_path / "t.txt", order=2, tokenizer="char", quiet=True)
    message = "^prefix must not be given for a model of characters, whose words are single characters; write what is "
    with pytest.raises(ConfigError, match=message + "begun at the end of context$"):
        chars.predict("the", prefix="c")


def test_a_predictor_does_as_predict(models):
    for model in models.values():
        with model.predictor() as predictor:
            for context in ("the cat", "a dog sat", ""):
                assert predictor(context, top=4) == model.predict(context, top=4)
                assert predictor(context, prefix="t") == model.predict(context, prefix="t")
                assert predictor(context, top=99, special=True) == model.predict(context, top=99, special=True)


# Errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -0.5}, "temperature must be at least 0.0, got -0.5"),
        ({"temperature": math.nan}, "temperature must be at least 0.0 and finite, got nan"),
        ({"top_k": 0}, "top_k must be at least 1, got 0"),
        ({"top_p": 0.0}, "top_p must be above 0.0, got 0.0"),
        ({"top_p": 1.5}, "top_p must be at most 1.0, got 1.5"),
        ({"tokens": 0}, "tokens must be at least 1, got 0"),
        ({"samples": 0}, "samples must be at least 1, got 0"),
        ({"top_k": 2.5}, "top_k must be a whole number, got 2.5"),
        ({"temprature": 1.0}, "unknown option 'temprature', expected one of samples, seed, temperature"),
    ],
)
def test_option_errors(demo, options, message):
    with pytest.raises(ConfigError, match=f"^{message}"):
        fflm.load(demo).sample("the", **options)


def test_top_must_be_positive(demo):
    with pytest.raises(ConfigError, match="^top must be at least 1, got 0$"):
        fflm.load(demo).predict("the", top=0)


# The commands


def test_predict_command(demo, fflm_main):
    code, out, err = fflm_main("predict", demo, "the cat sat on the", "--top", "2", "--json")
    assert (code, err) == (0, "")
    first, second = json.loads(out)
    assert list(first) == ["word", "probability"]
    assert first["word"] == "mat" and 0.9 < first["probability"] < 1
    assert first["probability"] > second["probability"]
    assert fflm_main("predict", demo, "the cat sat on the", "--top", "1").out == f"{first['probability']:.6f}  mat\n"


def test_sample_command(demo, fflm_main):
    code, out, err = fflm_main("sample", demo, "--prompt", "the cat", "--tokens", 4, "--temperature", 0, "--json")
    assert (code, err) == (0, "")
    (drawn,) = json.loads(out)
    assert list(drawn) == ["prompt", "text", "tokens", "log_prob"]
    assert (drawn["prompt"], drawn["text"]) == ("the cat", "sat on the mat")
    assert fflm_main("sample", demo, "--prompt", "the cat", "--tokens", 5, "--temperature", 0, "--top-k", 1).out in (
        "the cat sat on the mat.\n",
        "the cat sat on the mat with\n",
    )
    assert len(fflm_main("sample", demo, "--samples", 3).out.splitlines()) == 3


@pytest.mark.parametrize("command", [("predict",), ("sample", "--prompt")])
def test_prompt_of_only_unknown_words_works_and_says_so(demo, fflm_main, command):
    verb, *flag = command
    what = "prompt" if flag else "context"
    code, out, err = fflm_main(verb, demo, *flag, "zebra giraffe")
    assert code == 0 and out
    assert err == f"note: no word of the {what} is in the vocabulary; each counts as <unk>\n"
    assert fflm_main(verb, demo, *flag, "zebra cat").err == ""
    assert fflm_main(verb, demo, *flag, "").err == ""


def test_special_tokens_on_the_command_line(demo, fflm_main):
    plain = fflm_main("sample", demo, "--samples", 5, "--tokens", 200, "--temperature", 50, "--json")
    special = fflm_main("sample", demo, "--samples", 5, "--tokens", 200, "--temperature", 50, "--json", "--special")
    assert "<" not in "".join(token for drawn in json.loads(plain.out) for token in drawn["tokens"])
    drawn = {token for drawn in json.loads(special.out) for token in drawn["tokens"]}
    assert "<s>" in drawn and "<unk>" not in drawn
    assert drawn - set(fflm.load(demo).lm.vocabulary.words)  # new words, spelled in place of <unk>


def test_influence_is_leave_one_out(models):
    """Each of the last tokens is replaced by <unk>; of a context that is shorter than the reach, no <s> is."""
    lm = models["mixture"].lm
    found = influences(lm, "a dog sat on the mat with", "it", most=2)
    assert [one.token for one in found] == ["mat", "with"]
    chances = [
        next(p.probability for p in predict(lm, text, 13) if p.word == "it")
        for text in ("a dog sat on the mat with", "a dog sat on the <unk> with", "a dog sat on the mat <unk>")
    ]
    assert [one.bits for one in found] == pytest.approx([math.log2(chances[0] / one) for one in chances[1:]])
    assert found[0].to_dict() == {"token": "mat", "bits": found[0].bits}
    assert influences(lm, "", "it") == []
    assert [one.token for one in influences(lm, "zebra", "it")] == ["zebra"]  # as the text has it
    assert influences(lm, "zebra", "it")[0].bits == 0.0
