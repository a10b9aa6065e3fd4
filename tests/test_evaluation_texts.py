"""Many texts, each by itself: in order, in constant memory, as they come, from Python and the command line."""

import json
import pickle
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import fflm
from fflm.config import FilterConfig, RecordsConfig
from fflm.errors import ConfigError, TextError
from fflm.evaluation.text_filter import kept_records

TEXTS = ["the cat sat on the mat .", "", "mat the on zebra cat", "a dog sat", "   ", "xq zw"]


@pytest.fixture(scope="module", params=["stream", "line", "eos"])
def model(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    (folder / "text").write_text("the cat sat on the mat .\na dog sat on the mat with it .\nthe one rare thing\n" * 30)
    return fflm.ngram(folder / "text", valid=folder / "text", boundary=request.param, min_count=1, quiet=True)


def test_a_text_has_the_figures_of_a_file_with_it_alone(model, tmp_path):
    scores = model.score_texts([*TEXTS, "two\nlines </s> and marks"])
    for number, (text, score) in enumerate(zip([*TEXTS, "two\nlines </s> and marks"], scores, strict=True)):
        if not text.strip() and model.lm.tokenizer.config.boundary != "eos":
            assert (score.tokens, score.log_prob, score.perplexity) == (0, 0.0, None)
            continue
        if not text.strip():
            continue  # an empty line is a word in `eos`, and an empty file has no line
        path = tmp_path / f"{number}"
        path.write_text(text)
        report = model.perplexity(path, quiet=True)
        assert (score.tokens, score.unknown) == (report.tokens, report.oov)
        assert score.perplexity == pytest.approx(report.perplexity, rel=1e-12)
        assert score.log_prob == pytest.approx(-report.cross_entropy_nats * report.tokens, rel=1e-12)
        assert score.open_perplexity == pytest.approx(report.open_perplexity, rel=1e-12)
        marks = 5 if "</s>" in text else 0  # marks are no characters of the text to `perplexity`
        per_character = report.open_bits_per_character * (len(text) - marks) / len(text)
        assert score.open_bits_per_character == pytest.approx(per_character, rel=1e-12)


def test_texts_do_not_see_each_other(model, demo):
    for one in (model, fflm.load(demo)):
        together = one.score_texts(TEXTS)
        assert together == [one.score_texts(text)[0] for text in TEXTS]
        assert together[::-1] == one.score_texts(TEXTS[::-1])


def test_no_texts_and_no_strings(model):
    assert model.score_texts([]) == []
    with pytest.raises(ConfigError, match="^texts must be a string, got 5"):
        model.score_texts(["a", 5])


def test_several_threads_may_score_at_once(demo):
    model = fflm.load(demo)
    texts = ["the cat sat on the mat with it ."] * 300
    alone = model.score_texts(texts)
    with ThreadPoolExecutor(4) as pool:
        assert all(found == alone for found in pool.map(lambda _: model.score_texts(texts), range(8)))


def test_models_are_cheap_to_send(demo, model, monkeypatch):
    """One that was loaded goes as the name of its file; one that was not goes as what its file would hold."""
    loaded = fflm.load(demo)
    sent = pickle.dumps(loaded)
    assert len(sent) < 500
    assert pickle.loads(sent).score_texts(TEXTS) == loaded.score_texts(TEXTS)
    monkeypatch.chdir("/")
    assert pickle.loads(sent).score_texts(TEXTS) == loaded.score_texts(TEXTS)
    assert pickle.loads(pickle.dumps(model)).score_texts(TEXTS) == model.score_texts(TEXTS)


def test_a_line_for_each_text(demo, tmp_path, fflm_main):
    path = tmp_path / "texts.txt"
    path.write_bytes(b"the cat sat\n\nb\xe9d\nthe zebra\n")
    code, out, err = fflm_main("score", demo, path, "--per-line")
    assert code == 0
    header, *rows = [line.split("\t") for line in out.splitlines()]
    assert header == (
        "line log_prob perplexity open_log_prob open_perplexity open_bits_per_character tokens unknown".split()
    )
    assert [row[0] for row in rows] == ["1", "2", "3", "4"]
    assert rows[1] == ["2", "0.000000", "NA", "0.000000", "NA", "NA", "0", "0"]
    assert rows[2] == ["3", *["NA"] * 7]
    scores = fflm.load(demo).score_texts(["the cat sat", "the zebra"])
    assert [row[2] for row in (rows[0], rows[3])] == [f"{score.perplexity:.6f}" for score in scores]
    assert err == (
        f"note: line 3 of {path} has no figures: no utf-8: byte 2 of the line\nnote: 4 texts, 1 could not be read\n"
    )
    found = [json.loads(line) for line in fflm_main("score", demo, path, "--per-line", "--json").out.splitlines()]
    assert found[0]["log_prob"] == scores[0].log_prob
    assert (found[1]["tokens"], found[1]["perplexity"]) == (0, None)
    assert found[2]["error"] == "no utf-8: byte 2 of the line"


def test_fields_and_identifiers(demo, tmp_path, fflm_main):
    path = tmp_path / "texts.jsonl"
    path.write_text('{"body": "the cat", "key": "a\\tb"}\n{"body": "sat", "key": 2}\n')
    code, out, _ = fflm_main("score", demo, path, "--per-line", "--field", "body", "--id", "key")
    assert code == 0
    assert [line.split("\t")[:2] for line in out.splitlines()] == [["line", "id"], ["1", "a\\tb"], ["2", "2"]]


def test_lines_are_answered_as_they_come(demo, environment, workshop):
    """A line out for a line in, before the next one comes."""
    command = [sys.executable, "-m", "fflm", "score", str(demo), "-", "--per-line", "--json"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
    ) as process:
        timer = threading.Timer(60, process.kill)
        timer.start()
        for number, text in enumerate(["the cat", "sat", "on"], start=1):
            process.stdin.write(text + "\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["line"] == number
        process.stdin.close()
        assert process.wait() == 0
        timer.cancel()


def test_memory_does_not_grow_with_the_file(demo, tmp_path, environment):
    """Ten times the texts take hardly more memory."""
    program = (
        "import resource, sys, fflm\n"
        "from fflm.cli.main import main\n"
        "main(['score', sys.argv[1], sys.argv[2], '--per-line'])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)\n"
    )
    used = []
    for lines in (20_000, 100_000):
        path = tmp_path / f"{lines}"
        path.write_text("the cat sat on the mat .\n" * lines)
        done = subprocess.run(
            [sys.executable, "-c", program, demo, path], env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout.count("\n") == lines + 1
        used.append(int(done.stderr.split()[-1]))
    assert used[1] < used[0] + 30_000  # KiB; the text itself has 2.5 MB, its tokens would have 50


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (["--per-line", "--base", "e"], "--per-line must not be given with --base, which is for tables of words"),
        (
            ["--per-line", "--unknown", "nan"],
            "--per-line must not be given with --unknown, which is for tables of words",
        ),
        (["--per-line", "--html", "x.html"], "--html must not be given with --per-line"),
        (["--words", "--dynamic"], "--dynamic must not be given with --words: each text is by itself"),
        (["other.txt", "--per-line"], "SOURCE must be one file with --per-line, got 2"),
        (["--column", "text", "--format", "lines"], "--column must name a column, got 'text' for "),
    ],
)
def test_options_that_do_not_go_together(demo, text, fflm_main, flags, error):
    code, out, err = fflm_main("score", demo, text, *flags)
    assert (code, out) == (1, "")
    assert err.startswith(f"fflm: error: {error}")


# Filters.


@pytest.fixture
def documents(tmp_path):
    lines = ["the cat sat on the mat .", "mat the on sat cat", "", "zebra zebra", "a dog sat on the mat with it ."]
    path = tmp_path / "documents.txt"
    path.write_text("\n".join(lines) + "\n")
    return path, lines


def test_filter_keeps_what_is_likely(demo, documents, fflm_main):
    path, lines = documents
    scores = fflm.load(demo).score_texts(lines)
    limit = sorted(score.open_perplexity for score in scores if score.tokens)[1]
    expected = [
        line for line, score in zip(lines, scores, strict=True) if not score.tokens or score.open_perplexity <= limit
    ]
    code, out, err = fflm_main("filter", demo, path, "--keep-below", f"{limit + 1e-9:.9f}")
    assert (code, out.splitlines()) == (0, expected)
    assert err == f"note: {len(expected)} of 5 texts kept\n"
    code, out, err = fflm_main("filter", demo, path, "--keep-below", "p50")
    assert (code, out.splitlines()) == (0, expected)
    assert err.startswith(f"note: limits, by all 5 texts: open_perplexity at most {limit:.6g}\n")
    above = fflm_main("filter", demo, path, "--keep-above", f"{limit + 1e-9:.9f}").out.splitlines()
    assert sorted(set(above) | set(expected)) == sorted(set(lines)) and set(above) & set(expected) == {""}


def test_filter_from_a_pipe_takes_percentiles_of_the_beginning(demo, documents, fflm_cli):
    path, _ = documents
    from_file = fflm_cli("filter", demo, path, "--keep-below", "p50")
    piped = fflm_cli("filter", demo, "-", "--keep-below", "p50", stdin=path.read_text())
    assert (piped.code, piped.out) == (0, from_file.out)
    assert piped.err.startswith("note: limits, by the first 5 texts: ")


def test_filter_passes_on_tables_as_they_are(demo, tmp_path, fflm_main):
    path = tmp_path / "x.csv"
    path.write_bytes(b'id,text\r\n1,"the cat, sat"\r\n2,zebra\xff zebra\r\n3,"the\r\ncat"\r\n')
    code, out, err = fflm_main("filter", demo, path, "--keep-below", "1e300", "--figure", "perplexity")
    assert (code, out.encode()) == (0, b'id,text\r\n1,"the cat, sat"\r\n3,"the\r\ncat"\r\n')
    assert err == f"note: line 3 of {path} is left out: no utf-8\nnote: 2 of 3 texts kept, 1 could not be read\n"


def test_a_model_without_spelling_model_filters_by_its_closed_perplexity(model, tmp_path, documents):
    path, _ = documents
    model.save_arpa(tmp_path / "x.arpa")
    said = []
    list(
        kept_records(
            fflm.load(tmp_path / "x.arpa").lm,
            str(path),
            RecordsConfig(),
            FilterConfig(keep_below="p5"),
            tell=said.append,
        )
    )
    assert said[0].startswith("limits, by all 5 texts: perplexity at most ")


@pytest.mark.parametrize("limit", ["p101", "-3", "many", "", "p", "nan"])
def test_limits_that_are_none(limit):
    with pytest.raises(ConfigError, match="^keep_below must be a number that is not negative, or p and a percentile"):
        FilterConfig(keep_below=limit)


def test_no_limit_and_no_text(demo, tmp_path):
    with pytest.raises(ConfigError, match="^keep_below or keep_above must be given, such as 300 or p60"):
        FilterConfig()
    (tmp_path / "empty").write_text("\n\n")
    with pytest.raises(TextError, match="^keep_below must be a number, as no text of .* has a figure"):
        list(kept_records(fflm.load(demo).lm, str(tmp_path / "empty"), RecordsConfig(), FilterConfig(keep_below="p5")))


def test_percentiles_are_of_the_texts(demo, tmp_path):
    """Of 100 texts of different figures p30 keeps 30, or one more."""
    generator = np.random.default_rng(1)
    words = "the cat sat on mat a dog with it .".split()
    lines = [" ".join(generator.choice(words, 12)) for _ in range(100)]
    (tmp_path / "x").write_text("\n".join(lines))
    found = kept_records(fflm.load(demo).lm, str(tmp_path / "x"), RecordsConfig(), FilterConfig(keep_below="p30"))
    assert sum(kept for _, kept in found) in (30, 31)


def test_the_reader_ends_with_what_it_serves():
    from fflm.runtime.read_ahead import read_ahead

    taken = []

    def items():
        for number in range(1_000):
            taken.append(number)
            yield number

    reader = read_ahead(items())
    assert next(reader) == 0
    reader.close()
    time.sleep(0.1)
    assert len(taken) < 10

    def broken():
        yield 1
        raise TextError("no more")

    reader = read_ahead(broken())
    assert next(reader) == 1
    with pytest.raises(TextError, match="^no more$"):
        next(reader)
