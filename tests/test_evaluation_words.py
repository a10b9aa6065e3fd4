"""Tables of the surprisal of words: rows add up to the text, whatever the tokenizer, and say what they are."""

import csv
import io
import json
import math

import numpy as np
import pytest

import fflm
from fflm.errors import ConfigError, FflmError

TRAIN = 'The cat sat, and "yes" said the dog.\nA dog sat on the mat; it is the end!\nIt was the cat.\n' * 30
SENTENCES = ['The cat said "yes", twice.', "A zebra sat on the mat!"]


def trained(folder, **options):
    (folder / "text").write_text(TRAIN)
    return fflm.ngram(folder / "text", valid=folder / "text", min_count=1, quiet=True, **options)


@pytest.fixture(scope="module", params=["word", "whitespace", "char", "treebank"])
def model(request, tmp_path_factory):
    return trained(tmp_path_factory.mktemp("words"), tokenizer=request.param, boundary="line")


@pytest.mark.parametrize("punctuation", ["joined", "apart"])
def test_rows_add_up_to_the_text(model, punctuation):
    rows = fflm.surprisal(model, SENTENCES, punctuation=punctuation, base="e", end=True)
    for line, (text, score) in enumerate(zip(SENTENCES, model.score_texts(SENTENCES), strict=True), start=1):
        own = [row for row in rows if row["line"] == line]
        assert [row["position"] for row in own] == list(range(1, len(own) + 1))
        assert math.fsum(row["surprisal"] for row in own) == pytest.approx(-score.open_log_prob, rel=1e-9)
        assert all(text[row["start"] : row["end"]] == row["word"] for row in own[:-1])
        assert own[-1]["word"] == "</s>"
        assert "".join(row["word"] for row in own[:-1]) == "".join(text.split())
        if punctuation == "joined":
            assert [row["word"] for row in own[:-1]] == text.split()


def test_bases_are_bits_nats_and_bans(model):
    found = {base: fflm.surprisal(model, SENTENCES, base=base) for base in ("2", "e", "10")}
    for bits, nats, bans in zip(*found.values(), strict=True):
        for name in ("surprisal", "entropy"):
            assert bits[name] * math.log(2) == pytest.approx(nats[name])
            assert bans[name] * math.log(10) == pytest.approx(nats[name])


def test_marks_are_apart_where_asked(tmp_path):
    model = trained(tmp_path)
    joined, apart = (fflm.surprisal(model, SENTENCES[0], punctuation=how) for how in ("joined", "apart"))
    assert [row["word"] for row in joined] == ["The", "cat", "said", '"yes",', "twice."]
    assert [row["word"] for row in apart] == ["The", "cat", "said", '"', "yes", '"', ",", "twice", "."]
    assert joined[3]["surprisal"] == pytest.approx(sum(row["surprisal"] for row in apart[3:7]))


def test_unknown_words_entropy_and_frequency(tmp_path):
    model = trained(tmp_path, boundary="line")
    rows = fflm.surprisal(model, SENTENCES[1])
    assert [row["unknown"] for row in rows] == [False, True, False, False, False, False]
    counts = dict(zip(model.lm.vocabulary.words, model.lm.vocabulary.counts.tolist(), strict=True))
    assert [row["frequency"] for row in rows[:3]] == [counts["A"], None, counts["sat"]]
    assert rows[5]["frequency"] == min(counts["mat"], counts["!"])
    p = model.lm.next_word(np.array([[1] * (model.lm.reach - 1) + [model.lm.vocabulary.id("A")]], np.int32))[0]
    p = p[p > 0].astype(float)
    assert rows[1]["entropy"] == pytest.approx(-(p * np.log2(p)).sum(), rel=1e-6)
    assert "entropy" not in fflm.surprisal(model, SENTENCES[1], no_entropy=True)[0]
    closed, lost = (fflm.surprisal(model, SENTENCES[1], unknown=how) for how in ("unk", "nan"))
    spelled = model.lm.vocabulary.spelling.log_probs(["zebra"])[0] / math.log(2)
    assert rows[1]["surprisal"] - closed[1]["surprisal"] == pytest.approx(-spelled)
    assert lost[1]["surprisal"] is None and lost[2] == closed[2]


@pytest.mark.parametrize("boundary", ["line", "stream", "eos"])
def test_contexts_stay_or_run_on_whatever_the_boundary(tmp_path, boundary):
    model = trained(tmp_path, boundary=boundary)
    texts = ["The cat", "sat , and", "sat , and"]
    alone = fflm.surprisal(model, texts, no_entropy=True)
    item = fflm.surprisal(model, texts, items=["a", "a", "b"], context="item", no_entropy=True)
    whole = fflm.surprisal(model, texts, items=["a", "a", "b"], context="file", no_entropy=True)
    figures = [[row["surprisal"] for row in rows] for rows in (alone, item, whole)]
    alone, item, whole = figures
    assert alone[2:5] == alone[5:8]
    assert item[:2] == alone[:2] and item[5:] == alone[5:]  # a new item begins anew
    assert whole[:5] == item[:5]
    if boundary != "eos":  # there <eos> stands between
        assert item[2] < alone[2]  # "sat" after "The cat"
        assert whole[5] != alone[5]


def test_regions_and_totals(tmp_path):
    model = trained(tmp_path)
    text = "The cat | sat, and | said"
    rows = fflm.surprisal(model, text, regions="|")
    plain = fflm.surprisal(model, "The cat sat, and said")
    assert [(row["word"], row["region"]) for row in rows] == [
        *(("The", 1), ("cat", 1), ("sat,", 2), ("and", 2), ("said", 3)),
    ]
    assert [row["surprisal"] for row in rows] == [row["surprisal"] for row in plain]
    totals = fflm.surprisal(model, text, regions="|", totals=True)
    assert [(row["region"], row["words"], row["text"]) for row in totals] == [
        *((1, 2, "The cat"), (2, 2, "sat, and"), (3, 1, "said")),
    ]
    for total in totals:
        own = [row["surprisal"] for row in rows if row["region"] == total["region"]]
        assert total["surprisal"] == pytest.approx(math.fsum(own), rel=1e-12)
    (whole,) = fflm.surprisal(model, text.replace("|", ""), totals=True)
    assert whole["surprisal"] == pytest.approx(sum(row["surprisal"] for row in totals))


def test_several_models_stand_side_by_side(tmp_path):
    models = {name: trained(tmp_path, tokenizer=name) for name in ("word", "char")}
    rows = fflm.surprisal(models, SENTENCES)
    for name, model in models.items():
        own = fflm.surprisal(model, SENTENCES)
        for figure in ("surprisal", "unknown", "entropy", "frequency"):
            assert [row[f"{figure}_{name}"] for row in rows] == [row[figure] for row in own]


def test_networks_give_the_same_rows_from_session_and_model(demo):
    model = fflm.load(demo)
    rows = fflm.surprisal(model, ["the cat sat on the mat", "a dog sat"], base="e")
    scores = model.score_texts(["the cat sat on the mat", "a dog sat"])
    for line, score in enumerate(scores, start=1):
        bits = [row["surprisal"] for row in rows if row["line"] == line]
        assert math.fsum(bits) == pytest.approx(-score.log_prob, abs=1e-6)


def test_against_kenlm(tmp_path):
    kenlm = pytest.importorskip("kenlm")
    model = trained(tmp_path, tokenizer="whitespace", boundary="line", order=3)
    model.save_arpa(tmp_path / "x.arpa")
    text = "It was the zebra on the mat;"
    rows = fflm.surprisal(fflm.load(tmp_path / "x.arpa"), text, base="10", end=True, unknown="unk")
    expected = [-log_prob for log_prob, _, _ in kenlm.Model(str(tmp_path / "x.arpa")).full_scores(text)]
    assert [row["surprisal"] for row in rows] == pytest.approx(expected, abs=1e-5)


def test_the_table_on_the_command_line(demo, tmp_path, fflm_main):
    path = tmp_path / "stimuli.csv"
    path.write_text('sentence_id,sentence,note\n7,"the cat sat, on the mat",x\n8,a zebra sat,y\n')
    code, out, err = fflm_main("score", demo, path, "--column", "sentence", "--by", "sentence_id")
    assert code == 0, err
    rows = list(csv.DictReader(io.StringIO(out), delimiter="\t"))
    assert list(rows[0]) == "item line position word start end surprisal unknown entropy frequency".split()
    assert [(row["item"], row["line"], row["word"]) for row in rows] == [
        *(("7", "2", word) for word in "the cat sat, on the mat".split()),
        *(("8", "3", word) for word in "a zebra sat".split()),
    ]
    assert [row["frequency"] for row in rows if row["word"] in ("zebra", "sat,")] == ["NA", "NA"]
    lines = fflm_main("score", demo, path, "--column", "sentence", "--by", "sentence_id", "--json").out.splitlines()
    found = fflm.surprisal(demo, ["the cat sat, on the mat", "a zebra sat"], items=["7", "8"])
    assert [json.loads(line) | {"line": 0} for line in lines] == [row | {"line": 0} for row in found]
    assert err == "note: 9 rows\n"


def test_texts_on_standard_input_and_two_models(demo, tmp_path, fflm_cli, fflm_main):
    code, out, err = fflm_cli("score", demo, "-", "--words", stdin="the cat\n\na dog\n")
    assert code == 0, err
    assert [line.split("\t")[1:4] for line in out.splitlines()[1:]] == [
        *(["1", "1", "the"], ["1", "2", "cat"], ["3", "1", "a"], ["3", "2", "dog"]),
    ]
    fflm.load(demo).save(tmp_path / "copy.safetensors")
    (tmp_path / "x.txt").write_text("the cat\n")
    code, out, _ = fflm_main("score", demo, tmp_path / "x.txt", "--also", tmp_path / "copy.safetensors")
    names = out.splitlines()[0].split("\t")
    assert [name for name in names if name.startswith("surprisal")] == ["surprisal_demo", "surprisal_copy"]
    code, _, err = fflm_main("score", demo, tmp_path / "x.txt", "--also", demo)
    assert (code, err) == (1, f"fflm: error: --also must name other models, got '{demo}' twice\n")


def test_what_is_refused(demo):
    with pytest.raises(ConfigError, match="^items must be as many as the 2 texts, got 1"):
        fflm.surprisal(demo, ["a", "b"], items=["x"])
    with pytest.raises(ConfigError, match="^regions must be a mark that is no blank, got ' '"):
        fflm.surprisal(demo, ["a"], regions=" ")
    with pytest.raises(FflmError, match="^a text must not have the mark </s>, got it on line 1"):
        fflm.surprisal(demo, "the </s> cat")
    with pytest.raises(ConfigError, match="^texts must be strings, got 5"):
        fflm.surprisal(demo, [5])
    with pytest.raises(ConfigError, match="^base must be one of 2, e, 10, got '3'"):
        fflm.surprisal(demo, "the", base="3")
    assert fflm.surprisal(demo, []) == fflm.surprisal(demo, ["", "  "]) == []
