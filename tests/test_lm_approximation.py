"""An n-gram model that comes close to another model: means, sums, pruning, and what KenLM makes of it."""

import math
from collections import Counter
from itertools import product

import numpy as np
import pytest

from fflm.config import TokenizerConfig
from fflm.errors import ConfigError
from fflm.lm import NgramModel, approximate, arpa_lines
from fflm.text import Tokenizer, Vocabulary

UNK, BOS, EOS = 0, 1, 2
WORDS = ["<unk>", "<s>", "</s>", "a", "b", "c", "d"]
V = len(WORDS)
VOCABULARY = Vocabulary(WORDS)
TOKENIZER = Tokenizer(TokenizerConfig(boundary="line"))


class FarSeeing:
    """A model in which each of the last four words counts, in double precision: P is a softmax of sums of scores."""

    vocabulary, tokenizer, reach = VOCABULARY, TOKENIZER, 4
    scores = np.random.default_rng(7).normal(0, 1, (reach, V, V))

    def session(self, batch=16):
        from contextlib import nullcontext

        return nullcontext(self)

    def next_word(self, contexts):
        contexts = np.array([self.unit(context) for context in contexts])
        sums = sum(self.scores[k][contexts[:, k]] for k in range(self.reach))
        exponentials = np.exp(sums)
        return exponentials / exponentials.sum(axis=1, keepdims=True)

    @staticmethod
    def unit(context):
        ends = [i for i, word in enumerate(context) if word == EOS]
        return [BOS if ends and i <= ends[-1] else int(word) for i, word in enumerate(context)]

    def describe(self):
        return {"kind": "far-seeing model"}


def text(units=40, seed=3):
    generator = np.random.default_rng(seed)
    parts = [np.append(generator.choice([3, 4, 5], generator.integers(1, 7)), EOS) for _ in range(units)]
    return np.concatenate(parts).astype(np.int32)


def walked(ids, order, joint=None):
    """(context of up to order - 1 words, all words before, word) at each place; a unit begins with one <s>."""
    unit = [BOS]
    for place, word in enumerate(ids.tolist()):
        unit = [BOS] if place == joint else unit
        yield tuple(unit[max(0, len(unit) - order + 1) :]), tuple(unit), word
        unit = [BOS] if word == EOS else [*unit, word]


def slow_means(model, ids, order, joint=None):
    """{n-gram: mean of P(last word | all words before)} over the places of its context, <s> left out of P.

    Each different longest context counts once. Also how many places each context has.
    """
    sums, mass, places, seen = {}, {}, {}, set()
    often = Counter(longest for longest, _, _ in walked(ids, order, joint))
    for longest, unit, word in walked(ids, order, joint):
        padded = ([BOS] * model.reach + list(unit))[-model.reach :]
        p = model.next_word(np.array([padded], np.int32))[0].astype(float)
        p[BOS] = 0.0
        p /= p.sum()
        for k in range(len(longest) + 1):
            context = longest[len(longest) - k :]
            sums[context] = sums.get(context, 0.0) + p / often[longest]
            mass[context] = mass.get(context, 0.0) + 1 / often[longest]
            places[context] = places.get(context, 0) + 1
            seen.add((*context, word))
    seen |= {(word,) for word in range(V)}
    return {gram: sums[gram[:-1]][gram[-1]] / mass[gram[:-1]] for gram in seen}, places


class SlowBackOff:
    """P of a dictionary of n-grams with back-off weights, by the definition."""

    def __init__(self, grams):
        self.grams, self.weights = grams, {}
        for context in sorted({gram[:-1] for gram in grams if len(gram) > 1}, key=len):
            followers = [gram[-1] for gram in grams if gram[:-1] == context]
            left = 1.0 - sum(grams[(*context, w)] for w in followers)
            shorter = 1.0 - sum(self.p(w, context[1:]) for w in followers)
            self.weights[context] = left / shorter

    def p(self, word, context):
        if (*context, word) in self.grams:
            return self.grams[(*context, word)]
        return self.weights.get(context, 1.0) * self.p(word, context[1:])


def contexts(order):
    return [list(words) for words in product([0, 3, 4, 5, 6], repeat=order - 1)] + [
        [BOS] * (order - 1 - k) + list(words) for k in range(order - 1) for words in product([3, 4, 5], repeat=k)
    ]


def grams_of(model):
    return {model.table.ngram(node): node for node in range(model.table.starts[-1])}


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_probabilities_are_means_and_back_off_as_defined(order):
    ids = text()
    made = approximate(FarSeeing(), ids, order, largest=10**6)
    means, _ = slow_means(FarSeeing(), ids, order)
    nodes = grams_of(made)
    assert {gram for gram in nodes if gram[-1] != BOS} == {gram for gram in means if gram[-1] != BOS}
    for gram, mean in means.items():
        if gram[-1] != BOS:
            assert math.exp(made.node_log_probs[nodes[gram]]) == pytest.approx(mean, rel=1e-6), gram
    slow = SlowBackOff(means)
    for context in contexts(order):
        used = tuple(context[max([i for i, w in enumerate(context) if w == BOS], default=0) :])
        p = made.next_word(np.array([context], np.int32).reshape(1, order - 1))[0]
        assert p == pytest.approx([slow.p(w, used) if w != BOS else 0.0 for w in range(V)], rel=2e-5), context


@pytest.mark.parametrize("largest", [V, V + 1, 20, 40, 60, 100])
@pytest.mark.parametrize("order", [2, 3, 4])
def test_every_context_of_a_pruned_model_sums_to_1(order, largest):
    made = approximate(FarSeeing(), text(), order, largest)
    assert made.table.starts[-1] <= largest
    found = made.next_word(np.array(contexts(order), np.int32))
    np.testing.assert_allclose(found.sum(axis=1, dtype=float), 1.0, rtol=0, atol=2e-6)
    assert (found[:, [w for w in range(V) if w != BOS]] > 0).all() and (found[:, BOS] == 0).all()


def test_losses_are_those_of_leaving_out_one_ngram():
    """Stolcke's closed form is the relative entropy between the model with and without the n-gram, by enumeration."""
    from fflm.lm.ngram.approximation import _losses, _mean_probabilities
    from fflm.lm.ngram.table import count_ngrams
    from fflm.text import NO_BREAKS

    ids, order = text(12), 3
    table, _ = count_ngrams(ids, order, V)
    probs, followed = _mean_probabilities(FarSeeing(), table, ids, NO_BREAKS, None)
    losses = _losses(table, probs, followed / len(ids))
    means, places = slow_means(FarSeeing(), ids, order)
    grams = {gram: p for gram, p in means.items() if gram[-1] != BOS}
    full = SlowBackOff(grams)
    for node in range(table.starts[2], table.starts[3]):
        gram = table.ngram(node)
        context = gram[:-1]
        less = SlowBackOff({other: p for other, p in grams.items() if other != gram})
        words = [w for w in range(V) if w != BOS]
        p, q = ([m.p(w, context) for w in words] for m in (full, less))
        entropy = sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
        assert losses[node] == pytest.approx(places[context] / len(ids) * entropy, rel=1e-6, abs=1e-12), gram


def test_what_is_left_out_costs_least():
    """Among the longest n-grams, those that stay cost more than those that go."""
    from fflm.lm.ngram.approximation import _losses, _mean_probabilities
    from fflm.lm.ngram.table import count_ngrams
    from fflm.text import NO_BREAKS

    ids = text()
    table, _ = count_ngrams(ids, 3, V)
    probs, followed = _mean_probabilities(FarSeeing(), table, ids, NO_BREAKS, None)
    losses = _losses(table, probs, followed / len(ids))
    kept = set(grams_of(approximate(FarSeeing(), ids, 3, largest=40)))
    longest = {table.ngram(node): losses[node] for node in range(table.starts[2], table.starts[3])}
    stay, go = ([loss for gram, loss in longest.items() if (gram in kept) == side] for side in (True, False))
    assert stay and go and min(stay) >= max(go)


def test_an_ngram_stays_as_long_as_one_that_begins_with_it():
    for largest in range(V, 80):
        grams = grams_of(approximate(FarSeeing(), text(), 4, largest))
        assert all(gram[:-1] in grams for gram in grams if len(gram) > 1)


def test_breaks_begin_units():
    ids = text()
    joint = next(i for i in range(50, 99) if EOS not in ids[i - 1 : i + 2])
    gram = tuple(ids[joint : joint + 2].tolist())
    whole, broken = (approximate(FarSeeing(), ids, 3, 10**6, np.array(breaks, int)) for breaks in ([], [joint]))
    means, _ = slow_means(FarSeeing(), ids, 3, joint)
    assert math.exp(broken.node_log_probs[grams_of(broken)[gram]]) == pytest.approx(means[gram], rel=1e-6)
    assert math.exp(whole.node_log_probs[grams_of(whole)[gram]]) != pytest.approx(means[gram], rel=1e-6)


def test_a_model_of_all_ngrams_is_found_again():
    """A bigram model approximated by bigrams is itself, wherever the text has been."""
    ids = text(300)
    kn = NgramModel.kneser_ney(ids, 2, VOCABULARY, TOKENIZER)
    again = approximate(kn, ids, 2, 10**6)
    rows = np.array([[3], [4], [5], [BOS]], np.int32)
    found, expected = (model.next_word(rows)[:, 3:6] for model in (again, kn))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_too_few_ngrams_are_refused():
    with pytest.raises(ConfigError, match="^ngrams must be at least the 7 words of the vocabulary, got 6$"):
        approximate(FarSeeing(), text(), 3, largest=6)


@pytest.mark.parametrize("largest", [10**6, 40])
def test_kenlm_reads_it(largest, tmp_path):
    kenlm = pytest.importorskip("kenlm", reason="KenLM, an independent implementation, is not installed")
    made = approximate(FarSeeing(), text(), 3, largest)
    path = tmp_path / "made.arpa"
    path.write_text("".join(arpa_lines(made)))
    config = kenlm.Config()
    config.show_progress = False
    other = kenlm.Model(str(path), config)
    for unit in ("a b c a", "d a b", "c c c zebra a"):
        ids = np.append(VOCABULARY.encode(unit.split()), EOS).astype(np.int32)
        expected = [p for p, _, _ in other.full_scores(unit)]
        np.testing.assert_allclose(made.log_probs(ids) / math.log(10), expected, rtol=0, atol=5e-6)
