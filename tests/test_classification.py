"""Text classification: examples, features, training, reports, the model file, the command."""

import io
import json
import re
import warnings

import numpy as np
import pytest
from test_nn_optimizers import torch
from test_text_corpora import needs

import fflm
from fflm import ConfigError, DivergenceError, FflmError, ModelFileError, TextClassifier, TextError
from fflm.classification import shapes
from fflm.classification.classifier import batch_of, text_network
from fflm.classification.features import encode_texts, pairs
from fflm.classification.report import report
from fflm.config import ClassifierConfig, TokenizerConfig
from fflm.config.names import RULES
from fflm.nn.parameters import Parameters
from fflm.runtime.workers import Workers
from fflm.text import Examples, Tokenizer, Vocabulary, folds, read_examples

__all__ = ["torch"]  # a fixture

GOOD, BAD = ["good", "fine", "great", "lovely"], ["bad", "poor", "awful", "dull"]
OTHERS = ["a", "the", "film", "plot", "of", "and", "it", "was"]


def drawn(count, seed=0, label_first=None):
    """Texts in which one word of a few decides."""
    rng = np.random.default_rng(seed)
    texts, labels = [], []
    for _ in range(count):
        label = ["bad", "good"][rng.integers(2)]
        words = list(rng.choice(OTHERS, rng.integers(3, 9)))
        words.insert(rng.integers(len(words)), str(rng.choice(GOOD if label == "good" else BAD)))
        texts.append(" ".join(words))
        labels.append(label)
    return texts, labels


TRAIN, TEST = drawn(200), drawn(80, seed=1)
QUICK = {"learning_rate": 0.02, "epochs": 15, "embedding_dim": 8, "weight_decay": 0.0}


def write(path, texts, labels, prefix=False):
    lines = (
        f"__label__{label} {text}" if prefix else f"{label}\t{text}" for text, label in zip(texts, labels, strict=True)
    )
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


# Labelled texts


def test_both_forms_are_read(tmp_path):
    expected = Examples(*TEST)
    assert read_examples(write(tmp_path / "tabs", *TEST)) == expected
    assert read_examples(str(write(tmp_path / "fasttext", *TEST, prefix=True))) == expected
    (tmp_path / "mixed").write_text("a b\tx\ty \r\n\n__label__c z\n__label__d\ne\t\n__label__f\tx y\n")
    assert read_examples(str(tmp_path / "mixed")) == Examples(["x\ty", "z", "", "", "x y"], ["a b", "c", "d", "e", "f"])


@pytest.mark.parametrize(
    "content, message",
    [
        ("", "{} must hold labelled texts, got none"),
        (
            "a\tb\nno label\n",
            "{}, line 2: a label and a tab must stand before the text, or __label__NAME, got 'no label'",
        ),
        ("\ttext\n", "{}, line 1: the label must not be empty"),
        ("__label__ text\n", "{}, line 1: the label must not be empty"),
        (
            "__label__a __label__b text\n",
            "{}, line 1: a text must have one label, got several: '__label__a __label__b text'",
        ),
    ],
)
def test_lines_without_a_label(tmp_path, content, message):
    path = tmp_path / "examples"
    path.write_text(content)
    with pytest.raises(TextError) as error:
        read_examples(str(path))
    assert str(error.value) == message.format(path)


def content(lines):
    return "".join(line + "\n" for line in lines)


LABELS, TEXTS = ["good", "bad"] * 6, ["I like it", "I do not"] * 6
TABS = [f"{label}\t{text}" for label, text in zip(LABELS, TEXTS, strict=True)]


@pytest.mark.parametrize(
    "lines",
    [
        TABS,
        ["label\ttext", *TABS],
        ["Sentiment\tReview", *TABS],
        ["sentence\tlabel", *(f"{text}\t{label}" for label, text in zip(LABELS, TEXTS, strict=True))],
        [f"__label__{label} {text}" for label, text in zip(LABELS, TEXTS, strict=True)],
        [f"__label__{label}\t{text}" for label, text in zip(LABELS, TEXTS, strict=True)],
        [f"{text} __label__{label}" for label, text in zip(LABELS, TEXTS, strict=True)],
        [f"{text}\t__label__{label}" for label, text in zip(LABELS, TEXTS, strict=True)],
        [f"{text}\t__label__{label} " for label, text in zip(LABELS, TEXTS, strict=True)],
    ],
)
def test_label_and_text_are_told_apart(tmp_path, lines):
    (tmp_path / "a").write_text(content(lines))
    assert read_examples(tmp_path / "a") == Examples(TEXTS, LABELS)


SWAPPED = "{}: the label must stand before the tab and the text after it, got .* different labels such as '"
SEVERAL = "{}, line %d: a text must have one label, got several: "


@pytest.mark.parametrize(
    "lines, message",
    [
        ([f"{text}\t{label}" for label, text in zip(LABELS, TEXTS, strict=True)], SWAPPED + "I like it'"),
        ([f"{text}{i}\t{label}" for i, (label, text) in enumerate(zip(LABELS, TEXTS, strict=True))], SWAPPED),
        ([f"text{i}\t{label}" for i, label in enumerate(LABELS)], SWAPPED + "text0'"),
        (
            [f"{i}\t{line}" for i, line in enumerate(TABS)],
            "{}: the label must stand before .* on every line, such as '0'",
        ),
        (["v1\tv2", *TABS], "{}, line 1: seems to name the columns, as the label 'v1' occurs only there; remove that"),
        (["good,warm\tbread", *TABS], SEVERAL % 1 + "'good,warm'; if it is one, write it without the sign between"),
        ([*TABS, "good|warm\tbread"], SEVERAL % 13 + "'good|warm'"),
        (["__label__good,__label__warm bread", *TABS], SEVERAL % 1),
        (["__label__good|__label__warm bread", *TABS], SEVERAL % 1),
        (["__label__good,warm bread", *TABS], SEVERAL % 1 + "'good,warm'"),
        (["bread __label__good __label__warm", *TABS], SEVERAL % 1),
        (["__label__good bread __label__warm", *TABS], SEVERAL % 1),
    ],
)
def test_what_would_teach_something_else_is_refused(tmp_path, lines, message):
    (tmp_path / "a").write_text(content(lines))
    with pytest.raises(TextError, match="^" + message.format(re.escape(str(tmp_path / "a"))).replace("|", r"\|")):
        read_examples(tmp_path / "a")


def test_odd_labels_and_texts_stay_as_they_are(tmp_path):
    lines = ["New York, NY\tcity", "1,5\tstars", "a b\tx __label__y z", "c-d\tlabel"]
    (tmp_path / "a").write_text(content(lines))
    assert read_examples(tmp_path / "a").labels == ["New York, NY", "1,5", "a b", "c-d"]


@pytest.mark.parametrize("count", [2, 3, 10])
def test_folds_are_equal_and_stratified(count):
    labels = ["a"] * 50 + ["b"] * 23 + ["c"] * 7
    found = folds(labels, count, seed=3)
    sizes = np.bincount(found, minlength=count)
    assert sizes.max() - sizes.min() <= 1
    for label in "abc":
        part = np.bincount(found[[name == label for name in labels]], minlength=count)
        assert part.max() - part.min() <= 1
    assert (found == folds(labels, count, seed=3)).all() and (found != folds(labels, count, seed=4)).any()


@pytest.mark.parametrize("count", [0, 1, 81])
def test_impossible_folds(count):
    with pytest.raises(ConfigError, match=f"^folds must be from 2 to the number of examples, 80, got {count}$"):
        folds(TEST[1], count, seed=1)


@needs("sentence_polarity")
def test_sentence_polarity():
    whole = read_examples("sentence_polarity")
    assert len(whole) == 10662 and {label: whole.labels.count(label) for label in ("neg", "pos")} == {
        "neg": 5331,
        "pos": 5331,
    }
    parts = [read_examples(f"sentence_polarity:{split}") for split in ("train", "valid", "test")]
    assert [len(part) for part in parts] == [8530, 1066, 1066]
    assert sorted(text for part in parts for text in part.texts) == sorted(whole.texts)
    assert all(part.labels.count("neg") * 2 == len(part) for part in parts)
    assert "the rock is destined to be the 21st century's new" in whole.texts[whole.labels.index("pos")]


@needs("sentence_polarity")
def test_a_corpus_without_a_part_is_evaluated_on_what_was_not_trained_on(fflm_main, tmp_path):
    options = ("--out", tmp_path / "model", "--epochs", 1, "--json")
    trained = json.loads(
        fflm_main("classify", "train", "sentence_polarity", "--test", "sentence_polarity", *options).out
    )
    found = json.loads(fflm_main("classify", "evaluate", tmp_path / "model", "sentence_polarity", "--json").out)
    assert (trained["texts"], trained["valid"]["texts"], trained["test"]["texts"], found["texts"]) == (
        8530,
        1066,
        1066,
        1066,
    )
    assert found["confusion"] == trained["test"]["confusion"]


@needs("movie_reviews")
def test_movie_reviews():
    whole = read_examples("movie_reviews")
    assert len(whole) == 2000 and whole.labels.count("pos") == 1000 and min(map(len, whole.texts)) > 50
    with pytest.raises(
        TextError,
        match="^split of a corpus must be one of .*, got 'movie_reviews:tset'; did you mean movie_reviews:test.$",
    ):
        read_examples("movie_reviews:tset")


# Features


def encoded(texts, **options):
    vocabulary = Vocabulary(["<unk>", "<s>", "</s>", "a", "b", "c"])
    found = encode_texts(texts, Tokenizer(TokenizerConfig()), vocabulary, ClassifierConfig(**options))
    return [found.ids[first:last].tolist() for first, last in zip(found.offsets[:-1], found.offsets[1:], strict=True)]


def test_unknown_words_are_left_out_and_the_others_count_once():
    assert encoded(["b x a", "", "x y", "c c"]) == [[3, 4], [], [], [5]]


def test_pairs_of_neighbours_come_after_the_words():
    (row,) = pairs(np.array([3]), np.array([4]), 50) + 6
    assert encoded(["a b x a", "b a"], bigrams=50)[0] == [3, 4, row]
    assert encoded(["c a", "b c"], bigrams=50) == [encoded([text], bigrams=50)[0] for text in ("c a", "b c")]
    assert encoded(["a b", "b a"], bigrams=1 << 20)[0][2:] != encoded(["b a"], bigrams=1 << 20)[0][2:]
    many = pairs(*np.random.default_rng(0).integers(1, 30_000, (2, 100_000)).astype(np.int32), 1000)
    counts = np.bincount(many, minlength=1000)
    assert len(counts) == 1000 and counts.min() > 50 and counts.max() < 160  # Poisson, mean 100


def test_a_bag_has_each_word_once_a_mean_every_occurrence():
    assert encoded(["b a b x"]) == [[3, 4]] and encoded(["b a b x"], pooling="mean") == [[4, 3, 4]]
    rows = encoded(["a b a b"], pooling="mean-max", bigrams=50)[0]
    assert rows[:4] == [3, 4, 3, 4] and len(rows) == 7 and rows[4] == rows[6]


@pytest.mark.parametrize("options", [{}, {"bigrams": 50}, {"pooling": "mean", "bigrams": 50}, {"pooling": "window"}])
def test_many_texts_are_encoded_as_each_alone(monkeypatch, options):
    texts = ["b a x a b", "", "c", "x x", "a b c a b", "c b", "a"]
    alone = [encoded([text], **options)[0] for text in texts]
    for size in (1, 2, 3, 100):
        monkeypatch.setattr("fflm.classification.features.TEXTS", size)
        assert encoded(texts, **options) == alone


def test_windows_are_cut_and_filled():
    assert encoded(["a b c", "a x", ""], pooling="window", window=2) == [[3, 4], [3, 0], [1, 1]]


# Gradients and updates against PyTorch


@pytest.mark.parametrize("pooling", ["bag", "mean", "mean-max", "window"])
@pytest.mark.parametrize("hidden", [(), (6,)])
def test_the_network_against_pytorch(torch, pooling, hidden):
    config = ClassifierConfig(embedding_dim=4, pooling=pooling, window=3, hidden_dims=hidden)
    rng = np.random.default_rng(0)
    vocabulary = Vocabulary(["<unk>", "<s>", "</s>", *OTHERS])
    parameters = {
        name: rng.standard_normal(shape).astype(np.float32)
        for name, shape in shapes(config, len(vocabulary), 3).items()
    }
    texts = [" ".join(rng.choice(OTHERS, rng.integers(1, 7))) for _ in range(9)]
    ids = encode_texts(texts, Tokenizer(TokenizerConfig()), vocabulary, config)
    targets = rng.integers(0, 3, 9).astype(np.int32)
    tensors = {name: torch.nn.Parameter(torch.tensor(value)) for name, value in parameters.items()}
    rows = []
    for first, last in zip(ids.offsets[:-1], ids.offsets[1:], strict=True):
        words = tensors["embeddings"][torch.tensor(ids.ids[first:last], dtype=torch.long)]
        parts = {
            "bag": [words.sum(0) / len(words) ** 0.5],
            "mean": [words.mean(0)],
            "mean-max": [words.mean(0), words.max(0).values],
            "window": [words.flatten()],
        }
        rows.append(torch.cat(parts[pooling]))
    below = torch.stack(rows)
    if hidden:
        below = torch.tanh(below @ tensors["hidden.0.weights"].T + tensors["hidden.0.bias"])
    logits = below @ tensors["output.weights"].T + tensors["output.bias"]
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(targets, dtype=torch.long), reduction="none")
    loss.mean().backward()
    rows = len(parameters["embeddings"]) - config.bigrams
    network = text_network(config, rows, len(parameters["output.bias"]))
    with Workers(2) as workers:
        network.prepare(Parameters(parameters), workers, 9, training=True, keep_gradient=True)
        losses, grads = network.gradients(batch_of(config, ids, 0, 9, targets))
    np.testing.assert_allclose(losses, loss.detach().numpy(), atol=1e-5)
    assert grads.keys() == tensors.keys()
    for name, tensor in tensors.items():
        np.testing.assert_allclose(grads[name], tensor.grad.numpy(), atol=2e-6, err_msg=name)


# Training


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"hidden_dims": 6},
        {"pooling": "mean"},
        {"pooling": "mean-max"},
        {"bigrams": 500},
        {"optimizer": "adagrad", "learning_rate": 0.2},
        {"pooling": "window", "window": 9, "epochs": 20},
    ],
)
def test_it_learns(options):
    classifier = TextClassifier(**(QUICK | options)).fit(*TRAIN)
    found = classifier.evaluate(*TEST)
    assert found.accuracy > 0.9 and found.macro_f1 > 0.9
    losses = classifier.report.losses
    assert losses[-1] < 0.5 * losses[0]
    probabilities = classifier.predict_proba(TEST[0])
    assert probabilities.shape == (80, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-6)
    assert classifier.predict(TEST[0]) == [classifier.labels[i] for i in probabilities.argmax(axis=1)]


def test_each_rule_has_rates_that_learn():
    found = {}
    for name in RULES:
        classifier = TextClassifier(optimizer=name, epochs=100, embedding_dim=8).fit(*TRAIN)
        found[name] = (classifier.evaluate(*TEST).accuracy, classifier.predict_proba(TEST[0]).tobytes())
        assert found[name][0] > 0.8, name
    assert found["adam"][1] != found["adamw"][1]


def test_pairs_decide_where_words_cannot():
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.permutation(["not", "good", "and"])) for _ in range(300)]
    labels = ["bad" if "not good" in text else "good" for text in texts]
    alone, paired = (
        TextClassifier(**QUICK, bigrams=rows, embedding_dropout=0.0).fit(texts, labels).evaluate(texts, labels).accuracy
        for rows in (0, 1000)
    )
    assert paired == 1.0 and alone < 0.75


def test_a_seed_decides_everything_and_threads_nothing():
    results = []
    for threads, seed in ((1, 1), (2, 1), (3, 1), (1, 2)):
        classifier = TextClassifier(**QUICK, bigrams=100, hidden_dims=5, dropout=0.2, threads=threads, seed=seed)
        results.append(classifier.fit(*TRAIN).predict_proba(TEST[0]).tobytes())
    assert results[0] == results[1] == results[2] != results[3]


@pytest.mark.parametrize("pooling", ["mean", "mean-max", "window"])
def test_threads_decide_nothing_with_any_pooling(pooling):
    first, second = (
        TextClassifier(**QUICK, pooling=pooling, hidden_dims=5, threads=threads).fit(*TRAIN).predict_proba(TEST[0])
        for threads in (1, 3)
    )
    assert first.tobytes() == second.tobytes()


def test_dropout_is_applied():
    plain, hidden, words = (
        TextClassifier(**QUICK | options, hidden_dims=5).fit(*TRAIN).predict_proba(TEST[0]).tobytes()
        for options in (
            {"dropout": 0.0, "embedding_dropout": 0.0},
            {"dropout": 0.5, "embedding_dropout": 0.0},
            {"dropout": 0.0, "embedding_dropout": 0.5},
        )
    )
    assert len({plain, hidden, words}) == 3


def test_a_last_update_that_diverges_is_no_model():
    options = {"epochs": 1, "batch_size": 1000, "optimizer": "sgd", "learning_rate": 1e36}
    with pytest.raises(DivergenceError, match="^training diverged in its last step with learning rate 1e\\+36; try "):
        TextClassifier(**options).fit(*TRAIN)


def test_a_text_of_unknown_words_is_judged_by_the_bias():
    classifier = TextClassifier(**QUICK).fit(*TRAIN)
    unknown = classifier.predict_proba(["xyzzy", "", "plugh xyzzy"])
    assert (unknown == unknown[0]).all()
    share = TRAIN[1].count("good") / len(TRAIN[1])
    assert abs(unknown[0, 1] - share) < 0.2


@pytest.mark.parametrize(
    "texts, labels, message",
    [
        (["a"], ["x", "y"], "there must be a label for each text, got 1 texts and 2 labels"),
        (["a", "b"], ["x", "x"], "training texts must have two or more labels, got x"),
        ([], [], "training texts must have two or more labels, got none"),
        ("a", ["x"], "texts must be several, got one: 'a'"),
        (["a", 3], ["x", "y"], "texts must be a list of strings, got 3 among them"),
    ],
)
def test_what_cannot_be_trained_on(texts, labels, message):
    with pytest.raises(ConfigError) as error:
        TextClassifier().fit(texts, labels)
    assert str(error.value) == message


def test_options_are_checked():
    with pytest.raises(ConfigError, match="^unknown option 'learning_rat', expected one of activation, batch_size, "):
        TextClassifier(learning_rat=1.0)
    with pytest.raises(ConfigError, match="^boundary must not be given to a classifier: each text stands for itself$"):
        TextClassifier(boundary="line")
    with pytest.raises(ConfigError, match="^bigrams must not be given with pooling window: "):
        TextClassifier(bigrams=5, pooling="window")
    with pytest.raises(FflmError, match="^the classifier is not trained; call fit, or load one$"):
        TextClassifier().predict(["a"])


@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered:RuntimeWarning")
def test_divergence_is_said():
    message = "^training diverged: the loss is .* at step .* with learning rate .*e\\+29; try a smaller learning_rate"
    with pytest.raises(DivergenceError, match=message):
        TextClassifier(optimizer="sgd", learning_rate=1e30).fit(*TRAIN)


# Reports


def test_report_by_hand():
    found = report(["a", "b", "c"], np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 2, 2]))
    assert found.confusion == ((2, 1, 0), (0, 1, 1), (0, 0, 1))
    assert found.accuracy == pytest.approx(4 / 6)
    assert found.macro_f1 == pytest.approx((4 / 5 + 2 / 4 + 2 / 3) / 3)
    assert (found.accuracy_low, found.accuracy_high) == pytest.approx((0.29999, 0.90323), abs=1e-5)


def test_a_label_that_training_did_not_have_is_never_right():
    found = TextClassifier(**QUICK).fit(*TRAIN).evaluate(["good", "bad", "good"], ["good", "bad", "odd"])
    assert found.labels == ("bad", "good", "odd") and found.accuracy == pytest.approx(2 / 3)
    assert found.confusion[2] == (0, 1, 0) and found.macro_f1 == pytest.approx((2 / 3 + 1 + 0) / 3)


def test_a_label_that_neither_occurs_nor_is_predicted_does_not_count():
    found = report(["a", "b", "c"], np.array([0, 0, 1]), np.array([0, 0, 1]))
    assert found.macro_f1 == 1.0 and (found.accuracy, found.accuracy_high) == (1.0, 1.0)


# The model file


@pytest.mark.parametrize("threads", [0, -1])
def test_no_model_is_loaded_for_such_workers(tmp_path, workshop, threads):
    TextClassifier(**QUICK).fit(*TRAIN).save(tmp_path / "model")
    for load, path in ((TextClassifier.load, tmp_path / "model"), (fflm.load, workshop / "runs" / "demo")):
        with pytest.raises(ConfigError, match=f"^threads must be at least 1, got {threads}$"):
            load(path, threads=threads)
        with pytest.raises(ModelFileError, match="^a model must be given as a path, got 3$"):
            load(3)


def test_saved_and_loaded(tmp_path):
    classifier = TextClassifier(**QUICK, bigrams=50, hidden_dims=4, lowercase=True).fit(*TRAIN)
    classifier.save(tmp_path / "model")
    loaded = TextClassifier.load(tmp_path / "model")
    assert loaded.predict_proba(TEST[0]).tobytes() == classifier.predict_proba(TEST[0]).tobytes()
    assert loaded.labels == ["bad", "good"] and loaded.info() == classifier.info()
    with pytest.raises(FflmError, match="^a classifier that was loaded has no training options; make a new one$"):
        loaded.fit(*TRAIN)
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()


def test_the_wrong_kind_is_refused_everywhere(fflm_main, models, workshop, tmp_path):
    path = tmp_path / "classifier"
    TextClassifier(**QUICK).fit(*TRAIN).save(path)
    message = f"fflm: error: {path} must hold a language model, got 'text classifier'; use fflm classify for it "
    message += "(in Python, TextClassifier.load)\n"
    text = workshop / "text.txt"
    for command in (
        ["sample", path],
        ["predict", path, "a"],
        ["perplexity", path, text],
        ["score", path, text],
        ["compare", path, path, text],
        ["mix", path, path, "--valid", text, "--out", tmp_path / "mix"],
        ["ngram", text, "--vocab-of", path, "--out", tmp_path / "ngram"],
        ["export", path, "--arpa", tmp_path / "arpa"],
        ["export", path, "--word2vec", tmp_path / "vectors"],
        ["neighbors", path, "a"],
        ["similarity", path, text],
        ["plot-embeddings", path, "--out", tmp_path / "map.svg"],
    ):
        code, out, err = fflm_main(*command)
        assert (code, out, err) == (1, "", message), command
    model = workshop / "runs" / "demo"
    for command in (["predict", model, "a"], ["evaluate", model, text]):
        code, out, err = fflm_main("classify", *command)
        file = model / "model.safetensors"
        assert (code, out) == (1, "")
        message = "must hold a text classifier, got 'neural language model'; fflm classify train makes one"
        assert err == f"fflm: error: {file} {message}\n"
    (tmp_path / "kn.arpa").write_text("\\data\\\n")
    message = "must hold a text classifier, got an ARPA file; fflm classify train makes one"
    assert fflm_main("classify", "predict", tmp_path / "kn.arpa", "a").err == (
        f"fflm: error: {tmp_path / 'kn.arpa'} {message}\n"
    )


@pytest.mark.parametrize(
    "change, message",
    [
        ({"labels": ["a"]}, "labels must be two or more different ones"),
        ({"labels": ["a", "a"]}, "labels must be two or more different ones"),
        ({"labels": "ab"}, "labels must be a list of strings"),
        ({"labels": None}, "labels must be a list of strings"),
        ({"model": {}}, "option 'activation' is missing"),
        ({"labels": ["a", "b", "c"]}, "output.weights must be float32 of shape (3, 8), got float32 (2, 8)"),
    ],
)
def test_damage_is_named(tmp_path, change, message):
    from fflm.storage.tensors import read_tensors, write_tensors

    path = tmp_path / "model"
    TextClassifier(**QUICK).fit(*TRAIN).save(path)
    arrays, description = read_tensors(path, ["text classifier"], "text classifier")
    description = {name: value for name, value in description.items() if name not in ("version", "kind")}
    write_tensors(path, arrays, "text classifier", description | change)
    with pytest.raises(ModelFileError) as error:
        TextClassifier.load(path)
    assert str(error.value) == f"{path} is damaged: {message}"


# The command


def test_train_predict_evaluate(fflm_main, tmp_path):
    train, test, model = (
        write(tmp_path / "train", *TRAIN),
        write(tmp_path / "test", *TEST, prefix=True),
        tmp_path / "model",
    )
    flags = ["--learning-rate", 0.02, "--epochs", 8, "--embedding-dim", 8]
    code, out, err = fflm_main("classify", "train", train, "--valid", test, "--test", test, "--out", model, *flags)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    matrix = ["confusion", "bad", "good"]
    names = ["model", "labels", "training", "validation", *matrix, "test", *matrix]
    assert [line.split()[0] for line in lines] == names
    assert (
        lines[1] == "labels       bad, good"
        and "200 texts" in lines[2]
        and lines[3].startswith("validation   accuracy 9")
    )
    code, out, err = fflm_main("classify", "predict", model, "a good film", "an awful film")
    assert (code, err) == (0, "")
    assert out.splitlines()[0].startswith("good 0.") and out.splitlines()[1].endswith("\tan awful film")
    code, out, _ = fflm_main("classify", "predict", model, "a good film", "--json", "--top", 1)
    (label,) = json.loads(out)["labels"]
    assert label["label"] == "good" and 0.5 < label["probability"] < 1.0
    assert json.loads(fflm_main("classify", "predict", model, "--json", "--top", 1, "a good film").out) == json.loads(
        out
    )
    assert "labels                   bad, good\n" in fflm_main("info", model).out
    facts = json.loads(fflm_main("info", model, "--json").out)
    assert facts["kind"] == "text classifier" and facts["labels"] == ["bad", "good"] and facts["vocab_size"] == 19
    evaluated = fflm_main("classify", "evaluate", model, test).out.splitlines()
    assert evaluated == [f"texts        {test}", lines[7].replace("test  ", "result"), *lines[8:]]
    code, out, _ = fflm_main("classify", "evaluate", model, test, "--json")
    found = json.loads(out)
    assert found["texts"] == 80 and found["accuracy"] > 0.9 and np.sum(found["confusion"]) == 80


@pytest.mark.parametrize("dash", [[], ["-"]])
def test_predict_reads_standard_input(fflm_main, tmp_path, monkeypatch, dash):
    TextClassifier(**QUICK).fit(*TRAIN).save(tmp_path / "model")
    command = ["classify", "predict", tmp_path / "model", *dash, "--encoding", "latin-1"]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a good film\r\n\nf\xeate bad")))
    code, out, _ = fflm_main(*command)
    assert code == 0 and [line.split("\t")[2] for line in out.splitlines()] == ["a good film", "", "f\xeate bad"]
    assert [line.split()[0] for line in out.splitlines()][::2] == ["good", "bad"]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert fflm_main(*command) == (0, "", "")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"f\xeate")))
    code, out, err = fflm_main(*command[:-2])
    assert (code, out) == (1, "")
    assert "an invalid byte at offset 1 of standard input; name its encoding with --encoding" in err


def test_labels_that_training_did_not_have_are_noted(fflm_main, tmp_path):
    TextClassifier(**QUICK).fit(*TRAIN).save(tmp_path / "model")
    write(tmp_path / "new", ["a film", "a plot", "a good film"], ["so-so", "so-so", "good"])
    code, out, err = fflm_main("classify", "evaluate", tmp_path / "model", tmp_path / "new")
    assert code == 0 and "accuracy 33.33 %" in out
    assert err == "note: the label so-so does not occur in training: its 2 texts count as wrong\n"


def test_training_without_other_texts_says_what_is_missing(fflm_main, tmp_path):
    train = write(tmp_path / "train", *TRAIN)
    code, _, err = fflm_main("classify", "train", train, "--out", tmp_path / "model", "--epochs", 1)
    assert (code, err) == (0, "note: how good is it? give --test, or see fflm classify evaluate --help\n")


@needs("sentence_polarity")
def test_a_named_corpus_brings_its_own_splits(fflm_main, tmp_path):
    command = ["classify", "train", "sentence_polarity", "--out", tmp_path / "model", "--epochs", 2, "--json"]
    code, out, _ = fflm_main(*command)
    found = json.loads(out)
    assert code == 0 and found["texts"] == 8530 and found["valid"]["texts"] == found["test"]["texts"] == 1066
    assert found["valid"]["accuracy"] > 0.65


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            ["train", "missing", "--out", "new"],
            "labelled texts must be a file, - or one of sentence_polarity, movie_reviews, got 'missing': no such file",
        ),
        (
            ["train", "examples", "--out", "examples"],
            "examples exists already; choose another name, or replace it with --force",
        ),
        (
            ["train", "examples", "--out", "new.arpa"],
            "can't write new.arpa: it has the name of an ARPA file; take another name, or use fflm export",
        ),
        (["train", "examples", "--out", "new", "--epochs", "-1"], "--epochs must be at least 0, got -1"),
        (
            ["train", "examples", "--out", "new", "--window", "3"],
            "--window must not be given without --pooling window",
        ),
        (
            ["train", ".", "--out", "new"],
            "labelled texts must be a file, - or one of sentence_polarity, movie_reviews, got '.', which is a folder",
        ),
        (
            ["train", "empty", "--out", "new"],
            "training texts must have a word, got none in 2 texts",
        ),
        (
            ["train", "examples", "--out", "new", "--encoding", "utf-16"],
            "text must be utf-16 with a byte order mark, got 'examples', which does not begin with one; name its "
            "encoding with --encoding",
        ),
        (["predict", "missing", "a"], "no such model: missing"),
        (["predict", "examples", "a", "--top", "0"], "--top must be at least 1, got 0"),
        (["evaluate", "missing", "examples"], "no such model: missing"),
    ],
)
def test_errors_write_nothing(fflm_main, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "examples", *TEST)
    write(tmp_path / "empty", ["", " "], ["a", "b"])
    assert fflm_main("classify", *arguments) == (1, "", f"fflm: error: {message}\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "examples"]


# scikit-learn


@pytest.fixture
def sklearn():
    return pytest.importorskip("sklearn", reason="scikit-learn is not installed")


def opinions(count=60):
    texts = [f"{'a good' if i % 3 else 'a bad'} {('film', 'book', 'song')[i % 7 % 3]} {i}" for i in range(count)]
    return texts, ["good" if i % 3 else "bad" for i in range(count)]


def test_scikit_learn_checks_what_it_can(sklearn):
    """Its checks need rows of numbers, and skip texts; what it asks of every estimator holds."""
    from sklearn.base import clone, is_classifier
    from sklearn.utils.estimator_checks import check_estimator
    from sklearn.utils.validation import check_is_fitted

    classifier = fflm.TextClassifier(epochs=5, learning_rate=0.05, embedding_dim=7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sklearn.exceptions.SkipTestWarning)
        for check in check_estimator(classifier) or ():
            assert check["status"] in ("passed", "skipped"), check
    assert is_classifier(classifier)
    copy = clone(classifier)
    assert copy.get_params() == classifier.get_params() and copy is not classifier
    with pytest.raises(sklearn.exceptions.NotFittedError):
        check_is_fitted(copy)
    check_is_fitted(copy.fit(*opinions()))
    assert copy.classes_.tolist() == ["bad", "good"] == copy.labels


def test_pipelines_cross_validation_and_searches(sklearn):
    from sklearn.metrics import accuracy_score
    from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    texts, labels = opinions()
    classifier = fflm.TextClassifier(epochs=20, learning_rate=0.05)
    assert cross_val_score(classifier, texts, labels, cv=3).tolist() == [1.0, 1.0, 1.0]
    assert accuracy_score(labels, cross_val_predict(classifier, np.array(texts), labels, cv=3)) == 1.0
    shout = FunctionTransformer(lambda texts: [text.upper() for text in texts])
    pipeline = make_pipeline(shout, classifier).fit(texts, labels)
    assert pipeline.predict(["A GOOD FILM"]) == ["good"] and pipeline.score(texts, labels) == 1.0
    assert pipeline.predict_proba(texts[:2]).shape == (2, 2)
    search = GridSearchCV(classifier, {"epochs": [0 + 1, 20], "learning_rate": [1e-6, 0.05]}, cv=2).fit(texts, labels)
    assert search.best_params_ == {"epochs": 20, "learning_rate": 0.05}


def test_parameters_can_be_read_and_set_without_scikit_learn(tmp_path):
    classifier = fflm.TextClassifier(epochs=3)
    assert classifier.get_params()["epochs"] == 3 and "boundary" not in classifier.get_params()
    with pytest.raises(ConfigError, match="^embedding_dim must be at least 1, got 0$"):
        classifier.set_params(epochs=5, embedding_dim=0)
    assert classifier.get_params()["epochs"] == 3 and classifier.get_params()["embedding_dim"] > 0
    with pytest.raises(ConfigError, match="^window must not be given without pooling window$"):
        classifier.set_params(window=ClassifierConfig.window)
    windows = fflm.TextClassifier(pooling="window")
    assert "window" not in classifier.get_params() and windows.get_params()["window"] == ClassifierConfig.window
    with pytest.raises(ConfigError, match="^unknown option 'epoch'"):
        classifier.set_params(epoch=1)
    with pytest.raises(AttributeError, match="not trained"):
        _ = classifier.classes_
    texts, labels = opinions()
    classifier.set_params(embedding_dim=5).fit(texts, labels)
    assert classifier.info()["parameters"] > 0 and classifier.score(texts, labels) > 0.5
    classifier.save(tmp_path / "labels")
    loaded = fflm.TextClassifier.load(tmp_path / "labels")
    assert loaded.get_params()["embedding_dim"] == 5 and loaded.classes_.tolist() == ["bad", "good"]
