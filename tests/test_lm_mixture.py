"""Mixtures: fitted weights, probabilities as sums of the parts, what is refused."""

import math

import numpy as np
import pytest
import reference

from fflm.config import ModelConfig, TokenizerConfig
from fflm.errors import ConfigError, FflmError
from fflm.lm import (
    CacheModel,
    InterpolatedNgramModel,
    Mixture,
    NeuralLanguageModel,
    NgramModel,
    can_count_contexts,
    contexts_at,
    difference_between,
    log_probs_of_parts,
    mixture_weights,
)
from fflm.lm.mixture_weights import BUCKETS, PRIOR_WORDS, bucket_of, fit_weights
from fflm.nn.language_model import initialise
from fflm.text import Tokenizer, Vocabulary

WORDS = ["<unk>", "<s>", "</s>", *"abcdef"]
VOCAB = len(WORDS)
UNK, BOS, EOS, A, B = range(5)


def text(length=300, seed=1):
    rng = np.random.default_rng(seed)
    ids = 3 + np.cumsum(rng.choice([1, 2, 0, 4], length, p=[0.6, 0.2, 0.1, 0.1])) % (VOCAB - 3)
    ids[rng.random(length) < 0.05] = UNK
    ids[rng.random(length) < 0.15] = EOS
    return ids.astype(np.int32)


class Parts:
    """One small model of each kind, of the same vocabulary and tokenizer."""

    def __init__(self, boundary="line", words=WORDS):
        self.shared = vocabulary, tokenizer = Vocabulary(words), Tokenizer(TokenizerConfig(boundary=boundary))
        config = ModelConfig(context_size=3, embedding_dim=4, hidden_dims=6)
        parameters = initialise(config, np.ones(len(words), np.int64), seed=1)
        rng = np.random.default_rng(1)
        parameters = {name: value + rng.normal(0, 0.3, value.shape) for name, value in parameters.items()}
        parameters = {name: value.astype(np.float32) for name, value in parameters.items()}
        self.network = NeuralLanguageModel(config, vocabulary, tokenizer, parameters)
        self.unigram, self.bigram, self.trigram = (
            NgramModel.kneser_ney(text(), order, vocabulary, tokenizer) for order in (1, 2, 3)
        )
        self.interpolated = InterpolatedNgramModel.fit(text(), text(200, 2), 3, vocabulary, tokenizer)
        self.cache = CacheModel(vocabulary, tokenizer, 40, 10.0)


@pytest.fixture(scope="module")
def parts():
    return Parts()


def by_count(count, seed=5):
    """Weights for every bucket, drawn at random."""
    return np.random.default_rng(seed).dirichlet(np.ones(count), BUCKETS)


def likelihood(log_probs, weights, buckets=None):
    """Mean log likelihood, the slow way."""
    buckets = np.zeros(log_probs.shape[1], int) if buckets is None else buckets
    return np.mean([math.log(weights[b] @ np.exp(column)) for b, column in zip(buckets, log_probs.T, strict=True)])


# Fitted weights


def test_buckets_grow_in_the_same_proportion():
    counts = [*range(200), 2**14 - 2, 2**14 - 1, 2**14, 2**15 - 2, 2**15 - 1, 10**6, 2**31 - 1]
    expected = [min(int(math.log2(1 + count)), 15) for count in counts]
    found = bucket_of(np.array(counts))
    assert found.tolist() == expected and found.dtype == np.int64
    assert set(found.tolist()) == {*range(8), 13, 14, 15}


def drawn(weights, size, seed=3):
    """log P under two fixed distributions, of words drawn from their mixture."""
    distributions = np.array([[0.6, 0.2, 0.1, 0.1], [0.1, 0.1, 0.3, 0.5]])
    words = np.random.default_rng(seed).choice(4, size, p=np.array(weights) @ distributions)
    return np.log(distributions[:, words])


@pytest.mark.parametrize("weight", [0.0, 0.1, 0.5, 0.83, 1.0])
def test_a_known_mixture_is_found_again(weight):
    (found,) = fit_weights(drawn([weight, 1 - weight], 20_000))
    # Fisher information gives a standard error of about 0.01
    assert found == pytest.approx([weight, 1 - weight], abs=0.03)
    assert found.sum() == pytest.approx(1, abs=1e-15)


def test_no_other_weights_are_better():
    log_probs = drawn([0.3, 0.7], 500)
    found = fit_weights(log_probs)
    grid = np.linspace(0.0005, 0.9995, 1000)
    best = max(grid, key=lambda w: likelihood(log_probs, np.array([[w, 1 - w]])))
    assert found[0, 0] == pytest.approx(best, abs=2e-3)
    assert likelihood(log_probs, found) >= likelihood(log_probs, np.array([[best, 1 - best]])) - 1e-7


def test_at_the_end_no_part_deserves_more():
    """The mean of P_i / P is 1 for a part with weight, at most 1 for others (the conditions of a maximum)."""
    rng = np.random.default_rng(4)
    log_probs = np.log(rng.dirichlet([1, 1, 1], 400).T * 0.9)
    log_probs[2] -= 2.0  # a part that is of no use
    (weights,) = fit_weights(log_probs)
    ratios = (np.exp(log_probs) / (weights @ np.exp(log_probs))).mean(axis=1)
    assert ratios[:2] == pytest.approx([1, 1], abs=1e-3) and ratios[2] < 1 and weights[2] < 1e-6


@pytest.mark.parametrize("with_buckets", [False, True])
def test_the_likelihood_never_falls(monkeypatch, with_buckets):
    rng = np.random.default_rng(6)
    log_probs = rng.normal(-3, 1.5, (4, 300))
    buckets = rng.integers(0, 5, 300) if with_buckets else None
    monkeypatch.setattr(mixture_weights, "SMALLEST_GAIN", -1.0)
    found = []
    for rounds in (1, 2, 3, 5, 10, 30, 100, 300):
        monkeypatch.setattr(mixture_weights, "MOST_ROUNDS", rounds)
        found.append(likelihood(log_probs, fit_weights(log_probs, buckets), buckets))
    assert found[0] > likelihood(log_probs, np.full((5, 4), 1 / 4), buckets)
    assert (np.diff(found) >= -1e-12).all() and found[-1] > found[0] + 1e-7
    monkeypatch.undo()
    assert likelihood(log_probs, fit_weights(log_probs, buckets), buckets) == pytest.approx(found[-1], abs=1e-5)


def test_a_round_without_a_bend():
    """Where each round takes the same step there is no length of a longer one."""
    weights = fit_weights(np.log(np.array([[0.5] * 8, [0.25] * 8])))
    assert np.isfinite(weights).all() and weights[0, 0] > 0.99


def test_every_bucket_has_weights_of_its_own():
    true = {0: 0.9, 3: 0.2, 15: 0.5}
    log_probs = np.concatenate([drawn([w, 1 - w], 20_000, seed) for seed, w in enumerate(true.values())], axis=1)
    buckets = np.repeat(list(true), 20_000)
    order = np.random.default_rng(1).permutation(60_000)
    found = fit_weights(log_probs[:, order], buckets[order])
    assert found.shape == (BUCKETS, 2)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=0, atol=1e-14)
    for bucket, weight in true.items():
        assert found[bucket, 0] == pytest.approx(weight, abs=0.03)
    assert likelihood(log_probs, found, np.repeat(list(true), 20_000)) > likelihood(log_probs, fit_weights(log_probs))


def test_a_bucket_without_words_has_the_constant_weights_and_a_small_one_nearly():
    log_probs = drawn([0.3, 0.7], 500)
    log_probs[:, 7] = [-1.0, -np.inf]
    buckets = np.full(500, 2)
    buckets[7] = 5
    constant, found = fit_weights(log_probs)[0], fit_weights(log_probs, buckets)
    for bucket in set(range(BUCKETS)) - {2, 5}:
        assert found[bucket] == pytest.approx(constant, abs=1e-15)
    # one word, which only the first part knows, against a prior of ten
    assert found[5, 0] == pytest.approx((1 + PRIOR_WORDS * constant[0]) / (1 + PRIOR_WORDS), abs=1e-12)


def test_impossible_words():
    log_probs = np.array([[-1.0, -np.inf, -2.0], [-3.0, -4.0, -np.inf]])
    (weights,) = fit_weights(log_probs)
    assert (weights > 0.2).all()  # neither part can do without the other
    for bad, place in ((-np.inf, 2), (np.nan, 1)):
        log_probs[:, place] = bad
        message = f"^weights can't be fitted: token {place + 1} has no probability under any of the models$"
        with pytest.raises(FflmError, match=message):
            fit_weights(log_probs)


def test_probabilities_far_below_all_numbers():
    """Only their ratios count: exp(-2000) is no number, and needn't be."""
    log_probs = drawn([0.3, 0.7], 500)
    assert fit_weights(log_probs - 2000.0) == pytest.approx(fit_weights(log_probs), abs=1e-9)


def test_one_part_has_all_the_weight():
    assert fit_weights(np.log([[0.5, 0.1]])).tolist() == [[1.0]]


# Mixtures of every kind of model


def nested(parts):
    return Mixture([parts.cache, parts.bigram], np.array([[0.3, 0.7]]))


def nested_by_count(parts):
    return Mixture([parts.unigram, parts.trigram, parts.cache], by_count(3, 7))


#: Constant weights and weights by context count, several sizes of contexts, mixtures within mixtures.
MIXTURES = {
    "all": lambda p: Mixture(
        [p.network, p.trigram, p.unigram, p.interpolated, p.cache], np.array([[0.4, 0.2, 0.1, 0.2, 0.1]])
    ),
    "all by count": lambda p: Mixture([p.network, p.trigram, p.unigram, p.cache], by_count(4)),
    "counted by the interpolated": lambda p: Mixture([p.cache, p.interpolated], by_count(2)),
    "counted by the bigram": lambda p: Mixture([p.unigram, p.bigram, p.trigram], by_count(3)),
    "nested": lambda p: Mixture([nested(p), p.trigram], np.array([[0.5, 0.5]])),
    "nested, by count twice": lambda p: Mixture([p.network, nested_by_count(p)], by_count(2)),
    "one part": lambda p: Mixture([p.bigram], np.array([[1.0]])),
    "no weight": lambda p: Mixture([p.bigram, p.cache], np.array([[1.0, 0.0]])),
}


@pytest.fixture(params=MIXTURES.values(), ids=MIXTURES)
def mixture(request, parts):
    return request.param(parts)


def expected_weights(mixture, ids):
    """The weights at every position; counts by the reference, of the last two words or one."""
    if len(mixture.weights) == 1:
        return np.repeat(mixture.weights, len(ids), axis=0)
    counting = mixture
    while isinstance(counting, Mixture):
        counting = next(p for p in counting.parts if isinstance(p, Mixture) or p.reach and hasattr(p, "table"))
    size = min(2, counting.reach)
    counts = reference.ngram_counts(text(), size)
    seen = [reference.context_count(counts, reference.context_before(ids, t, size), size) for t in range(len(ids))]
    return mixture.weights[[min(int(math.log2(1 + count)), 15) for count in seen]]


def test_log_probs_are_those_of_the_weighted_sum(mixture):
    ids = text(200, 3)
    probs = np.exp([part.log_probs(ids) for part in mixture.parts]).T
    expected = np.log((expected_weights(mixture, ids) * probs).sum(axis=1))
    np.testing.assert_allclose(mixture.log_probs(ids), expected, rtol=1e-12)


def test_contributions_are_weights_times_probabilities_and_add_up(mixture):
    ids = text(200, 3)
    contexts = contexts_at(ids, np.arange(len(ids)), mixture.reach)
    contributions, weights = mixture.contributions(contexts), expected_weights(mixture, ids)
    assert contributions.shape == (len(mixture.parts), len(ids), VOCAB) and contributions.dtype == np.float64
    for i, part in enumerate(mixture.parts):
        own = part.next_word(contexts_at(ids, np.arange(len(ids)), part.reach))
        np.testing.assert_allclose(contributions[i], weights[:, i, None] * own, rtol=1e-12)
    probabilities = mixture.next_word(contexts)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, contributions.sum(axis=0), rtol=1e-6)
    np.testing.assert_allclose(probabilities.sum(axis=1, dtype=np.float64), 1.0, rtol=0, atol=1e-6)


def test_log_probs_equal_next_word_at_every_position(mixture):
    """Across the ends of lines too, where the cache looks and the other parts don't."""
    ids = text(200, 3)
    contexts = contexts_at(ids, np.arange(len(ids)), mixture.reach)
    one_by_one = mixture.next_word(contexts)[np.arange(len(ids)), ids]
    np.testing.assert_allclose(np.exp(mixture.log_probs(ids)), one_by_one, rtol=5e-6)


@pytest.mark.parametrize("threads", [1, 3])
def test_the_number_of_threads_changes_no_bit(parts, threads):
    ids, mixture = text(200, 3), MIXTURES["all by count"](parts)
    expected = mixture.log_probs(ids).tobytes()
    others = Parts()
    for part in (others.network, others.trigram, others.unigram, others.cache):
        part.threads = threads
    assert MIXTURES["all by count"](others).log_probs(ids).tobytes() == expected


def test_progress_counts_every_word_once(mixture):
    seen = []
    mixture.log_probs(text(200, 3), seen.append)
    assert sum(seen) == pytest.approx(200)


def test_a_cache_sees_the_line_before_and_an_ngram_model_does_not(parts):
    mixture = Mixture([parts.cache, parts.trigram], np.array([[0.5, 0.5]]))
    assert mixture.reach == 40
    first, second = np.array([[A, A, A, EOS]]), np.array([[B, B, B, EOS]])
    padded = [np.concatenate([np.full((1, 36), BOS), line], axis=1) for line in (first, second)]
    cache, trigram = (mixture.contributions(padded[0]) - mixture.contributions(padded[1]))[:, 0]
    assert (trigram == 0).all() and cache[A] > 0.25 and cache[B] < -0.25


def test_words_that_are_impossible_under_all_parts(parts):
    mixture = Mixture([parts.cache, parts.cache], np.array([[0.5, 0.5]]))
    found = mixture.log_probs(np.array([A, B, A], np.int32))
    assert found[1] == -np.inf and found[2] == pytest.approx(math.log(1 / (1 + 2**0.1)), abs=1e-12)


def test_contexts_of_a_network_end_at_the_line_before(parts):
    """</s> and all before it are <s> to it: each row equals the one that says so."""
    size = parts.network.reach
    rng = np.random.default_rng(2)
    contexts = rng.integers(0, VOCAB, (200, size)).astype(np.int32)
    cut = contexts.copy()
    for row in cut:
        ends = np.flatnonzero(row == EOS)
        row[: ends[-1] + 1 if len(ends) else 0] = BOS
    assert (cut != contexts).any(axis=1).sum() > 50
    found = parts.network.next_word(contexts)
    assert found.tobytes() == parts.network.next_word(cut).tobytes()
    ids = text(100, 3)
    contexts = contexts_at(ids, np.arange(100), size)
    one_by_one = np.log(parts.network.next_word(contexts)[np.arange(100), ids])
    np.testing.assert_allclose(parts.network.log_probs(ids), one_by_one, rtol=0, atol=2e-6)


# Fitting a mixture


@pytest.mark.parametrize("by_context_count", [False, True])
def test_a_fitted_mixture_is_better_than_each_part_and_than_equal_weights(parts, by_context_count):
    models, ids = [parts.network, parts.trigram, parts.cache], text(400, 8)
    log_probs = log_probs_of_parts(models, ids)
    assert log_probs.tolist() == [part.log_probs(ids).tolist() for part in models]
    mixture = Mixture.fit(models, ids, log_probs, by_context_count)
    buckets = bucket_of(parts.trigram.context_counts(ids)) if by_context_count else None
    assert mixture.weights.tolist() == fit_weights(log_probs, buckets).tolist()
    assert mixture.weights.shape == (BUCKETS if by_context_count else 1, 3)
    fitted = mixture.log_probs(ids).mean()
    assert fitted > max(log_probs.mean(axis=1))
    assert fitted > Mixture(models, np.full((1, 3), 1 / 3)).log_probs(ids).mean()
    if by_context_count:
        assert fitted >= Mixture.fit(models, ids, log_probs).log_probs(ids).mean()


# Which mixtures there are


def other(words=WORDS, **options):
    return CacheModel(Vocabulary(words), Tokenizer(TokenizerConfig(**({"boundary": "line"} | options))))


@pytest.mark.parametrize(
    ("second", "difference"),
    [
        (other([*WORDS, "g"]), "their vocabularies have 9 and 10 words, and only the other has 'g'"),
        (other(WORDS[:-1]), "their vocabularies have 9 and 8 words, and only one has 'f'"),
        (
            other([*WORDS[:3], *"axbcdef"]),
            "their vocabularies have 9 and 10 words, and word 4 is 'b' in one and 'x' in the other",
        ),
        (other([*WORDS[:3], *"abcdfe"]), "word 7 is 'e' in one and 'f' in the other"),
        (other([*WORDS[:3], *"Abcdef"]), "word 3 is 'a' in one and 'A' in the other"),
        (other(boundary="stream"), "boundary is 'line' in one and 'stream' in the other"),
        (other(tokenizer="whitespace"), "tokenizer is 'word' in one and 'whitespace' in the other"),
        (other(lowercase=True), "lowercase is False in one and True in the other"),
    ],
)
def test_parts_must_share_vocabulary_and_tokenizer(parts, second, difference):
    assert difference_between(parts.trigram, second) == difference
    named = difference.replace("the other", "the file B").replace("one", "A")
    assert difference_between(parts.trigram, second, ("A", "the file B")) == named
    assert difference_between(parts.trigram, parts.network) is None
    message = f"^models must share a vocabulary to be mixed, model 3 differs from 1: {difference}$"
    with pytest.raises(ConfigError, match=message):
        Mixture([parts.trigram, parts.cache, second], np.full((1, 3), 1 / 3))


def test_counts_of_words_may_differ(parts):
    vocabulary = Vocabulary(WORDS, np.arange(VOCAB))
    second = CacheModel(vocabulary, Tokenizer(TokenizerConfig(boundary="line")))
    assert Mixture([parts.trigram, second], np.array([[0.5, 0.5]])).vocabulary is parts.trigram.vocabulary


def test_no_parts_and_weights_that_do_not_fit(parts):
    with pytest.raises(ConfigError, match="^a mixture must have at least one part, got none$"):
        Mixture([], np.zeros((1, 0)))
    for shape in ((2,), (1, 3), (1, 2, 1)):
        with pytest.raises(ConfigError, match=r"^weights must have shape \(buckets, 2\), got \("):
            Mixture([parts.cache, parts.trigram], np.zeros(shape))


def test_who_can_count_contexts(parts):
    from_arpa = NgramModel(*parts.shared, parts.trigram.table, parts.trigram.node_log_probs, parts.trigram.backoffs)
    yes, no = [parts.bigram, parts.trigram, parts.interpolated], [parts.network, parts.cache, parts.unigram, from_arpa]
    assert all(map(can_count_contexts, yes)) and not any(map(can_count_contexts, no))
    assert can_count_contexts(Mixture([parts.cache, parts.bigram], np.array([[0.5, 0.5]])))
    assert not can_count_contexts(Mixture([parts.cache, from_arpa], np.array([[0.5, 0.5]])))
    message = "^contexts are counted by an n-gram model made by fflm ngram, got none among the parts$"
    with pytest.raises(ConfigError, match=message):
        Mixture(no, by_count(4))
    ids = text(50)
    with pytest.raises(ConfigError, match=message):
        Mixture.fit(no, ids, log_probs_of_parts(no, ids), by_context_count=True)
    first = Mixture([parts.cache, from_arpa, parts.interpolated], by_count(3))
    assert first.context_counts(ids).tolist() == parts.interpolated.context_counts(ids).tolist()


def test_ids_and_contexts_that_do_not_fit(mixture):
    with pytest.raises(ConfigError, match="^ids must be from 0 to 8, got 3 to 9$"):
        mixture.log_probs(np.array([3, 9]))
    with pytest.raises(ConfigError, match=r"^contexts must have shape \(B, "):
        mixture.next_word(np.full((1, mixture.reach + 1), A))


def test_names_and_description(parts):
    mixture = Mixture([parts.network, parts.trigram, parts.cache, parts.bigram], np.array([[0.1, 0.2, 0.3, 0.4]]))
    assert mixture.names == ["neural", "n-gram 1", "cache", "n-gram 2"]
    facts = mixture.describe()
    assert list(facts) == ["kind", "parameters", "weights", "parts"]
    assert (facts["kind"], facts["weights"]) == ("mixture", [[0.1, 0.2, 0.3, 0.4]])
    assert facts["parts"] == [part.describe() for part in mixture.parts]
    assert facts["parameters"] == 4 + sum(part["parameters"] for part in facts["parts"])


def test_weights_of_no_text():
    with pytest.raises(FflmError, match="^weights can't be fitted on a text of no tokens$"):
        fit_weights(np.empty((2, 0)))


# Sessions


@pytest.mark.parametrize("name", ["neural", "unigram", "kn", "interpolated", "cache", "mixture", "by-count", "nested"])
def test_a_session_gives_the_bits_of_the_model(models, name):
    """Of the next words, and of a text, in any order and in batches larger than the session was opened for."""
    lm = models[name].lm
    rng = np.random.default_rng(1)
    contexts = rng.integers(3, len(lm.vocabulary), (5, lm.reach)).astype(np.int32)
    ids = rng.integers(3, len(lm.vocabulary), 40).astype(np.int32)
    expected = lm.next_word(contexts), lm.log_probs(ids), lm.log_probs(ids, breaks=np.array([7, 20]))
    with lm.session(batch=2) as scorer:
        for _ in range(2):
            assert scorer.next_word(contexts).tobytes() == expected[0].tobytes()
            assert scorer.log_probs(ids).tobytes() == expected[1].tobytes()
            assert scorer.log_probs(ids, breaks=np.array([7, 20])).tobytes() == expected[2].tobytes()
