"""The commands that count, mix and export; and that every other command works on what they make."""

import gzip
import json
import math
import re
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import CYCLE, noisy
from test_bad_input import hashes

import fflm
from fflm.lm import NgramModel

KINDS = ["unigram", "kn", "interpolated", "arpa", "kn.arpa", "mixture", "by-count", "nested", "cached"]
each_model = pytest.mark.parametrize("model", KINDS)
NUMBER = r"[\d,]+\.\d\d"
PERPLEXITY = rf"perplexity {NUMBER} \(95 % interval {NUMBER} to {NUMBER}\) on ([\d,]+) tokens, (\d+\.\d\d) % unknown"


@pytest.fixture
def models_here(here, models):
    """The current folder, with an ARPA file and a mixture of nothing but a network and a cache besides."""
    models["kn"].save_arpa("kn.arpa")
    fflm.mix("neural", valid="valid.txt", cache=20, out="cached", quiet=True)
    return here


@pytest.fixture
def refused(fflm_main, here):
    """``refused(message, "ngram", ...)``: one line on stderr, exit 1, nothing written, nothing lost."""

    def refused(message, *arguments):
        before = hashes(here)
        code, out, err = fflm_main(*arguments)
        assert (code, out) == (1, ""), err
        assert re.fullmatch(f"fflm: error: {message}\n", err), err
        assert hashes(here) == before

    return refused


def lines_of(outcome, *labels):
    """The lines of a report, without their labels."""
    code, out, err = outcome
    assert code == 0, err
    lines = out.splitlines()
    assert [line[:13] for line in lines] == [f"{label:13}" for label in labels]
    return [line[13:] for line in lines]


# fflm ngram


def test_ngram_prints_a_report(fflm_main, here):
    outcome = fflm_main(
        "ngram", "train.txt", "--out", "new", "--order", 3, "--valid", "valid.txt", "--test", "train.txt"
    )
    labels = ["model", "n-grams", "text", "validation", "test", "note", "note"]
    model, ngrams, text, valid, test, *notes = lines_of(outcome, *labels)
    assert model == "new (kneser-ney, order 3)"
    assert ngrams == "13, 98, 424 of 1 to 3 words"
    assert re.fullmatch(r"1,600 tokens, 13 words, counted and smoothed in \d+\.\d\d s", text)
    assert re.fullmatch(PERPLEXITY, valid).groups() == ("640", "0.00")
    assert re.fullmatch(PERPLEXITY, test).groups() == ("1,600", "0.00")
    leak = (
        r"warning: 50 of 50 test units \(blocks; 100 %, 100 % of the tokens\) occur verbatim in the training text; .*"
    )
    assert notes[0] == "warning: train.txt is training text and held-out text at once"
    assert re.fullmatch(leak, notes[1])
    assert outcome.err.splitlines() == notes  # said at once, too


def test_ngram_prunes(fflm_main, here):
    options = ["--valid", "valid.txt", "--order", 4, "--prune", 0, 0, 1]
    outcome = fflm_main("ngram", "train.txt", "--out", "new", *options)
    ngrams = lines_of(outcome, "model", "n-grams", "text", "validation")[1]
    sizes, of = ngrams.split(" of ", 1)
    assert re.fullmatch(r"13, 98, [12]\d\d, [1-3]\d\d", sizes)
    assert of == "1 to 4 words, without those of at most 0 0 1 occurrences"
    model = fflm.load("new")
    assert model.info()["prune"] == [0, 0, 1]
    model.save_arpa("pruned.arpa")
    expected = model.perplexity("valid.txt").perplexity
    assert fflm.load("pruned.arpa").perplexity("valid.txt").perplexity == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--prune 1", "--prune must begin with 0, as no word is left out, got 1"),
        ("--prune 0 2 1", "--prune must not fall from one order to the next, got 0 2 1"),
        ("--order 2 --prune 0 0 1", "--prune must have at most one count for each of 2 orders, got 0 0 1"),
        ("--prune 0 -1", "--prune must be at least 0, got -1"),
        (
            "--prune 0 1 --smoothing interpolated",
            "--prune must not be given with interpolated smoothing; leave it out, or take kneser-ney",
        ),
    ],
)
def test_what_can_not_be_pruned(refused, flags, message):
    refused(re.escape(message), "ngram", "train.txt", "--out", "new", *flags.split())


def test_ngram_holds_out_like_train(fflm_main, here):
    outcome = fflm_main("ngram", "train.txt", "--out", "new", "--order", 1, "--seed", 3)
    _, ngrams, _, valid, note = lines_of(outcome, "model", "n-grams", "text", "validation", "note")
    assert ngrams == "13 of 1 word"
    assert re.fullmatch(PERPLEXITY, valid)[1] == "80"
    assert note == "validation: 5 % of the units (5 of 100 blocks) held out in 1 stretch, seed 3"


def test_ngram_json(fflm_main, here):
    code, out, err = fflm_main("ngram", "train.txt", "--out", "new", "--smoothing", "interpolated", "--json")
    assert (code, err, out.count("\n")) == (0, "", 1)
    report = json.loads(out)
    assert (report["out"], report["smoothing"], report["order"]) == ("new", "interpolated", 3)
    assert report["ngrams"][0] == report["vocab_size"] == 13 and len(report["ngrams"]) == 3
    assert (report["train_tokens"], report["valid"]["tokens"], report["test"]) == (1520, 80, None)
    assert fflm.load("new").lm.describe()["kind"] == "interpolated n-gram model"


def test_ngram_flags_reach_the_model(fflm_main, here):
    flags = "--order 2 --tokenizer whitespace --lowercase --digits-to-zero --boundary line --vocab-size 8 --min-count 3"
    flags += " --valid-fraction 0.1 --threads 2 --encoding ascii --seed 5"
    code, out, err = fflm_main("ngram", "train.txt", "--out", "new", *flags.split(), "--json")
    assert code == 0, err
    facts = fflm.load("new").info()
    assert (facts["order"], facts["vocab_size"]) == (2, 8)
    assert facts["tokenizer"] == {
        "tokenizer": "whitespace",
        "lowercase": True,
        "digits_to_zero": True,
        "boundary": "line",
    }
    assert json.loads(out)["notes"] == ["validation: 10 % of the units (10 of 100 lines) held out at random, seed 5"]


def test_ngram_with_the_vocabulary_of_another_model(fflm_main, here):
    """A run folder or a model file; then both can be mixed."""
    Path("new.txt").write_text("A zebra sat on the mat .\n" * 50)
    for source in ("demo", "kn", "mixture"):
        assert fflm_main("ngram", "new.txt", "--out", f"of {source}", "--vocab-of", source).code == 0
        assert fflm.load(f"of {source}").lm.vocabulary.words == fflm.load("demo").lm.vocabulary.words
        assert fflm_main("mix", source, f"of {source}", "--valid", "valid.txt", "--out", f"mix {source}").code == 0


def test_ngram_of_standard_input_folders_and_several_files(fflm_cli, fflm_main, here):
    content = Path("train.txt").read_bytes()
    Path("folder").mkdir()
    Path("folder/a.txt").write_bytes(content[: len(content) // 2])
    Path("folder/b.txt.gz").write_bytes(gzip.compress(content[len(content) // 2 :]))
    valid = ["--valid", "valid.txt"]
    assert fflm_main("ngram", "train.txt", "--out", "expected", *valid).code == 0
    assert fflm_main("ngram", "folder", "--out", "folder/new", *valid).code == 0
    assert fflm_main("ngram", "folder/a.txt", "folder/b.txt.gz", "--out", "./folder/../two", *valid).code == 0
    outcome = fflm_cli("ngram", "-", "--out", here / "stdin", *valid, cwd=here, stdin=content.decode())
    assert outcome.code == 0, outcome.err
    for name in ("folder/new", "two", "stdin"):
        assert Path(name).read_bytes() == Path("expected").read_bytes()


def test_ngram_of_other_scripts_and_of_characters(fflm_main, here):
    text = "na\u00efve \u4f60 \u597d \U0001f600 .\n"
    Path("\u6587.txt").write_text(text * 50, encoding="utf-8")
    assert fflm_main("ngram", "\u6587.txt", "--out", "\u6a21", "--order", 2).code == 0
    assert "\u597d" in fflm_main("predict", "\u6a21", "\u4f60", "--top", 1).out
    assert fflm_main("ngram", "\u6587.txt", "--out", "chars", "--order", 3, "--tokenizer", "char").code == 0
    assert "' '" in fflm_main("predict", "chars", "\u4f60", "--top", 1).out


# ARPA files


def test_export_and_back(fflm_main, here):
    assert fflm_main("export", "kn", "--arpa", "new.arpa") == (0, "ARPA file    new.arpa\n", "")
    comment, rest = Path("new.arpa").read_text().split("\n", 1)
    assert comment.startswith('# fflm tokenizer: {"tokenizer": "word", ')
    assert rest.startswith("\\data\\\nngram 1=13\nngram 2=98\nngram 3=424\n\n\\1-grams:\n")
    outcome = fflm_main("ngram", "--arpa", "new.arpa", "--out", "back", "--vocab-of", "kn")
    assert lines_of(outcome, "model", "n-grams") == ["back (from new.arpa, order 3)", "13, 98, 424 of 1 to 3 words"]
    reports = [json.loads(fflm_main("perplexity", name, "valid.txt", "--json").out) for name in ("kn", "back")]
    assert reports[0]["perplexity"] == reports[1]["perplexity"]


def test_export_json(fflm_main, here):
    assert fflm_main("export", "kn", "--arpa", "new", "--json") == (0, '{"arpa": "new"}\n', "")
    code, out, err = fflm_main("ngram", "--arpa", "new", "--out", "back", "--json")
    assert (code, err) == (0, "")
    facts = {"out": "back", "kind": "n-gram model", "parameters": 646, "order": 3, "ngrams": [13, 98, 424]}
    assert json.loads(out) == {**facts, "smoothing": "as in the ARPA file"}


def test_arpa_files_are_models_at_once(fflm_main, here):
    """Evaluated, sampled, mixed; read as the file says, as lines of words, or as said."""
    fflm_main("export", "kn", "--arpa", "kn.arpa")
    assert json.loads(fflm_main("perplexity", "kn.arpa", "valid.txt", "--json").out)["tokens"] == 640
    Path("kn.arpa").write_text(Path("kn.arpa").read_text().partition("\n")[2])
    assert json.loads(fflm_main("perplexity", "kn.arpa", "valid.txt", "--json").out)["tokens"] == 680
    flags = ["--tokenizer", "word", "--boundary", "stream", "--lowercase"]
    assert fflm_main("ngram", "--arpa", "kn.arpa", "--out", "back", *flags).code == 0
    assert json.loads(fflm_main("perplexity", "back", "valid.txt", "--json").out)["tokens"] == 640
    assert fflm_main("ngram", "--arpa", "kn.arpa", "--out", "lines").code == 0
    assert fflm_main("mix", "kn.arpa", "lines", "--valid", "valid.txt", "--out", "mix").code == 0


@pytest.mark.parametrize("kind", ["neural", "interpolated", "mixture"])
def test_export_of_other_kinds(refused, kind):
    described = {"neural": "neural language model", "interpolated": "interpolated n-gram model"}.get(kind, kind)
    message = (
        f"ARPA files hold n-gram models in back-off form, got a model of kind '{described}'; name a text with --source "
        "to take n-grams from (in Python, save what approximate returns)"
    )
    refused(re.escape(message), "export", kind, "--arpa", "new.arpa")


def test_export_replaces_no_file_unasked(refused, here):
    """Least of all the model itself."""
    for name in ("kn", "train.txt"):
        message = f"{name} exists already; choose another name, or replace it with --force"
        refused(message, "export", "kn", "--arpa", name)
    refused("can't write demo: it is a folder", "export", "kn", "--arpa", "demo")
    refused("can't write no/new.arpa: there is no folder no", "export", "kn", "--arpa", "no/new.arpa")
    refused("the file to write must have a name, got ''", "export", "kn", "--arpa", "")
    refused("no such model: missing", "export", "missing", "--arpa", "new.arpa")


# fflm mix


def test_mix_prints_a_report(fflm_main, here):
    Path("test.txt").write_text(noisy(20, seed=5))
    arguments = ["demo", "kn", "--valid", "valid.txt", "--test", "test.txt", "--out", "new", "--cache", 9]
    labels = ["mixture", "part", "part", "part", "validation", "test"]
    title, neural, ngram, cache, valid, test = lines_of(fflm_main("mix", *arguments), *labels)
    assert title == "new of 3 models"
    weight = r"weight (\d\.\d{4})  "
    matches = [
        re.fullmatch(weight + rf"neural: perplexity {NUMBER} alone \(demo\)", neural),
        re.fullmatch(weight + rf"n-gram: perplexity {NUMBER} alone \(kn\)", ngram),
        re.fullmatch(weight + r"cache: alone, some words have probability 0", cache),
    ]
    assert sum(float(match[1]) for match in matches) == pytest.approx(1, abs=2e-4)
    assert re.fullmatch(PERPLEXITY, valid).groups() == ("640", "0.00")
    assert re.fullmatch(PERPLEXITY, test).groups() == ("320", "0.00")


def test_mix_json(fflm_main, here):
    arguments = ["demo", "kn", "--valid", "valid.txt", "--out", "new", "--cache", 9, "--cache-half-life", 4]
    code, out, err = fflm_main("mix", *arguments, "--json")
    assert (code, err, out.count("\n")) == (0, "", 1)
    report = json.loads(out)
    assert [part["model"] for part in report["parts"]] == ["demo", "kn", None]
    assert [part["weight"] for part in report["parts"]] == report["weights"][0]
    assert fflm.load("new").lm.describe()["parts"][2] == {"kind": "cache", "parameters": 0, "size": 9, "half_life": 4.0}


def test_mix_by_context_count(fflm_main, here):
    arguments = ["demo", "kn", "--valid", "valid.txt", "--by-context-count"]
    title, *_ = lines_of(fflm_main("mix", *arguments, "--out", "new"), "mixture", "part", "part", "validation")
    assert title == "new of 2 models, by how often the context was seen (mean weights below)"
    report = json.loads(fflm_main("mix", *arguments, "--out", "again", "--json").out)
    assert report["by_context_count"] and [len(row) for row in report["weights"]] == [2] * 16
    assert Path("new").read_bytes() == Path("again").read_bytes()


def test_mix_of_one_model(fflm_main, here):
    title, part, _ = lines_of(
        fflm_main("mix", "kn", "--valid", "valid.txt", "--out", "new"), "mixture", "part", "validation"
    )
    assert title == "new of 1 model" and part.startswith("weight 1.0000  n-gram: ")


def test_mix_takes_standard_input_and_encodings(fflm_cli, here):
    code, out, err = fflm_cli("mix", "kn", "--valid", "-", "--out", "new", "--json", cwd=here, stdin=noisy(40, seed=2))
    assert code == 0, err
    assert json.loads(out)["valid"]["tokens"] == 640
    (here / "wide.txt").write_text(noisy(40, seed=2), encoding="utf-16")
    code, out, err = fflm_cli(
        *["mix", "kn", "--valid", "wide.txt", "--encoding", "utf-16", "--out", "again", "--json"], cwd=here
    )
    assert json.loads(out)["valid"]["tokens"] == 640
    assert (here / "new").read_bytes() == (here / "again").read_bytes()


def test_mix_warns_of_held_out_text_that_was_counted(fflm_main, here):
    fflm_main("ngram", "train.txt", "--out", "kn4", "--order", 4, "--valid", "valid.txt")
    code, out, err = fflm_main("mix", "kn4", "--valid", "train.txt", "--test", "train.txt", "--out", "new")
    notes = [line.removeprefix("note         ") for line in out.splitlines() if line.startswith("note ")]
    assert [note.partition(":")[0] for note in notes] == ["warning"] * 3 and err.splitlines() == notes
    assert notes[0].startswith("warning: 50 of 50 test units (blocks; 100 %, ")
    for note, what in zip(notes[1:], ("validation", "test"), strict=True):
        assert note == (
            f"warning: of 100 of 100 {what} units (100 %) the n-gram model has seen every 4-gram: they probably stand "
            "in its training text"
        )


def test_mix_warns_of_held_out_text_in_the_training_text_it_is_shown(fflm_main, here):
    """Exact, and with any kind of model; the guess by n-grams is left out then."""
    arguments = ["--valid", "train.txt", "--train", "train.txt"]
    code, out, err = fflm_main("mix", "demo", *arguments, "--out", "new")
    assert code == 0
    assert re.fullmatch(
        r"warning: 50 of 50 validation units \(blocks; 100 %, 100 % of the tokens\) occur verbatim in the training "
        r"text; longer than 10 tokens: 50\n",
        err,
    )
    assert fflm_main("mix", "demo", "--valid", "valid.txt", "--train", "train.txt", "--out", "other").err == ""


def test_a_mixture_does_not_need_its_parts(fflm_main, here):
    """It contains them; it may be moved."""
    assert fflm_main("mix", "demo", "kn", "--valid", "valid.txt", "--out", "new").code == 0
    before = fflm_main("predict", "new", "the cat").out
    Path("away").mkdir()
    shutil.move("new", "away/new")
    shutil.rmtree("demo")
    Path("kn").unlink()
    assert fflm_main("predict", "away/new", "the cat").out == before


# Every other command, on every kind of model


@each_model
def test_perplexity(fflm_main, models_here, model):
    expected = fflm.load(model).perplexity("valid.txt").perplexity
    out = fflm_main("perplexity", model, "valid.txt").out
    assert re.search(rf"^perplexity +{expected:.3f}$", out, re.MULTILINE)
    assert json.loads(fflm_main("perplexity", model, "valid.txt", "--json").out)["perplexity"] == expected


@each_model
def test_sample(fflm_main, models_here, model):
    arguments = ["sample", model, "--prompt", "the cat", "--tokens", 12, "--samples", 3]
    code, out, err = fflm_main(*arguments)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert len(lines) == 3 and all(line.startswith("the cat") for line in lines)
    assert fflm_main(*arguments).out == out
    assert fflm_main(*arguments, "--seed", 2).out != out
    words = {word for sample in json.loads(fflm_main(*arguments, "--json").out) for word in sample["tokens"]}
    assert words <= set(CYCLE.split())


@each_model
def test_predict(fflm_main, models_here, model):
    code, out, err = fflm_main("predict", model, "the cat sat on the", "--top", 20, "--special")
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 13
    predictions = json.loads(fflm_main("predict", model, "the cat sat on the", "--top", 20, "--special", "--json").out)
    assert sum(prediction["probability"] for prediction in predictions) == pytest.approx(1, abs=1e-5)
    if model != "unigram":
        assert predictions[0]["word"] == "mat"


@each_model
def test_info(fflm_main, models_here, model):
    code, out, err = fflm_main("info", model)
    assert (code, err) == (0, "") and out.startswith("kind  ")
    facts = json.loads(fflm_main("info", model, "--json").out)
    assert facts == fflm.load(model).info()
    assert facts["vocab_size"] == 13


@each_model
def test_score(fflm_main, models_here, model):
    code, out, err = fflm_main("score", model, "valid.txt", "--json")
    assert (code, err) == (0, "")
    scores = json.loads(out)
    assert sum(score["bits"] for score in scores["scores"]) == pytest.approx(
        scores["bits_per_token"] * scores["tokens"]
    )
    assert fflm_main("score", model, "valid.txt", "--html", "page.html").code == 0
    assert Path("page.html").read_text().startswith("<!doctype html>")


@each_model
def test_compare(fflm_main, models_here, model):
    flags = ["--per-character"] if model == "kn.arpa" else []
    code, out, err = fflm_main("compare", model, "demo", "valid.txt", "--json", *flags)
    assert code == 0, err
    bits = [fflm.load(name).perplexity("valid.txt") for name in (model, "demo")]
    key = "bits_per_character" if flags else "bits_per_token"
    assert json.loads(out)["difference"] == pytest.approx(getattr(bits[0], key) - getattr(bits[1], key))


def test_a_cache_alone(fflm_main, here):
    """It is of use in a mixture only, and says so where it has no answer."""
    code, out, err = fflm_main("perplexity", "cache", "valid.txt")
    assert (code, out) == (1, "")
    assert re.fullmatch(
        r"fflm: error: perplexity is undefined: token \d of valid.txt, '\S+', has no probability\n", err
    )
    assert fflm_main("predict", "cache", "the cat the", "--top", 1).out.endswith("  the\n")
    assert fflm_main("info", "cache").out.startswith("kind                     cache\n")


# What the parts of a mixture add


def test_contributions(fflm_main, models_here):
    """In the text as shares of each word's probability, in JSON as what adds up to it."""
    code, out, err = fflm_main("predict", "mixture", "the cat sat on the", "--top", 5)
    names = ["neural", "n-gram", "interpolated n-gram", "cache"]
    shares = ", ".join(rf"{name} (\d+) %" for name in names)
    for line in out.splitlines():
        match = re.fullmatch(rf"(0\.\d{{6}})  (\S+)  \({shares}\)", line)
        assert match and sum(map(int, match.groups()[2:])) == pytest.approx(100, abs=2)
    lm = fflm.load("mixture").lm
    ids = lm.vocabulary.encode(["the", "cat", "sat", "on", "the"])[None]
    predictions = json.loads(fflm_main("predict", "mixture", "the cat sat on the", "--top", 13, "--json").out)
    for prediction in predictions:
        word = lm.vocabulary.id(prediction["word"]) if prediction["word"] not in ("<s>", "</s>") else None
        assert list(prediction["parts"]) == names
        assert math.fsum(prediction["parts"].values()) == pytest.approx(prediction["probability"], rel=1e-12)
        if word is not None:
            for part, weight, value in zip(lm.parts, lm.weights[0], prediction["parts"].values(), strict=True):
                alone = part.next_word(ids[:, lm.reach - part.reach :])[0, word]
                assert value == pytest.approx(weight * alone, rel=1e-12)


def test_contributions_of_parts_of_one_kind(fflm_main, here):
    """Numbered; of a mixture in a mixture as a whole."""
    assert fflm_main("mix", "kn", "unigram", "mixture", "--valid", "valid.txt", "--out", "new").code == 0
    (prediction,) = json.loads(fflm_main("predict", "new", "the", "--top", 1, "--json").out)
    assert list(prediction["parts"]) == ["n-gram 1", "n-gram 2", "mixture"]


def test_other_models_have_no_contributions(fflm_main, here):
    for name in ("neural", "kn", "interpolated"):
        (prediction,) = json.loads(fflm_main("predict", name, "the", "--top", 1, "--json").out)
        assert sorted(prediction) == ["probability", "word"]
        assert re.fullmatch(r"0\.\d{6}  \S+\n", fflm_main("predict", name, "the", "--top", 1).out)


# Refused


NEW = ["--out", "new"]
VALID = ["--valid", "valid.txt"]


@pytest.mark.parametrize(("message", "arguments"), [
    ("ngram needs a SOURCE, or --arpa FILE", []),
    ("--order must be at least 1, got 0", ["train.txt", "--order", "0"]),
    ("--order must be at most 10, got 99", ["train.txt", "--order", "99"]),
    ("--order must be at least 2 for interpolated smoothing, got 1",
     ["train.txt", "--order", "1", "--smoothing", "interpolated"]),
    ("--smoothing must be one of kneser-ney, interpolated, got 'add-one'", ["train.txt", "--smoothing", "add-one"]),
    ("--seed must be at least 0, got -1", ["train.txt", "--seed", "-1"]),
    ("--threads must be at least 1, got 0", ["train.txt", "--threads", "0"]),
    ("source must be a file, .*, got 'missing': no such file", ["missing"]),
    ("--(valid|test) must be a file, .*, got 'missing': no such file", ["train.txt", "--valid", "missing"]),
    ("no such model: missing", ["train.txt", "--vocab-of", "missing"]),
    ("train.txt is not a model file, or it is damaged: .*", ["train.txt", "--vocab-of", "train.txt"]),
    ("--vocab-size must not be given together with --vocab-of: that model's is taken",
     ["train.txt", "--vocab-of", "demo", "--vocab-size", "9"]),
    ("--boundary must not be given together with --vocab-of: that model's is taken",
     ["train.txt", "--vocab-of", "demo", "--boundary", "line"]),
    ("--valid-fraction must not be given together with --valid, got 0.5",
     ["train.txt", *VALID, "--valid-fraction", "0.5"]),
    ("SOURCE must not be given together with --arpa: nothing is counted", ["train.txt", "--arpa", "kn.arpa"]),
    ("--valid must not be given together with --arpa: nothing is counted", ["--arpa", "kn.arpa", *VALID]),
    ("--test must not be given together with --arpa: nothing is counted", ["--arpa", "kn.arpa", "--test", "x"]),
    ("--order must not be given together with --arpa: nothing is counted", ["--arpa", "kn.arpa", "--order", "3"]),
    ("--smoothing must not be given together with --arpa: .*", ["--arpa", "kn.arpa", "--smoothing", "kneser-ney"]),
    ("--min-count must not be given together with --arpa: .*", ["--arpa", "kn.arpa", "--min-count", "0"]),
    ("--valid-fraction must not be given together with --arpa: .*", ["--arpa", "kn.arpa", "--valid-fraction", "0"]),
    ("--tokenizer must not be given together with --vocab-of: that model's is taken",
     ["--arpa", "kn.arpa", "--vocab-of", "kn", "--tokenizer", "word"]),
    ("missing can't be read: no such file or directory", ["--arpa", "missing"]),
    (r"train.txt is not an ARPA file: it has no line \\data\\", ["--arpa", "train.txt"]),
])  # fmt: skip
def test_ngram_refuses(refused, message, arguments):
    refused(message, "ngram", *arguments, *NEW)


@pytest.mark.parametrize(("message", "arguments"), [
    ("no such model: missing", ["kn", "missing", *VALID]),
    ("valid.txt is not a model file, or it is damaged: .*", ["kn", "valid.txt", *VALID]),
    ("--(valid|test) must be a file, .*, got 'missing': no such file", ["kn", "--valid", "missing"]),
    ("--(valid|test) must be a file, .*, got 'missing': no such file", ["kn", *VALID, "--test", "missing"]),
    ("--cache must be at least 1, got 0", ["kn", *VALID, "--cache", "0"]),
    ("--cache must be at most 100000, got 100001", ["kn", *VALID, "--cache", "100001"]),
    ("--cache-half-life must not be given without --cache; give the size of the cache",
     ["kn", *VALID, "--cache-half-life", "5"]),
    ("--cache-half-life must be above 0.0, got -1.0", ["kn", *VALID, "--cache", "5", "--cache-half-life", "-1"]),
    ("--threads must be at most 256, got 999", ["kn", *VALID, "--threads", "999"]),
    ("--by-context-count needs an n-gram model of order 2 or more that fflm ngram counted .*",
     ["neural", "unigram", *VALID, "--by-context-count", "--cache", "5"]),
    ("--by-context-count needs an n-gram model .* got none among the parts", ["arpa", *VALID, "--by-context-count"]),
    ("--encoding must be one that Python knows, such as utf-8 or cp1252, got 'klingon'",
     ["kn", *VALID, "--encoding", "klingon"]),
])  # fmt: skip
def test_mix_refuses(refused, message, arguments):
    refused(message, "mix", *arguments, *NEW)


def test_mix_of_models_of_different_vocabularies(fflm_main, refused, here):
    fflm_main("ngram", "train.txt", "--out", "line", "--boundary", "line")
    fflm_main("ngram", "train.txt", "--out", "few", "--vocab-size", "6")
    refused(
        "models must share vocabulary and tokenizer to be mixed, line differs from demo: boundary is 'stream' in demo "
        "and 'line' in line; fflm ngram --vocab-of MODEL makes an n-gram model that can be mixed with MODEL",
        *["mix", "demo", "kn", "line", *VALID, *NEW],
    )
    refused(
        "models must share vocabulary and tokenizer to be mixed, few differs from demo: their vocabularies have 13 and "
        "6 words, and .* in demo.*; fflm ngram --vocab-of MODEL makes .*",
        *["mix", "demo", "few", *VALID, *NEW],
    )


@pytest.mark.parametrize("command", [["ngram", "train.txt"], ["mix", "kn", *VALID], ["ngram", "--arpa", "kn.arpa"]])
def test_out(fflm_main, refused, here, command):
    """A second call with the same --out replaces nothing, nor does one with the name of anything else."""
    fflm_main("export", "kn", "--arpa", "kn.arpa")
    assert fflm_main(*command, "--out", "twice").code == 0
    refused("can't write demo: it is a folder", *command, "--out", "demo")
    for name in ("twice", "kn", "train.txt"):
        refused(f"{name} exists already; choose another name, or replace it with --force", *command, "--out", name)
    refused("can't write no/new: there is no folder no", *command, "--out", "no/new")
    refused("can't write kn/new: there is no folder kn", *command, "--out", "kn/new")
    refused("can't write a{300}: File name too long", *command, "--out", "a" * 300)
    refused("the file to write must have a name, got ''", *command, "--out", "")
    message = "can't write new.arpa: it has the name of an ARPA file; take another name, or use fflm export"
    refused(message, *command, "--out", "new.arpa")


def test_a_damaged_part(fflm_main, refused, here):
    content = Path("kn").read_bytes()
    Path("half").write_bytes(content[: len(content) // 2])
    refused("half is not a model file, or it is damaged: .*", "mix", "demo", "half", *VALID, *NEW)


@pytest.mark.parametrize(("arguments", "message"), [
    (["ngram", "train.txt"], "the following arguments are required: --out"),
    (["ngram", "train.txt", *NEW, "--order", "three"], "argument --order: invalid int value: 'three'"),
    (["ngram", "train.txt", *NEW, "--cache", "5"], "unrecognized arguments: --cache 5"),
    (["mix", *VALID, *NEW], "the following arguments are required: MODEL"),
    (["mix", "kn", *NEW], "the following arguments are required: --valid"),
    (["mix", "kn", *VALID], "the following arguments are required: --out"),
    (["export", "kn"], "one of the arguments --arpa --word2vec --combined --npz is required"),
])  # fmt: skip
def test_wrong_usage(fflm_main, here, arguments, message):
    before = hashes(here)
    code, out, err = fflm_main(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("usage: fflm") and message in err
    assert hashes(here) == before


# Among other programs


def test_help(fflm_main):
    shown = {verb: " ".join(fflm_main(verb, "--help").out.split()) for verb in ("ngram", "mix", "export", "predict")}
    flags = """--out --order --smoothing --arpa --vocab-of --valid --test --seed --threads --valid-fraction --vocab-size
        --min-count --vocab --encoding --tokenizer --lowercase --digits-to-zero --boundary --json"""
    assert all(f"{flag} " in shown["ngram"] for flag in flags.split())
    assert "(default: 5; interpolated: 3)" in shown["ngram"] and "(default: kneser-ney)" in shown["ngram"]
    flags = "--valid --test --out --by-context-count --encoding --cache --cache-half-life --threads --json"
    assert all(f"{flag} " in shown["mix"] for flag in flags.split())
    assert "the mixture contains them" in shown["mix"]
    assert "what each part adds" in shown["predict"]
    assert "KenLM, SRILM" in shown["export"]


@pytest.mark.parametrize("command", [["ngram", "-", "--order", 10], ["mix", "kn", "interpolated", "--valid", "-"]])
def test_interrupted(fflm_process, here, tmp_path, command):
    """Ctrl-C while it reads, or right after: one line, nothing half written."""
    before = hashes(here)
    process = fflm_process(*command, "--out", "new", stdin=subprocess.PIPE)
    process.stdin.write(noisy(50_000, seed=6).encode())
    process.stdin.close()  # more than a pipe holds: it is reading now, and has the last of it still to read
    process.send_signal(signal.SIGINT)
    process.wait(timeout=60)
    err = (tmp_path / "process-0.txt").read_text()
    assert (process.returncode, err) == (130, "fflm: interrupted\n")
    assert hashes(here) == before


def test_models_of_a_process_of_its_own(fflm_cli, here):
    """From text to a prediction of a mixture, as on the README's page."""
    steps = [
        ["ngram", "train.txt", "--out", "kn5.safetensors", "--vocab-of", "demo"],
        ["mix", "demo", "kn5.safetensors", "--valid", "valid.txt", "--out", "mix.safetensors", "--cache", 50],
        ["export", "kn5.safetensors", "--arpa", "kn5.arpa"],
        ["perplexity", "mix.safetensors", "valid.txt"],
        ["predict", "mix.safetensors", "the cat sat on the", "--top", 3],
    ]
    for step in steps:
        code, out, err = fflm_cli(*step, cwd=here)
        assert code == 0, err
    assert re.search(r"  mat  \(neural \d+ %, n-gram \d+ %, cache \d+ %\)$", out, re.MULTILINE)
    assert isinstance(fflm.load(here / "kn5.arpa").lm, NgramModel)


def test_export_arrays(demo, tmp_path, fflm_main):
    code, out, err = fflm_main("export", demo, "--npz", tmp_path / "x.npz")
    assert (code, out, err) == (0, f"arrays       {tmp_path / 'x.npz'}\n", "")
    model, arrays = fflm.load(demo), np.load(tmp_path / "x.npz", allow_pickle=False)
    assert arrays["words"].tolist() == model.lm.vocabulary.words
    assert all((arrays[name] == value).all() for name, value in model.parameters.items())
    code, _, err = fflm_main("export", demo, "--npz", tmp_path / "x.npz")
    assert code == 1 and "exists already" in err
