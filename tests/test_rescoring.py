"""N-best lists: forms, word errors, weights, and the command, on lists whose best order is known."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

import fflm
from fflm.errors import ConfigError, TextError
from fflm.rescoring.log_probs import sentence_scores
from fflm.rescoring.nbest import read_lists, read_references
from fflm.rescoring.weights import Candidates, _envelope, fit
from fflm.rescoring.word_errors import word_errors

ROWS = [
    ("u1", -9.0, "the cat sat the on mat"),
    ("u1", -9.5, "the cat sat on the mat"),
    ("u2", -5.0, "a dog on sat the"),
    ("u2", -5.1, "a dog sat on the"),
    ("u2", -5.2, "a dog sat on the the"),
]
SPOKEN = {"u1": "the cat sat on the mat", "u2": "a dog sat on the"}


def as_form(form, rows=ROWS):
    places = {}
    lines = []
    for id, score, text in rows:
        places[id] = places.get(id, 0) + 1
        number = {"u1": "0", "u2": "1"}.get(id, id)
        lines.append(
            {
                "tsv": f"{id}\t{score}\t{text}",
                "moses": f"{number} ||| {text} ||| lm= -3 tm= -1 -2 ||| {score}",
                "kaldi": f"{id}-{places[id]} {text}",
                "kaldi-scores": f"{id}-{places[id]} {score} {text}",
            }[form]
        )
    return "\n".join(lines) + "\n"


@pytest.fixture
def lists(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for form in ("tsv", "moses", "kaldi", "kaldi-scores"):
        Path(form).write_text(as_form(form))
        end = "\t" if form == "tsv" else " "
        Path(f"{form}.ref").write_text("".join(f"{id}{end}{words}\n" for id, words in SPOKEN.items()))
    Path("moses.ref").write_text("".join(f"{words}\n" for words in SPOKEN.values()))
    Path("costs").write_text("u1-1 9\nu1-2 9.5\nu2-1 5\nu2-2 5.1\nu2-3 5.2\n")
    return tmp_path


# Forms


@pytest.mark.parametrize("form", ["tsv", "moses", "kaldi-scores", "kaldi"])
def test_the_form_is_seen_in_the_lines(lists, form):
    found, read = read_lists(form, costs=[("costs", 1.0)] if form == "kaldi" else [])
    assert found == form and [len(one.hypotheses) for one in read] == [2, 3]
    flat = [(h.score, h.text) for one in read for h in one.hypotheses]
    assert flat == [(score, text) for _, score, text in ROWS]
    assert [one.id for one in read] == (["0", "1"] if form == "moses" else ["u1", "u2"])


def test_costs_are_negative_scores_times_a_scale(lists):
    _, read = read_lists("kaldi", costs=[("costs", 0.5), ("costs", 1.0)])
    assert [h.score for h in read[0].hypotheses] == [-13.5, -14.25]
    _, read = read_lists("kaldi")
    assert [h.score for h in read[0].hypotheses] == [0.0, 0.0]


def test_a_list_of_numbers_needs_a_name(lists):
    Path("digits").write_text("u-1 3 4\nu-2 3 5\n")
    assert read_lists("digits")[0] == "kaldi-scores"
    assert read_lists("digits", "kaldi")[1][0].hypotheses[1].text == "3 5"


@pytest.mark.parametrize(
    ("text", "form", "message"),
    [
        ("u1\t-3\ta\nu1\tx\tb\n", None, r"^line 2 of 'n' must be an id, a tab, a score, a tab and a hypothesis, got "),
        ("0 ||| a ||| f ||| 1\n0 ||| b\n", None, r"^line 2 of 'n' must be id \|\|\| hypothesis \|\|\| features \|\|\|"),
        (
            "u-1 -1 a\n\nv -2 b\n",
            "kaldi-scores",
            r"^line 3 of 'n' must be utterance-n, a score and a hypothesis, got 'v",
        ),
        ("u-1 a\nv b\n", "kaldi", r"^line 2 of 'n' must be utterance-n and a hypothesis, got 'v b'$"),
        (
            "what is this\n",
            None,
            r"^nbest must be an n-best list \(tsv: .*\), got 'what is this' on line 1 of 'n'; name",
        ),
        ("u1\tnan\ta\n", "tsv", r"^line 1 of 'n' must be an id, a tab, a score"),
        ("\n", None, r"^nbest must have at least one hypothesis, got none in 'n'$"),
    ],
)
def test_lines_of_no_form(tmp_path, monkeypatch, text, form, message):
    monkeypatch.chdir(tmp_path)
    Path("n").write_text(text)
    with pytest.raises(TextError, match=message):
        read_lists("n", form)


def test_wrong_costs(lists):
    Path("few").write_text("u1-1 9\n")
    with pytest.raises(TextError, match="^a cost is missing for 'u1-2', line 2 of 'kaldi'$"):
        read_lists("kaldi", costs=[("few", 1.0)])
    Path("few").write_text("u1-1 much\n")
    with pytest.raises(TextError, match="^line 1 of 'few' must be utterance-n and a cost, got 'u1-1 much'$"):
        read_lists("kaldi", costs=[("few", 1.0)])
    with pytest.raises(TextError, match="^files of costs belong to the form kaldi, got 'tsv' in the form tsv$"):
        read_lists("tsv", costs=[("costs", 1.0)])


@pytest.mark.parametrize("form", ["tsv", "kaldi"])
def test_references(lists, form):
    assert read_references(f"{form}.ref", form) == {id: words.split() for id, words in SPOKEN.items()}
    assert read_references("moses.ref", "moses")["1"] == SPOKEN["u2"].split()
    Path("twice").write_text("u1\ta\nu1\tb\n")
    with pytest.raises(TextError, match="^an id must stand once in 'twice', got 'u1' again on line 2$"):
        read_references("twice", form)
    with pytest.raises(
        TextError, match="^line 1 of 'kaldi.ref' must be an id, a tab and the words that were said, got"
    ):
        read_references("kaldi.ref", "tsv")


# Word errors


def slow_errors(a, b):
    if not a or not b:
        return len(a) + len(b)
    return min(slow_errors(a[1:], b) + 1, slow_errors(a, b[1:]) + 1, slow_errors(a[1:], b[1:]) + (a[0] != b[0]))


def test_word_errors_are_the_least_changes():
    generator = np.random.default_rng(5)
    for _ in range(200):
        a, b = (generator.choice(list("xyz"), generator.integers(0, 6)).tolist() for _ in range(2))
        assert word_errors(a, b) == slow_errors(a, b), (a, b)


# Weights


def random_candidates(seed, lists=6, size=5):
    generator = np.random.default_rng(seed)
    n = lists * size
    return Candidates(
        generator.normal(0, 3, n),
        -generator.gamma(4.0, 3.0, n),
        generator.integers(1, 8, n).astype(float),
        generator.integers(0, 6, n).astype(float),
        np.arange(0, n + 1, size),
    )


def test_the_envelope_is_what_is_highest():
    generator = np.random.default_rng(1)
    for _ in range(100):
        offsets, slopes = generator.integers(-5, 5, (2, 6)).astype(float)
        places, crossings = _envelope(offsets, slopes, -2.0)
        assert crossings == sorted(crossings)
        for left, right, place in zip([-2.0, *crossings], [*crossings, 50.0], places, strict=True):
            if left < right:
                x = (left + right) / 2
                assert offsets[place] + x * slopes[place] == pytest.approx((offsets + x * slopes).max())


@pytest.mark.parametrize("seed", range(8))
def test_a_line_search_finds_the_fewest_errors(seed):
    """No point of a fine grid is better, for the weight and for the penalty."""
    made = random_candidates(seed)
    weight = made.best_along(made.totals(0.0, 0.3), made.log_probs, 0.0)
    assert weight >= 0
    assert made.errors_at(weight, 0.3) == min(made.errors_at(w, 0.3) for w in [weight, *np.linspace(0, 20, 4001)])
    penalty = made.best_along(made.totals(0.5, 0.0), -made.words, -50.0)
    assert made.errors_at(0.5, penalty) == min(made.errors_at(0.5, p) for p in [penalty, *np.linspace(-50, 50, 4001)])


@pytest.mark.parametrize("seed", range(4))
def test_fitted_weights_are_as_good_as_a_grid(seed):
    made = random_candidates(seed)
    weight, penalty = fit(made)
    grid = [(w, p) for w in np.geomspace(0.01, 30, 40) for p in np.linspace(-8, 8, 41)]
    best = min(made.errors_at(w, p) for w, p in grid)
    assert made.least_errors() <= made.errors_at(weight, penalty) <= best
    assert made.errors_at(weight, penalty) <= made.errors_at(0.0, 0.0)
    assert (weight, penalty) == fit(made)  # the seed decides


def test_what_is_given_is_not_fitted():
    made = random_candidates(3)
    assert fit(made, weight=0.25)[0] == 0.25 and fit(made, penalty=-1.0)[1] == -1.0
    assert fit(made, 0.5, 2.0) == (0.5, 2.0)


def test_impossible_hypotheses_never_win():
    made = random_candidates(2)
    made.log_probs[::5] = -math.inf
    weight, penalty = fit(made)
    assert math.isfinite(weight) and math.isfinite(penalty)
    assert not set(range(0, 30, 5)) & set(made.best(0.5, 0.0).tolist())
    assert made.best(0.0, 0.0).tolist() == random_candidates(2).best(0.0, 0.0).tolist()


# Scores


@pytest.mark.parametrize("boundary", ["stream", "line", "eos"])
def test_each_sentence_is_a_line_by_itself(tmp_path, boundary):
    (tmp_path / "t.txt").write_text("the cat sat\na dog\nthe dog sat on it\n" * 30)
    model = fflm.ngram(tmp_path / "t.txt", order=3, boundary=boundary, quiet=True)
    from fflm.compat.kenlm import Model

    texts = ["the cat sat", "", "a zebra", "the cat sat"]
    found = sentence_scores(model.lm, texts)
    expected = [Model(model).score(text) * math.log(10) for text in texts]
    assert found.log_probs == pytest.approx(expected, rel=1e-6)
    assert (found.tokens.tolist(), found.unknown.tolist()) == ([3, 0, 2, 3], [0, 0, 1, 0])


# The whole


@pytest.mark.parametrize("form", ["tsv", "moses", "kaldi", "kaldi-scores"])
def test_the_best_hypotheses(fflm_main, lists, demo, form):
    costs = ["--acoustic-costs", "costs"] if form == "kaldi" else []
    code, out, err = fflm_main("rescore", form, "--model", demo, "--references", f"{form}.ref", "--best", *costs)
    start = {"tsv": "{}\t{}", "moses": "{1}"}.get(form, "{} {}")
    assert (code, out) == (0, "".join(start.format(id, words) + "\n" for id, words in SPOKEN.items()))
    first, second = err.splitlines()
    assert first == "note: word error rate 36.36 % before, 0.00 % after, oracle 0.00 % (2 lists, 11 words)"
    assert second.startswith("note: with --lm-weight ")
    assert second.endswith(", fitted on this very list: another one will gain less")


@pytest.mark.parametrize("form", ["tsv", "moses", "kaldi", "kaldi-scores"])
def test_a_list_comes_out_in_its_form(fflm_main, lists, demo, form):
    costs = ["--acoustic-costs", "costs"] if form == "kaldi" else []
    flags = ["--lm-weight", 0.5, "--word-penalty", 0.25]
    code, out, err = fflm_main("rescore", form, "--model", demo, *flags, *costs)
    assert (code, err) == (0, "")
    Path("new").write_text(out)
    again, read = read_lists("new", costs=[("costs", 1.0)] if form == "kaldi" else [])
    assert again == form and [len(one.hypotheses) for one in read] == [2, 3]
    assert [one.hypotheses[0].text for one in read] == list(SPOKEN.values())
    log_probs = sentence_scores(fflm.load(demo).lm, [text for _, _, text in ROWS]).log_probs
    totals = {
        text: score + 0.5 * log_prob - 0.25 * len(text.split())
        for (_, score, text), log_prob in zip(ROWS, log_probs, strict=True)
    }
    for one in read:
        if form != "kaldi":
            assert [h.score for h in one.hypotheses] == pytest.approx(
                [totals[h.text] for h in one.hypotheses], abs=1e-5
            )
        assert [totals[h.text] for h in one.hypotheses] == sorted(
            (totals[h.text] for h in one.hypotheses), reverse=True
        )
    if form == "moses":
        assert out.splitlines()[0].startswith("0 ||| the cat sat on the mat ||| lm= -3 tm= -1 -2 fflm= -")


def test_json(fflm_main, lists, demo):
    code, out, _ = fflm_main("rescore", "tsv", "--model", demo, "--references", "tsv.ref", "--json")
    report = json.loads(out)
    assert (report["format"], report["fitted"]) == ("tsv", ["lm_weight", "word_penalty"])
    assert report["word_error_rate"] == {"lists": 2, "words": 11, "before": 4 / 11, "after": 0.0, "oracle": 0.0}
    best = report["lists"][0]["hypotheses"][0]
    assert (best["text"], best["score"], best["unknown"]) == (SPOKEN["u1"], -9.5, 0)
    assert best["total"] == pytest.approx(-9.5 + report["lm_weight"] * best["log_prob"] - report["word_penalty"] * 6)


def test_weights_without_references_are_1_and_0(lists, demo):
    ranking = fflm.rescore("tsv", demo)
    assert (ranking.lm_weight, ranking.word_penalty, ranking.fitted, ranking.rates) == (1.0, 0.0, (), None)
    half = fflm.rescore("tsv", demo, references="tsv.ref", lm_weight=0.0)
    assert half.lm_weight == 0.0 and half.fitted == ("word_penalty",)


def test_unknown_words_are_warned_of(fflm_main, lists, demo):
    Path("new").write_text("u\t-1\tthe zebra sat\nu\t-2\tthe giraffe sat\n")
    code, out, err = fflm_main("rescore", "new", "--model", demo)
    assert code == 0 and err == (
        "warning: 33.3 % of the words are unknown to the model; all of them are <unk> to it, so it can't tell "
        "hypotheses apart that differ in them\n"
    )
    assert [line.split("\t")[2] for line in out.splitlines()] == ["the zebra sat", "the giraffe sat"]


def test_references_for_some_lists_or_none(fflm_main, lists, demo):
    Path("some").write_text("u1\tthe cat sat on the mat\n")
    err = fflm_main("rescore", "tsv", "--model", demo, "--references", "some")[2]
    assert err.startswith(
        "note: 1 of 2 lists have no reference, and count for no word error rate\nnote: word error rate"
    )
    Path("some").write_text("x9\tthe cat sat on the mat\n")
    message = "fflm: error: --references must have the ids of the n-best list, such as 'u1', got 'x9'\n"
    assert fflm_main("rescore", "tsv", "--model", demo, "--references", "some") == (1, "", message)
    with pytest.raises(ConfigError, match="^references must have the ids of the n-best list"):
        fflm.rescore("tsv", demo, references="some")


def test_wrong_arguments(fflm_main, lists, demo):
    for message, arguments in {
        "NBEST must be a file, a folder, - or the name of a corpus, got 'none': no such file": ["none"],
        "--lm-weight must be at least 0.0, got -1.0": ["tsv", "--lm-weight", -1],
        "--format must be one of auto, tsv, moses, kaldi, kaldi-scores, got 'csv'": ["tsv", "--format", "csv"],
        "line 1 of 'tsv' must be id ||| hypothesis ||| features ||| score, got 'u1\\t-9.0\\tthe cat sat the on mat'": [
            "tsv",
            "--format",
            "moses",
        ],
    }.items():
        assert fflm_main("rescore", *arguments, "--model", demo) == (1, "", f"fflm: error: {message}\n")


def test_standard_input(fflm_cli, demo):
    code, out, _ = fflm_cli("rescore", "-", "--model", demo, "--best", stdin=as_form("tsv"))
    assert (code, out.splitlines()[0]) == (0, "u1\tthe cat sat on the mat")
