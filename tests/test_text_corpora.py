"""Named corpora and their splits."""

import dataclasses
import json
import sys
import sysconfig
import zipfile
from itertools import chain, groupby
from pathlib import Path

import nltk
import numpy as np
import pytest

from fflm.config import DataConfig, TokenizerConfig
from fflm.errors import TextError
from fflm.lm import contexts_at
from fflm.storage.user_cache import MOST, cache_folder
from fflm.text import CORPORA, NO_BREAKS, Tokenizer, Vocabulary, corpora, encode, load
from fflm.text.corpora import brown_tokens, parse_name, read_corpus


def installed(name):
    for path in (f"corpora/{name}", f"corpora/{name}.zip"):
        try:
            return bool(nltk.data.find(path))
        except LookupError:
            pass
    return False


def needs(name):
    return pytest.mark.skipif(not installed(name), reason=f"NLTK's corpus {name} is not on NLTK's data path")


def read(name, split=None, tokenizer="word", **options):
    tokenizer = Tokenizer(TokenizerConfig(tokenizer=tokenizer, **options))
    blocks = [block for block in read_corpus(name, split, tokenizer) if block is not None]
    return list(chain.from_iterable(blocks)) if isinstance(blocks[0], list) else "".join(blocks)


@pytest.fixture(autouse=True)
def forget(request):
    """Tests that change where corpora are leave nothing that was read there, and meet nothing read before."""
    changes = "monkeypatch" in request.fixturenames
    if changes:
        clear()
    yield
    if changes:
        clear()


def clear():
    corpora._nltk_texts.cache_clear()
    corpora._stdlib_documents.cache_clear()


def test_names():
    assert CORPORA == ("stdlib", "brown", "gutenberg", "state_union", "inaugural")
    assert parse_name("brown") == ("brown", None)
    assert parse_name("stdlib:test") == ("stdlib", "test")
    assert [parse_name(s) for s in ("./brown", "brown.txt", "-", "x:train")] == [None] * 4
    with pytest.raises(TextError, match="split of a corpus must be one of train, valid, test, got 'brown:dev'"):
        parse_name("brown:dev")
    with pytest.raises(TextError, match="got 'brown:'"):
        parse_name("brown:")


def test_pieces_end_at_empty_lines_and_lose_nothing():
    text = "\n".join("x" * (i % 7 * 300) for i in range(60))
    pieces = list(corpora._pieces(text))
    assert "".join(pieces) == text + "\n" * (not text.endswith("\n"))
    assert all(len(p) >= corpora.PIECE_CHARACTERS and p.endswith("\n\n") for p in pieces[:-1])
    assert list(corpora._pieces("")) == []


def test_a_document_without_empty_lines_is_cut_at_line_ends():
    pieces = list(corpora._pieces("x" * 99 + "\n" + ("y" * 98 + "\n\n" + "x" * 399 + "\n") * 60))
    assert {len(piece) for piece in pieces[1:-1]} == {2000}
    pieces = list(corpora._pieces(("x" * 99 + "\n") * 1001))
    assert list(map(len, pieces)) == [corpora.LONG_PIECE_CHARACTERS] * 10 + [100]


def test_one_stretch_of_each_quarter_is_held_out_for_each_part(monkeypatch):
    """160 pieces of equal length: of each quarter the tenth and the last twentieth, two pieces each."""
    monkeypatch.setattr(corpora, "_nltk_texts", lambda name: [f"{i:03}\n" for i in range(160)])
    valid = [18, 19, 58, 59, 98, 99, 138, 139]
    test = [38, 39, 78, 79, 118, 119, 158, 159]
    assert list(map(int, read("inaugural", "valid").split())) == valid
    assert list(map(int, read("inaugural", "test").split())) == test
    assert list(map(int, read("inaugural", "train").split())) == [i for i in range(160) if i not in {*valid, *test}]


def test_a_corpus_of_few_pieces_is_not_quartered(monkeypatch):
    monkeypatch.setattr(corpora, "_nltk_texts", lambda name: [f"{i:03}\n" for i in range(40)])
    assert list(map(int, read("inaugural", "valid").split())) == [18, 19]
    assert list(map(int, read("inaugural", "test").split())) == [38, 39]


def test_pieces_of_uneven_length_are_shared_out_by_length():
    """A piece belongs to the twentieth in which its middle lies: long ones do not swell a part."""
    lengths = np.random.default_rng(1).integers(1, 60, 2000).tolist()
    splits = corpora._splits(lengths)
    for split, share in (("train", 0.9), ("valid", 0.05), ("test", 0.05)):
        size = sum(length for length, part in zip(lengths, splits, strict=True) if part == split)
        assert size / sum(lengths) == pytest.approx(share, abs=0.003)
    assert [len([*run]) > 0 and part for part, run in groupby(splits)] == ["train", "valid", "train", "test"] * 4


def test_a_part_says_where_text_was_left_out(monkeypatch):
    """None between two pieces that do not stand side by side; never before the first or after the last."""
    monkeypatch.setattr(corpora, "_nltk_texts", lambda name: [f"{i:03}\n" for i in range(160)])
    blocks = list(read_corpus("inaugural", "valid", Tokenizer(TokenizerConfig())))
    expected = [[18, 19], [58, 59], [98, 99], [138, 139]]
    assert [[int(block) for block in run] for gap, run in groupby(blocks, lambda b: b is None) if not gap] == expected
    assert blocks[0] is not None and blocks[-1] is not None and blocks.count(None) == 3
    for split, gaps in ((None, 0), ("train", 7), ("test", 3)):
        assert list(read_corpus("inaugural", split, Tokenizer(TokenizerConfig()))).count(None) == gaps


def share_across_seams(stream, seams, size):
    """The share of tokens among whose last `size` words are some from beyond a seam, as contexts are really cut."""
    positions = np.arange(len(stream))
    words = np.arange(3, 3 + len(stream), dtype=np.int32)  # all different: a word tells where it stands
    contexts = contexts_at(words, positions, size, stream.breaks)
    begins = np.concatenate(([0], seams))[np.searchsorted(seams, positions, side="right")]
    return float(((contexts > 1) & (contexts - 3 < begins[:, None])).any(axis=1).mean())


@pytest.mark.parametrize("name", ["stdlib", "gutenberg", "state_union", "inaugural"])
def test_no_context_reaches_across_a_seam(name):
    """It was 29 % of the tokens of ``stdlib:valid``, with contexts of 108 words and pieces of 330 tokens joined."""
    if name != "stdlib" and not installed(name):
        pytest.skip(f"NLTK's corpus {name} is not on NLTK's data path")
    tokenizer = Tokenizer(TokenizerConfig())
    for split in ("valid", "test", "train")[: 3 if name in ("state_union", "inaugural") else 2]:
        stream = encode([f"{name}:{split}"], tokenizer, Vocabulary(["<unk>", "<s>", "</s>", "the"]), DataConfig())
        lengths, seams = [0], []
        for block in read_corpus(name, split, tokenizer):
            if block is None:
                seams.append(sum(lengths))
            else:
                lengths.append(len(tokenizer.tokens(block)))
        assert seams == stream.breaks.tolist() and len(seams) == (7 if split == "train" else 3)
        assert share_across_seams(stream, np.array(seams), 108) == 0.0
        without = dataclasses.replace(stream, breaks=NO_BREAKS)
        assert 0.0 < share_across_seams(without, np.array(seams), 108) < 0.06  # few contexts are cut short
        assert not set(seams) - set(stream.unit_starts.tolist())


def test_stdlib():
    text = read("stdlib")
    assert 250_000 < len(text.split()) < 500_000
    assert "a mapping object" in text.lower()
    parts = [read("stdlib", split) for split in ("train", "valid", "test")]
    assert sum(map(len, parts)) == len(text)
    assert all(0.045 < len(part) / len(text) < 0.055 for part in parts[1:])


def test_stdlib_reads_docstrings_in_order_and_passes_over_what_does_not_parse(tmp_path, monkeypatch):
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "t.py").write_text('"Not this."')
    (tmp_path / "a.py").write_text(
        '"Module."\nif 1:\n    class A:\n        "Class."\n        async def f():\n            r"Half \\\\ud800."\n'
        'def g():\n    "Half \\ud800."\n'
    )
    (tmp_path / "b.py").write_text("print 'python 2'")
    (tmp_path / "c.py").write_bytes(b"\0")
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"stdlib": str(tmp_path)})
    assert read("stdlib").endswith("Module.\n\nClass.\n\nHalf \\\\ud800.\n\nHalf ?.\n")


def test_stdlib_without_sources(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"stdlib": str(tmp_path)})
    with pytest.raises(TextError, match="corpus stdlib must find Python's own sources, got none in"):
        read("stdlib")


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A standard library of one file, without topics, and an empty cache folder."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "a.py").write_text('"One."')
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"stdlib": str(tmp_path / "lib")})
    monkeypatch.setenv("FFLM_CACHE", str(tmp_path / "cache"))
    return tmp_path


def again(name):
    clear()
    return read(name)


def test_stdlib_is_parsed_once(library):
    assert read("stdlib") == "One.\n"
    (kept,) = (library / "cache").iterdir()
    assert json.loads(kept.read_text()) == ["One."]
    kept.write_text('["Two."]')  # so that one sees where it comes from
    assert again("stdlib") == "Two.\n"
    (library / "lib" / "a.py").write_text('"Three."')
    assert again("stdlib") == "Three.\n" and len(list((library / "cache").iterdir())) == 2


@pytest.mark.parametrize("content", ["", '["One."', "[1]", '{"a": "b"}', "[" * 100_000, "\udcff"])
def test_what_was_kept_and_is_damaged_is_made_anew(library, content):
    read("stdlib")
    (kept,) = (library / "cache").iterdir()
    kept.write_text(content, errors="surrogateescape")
    assert again("stdlib") == "One.\n" and json.loads(kept.read_text()) == ["One."]


def test_few_texts_are_kept(library):
    for number in range(MOST + 3):
        (library / "lib" / "a.py").write_text(f'"Number {number}."')
        assert again("stdlib") == f"Number {number}.\n"
    assert len(list((library / "cache").iterdir())) == MOST


@pytest.mark.parametrize("folder", ["", "lib/a.py", "lib/a.py/cache"])
def test_nothing_is_kept_where_it_can_not_be(library, monkeypatch, folder):
    monkeypatch.setenv("FFLM_CACHE", folder and str(library / folder))
    assert read("stdlib") == again("stdlib") == "One.\n"
    assert not (library / "cache").exists() and (library / "lib" / "a.py").read_text() == '"One."'


def test_where_the_cache_is(monkeypatch):
    for name in ("FFLM_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/ann")
    monkeypatch.setattr(sys, "platform", "linux")
    assert cache_folder() == Path("/home/ann/.cache/fflm")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/ann")
    assert cache_folder() == Path("/var/ann/fflm")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_folder() == Path("/home/ann/Library/Caches/fflm")
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", "/ann/local")
    assert cache_folder() == Path("/ann/local/fflm")


class Reader:
    """Stands for an NLTK corpus which fails."""

    def __init__(self, error):
        self.error = error

    def fileids(self):
        raise self.error


@pytest.mark.parametrize("name", ["brown", "inaugural"])
def test_a_corpus_that_is_not_installed(monkeypatch, name):
    monkeypatch.setattr(f"nltk.corpus.{name}", Reader(LookupError("many\nlines")))
    with pytest.raises(TextError, match=rf"^corpus {name} must be .* python -m nltk.downloader {name} .*NLTK_DATA.*$"):
        read(name)


def test_a_damaged_corpus(monkeypatch):
    monkeypatch.setattr("nltk.corpus.inaugural", Reader(zipfile.BadZipFile("Bad magic number")))
    with pytest.raises(TextError, match="corpus inaugural must be intact, got bad magic number; .* --force inaugural"):
        read("inaugural")
    monkeypatch.setattr("nltk.corpus.inaugural", Reader(OSError()))
    with pytest.raises(TextError, match="corpus inaugural must be intact, got an unreadable file"):
        read("inaugural")


def test_brown_tokens():
    raw = "\n\n\t1/2/cd of/in it/ppo ./.\nYes/rb ./.\n\n\n\tNo/rb\n"
    assert brown_tokens(raw, marks=True) == ["<text>", "<p>", "1/2", "of", "it", ".", "Yes", ".", "<p>", "No"]
    assert brown_tokens(raw, marks=False) == ["1/2", "of", "it", ".", "\n", "Yes", ".", "\n", "No", "\n"]


@needs("brown")
def test_brown_is_nltks_brown():
    from nltk.corpus import brown

    for file in brown.fileids()[::50]:
        expected = ["<text>"]
        for paragraph in brown.paras(file):
            expected += ["<p>", *(word for sentence in paragraph for word in sentence)]
        assert brown_tokens(brown.raw(file), marks=True) == expected
        sentences = [[*sentence, "\n"] for sentence in brown.sents(file)]
        assert brown_tokens(brown.raw(file), marks=False) == list(chain.from_iterable(sentences))


@needs("brown")
def test_brown_in_the_stream_is_the_papers():
    tokens = read("brown")
    assert (len(tokens), tokens.count("<text>"), tokens.count("<p>")) == (1_177_359, 500, 15_667)
    parts = [read("brown", split) for split in ("train", "valid", "test")]
    assert list(map(len, parts)) == [800_000, 200_000, 177_359]
    assert list(chain.from_iterable(parts)) == tokens
    assert None not in list(read_corpus("brown", "valid", Tokenizer(TokenizerConfig())))


@needs("brown")
def test_brown_in_lines_is_cut_at_sentence_ends():
    parts = [read("brown", split, boundary="line") for split in ("train", "valid", "test")]
    assert all(part[-1] == "\n" for part in parts)
    words = [len(part) - part.count("\n") for part in parts]
    assert sum(words) == 1_161_192
    assert sum(part.count("\n") for part in parts) == 57_340
    assert words[0] / sum(words) == pytest.approx(800_000 / 1_177_359, abs=1e-4)
    assert words[1] / sum(words) == pytest.approx(200_000 / 1_177_359, abs=1e-4)


@needs("brown")
def test_brown_is_normalised_and_comes_as_text_for_characters():
    tokens = read("brown", "train", lowercase=True, digits_to_zero=True)
    assert tokens[:4] == ["<text>", "<p>", "the", "fulton"] and len(tokens) == 800_000
    assert not any(digit in token for token in tokens for digit in "123456789")
    assert read("brown", tokenizer="char").startswith("The Fulton County Grand Jury said")


@pytest.mark.parametrize("name", ["gutenberg", "state_union", "inaugural"])
def test_texts_of_nltk(name):
    if not installed(name):
        pytest.skip(f"NLTK's corpus {name} is not on NLTK's data path")
    text = read(name)
    parts = [read(name, split) for split in ("train", "valid", "test")]
    assert sum(map(len, parts)) == len(text) and "\r" not in text
    assert all(0.04 < len(part) / len(text) < 0.06 for part in parts[1:])


def test_a_whole_corpus_gives_up_the_part_that_is_held_out():
    """Training on ``stdlib`` with ``stdlib:test`` as the test text trains on the training part, and says so."""
    config, data = TokenizerConfig(), DataConfig(valid_fraction=0.1)
    own = load(["stdlib"], None, None, config, DataConfig(), seed=1)
    for valid, test, options in (
        (["stdlib:valid"], ["stdlib:test"], DataConfig()),
        (None, ["stdlib:test"], data),
        (["stdlib:valid"], None, DataConfig()),
    ):
        corpus = load(["stdlib"], valid, test, config, options, seed=1)
        held_out = len(corpus.valid) if valid is None else 0
        assert len(corpus.train) + held_out == len(own.train)
        assert "training: stdlib:train, as another part of stdlib is held out" in map(str, corpus.notes)
