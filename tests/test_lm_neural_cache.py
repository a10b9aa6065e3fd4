"""The continuous cache against a loop over the words before, in mixtures, and in model files."""

import json

import numpy as np
import pytest
import reference
from test_lm_mixture import EOS, UNK, VOCAB, Parts, text
from test_model_file import contents

from fflm.config import ModelConfig, NeuralCacheConfig
from fflm.errors import ConfigError, ModelFileError
from fflm.lm import CacheModel, Mixture, NeuralCacheModel, NeuralLanguageModel, contexts_at, network_in, neural_cache
from fflm.lm.contexts import within_unit
from fflm.model_file import load_model, save_model
from fflm.nn.language_model import initialise
from fflm.storage.tensors import write_tensors

IDS = text(120, 5)
each_size = pytest.mark.parametrize("size", [1, 7, 1000])
each_theta = pytest.mark.parametrize("theta", [0.0, 1.0, 20.0, 300.0])


@pytest.fixture(scope="module")
def parts():
    return Parts()


def distributions(model, size, theta, ids=IDS):
    """P of every word at every place, the slow way."""
    contexts = within_unit(contexts_at(ids, np.arange(len(ids)), model.reach))
    _, (*_, rows) = reference.forward(model.parameters, contexts, model.config.activation, model.config.direct)
    return np.array([reference.neural_cache_probs(rows, ids[:t], size, theta, VOCAB) for t in range(len(ids))])


def other_network(parts, **shape):
    config = ModelConfig(**({"context_size": 2, "bag_size": 4, "embedding_dim": 4} | shape))
    parameters = initialise(config, np.ones(VOCAB, np.int64), seed=3)
    return NeuralLanguageModel(config, *parts.shared, parameters)


@each_theta
@each_size
def test_probabilities_equal_a_loop_over_the_words_before(parts, size, theta):
    expected = distributions(parts.network, size, theta)[np.arange(len(IDS)), IDS]
    found = np.exp(NeuralCacheModel(parts.network, size, theta).log_probs(IDS))
    np.testing.assert_allclose(found, expected, rtol=1e-5 * (1 + theta), atol=0)
    assert (found == 0).any() and (found > 0).any()


@each_theta
@each_size
def test_distributions_equal_a_loop_and_sum_to_one(parts, size, theta):
    model = NeuralCacheModel(parts.network, size, theta)
    probabilities = model.next_word(contexts_at(IDS, np.arange(len(IDS)), model.reach))
    assert probabilities.dtype == np.float32 and probabilities.shape == (len(IDS), VOCAB)
    np.testing.assert_allclose(
        probabilities, distributions(parts.network, size, theta), rtol=1e-5 * (1 + theta), atol=1e-37
    )
    np.testing.assert_allclose(probabilities.sum(axis=1, dtype=np.float64), 1.0, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "shape", [{"activation": "relu", "hidden_dims": (9, 5)}, {"hidden_dims": (6,), "direct": True}]
)
def test_networks_of_any_shape(parts, shape):
    network = other_network(parts, **shape)
    expected = distributions(network, 30, 5.0)
    model = NeuralCacheModel(network, 30, 5.0)
    np.testing.assert_allclose(np.exp(model.log_probs(IDS)), expected[np.arange(len(IDS)), IDS], rtol=1e-4)
    np.testing.assert_allclose(model.next_word(contexts_at(IDS, np.arange(len(IDS)), model.reach)), expected, rtol=1e-4)


def test_features_of_0_are_similar_to_nothing(parts):
    network = other_network(parts, activation="relu", hidden_dims=(4,))
    network.parameters["hidden.0.bias"][:] = -100.0
    np.testing.assert_allclose(
        NeuralCacheModel(network, 30, 9.0).log_probs(IDS), CacheModel(*parts.shared, 30).log_probs(IDS), rtol=1e-12
    )


def test_without_similarity_it_is_the_unigram_cache(parts):
    found = NeuralCacheModel(parts.network, 30, 0.0).log_probs(IDS)
    np.testing.assert_allclose(found, CacheModel(*parts.shared, 30).log_probs(IDS), rtol=1e-12)


def test_similar_contexts_count_more(parts):
    """After "a b" stood before c, and "d e" before f: "a b" again makes c likelier than f."""
    a, b, c, d, e, f = range(3, 9)
    ids = np.array([a, b, c, EOS, d, e, f, EOS, a, b, c], np.int32)
    found = NeuralCacheModel(parts.network, 10, 50.0).log_probs(ids)
    swapped = np.append(ids[:-1], f).astype(np.int32)
    assert np.exp(found[-1]) > 0.9 and np.exp(NeuralCacheModel(parts.network, 10, 50.0).log_probs(swapped)[-1]) < 0.1


def test_many_thetas_at_once_have_the_bits_of_each(parts):
    thetas = np.array([0.0, 3.0, 40.0])
    model = NeuralCacheModel(parts.network, 20)
    for theta, row in zip(thetas, model.log_probs_by_theta(thetas, IDS), strict=True):
        assert row.tobytes() == model.with_theta(theta).log_probs(IDS).tobytes()


def test_a_later_word_does_not_count(parts):
    model = NeuralCacheModel(parts.network, 20)
    before, changed = model.log_probs(IDS), IDS.copy()
    changed[60] = EOS if changed[60] != EOS else UNK
    assert model.log_probs(changed)[:60].tobytes() == before[:60].tobytes()
    assert model.log_probs(changed)[60:].tobytes() != before[60:].tobytes()


def test_the_same_bits_for_every_number_of_threads(parts):
    long = text(700, 9)  # several batches
    found = set()
    for threads in (1, 2, 3):
        network = NeuralLanguageModel(parts.network.config, *parts.shared, parts.network.parameters, threads)
        found.add(NeuralCacheModel(network, 300).log_probs(long).tobytes())
    assert len(found) == 1


def test_features_that_are_moved_are_the_same(parts, monkeypatch):
    """A long text: only the features of the last N places are kept."""
    long, model = text(2000, 9), NeuralCacheModel(parts.network, 10)
    whole = model.log_probs(long)
    monkeypatch.setattr(neural_cache, "BLOCK", neural_cache.LARGE_BATCH)
    assert model.log_probs(long).tobytes() == whole.tobytes()


def test_it_stops_at_a_break_and_not_at_the_end_of_a_line(parts):
    model, breaks = NeuralCacheModel(parts.network, 20), np.array([1, 40], np.int64)
    apart = np.concatenate([model.log_probs(part) for part in np.split(IDS, breaks)])
    assert model.log_probs(IDS, breaks=breaks).tobytes() == apart.tobytes()
    end = int(np.flatnonzero(IDS == EOS)[2]) + 1
    assert model.log_probs(IDS)[end] != model.log_probs(IDS[end:])[0]
    one_by_one = model.next_word(contexts_at(IDS, np.arange(len(IDS)), model.reach, breaks))[np.arange(len(IDS)), IDS]
    np.testing.assert_allclose(np.exp(apart), one_by_one, rtol=1e-5, atol=1e-37)


def test_before_the_first_word_all_but_s_are_equally_likely(parts):
    model = NeuralCacheModel(parts.network, 5)
    expected = np.full(VOCAB, 1 / (VOCAB - 1), np.float32)
    expected[1] = 0
    assert model.next_word(np.full((2, model.reach), 1)).tolist() == [expected.tolist()] * 2
    assert np.exp(model.log_probs(IDS[:1])) == pytest.approx([1 / (VOCAB - 1)])
    assert len(model.log_probs(IDS[:0])) == 0


def test_progress_counts_every_word(parts):
    done = []
    NeuralCacheModel(parts.network, 5).log_probs(text(700, 9), done.append)
    assert sum(done) == 700


# In mixtures


@pytest.fixture
def mixture(parts):
    inner = Mixture([parts.trigram, parts.network], np.array([[0.4, 0.6]]))
    second = other_network(parts)
    caches = [NeuralCacheModel(parts.network, 30, 8.0), NeuralCacheModel(second, 20, 4.0)]
    return Mixture([inner, second, *caches], np.array([[0.4, 0.3, 0.2, 0.1]]))


def test_in_a_mixture_the_probabilities_of_all_words_sum_to_one(mixture):
    contexts = contexts_at(IDS, np.arange(len(IDS)), mixture.reach)
    with mixture.session(4) as scorer:
        probabilities = scorer.next_word(contexts)
    np.testing.assert_allclose(probabilities.sum(axis=1, dtype=np.float64), 1.0, atol=1e-5)
    found = probabilities[np.arange(len(IDS)), IDS]
    np.testing.assert_allclose(np.exp(mixture.log_probs(IDS)), found, rtol=1e-4)


def test_saved_and_loaded_with_the_networks_it_reads(mixture, tmp_path):
    """A cache names its network, which the file holds once."""
    save_model(mixture, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert loaded.log_probs(IDS).tobytes() == mixture.log_probs(IDS).tobytes()
    assert loaded.parts[2].network is loaded.parts[0].parts[1] and loaded.parts[3].network is loaded.parts[1]
    arrays, metadata = contents(tmp_path / "model")
    assert not [name for name in arrays if name.startswith(("2.", "3."))]
    assert json.loads(metadata["fflm"])["parts"][2] == {
        "kind": "neural cache",
        "neural_cache": {"neural_cache": 30, "neural_cache_theta": 8.0},
        "network": [0, 1],
    }
    assert loaded.describe() == mixture.describe()
    assert loaded.describe()["parts"][2] == {"kind": "neural cache", "parameters": 0, "size": 30, "theta": 8.0}


def test_it_is_saved_after_its_network_only(parts, tmp_path):
    cache = NeuralCacheModel(parts.network, 30)
    message = "^a neural cache can only be saved in a mixture, after the network whose features it reads$"
    for model in (cache, Mixture([cache, parts.network], np.array([[0.5, 0.5]])), Mixture([cache], np.ones((1, 1)))):
        with pytest.raises(ConfigError, match=message):
            save_model(model, tmp_path / "model")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("change", "message"), [
    ({"network": []}, r"network must be the place of a network among the parts before, got \[\]"),
    ({"network": [0]}, "network must be the place"),
    ({"network": [0, 0]}, "network must be the place"),
    ({"network": [0, 1, 0]}, "network must be the place"),
    ({"network": [0, -1]}, "network must be the place"),
    ({"network": [0, True]}, "network must be the place"),
    ({"network": [2]}, "network must be the place"),
    ({"network": None}, "network must be the place"),
    ({"neural_cache": {"neural_cache": 30}}, "neural_cache and neural_cache_theta must not be None"),
    ({"neural_cache": {"neural_cache": 0, "neural_cache_theta": 1.0}}, "neural_cache must be at least 1, got 0"),
    ({"neural_cache": {"neural_cache": 3, "neural_cache_theta": 1e9}}, "neural_cache_theta must be at most 300.0"),
    ({"neural_cache": {"size": 3}}, "unknown option 'size'"),
])  # fmt: skip
def test_damaged(mixture, tmp_path, change, message):
    save_model(mixture, tmp_path / "model")
    arrays, metadata = contents(tmp_path / "model")
    description = json.loads(metadata["fflm"])
    description["parts"][2] |= change
    kind = description.pop("kind")
    description.pop("version")
    write_tensors(tmp_path / "damaged", arrays, kind, description)
    with pytest.raises(ModelFileError, match=f"is damaged: {message}"):
        load_model(tmp_path / "damaged")


def test_the_network_in_a_mixture(parts, mixture):
    assert network_in(mixture) is parts.network and network_in(parts.network) is parts.network
    assert network_in(parts.trigram) is None and network_in(parts.cache) is None


@pytest.mark.parametrize(("options", "message"), [
    ({"neural_cache_theta": 1}, "^neural_cache_theta must not be given without neural_cache; give the size"),
    ({"neural_cache_weight": 0.1}, "^neural_cache_weight must not be given without neural_cache"),
    ({"neural_cache": 0}, "^neural_cache must be at least 1, got 0$"),
    ({"neural_cache": 9, "neural_cache_theta": -1}, "^neural_cache_theta must be at least 0.0, got -1$"),
    ({"neural_cache": 9, "neural_cache_weight": 1}, "^neural_cache_weight must be below 1.0, got 1$"),
])  # fmt: skip
def test_options(options, message):
    with pytest.raises(ConfigError, match=message):
        NeuralCacheConfig(**options)
