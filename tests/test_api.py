"""n-gram models and mixtures from Python: what is made, from what, what is said of it, and what is refused."""

import gzip
import io
import json
import math
import os
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import CYCLE, noisy

import fflm
from fflm.config import DataConfig, TokenizerConfig
from fflm.errors import ConfigError, FflmError, ModelFileError, TextError
from fflm.lm import InterpolatedNgramModel, NgramModel
from fflm.text import encode, load

IDS = np.random.default_rng(1).integers(2, 13, 300).astype(np.int32)


@pytest.fixture
def refused(here):
    """``refused(message, function, ...)``: an FflmError of that one line; every file stays as it was, none is new."""

    def refused(message, function, *arguments, error=FflmError, **options):
        def files():
            return {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}

        before = files()
        with pytest.raises(error, match=message) as caught:
            function(*arguments, **options)
        assert "\n" not in str(caught.value)
        assert files() == before

    return refused


def bits(model):
    return model.lm.log_probs(IDS).tobytes()


# n-gram models


@pytest.mark.parametrize("boundary", ["stream", "line"])
@pytest.mark.parametrize("order", [1, 2, 5])
def test_kneser_ney_is_estimated_from_what_is_not_held_out(here, order, boundary):
    """The same words and units that `fflm.train` would take with this seed."""
    model = fflm.ngram("train.txt", order=order, boundary=boundary, seed=7, quiet=True)
    corpus = load(["train.txt"], None, None, TokenizerConfig(boundary=boundary), DataConfig(), seed=7)
    breaks = corpus.train.breaks
    expected = NgramModel.kneser_ney(corpus.train.ids, order, corpus.vocabulary, model.lm.tokenizer, breaks=breaks)
    ids = corpus.valid.ids
    assert model.lm.log_probs(ids).tobytes() == expected.log_probs(ids).tobytes()
    assert model.lm.vocabulary.words == corpus.vocabulary.words
    assert model.lm.tokenizer.config == TokenizerConfig(boundary=boundary)
    assert model.report.valid["cross_entropy_nats"] == -expected.log_probs(ids).mean()
    assert (model.report.train_tokens, model.report.valid["tokens"]) == (len(corpus.train), len(corpus.valid))
    assert len(model.examples()) == 3


def test_interpolated_weights_are_fitted_on_the_validation_text(here):
    model = fflm.ngram("train.txt", valid="valid.txt", smoothing="interpolated", order=2, quiet=True)
    corpus = load(["train.txt"], ["valid.txt"], None, TokenizerConfig(), DataConfig(), seed=1)
    ids = (corpus.train.ids, corpus.valid.ids)
    expected = InterpolatedNgramModel.fit(*ids, 2, corpus.vocabulary, model.lm.tokenizer)
    assert model.lm.weights.tolist() == expected.weights.tolist()
    assert model.lm.log_probs(ids[1]).tobytes() == expected.log_probs(ids[1]).tobytes()


def test_the_split_is_that_of_training(here, models):
    """Vocabulary with its counts, as in the run that `fflm.train` made of the same text."""
    Path("text.txt").write_text(CYCLE * 100)
    model = fflm.ngram("text.txt", order=2, quiet=True)
    trained = models["neural"].lm.vocabulary
    assert model.lm.vocabulary.words == trained.words
    assert model.lm.vocabulary.counts.tolist() == trained.counts.tolist()


def test_defaults(here):
    assert fflm.ngram("train.txt", quiet=True).report.order == 5
    assert fflm.ngram("train.txt", quiet=True, smoothing="interpolated").report.order == 3


def test_vocabulary_and_tokenizer_of_another_model(here, models):
    """Words that it does not know are <unk>; the counts are those of the text read now."""
    Path("new.txt").write_text("The zebra sat on the mat .\n" * 30)
    fflm.ngram("train.txt", tokenizer="whitespace", lowercase=True, order=2, out="other", quiet=True)
    model = fflm.ngram("new.txt", valid="new.txt", order=2, vocab_of="other", quiet=True)
    other = fflm.load("other").lm
    assert model.lm.vocabulary.words == other.vocabulary.words
    assert model.lm.tokenizer.config == other.tokenizer.config
    counts = dict(zip(model.lm.vocabulary.words, model.lm.vocabulary.counts.tolist(), strict=True))
    assert {word: count for word, count in counts.items() if count} == {
        **{"<unk>": 30, "the": 60, "sat": 30, "on": 30, "mat": 30, ".": 30}
    }
    model.save("model")
    assert len(fflm.mix("other", "model", valid="valid.txt", quiet=True).report.parts) == 2


@pytest.mark.parametrize("source", ["demo", "neural", "arpa", "mixture", "cache"])
def test_vocabulary_of_any_kind_of_model(here, models, source):
    model = fflm.ngram("train.txt", order=2, vocab_of=source, quiet=True)
    assert model.lm.vocabulary.words == models["neural"].lm.vocabulary.words


def test_report_of_an_ngram_model(here):
    Path("test.txt").write_text(noisy(30, seed=3))
    model = fflm.ngram("train.txt", valid="valid.txt", test="test.txt", order=3, out="new", quiet=True)
    report = model.report
    assert json.loads(json.dumps(report.to_dict())).keys() == {
        *"out order smoothing ngrams prune seconds estimation_seconds train_tokens vocab_size valid test notes".split()
    }
    assert (report.out, report.order, report.smoothing) == ("new", 3, "kneser-ney")
    assert report.ngrams == model.lm.table.sizes == (13, 98, 424)
    assert (report.train_tokens, report.vocab_size) == (1600, 13)
    assert 0 < report.estimation_seconds <= report.seconds
    for figures, name in ((report.valid, "valid.txt"), (report.test, "test.txt")):
        expected = model.perplexity(name).to_dict()
        assert {**figures, "tokens_per_second": 0} == {**expected, "tokens_per_second": 0}
    assert fflm.ngram("train.txt", quiet=True).report.test is None


def test_the_file_is_the_model_that_is_returned(here):
    for smoothing in ("kneser-ney", "interpolated"):
        model = fflm.ngram("train.txt", smoothing=smoothing, out=Path(f"new {smoothing}"), quiet=True)
        assert model.report.out == f"new {smoothing}"
        assert bits(fflm.load(f"new {smoothing}")) == bits(model)
    model = fflm.mix("kn", "interpolated", valid="valid.txt", cache=3, out=Path("mix"), quiet=True)
    assert bits(fflm.load("mix")) == bits(model)


def test_nothing_is_written_without_out(here):
    before = sorted(here.rglob("*"))
    fflm.ngram("train.txt", vocab_of="demo", quiet=True)
    fflm.mix("kn", valid="valid.txt", cache=3, quiet=True)
    assert sorted(here.rglob("*")) == before


@pytest.mark.parametrize("smoothing", ["kneser-ney", "interpolated"])
def test_the_same_for_any_number_of_threads(here, smoothing):
    one, three = (
        fflm.ngram("train.txt", smoothing=smoothing, threads=threads, out=str(threads), quiet=True)
        for threads in (1, 3)
    )
    assert Path("1").read_bytes() == Path("3").read_bytes()
    assert bits(one) == bits(three)
    assert bits(fflm.load("1", threads=3)) == bits(one)


def test_sources_are_paths_names_and_lists(here):
    expected = bits(fflm.ngram("train.txt", valid="valid.txt", quiet=True))
    content = Path("train.txt").read_text()
    half = len(content) // 2
    Path("a.txt").write_text(content[:half])
    Path("b.txt").write_text(content[half:])
    for sources in ([here / "train.txt"], [["train.txt"]], ["a.txt", Path("b.txt")], [("a.txt", "b.txt")]):
        assert bits(fflm.ngram(*sources, valid=[Path("valid.txt")], quiet=True)) == expected


def test_unicode(here):
    text = "na\u00efve \u0939\u093f\u0928\u094d\u0926\u0940 \U0001f600 \u4f60 \u597d .\n"
    Path("unicode.txt").write_text(text * 40, encoding="utf-8")
    model = fflm.ngram("unicode.txt", tokenizer="whitespace", order=2, out="\u6a21", quiet=True)
    assert set(model.lm.vocabulary.words[3:]) == set(text.split())
    assert fflm.load("\u6a21").predict("na\u00efve", top=1)[0].word == text.split()[1]
    model.save_arpa("unicode.arpa")
    assert fflm.load("unicode.arpa").predict("na\u00efve", top=1)[0].word == text.split()[1]


def test_characters(here):
    model = fflm.ngram("train.txt", tokenizer="char", order=6, quiet=True)
    assert {" ", "\n", "t", "."} < set(model.lm.vocabulary.words)
    assert model.predict("the ca", top=1)[0].word == "t"
    assert model.report.valid["perplexity"] < 3


# Warnings


def test_held_out_units_that_stand_in_the_training_text(here, capsys):
    """Count and share, at once on stderr and in the report."""
    lines = [f"{i} bottles of beer on the wall and not one more than that\n" for i in range(100)]
    Path("songs.txt").write_text("".join(lines))
    Path("held.txt").write_text("".join([*lines[:3], "no line of the song\n"]))
    options = {"valid": "held.txt", "boundary": "line", "vocab_size": 50, "min_count": 1}
    for smoothing in ("kneser-ney", "interpolated"):
        (warning,) = fflm.ngram("songs.txt", smoothing=smoothing, **options).report.notes
        assert warning == (
            "warning: 3 of 4 validation units (lines; 75 %, 87.5 % of the tokens) occur verbatim in the training text; "
            "longer than 10 tokens: 3"
        )
        assert capsys.readouterr().err == warning + "\n"
    assert fflm.ngram("songs.txt", quiet=True, **options).report.notes == (warning,)
    assert capsys.readouterr() == ("", "")


def test_a_mixture_warns_of_what_its_ngrams_know(here, capsys):
    """The training text is not at hand, but n-grams of order 4 and more are as good; also inside another mixture."""
    backwards = " ".join(reversed(CYCLE.split())) + "\n"
    Path("held.txt").write_text(noisy(3, seed=1) + backwards * 2)
    Path("other.txt").write_text(backwards)
    options = {"valid": "held.txt", "quiet": True}
    fflm.ngram("train.txt", order=2, boundary="line", out="line", **options)
    fflm.ngram("train.txt", order=4, vocab_of="line", out="kn4", **options)
    fflm.mix("line", "kn4", out="both", **options)
    seen = "warning: of 3 of 5 {} units (60 %) the n-gram model has seen every 4-gram: they probably stand in its "
    seen += "training text"
    verbatim = "warning: 2 of 5 test units (lines; 40 %, 40 % of the tokens) occur verbatim in the validation text; "
    verbatim += "longer than 10 tokens: 2"
    for parts in (["line", "kn4"], ["line", "both"]):
        assert fflm.mix(*parts, valid="held.txt").report.notes == (seen.format("validation"),)
        assert capsys.readouterr().err == seen.format("validation") + "\n"
        notes = fflm.mix(*parts, valid="other.txt", test="held.txt").report.notes
        assert notes == (verbatim, seen.format("test"))
        assert capsys.readouterr().err == "\n".join(notes) + "\n"
    assert fflm.mix("line", valid="held.txt").report.notes == ()


# One convention for all


def test_quiet_is_one_word(here, monkeypatch):
    """Every call that shows a bar has it, shows bars without it on a terminal, and nothing with it."""
    shown = []

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    class Tqdm:
        def __init__(self, **options):
            shown.append(options["desc"])

        update = close = set_postfix_str = lambda self, *arguments, **options: None

    monkeypatch.setattr("tqdm.tqdm", type("tqdm", (Tqdm,), {"write": staticmethod(lambda line, file: None)}))
    monkeypatch.setattr("sys.stderr", Terminal())
    Path("labels.tsv").write_text("good\ta good film\nbad\ta bad film\n" * 20)
    texts = ["a good film", "a bad film"] * 8
    model, classifier = fflm.load("kn"), fflm.TextClassifier(epochs=1)
    small = {"context_size": 2, "hidden_dims": 3, "embedding_dim": 3, "epochs": 1}
    calls = [
        (fflm.train, ["train.txt"], small),
        (fflm.ngram, ["train.txt"], {"order": 2}),
        (fflm.mix, ["kn"], {"valid": "valid.txt"}),
        (fflm.compare, ["kn", "neural", "valid.txt"], {}),
        (fflm.score, ["kn", "valid.txt"], {}),
        (fflm.classify, ["labels.tsv"], {"epochs": 1}),
        (model.perplexity, ["valid.txt"], {}),
        (model.score, ["valid.txt"], {}),
        (classifier.fit, [texts, ["good", "bad"] * 8], {}),
    ]
    for function, arguments, options in calls:
        shown.clear()
        function(*arguments, quiet=True, **options)
        assert not shown and sys.stderr.getvalue() == "", function
        function(*arguments, **options)
        assert shown, function


def test_models_are_taken_as_they_are_or_by_their_files(here, models):
    """Just made and never saved, or in a file: the same numbers."""
    neural, kn = models["neural"], models["kn"]
    by_file = fflm.mix("neural", "kn", valid="valid.txt", quiet=True)
    mixed = fflm.mix(neural, kn, valid="valid.txt", quiet=True)
    assert bits(mixed) == bits(by_file) == bits(fflm.mix(neural, Path("kn"), valid="valid.txt", quiet=True))
    assert [part["model"] for part in mixed.report.parts] == [None, None]
    assert [part["model"] for part in by_file.report.parts] == ["neural", "kn"]
    made = fflm.ngram("train.txt", order=2, vocab_of=neural, quiet=True)
    assert bits(made) == bits(fflm.ngram("train.txt", order=2, vocab_of="neural", quiet=True))
    kn.save_arpa("kn.arpa")
    assert fflm.convert_arpa("kn.arpa", vocab_of=kn).lm.vocabulary.words == kn.lm.vocabulary.words
    expected = fflm.compare("kn", "neural", "valid.txt", contexts="kn", quiet=True)
    assert fflm.compare(kn, "neural", Path("valid.txt"), contexts=kn, quiet=True).difference == expected.difference
    assert fflm.score(kn, "valid.txt").bits.tolist() == fflm.score("kn", ["valid.txt"]).bits.tolist()


def test_models_that_differ_are_named_by_their_places(here, models, refused):
    other = fflm.ngram("train.txt", order=2, lowercase=True, quiet=True)
    message = (
        "^models must share vocabulary and tokenizer to be mixed, model 2 differs from kn: lowercase is False in kn "
    )
    refused(message, fflm.mix, "kn", other, valid="missing", error=ConfigError)


def test_what_is_no_model_is_refused_alike(here, refused):
    message = r"^a model must be a Model or the path of one, got 3$"
    refused(message, fflm.compare, 3, "kn", "valid.txt")
    refused(message, fflm.score, 3, "valid.txt")
    refused(message, fflm.ngram, "train.txt", vocab_of=3)
    refused("^models must be Models or paths of model files, got 3$", fflm.mix, 3, valid="valid.txt")


def test_score_is_public(here, models):
    scores = fflm.score("kn", "valid.txt", threads=2)
    report = models["kn"].perplexity("valid.txt")
    assert scores.report.perplexity == report.perplexity and len(scores.tokens) == report.tokens
    assert models["kn"].score(Path("valid.txt"), encoding="ascii").bits.tolist() == scores.bits.tolist()
    with pytest.raises(ConfigError, match="^sources must be a list of at least one file or corpus, got "):
        fflm.score("kn")


def test_load_opens_every_kind(here):
    Path("labels.tsv").write_text("good\ta good film\nbad\ta bad film\n" * 20)
    made = fflm.classify("labels.tsv", out="classifier", epochs=2, quiet=True)
    loaded = fflm.load("classifier", threads=1)
    assert isinstance(loaded, fflm.TextClassifier) and loaded.labels == ["bad", "good"]
    assert loaded.predict_proba(["good"]).tobytes() == made.predict_proba(["good"]).tobytes()
    assert all(isinstance(fflm.load(name), fflm.Model) for name in ("demo", "neural", "kn", "mixture"))
    message = "^classifier must hold a language model, got 'text classifier'; use fflm classify for it "
    for function, options in (
        (fflm.score, {}),
        (fflm.mix, {"valid": "valid.txt"}),
        (lambda model, text: fflm.compare(model, model, text), {}),
    ):
        arguments = ["classifier"] if options else ["classifier", "valid.txt"]
        with pytest.raises(ModelFileError, match=message):
            function(*arguments, **options)


def test_classify_returns_the_classifier_with_its_report(here):
    Path("labels.tsv").write_text("good\ta good film\nbad\ta bad film\n" * 20)
    classifier = fflm.classify("labels.tsv", test=Path("labels.tsv"), out=Path("new"), epochs=20, quiet=True)
    report = classifier.report
    assert isinstance(classifier, fflm.TextClassifier) and report.valid is None
    assert (report.texts, report.test.texts, report.test.accuracy, report.out) == (40, 40, 1.0, "new")
    found = json.loads(json.dumps(report.to_dict()))
    assert (found["out"], found["valid"], found["test"]["accuracy"]) == ("new", None, 1.0)
    assert list(found) == [
        *"out texts words labels vocab_size parameters losses seconds words_per_second valid test".split()
    ]


def test_nothing_is_replaced_without_force(here, models, refused):
    Path("labels.tsv").write_text("good\ta good film\nbad\ta bad film\n" * 20)
    classifier = fflm.classify("labels.tsv", epochs=1, quiet=True)
    message = "^train.txt exists already; choose another name, or replace it with force$"
    models["kn"].save_arpa("old.arpa")
    writers = [
        models["kn"].save,
        models["kn"].save_arpa,
        models["neural"].save_word2vec,
        classifier.save,
        lambda out, **force: fflm.ngram("valid.txt", order=2, out=out, quiet=True, **force),
        lambda out, **force: fflm.mix("kn", valid="valid.txt", out=out, quiet=True, **force),
        lambda out, **force: fflm.convert_arpa("old.arpa", out=out, **force),
        lambda out, **force: fflm.classify("labels.tsv", epochs=1, out=out, quiet=True, **force),
    ]
    before = Path("train.txt").read_bytes()
    for function in writers:
        refused(message, function, "train.txt")
        refused("^the file to write must be given as a path, got 3$", function, 3)
    for function in writers:
        Path("train.txt").write_bytes(before)
        function("train.txt", force=True)
        assert Path("train.txt").read_bytes() != before
        refused("^can't write demo: it is a folder$", function, "demo", force=True)


def test_a_text_is_no_source(here, models):
    """The whole text in place of its name: a short error that says what to do."""
    text = Path("train.txt").read_text() * 30
    message = r"^sources must be paths or names of corpora, got a text of 1\d\d,\d\d\d characters, '.{30}'\.\.\.; "
    message += "write it to a file and give the file's name$"
    calls = (fflm.train, fflm.ngram, models["kn"].perplexity, models["kn"].score)
    for function in (*calls, lambda text: fflm.compare("kn", "kn", text)):
        with pytest.raises(ConfigError, match=message):
            function(text)
    with pytest.raises(ConfigError, match="^valid must be paths or names of corpora, got a text of "):
        fflm.train("train.txt", valid=text)
    with pytest.raises(ConfigError, match="^source must be paths or names of corpora, got a text of "):
        fflm.classify("good\ta good film\nbad\ta bad film\n")
    with pytest.raises(ConfigError, match=r"^source must be one file or corpus, got \['a', 'b'\]$"):
        fflm.classify(["a", "b"])
    with pytest.raises(TextError, match=r"got 'missing': no such file$"):
        fflm.train("missing")


def test_a_share_is_no_validation_text(here):
    with pytest.raises(ConfigError, match="^valid must be a text, got '0.1'; a share of the text is held out with "):
        fflm.train("train.txt", valid="0.1")


def test_the_version_is_looked_up_when_it_is_asked_for():
    assert re.match(r"\d+\.", fflm.__version__) and "__version__" in dir(fflm)


# Mixtures


def test_weights_are_the_best_there_are(here, models):
    """No other weights on a fine grid make the validation text more probable."""
    model = fflm.mix("neural", "kn", "interpolated", valid="valid.txt", quiet=True)
    ids = encode(["valid.txt"], model.lm.tokenizer, model.lm.vocabulary, DataConfig()).ids
    parts = np.exp([models[name].lm.log_probs(ids) for name in ("neural", "kn", "interpolated")])
    (weights,) = model.report.weights
    found = np.log(weights @ parts).mean()
    grid = np.linspace(0, 1, 51)
    others = [[a, b, 1 - a - b] for a in grid for b in grid if a + b <= 1]
    assert np.log(np.array(others) @ parts + 1e-300).mean(axis=1).max() < found + 1e-9
    assert -found == pytest.approx(model.report.valid["cross_entropy_nats"], rel=1e-12)
    assert sum(weights) == pytest.approx(1, abs=1e-12) and model.lm.weights.tolist() == [weights]


def test_report_of_a_mixture(here, models):
    Path("test.txt").write_text(noisy(30, seed=3))
    model = fflm.mix("demo", Path("kn"), valid="valid.txt", test="test.txt", cache=4, out="new", quiet=True)
    report = model.report
    assert json.loads(json.dumps(report.to_dict())).keys() == {
        *"out parts weights by_context_count valid test seconds notes".split()
    }
    assert (report.out, report.by_context_count) == ("new", False)
    told = [(part["name"], part["model"]) for part in report.parts]
    assert told == [("neural", "demo"), ("n-gram", "kn"), ("cache", None)]
    assert [part["weight"] for part in report.parts] == report.weights[0]
    alone = [part["valid_perplexity"] for part in report.parts]
    for name, perplexity in zip(("neural", "kn"), alone, strict=False):
        assert perplexity == pytest.approx(models[name].perplexity("valid.txt").perplexity, rel=1e-12)
    assert alone[2] is None  # a cache gives some words no probability
    assert report.valid["perplexity"] < min(alone[:2])
    for figures, name in ((report.valid, "valid.txt"), (report.test, "test.txt")):
        expected = model.perplexity(name).to_dict()
        assert {**figures, "tokens_per_second": 0} == {**expected, "tokens_per_second": 0}


def test_a_mixture_contains_its_parts(here):
    model = fflm.mix("demo", "kn", "nested", valid="valid.txt", out="new", quiet=True)
    shutil.rmtree("demo")
    for name in ("kn", "nested"):
        os.unlink(name)
    assert bits(fflm.load("new")) == bits(model)


def test_mixtures_of_mixtures(here, models):
    model = fflm.mix("mixture", "by-count", "unigram", valid="valid.txt", quiet=True)
    parts = np.exp([models[name].lm.log_probs(IDS) for name in ("mixture", "by-count", "unigram")])
    np.testing.assert_allclose(model.lm.log_probs(IDS), np.log(model.lm.weights[0] @ parts), rtol=1e-12)
    assert [part["name"] for part in model.report.parts] == ["mixture 1", "mixture 2", "n-gram"]


def test_a_cache(here):
    model = fflm.mix("kn", valid="valid.txt", cache=30, cache_half_life=2.5, quiet=True)
    cache = model.lm.parts[1]
    assert (cache.reach, cache.half_life) == (30, 2.5)
    assert model.lm.reach == 30
    assert fflm.mix("kn", valid="valid.txt", cache=9, quiet=True).lm.parts[1].half_life is None


def test_a_cache_helps_where_words_come_in_heaps(here):
    """A word again and again: after some words of it, the cache knows."""
    generator = np.random.default_rng(4)
    words = CYCLE.split()
    Path("heaps.txt").write_text(" ".join(w for _ in range(40) for w in [words[generator.integers(16)]] * 20))
    without = fflm.mix("kn", valid="heaps.txt", quiet=True).report
    report = fflm.mix("kn", valid="heaps.txt", cache=10, quiet=True).report
    assert report.parts[1]["weight"] > 0.5
    assert report.valid["perplexity"] < without.valid["perplexity"] / 2


def test_weights_by_how_often_the_context_was_seen(here, models):
    parts = ["neural", "kn", "interpolated"]
    model = fflm.mix(*parts, valid="valid.txt", by_context_count=True, quiet=True)
    constant = fflm.mix(*parts, valid="valid.txt", quiet=True)
    assert model.report.by_context_count and np.shape(model.report.weights) == (16, 3)
    np.testing.assert_allclose(np.sum(model.report.weights, axis=1), 1, rtol=1e-12)
    assert model.report.valid["perplexity"] < constant.report.valid["perplexity"]
    counts = models["kn"].lm.context_counts(IDS)
    weights = np.array(model.report.weights)[[min(15, math.floor(math.log2(1 + count))) for count in counts]]
    probabilities = np.exp([models[name].lm.log_probs(IDS) for name in parts])
    np.testing.assert_allclose(model.lm.log_probs(IDS), np.log((weights.T * probabilities).sum(axis=0)), rtol=1e-12)
    ids = encode(["valid.txt"], model.lm.tokenizer, model.lm.vocabulary, DataConfig()).ids
    means = [part["weight"] for part in model.report.parts]
    np.testing.assert_allclose(means, model.lm.weights_at(ids).mean(axis=0), rtol=1e-12)


def test_one_model_is_a_mixture_too(here, models):
    model = fflm.mix("kn", valid="valid.txt", quiet=True)
    np.testing.assert_allclose(model.lm.log_probs(IDS), models["kn"].lm.log_probs(IDS), rtol=1e-12)


# ARPA files


def test_to_an_arpa_file_and_back(here, models):
    """With the order of the words that the model has, to the bit."""
    models["kn"].save_arpa("kn.arpa")
    model = fflm.convert_arpa("kn.arpa", vocab_of="kn", out="back")
    assert model.lm.node_log_probs.tobytes() == models["kn"].lm.node_log_probs.tobytes()
    assert model.lm.backoffs.tobytes() == models["kn"].lm.backoffs.tobytes()
    assert bits(model) == bits(models["kn"]) == bits(fflm.load("back"))
    assert model.report is None and model.lm.tokenizer.config == TokenizerConfig()
    again = fflm.mix("back", "demo", valid="valid.txt", quiet=True)
    assert again.report.parts[0]["valid_perplexity"] == pytest.approx(models["kn"].report.valid["perplexity"])


def test_a_compressed_arpa_file(here, models):
    models["kn"].save_arpa("kn.arpa")
    models["kn"].save_arpa("kn.arpa.gz")
    assert gzip.decompress((here / "kn.arpa.gz").read_bytes()) == (here / "kn.arpa").read_bytes()
    assert fflm.load("kn.arpa.gz").lm.table.sizes == models["kn"].lm.table.sizes


def without_comment(path):
    """An ARPA file as other tools write it: it does not name its tokenizer."""
    content = Path(path).read_bytes()
    return content[content.index(b"\\data\\") :]


def test_an_arpa_file_is_of_lines_of_words_unless_said_otherwise(here, models):
    models["kn"].save_arpa("kn.arpa")
    assert fflm.convert_arpa("kn.arpa").lm.tokenizer.config == TokenizerConfig()
    assert fflm.convert_arpa("kn.arpa", lowercase=True).lm.tokenizer.config == TokenizerConfig(lowercase=True)
    Path("kn.arpa").write_bytes(without_comment("kn.arpa"))
    lines = TokenizerConfig(tokenizer="whitespace", boundary="line")
    assert fflm.convert_arpa("kn.arpa").lm.tokenizer.config == lines
    chosen = TokenizerConfig(tokenizer="word", boundary="stream", lowercase=True)
    model = fflm.convert_arpa("kn.arpa", tokenizer="word", boundary="stream", lowercase=True)
    assert model.lm.tokenizer.config == chosen
    assert model.perplexity("valid.txt").perplexity == models["kn"].perplexity("valid.txt").perplexity


@pytest.mark.parametrize("name", ["kn.arpa", "kn.arpa.gz", "kn.lm", "kn"])
def test_an_arpa_file_is_loaded_as_it_is(here, models, name):
    """Known by its name, or by what it begins with; as SRILM writes it, after an empty line."""
    models["kn"].save_arpa("plain")
    content = b"\n" + without_comment("plain")
    Path(name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    model = fflm.load(name)
    lines = TokenizerConfig(tokenizer="whitespace", boundary="line")
    assert (type(model.lm), model.lm.tokenizer.config) == (NgramModel, lines)
    assert sum(
        prediction.probability for prediction in model.predict("the cat", top=99, special=True)
    ) == pytest.approx(1, abs=1e-5)
    assert model.sample("the cat", tokens=3) and model.perplexity("valid.txt").tokens == 680
    fflm.ngram("train.txt", order=2, vocab_of=name, out="two", quiet=True)
    assert len(fflm.mix(name, "two", valid="valid.txt", quiet=True).report.parts) == 2


def test_only_models_in_backoff_form_are_written(here, models, refused):
    for name, kind in {
        "neural": "neural language model",
        "interpolated": "interpolated n-gram model",
        "cache": "cache",
        "mixture": "mixture",
    }.items():
        message = (
            f"^ARPA files hold n-gram models in back-off form, got a model of kind '{kind}'; name a text with source"
        )
        refused(message, models[name].save_arpa, "new.arpa")
    chars = fflm.ngram("train.txt", tokenizer="char", order=2, quiet=True)
    refused(
        "^words of an ARPA file must have no white space inside nor be <UNK>, got ' '$", chars.save_arpa, "new.arpa"
    )
    refused("^can't write nowhere/new.arpa: there is no folder nowhere$", models["kn"].save_arpa, "nowhere/new.arpa")


def test_words_of_an_arpa_file_and_of_a_model(here, models, refused):
    models["kn"].save_arpa("kn.arpa")
    Path("new.txt").write_text("a dog and a cat\n" * 30)
    fflm.ngram("new.txt", order=2, out="other", quiet=True)
    message = "kn.arpa is not a sound ARPA file: "
    refused(message, fflm.convert_arpa, "kn.arpa", vocab_of="other", out="new", error=ModelFileError)


# Refused


def test_outs(here, refused):
    Path("folder").mkdir()
    source = "missing"  # the file to write is looked at before anything is read
    for function in (fflm.ngram, fflm.mix, fflm.convert_arpa):
        options = {"valid": "missing"} if function is fflm.mix else {}
        message = "^kn exists already; choose another name, or replace it with force$"
        refused(message, function, source, out="kn", **options)
        refused("^can't write folder: it is a folder$", function, source, out="folder", **options)
        refused("^can't write folder: it is a folder$", function, source, out="folder", force=True, **options)
        refused("^can't write no/new: there is no folder no$", function, source, out="no/new", **options)
        refused("^can't write kn/new: there is no folder kn$", function, source, out=Path("kn/new"), **options)
        refused("^can't write a+ ... a+: File name too long$", function, source, out="a" * 5000, **options)
        refused("^the file to write must have a name, got ''$", function, source, out="", **options)
        refused("^the file to write must have a name, got '/'$", function, source, out="/", **options)
        refused("^can't write new.arpa: it has the name of an ARPA file", function, source, out="new.arpa", **options)


@pytest.mark.parametrize(("message", "options"), [
    ("^order must be at least 1, got 0$", {"order": 0}),
    ("^order must be at most 10, got 99$", {"order": 99}),
    ("^order must be a whole number, got 2.0$", {"order": 2.0}),
    ("^order must be at least 2 for interpolated smoothing, got 1$", {"order": 1, "smoothing": "interpolated"}),
    ("^smoothing must be one of kneser-ney, interpolated, got 'good-turing'$", {"smoothing": "good-turing"}),
    ("^unknown option 'ordre', expected one of .*, order, ", {"ordre": 3}),
    ("^seed must be at least 0, got -1$", {"seed": -1}),
    ("^threads must be at least 1, got 0$", {"threads": 0}),
    ("^threads must be at most 256, got 257$", {"threads": 257}),
    ("^vocab_size must not be given together with vocab_of: ", {"vocab_of": "demo", "vocab_size": 20}),
    ("^min_count must not be given together with vocab_of: ", {"vocab_of": "demo", "min_count": 1}),
    ("^vocab must not be given together with vocab_of: ", {"vocab_of": "demo", "vocab": "words"}),
    ("^tokenizer must not be given together with vocab_of: ", {"vocab_of": "demo", "tokenizer": "word"}),
    ("^boundary must not be given together with vocab_of: ", {"vocab_of": "demo", "boundary": "line"}),
    ("^valid_fraction must not be given together with valid, got 0.5$", {"valid": "valid.txt", "valid_fraction": 0.5}),
])  # fmt: skip
def test_options_of_ngram(refused, message, options):
    refused(message, fflm.ngram, "train.txt", out="new", error=ConfigError, **options)


def test_texts_of_ngram(refused, here):
    Path("empty").touch()
    refused("^sources must be a list of at least one file or corpus, got ", fflm.ngram, out="new")
    refused("^sources must be paths or names of corpora, got 7$", fflm.ngram, 7, out="new")
    refused("got 'missing': no such file$", fflm.ngram, "missing", out="new", error=TextError)
    for option in ("valid", "test"):
        refused("got 'missing': no such file$", fflm.ngram, "train.txt", out="new", **{option: "missing"})
        refused(
            "^text must have at least one token, got none in 'empty'$", fflm.ngram, "train.txt", **{option: "empty"}
        )
    refused("^no such model: missing$", fflm.ngram, "train.txt", vocab_of="missing", out="new")
    refused("^train.txt is not a model file", fflm.ngram, "train.txt", vocab_of="train.txt", out="new")


@pytest.mark.parametrize(("message", "options"), [
    ("^cache must be at least 1, got 0$", {"cache": 0}),
    ("^cache must be at most 100000, got 100001$", {"cache": 100001}),
    ("^cache_half_life must be above 0.0, got 0.0$", {"cache": 5, "cache_half_life": 0.0}),
    ("^cache_half_life must not be given without cache; give the size of the cache$", {"cache_half_life": 3}),
    ("^unknown option 'order', expected one of cache, cache_half_life, dynamic, ", {"order": 3}),
    ("^threads must be at least 1, got 0$", {"threads": 0}),
    ("^valid must name a text on which the weights are fitted, got None$", {"valid": None}),
    (r"^valid must name a text on which the weights are fitted, got \[\]$", {"valid": []}),
    ("got 'missing': no such file$", {"valid": "missing"}),
    ("got 'missing': no such file$", {"test": "missing"}),
    ("^encoding must be one that Python knows, such as utf-8 or cp1252, got 'klingon'$", {"encoding": "klingon"}),
])  # fmt: skip
def test_options_of_mix(refused, message, options):
    refused(message, fflm.mix, "kn", "neural", out="new", **{"valid": "valid.txt", **options})


def test_models_of_mix(here, refused, models):
    def mix(*models, **options):
        fflm.mix(*models, valid="missing", out="new", **options)  # the text is not read before the models are

    refused("^mix needs at least one model, got none$", mix)
    refused(r"^models must be Models or paths of model files, got \['kn', 'neural'\]$", mix, ["kn", "neural"])
    refused("^no such model: missing$", mix, "kn", "missing", error=ModelFileError)
    refused("^train.txt is not a model file, or it is damaged: ", mix, "kn", "train.txt")
    needed = (
        r"^by_context_count needs an n-gram model of order 2 or more that fflm ngram counted \(one read from an ARPA "
        r"file has no counts\), got none among the parts$"
    )
    for parts in (["neural"], ["unigram", "cache"], ["arpa", "neural"]):
        refused(needed, mix, *parts, by_context_count=True, error=ConfigError)


def test_models_that_can_not_be_mixed(here, refused):
    """Tokenizers or words that differ; the files are named, and what to do."""
    options = {"order": 2, "quiet": True}
    fflm.ngram("train.txt", out="line", boundary="line", **options)
    fflm.ngram("train.txt", out="lower", lowercase=True, **options)
    fflm.ngram("train.txt", out="fewer", vocab_size=8, **options)
    Path("words").write_text("\n".join(sorted(set(CYCLE.split()))))
    fflm.ngram("train.txt", out="sorted", vocab="words", **options)
    differences = {
        "line": "boundary is 'stream' in kn and 'line' in line",
        "lower": "lowercase is False in kn and True in lower",
        "fewer": r"their vocabularies have 13 and 8 words, and .*",
        "sorted": "word 3 is 'the' in kn and '.' in sorted",
    }
    for name, difference in differences.items():
        message = (
            f"^models must share vocabulary and tokenizer to be mixed, {name} differs from kn: {difference}; "
            "fflm ngram --vocab-of MODEL makes an n-gram model that can be mixed with MODEL$"
        )
        refused(message, fflm.mix, "kn", "neural", name, valid="missing", out="new", error=ConfigError)


def test_mixtures_too_deep_are_refused_before_any_work(here, refused):
    name = "kn"
    for level in range(8):
        fflm.mix(name, valid="valid.txt", out=str(level), quiet=True)
        name = str(level)
    assert bits(fflm.load("7")) == bits(fflm.load("0"))
    message = "^mixtures must be at most 8 deep, got one more; mix the parts of one instead of it$"
    refused(message, fflm.mix, "7", valid="missing", out="new", error=ConfigError)


def test_options_of_convert_arpa(here, models, refused):
    models["kn"].save_arpa("kn.arpa")
    convert = fflm.convert_arpa
    refused("^missing.arpa can't be read: no such file or directory$", convert, "missing.arpa", error=ModelFileError)
    refused("^kn is not an ARPA file: it has no line ", convert, "kn", out="new", error=ModelFileError)
    refused("^no such model: missing$", convert, "kn.arpa", vocab_of="missing", out="new")
    refused("^boundary must not be given together with vocab_of: ", convert, "kn.arpa", vocab_of="kn", boundary="line")
    refused("^unknown option 'order', expected one of ", convert, "kn.arpa", order=3, out="new")
    refused("^threads must be at most 256, got 1000$", convert, "kn.arpa", threads=1000, out="new")


def test_an_interruption_leaves_nothing_half_written(here, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    before = sorted(here.rglob("*"))
    monkeypatch.setattr("fflm.storage.files.os.replace", interrupted)
    for function, options in ((fflm.ngram, {}), (fflm.mix, {"valid": "valid.txt"})):
        with pytest.raises(KeyboardInterrupt):
            function("train.txt" if function is fflm.ngram else "kn", out="new", quiet=True, **options)
    assert sorted(here.rglob("*")) == before


def test_a_full_disk(here, refused, monkeypatch):
    def no_space(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fflm.storage.files.os.fsync", no_space)
    message = "^can't write new: No space left on device; what was there is untouched$"
    refused(message, fflm.ngram, "train.txt", out="new", quiet=True)
    refused(message, fflm.mix, "kn", valid="valid.txt", out="new", quiet=True)
