"""The interface of nltk.lm: the examples of its documentation, with our model in place of nltk's."""

import math
import random

import numpy as np
import pytest
from nltk.lm import Vocabulary as NltkVocabulary
from nltk.lm.api import LanguageModel as Interface
from nltk.lm.preprocessing import pad_both_ends, padded_everygram_pipeline
from nltk.util import ngrams

from fflm.compat.nltk import LanguageModel
from fflm.errors import ConfigError, FflmError

TEXT = [["a", "b", "c"], ["a", "c", "d", "c", "e", "f"]]


def fitted(order=2, text=TEXT):
    lm = LanguageModel(order)
    lm.fit(*padded_everygram_pipeline(order, text))
    return lm


def test_the_example_of_training():
    """From "Training" of nltk.lm's documentation."""
    train, vocab = padded_everygram_pipeline(2, TEXT)
    lm = LanguageModel(2)
    assert isinstance(lm, Interface) and len(lm.vocab) == 0
    lm.fit(train, vocab)
    assert str(lm.vocab) == "<Vocabulary with cutoff=1 unk_label='<UNK>' and 9 items>" and len(lm.vocab) == 9
    assert lm.vocab.lookup(TEXT[0]) == ("a", "b", "c")
    assert lm.vocab.lookup(["aliens", "from", "Mars"]) == ("<UNK>", "<UNK>", "<UNK>")


def test_the_example_of_counts():
    lm = fitted()
    assert str(lm.counts) == "<NgramCounter with 2 ngram orders and 24 ngrams>"
    assert lm.counts["a"] == 2 and lm.counts[["a"]]["b"] == 1
    assert lm.context_counts(("a",)) == {"b": 1, "c": 1} and lm.context_counts(None)["c"] == 3


def test_the_example_of_scores():
    """From "Using a Trained Model"; the figures are those of Kneser-Ney smoothing."""
    lm = fitted()
    assert lm.score("<UNK>") == lm.score("aliens") > 0
    assert lm.score("b", ["a"]) == pytest.approx(kneser_ney("b", "a"), rel=1e-6)
    assert lm.score("a") == pytest.approx(kneser_ney("a"), rel=1e-6)
    assert lm.logscore("a") == pytest.approx(math.log2(lm.score("a")), rel=1e-12)
    test = [("a", "b"), ("c", "d")]
    entropy = -(math.log2(kneser_ney("b", "a")) + math.log2(kneser_ney("d", "c"))) / 2
    assert lm.entropy(test) == pytest.approx(entropy, rel=1e-6)
    assert lm.perplexity(test) == pytest.approx(2**entropy, rel=1e-6)


def kneser_ney(word, before=None):
    """Interpolated modified Kneser-Ney of TEXT by hand; so little text has the discounts 0.5, 1, 1.5 of KenLM."""
    pairs = [pair for sentence in TEXT for pair in ngrams(["<s>", *sentence, "</s>"], 2)]
    words = sorted({word for sentence in TEXT for word in sentence} | {"<unk>", "</s>"})

    def smoothed(counts, below):
        discount = {w: {0: 0, 1: 0.5, 2: 1.0}.get(c, 1.5) for w, c in counts.items()}
        total = sum(counts.values())
        return (counts.get(word, 0) - discount.get(word, 0)) / total + sum(discount.values()) / total * below

    continuations = {w: len({a for a, b in pairs if b == w}) for w in words}
    unigram = smoothed({w: c for w, c in continuations.items() if c}, 1 / len(words))
    if before is None:
        return unigram
    followers = [b for a, b in pairs if a == before]
    return smoothed({w: followers.count(w) for w in set(followers)}, unigram)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_scores_of_a_context_sum_to_1(order):
    lm = fitted(order)
    for context in (None, [], ["a"], ["aliens"], ["<s>"], ["c", "d"], ["d", "c", "e"], ["</s>"]):
        total = math.fsum(lm.score(word, context) for word in lm.vocab)
        if "</s>" not in lm.vocab:  # nltk pads no text for an order of 1; a sentence has an end all the same
            total += lm.unmasked_score("</s>")
        assert total == pytest.approx(1, abs=1e-6), context
        assert lm.unmasked_score("<s>", context) == 0


def test_padding_costs_nothing():
    """The perplexity of padded n-grams is that of the sentence with one end."""
    lm = fitted(3)
    padded = list(ngrams(pad_both_ends(TEXT[0], n=3), 3))
    once = [("<s>", "a"), ("<s>", "a", "b"), ("a", "b", "c"), ("b", "c", "</s>")]
    assert lm.entropy(padded) * len(padded) == pytest.approx(lm.entropy(once) * 4, rel=1e-9)
    ids = lm.model.lm.vocabulary.encode(["a", "b", "c"])
    bits = -lm.model.lm.log_probs(np.append(ids, 2).astype(np.int32)) / math.log(2)
    assert lm.entropy(once) * 4 == pytest.approx(bits.sum(), rel=1e-6)


def test_the_example_of_generation():
    lm = fitted()
    assert lm.generate(1, random_seed=3) in lm.vocab
    text = lm.generate(5, random_seed=3)
    assert len(text) == 5 and set(text) <= set(lm.vocab) and "<s>" not in text
    assert text == lm.generate(5, random_seed=3) == lm.generate(5, random_seed=random.Random(3))
    assert len(lm.generate(5, text_seed=["c"], random_seed=3)) == 5


def test_words_are_drawn_by_their_scores():
    lm, generator = fitted(), random.Random(1)
    drawn = [lm.generate(text_seed=["a"], random_seed=generator) for _ in range(4000)]
    for word in lm.vocab:
        assert drawn.count(word) / 4000 == pytest.approx(lm.score(word, ["a"]), abs=0.03), word


def test_fit_in_parts_is_fit_of_all():
    lm = LanguageModel(2)
    whole = fitted()
    lm.fit(*padded_everygram_pipeline(2, TEXT[:1]))
    lm.vocab.update("def")
    lm.fit(padded_everygram_pipeline(2, TEXT[1:])[0])
    for word in whole.vocab:
        assert lm.score(word, ["a"]) == pytest.approx(whole.score(word, ["a"]), rel=1e-6)


def test_other_ngrams_than_everygrams():
    """A chain of bigrams tells the words, as the example of nltk's `generate` has it; anything else is refused."""
    lm = LanguageModel(2)
    lm.fit([[("a", "b"), ("b", "c")]], vocabulary_text=["a", "b", "c"])
    assert lm.generate(text_seed=["a"], random_seed=3) in "abc"
    assert lm.score("b", ["a"]) > lm.score("c", ["a"])
    message = "^fit needs the single words of a sentence among its n-grams, .* got longer n-grams that are no chain$"
    with pytest.raises(FflmError, match=message):
        lm.fit([[("a", "b"), ("c", "a")]])


def test_a_vocabulary_with_a_cutoff():
    lm = LanguageModel(2, NltkVocabulary("abcacdc", unk_cutoff=2, unk_label="<other>"))
    lm.fit(padded_everygram_pipeline(2, TEXT)[0])
    assert sorted(lm.vocab) == ["<other>", "a", "c"]
    assert lm.score("b", ["a"]) == lm.score("zebra", ["a"]) == lm.score("<other>", ["a"])
    total = sum(lm.score(word, ["a"]) for word in lm.vocab) + lm.unmasked_score("</s>", ["a"])
    assert total == pytest.approx(1, abs=1e-6)


# Models of fflm


@pytest.mark.parametrize("name", ["neural", "kn", "interpolated", "mixture", "unigram"])
def test_a_model_that_exists(models, name):
    lm, inner = LanguageModel.of(models[name]), models[name].lm
    assert lm.order == inner.reach + 1 and set(lm.vocab) == set(inner.vocabulary.words)
    context = ["sat", "on", "the", "cat", "sat"][-max(inner.reach, 1) :]
    ids = [inner.vocabulary.id(word) for word in context][len(context) - inner.reach :]
    expected = inner.next_word(np.array([ids], np.int32).reshape(1, inner.reach))[0]
    for number, word in enumerate(inner.vocabulary.words):
        assert lm.score(word, context) == pytest.approx(float(expected[number]), rel=1e-5, abs=1e-12)
    assert lm.entropy([(*context, "on")] * 20) == pytest.approx(-math.log2(lm.score("on", context)), rel=1e-5)
    assert len(lm.generate(3, random_seed=1)) == 3


def test_wrong_use(models, demo):
    lm = LanguageModel.of(demo)
    with pytest.raises(FflmError, match="^a model that exists already can't be fitted; make one that can with "):
        lm.fit(*padded_everygram_pipeline(2, TEXT))
    with pytest.raises(FflmError, match="^a model that was not made by fit has no counts of the words after a context"):
        lm.context_counts(("the",))
    with pytest.raises(FflmError, match="^the model has not been fitted yet; call fit first$"):
        LanguageModel(2).score("a")
    with pytest.raises(ValueError, match="Cannot fit without a vocabulary or text to create it from"):
        LanguageModel(2).fit(padded_everygram_pipeline(2, TEXT)[0])
    with pytest.raises(ConfigError, match="^order must be at least 1, got 0$"):
        LanguageModel(0)
    with pytest.raises(ConfigError, match="^num_words must be at least 1, got 0$"):
        lm.generate(0)
    with pytest.raises(FflmError, match="^entropy needs at least one n-gram, got none$"):
        lm.entropy([])
