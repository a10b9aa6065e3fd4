"""Breaks: where unrelated text was joined, every model does what it does at the beginning of a text."""

import numpy as np
import pytest
import reference
from test_lm_mixture import EOS, VOCAB, A, Parts, text

from fflm.config import TrainConfig
from fflm.errors import ConfigError
from fflm.evaluation.breakdowns import by_neighbours
from fflm.evaluation.perplexity import evaluate_tokens
from fflm.lm import BUCKETS, InterpolatedNgramModel, Mixture, NgramModel, contexts_at, log_probs_of_parts
from fflm.lm.contexts import checked_breaks, checked_ids
from fflm.lm.ngram.table import count_ngrams
from fflm.text import NO_BREAKS, Corpus, KnownIds, TokenStream, known_ids
from fflm.training.trainer import Trainer

#: Four texts of which one is a single word, and one ends within a line.
TEXTS = [text(40, 5), text(1, 6), text(30, 7), np.append(text(60, 8), A).astype(np.int32)]
IDS = np.concatenate(TEXTS)
BREAKS = np.cumsum([len(part) for part in TEXTS])[:-1]


@pytest.fixture(scope="module", params=["line", "stream"])
def parts(request):
    return Parts(request.param)


def models_of(parts):
    every = [parts.network, parts.unigram, parts.bigram, parts.trigram, parts.interpolated, parts.cache]
    weights = np.random.default_rng(4).dirichlet(np.ones(len(every)), BUCKETS)
    return [*every, Mixture(every, weights[:1]), Mixture(every, weights)]


def test_joined_texts_have_the_probabilities_of_the_texts(parts):
    for model in models_of(parts):
        apart = np.concatenate([model.log_probs(part) for part in TEXTS])
        joined = model.log_probs(IDS, breaks=BREAKS)
        np.testing.assert_allclose(joined, apart, rtol=1e-12, atol=1e-6, err_msg=str(model.describe()["kind"]))
        if model.reach:
            assert not np.allclose(model.log_probs(IDS), apart)  # without breaks the next text looks into the last


def test_contexts_end_at_a_break(parts):
    """Word by word: what `next_word` says of contexts cut at breaks is what `log_probs` says of the stream."""
    for model in models_of(parts):
        contexts = contexts_at(IDS, np.arange(len(IDS)), model.reach, BREAKS)
        probabilities = model.next_word(contexts)[np.arange(len(IDS)), IDS]
        np.testing.assert_allclose(np.exp(model.log_probs(IDS, breaks=BREAKS)), probabilities, rtol=1e-5, atol=1e-37)


def test_context_counts_stop_at_a_break(parts):
    for model in (parts.bigram, parts.trigram, parts.interpolated):
        apart = np.concatenate([model.context_counts(part) for part in TEXTS])
        assert model.context_counts(IDS, BREAKS).tolist() == apart.tolist()
        assert model.context_counts(IDS).tolist() != apart.tolist()
    mixture = models_of(parts)[-1]
    apart = np.concatenate([mixture.weights_at(part) for part in TEXTS])
    assert mixture.weights_at(IDS, BREAKS).tolist() == apart.tolist()


def test_no_ngram_is_counted_across_a_break():
    """Texts of one line each, counted together, are the same as one text with an <s> where each begins."""
    ids = np.array([3, 4, 3, 3, 4, 5], np.int32)
    table, counts = count_ngrams(ids, 3, 6, breaks=np.array([2, 3]))
    ngrams = {table.ngram(node): int(counts[node]) for node in range(len(counts)) if counts[node]}
    assert ngrams == {
        **{(1,): 3, (3,): 3, (4,): 2, (5,): 1},
        **{(1, 3): 3, (3, 4): 2, (4, 5): 1},
        **{(1, 3, 4): 2, (3, 4, 5): 1},
    }


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_tables_with_breaks_equal_the_reference(order):
    table, counts = count_ngrams(IDS, order, VOCAB, BREAKS)
    expected = reference.ngram_counts(IDS, order, set(BREAKS.tolist()))
    assert {table.ngram(n): int(counts[n]) for n in range(len(counts)) if counts[n]} == expected
    in_lines, in_texts = count_ngrams(IDS, order, VOCAB), count_ngrams(IDS, order, VOCAB, NO_BREAKS)
    assert in_lines[1].tolist() == in_texts[1].tolist()


def test_a_break_at_the_beginning_of_a_line_changes_no_ngram(parts):
    begins = np.flatnonzero(IDS[:-1] == EOS) + 1
    model = NgramModel.kneser_ney(IDS, 3, *parts.shared)
    again = NgramModel.kneser_ney(IDS, 3, *parts.shared, breaks=begins)
    assert again.log_probs(IDS, breaks=begins).tobytes() == model.log_probs(IDS).tobytes()


def test_models_are_estimated_without_what_crosses_a_break(parts):
    """Kneser-Ney and interpolated models of a text with breaks, by the counts of that text."""
    expected = count_ngrams(IDS, 3, VOCAB, BREAKS)[1]
    model = NgramModel.kneser_ney(IDS, 3, *parts.shared, breaks=BREAKS)
    assert model.counts.tolist() == expected[: len(model.counts)].tolist()
    held_out, places = np.concatenate(TEXTS[::-1]), np.cumsum([len(part) for part in TEXTS[::-1]])[:-1]
    model = InterpolatedNgramModel.fit(IDS, held_out, 3, *parts.shared, breaks=BREAKS, held_out_breaks=places)
    assert model.counts.tolist() == expected.tolist()
    others = InterpolatedNgramModel.fit(IDS, held_out, 3, *parts.shared, breaks=BREAKS)
    fitted, unaware = (m.log_probs(held_out, breaks=places).sum() for m in (model, others))
    assert fitted >= unaware and model.weights.tolist() != others.weights.tolist()


def test_mixtures_are_fitted_with_the_breaks_of_their_text(parts):
    every = [parts.network, parts.trigram, parts.cache]
    log_probs = log_probs_of_parts(every, IDS, None, BREAKS)
    assert log_probs.tolist() == [part.log_probs(IDS, breaks=BREAKS).tolist() for part in every]
    mixture = Mixture.fit(every, IDS, log_probs, True, BREAKS)
    assert mixture.weights.tolist() != Mixture.fit(every, IDS, log_probs, True).weights.tolist()
    assert mixture.combined(IDS, log_probs, BREAKS).tolist() == mixture.log_probs(IDS, breaks=BREAKS).tolist()


def test_units_are_seen_without_what_crosses_a_break(parts):
    """A unit that holds the end of one text and the beginning of another: its n-grams are those of both."""
    train = np.array([3, 4, 5, 6, 7, 8, 3, 5, 7, 4], np.int32)
    model = NgramModel.kneser_ney(train, 3, *parts.shared)
    unit, starts = np.array([4, 5, 6, 7, 8, 3, 5, 7], np.int32), np.array([0, 8])
    assert model.units_seen(unit, starts).tolist() == [True]
    swapped = np.array([8, 3, 5, 7, 4, 5, 6, 7], np.int32)
    assert model.units_seen(swapped, starts).tolist() == [False]  # 5 7 4 5 was never seen
    assert model.units_seen(swapped, starts, breaks=np.array([4])).tolist() == [True]


def test_perplexity_is_that_of_texts_with_breaks(parts):
    stream = TokenStream(known_ids(IDS, VOCAB), np.array([0, *BREAKS, len(IDS)]), 100, "texts", BREAKS)
    report, log_probs = evaluate_tokens(parts.trigram, stream)
    assert log_probs.tolist() == parts.trigram.log_probs(IDS, breaks=BREAKS).tolist()
    assert report.cross_entropy_nats == -log_probs.mean()


def test_neighbours_are_of_the_same_text():
    """<unk> a | b c, <unk> | d: only a stands beside an unknown word."""
    ids = np.array([0, 3, 4, 5, 0, 3], np.int32)
    (_, near), _ = by_neighbours(ids, np.array([2, 5]))
    assert near.tolist() == [False, True, False, False, False, False]
    (_, near), _ = by_neighbours(ids)
    assert near.tolist() == [False, True, True, False, False, True]


@pytest.mark.parametrize(
    ("breaks", "reason"),
    [
        ([0, 5], r"breaks must be rising positions from 1 to 131, got \[0, 5\]"),
        ([132], r"breaks must be rising positions from 1 to 131, got \[132\]"),
        ([-3, 5], "breaks must be rising positions from 1 to 131, got"),
        ([9, 9], "breaks must be rising positions from 1 to 131, got"),
        ([9, 5], "breaks must be rising positions from 1 to 131, got"),
        ([1.5], r"breaks must be whole numbers of shape \(S,\), got float64 of shape \(1,\)"),
        ([[1, 2]], r"breaks must be whole numbers of shape \(S,\), got int64 of shape \(1, 2\)"),
    ],
)
def test_breaks_that_are_none(parts, breaks, reason):
    assert len(IDS) == 132
    for model in models_of(parts):
        with pytest.raises(ConfigError, match=f"^{reason}"):
            model.log_probs(IDS, breaks=np.array(breaks))
    with pytest.raises(ConfigError, match=f"^{reason}"):
        NgramModel.kneser_ney(IDS, 2, *parts.shared, breaks=np.array(breaks))


def test_breaks_of_any_width_are_taken(parts):
    expected = parts.trigram.log_probs(IDS, breaks=BREAKS).tobytes()
    frozen = BREAKS.copy()
    frozen.flags.writeable = False
    for breaks in (BREAKS.tolist(), BREAKS.astype(np.uint16), np.repeat(BREAKS, 2)[::2], frozen):
        assert parts.trigram.log_probs(IDS, breaks=breaks).tobytes() == expected
    assert checked_breaks([], 0).dtype == np.int64


# Ids that lie in a file


@pytest.fixture
def mapped(tmp_path):
    IDS.tofile(tmp_path / "ids")
    return np.memmap(tmp_path / "ids", np.int32, mode="c")


def test_a_memory_map_is_not_copied(mapped, parts):
    checked = checked_ids(mapped, VOCAB)
    assert np.shares_memory(checked, mapped) and type(checked) is np.ndarray
    assert np.shares_memory(known_ids(mapped, VOCAB), mapped)
    for model in models_of(parts):
        expected = model.log_probs(IDS, breaks=BREAKS).tobytes()
        assert model.log_probs(mapped, breaks=BREAKS).tobytes() == expected
    assert NgramModel.kneser_ney(mapped, 3, *parts.shared).log_probs(mapped).shape == IDS.shape


def test_a_map_that_cannot_be_written_is_copied(mapped, tmp_path, parts):
    frozen = np.memmap(tmp_path / "ids", np.int32, mode="r")
    assert not np.shares_memory(checked_ids(frozen, VOCAB), frozen)
    assert parts.trigram.log_probs(frozen).tobytes() == parts.trigram.log_probs(IDS).tobytes()


class Watched(KnownIds):
    """Ids that do not let anybody look for their largest one."""

    def max(self, *_):
        raise AssertionError("looked at again")

    min = view = max


def test_ids_of_a_stream_are_looked_at_once(mapped):
    known = known_ids(mapped, VOCAB)
    assert known.vocab_size == VOCAB and known_ids(known, VOCAB) is known and known_ids(known, VOCAB + 1) is known
    watched = known.view(Watched)
    watched.vocab_size = VOCAB
    assert known_ids(watched, VOCAB) is watched
    with pytest.raises(AssertionError, match="looked at again"):
        watched.max()
    with pytest.raises(ConfigError, match=rf"^ids must be from 0 to {VOCAB - 2}, got 0 to {VOCAB - 1}$"):
        known_ids(known, VOCAB - 1)
    # What is cut or computed from them is looked at again.
    assert known[3:].vocab_size == (known + 1).vocab_size == known.copy().vocab_size == 0
    with pytest.raises(ConfigError, match="^ids must be from 0 to "):
        checked_ids(known + VOCAB, VOCAB)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int64, np.uint8, np.uint64, ">i4", ">i8"])
def test_ids_outside_the_vocabulary_are_seen_in_any_width(dtype):
    assert known_ids(np.array([0, 8, 3], dtype), 9).tolist() == [0, 8, 3]
    with pytest.raises(ConfigError, match="^ids must be from 0 to 8, got 0 to 9$"):
        known_ids(np.array([0, 9, 3], dtype), 9)
    if np.dtype(dtype).kind == "i":
        with pytest.raises(ConfigError, match="^ids must be from 0 to 8, got -1 to 3$"):
            known_ids(np.array([0, -1, 3], dtype), 9)


# Training


def trained(breaks):
    """The output bias and the embeddings after one epoch on `IDS`, cut at breaks."""
    parts = Parts()
    stream = TokenStream(IDS, np.array([0, len(IDS)]), 100, "texts", np.array(breaks, np.int64))
    corpus = Corpus(parts.network.vocabulary, stream, stream, None, (), parts.network.tokenizer)
    config = TrainConfig(epochs=1, batch_size=16, threads=1)
    Trainer(parts.network, corpus, config, quiet=True).run()
    return parts.network.parameters


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
def test_training_does_not_look_across_a_break():
    """Breaks where lines begin change no bit; breaks within lines do."""
    plain, in_lines, within = trained([]), trained(np.flatnonzero(IDS[:-1] == EOS) + 1), trained(BREAKS)
    assert all(plain[name].tobytes() == in_lines[name].tobytes() for name in plain)
    assert plain["embeddings"].tobytes() != within["embeddings"].tobytes()
