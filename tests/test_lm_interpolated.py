"""The interpolated ("deleted interpolation") n-gram model against its formula, one probability at a time."""

import numpy as np
import pytest
import reference

from fflm.config import TokenizerConfig
from fflm.errors import ConfigError, FflmError
from fflm.lm import InterpolatedNgramModel, NgramModel, contexts_at, parts
from fflm.lm.mixture_weights import BUCKETS, bucket_of, fit_weights
from fflm.text import Tokenizer, Vocabulary

VOCAB = 9
UNK, BOS, EOS, A, B = range(5)


def text(length=400, seed=1, boundary="line"):
    """Words that follow each other more or less in a circle, so that longer contexts say more."""
    rng = np.random.default_rng(seed)
    steps = rng.choice([1, 2, 0, 4], length, p=[0.6, 0.2, 0.1, 0.1])
    ids = 3 + np.cumsum(steps) % (VOCAB - 4)  # the last word never occurs
    ids[rng.random(length) < 0.05] = UNK
    if boundary == "line":
        ids[rng.random(length) < 0.15] = EOS
    return ids.astype(np.int32)


def fitted(order, boundary="line", threads=None):
    vocabulary = Vocabulary(["<unk>", "<s>", "</s>", *"abcdef"])
    tokenizer = Tokenizer(TokenizerConfig(boundary=boundary))
    held_out = np.append(text(200, 2, boundary), VOCAB - 1)
    return InterpolatedNgramModel.fit(text(boundary=boundary), held_out, order, vocabulary, tokenizer, threads)


@pytest.fixture(params=[(2, "line"), (3, "line"), (3, "stream"), (5, "line")], ids=str)
def model(request):
    return fitted(*request.param)


def test_relative_frequencies_equal_the_reference(model):
    order, counts = model.table.order, reference.ngram_counts(text(boundary=model.tokenizer.config.boundary), 5)
    counts = {ngram: n for ngram, n in counts.items() if len(ngram) <= order}
    for ids in (text(80, 3), text(80, 4, "stream"), np.array([VOCAB - 1, EOS, EOS, UNK, VOCAB - 1, A], np.int32)):
        expected = [
            reference.relative_frequencies(counts, order, VOCAB, reference.context_before(ids, t, order - 1), int(word))
            for t, word in enumerate(ids)
        ]
        np.testing.assert_allclose(model.relative_frequencies(ids), expected, rtol=1e-12)


def test_log_probs_equal_the_formula(model):
    """log of the sum of weights, which the last two words choose, times relative frequencies."""
    order, size = model.table.order, min(2, model.table.order - 1)
    counts = reference.ngram_counts(text(boundary=model.tokenizer.config.boundary), order)
    ids, expected = text(150, 3), []
    for t, word in enumerate(ids):
        context = reference.context_before(ids, t, order - 1)
        frequencies = reference.relative_frequencies(counts, order, VOCAB, context, int(word))
        seen = reference.context_count(counts, reference.context_before(ids, t, size), size)
        expected.append(np.log(model.weights[min(int(np.log2(1 + seen)), 15)] @ frequencies))
    np.testing.assert_allclose(model.log_probs(ids), expected, rtol=1e-12)


def test_the_uniform_distribution_keeps_a_little_weight():
    """Held-out text without a surprise would leave it none, and the first surprise would be impossible."""
    ids = np.array([3, 4] * 200, np.int32)
    vocabulary = Vocabulary(["<unk>", "<s>", "</s>", "a", "b", "never"])
    model = InterpolatedNgramModel.fit(ids, ids, 2, vocabulary, Tokenizer(TokenizerConfig()))
    assert (model.weights[:, 0] >= 0.9e-6).all()
    assert model.log_probs(np.array([3, 4, 5], np.int32)).min() > np.log(1e-7)


def test_weights_are_those_under_which_the_held_out_text_is_most_probable(model):
    order, boundary = model.table.order, model.tokenizer.config.boundary
    held_out = np.append(text(200, 2, boundary), VOCAB - 1).astype(np.int32)
    with np.errstate(divide="ignore"):
        parts = np.log(model.relative_frequencies(held_out)).T
    weights = fit_weights(parts, bucket_of(model.context_counts(held_out)))
    assert model.weights.shape == (BUCKETS, order + 1)
    np.testing.assert_allclose(model.weights, weights, rtol=0, atol=1e-5)
    np.testing.assert_allclose(model.weights.sum(axis=1), 1.0, rtol=0, atol=1e-12)
    assert (model.weights[:, 0] > 0).all()  # a word that was never seen stands in it
    fitted = model.log_probs(held_out).sum()
    for k in range(order + 1):
        model.weights = np.full((BUCKETS, order + 1), 0.5 / (order + 1)) + 0.5 * (np.arange(order + 1) == k)
        assert model.log_probs(held_out).sum() < fitted


def test_distributions_sum_to_one_in_every_context(model):
    """All that occur, and as many that may never have."""
    size = model.reach
    ids = text(boundary=model.tokenizer.config.boundary)
    for contexts in (
        contexts_at(ids, np.arange(len(ids)), size),
        np.random.default_rng(5).integers(0, VOCAB, (300, size)),
        np.full((VOCAB, size), np.arange(VOCAB)[:, None]),
    ):
        probabilities = model.next_word(contexts)
        assert probabilities.dtype == np.float32
        np.testing.assert_allclose(probabilities.sum(axis=1, dtype=np.float64), 1.0, rtol=0, atol=1e-6)
        assert (probabilities[:, BOS] == 0).all() and (np.delete(probabilities, BOS, axis=1) > 0).all()


def test_log_probs_equal_next_word_at_every_position(model):
    for ids in (text(150, 3), np.random.default_rng(5).integers(2, VOCAB, 150)):
        contexts = contexts_at(ids, np.arange(len(ids)), model.reach)
        one_by_one = model.next_word(contexts)[np.arange(len(ids)), ids]
        np.testing.assert_allclose(model.log_probs(ids), np.log(one_by_one), rtol=0, atol=1e-6)


@pytest.mark.parametrize("batch", [1, 7, 10**6])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_neither_threads_nor_batches_change_a_bit(monkeypatch, threads, batch):
    expected, ids = fitted(3).log_probs(text(100, 3)).tobytes(), text(100, 3)
    monkeypatch.setattr(parts, "BATCH", batch)
    model, seen = fitted(3, threads=threads), []
    assert model.log_probs(ids, seen.append).tobytes() == expected
    assert model.log_probs(ids).tobytes() == expected
    assert sum(seen) == 100


def test_it_is_better_than_relative_frequencies_of_words_alone(model):
    ids = text(300, 9)
    fitted = model.log_probs(ids).mean()
    model.weights = np.full_like(model.weights, 0.01) + 0.99 * (np.arange(model.table.order + 1) == 1)
    assert fitted > model.log_probs(ids).mean() + 0.2


def test_contexts_are_counted_as_a_kneser_ney_model_counts_them(model):
    ids = text(150, 3)
    other = NgramModel.kneser_ney(
        text(boundary=model.tokenizer.config.boundary), model.table.order, model.vocabulary, model.tokenizer
    )
    assert model.context_counts(ids).tolist() == other.context_counts(ids).tolist()
    assert len(set(model.context_counts(ids).tolist())) > 5


def test_s_is_never_predicted(model):
    assert model.log_probs(np.array([A, BOS, A]))[1] == -np.inf


# Errors


def test_ids_and_contexts_that_do_not_fit(model):
    size = model.reach
    with pytest.raises(ConfigError, match="^ids must be from 0 to 8, got 3 to 9$"):
        model.log_probs(np.array([3, 9]))
    with pytest.raises(ConfigError, match=rf"^contexts must have shape \(B, {size}\), got \(1, {size + 1}\)$"):
        model.next_word(np.full((1, size + 1), A))
    with pytest.raises(ConfigError, match="^ids must be from 0 to 8, got -1 to -1$"):
        model.next_word(np.full((1, size), -1))


def test_order_one_has_no_contexts_to_choose_weights_by():
    with pytest.raises(ConfigError, match="^contexts can't be counted by an n-gram model of order 1; take order 2 or"):
        fitted(1)


def test_a_held_out_text_that_is_impossible():
    """<s> alone can have no probability at all; no text holds it."""
    model = fitted(2)
    with pytest.raises(
        FflmError, match="^weights can't be fitted: token 2 has no probability under any of the models$"
    ):
        InterpolatedNgramModel.fit(text(), np.array([A, BOS]), 2, model.vocabulary, model.tokenizer)


def test_describe(model):
    facts = model.describe()
    assert list(facts) == ["kind", "parameters", "order", "ngrams", "smoothing", "weights"]
    assert (facts["kind"], facts["order"]) == ("interpolated n-gram model", model.table.order)
    assert facts["parameters"] == sum(facts["ngrams"]) + BUCKETS * (model.table.order + 1)
    np.testing.assert_allclose(facts["weights"], model.weights, rtol=0, atol=5e-7)
