"""The unigram cache against a loop over the words before."""

import numpy as np
import pytest
import reference

from fflm.config import TokenizerConfig
from fflm.errors import ConfigError
from fflm.lm import CacheModel, contexts_at, parts
from fflm.text import Tokenizer, Vocabulary

WORDS = ["<unk>", "<s>", "</s>", *"abcdefgh"]
UNK, BOS, EOS, A, B, C = range(6)
SIZES, HALF_LIVES = (1, 2, 7, 50, 1000), (None, 0.5, 10.0, 1e6)
each_size = pytest.mark.parametrize("size", SIZES)
each_half_life = pytest.mark.parametrize("half_life", HALF_LIVES)


def cache(size=50, half_life=None, boundary="line", threads=None):
    return CacheModel(Vocabulary(WORDS), Tokenizer(TokenizerConfig(boundary=boundary)), size, half_life, threads)


def text(length=200, seed=1):
    rng = np.random.default_rng(seed)
    ids = 3 + np.minimum(rng.geometric(0.4, length) - 1, len(WORDS) - 4)
    ids[rng.random(length) < 0.1] = EOS
    ids[rng.random(length) < 0.05] = UNK
    return ids.astype(np.int32)


def test_shares_by_hand():
    ids = np.array([A, A, B, EOS, A, C, A], np.int32)
    shares = [1 / 10, 1, 0, 0, 2 / 4, 0, 3 / 6]
    assert np.exp(cache().log_probs(ids)) == pytest.approx(shares, rel=1e-15)
    shares = [1 / 10, 1, 0, 0, 1 / 3, 0, 1 / 3]
    assert np.exp(cache(3).log_probs(ids)) == pytest.approx(shares, rel=1e-15)
    # half a word back: weights 1, 1/2, 1/4 ... from the last word on
    shares = [1 / 10, 1, 0, 0, (1 / 4 + 1 / 8) / (15 / 8), 0, (1 / 2 + 1 / 16 + 1 / 32) / (63 / 32)]
    assert np.exp(cache(50, 1.0).log_probs(ids)) == pytest.approx(shares, rel=1e-14)


@each_half_life
@each_size
def test_probabilities_equal_a_loop_over_the_words_before(size, half_life):
    model, ids = cache(size, half_life), text()
    expected = [reference.cache_probs(ids[:t], size, half_life, len(WORDS))[word] for t, word in enumerate(ids)]
    found = np.exp(model.log_probs(ids))
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=0)
    assert (found == 0).any() and (found > 0).any()


@each_half_life
@each_size
def test_distributions_equal_a_loop_and_sum_to_one(size, half_life):
    model, ids = cache(size, half_life), text()
    contexts = contexts_at(ids, np.arange(len(ids)), size)
    probabilities = model.next_word(contexts)
    assert probabilities.dtype == np.float32 and probabilities.shape == (len(ids), len(WORDS))
    expected = [reference.cache_probs(ids[:t], size, half_life, len(WORDS)) for t in range(len(ids))]
    np.testing.assert_allclose(probabilities, expected, rtol=1e-6, atol=1e-37)  # below that float32 loses digits
    np.testing.assert_allclose(probabilities.sum(axis=1, dtype=np.float64), 1.0, rtol=0, atol=1e-6)
    assert (probabilities[:, BOS] == 0).all()


@each_half_life
@each_size
def test_log_probs_equal_next_word_at_every_position(size, half_life):
    model, ids = cache(size, half_life), text(seed=2)
    one_by_one = model.next_word(contexts_at(ids, np.arange(len(ids)), size))[np.arange(len(ids)), ids]
    np.testing.assert_allclose(np.exp(model.log_probs(ids)), one_by_one, rtol=1e-6, atol=1e-37)


def test_before_the_first_word_all_but_s_are_equally_likely():
    model = cache(5)
    expected = np.full(len(WORDS), 1 / 10, np.float32)
    expected[BOS] = 0
    assert model.next_word(np.full((2, 5), BOS)).tolist() == [expected.tolist()] * 2
    for word in range(len(WORDS)):
        with np.errstate(divide="ignore"):
            assert model.log_probs(np.array([word]))[0] == np.log(0.0 if word == BOS else 1 / 10)


@pytest.mark.parametrize("boundary", ["stream", "line"])
def test_it_looks_across_the_ends_of_lines(boundary):
    """</s> is a word like the others; the words before it are still there."""
    model = cache(50, boundary=boundary)
    ids = np.array([A, B, EOS, A, EOS], np.int32)
    assert np.exp(model.log_probs(ids)) == pytest.approx([1 / 10, 0, 0, 1 / 3, 1 / 4], rel=1e-15)
    assert model.next_word(contexts_at(ids, [5], 50))[0, [A, B, EOS]] == pytest.approx([2 / 5, 1 / 5, 2 / 5])


def test_the_last_words_weigh_more_with_a_half_life():
    model = cache(4, 2.0)
    (row,) = model.next_word(np.array([[A, B, C, EOS]]))
    assert row[[A, B, C, EOS]] / row[EOS] == pytest.approx(np.sqrt(0.5) ** [3, 2, 1, 0], rel=1e-6)


@pytest.mark.parametrize("half_life", [1e-3, 1e-9, 1e12, 1e300])
def test_half_lives_at_the_edges(half_life):
    """Only the last word counts, or all count the same: no division by zero, no lost digits."""
    model, ids = cache(20, half_life), text()
    expected = cache(1 if half_life < 1 else 20).log_probs(ids)
    np.testing.assert_allclose(np.exp(model.log_probs(ids)), np.exp(expected), rtol=1e-9, atol=1e-9)
    contexts = contexts_at(ids, np.arange(len(ids)), 20)
    expected = cache(20).next_word(contexts) if half_life > 1 else cache(1).next_word(contexts[:, -1:])
    np.testing.assert_allclose(model.next_word(contexts), expected, rtol=1e-6, atol=1e-9)


# State


def test_it_keeps_none():
    """The same text gives the same figures, whatever was scored before; only what precedes a word matters."""
    model, ids = cache(30, 5.0), text()
    expected = model.log_probs(ids)
    model.log_probs(text(seed=3))
    model.next_word(np.full((1, 30), C))
    assert model.log_probs(ids).tobytes() == expected.tobytes()
    assert model.log_probs(ids[:70]).tobytes() == expected[:70].tobytes()


def test_a_text_after_another_one_knows_its_words():
    model, first, second = cache(), text(40), text(20, seed=2)
    together = model.log_probs(np.concatenate([first, second]))[40:]
    assert (together > -np.inf).sum() > (model.log_probs(second) > -np.inf).sum()


@pytest.mark.parametrize("batch", [1, 7, 64, 10**6])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_neither_threads_nor_batches_change_a_bit(monkeypatch, threads, batch):
    ids = text()
    expected, seen = cache(20, 5.0).log_probs(ids).tobytes(), []
    monkeypatch.setattr(parts, "BATCH", batch)
    assert cache(20, 5.0, threads=threads).log_probs(ids, seen.append).tobytes() == expected
    assert sum(seen) == 200


def test_no_text_at_all():
    assert cache().log_probs(np.zeros(0, np.int32)).shape == (0,)
    assert cache().next_word(np.zeros((0, 50), np.int32)).shape == (0, len(WORDS))


def test_ids_and_contexts_that_do_not_fit():
    with pytest.raises(ConfigError, match="^ids must be from 0 to 10, got 3 to 11$"):
        cache().log_probs(np.array([3, 11]))
    with pytest.raises(ConfigError, match=r"^contexts must have shape \(B, 50\), got \(1, 49\)$"):
        cache().next_word(np.full((1, 49), A))


def test_describe():
    assert cache(7, 3.0).describe() == {"kind": "cache", "parameters": 0, "size": 7, "half_life": 3.0}
    assert cache(7).describe()["half_life"] is None
