"""Inputs that people have, each rebuilt small, with the right answer; the figures are those of KenLM or by hand."""

import bz2
import gzip
import json
import lzma
import math
import re
from pathlib import Path

import numpy as np
import pytest

import fflm
from fflm.config import DataConfig, TokenizerConfig
from fflm.errors import ConfigError, FflmError, TextError
from fflm.lm import difference_between
from fflm.model_file import load_model
from fflm.text import Tokenizer, encode, load
from fflm.text.marks import UnitPlaces, end_units

#: P(red | <s>) = 10^-0.2 and so on; every other bigram backs off.
BASE = """\\data\\
ngram 1=6
ngram 2=5

\\1-grams:
-1.2\t<unk>\t0
-99\t<s>\t-0.3
-0.7\t</s>
-0.6\tred\t-0.25
-0.8\tfox\t-0.15
-0.9\truns\t-0.1

\\2-grams:
-0.2\t<s> red
-0.3\tred fox
-0.4\tfox runs
-0.5\truns </s>
-0.35\tfox </s>

\\end\\
"""
CLOSED = BASE.replace("-1.2\t<unk>\t0\n", "").replace("ngram 1=6", "ngram 1=5")
TEXT = "red fox runs\nfox red\nruns red fox\n"
#: log10 P of the tokens of TEXT: fox after <s> is b(<s>) P(fox), and so on.
LOG10 = [-0.2, -0.3, -0.4, -0.5, -0.3 - 0.8, -0.15 - 0.6, -0.25 - 0.7, -0.3 - 0.9, -0.1 - 0.6, -0.3, -0.35]
PERPLEXITY = 10 ** (-sum(LOG10) / 11)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with base.arpa, closed.arpa and base.txt."""
    monkeypatch.chdir(tmp_path)
    Path("base.arpa").write_text(BASE)
    Path("closed.arpa").write_text(CLOSED)
    Path("base.txt").write_text(TEXT)
    return tmp_path


def perplexity(model, text, **options):
    Path("text").write_text(text, encoding="utf-8", newline="")
    return fflm.load(model).perplexity("text", **options)


def test_the_base(folder):
    report = perplexity("base.arpa", TEXT)
    assert round(report.perplexity, 3) == 4.108 and report.perplexity == pytest.approx(PERPLEXITY, rel=1e-6)
    assert (report.tokens, report.oov, report.notes, report.unknown_words) == (11, 0, (), ())


# 1. A model without <unk>


CLOSED_TEXT = "red fox runs\nred owl runs\n"
#: Without owl: </s> and the words around it count; runs after it has no context.
CLOSED_LOG10 = [-0.2, -0.3, -0.4, -0.5, -0.2, -0.9, -0.5]


def test_unknown_words_of_a_model_without_unk(folder):
    report = perplexity("closed.arpa", CLOSED_TEXT)
    assert report.perplexity_without_oov == pytest.approx(10 ** (-sum(CLOSED_LOG10) / 7), rel=1e-6)
    assert round(report.perplexity_without_oov, 4) == 2.6827
    assert (report.tokens, report.oov, report.unknown_words) == (8, 1, ("owl",))
    assert report.perplexity is report.perplexity_low is report.perplexity_high is None
    assert report.cross_entropy_nats is report.bits_per_token is report.bits_per_character is None
    (note,) = report.notes
    assert "perplexity over all tokens is undefined; without the 1 unknown ('owl') it is over 7 tokens" in note
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["perplexity"] is None


@pytest.mark.parametrize("unk", ["-99\t<unk>", "-inf\t<unk>", "-99\t<UNK>\t0"])
def test_an_unk_of_probability_0_is_none(folder, unk):
    Path("closed.arpa").write_text(BASE.replace("-1.2\t<unk>\t0", unk))
    report = perplexity("closed.arpa", CLOSED_TEXT)
    assert report.perplexity is None and round(report.perplexity_without_oov, 4) == 2.6827


def test_known_words_without_probability_are_refused_still(folder):
    Path("closed.arpa").write_text(CLOSED.replace("-0.9\truns", "-99\truns"))
    with pytest.raises(FflmError, match=r"^perplexity is undefined: token 4 of text, 'runs', has no probability$"):
        perplexity("closed.arpa", "red fox\nruns\n")


def test_a_text_in_which_nothing_has_a_probability(folder):
    Path("closed.arpa").write_text(
        CLOSED.replace("-0.7\t</s>", "-99\t</s>").replace("-0.5\truns </s>", "-0.5\truns red")
    )
    with pytest.raises(FflmError, match="^perplexity is undefined: token "):
        perplexity("closed.arpa", "owl owl\n")


def test_undefined_figures_on_the_command_line(folder, fflm_main):
    Path("oov.txt").write_text(CLOSED_TEXT)
    code, out, err = fflm_main("perplexity", "closed.arpa", "oov.txt")
    assert code == 0
    assert "out of vocabulary       1 (12.50 %)\n" in out
    assert "perplexity              undefined\n  without unknown words 2.683 over 7 tokens\n" in out
    assert re.search(r"^warning: unknown words have no probability in this model, .*'owl'", err, re.MULTILINE)
    code, out, err = fflm_main("perplexity", "closed.arpa", "oov.txt", "--json")
    assert (code, json.loads(out)["perplexity"], json.loads(out)["unknown_words"]) == (0, None, ["owl"])
    code, out, err = fflm_main("score", "closed.arpa", "oov.txt", "--html", "page.html")
    assert code == 0 and out.splitlines()[6] == "2\t2\t2\towl\t0\tinf"
    assert "8 tokens, 1 out of vocabulary, perplexity undefined, 2.683 without unknown words\nwarning: unknown" in err
    page = Path("page.html").read_text()
    assert "no probability, rank" in page and "<dt>perplexity</dt><dd>undefined</dd>" in page
    scores = json.loads(fflm_main("score", "closed.arpa", "oov.txt", "--json").out)["scores"]
    assert [row["bits"] is None for row in scores] == [False] * 5 + [True] + [False] * 2


def test_comparisons_leave_out_what_has_no_probability(folder, fflm_main):
    Path("oov.txt").write_text(CLOSED_TEXT + "owl\n" + TEXT)
    Path("other.arpa").write_text(CLOSED.replace("-0.3\tred fox", "-0.1\tred fox"))
    report = fflm.compare("closed.arpa", "other.arpa", "oov.txt")
    bits = math.log2(10) * 0.2
    assert report.difference == pytest.approx(3 * bits / 19, rel=1e-5)
    assert (report.a.perplexity, report.units) == (None, 6)
    assert "left out of the comparison: 2 of 21 tokens, unknown words that have no probability" in report.notes[2]
    assert sum(row.tokens for row in report.by_neighbours) == 19
    code, out, err = fflm_main("compare", "closed.arpa", "base.arpa", "oov.txt")
    assert code == 0 and re.search(r"\nperplexity +undefined +\d", out) and re.search(r"\n  without unknown +\d", out)
    assert err.startswith("warning: A: unknown words have no probability") and "B" not in err
    with pytest.raises(
        FflmError, match="^A: bits per character are undefined: it has no <unk>, and 2 of 21 tokens are"
    ):
        fflm.compare("closed.arpa", "base.arpa", "oov.txt", per_character=True)


def test_mixtures_are_fitted_on_what_has_a_probability(folder, fflm_main):
    Path("oov.txt").write_text(CLOSED_TEXT)
    Path("known.txt").write_text("red fox runs\nred\nruns\n")
    Path("other.arpa").write_text(CLOSED.replace("-0.4\tfox runs", "-0.1\tfox runs").replace("-0.3\tred", "-0.9\tred"))
    model = fflm.mix("closed.arpa", "other.arpa", valid="oov.txt", out="mix", quiet=True)
    valid = model.report.valid
    assert (valid["perplexity"], valid["oov"]) == (None, 1) and valid["perplexity_without_oov"] < 2.6827
    assert model.perplexity("oov.txt").perplexity_without_oov == valid["perplexity_without_oov"]
    assert [part["valid_perplexity"] for part in model.report.parts] == [None, None]
    assert fflm.load("mix").perplexity("known.txt").perplexity > 1
    code, out, err = fflm_main("mix", "closed.arpa", "--valid", "oov.txt", "--out", "alone")
    assert (
        code == 0 and "validation   perplexity undefined, 2.68 without unknown words, on 8 tokens, 12.50 % unk" in out
    )
    assert err.startswith("warning: unknown words have no probability in this model")


# 2. Blanks that are not those of ASCII


@pytest.mark.parametrize(
    "blank", "\u00a0 \u3000 \u2009 \u202f \u2028 \u2029 \x85 \x1c \x1d \x1f \u200b \ufeff".split(" ")
)
def test_words_with_other_blanks_are_found(folder, blank):
    """KenLM cuts both file and text at ASCII blanks alone."""
    word = f"10{blank}km"
    Path("other.arpa").write_text(BASE.replace("red", word), encoding="utf-8")
    report = perplexity("other.arpa", TEXT.replace("red", word))
    assert (report.tokens, report.oov, round(report.perplexity, 3)) == (11, 0, 4.108)
    fflm.load("other.arpa").save("stored")
    assert perplexity("stored", TEXT.replace("red", word)).perplexity == report.perplexity


@pytest.mark.parametrize("blank", [" ", "\t", "\v", "\f", " \r\n".strip("\n"), "  \t "])
def test_ascii_blanks_cut(folder, blank):
    if "\r" not in blank:
        assert round(perplexity("base.arpa", TEXT.replace(" ", blank)).perplexity, 3) == 4.108


def test_kenlm_finds_the_same_words(folder):
    kenlm = pytest.importorskip("kenlm", reason="kenlm, whose reading is compared, is not installed")
    for blank in "\u00a0\u3000\u2028\x85\x1c\u200b":
        word = f"10{blank}km"
        Path("other.arpa").write_text(BASE.replace("red", word), encoding="utf-8", newline="")
        lines = TEXT.replace("red", word).splitlines() if blank not in "\u2028\x85\x1c" else [f"{word} fox"]
        scores = [score for line in lines for score in kenlm.Model("other.arpa").full_scores(line)]
        report = perplexity("other.arpa", "".join(line + "\n" for line in lines))
        assert (report.tokens, report.oov) == (len(scores), sum(oov for _, _, oov in scores)), repr(blank)
        assert report.perplexity == pytest.approx(10 ** -np.mean([score for score, _, _ in scores]), rel=1e-5)


# 3. Marks written in a text


MARKED = "".join(f"<s> {line} </s>\n" for line in TEXT.splitlines())


@pytest.mark.parametrize(
    "text",
    [
        MARKED,
        MARKED.replace("</s>\n", "</s> "),
        MARKED.replace("<s> ", ""),
        MARKED.replace(" </s>", ""),
        MARKED.replace(" </s>\n", "\t</s> \r\n\r\n"),
        MARKED.replace(" </s>\n", "\n</s>\n"),
        MARKED.replace("<s> ", "<s>\n"),
        "<s> </s>\n" + MARKED,
        "red fox runs </s> fox red </s> runs red fox",
    ],
)
@pytest.mark.parametrize("tokenizer", ["whitespace", "word", "treebank"])
def test_marks_are_marks(folder, text, tokenizer):
    model = fflm.convert_arpa("base.arpa", tokenizer=tokenizer)
    Path("text").write_text(text, newline="")
    report = model.perplexity("text")
    assert (report.tokens, report.oov) == (11, 0) and report.perplexity == pytest.approx(PERPLEXITY, rel=1e-6)


def test_marks_do_not_count_as_characters(folder):
    assert perplexity("base.arpa", MARKED).bits_per_character == perplexity("base.arpa", TEXT).bits_per_character


def test_unk_in_a_text_is_an_unknown_word(folder):
    report, other = perplexity("base.arpa", "red <unk> runs\n"), perplexity("base.arpa", "red owl runs\n")
    assert (report.oov, report.perplexity) == (1, other.perplexity)


@pytest.mark.parametrize("tokenizer", ["whitespace", "word", "treebank"])
@pytest.mark.parametrize("boundary", ["line", "stream"])
def test_marks_in_training_text(folder, tokenizer, boundary):
    """Lines with and without marks make the same model; in a stream </s> is a place where contexts stop."""
    Path("marked.txt").write_text(MARKED * 5 + "<s> red <unk> </s>\n")
    options = {"tokenizer": tokenizer, "boundary": boundary, "min_count": 1, "order": 2, "quiet": True}
    model = fflm.ngram("marked.txt", valid="marked.txt", **options)
    assert sorted(model.lm.vocabulary.words[3:]) == ["fox", "red", "runs"]
    assert model.lm.vocabulary.counts[:3].tolist() == [1, 0, 16]
    assert model.report.train_tokens == 58
    Path("plain.txt").write_text(TEXT * 5 + "red <unk>\n")
    lines = fflm.ngram("plain.txt", valid="plain.txt", **options | {"boundary": "line"})
    assert model.lm.node_log_probs.tobytes() == lines.lm.node_log_probs.tobytes()
    network = fflm.train(
        "marked.txt",
        valid="marked.txt",
        **{name: value for name, value in options.items() if name != "order"},
        context_size=2,
        embedding_dim=2,
        hidden_dims=2,
        epochs=1,
    )
    assert network.lm.vocabulary.words == model.lm.vocabulary.words
    assert "<unk>" not in model.lm.vocabulary.words[3:]


def test_marks_in_a_stream_may_be_drawn(folder):
    Path("marked.txt").write_text("<s> red fox </s>\n" * 20)
    model = fflm.ngram("marked.txt", valid="marked.txt", order=2, quiet=True)
    (sample,) = model.sample("red", tokens=5, temperature=0)
    assert sample.tokens == ("fox", "</s>", "red", "fox", "</s>")
    assert (
        fflm.ngram("base.txt", valid="base.txt", order=2, min_count=1, quiet=True)
        .sample(tokens=50)[0]
        .tokens.count("</s>")
        == 0
    )


def test_marks_are_characters_to_the_tokenizer_char(folder):
    model = fflm.ngram("base.txt", tokenizer="char", valid="base.txt", order=2, min_count=1, quiet=True)
    Path("text").write_text("<s> red </s>\n")
    assert model.perplexity("text").tokens == 13


@pytest.mark.parametrize(
    ("boundary", "text", "message"),
    [
        (
            "line",
            "a\nred <s> fox\n",
            "<s> must begin a line or follow </s>, got it inside of line 2 of 'text'; write </s> ",
        ),
        (
            "stream",
            "red\n<s> fox\n",
            "<s> must begin a text or follow </s>, got it as token 2 of 'text'; write </s> ",
        ),
    ],
)
def test_a_beginning_inside_of_a_unit_is_refused(folder, boundary, text, message):
    Path("text").write_text(text)
    with pytest.raises(TextError, match="^" + message + "before it"):
        fflm.convert_arpa("base.arpa", boundary=boundary).perplexity("text")


def test_marks_across_blocks(folder):
    """As many ids at once as one likes."""
    ids = np.array([2, -1, 3, -2, 2, 2, -1, -1, 4, 2, 5, -2, 6, 2, 7], np.int32)
    for size in range(1, 16):
        places = UnitPlaces()
        blocks = [("a", ids[i : i + size]) for i in range(0, len(ids), size)]
        found = np.concatenate(list(end_units(blocks, True, places)))
        assert found.tolist() == [3, 2, 4, 2, 5, 2, 6, 2, 7, 2], size
        assert np.concatenate(places.lines).tolist() == [2, 4, 5, 5, 6]


# 4. A prompt that ends its line


@pytest.mark.parametrize("prompt", ["fox\n", "fox\r\n", "fox\n\n", "fox </s>", "red\n<s>", ""])
def test_after_a_line_end_a_line_begins(folder, prompt):
    first, second = fflm.load("base.arpa").predict(prompt, top=2)
    assert (first.word, round(first.probability, 3)) == ("red", 0.631)
    assert (second.word, round(second.probability, 3)) == ("</s>", 0.100)


def test_the_line_before_is_no_context(folder):
    model = fflm.load("base.arpa")
    assert model.predict("red\nfox") == model.predict("fox") != model.predict("fox\n")
    assert model.known_words("red\nowl </s>\n") == (1, 2)


def test_samples_of_the_next_line(folder, fflm_main):
    assert fflm_main("sample", "base.arpa", "--prompt", "fox\n", "--temperature", 0).out == "fox\nred fox\n"
    (sample,) = fflm.load("base.arpa").sample("fox\n", temperature=0)
    assert (sample.prompt, sample.text) == ("fox\n", "red fox")


def test_streams_go_on_after_a_line_end(folder):
    for tokenizer in ("word", "char"):
        model = fflm.ngram("base.txt", tokenizer=tokenizer, valid="base.txt", order=2, min_count=1, quiet=True)
        same = model.predict("fox\n", top=3) == model.predict("fox", top=3)
        assert same == (tokenizer == "word")


# 5. Vectors of words with blanks: tests/test_word_vectors_files.py


@pytest.mark.parametrize("word", ["New York", "\t"])
def test_training_from_vectors_of_words_with_blanks(folder, word):
    Path("words.vec").write_text(f"4 3\nred 0.5 1 2\n{word} 1 2 3\nfox -0.25 2 1\nruns 1 -1 0\n")
    options = {"min_count": 1, "epochs": 1, "hidden_dims": 2, "context_size": 2, "quiet": True}
    model = fflm.train("base.txt", valid="base.txt", vectors="words.vec", **options)
    *_, vectors, small = model.report.notes
    assert "vectors: words.vec has 3 of 3 words" in vectors
    assert small.startswith("the training text is small, 8 tokens, which makes 1 step: ")


# 6. What a file is: tests/test_storage_contents.py


VARIANTS = {
    "bom.arpa": b"\xef\xbb\xbf" + BASE.encode(),
    "bom.lm": b"\xef\xbb\xbf" + BASE.encode().replace(b"\n", b"\r\n"),
    "plain.lm.gz": gzip.compress(BASE.encode()),
    "plain.arpa.gz": BASE.encode(),
    "gzipped.arpa": gzip.compress(b"# comment\n" + BASE.encode()),
    "packed": gzip.compress(b"\xef\xbb\xbf" + BASE.encode()),
    "comments.lm": b"This file was made by a tool\n# comment\n\n" + BASE.encode(),
    "long.lm": b"# comment\n" * 6000 + BASE.encode(),
    "packed.arpa.bz2": bz2.compress(BASE.encode()),
    "packed.xz": lzma.compress(BASE.encode()),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_variants_of_arpa_files_are_read(folder, name):
    Path(name).write_bytes(VARIANTS[name])
    assert round(perplexity(name, TEXT).perplexity, 3) == 4.108
    assert fflm.convert_arpa(name).lm.table.sizes == (6, 5)


def test_what_is_no_model_is_named(folder, fflm_main):
    Path("document").write_bytes(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    line = (
        "fflm: error: document is not a model file, or it is damaged: it is a PDF document; save it as plain text first"
    )
    for verb in (["perplexity", "document", "base.txt"], ["predict", "document", "red"], ["info", "document"]):
        assert fflm_main(*verb) == (1, "", line + "\n")
    line = "fflm: error: source must be text, got 'document', which is a PDF document; save it as plain text first\n"
    for verb in (["perplexity", "base.arpa", "document"], ["ngram", "document", "--out", "new"]):
        assert fflm_main(*verb) == (1, "", line)
    for verb in (["classify", "train", "document", "--out", "new"], ["ngram", "base.txt", "--vocab", "document"]):
        out = [] if "--out" in verb else ["--out", "new"]
        assert "is a PDF document" in fflm_main(*verb, *out).err


# 7. The tokenizer of an exported ARPA file


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"boundary": "line"},
        {"lowercase": True, "digits_to_zero": True},
        {"tokenizer": "whitespace", "boundary": "line"},
        {"tokenizer": "treebank"},
    ],
)
def test_an_exported_file_is_read_as_its_model_reads(folder, options):
    Path("text").write_text("red fox.\nfox, red 12\n")
    model = fflm.ngram("text", valid="text", min_count=1, order=2, quiet=True, **options)
    model.save_arpa("p.arpa")
    again = fflm.load("p.arpa")
    assert again.lm.tokenizer == model.lm.tokenizer
    assert again.perplexity("text").perplexity == pytest.approx(model.perplexity("text").perplexity, rel=1e-6)
    first = Path("p.arpa").read_text().partition("\n")[0]
    plain = options == {"tokenizer": "whitespace", "boundary": "line"}
    assert first == "\\data\\" if plain else first.startswith('# fflm tokenizer: {"tokenizer": ')


def test_kenlm_reads_an_exported_file(folder):
    kenlm = pytest.importorskip("kenlm", reason="kenlm, whose reading is compared, is not installed")
    model = fflm.ngram("base.txt", valid="base.txt", min_count=1, order=2, boundary="line", quiet=True)
    model.save_arpa("p.arpa")
    assert Path("p.arpa").read_text().startswith("# fflm tokenizer: ")
    total = sum(kenlm.Model("p.arpa").score(line) for line in TEXT.splitlines())
    assert 10 ** (-total / 11) == pytest.approx(model.perplexity("base.txt").perplexity, rel=1e-5)


@pytest.mark.parametrize("state", ['{"tokenizer": "words"}', "word", "[1]", "{}"])
def test_a_damaged_comment_is_named(folder, state):
    Path("p.arpa").write_text(f"# fflm tokenizer: {state}\n" + BASE)
    with pytest.raises(
        FflmError, match="^p.arpa is not a sound ARPA file: the tokenizer before its header is damaged: "
    ):
        fflm.load("p.arpa")
    assert fflm.convert_arpa("base.arpa", lowercase=True).lm.tokenizer.config.tokenizer == "whitespace"


# 10. Many unknown words


@pytest.mark.parametrize(("text", "warned"), [("red owl owl fox\n", True), ("red owl fox runs\n", False)])
def test_many_unknown_words_are_warned_of(folder, fflm_main, text, warned):
    """More than 20 % of the tokens, line ends among them."""
    report = perplexity("base.arpa", text)
    assert (len(report.notes) == 1) == warned
    Path("owl.txt").write_text(text)
    for verb in (["perplexity", "base.arpa"], ["score", "base.arpa"], ["compare", "base.arpa", "base.arpa"]):
        for flag in ([], ["--json"]):
            code, out, err = fflm_main(*verb, "owl.txt", *flag)
            assert code == 0 and ("of the tokens are unknown words ('owl')" in err) == warned, (verb, err)
    options = ["--vocab-of", "base.arpa", "--order", 2, "--valid", "owl.txt"]
    assert ("40 % of the tokens" in fflm_main("ngram", "base.txt", *options, "--out", "new").err) == warned


# 11. Rows and the lines of a file


def places(scores):
    rows = list(scores.rows())
    return [(row.get("file"), row["line"], row["token"]) for row in rows]


def test_rows_carry_the_lines_of_the_file(folder, fflm_main):
    from fflm.evaluation.surprisal import score

    model = load_model("base.arpa")
    Path("a.txt").write_text("\n\nred\n\n  \nfox runs", newline="")
    expected = [(None, 3, "red"), (None, 3, "</s>"), (None, 6, "fox"), (None, 6, "runs"), (None, 6, "</s>")]
    assert places(score(model, ["a.txt"])) == expected
    Path("b.txt").write_text("red </s> fox\r\n\r\nruns\r\n", newline="")
    both = score(model, ["a.txt", "b.txt"])
    rows = [("b.txt", 1, "red"), ("b.txt", 1, "</s>"), ("b.txt", 1, "fox"), ("b.txt", 1, "</s>"), ("b.txt", 3, "runs")]
    assert places(both) == [("a.txt", line, token) for _, line, token in expected] + [*rows, ("b.txt", 3, "</s>")]
    assert next(both.lines()) == "unit\tline\tfile\tposition\ttoken\tknown\tbits\n"
    Path("folder").mkdir()
    for name in "ab":
        Path(f"{name}.txt").rename(f"folder/{name}.txt")
    inside = score(model, ["folder"])
    assert places(inside) == [(f"folder/{file}", line, token) for file, line, token in places(both)]
    assert (inside.bits == both.bits).all()


def test_rows_of_standard_input(folder, fflm_cli):
    code, out, _ = fflm_cli("score", "base.arpa", "-", cwd=folder, stdin="red fox\n\nfox red\n")
    rows = [line.split("\t")[:4] for line in out.splitlines()]
    assert (code, rows[0]) == (0, ["unit", "line", "position", "token"])
    assert [row[:2] for row in rows[1:]] == [["1", "1"]] * 3 + [["2", "3"]] * 3


def test_small_blocks_keep_the_lines(folder, monkeypatch):
    from fflm.text import sources

    text = "\n".join(["", "red", "", "fox runs </s> red", "", "", "<s> runs"] * 3)
    Path("a.txt").write_text(text)
    model, lines = load_model("base.arpa"), []
    for size in (1, 3, 10, 1000):
        monkeypatch.setattr(sources, "CHUNK_BYTES", size)
        stream = encode(["a.txt"], model.tokenizer, model.vocabulary, DataConfig())
        lines.append((stream.lines.tolist(), stream.ids.tolist()))
    assert lines[0][0] == [2, 4, 4, 7, 9, 11, 11, 14, 16, 18, 18, 21]
    assert all(found == lines[0] for found in lines)


# Tokenizers that learn


class Pairs(Tokenizer):
    """A tokenizer that learns the most frequent pair of characters in words, and cuts them in pairs and letters."""

    def __init__(self, config, pair=None):
        super().__init__(config)
        self.pair = pair

    def learn(self, blocks):
        words = " ".join(blocks).split()
        pairs = [a + b for word in words for a, b in zip(word, word[1:], strict=False)]
        return Pairs(self.config, max(sorted(set(pairs)), key=pairs.count))

    def tokens(self, text):
        return [token for word in super().tokens(text) for token in re.findall(f"{self.pair}|.", word)]

    def state(self):
        return super().state() | {"pair": self.pair}


def test_a_tokenizer_may_learn_from_the_training_text(folder):
    Path("valid.txt").write_text("fox fox fix\n")
    corpus = load(["base.txt"], ["valid.txt"], None, Pairs(TokenizerConfig()), DataConfig(min_count=1), seed=1)
    assert corpus.tokenizer.pair == "ed" and "ed" in corpus.vocabulary.words
    assert corpus.tokenizer.state()["pair"] == "ed"
    again = load(["base.txt"], ["valid.txt"], None, Pairs(TokenizerConfig(), "ru"), DataConfig(), 1, corpus.vocabulary)
    assert again.tokenizer.pair == "ru"  # one that comes with a vocabulary has learned already


def test_models_with_tokenizers_of_other_states_are_told_apart(folder):
    a, b = load_model("base.arpa"), load_model("base.arpa")
    assert difference_between(a, b) is None
    b.tokenizer = Tokenizer(TokenizerConfig(tokenizer="whitespace", boundary="line"), old=True)
    assert difference_between(a, b, ("A", "B")) == "blanks is 'ascii' in A and missing in B"
    a.tokenizer, b.tokenizer = (Pairs(TokenizerConfig(), pair) for pair in ("ed", "fo"))
    assert difference_between(a, b, ("A", "B")) == "pair is 'ed' in A and 'fo' in B"
    with pytest.raises(ConfigError, match="pair is 'ed' in"):
        from fflm.lm import Mixture

        Mixture([a, b], np.array([[0.5, 0.5]]))
