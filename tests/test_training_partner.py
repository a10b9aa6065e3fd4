"""The n-gram partner of a network: what a run ends with is the mixture of both, and the network stays at hand."""

import json
import re
import time

import numpy as np
import pytest
from test_training import CERTAIN, SMALL, files_of, interrupt_at, model_bytes, random_text

import fflm
from fflm.api import train as api_train
from fflm.config import DataConfig, TokenizerConfig
from fflm.errors import ConfigError, Interrupted
from fflm.kernels._cache import KernelCache
from fflm.lm import Mixture, NeuralLanguageModel, NgramModel
from fflm.lm.mixture_weights import fit_weights, mixed_log_probs
from fflm.lm.ngram.table import count_ngrams
from fflm.model_file import MODEL
from fflm.text import Tokenizer, Vocabulary, load
from fflm.training import partner
from fflm.training.partner import Partner
from fflm.training.run_folder import CONFIG, LOG, NETWORK, REPORT, STATE

MIXED = SMALL | {"ngram_order": 3, "epochs": 2, "dropout": 0.1}
NUMBER = r"\d+\.\d\d"


def half_certain(path, words, seed) -> str:
    """Every other word follows a rule; those between are drawn at random."""
    drawn = np.random.default_rng(seed).integers(0, 40, words)
    path.write_text(" ".join(f"w{word}" if i % 2 else CERTAIN.split()[i // 2 % 12] for i, word in enumerate(drawn)))
    return str(path)


@pytest.fixture
def text(tmp_path) -> str:
    return half_certain(tmp_path / "text", 2400, seed=3)


# What a run ends with


def test_the_model_of_a_run_is_the_mixture(text, tmp_path):
    """In memory and on disk; the network lies beside it; every figure is that of its model, to the bit."""
    held_out = {name: half_certain(tmp_path / name, 1200, seed) for name, seed in (("valid", 4), ("test", 5))}
    model = fflm.train(text, **held_out, out=tmp_path / "run", **MIXED | {"epochs": 6, "learning_rate": 0.01})
    report = model.report
    assert files_of(tmp_path / "run") == [CONFIG, LOG, MODEL, NETWORK, REPORT, STATE]
    assert isinstance(model.lm, Mixture)
    network, ngram = model.lm.parts
    assert isinstance(network, NeuralLanguageModel) and isinstance(ngram, NgramModel) and ngram.table.order == 3
    mixture, alone = fflm.load(tmp_path / "run"), fflm.load(tmp_path / "run" / NETWORK)
    assert isinstance(alone.lm, NeuralLanguageModel)
    for found, figures in (
        (mixture, {"valid": report.valid, "test": report.test}),
        (alone, report.parts["network"]),
        (fflm.Model(ngram), report.parts["ngram"]),
    ):
        for name, source in held_out.items():
            assert found.perplexity(source).perplexity == figures[name]["perplexity"]
    assert (report.valid_perplexity, report.test_perplexity) == (report.valid["perplexity"], report.test["perplexity"])
    each = [part["valid"]["perplexity"] for part in report.parts.values()]
    assert report.valid_perplexity < 1.001 * min(each)  # weights are never quite 0: ten words count as even
    assert sum(part["weight"] for part in report.parts.values()) == pytest.approx(1.0)
    assert report.parts["ngram"]["ngrams"] == list(ngram.table.sizes) and report.parts["ngram"]["prune"] == []
    assert np.array_equal(report.weights, model.lm.weights)


def test_the_partner_is_the_model_that_fflm_ngram_makes(text, tmp_path):
    model = fflm.train(text, out=tmp_path / "run", **MIXED)
    other = fflm.ngram(text, vocab_of=tmp_path / "run", order=3, quiet=True)
    assert model.lm.parts[1].node_log_probs.tobytes() == other.lm.node_log_probs.tobytes()
    assert model.report.parts["ngram"]["valid"]["perplexity"] == other.report.valid["perplexity"]


def test_the_network_is_the_one_that_is_trained_alone(text, tmp_path):
    """The partner changes no bit of it, and no figure."""
    mixed = fflm.train(text, out=tmp_path / "mixed", **MIXED)
    alone = fflm.train(text, out=tmp_path / "alone", **MIXED | {"ngram_order": 0})
    assert (tmp_path / "mixed" / NETWORK).read_bytes() == model_bytes(tmp_path / "alone")
    assert files_of(tmp_path / "alone") == [CONFIG, LOG, MODEL, REPORT, STATE]
    assert (alone.report.parts, alone.report.weights) == ({}, None)
    assert alone.report.valid_perplexity == mixed.report.parts["network"]["valid"]["perplexity"]
    assert isinstance(alone.lm, NeuralLanguageModel)


def test_no_text_is_scored_twice(text, monkeypatch):
    """By the network: the validation text once an epoch, the test text once; by the partner: each once."""
    scored = []
    for kind in (NeuralLanguageModel, NgramModel):
        original = kind.log_probs

        def log_probs(model, ids, *rest, original=original, **options):
            scored.append((type(model), len(ids)))
            return original(model, ids, *rest, **options)

        monkeypatch.setattr(kind, "log_probs", log_probs)
    report = fflm.train(text, test=text, **MIXED).report
    valid, test = report.valid["tokens"], report.test["tokens"]
    assert scored == [(NgramModel, valid), (NgramModel, test), *[(NeuralLanguageModel, valid)] * 2] + [
        (NeuralLanguageModel, test)
    ]


def test_threads_change_no_bit_of_a_mixture(tmp_path):
    text = random_text(tmp_path / "text", 3000, kinds=300)
    for threads in (1, 2, 3):
        fflm.train(text, out=tmp_path / str(threads), threads=threads, min_count=1, **MIXED)
    assert model_bytes(tmp_path / "1") == model_bytes(tmp_path / "2") == model_bytes(tmp_path / "3")


# Stopped and resumed


@pytest.mark.parametrize("step", [0, 40, 72])
def test_ctrl_c_leaves_a_mixture_and_a_resumed_run_the_same_one(text, tmp_path, monkeypatch, step):
    options = MIXED | {"out": tmp_path / "run"}
    interrupt_at(monkeypatch, step)
    with pytest.raises(Interrupted) as caught:
        fflm.train(text, **options)
    monkeypatch.undo()
    assert isinstance(caught.value.model.lm, Mixture) and isinstance(fflm.load(tmp_path / "run").lm, Mixture)
    fflm.train(text, resume=True, **options)
    fflm.train(text, **options | {"out": tmp_path / "never"})
    for name in (MODEL, NETWORK):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "never" / name).read_bytes()


def test_a_finished_run_that_is_resumed_is_the_same(text, tmp_path):
    before = fflm.train(text, out=tmp_path / "run", **MIXED).report
    bytes_before = model_bytes(tmp_path / "run")
    after = fflm.train(text, out=tmp_path / "run", resume=True, **MIXED).report
    assert model_bytes(tmp_path / "run") == bytes_before
    assert (after.steps, after.valid_perplexity, after.weights) == (
        before.steps,
        before.valid_perplexity,
        before.weights,
    )


def test_a_run_may_lose_its_partner_and_get_one(text, tmp_path):
    """The partner is no part of training: a run of before there were partners is resumed with one."""
    run, alone = tmp_path / "run", MIXED | {"ngram_order": 0}
    fflm.train(text, out=run, **alone)
    assert isinstance(fflm.load(run).lm, NeuralLanguageModel)
    assert isinstance(fflm.train(text, out=run, resume=True, **MIXED).lm, Mixture)
    assert isinstance(fflm.load(run).lm, Mixture)
    fflm.train(text, out=run, resume=True, **alone)
    assert isinstance(fflm.load(run).lm, NeuralLanguageModel)
    assert files_of(run) == [CONFIG, LOG, MODEL, REPORT, STATE]


def test_a_killed_run_leaves_the_best_network(text, tmp_path, monkeypatch):
    """While it trains, the model of the run is the network; one of an earlier call is not left beside it."""
    fflm.train(text, out=tmp_path / "run", **MIXED)
    monkeypatch.setattr(Partner, "mix", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        fflm.train(text, out=tmp_path / "run", resume=True, **MIXED | {"epochs": 3})
    assert isinstance(fflm.load(tmp_path / "run").lm, NeuralLanguageModel)
    assert files_of(tmp_path / "run") == [CONFIG, LOG, MODEL, STATE]


# Little text


@pytest.mark.parametrize("boundary", ["line", "stream"])
@pytest.mark.parametrize("lines", ["a cat .\na dog .\nthe cat sat .\n", "a b\nb a\n", "x\n" * 300])
def test_little_text(tmp_path, lines, boundary):
    """No part is left without weight by a validation text of a word or two."""
    (tmp_path / "text").write_text(lines)
    options = {"context_size": 2, "embedding_dim": 3, "hidden_dims": 3, "epochs": 1, "boundary": boundary}
    model = fflm.train(str(tmp_path / "text"), min_count=1, quiet=True, **options)
    assert model.report.parts["ngram"]["order"] == 5
    if model.report.valid["tokens"] < 10:
        assert all(part["weight"] > 0.2 for part in model.report.parts.values())
    sums = model.lm.next_word(np.full((1, model.lm.reach), Vocabulary.BOS)).sum()
    assert sums == pytest.approx(1.0, abs=1e-5)


def test_unigrams_have_no_contexts_to_count(text):
    model = fflm.train(text, **MIXED | {"ngram_order": 1})
    assert len(model.report.weights) == 1


# The choice of the weights


@pytest.fixture
def ngram():
    """A trigram model of random words, and its text of 40 units of 100 words."""
    ids = np.random.default_rng(1).integers(3, 30, 4000).astype(np.int32)
    vocabulary = Vocabulary(["<unk>", "<s>", "</s>", *(f"w{i}" for i in range(27))])
    return NgramModel.kneser_ney(ids, 3, vocabulary, Tokenizer(TokenizerConfig())), ids, np.arange(0, 4001, 100)


def test_weights_by_count_are_taken_where_counts_tell_which_part_is_right(ngram):
    model, ids, starts = ngram
    often = model.context_counts(ids) > 5
    log_probs = np.log(np.where([often, ~often], 0.5, 0.01))
    chosen = Mixture.choose([model, model], ids, log_probs, starts)
    assert chosen.weights.shape == (16, 2) and chosen.weights[1, 0] < 0.1 < 0.9 < chosen.weights[3, 0]
    better = mixed_log_probs(log_probs, chosen.weights_at(ids)).mean()
    assert better > mixed_log_probs(log_probs, fit_weights(log_probs)).mean() + 0.1


def test_constant_weights_are_taken_where_the_other_half_says_so(ngram):
    """Counts tell which part is right in every other unit, and the contrary in the units between."""
    model, ids, starts = ngram
    first = (model.context_counts(ids) > 5) ^ (np.arange(4000) // 100 % 2 == 1)
    log_probs = np.log(np.where([first, ~first], 0.5, 0.01))
    chosen = Mixture.choose([model, model], ids, log_probs, starts)
    assert chosen.weights.shape == (1, 2)
    np.testing.assert_array_equal(chosen.weights, fit_weights(log_probs, even_words=10.0))  # of the whole text


def test_one_unit_has_no_halves(ngram):
    model, ids, _ = ngram
    often = model.context_counts(ids) > 5
    log_probs = np.log(np.where([often, ~often], 0.5, 0.01))
    assert Mixture.choose([model, model], ids, log_probs, np.array([0, 4000])).weights.shape == (1, 2)


def test_weights_of_few_words_stay_near_even():
    log_probs = np.log([[0.9], [0.001]])
    assert fit_weights(log_probs)[0, 0] == pytest.approx(1.0)
    assert fit_weights(log_probs, even_words=10.0)[0] == pytest.approx([6 / 11, 5 / 11], abs=0.01)


# Size and time


def test_a_large_partner_is_pruned(text, monkeypatch):
    corpus = load([text], None, None, TokenizerConfig(), DataConfig(), seed=1)
    table, _ = count_ngrams(corpus.train.ids, 5, len(corpus.vocabulary), corpus.train.breaks)
    assert Partner(corpus, 5).model.table.sizes == table.sizes
    monkeypatch.setattr(partner, "LARGEST", table.starts[2] + 50)
    small = Partner(corpus, 5)
    assert small.model.table.starts[-1] <= table.starts[2] + 50
    assert small.model.facts["prune"][:2] == [0, 0] and small.model.facts["prune"][2] >= 1


def test_minutes_hold_the_partner(text, tmp_path, monkeypatch):
    """Counting takes time from training, and time for fitting and writing is kept: a clock of fixed durations."""
    now = [1000.0]
    monkeypatch.setattr(KernelCache, "spans", [])  # they were measured by another clock
    for name in ("monotonic", "perf_counter"):
        monkeypatch.setattr(time, name, lambda: now[0])

    def takes(owner, name, seconds):
        original = getattr(owner, name)

        def call(*arguments, **options):
            now[0] += seconds(*arguments) if callable(seconds) else seconds
            return original(*arguments, **options)

        monkeypatch.setattr(owner, name, call)

    takes(fflm.nn.network.Network, "step", 0.1)
    takes(NeuralLanguageModel, "log_probs", lambda model, ids, *rest: 0.001 * len(ids))
    takes(NgramModel, "log_probs", lambda model, ids, *rest: 1e-6 * len(ids))
    takes(fflm.training.run_folder.RunFolder, "save_state", 0.2)
    takes(fflm.training.run_folder.RunFolder, "save_model", 0.2)
    takes(partner, "evaluate_tokens", 4.0)
    takes(api_train, "load_corpus", 5.0)
    report = fflm.train(text, test=text, out=tmp_path / "run", **MIXED | {"minutes": 1.0, "epochs": 9999}).report
    assert report.stopped == "minutes"
    assert 58.5 <= report.seconds <= 60.0


# Verbs that need a network take the mixture


def test_the_network_of_a_model(text, tmp_path):
    model = fflm.train(text, out=tmp_path / "run", **MIXED)
    loaded = fflm.load(tmp_path / "run")
    assert loaded.network.lm.parameters.keys() == model.network.lm.parameters.keys()
    assert (loaded.word_vectors().matrix == fflm.load(tmp_path / "run" / NETWORK).word_vectors().matrix).all()
    assert loaded.network.network.lm.reach == loaded.network.lm.reach
    ngram = fflm.ngram(text, order=2, quiet=True)
    with pytest.raises(ConfigError, match="^a model of kind 'n-gram model' has no network in it$"):
        _ = ngram.network


def test_commands_take_run_and_network(text, tmp_path, fflm_main):
    fflm.train(text, out=tmp_path / "run", **MIXED)
    run = tmp_path / "run"
    assert fflm_main("neighbors", run, "cat").out == fflm_main("neighbors", run / NETWORK, "cat").out != ""
    for model, out in ((run, "a.vec"), (run / NETWORK, "b.vec")):
        assert fflm_main("export", model, "--word2vec", tmp_path / out).code == 0
    assert (tmp_path / "a.vec").read_bytes() == (tmp_path / "b.vec").read_bytes()
    code, out, _ = fflm_main("compare", run, run / NETWORK, text, "--json")
    assert code == 0 and json.loads(out)["a"]["perplexity"] < json.loads(out)["b"]["perplexity"]
    assert fflm_main("perplexity", run, text).code == fflm_main("sample", run).code == 0


# The report of the command


def test_the_command_prints_three_perplexities(fflm_main, text, tmp_path):
    small = ["--context-size", 2, "--embedding-dim", 4, "--hidden-dims", 8, "--batch-size", 32, "--epochs", 1]
    code, out, err = fflm_main("train", text, "--out", tmp_path / "run", "--test", text, *small, "--ngram-order", 3)
    assert code == 0, err
    assert re.search(r"^n-gram model: [\d,]+ n-grams of up to 3 words, validation \d+\.\d$", err, re.MULTILINE)
    lines = out.splitlines()
    assert lines.pop(1).startswith("plan         context 2, ")
    assert [line[:12].strip() for line in lines[:9]] == [
        *("run", "network", "n-grams", "mixture", "training", "validation", "", "test", ""),
    ]
    assert re.fullmatch(r"n-grams      [\d,]+ of up to 3 words, Kneser-Ney", lines[2])
    assert re.fullmatch(rf"mixture      {NUMBER} network \+ {NUMBER} n-gram model( on average, by .* seen)?", lines[3])
    for line in (lines[6], lines[8]):
        assert re.fullmatch(rf" {{13}}\(network alone {NUMBER}, n-gram model alone {NUMBER}\)", line)
    report = json.loads(fflm_main("train", text, "--out", tmp_path / "json", *small, "--ngram-order", 3, "--json").out)
    assert list(report["parts"]) == ["network", "ngram"] and report["parts"]["ngram"]["test"] is None
    assert report["weights"] and report["valid_perplexity"] == report["valid"]["perplexity"]


@pytest.mark.parametrize("size", [5_000, 150_000])
def test_texts_of_a_lab_class_are_told_that_an_n_gram_model_does_better(tmp_path, size):
    """Where the network alone is worse than the n-gram model on a small text, the report says so, with the steps."""
    words, generator = [f"word{i}" for i in range(400)], np.random.default_rng(1)
    following = generator.integers(0, 400, (400, 3))
    text, word = [], 0
    while sum(map(len, text)) + len(text) < size:
        word = int(following[word, generator.integers(0, 3)])
        text.append(words[word])
    (tmp_path / "text.txt").write_text(" ".join(text))
    report = fflm.train(tmp_path / "text.txt", quiet=True, epochs=1).report
    network, ngram = (report.parts[name]["valid"]["perplexity"] for name in ("network", "ngram"))
    notes = [note for note in report.notes if note.startswith("the training text is small, ")]
    assert network > ngram and len(notes) == 1
    assert f", which makes {report.steps:,} steps: the n-gram model alone (validation {ngram:.1f})" in notes[0]
