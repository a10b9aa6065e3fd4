"""Dynamic evaluation against steps written out, and what it must never do: learn from what it has not scored."""

import math

import numpy as np
import pytest
import reference
from test_lm_mixture import EOS, VOCAB, Parts, by_count, text

from fflm.config import DynamicConfig, ModelConfig, TokenizerConfig
from fflm.errors import ConfigError, DivergenceError
from fflm.lm import DynamicModel, Mixture, NeuralCacheModel, NeuralLanguageModel, contexts_at, dynamic_evaluation
from fflm.lm.contexts import within_unit
from fflm.model_file import save_model
from fflm.nn.language_model import initialise
from fflm.text import Tokenizer, Vocabulary

IDS = text(70, 5)


@pytest.fixture(scope="module")
def parts():
    return Parts()


def network(threads=None, vocab_size=VOCAB, **shape):
    words = ["<unk>", "<s>", "</s>", *map(str, range(vocab_size - 3))]
    config = ModelConfig(**({"context_size": 3, "bag_size": 0, "embedding_dim": 4, "hidden_dims": 6} | shape))
    parameters = initialise(config, np.ones(vocab_size, np.int64), seed=1)
    return NeuralLanguageModel(
        config, Vocabulary(words), Tokenizer(TokenizerConfig(boundary="line")), parameters, threads
    )


@pytest.mark.parametrize("clip_norm", [0.3, 2.0])
def test_equals_steps_written_out(clip_norm):
    """Each segment is scored with the parameters that steps of SGD on the segments before it have left."""
    model, rate, segment = network(direct=True), 0.5, 16
    parameters = {name: value.astype(np.float64) for name, value in model.parameters.items()}
    contexts = within_unit(contexts_at(IDS, np.arange(len(IDS)), 3))
    expected, norms = [], []
    for first in range(0, len(IDS), segment):
        part = contexts[first : first + segment], IDS[first : first + segment], "tanh", True
        expected.extend(reference.log_probs(parameters, *part))
        gradients = reference.gradients(parameters, *part)
        norms.append(math.sqrt(sum((grad**2).sum() for grad in gradients.values())))
        for name, grad in gradients.items():
            parameters[name] -= rate * min(1.0, clip_norm / norms[-1]) * grad
    assert any(norm > clip_norm for norm in norms) == (clip_norm < 1.0)
    found = DynamicModel(model, rate, segment, clip_norm).log_probs(IDS)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert np.abs(found - model.log_probs(IDS))[segment:].max() > 0.1


def test_nothing_is_learned_from_a_word_before_it_is_scored(parts):
    """A later word that is changed leaves every earlier probability as it was, to the bit; a later one changes."""
    model = DynamicModel(parts.network, 0.3, 8)
    before = model.log_probs(IDS)
    for place in (0, 7, 8, 33, len(IDS) - 1):
        changed = IDS.copy()
        changed[place] = 3 + (changed[place] + 1) % (VOCAB - 3)
        after = model.log_probs(changed)
        assert after[:place].tobytes() == before[:place].tobytes()
        assert after[place] != before[place]
        end = (place // 8 + 1) * 8  # from here on the parameters are others
        assert (after[end:] != before[end:]).all()


def test_the_network_is_not_changed(parts):
    kept = parts.network.parameters.snapshot()
    model = DynamicModel(parts.network, 0.3, 8)
    first, again = model.log_probs(IDS), model.log_probs(IDS)
    assert first.tobytes() == again.tobytes()
    assert all(value.tobytes() == kept[name].tobytes() for name, value in parts.network.parameters.items())


def test_the_first_segment_and_a_rate_of_0_are_plain_evaluation(parts):
    plain = parts.network.log_probs(IDS)
    np.testing.assert_allclose(DynamicModel(parts.network, 0.3, 8).log_probs(IDS)[:8], plain[:8], rtol=1e-6)
    np.testing.assert_allclose(DynamicModel(parts.network, 0.0, 8).log_probs(IDS), plain, rtol=1e-6)


def test_the_same_bits_for_every_number_of_threads():
    found = {DynamicModel(network(n, vocab_size=300), 0.3, 8).log_probs(IDS).tobytes() for n in (1, 2, 3)}
    assert len(found) == 1


def test_what_follows_a_break_is_scored_as_if_it_stood_alone(parts):
    """Nothing is learned across a break, though across the ends of lines."""
    model, breaks = DynamicModel(parts.network, 0.3, 8), np.array([3, 35], np.int64)
    apart = np.concatenate([model.log_probs(part) for part in np.split(IDS, breaks)])
    assert model.log_probs(IDS, breaks=breaks).tobytes() == apart.tobytes()
    assert EOS in IDS and not np.allclose(model.log_probs(IDS), apart)


def test_progress_counts_every_word(parts):
    done = []
    DynamicModel(parts.network, 0.3, 8).log_probs(IDS, done.append, np.array([3, 35]))
    assert sum(done) == len(IDS)
    assert len(DynamicModel(parts.network).log_probs(IDS[:0])) == 0


def test_a_repetitive_text_becomes_likely():
    ids = np.tile(np.array([3, 4, 5, 3, 6, 7], np.int32), 60)
    model = network()
    plain, dynamic = (-each.log_probs(ids).mean() for each in (model, DynamicModel(model, 0.5, 8)))
    assert math.exp(plain) > 6 and math.exp(dynamic) < 3


def test_divergence_names_the_token_and_what_to_do():
    message = r"^dynamic evaluation diverged at token 9 with learning rate 1e\+30; give a smaller dynamic_rate$"
    with pytest.raises(DivergenceError, match=message):
        DynamicModel(network(), 1e30, 8).log_probs(IDS)


def test_one_word_after_contexts_is_that_of_the_trained_network(parts):
    model, contexts = DynamicModel(parts.network, 0.3, 8), contexts_at(IDS, np.arange(9), parts.network.reach)
    with model.session() as scorer:
        assert scorer.next_word(contexts).tobytes() == parts.network.next_word(contexts).tobytes()
        assert scorer.log_probs(IDS).tobytes() == model.log_probs(IDS).tobytes()
    assert model.describe()["kind"] == "dynamic neural" and model.describe()["rate"] == 0.3


def test_in_a_mixture_networks_are_adapted_and_all_else_stays(parts):
    cache = NeuralCacheModel(parts.network, 20)
    inner = Mixture([parts.trigram, parts.network], by_count(2))
    mixture = Mixture([parts.network, inner, cache], np.array([[0.2, 0.5, 0.3]]))
    found = dynamic_evaluation(mixture, 0.3, 8)
    dynamic = DynamicModel(parts.network, 0.3, 8).log_probs(IDS)
    weights = inner.weights_at(IDS)
    expected = 0.2 * np.exp(dynamic) + 0.3 * np.exp(cache.log_probs(IDS))
    expected += 0.5 * (weights[:, 0] * np.exp(parts.trigram.log_probs(IDS)) + weights[:, 1] * np.exp(dynamic))
    np.testing.assert_allclose(np.exp(found.log_probs(IDS)), expected, rtol=1e-9)
    assert mixture.parts[0] is parts.network and inner.parts[1] is parts.network
    assert dynamic_evaluation(parts.trigram) is parts.trigram


def test_it_is_never_saved(parts, tmp_path):
    message = "^a model of kind 'dynamic neural' can't be saved; save the model that it was made from$"
    for model in (DynamicModel(parts.network), Mixture([DynamicModel(parts.network)], np.ones((1, 1)))):
        with pytest.raises(ConfigError, match=message):
            save_model(model, tmp_path / "model")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("options", "message"), [
    ({"dynamic_rate": 0.1}, "^dynamic_rate must not be given without dynamic; add it$"),
    ({"dynamic_segment": 9}, "^dynamic_segment must not be given without dynamic; add it$"),
    ({"dynamic": True, "dynamic_rate": 0}, "^dynamic_rate must be above 0"),
    ({"dynamic": True, "dynamic_segment": 0}, "^dynamic_segment must be at least 1, got 0$"),
    ({"dynamic": 0.5}, "^dynamic must be True or False, got 0.5$"),
])  # fmt: skip
def test_options(options, message):
    with pytest.raises(ConfigError, match=message):
        DynamicConfig(**options)
