"""``fflm predict`` with a prefix and in batches, ``fflm repl``, and ``fflm export --arpa`` of networks."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

import fflm


def test_a_prefix(fflm_main, here):
    code, out, err = fflm_main("predict", "kn", "the ", "--prefix", "ma")
    assert (code, err) == (0, "") and re.fullmatch(r"0\.\d{6}  mat  100\.0 % of these\n", out)
    code, out, err = fflm_main("predict", "mixture", "the ", "--prefix", "ma")
    assert re.fullmatch(r"0\.\d{6}  mat  100\.0 % of these  \(neural \d+ %, .*\)\n", out)
    assert fflm_main("predict", "kn", "the ", "--prefix", "zz") == (0, "", "")


def test_no_marks_unless_asked(fflm_main, here):
    words = [item["word"] for item in json.loads(fflm_main("predict", "kn", "the", "--top", 99, "--json").out)]
    assert "<unk>" not in words and "<s>" not in words
    asked = [
        item["word"] for item in json.loads(fflm_main("predict", "kn", "the", "--top", 99, "--json", "--special").out)
    ]
    assert set(asked) == {*words, "<unk>", "<s>", "</s>"}


def test_batches(fflm_cli, here):
    lines = "the cat\na dog sat on\tth\n\nna\u00efve \u4f60\n"
    code, out, err = fflm_cli("predict", "kn", "-", "--batch", "--top", 2, stdin=lines, cwd=here)
    answers = [json.loads(line) for line in out.splitlines()]
    assert (code, err, len(answers)) == (0, "", 4)
    model = fflm.load("kn")
    expected = [model.predict("the cat", 2), model.predict("a dog sat on", 2, "th")]
    assert [answer["predictions"] for answer in answers[:2]] == [[p.to_dict() for p in found] for found in expected]
    assert answers[1] | {"predictions": 0} == {"context": "a dog sat on", "prefix": "th", "predictions": 0}
    assert answers[2]["context"] == "" and "na\u00efve \u4f60" in out  # as it is, without escapes


def test_a_line_that_can_not_be_answered_is_passed_on(environment, here):
    done = subprocess.run(
        [sys.executable, "-m", "fflm", "predict", "kn", "-", "--batch", "--top", "1"],
        input=b"the <s> cat\n\xff\xfe\nthe cat\r\n",
        capture_output=True,
        env=environment,
        cwd=here,
    )
    first, second, third = map(json.loads, done.stdout.splitlines())
    assert first["context"] == "the <s> cat" and first["error"].startswith("<s> must begin a text or follow </s>, got ")
    assert second == {"error": "the line must be UTF-8, got an invalid byte at offset 0"}
    assert third["context"] == "the cat" and third["predictions"][0]["word"] == "sat"


def test_answers_come_line_by_line(environment, here):
    process = subprocess.Popen(
        [sys.executable, "-m", "fflm", "predict", "kn", "-", "--batch"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        cwd=here,
    )
    try:
        for context in (b"the cat\n", b"a dog\n"):
            process.stdin.write(context)
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["context"] == context.decode().strip()
        process.stdin.close()
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_batch_is_read_from_standard_input(fflm_main, here):
    message = "fflm: error: CONTEXT must be - with --batch: contexts are read there\n"
    assert fflm_main("predict", "kn", "the", "--batch") == (1, "", message)
    assert fflm_main("predict", "kn", "-", "--batch", "--top", 0)[2] == "fflm: error: --top must be at least 1, got 0\n"


# fflm repl


def test_repl_answers_lines_of_a_pipe(fflm_cli, here):
    code, out, err = fflm_cli("repl", "kn", "--top", 2, stdin="the cat\nthe <s> a\n", cwd=here)
    assert code == 0 and re.fullmatch(r"sat 0\.\d{4}   \S+ 0\.\d{4}\n", out)
    assert err.startswith("note: <s> must begin a text or follow </s>")
    code, out, _ = fflm_cli("repl", "kn", "--top", 1, "--json", stdin="the cat\n", cwd=here)
    assert json.loads(out)["predictions"][0]["word"] == "sat"


def read_until(terminal, mark, seconds=60):
    seen, end = b"", time.monotonic() + seconds
    while mark not in seen and time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            seen += os.read(terminal, 4096)
    assert mark in seen, seen
    return seen.decode()


def test_repl_completes_words_as_one_types(environment, here):
    pytest.importorskip("readline")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "fflm", "repl", "kn", "--top", "3"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment | {"TERM": "dumb"},
        cwd=here,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        read_until(ours, b"Ctrl-D ends\r\n> ")
        os.write(ours, b"the cat sat on the ma\t")
        read_until(ours, b"the mat ")
        os.write(ours, b"\n")
        assert re.search(r"\S+ 0\.\d{4}   \S+ 0\.\d{4}", read_until(ours, b"> "))
        os.write(ours, b"a dog sat \t\t")  # no word begun: the likeliest three
        first = fflm.load("kn").predict("a dog sat", 3)
        assert "   ".join(p.word for p in first) in read_until(ours, "   ".join(p.word for p in first).encode())
        os.write(ours, b"\n\x04")
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)


# fflm export --arpa of other models


ENDLESS = (
    "note: the model predicts no ends of sentences (boundary stream); KenLM and others count </s>, which is all but "
    "impossible here: train with --boundary line for them, or leave it out (eos=False)\n"
)


@pytest.mark.parametrize("name", ["neural", "mixture", "interpolated"])
def test_export_of_an_approximation(fflm_main, here, name):
    flags = ("--source", "train.txt", "--test", "valid.txt", "--order", 3, "--ngrams", 200)
    code, out, err = fflm_main("export", name, "--arpa", "new.arpa", *flags)
    assert (code, err) == (0, ENDLESS)
    assert re.fullmatch(
        r"ARPA file    new.arpa\nn-grams      13, \d+, \d+ of 1, 2 ... words\n"
        r"perplexity   [\d.]+ of the model, [\d.]+ of the file \([+-][\d.]+ %\), on valid.txt\n",
        out,
    )
    model, made = fflm.load(name), fflm.load("new.arpa")
    assert sum(made.lm.table.sizes) <= 200
    code, out, err = fflm_main("export", name, "--arpa", "again.arpa", *flags, "--json")
    report = json.loads(out)
    assert report["ngrams"] == list(made.lm.table.sizes)
    assert report["perplexity"] == model.perplexity("valid.txt").perplexity
    assert report["perplexity_of_the_file"] == pytest.approx(made.perplexity("valid.txt").perplexity, rel=1e-6)
    assert Path("again.arpa").read_text() == Path("new.arpa").read_text()


def test_without_a_test_text_the_loss_is_that_on_the_source(fflm_main, here):
    code, out, err = fflm_main("export", "neural", "--arpa", "new.arpa", "--source", "train.txt")
    assert code == 0 and out.endswith("on train.txt\n")
    note = "note: that is the text of the n-grams; name another one with --test to see the loss on text not seen\n"
    assert err == note + ENDLESS


def test_too_small_an_approximation(fflm_main, here):
    message = "fflm: error: --ngrams must be at least the 13 words of the vocabulary, got 5\n"
    assert fflm_main("export", "neural", "--arpa", "a", "--source", "train.txt", "--ngrams", 5) == (1, "", message)
    message = "fflm: error: --source must be a file, a folder, - or the name of a corpus, got 'no.txt': no such file\n"
    assert fflm_main("export", "neural", "--arpa", "a", "--source", "no.txt") == (1, "", message)
    assert not Path("a").exists()
