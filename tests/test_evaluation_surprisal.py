"""Surprisal of each token: the numbers, as TSV and JSON, and the page."""

import contextlib
import csv
import io
import json
import math
import os
import re
from html.parser import HTMLParser

import numpy as np
import pytest

import fflm
from fflm.config import DataConfig, TokenizerConfig
from fflm.errors import ConfigError, FflmError
from fflm.evaluation import surprisal_page as pages
from fflm.evaluation.perplexity import evaluate
from fflm.evaluation.surprisal import score
from fflm.evaluation.surprisal_page import MOST_TOKENS, alternatives, page
from fflm.lm.contexts import contexts_at, within_unit
from fflm.text import NO_BREAKS, Tokenizer, Vocabulary, encode


class TableModel:
    """P(word | its two words of context) from a seeded table; a few words of it have equal probability."""

    reach = 2

    def __init__(self, words, tokenizer="whitespace", boundary="stream", **options):
        self.vocabulary = Vocabulary(["<unk>", "<s>", "</s>", *words])
        self.tokenizer = Tokenizer(TokenizerConfig(tokenizer=tokenizer, boundary=boundary, **options))
        size = len(self.vocabulary)
        weights = np.random.default_rng(1).integers(1, 6, (size, size, size)).astype(np.float64)
        self.table = weights / weights.sum(axis=2, keepdims=True)
        self.asked = []

    def session(self, batch=16):
        return contextlib.nullcontext(self)

    def next_word(self, contexts):
        self.asked.append(contexts.copy())
        inside = within_unit(contexts)
        return self.table[inside[:, 0], inside[:, 1]].astype(np.float32)

    def log_probs(self, ids, on_batch=None, breaks=NO_BREAKS):
        inside = within_unit(contexts_at(ids, np.arange(len(ids)), 2, breaks))
        return np.log(self.table[inside[:, 0], inside[:, 1], ids])


@pytest.fixture
def write(tmp_path):
    def write(text, name="a.txt"):
        (tmp_path / name).write_text(text, encoding="utf-8", newline="")
        return str(tmp_path / name)

    return write


# Numbers


def test_bits_are_what_perplexity_sums_up(demo, text):
    model = fflm.load(demo).lm
    scores = score(model, [text])
    expected = evaluate(model, encode([text], model.tokenizer, model.vocabulary, DataConfig()))
    assert np.array_equal(scores.bits, -model.log_probs(scores.stream.ids) / math.log(2.0))
    report, known = scores.report.to_dict(), expected.to_dict()
    assert report.pop("tokens_per_second") > 0 and known.pop("tokens_per_second") > 0
    assert report == known
    assert scores.bits.mean() == pytest.approx(expected.bits_per_token, rel=1e-14)
    assert 2.0 ** scores.bits.mean() == pytest.approx(expected.perplexity, rel=1e-12)


def test_bits_of_a_known_distribution(write):
    """A word of probability 1/8 has 3 bits."""
    model = TableModel(["a", "b", "c", "d", "e"])
    model.table[:] = 1 / 8
    scores = score(model, [write("a zebra b")])
    assert scores.bits.tolist() == [3.0, 3.0, 3.0]
    model.table[:] = 1.0
    assert [str(bits) for bits in score(model, [write("a b")]).bits] == ["0.0", "0.0"]  # and not -0.0


def test_tokens_of_lines(write):
    model = TableModel(["a", "b"], boundary="line")
    scores = score(model, [write("a zebra <unk>\n\nb </s>\n")])
    assert [list(row.values())[:5] for row in scores.rows()] == [
        [1, 1, 1, "a", True],
        [1, 1, 2, "zebra", False],
        [1, 1, 3, "<unk>", False],
        [1, 1, 4, "</s>", True],
        [2, 3, 1, "b", True],
        [2, 3, 2, "</s>", True],
    ]
    assert list(next(scores.rows())) == ["unit", "line", "position", "token", "known", "bits"]
    assert [row["bits"] for row in scores.rows()] == scores.bits.tolist()


def test_tokens_of_a_stream(write):
    """Units are the blocks of the stream: here of two tokens."""
    scores = score(TableModel(["a", "b"]), [write("a b c " * 70)])
    rows = list(scores.rows())
    assert len(rows) == 210
    assert [(row["unit"], row["position"]) for row in rows[:5]] == [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1)]
    assert [row["token"] for row in rows] == ["a", "b", "c"] * 70


def test_tokens_are_those_of_the_tokenizer(write):
    model = TableModel(["it", "0"], "word", lowercase=True, digits_to_zero=True)
    scores = score(model, [write("It IS 1984.")])
    assert scores.tokens == ["it", "is", "0000", "."]


def test_tsv(write):
    model = TableModel(["a"], "char")
    scores = score(model, [write('a\t\\"\na')])
    lines = list(scores.lines())
    assert all(line.endswith("\n") for line in lines)
    rows = list(csv.reader(io.StringIO("".join(lines)), delimiter="\t", quoting=csv.QUOTE_NONE))
    assert rows[0] == ["unit", "position", "token", "known", "bits"]
    assert [row[:4] for row in rows[1:]] == [
        ["1", "1", "a", "1"],
        ["2", "1", "\\t", "0"],
        ["3", "1", "\\\\", "0"],
        ["4", "1", '"', "0"],
        ["5", "1", "\\n", "0"],
        ["6", "1", "a", "1"],
    ]
    for row, bits in zip(rows[1:], scores.bits, strict=True):
        assert re.fullmatch(r"\d+\.\d{6}", row[4]) and float(row[4]) == pytest.approx(bits, abs=5e-7)


def test_tsv_has_no_negative_zero(write):
    model = TableModel(["a"])
    model.table[:] = 1.0 + 1e-9  # a rounding error above certainty
    assert list(score(model, [write("a")]).lines())[1] == "1\t1\ta\t1\t0.000000\n"


def test_a_token_without_probability_is_named(write):
    model = TableModel(["a", "b"])
    model.table[:, :, 4] = 0.0
    with (
        np.errstate(divide="ignore"),
        pytest.raises(FflmError, match="^perplexity is undefined: token 2 of .*a.txt, 'b'"),
    ):
        score(model, [write("a b")])


# Alternatives


@pytest.mark.parametrize("batch", [1, 7, 256])
@pytest.mark.parametrize("top", [1, 3, 8, 20])
@pytest.mark.parametrize("boundary", ["line", "stream"])
def test_alternatives(monkeypatch, write, batch, top, boundary):
    """Against the whole distribution of every position, sorted; equals in order of the vocabulary."""
    monkeypatch.setattr(pages, "BATCH", batch)
    model = TableModel(list("abcde"), boundary=boundary)
    ids = score(model, [write("a b x\nc d e\na\n" * 9)]).stream.ids
    found = list(alternatives(model, ids, 25, top))
    assert len(found) == 25
    assert all(len(contexts) <= batch for contexts in model.asked)
    for t, (rank, best) in enumerate(found):
        before = [1, 1, *ids[:t].tolist()][-2:]
        row = model.next_word(np.array([before], np.int32))[0].tolist()
        order = sorted(range(len(row)), key=lambda word: (-row[word], word))
        assert best == [(word, row[word]) for word in order[:top]]
        assert rank == order.index(ids[t]) + 1


def test_contexts_are_the_words_of_the_stream_as_they_are():
    """What a context means beyond the end of a line is the model's business."""
    model = TableModel(["a", "b"], boundary="line")
    list(alternatives(model, np.array([3, 2, 4, 3, 2], np.int32), 5, 1))
    assert np.concatenate(model.asked).tolist() == [[1, 1], [1, 3], [3, 2], [2, 4], [4, 3]]


def test_distributions_of_a_large_vocabulary_are_few_at_once():
    """2**22 numbers at most."""
    vocabulary = Vocabulary(["<unk>", "<s>", "</s>", *map(str, range(2**20))])

    class Uniform:
        reach = 1

        def session(self, batch):
            return contextlib.nullcontext(self)

        def next_word(self, contexts):
            sizes.append(contexts.shape)
            return np.full((len(contexts), len(vocabulary)), 1 / len(vocabulary), np.float32)

    sizes = []
    model = Uniform()
    model.vocabulary = vocabulary
    (first, *_) = found = list(alternatives(model, np.arange(5, dtype=np.int32), 5, 2))
    assert sizes == [(3, 1), (2, 1)]
    assert [rank for rank, _ in found] == [1, 2, 3, 4, 5] and [word for word, _ in first[1]] == [0, 1]


def test_the_words_of_predict(demo, text):
    model = fflm.load(demo)
    ids = score(model.lm, [text]).stream.ids
    rank, best = list(alternatives(model.lm, ids, 20, 3))[5]
    assert rank == 1
    expected = model.predict("the cat sat on the", top=3)
    assert [(model.lm.vocabulary.words[i], p) for i, p in best] == [(e.word, e.probability) for e in expected]


# The page


class Page(HTMLParser):
    """A page taken apart; every tag must be closed in its turn."""

    VOID = {"meta", "br"}

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.words, self.lines, self.titles = [], set(), [], 0, []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        assert len(attributes) == len(set(attributes)) and not any(name.startswith("on") for name in attributes)
        assert not {"src", "href", "srcset", "action"} & set(attributes)
        self.tags.add(tag)
        if tag in self.VOID:
            return
        kinds = (attributes.get("class") or "").split()
        self.open.append((tag, kinds))
        self.lines += tag == "p" and "main" in [name for name, _ in self.open]
        if "w" in kinds:
            assert attributes["tabindex"] == "0"
            (step,) = [int(kind[1:]) for kind in kinds if re.fullmatch(r"s\d+", kind)]
            self.words.append({"text": "", "card": "", "name": "", "step": step, "unknown": "u" in kinds, "best": []})
        if tag == "i" and self.inside("c"):
            self.words[-1]["best"].append(["", "", attributes["style"], "it" in kinds])
        if "title" in attributes:
            self.titles.append(attributes["title"])

    def handle_startendtag(self, tag, attributes):
        raise AssertionError(f"<{tag}/>")

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def inside(self, kind):
        return any(kind in kinds for _, kinds in self.open)

    def handle_data(self, data):
        tag = self.open[-1][0] if self.open else None
        if tag != "style":
            self.text += data
        if self.inside("c"):
            word = self.words[-1]
            if tag == "s":
                word["best"][-1][1] += data
            elif tag == "i":
                word["best"][-1][0] += data
            else:
                word["name" if tag == "b" else "card"] += data
        elif self.inside("w"):
            self.words[-1]["text"] += data


def page_of(model, path, **options):
    scores = score(model, [path])
    return scores, Page(page(model, scores, "runs/<demo>", **options))


def test_page_of_lines(write):
    model = TableModel(list("abcde"), boundary="line")
    scores, found = page_of(model, write("a b zebra\n\nc d\n"), top=3)
    assert [word["text"] for word in found.words] == ["a", "b", "zebra", "\u00b6", "c", "d", "\u00b6"]
    assert [word["name"] for word in found.words] == ["a", "b", "zebra", "end of the line", "c", "d", "end of the line"]
    assert [word["unknown"] for word in found.words] == [False, False, True, False, False, False, False]
    assert found.lines == 2
    expected = alternatives(model, scores.stream.ids, 7, 3)
    for word, bits, (rank, best), i in zip(found.words, scores.bits, expected, scores.stream.ids, strict=True):
        assert word["step"] == int(bits)
        start = "unknown, scored as <unk>" if word["unknown"] else ""
        assert word["card"] == f"{start}{bits:.2f} bits, rank {rank} of 8"
        names = [model.vocabulary.words[w] if w != 2 else "end of the line" for w, _ in best]
        assert [row[0] for row in word["best"]] == names
        assert [row[1] for row in word["best"]] == [f"{100 * p:.3g} %" for _, p in best]
        assert [row[2] for row in word["best"]] == [f"--p:{100 * p:.2f}%" for _, p in best]
        assert [row[3] for row in word["best"]] == [w == i for w, _ in best]


def test_page_of_a_stream(write):
    """Words in a row, with white space between them."""
    _, found = page_of(TableModel(["a", "b"]), write("a b\n\nc a"))
    assert found.lines == 1
    html = page(TableModel(["a", "b"]), score(TableModel(["a", "b"]), [write("a b\n\nc a")]), "m")
    assert html.count('</span></span>\n<span class="w') == 3
    assert [word["text"] for word in found.words] == ["a", "b", "c", "a"]
    assert all(len(word["best"]) == 5 for word in found.words)


def test_page_of_characters(write):
    """Without spaces between them, and line ends where they are; blanks of all kinds are visible in the cards."""
    _, found = page_of(TableModel(list("ab \n"), "char"), write("a b\n\n\tb\x01\n"))
    texts = ["a", " ", "b", "\u21b5", "\u21b5", "\u21e5", "b", "\u2401", "\u21b5"]
    assert [word["text"] for word in found.words] == texts
    assert [word["name"] for word in found.words] == [text.replace(" ", "\u2423") for text in texts]
    assert found.lines == 3
    html = page(TableModel(["a", "b"], "char"), score(TableModel(["a", "b"], "char"), [write("ab\nb")]), "m")
    assert html.count('</span></span><span class="w') == 2 and '<main class="char"' in html
    assert html.count('</p>\n<p dir="auto"><span class="w') == 1


def test_page_is_text_whatever_the_text_is(write):
    """Neither the text, nor the words of the model, nor the names can write HTML."""
    hostile = [
        '<script>alert("1")</script>',
        "</span>",
        "&amp;",
        '"',
        "'onload='x",
        "<!--",
        "]]>",
        "</style>",
        "{text}",
    ]
    model = TableModel([*hostile[:5], "</main>"])
    path = write(" ".join([*hostile, "<b>"]), "<i>&quot;.txt")
    scores, found = page_of(model, path, top=9)
    assert [word["text"] for word in found.words] == [*hostile, "<b>"]
    assert {row[0] for row in found.words[0]["best"]} >= {*hostile[:5], "</main>"}
    tags = "html head meta title style body header h1 p dl div dt dd figure figcaption sub main span b br i s"
    assert found.tags == set(tags.split())
    assert "Surprisal of " + path in found.text and "to the model runs/<demo>" in found.text


def test_page_needs_nothing_else(demo, text):
    model = fflm.load(demo).lm
    html = page(model, score(model, [text]), demo)
    assert html.startswith('<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n')
    assert "Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"" in html
    for word in ("<script", "<link", "@import", "url(", "http:", "https:", "<img"):
        assert word not in html


def test_heading_of_the_page(write):
    scores, found = page_of(TableModel(["a", "b"]), write("a b zebra " * 50))
    report = scores.report
    assert f"tokens150out of vocabulary50 (33.33 %)bits per token{report.bits_per_token:.4f}" in found.text
    assert f"perplexity{report.perplexity:,.2f}95 % interval{report.perplexity_low:,.2f} to " in found.text
    assert "Shown are the first" not in found.text


def test_legend_counts_every_token(demo, text):
    model = fflm.load(demo).lm
    scores, found = page_of(model, text)
    shares = [float(re.fullmatch(r"(\d+ to \d+|16 or more) bits: (.*) % of the tokens", t)[2]) for t in found.titles]
    counts = [np.count_nonzero((scores.bits >= low) & (scores.bits < low + 1)) for low in range(16)]
    assert shares == pytest.approx([*(count / 16 for count in counts), 0.0], rel=0.005)
    assert sum(counts) == len(scores.bits) == 1600


def test_the_last_colour_is_for_all_above(write):
    model = TableModel(["a", "b", "c", "d"])
    model.table[:] = [2.0**-16, 0.5, 2.0**-15.5, 2.0**-40, 2.0**-1.5, 1 - 1e-12, 0.25]
    _, found = page_of(model, write("zebra a b c d"))
    assert [word["step"] for word in found.words] == [16, 16, 1, 0, 2]


def test_page_of_a_long_text(monkeypatch, write):
    monkeypatch.setattr(pages, "MOST_TOKENS", 10)
    model = TableModel(["a", "b"])
    scores, found = page_of(model, write("a b " * 300))
    assert len(found.words) == 10 and sum(map(len, model.asked)) == 10
    assert "Shown are the first 10 tokens; the figures are of all." in found.text and "tokens600" in found.text


@pytest.mark.parametrize("top", [0, 21])
def test_top_of_the_page(write, top):
    model = TableModel(["a", "b"])
    with pytest.raises(ConfigError, match=f"^top must be from 1 to 20, got {top}$"):
        page(model, score(model, [write("a")]), "m", top=top)


def luminance(colour):
    """Relative luminance, WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(("colours", "ink"), [(pages.LIGHT, "1c1a17"), (pages.DARK, "ece7df")])
def test_colours(colours, ink):
    """From the colour of the page on, in steps that can be told apart and on all of which the text can be read."""
    style = pages.STYLE
    assert f"--page: #{colours[0]}; --ink: #{ink};" in style and len(colours) == 17
    lights = [luminance(colour) for colour in colours]
    assert lights == sorted(lights, reverse=colours is pages.LIGHT)
    for light in lights:
        low, high = sorted((light, luminance(ink)))
        assert (high + 0.05) / (low + 0.05) > 5


# The command


def test_command(fflm_main, demo, text):
    code, out, err = fflm_main("score", demo, text)
    report = fflm.load(demo).perplexity(text)
    assert code == 0
    rows = [line.split("\t") for line in out.splitlines()]
    assert rows[0] == ["unit", "position", "token", "known", "bits"] and len(rows) == 1601
    assert [row[:4] for row in rows[1:4]] == [["1", "1", "the", "1"], ["1", "2", "cat", "1"], ["1", "3", "sat", "1"]]
    assert sum(float(row[4]) for row in rows[1:]) / 1600 == pytest.approx(report.bits_per_token, abs=5e-7)
    assert err == (
        f"note: 1,600 tokens, 0 out of vocabulary, {report.bits_per_token:.5f} bits/token, "
        f"perplexity {report.perplexity:.3f}\n"
    )


def test_json(fflm_main, demo, text):
    code, out, err = fflm_main("score", demo, text, text, "--json")
    assert (code, err, out.count("\n")) == (0, "", 1)
    found = json.loads(out)
    scores = found.pop("scores")
    code, out, _ = fflm_main("perplexity", demo, text, text, "--json")
    expected = json.loads(out)
    assert found.pop("tokens_per_second") and expected.pop("tokens_per_second")
    assert found == expected | {"unknown": "spelled"}
    assert scores[1] == {"unit": 1, "position": 2, "token": "cat", "known": True, "bits": scores[1]["bits"]}
    assert math.fsum(row["bits"] for row in scores) / 3200 == pytest.approx(expected["bits_per_token"], rel=1e-14)


def test_html(fflm_main, demo, in_temporary_folder):
    (in_temporary_folder / "b.txt").write_text("the cat sat na\u00efvely .", encoding="latin-1")
    arguments = ["score", demo, "b.txt", "--encoding", "latin-1", "--html", "page.html", "--threads", 1]
    code, out, err = fflm_main(*arguments, "--top", 2)
    assert code == 0 and out.count("\n") == 6
    content = (in_temporary_folder / "page.html").read_bytes()
    assert err.startswith("note: page.html shows 5 tokens, 0.0 MB\nnote: 5 tokens, 1 out of vocabulary, ")
    found = Page(content.decode("utf-8"))
    assert [word["text"] for word in found.words] == ["the", "cat", "sat", "na\u00efvely", "."]
    assert [len(word["best"]) for word in found.words] == [2] * 5
    assert fflm_main(*arguments, "--json").err.endswith("or replace it with --force\n")
    assert fflm_main(*arguments, "--json", "--force").code == 0
    assert [len(word["best"]) for word in Page((in_temporary_folder / "page.html").read_text("utf-8")).words] == [5] * 5


def test_html_of_a_long_text(fflm_main, demo, in_temporary_folder, monkeypatch):
    monkeypatch.setattr(pages, "MOST_TOKENS", 100)
    monkeypatch.setattr("fflm.evaluation.surprisal_page.MOST_TOKENS", 100)
    code, _, err = fflm_main("score", demo, "text.txt", "--html", "page.html")
    assert code == 0 and err.startswith("note: page.html shows the first 100 of 1,600 tokens, ")


def test_help_knows_the_limits(fflm_main):
    out = " ".join(fflm_main("score", "--help").out.split())
    assert f"{MOST_TOKENS:,} tokens" in out and f"1 to {pages.MOST_ALTERNATIVES} (default: 5)" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing", "text.txt"], "no such model: missing"),
        (
            ["runs/demo", "missing"],
            "source must be a file, a folder, - or the name of a corpus, got 'missing': no such",
        ),
        (["runs/demo", "text.txt", "--encoding", "klingon"], "--encoding must be one that Python knows, such as utf-8"),
        (["runs/demo", "text.txt", "--threads", "0"], "--threads must be at least 1, got 0"),
        (["runs/demo", "text.txt", "--top", "3"], "--top is for the page, got 3 without one; give --html too"),
        (["runs/demo", "text.txt", "--top", "0", "--html", "p"], "--top must be from 1 to 20, got 0"),
        (["runs/demo", "text.txt", "--html", ""], "the file to write must have a name, got ''"),
        (["runs/demo", "text.txt", "--html", "runs"], "can't write runs: it is a folder"),
        (["runs/demo", "text.txt", "--html", "no/page.html"], "can't write no/page.html: there is no folder no"),
        (
            ["runs/demo", "text.txt", "--html", "./text.txt"],
            "--html must not be a file that is read, got './text.txt'",
        ),
    ],
)
def test_refused(fflm_main, in_temporary_folder, arguments, message):
    before = (in_temporary_folder / "text.txt").read_bytes()
    code, out, err = fflm_main("score", *arguments)
    assert (code, out) == (1, "")
    assert err.startswith(f"fflm: error: {message}") and err.count("\n") == 1
    assert (in_temporary_folder / "text.txt").read_bytes() == before
    assert not list(in_temporary_folder.glob(".*.tmp"))


@pytest.mark.parametrize("arguments", [[], ["runs/demo"], ["runs/demo", "text.txt", "--top", "x"]])
def test_wrong_usage(fflm_main, in_temporary_folder, arguments):
    code, out, err = fflm_main("score", *arguments)
    assert (code, out) == (2, "") and err.startswith("usage: fflm score ")


def test_page_is_written_even_where_the_reader_goes_away(fflm_process, demo, text, tmp_path):
    ours, theirs = os.pipe()
    os.close(ours)
    process = fflm_process("score", demo, text, "--html", tmp_path / "page.html", stdout=theirs)
    os.close(theirs)
    process.wait(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in (tmp_path / "process-0.txt").read_text()
    assert len(Page((tmp_path / "page.html").read_text("utf-8")).words) == 1600
