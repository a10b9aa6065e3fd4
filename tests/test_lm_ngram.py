"""Counting n-grams; Kneser-Ney models against the formulas, one probability at a time."""

from collections import Counter
from itertools import chain, product

import numpy as np
import pytest
import reference
from test_text_corpora import needs, read

from fflm.config import DataConfig, TokenizerConfig
from fflm.errors import ConfigError
from fflm.lm import NgramModel, parts
from fflm.lm.contexts import contexts_at, within_unit
from fflm.lm.ngram.kneser_ney import discounts, estimate, frequent, prune_to_size
from fflm.lm.ngram.table import count_ngrams
from fflm.text import Tokenizer, Vocabulary, load

UNK, BOS, EOS, A, B, C = range(6)


def vocabulary_of(size):
    return Vocabulary(["<unk>", "<s>", "</s>", *(f"w{i}" for i in range(3, size))])


def text(length, vocab_size, boundary="stream", seed=1, rate=0.3):
    """Words of falling frequency, which depend a little on the one before; in ``line`` about every sixth is </s>."""
    rng = np.random.default_rng(seed)
    ranks = np.minimum(rng.geometric(rate, length) - 1, vocab_size - 4)
    ids = 3 + (ranks + np.where(rng.random(length) < 0.5, np.roll(ranks, 1), 0)) % (vocab_size - 3)
    ids[rng.random(length) < 0.05] = UNK
    if boundary == "line":
        ids[rng.random(length) < 0.15] = EOS
    return ids.astype(np.int32)


def kneser_ney(ids, order, vocab_size, threads=None):
    return NgramModel.kneser_ney(ids, order, vocabulary_of(vocab_size), Tokenizer(TokenizerConfig()), threads)


def expected_log_probs(expected, ids, order):
    """By the reference, at every position of a text."""
    probs = [expected.prob(reference.context_before(ids, t, order - 1), int(word)) for t, word in enumerate(ids)]
    return np.log(probs)


#: A text and the size of its vocabulary.
TEXTS = {
    "stream": (text(900, 12), 12),
    "lines": (text(900, 12, "line"), 12),
    "many words": (text(1500, 103, "line", rate=0.08), 103),
    "one word": (np.array([A], np.int32), 5),
    "one word, again and again": (np.full(9, A, np.int32), 5),
    "two lines": (np.array([A, B, EOS, A, A, B, EOS], np.int32), 6),
    "only empty lines": (np.array([EOS, EOS, EOS], np.int32), 4),
    "a line that does not end": (np.array([A, EOS, EOS, B, A], np.int32), 5),
    "only unknown words": (np.array([UNK, UNK, EOS], np.int32), 4),
}
ORDERS = (1, 2, 3, 4, 5)
each_text = pytest.mark.parametrize(("ids", "vocab_size"), TEXTS.values(), ids=TEXTS)
each_order = pytest.mark.parametrize("order", ORDERS)


# Counting


def test_every_unit_begins_with_one_s_and_no_ngram_reaches_over_its_end():
    table, counts = count_ngrams(np.array([A, B, EOS, A, EOS, EOS, B], np.int32), 3, 6)
    assert table.sizes == (6, 6, 3)
    found = {table.ngram(node): int(counts[node]) for node in range(len(counts))}
    assert found == {
        **{(UNK,): 0, (BOS,): 4, (EOS,): 3, (A,): 2, (B,): 2, (C,): 0},
        **{(BOS, EOS): 1, (BOS, A): 2, (BOS, B): 1, (A, EOS): 1, (A, B): 1, (B, EOS): 1},
        **{(BOS, A, EOS): 1, (BOS, A, B): 1, (A, B, EOS): 1},
    }


@each_order
@each_text
def test_tables_equal_the_reference(ids, vocab_size, order):
    table, counts = count_ngrams(ids, order, vocab_size)
    expected = reference.ngram_counts(ids, order)
    nodes, words, children, links = reference.ngram_tree(expected, order, vocab_size)
    for found, array in ((table.words, words), (table.children, children), (table.links, links)):
        assert found.dtype == array.dtype and found.tolist() == array.tolist()
    assert counts.dtype == np.int32 and counts.tolist() == [expected.get(ngram, 0) for ngram in nodes]
    sizes = [sum(len(ngram) == size for ngram in nodes) for size in range(1, order + 1)]
    assert table.order == order and list(table.sizes) == sizes


def test_nodes_know_their_ngrams_parents_and_beginnings():
    ids, vocab_size = TEXTS["lines"]
    table, _ = count_ngrams(ids, 4, vocab_size)
    nodes = reference.ngram_tree(reference.ngram_counts(ids, 4), 4, vocab_size)[0]
    assert [table.ngram(node) for node in range(len(nodes))] == nodes
    for order in (2, 3, 4):
        own = range(len(nodes))[table.nodes(order)]
        assert [nodes[parent] for parent in table.parents(order)] == [nodes[node][:-1] for node in own]
    for order, word in product((1, 2, 3, 4), range(vocab_size)):
        own = [ngram for ngram in nodes if len(ngram) == order and ngram[0] == word]
        assert nodes[table.beginning_with(word, order)] == own


def test_a_text_shorter_than_the_order():
    model = kneser_ney(np.array([A, B], np.int32), 5, 6)
    assert model.table.sizes == (6, 2, 1, 0, 0)
    assert model.next_word(np.array([[BOS, BOS, BOS, A]])).sum() == pytest.approx(1, abs=1e-6)


def test_ids_of_any_width_are_taken():
    ids, vocab_size = TEXTS["lines"]
    expected = kneser_ney(ids, 3, vocab_size).log_probs(ids)
    narrow, wide, frozen = ids.astype(np.int16), np.repeat(ids.astype(np.int64), 2)[::2], ids.copy()
    frozen.flags.writeable = False
    for others in (narrow, wide, frozen, ids.tolist()):
        assert kneser_ney(others, 3, vocab_size).log_probs(others).tolist() == expected.tolist()


# Discounts


def test_discounts_in_closed_form():
    """n1 to n4 = 10, 4, 2, 1: y = 10/18, D1 = 1 - 2 y 4/10, D2 = 2 - 3 y 2/4, D3 = 3 - 4 y 1/2; 9 counts as no n."""
    adjusted = np.repeat([0, 1, 2, 3, 4, 9], [7, 10, 4, 2, 1, 3])
    assert discounts(adjusted) == (pytest.approx((5 / 9, 7 / 6, 17 / 9), rel=1e-15), False)
    assert discounts(adjusted)[0] == pytest.approx(reference.discounts(adjusted)[0], rel=1e-15)


@pytest.mark.parametrize(
    ("n", "why"),
    [
        ((10, 4, 2, 0), "no n-gram occurs four times"),
        ((0, 4, 2, 1), "none occurs once"),
        ((0, 0, 0, 0), "there is none"),
        ((1, 9, 1, 1), "D1 = 1 - 2 / 19 * 9 / 1 > 0, but D2 = 2 - 3 / 19 / 9, D3 = 3 - 4 / 19 / 1 are in range"),
        ((10, 1, 9, 1), "D2 = 2 - 3 * 10/12 * 9 < 0"),
        ((10, 9, 1, 9), "D3 = 3 - 4 * 10/28 * 9 < 0"),
    ],
)
def test_discounts_that_are_undefined_fall_back(n, why):
    adjusted = np.repeat([1, 2, 3, 4], n)
    expected, fallback = reference.discounts(adjusted)
    found = discounts(adjusted)
    assert found == (pytest.approx(expected), fallback), why
    assert fallback == (n != (1, 9, 1, 1)) and (not fallback or found[0] == (0.5, 1.0, 1.5))


# Kneser-Ney


@each_order
@each_text
def test_probabilities_equal_the_formulas(ids, vocab_size, order):
    model, expected = kneser_ney(ids, order, vocab_size), reference.KneserNey(ids, order, vocab_size)
    np.testing.assert_allclose(model.log_probs(ids), expected_log_probs(expected, ids, order), rtol=0, atol=3e-6)
    facts = model.describe()
    np.testing.assert_allclose(facts["discounts"], expected.discounts, rtol=1e-12)
    assert facts.get("fallback_discounts", []) == expected.fallback


@each_order
@pytest.mark.parametrize("name", ["stream", "lines"])
def test_probabilities_of_other_texts_equal_the_formulas(name, order):
    """Contexts that were never seen, words that were never seen: half of the text is of other words."""
    ids, vocab_size = TEXTS[name]
    vocab_size += 6
    model, expected = kneser_ney(ids, order, vocab_size), reference.KneserNey(ids, order, vocab_size)
    other = np.random.default_rng(2).permutation(text(400, vocab_size, "line", seed=7))
    np.testing.assert_allclose(model.log_probs(other), expected_log_probs(expected, other, order), rtol=0, atol=3e-6)


def test_only_tiny_texts_and_vocabularies_fall_back():
    for name, (ids, vocab_size) in TEXTS.items():
        facts = kneser_ney(ids, 3, vocab_size).describe()
        expected = [1, 2, 3] if len(ids) < 100 else [1] if vocab_size < 100 else []
        assert facts.get("fallback_discounts", []) == expected, name


def test_weights_of_contexts_equal_the_formulas():
    ids, vocab_size = TEXTS["lines"]
    table, counts = count_ngrams(ids, 4, vocab_size)
    _, backoffs, _, _ = estimate(table, counts)
    expected = reference.KneserNey(ids, 4, vocab_size)
    assert backoffs.dtype == np.float32 and len(backoffs) == table.starts[-2]
    weights = [expected.backoff(table.ngram(node)) for node in range(len(backoffs))]
    np.testing.assert_allclose(np.exp(backoffs), weights, rtol=1e-6)
    assert min(weights) < 0.5 and max(weights) == 1.0


@each_order
@each_text
def test_distributions_sum_to_one_in_every_context(ids, vocab_size, order):
    """All that occur, as many that may never have, and all of one word."""
    model = kneser_ney(ids, order, vocab_size)
    rng = np.random.default_rng(order)
    contexts = [contexts_at(ids, np.arange(len(ids)), order - 1), rng.integers(0, vocab_size, (300, order - 1))]
    if order > 1:
        contexts.append(np.full((vocab_size, order - 1), np.arange(vocab_size)[:, None]))
    for part in contexts:
        probabilities = model.next_word(part)
        assert probabilities.dtype == np.float32 and probabilities.shape == (len(part), vocab_size)
        np.testing.assert_allclose(probabilities.sum(axis=1, dtype=np.float64), 1.0, rtol=0, atol=1e-6)
        assert (probabilities[:, BOS] == 0).all()
        assert (np.delete(probabilities, BOS, axis=1) > 0).all()


@each_order
@each_text
def test_log_probs_equal_next_word_at_every_position(ids, vocab_size, order):
    model = kneser_ney(ids, order, vocab_size)
    for others in (ids, text(200, vocab_size, "line", seed=5)):
        contexts = contexts_at(others, np.arange(len(others)), order - 1)
        one_by_one = model.next_word(contexts)[np.arange(len(others)), others]
        np.testing.assert_allclose(model.log_probs(others), np.log(one_by_one), rtol=0, atol=1e-6)


def test_s_is_never_predicted():
    ids, vocab_size = TEXTS["lines"]
    assert kneser_ney(ids, 3, vocab_size).log_probs(np.array([A, BOS, A])).tolist()[1] == -np.inf


# Pruning

PRUNES = [(0, 0, 1), (0, 1), (0, 0, 0, 2), (0, 3, 5), (0, 0, 10**6)]
each_prune = pytest.mark.parametrize("prune", PRUNES, ids=str)


def pruned(ids, order, vocab_size, prune):
    return NgramModel.kneser_ney(ids, order, vocabulary_of(vocab_size), Tokenizer(TokenizerConfig()), prune=prune)


@each_prune
@pytest.mark.parametrize("name", ["stream", "lines", "many words", "two lines"])
def test_pruned_probabilities_equal_the_formulas(name, prune):
    """On the text itself, and on another that has contexts and words that it has not."""
    ids, vocab_size = TEXTS[name]
    model, expected = pruned(ids, 4, vocab_size, prune), reference.KneserNey(ids, 4, vocab_size, prune)
    counts = reference.ngram_counts(ids, 4)
    kept = {ngram for ngram in counts if ngram not in expected.left_out}
    assert {model.table.ngram(node) for node in range(vocab_size, model.table.starts[-1])} == {
        ngram for ngram in kept if len(ngram) > 1
    }
    assert (len(kept) < len(counts)) or name == "two lines"
    np.testing.assert_allclose(model.describe()["discounts"], expected.discounts, rtol=1e-12)
    assert model.describe()["prune"] == list(prune)
    for other in (ids[:300], text(300, vocab_size, "line", seed=7)):
        found = model.log_probs(other)
        np.testing.assert_allclose(found, expected_log_probs(expected, other, 4), rtol=0, atol=3e-6)
        contexts = contexts_at(other, np.arange(len(other)), 3)
        distributions = model.next_word(contexts)
        np.testing.assert_allclose(distributions.sum(axis=1, dtype=np.float64), 1.0, rtol=0, atol=1e-6)
        np.testing.assert_allclose(found, np.log(distributions[np.arange(len(other)), other]), rtol=0, atol=1e-6)


def test_pruning_nothing_changes_no_bit():
    ids, vocab_size = TEXTS["lines"]
    whole, same = kneser_ney(ids, 4, vocab_size), pruned(ids, 4, vocab_size, (0, 0, 0))
    assert whole.node_log_probs.tobytes() == same.node_log_probs.tobytes() and "prune" not in same.facts


def test_contexts_of_a_pruned_model_are_counted_as_before():
    """Pairs of words stay, so that weights by context count can be fitted."""
    ids, vocab_size = TEXTS["stream"]
    whole, small = kneser_ney(ids, 4, vocab_size), pruned(ids, 4, vocab_size, (0, 0, 1))
    assert np.array_equal(whole.context_counts(ids), small.context_counts(ids))


@pytest.mark.parametrize("largest", [3000, 1500, 800, 500, 10])
def test_a_model_is_pruned_to_a_size(largest):
    """It has no more n-grams than asked for, words and pairs aside; a number less would have been too small a step."""
    ids, vocab_size = TEXTS["many words"]
    table, counts = count_ngrams(ids, 5, vocab_size)
    prune = prune_to_size(table, counts, largest)
    if table.starts[-1] <= largest:
        assert prune == []
        return
    assert prune[:2] == [0, 0]
    sizes = [int(frequent(table, counts, [0, 0, prune[2] - less]).sum()) for less in (0, 1)]
    assert sizes[0] <= max(largest, table.starts[2]) and (sizes[1] > largest or prune[2] == 1)
    model = NgramModel.kneser_ney(ids, 5, vocabulary_of(vocab_size), Tokenizer(TokenizerConfig()), largest=largest)
    assert (model.table.starts[-1], model.facts["prune"]) == (sizes[0], prune)


@needs("brown")
def test_what_pruning_costs_on_brown():
    """Singletons of three and more words are five sixths of the n-grams, and worth less than 1 % of the perplexity."""
    corpus = load(["brown"], None, None, TokenizerConfig(), DataConfig(), seed=1)
    figures = []
    for prune in ((), (0, 0, 1)):
        model = NgramModel.kneser_ney(
            corpus.train.ids, 5, corpus.vocabulary, corpus.tokenizer, breaks=corpus.train.breaks, prune=prune
        )
        figures.append((model.table.starts[-1], np.exp(-model.log_probs(corpus.valid.ids).mean())))
    (size, perplexity), (small, larger) = figures
    assert small < size / 5 and 1.0 < larger / perplexity < 1.01


# Independence


@pytest.fixture(params=["stream", "lines"])
def model(request):
    return kneser_ney(*[TEXTS[request.param][0], 3, TEXTS[request.param][1]])


@pytest.mark.parametrize("batch", [1, 7, 64, 10**6])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_neither_threads_nor_batches_change_a_bit(model, monkeypatch, threads, batch):
    ids = text(333, 12, "line", seed=4)
    expected, seen = model.log_probs(ids).tobytes(), []
    monkeypatch.setattr(parts, "BATCH", batch)
    model.threads = threads
    assert model.log_probs(ids, seen.append).tobytes() == expected
    assert model.log_probs(ids).tobytes() == expected
    assert seen == [min(batch, 333 - first) for first in range(0, 333, batch)]


def test_the_same_text_makes_the_same_model():
    ids, vocab_size = TEXTS["stream"]
    first, second = kneser_ney(ids, 4, vocab_size, threads=1), kneser_ney(ids.copy(), 4, vocab_size, threads=3)
    assert first.node_log_probs.tobytes() == second.node_log_probs.tobytes()
    assert first.backoffs.tobytes() == second.backoffs.tobytes()


def test_no_text_at_all(model):
    assert model.log_probs(np.zeros(0, np.int32)).shape == (0,)
    assert model.next_word(np.zeros((0, 2), np.int32)).shape == (0, 12)


# Contexts


def test_contexts_at_equal_the_reference():
    ids = text(40, 8)  # a stream: contexts_at does not look for </s>
    for size in (0, 1, 4, 60):
        expected = [([BOS] * size + ids[:t].tolist())[len(ids[:t]) :] for t in range(40)]
        assert contexts_at(ids, np.arange(40), size).tolist() == expected


def test_within_unit_equals_the_reference():
    ids = text(60, 8, "line")
    expected = reference.gather_windows(ids, range(60), 5)[0]
    assert within_unit(contexts_at(ids, np.arange(60), 5)).tolist() == expected.tolist()


@pytest.mark.parametrize("order", [2, 3, 5])
@each_text
def test_contexts_are_counted_by_their_last_two_words(ids, vocab_size, order):
    model, size = kneser_ney(ids, order, vocab_size), min(2, order - 1)
    counts = reference.ngram_counts(ids, order)
    for others in (ids, text(200, vocab_size, "line", seed=5)):
        expected = [
            reference.context_count(counts, reference.context_before(others, t, size), size) for t in range(len(others))
        ]
        assert model.context_counts(others).tolist() == expected
        assert model.counts_of(contexts_at(others, np.arange(len(others)), order - 1)).tolist() == expected


def test_units_seen():
    """Only units of at least 2 * order words whose n-grams of the highest order are all known."""
    model = kneser_ney(np.array([A, B, C, A, B, C, A, EOS, B, B, EOS], np.int32), 2, 6)
    units = [[A, B, C, A, EOS], [A, B, C, A, A, EOS], [C, A, B, C, EOS], [B, B, EOS], [A, B, C, A, B, C, EOS]]
    starts = np.cumsum([0, *map(len, units)])
    found = model.units_seen(np.array(list(chain(*units)), np.int32), starts)
    assert found.tolist() == [True, False, False, False, False]
    assert model.units_seen(np.array([C, A, B, C, A, EOS], np.int32), np.array([0, 6])).tolist() == [True]


# Errors


def test_ids_outside_the_vocabulary(model):
    with pytest.raises(ConfigError, match="^ids must be from 0 to 11, got 3 to 12$"):
        model.log_probs(np.array([3, 12]))
    with pytest.raises(ConfigError, match="^ids must be from 0 to 11, got -1 to 3$"):
        model.next_word(np.array([[3, -1]]))
    with pytest.raises(ConfigError, match="^ids must be whole numbers, got an array of float64$"):
        model.log_probs(np.array([3.0]))
    with pytest.raises(ConfigError, match="^ids must be from 0 to 11, got 3 to 99$"):
        kneser_ney(np.array([3, 99]), 2, 12)


@pytest.mark.parametrize("shape", [(2,), (1, 1), (1, 3), (1, 2, 1)])
def test_contexts_of_another_length(model, shape):
    with pytest.raises(ConfigError, match=r"^contexts must have shape \(B, 2\), got \("):
        model.next_word(np.full(shape, A, np.int32))


def test_a_text_of_no_words():
    with pytest.raises(ConfigError, match="^n-grams need a text of at least one word, got none$"):
        kneser_ney(np.zeros(0, np.int32), 2, 5)


def test_models_that_can_not_count_contexts(model):
    ids, vocab_size = TEXTS["stream"]
    message = "^contexts can't be counted by an n-gram model of order 1; take order 2 or more$"
    with pytest.raises(ConfigError, match=message):
        kneser_ney(ids, 1, vocab_size).context_counts(ids)
    model.counts = None
    for count in (lambda: model.context_counts(ids), lambda: model.counts_of(np.array([[A, A]], np.int32))):
        with pytest.raises(
            ConfigError, match="^an n-gram model read from an ARPA file has no counts; take one made by"
        ):
            count()


def test_describe(model):
    facts = model.describe()
    assert list(facts) == ["kind", "parameters", "order", "ngrams", "smoothing", "discounts", "fallback_discounts"]
    assert (facts["kind"], facts["order"], facts["smoothing"]) == ("n-gram model", 3, "kneser-ney")
    assert facts["discounts"][0] == [0.5, 1.0, 1.5] and facts["fallback_discounts"] == [1]
    assert facts["ngrams"][0] == 12 and facts["parameters"] == 2 * sum(facts["ngrams"]) - facts["ngrams"][2]


# An independent implementation

#: KenLM's lmplz (order 3 and 5, no pruning) on the same ids, its perplexity without </s>: validation, test.
LMPLZ = {3: (308.9, 289.7), 5: (306.4, 287.2)}


@needs("brown")
def test_brown_equals_lmplz_within_half_a_percent(tmp_path):
    """The paper's Brown with the 16,382 most frequent words, of equally frequent ones the first to occur."""
    words = [word for word, _ in Counter(read("brown")).most_common(16_382)]
    (tmp_path / "words.txt").write_text("\n".join(words), encoding="utf-8")
    data = DataConfig(vocab=str(tmp_path / "words.txt"))
    corpus = load(["brown"], None, None, TokenizerConfig(), data, seed=1)
    assert len(corpus.vocabulary) == 16_385
    for order, expected in LMPLZ.items():
        model = NgramModel.kneser_ney(corpus.train.ids, order, corpus.vocabulary, Tokenizer(TokenizerConfig()))
        found = [np.exp(-model.log_probs(stream.ids).mean()) for stream in (corpus.valid, corpus.test)]
        assert found == pytest.approx(expected, rel=0.005), order


@pytest.mark.parametrize("order", ORDERS)
def test_after_words_with_nothing_before_them(order):
    """The reference is asked with the bare words; no words are the empty context, and too many are cut."""
    ids, vocab_size = TEXTS["lines"]
    model, expected = kneser_ney(ids, order, vocab_size), reference.KneserNey(ids, order, vocab_size)
    for words in ([], [A], [BOS], [A, B], [BOS, A], [C, A, B], [A, A, B, C, A]):
        found = model.after(words)
        context = tuple(words[max(0, len(words) - order + 1) :])
        np.testing.assert_allclose(found, [expected.prob(context, word) for word in range(vocab_size)], rtol=2e-6)
    with pytest.raises(ConfigError, match="^ids must be from 0 to 11, got 12 to 12$"):
        kneser_ney(ids, 3, vocab_size).after([12])
