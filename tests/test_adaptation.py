"""Dynamic evaluation and the continuous cache as options of perplexity, score and mix."""

import json
import re

import numpy as np
import pytest

import fflm
from fflm.api.adaptation import adapted
from fflm.api.mix import THETAS
from fflm.config.adaptation import RATE, SEGMENT, THETA, WEIGHT
from fflm.errors import ConfigError, FflmError
from fflm.lm import CacheModel, DynamicModel, Mixture, NeuralCacheModel

OPTIONS = {"dynamic": True, "dynamic_rate": 0.2, "dynamic_segment": 16, "neural_cache": 50, "neural_cache_theta": 5.0}
FLAGS = [*"--dynamic --dynamic-rate 0.2 --dynamic-segment 16 --neural-cache 50 --neural-cache-theta 5".split()]


def bytes_of(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_defaults_and_options_reach_the_models(models):
    network = models["neural"].lm
    assert adapted(network, {}) is network
    dynamic = adapted(network, {"dynamic": True})
    assert isinstance(dynamic, DynamicModel) and (dynamic.rate, dynamic.segment) == (RATE, SEGMENT)
    mixture = adapted(network, {"neural_cache": 50})
    assert mixture.parts[0] is network and mixture.parts[1].network is network
    assert (mixture.parts[1].size, mixture.parts[1].theta) == (50, THETA)
    assert mixture.weights.tolist() == [[1 - WEIGHT, WEIGHT]]
    mixture = adapted(network, OPTIONS | {"neural_cache_weight": 0.3})
    assert (mixture.parts[0].rate, mixture.parts[0].segment, mixture.parts[1].theta) == (0.2, 16, 5.0)
    assert mixture.weights.tolist() == [[0.7, 0.3]]
    assert adapted(network, {"dynamic": False}) is network


def test_in_a_saved_mixture_the_network_is_adapted_and_cached(models):
    """The weights of the mixture stay as they are; the cache is mixed with it."""
    lm = models["by-count"].lm
    found = adapted(lm, OPTIONS)
    assert isinstance(found.parts[0], Mixture) and isinstance(found.parts[0].parts[0], DynamicModel)
    assert found.parts[0].weights is lm.weights and found.parts[1].network is lm.parts[0]
    assert found.parts[0].parts[1:] == lm.parts[1:]


def test_perplexity_and_score_have_the_same_sum(here):
    model = fflm.load("neural")
    plain, report = model.perplexity("valid.txt"), model.perplexity("valid.txt", **OPTIONS)
    scores = fflm.score("neural", "valid.txt", **OPTIONS)
    assert model.score("valid.txt", **OPTIONS).bits.tobytes() == scores.bits.tobytes()
    assert report.cross_entropy_nats == scores.report.cross_entropy_nats != plain.cross_entropy_nats
    assert report.bits_per_token == pytest.approx(scores.bits.mean(), rel=1e-12)
    assert model.perplexity("valid.txt").cross_entropy_nats == plain.cross_entropy_nats  # nothing was learned


def test_a_text_unlike_the_training_text_gets_likelier(here):
    (here / "new.txt").write_text("mat dog it the\n" * 60)
    plain = fflm.load("neural").perplexity("new.txt").perplexity
    for options in ({"dynamic": True}, {"neural_cache": 50}, {"dynamic": True, "neural_cache": 50}):
        assert fflm.load("neural").perplexity("new.txt", **options).perplexity < 0.5 * plain


def test_the_commands_print_what_python_computes(here, fflm_main):
    before = bytes_of(here)
    expected = fflm.load("neural").perplexity("valid.txt", **OPTIONS)
    code, out, err = fflm_main("perplexity", "neural", "valid.txt", *FLAGS)
    assert code == 0 and err.startswith("speed")
    assert f"\nperplexity              {expected.perplexity:.3f}\n" in out
    assert out.splitlines()[1] == f"with                    {' '.join(FLAGS)}.0"
    report = json.loads(fflm_main("perplexity", "neural", "valid.txt", *FLAGS, "--json").out)
    assert report["perplexity"] == expected.perplexity and report["options"] == OPTIONS
    code, out, err = fflm_main("score", "neural", "valid.txt", *FLAGS)
    assert code == 0 and f"perplexity {expected.perplexity:.3f}" in err
    bits = [float(line.split("\t")[-1]) for line in out.splitlines()[1:]]
    assert np.mean(bits) == pytest.approx(expected.bits_per_token, abs=1e-5)
    assert json.loads(fflm_main("score", "neural", "valid.txt", *FLAGS, "--json").out)["options"] == OPTIONS
    assert bytes_of(here) == before


def test_the_same_bits_for_every_number_of_threads(here, fflm_main):
    found = {fflm_main("score", "mixture", "valid.txt", *FLAGS, "--threads", n).out for n in (1, 2, 3)}
    assert len(found) == 1


# mix


def test_mix_fits_weight_and_theta(here):
    """No other theta of the list, with its own best weights, makes the text more probable."""
    model = fflm.mix("neural", "kn", valid="valid.txt", neural_cache=30, out="new", quiet=True)
    assert [part["name"] for part in model.report.parts] == ["neural", "n-gram", "neural cache"]
    assert model.report.parts[2]["model"] is None
    found = {
        theta: fflm.mix("neural", "kn", valid="valid.txt", neural_cache=30, neural_cache_theta=theta, quiet=True)
        for theta in THETAS
    }
    perplexities = {theta: mixture.report.valid["perplexity"] for theta, mixture in found.items()}
    best = min(perplexities, key=perplexities.get)
    assert model.lm.parts[2].theta == best and model.report.valid["perplexity"] == perplexities[best]
    without = fflm.mix("neural", "kn", valid="valid.txt", quiet=True).report.valid["perplexity"]
    assert perplexities[best] < without
    loaded = fflm.load("new")
    assert isinstance(loaded.lm.parts[2], NeuralCacheModel) and loaded.lm.parts[2].network is loaded.lm.parts[0]
    again = loaded.perplexity("valid.txt").perplexity
    assert again == pytest.approx(perplexities[best], rel=1e-9)


def test_a_mixture_can_have_both_caches_and_the_network_of_a_mixture(here):
    model = fflm.mix("mixture", "kn", valid="valid.txt", cache=9, neural_cache=30, out="new", quiet=True)
    names = [part["name"] for part in model.report.parts]
    assert names == ["mixture", "n-gram", "cache", "neural cache"]
    loaded = fflm.load("new").lm
    assert isinstance(loaded.parts[2], CacheModel) and loaded.parts[3].network is loaded.parts[0].parts[0]
    assert loaded.weights.sum() == pytest.approx(1)


def test_mix_with_dynamic_evaluation_keeps_the_network_as_trained(here, fflm_main):
    before = (here / "neural").read_bytes()
    code, out, err = fflm_main(
        "mix", "neural", "kn", "--valid", "valid.txt", "--test", "train.txt", "--out", "new", "--dynamic"
    )
    assert code == 0 and (here / "neural").read_bytes() == before
    assert "weights and figures are those of dynamic evaluation, the networks in the mixture are as trained" in err
    assert "choose dynamic evaluation for perplexity and score too" in err
    model, trained = fflm.load("new"), fflm.load("neural")
    for name, value in trained.lm.parameters.items():
        assert model.lm.parts[0].parameters[name].tobytes() == value.tobytes()
    for text, line in (("valid.txt", "validation"), ("train.txt", "test")):
        figure = float(re.search(rf"^{line} +perplexity ([0-9.]+)", out, re.MULTILINE)[1])
        followed = model.perplexity(text, dynamic=True).perplexity
        assert followed == pytest.approx(figure, abs=0.006) and followed != model.perplexity(text).perplexity


# Errors


@pytest.mark.parametrize(("flags", "message"), [
    (["--dynamic"], "--dynamic needs a network, or a mixture with one, got n-gram model"),
    (["--neural-cache", 9], "--neural-cache needs a network, or a mixture with one, got n-gram model"),
    (["--dynamic-rate", 1], "--dynamic-rate must not be given without --dynamic; add it"),
    (["--neural-cache-weight", 0.5], "--neural-cache-weight must not be given without --neural-cache; "
     "give the size of the cache"),
    (["--neural-cache", 9, "--neural-cache-weight", 2], "--neural-cache-weight must be below 1.0, got 2.0"),
])  # fmt: skip
@pytest.mark.parametrize("verb", ["perplexity", "score"])
def test_errors_of_the_commands(here, fflm_main, verb, flags, message):
    code, out, err = fflm_main(verb, "kn", "valid.txt", *flags)
    assert (code, out, err) == (1, "", f"fflm: error: {message}\n")


def test_errors_of_mix(here, fflm_main):
    base = ["mix", "kn", "unigram", "--valid", "valid.txt", "--out", "new"]
    for flags in (["--dynamic"], ["--neural-cache", 9]):
        code, out, err = fflm_main(*base, *flags)
        message = f"{flags[0]} needs a network, or a mixture with one, got n-gram model, n-gram model"
        assert (code, out, err) == (1, "", f"fflm: error: {message}\n")
    with pytest.raises(ConfigError, match="^neural_cache_weight is fitted here, got 0.5; leave it out$"):
        fflm.mix("neural", valid="valid.txt", neural_cache=9, neural_cache_weight=0.5)
    assert not (here / "new").exists()


def test_the_page_shows_the_model_as_it_is(here, fflm_main):
    code, out, err = fflm_main("score", "neural", "valid.txt", "--html", "page.html", "--dynamic")
    assert code == 1 and err.startswith("fflm: error: --html must not be given with --dynamic: the alternatives on ")
    assert not (here / "page.html").exists()
    assert fflm_main("score", "adaptive", "valid.txt", "--html", "page.html").code == 0


def test_unknown_options(models, here):
    with pytest.raises(
        FflmError, match="^unknown option 'dynamics', expected one of dynamic, .*; did you mean dynamic"
    ):
        models["neural"].perplexity("valid.txt", dynamics=True)
