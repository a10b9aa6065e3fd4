"""Word lists for Android keyboards."""

import gzip
import math
import re
from pathlib import Path

import numpy as np
import pytest

import fflm
from fflm.compat.aosp import combined_lines, frequency
from fflm.errors import ConfigError, FflmError


def test_frequencies_are_steps_of_15_percent():
    """As the head of AOSP's sample.combined says: 255 means 1, each decrement divides by 1.15."""
    assert frequency(1.0) == 255
    assert [frequency(1.15**-steps) for steps in (1, 55, 254, 400)] == [254, 200, 1, 1]
    assert frequency(0.0) == 1 and frequency(2.0) == 255


def parsed(lines):
    """The header, {word: f}, {word: {following: f}}."""
    header, *rest = lines
    words, following = {}, {}
    for line in rest:
        if match := re.fullmatch(r" word=([^,=\s]+),f=(\d+)\n", line):
            word = match[1]
            words[word], following[word] = int(match[2]), {}
        else:
            match = re.fullmatch(r"  bigram=([^,=\s]+),f=(\d+)\n", line)
            following[word][match[1]] = int(match[2])
    return header, words, following


@pytest.mark.parametrize("name", ["neural", "kn", "mixture", "unigram"])
def test_words_and_the_words_that_follow(models, name):
    lm = models[name].lm
    header, words, following = parsed(combined_lines(lm, "pt_BR", bigrams=2, description="a, b=c", date=12))
    assert header == "dictionary=main:pt_br,locale=pt_BR,description=a b c,date=12,version=54\n"
    assert set(words) == {word for word in lm.vocabulary.words[3:] if word != "."}
    counts = dict(zip(lm.vocabulary.words, lm.vocabulary.counts.tolist(), strict=True))
    assert words == {word: frequency(counts[word] / sum(counts.values())) for word in words}
    assert list(words.values()) == sorted(words.values(), reverse=True)
    for word, bigrams in following.items():
        if name == "unigram":
            assert bigrams == {}
            continue
        context = [1] * (lm.reach - 1) + [lm.vocabulary.id(word)]
        p = dict(zip(lm.vocabulary.words, lm.next_word(np.array([context], np.int32))[0].tolist(), strict=True))
        best = sorted((w for w in words), key=lambda w: -p[w])[:2]
        assert {w: frequency(p[w]) for w in best} == pytest.approx(bigrams)


def test_a_model_without_counts_has_its_own_probabilities(here, models):
    models["kn"].save_arpa("kn.arpa")
    lm = fflm.load("kn.arpa").lm
    _, words, _ = parsed(combined_lines(lm))
    p = lm.next_word(np.array([[1, 1]], np.int32))[0]
    assert words["the"] == 255 + round(math.log(p[lm.vocabulary.id("the")]) / math.log(1.15))


def test_words_that_the_form_can_not_hold(here):
    Path("t.txt").write_text("a,b c=d 12 -- x_1 caf\u00e9 ok " * 30, encoding="utf-8")
    lm = fflm.ngram("t.txt", order=2, tokenizer="whitespace", quiet=True).lm
    assert set(parsed(combined_lines(lm))[1]) == {"x_1", "caf\u00e9", "ok"}
    Path("t.txt").write_text("1 2 3 " * 30)
    lm = fflm.ngram("t.txt", order=2, quiet=True).lm
    with pytest.raises(FflmError, match="^a keyboard's word list needs words with letters, got a vocabulary without "):
        list(combined_lines(lm))


def test_the_command(fflm_main, here):
    assert fflm_main("export", "kn", "--combined", "w.combined.gz", "--bigrams", 1) == (
        0,
        "word list    w.combined.gz\n",
        "",
    )
    text = gzip.decompress(Path("w.combined.gz").read_bytes()).decode()
    assert text.startswith("dictionary=main:en,locale=en,description=fflm,date=") and "\n word=the,f=" in text
    assert fflm_main("export", "kn", "--combined", "-").out.count(" word=") == 9


def test_wrong_options(refused_flags):
    refused_flags("--locale must be a language such as en or pt_BR, got 'no way'", "--locale", "no way")
    refused_flags("--bigrams must be at least 0, got -1", "--bigrams", -1)


@pytest.fixture
def refused_flags(fflm_main, here):
    def refused(message, *flags):
        assert fflm_main("export", "kn", "--combined", "new", *flags) == (1, "", f"fflm: error: {message}\n")
        assert not Path("new").exists()

    return refused


def test_options_of_other_files(fflm_main, here):
    for message, flags in {
        "--bigrams must not be given without --combined": ("--arpa", "new", "--bigrams", 2),
        "--locale must not be given without --combined": ("--arpa", "new", "--locale", "de"),
        "--source must not be given without --arpa": ("--combined", "new", "--source", "train.txt"),
        "--binary must not be given without --word2vec": ("--arpa", "new", "--binary"),
        "--order must not be given without --source": ("--arpa", "new", "--order", 2),
        "--test must not be given without --source": ("--arpa", "new", "--test", "valid.txt"),
    }.items():
        assert fflm_main("export", "kn", *flags) == (1, "", f"fflm: error: {message}\n")


def test_a_locale_in_python(models):
    with pytest.raises(ConfigError, match="^locale must be a language such as en or pt_BR, got ''$"):
        list(combined_lines(models["kn"].lm, locale=""))
