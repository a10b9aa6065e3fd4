"""Word vectors in training; neighbors, analogies, similarities, maps; the commands for them."""

import gzip
import json
from importlib.util import find_spec

import numpy as np
import pytest
from conftest import CYCLE

import fflm
from fflm import ConfigError, TextError
from fflm.plots import can_plot
from fflm.text import Vocabulary
from fflm.word_vectors.files import read_vectors, vector_file
from fflm.word_vectors.neighbours import WordVectors
from fflm.word_vectors.pretrained import GivenVectors
from fflm.word_vectors.similarity import spearman

WORDS = ["<unk>", "<s>", "</s>", "king", "queen", "man", "woman", "apple"]
MATRIX = np.array([[9, 9, 9], [0, 0, 0], [1, 1, 1], [3, 1, 0], [3, -1, 0], [0.1, 1, 0], [0.1, -1, 0], [0, 0, 2]])
TRAINED = ["the", "cat", "dog", "mat"]
VECTORS = np.arange(12, dtype=np.float32).reshape(4, 3) / 10
SMALL = {"context_size": 2, "bag_size": 0, "hidden_dims": 8, "epochs": 2, "ngram_order": 0, "quiet": True}


@pytest.fixture
def vectors():
    return WordVectors(Vocabulary(WORDS, np.array([0, 0, 0, 4, 3, 9, 8, 1])), MATRIX.astype(np.float32))


def test_vectors_say_what_they_are(vectors):
    assert repr(vectors) == f"WordVectors({len(WORDS)} words, {MATRIX.shape[1]} features)"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text(CYCLE * 40)
    (tmp_path / "vectors").write_bytes(b"".join(vector_file([*TRAINED, "zebra"], np.vstack([VECTORS, [[9, 9, 9]]]))))
    return tmp_path


# In training


def test_training_begins_with_the_vectors_of_a_file(here):
    model = fflm.train("text.txt", vectors="vectors", **SMALL | {"epochs": 0})
    table = model.lm.parameters["embeddings"]
    ids = model.lm.vocabulary.encode(TRAINED)
    assert model.lm.config.embedding_dim == 3 and (table[ids] == VECTORS).all()
    others = np.delete(table, ids, axis=0)
    assert (
        np.sqrt((others**2).mean()) == pytest.approx(np.sqrt((VECTORS**2).mean()), rel=0.5)
        and len(np.unique(others)) == others.size
    )
    assert "vectors: vectors has 4 of 10 words (40.0 %; 43.8 % of the training tokens)" in model.report.notes


def test_vectors_are_told_apart_by_their_words_too(tmp_path):
    marks = []
    for line in ("king 1 2\n", "queen 1 2\n", "queen 1 3\n", "queen 1 3\nzebra 5 5\n"):
        (tmp_path / "v").write_text(line)
        marks.append(GivenVectors.read(str(tmp_path / "v"), Vocabulary(WORDS)).fingerprint())
    assert len(set(marks)) == 3 and marks[2] == marks[3]


@pytest.mark.parametrize("number", [0.0, 0.5])
def test_constant_vectors_leave_the_others_different(here, number):
    (here / "vectors").write_bytes(b"".join(vector_file(TRAINED, np.full((len(TRAINED), 3), number, np.float32))))
    model = fflm.train("text.txt", vectors="vectors", **SMALL | {"epochs": 0})
    others = np.delete(model.lm.parameters["embeddings"], model.lm.vocabulary.encode(TRAINED), axis=0)
    assert len(np.unique(others)) == others.size


@pytest.mark.parametrize("freeze", [False, True])
@pytest.mark.parametrize("clip_norm", [None, 0.1])
def test_vectors_are_kept_or_learned(here, freeze, clip_norm):
    model = fflm.train("text.txt", vectors="vectors", freeze_vectors=freeze, clip_norm=clip_norm, **SMALL)
    start = fflm.train("text.txt", vectors="vectors", **SMALL | {"epochs": 0})
    table, before = model.lm.parameters["embeddings"], start.lm.parameters["embeddings"]
    ids = model.lm.vocabulary.encode(TRAINED)
    assert (table[ids] == VECTORS).all() == freeze
    assert (table[ids] != VECTORS).all() != freeze
    rest = np.setdiff1d(model.lm.vocabulary.encode(CYCLE.split()), ids)
    assert (table[rest] != before[rest]).any(axis=1).all()


def test_a_resumed_run_keeps_them_too(here):
    options = {"vectors": "vectors", "freeze_vectors": True, "seed": 3} | SMALL
    whole = fflm.train("text.txt", out="whole", **options | {"epochs": 4, "schedule": "plateau"})
    fflm.train("text.txt", out="parts", **options | {"epochs": 1, "schedule": "plateau"})
    parts = fflm.train("text.txt", out="parts", resume=True, **options | {"epochs": 4, "schedule": "plateau"})
    for name, value in whole.lm.parameters.items():
        assert value.tobytes() == parts.lm.parameters[name].tobytes(), name
    other = np.vstack([VECTORS + 1, [[9, 9, 9]]]).astype(np.float32)
    (here / "vectors").write_bytes(b"".join(vector_file([*TRAINED, "zebra"], other)))
    with pytest.raises(ConfigError, match="^the word vectors must be those of the run to resume in parts, got others"):
        fflm.train("text.txt", out="parts", resume=True, **options | {"epochs": 5, "schedule": "plateau"})


@pytest.mark.parametrize(
    "options, message",
    [
        ({"freeze_vectors": True}, "freeze_vectors must not be given without vectors; give a file of word vectors"),
        (
            {"vectors": "vectors", "embedding_dim": 5},
            "embedding_dim must be that of the vectors in vectors, 3, got 5",
        ),
        (
            {"vectors": "others"},
            "no word of the vocabulary is among the 1 of others; is its language another, or its case "
            "(lowercase folds the text)?",
        ),
    ],
)
def test_impossible_vectors(here, options, message):
    (here / "others").write_text("zebra 1 2 3\n")
    with pytest.raises(ConfigError) as error:
        fflm.train("text.txt", out="run", **SMALL | options)
    assert str(error.value) == message and not (here / "run").exists()


def test_vectors_may_move_between_two_calls_but_not_be_left_out(here):
    options = {"out": "run"} | SMALL
    fflm.train("text.txt", vectors="vectors", **options)
    (here / "vectors").rename(here / "moved")
    with pytest.raises(TextError, match="^can't read the vectors of vectors: no such file$"):
        fflm.train("text.txt", vectors="vectors", resume=True, **options | {"epochs": 3})
    with pytest.raises(ConfigError, match="^the word vectors must be those of the run to resume in run, got others; "):
        fflm.train("text.txt", resume=True, **options | {"epochs": 3})
    assert fflm.train("text.txt", vectors=here / "moved", resume=True, **options | {"epochs": 3}).report.epochs == 3


def test_the_command_takes_and_writes_vectors(fflm_main, here):
    flags = "--context-size 2 --bag-size 0 --hidden-dims 8 --epochs 1".split()
    code, out, _ = fflm_main("train", "text.txt", "--out", "run", "--vectors", "vectors", "--freeze-vectors", *flags)
    assert code == 0 and "note         vectors: vectors has 4 of 10 words" in out
    for binary in ([], ["--binary"]):
        code, out, _ = fflm_main("export", "run", "--word2vec", f"out{len(binary)}", *binary)
        assert (code, out) == (0, f"vectors      out{len(binary)}\n")
        found = read_vectors(f"out{len(binary)}")
        model = fflm.load("run").network.lm
        assert found.words == model.vocabulary.words and (found.matrix == model.parameters["embeddings"]).all()
    assert fflm_main("export", "run", "--word2vec", "out.gz").code == 0
    assert gzip.decompress((here / "out.gz").read_bytes()) == (here / "out0").read_bytes()
    code, _, err = fflm_main("export", "run", "--word2vec", "out0")
    assert (code, err) == (1, "fflm: error: out0 exists already; choose another name, or replace it with --force\n")
    code, _, err = fflm_main("export", "run", "--arpa", "a", "--binary")
    assert (code, err) == (1, "fflm: error: --binary must not be given without --word2vec\n")


def test_words_that_the_format_cannot_hold_are_left_out(fflm_main, here):
    fflm.train("text.txt", out="run", tokenizer="char", **SMALL)
    code, out, err = fflm_main("export", "run", "--word2vec", "chars", "--json")
    assert json.loads(out) == {"word2vec": "chars", "left_out": 2} and code == 0
    assert err == "note: 2 words with white space or control characters, which the format can't hold, were left out\n"
    assert not {" ", "\n"} & set(read_vectors("chars").words)


# Neighbors, analogies


def test_neighbors_by_cosine(vectors):
    found = vectors.neighbors("king", top=2)
    assert [near.word for near in found] == ["queen", "man"]
    assert found[0].cosine == pytest.approx(8 / 10) and found[1].cosine == pytest.approx(1.3 / np.sqrt(10 * 1.01))
    assert len(vectors.neighbors("king", top=100)) == 4  # neither itself nor the special ones


def test_analogies(vectors):
    (found,) = vectors.analogy("king", "man", "woman", top=1)
    king, man, woman, queen = (row / np.linalg.norm(row) for row in MATRIX[[3, 5, 6, 4]])  # of vectors of length 1
    wanted = king - man + woman
    assert found.word == "queen" and found.cosine == pytest.approx(wanted @ queen / np.linalg.norm(wanted), rel=1e-6)


def test_what_has_no_vector(vectors, models):
    for word in ("kings", "<unk>", "<s>"):
        with pytest.raises(ConfigError, match=f"^'{word}' is not in the vocabulary$"):
            vectors.neighbors(word)
    with pytest.raises(ConfigError, match="^top must be at least 1, got 0$"):
        vectors.neighbors("king", top=0)
    with pytest.raises(ConfigError, match="^a model of kind 'n-gram model' has no word vectors; a network has$"):
        models["kn"].word_vectors()
    mixture = next(model for model in models.values() if model.lm.describe()["kind"] == "mixture")
    assert (mixture.word_vectors().matrix == models["neural"].lm.parameters["embeddings"]).all()


def test_the_commands(fflm_main, workshop):
    run = workshop / "runs" / "demo"
    code, out, err = fflm_main("neighbors", run, "cat", "--top", 3)
    assert (code, err) == (0, "") and len(out.splitlines()) == 3
    code, out, _ = fflm_main("neighbors", run, "cat", "dog", "--analogy", "cat", "the", "a", "--top", 2, "--json")
    assert [part["of"] for part in json.loads(out)] == ["cat", "dog", "cat - the + a"]
    code, out, _ = fflm_main("neighbors", run, "cat", "dog", "--top", 1)
    assert out.startswith("cat\n") and "\n\ndog\n" in out
    assert fflm_main("neighbors", run, "--top", 1, "cat").out == fflm_main("neighbors", run, "cat", "--top", 1).out
    assert fflm_main("neighbors", run, "--wrong", "cat").code == 2
    assert fflm_main("neighbors", run) == (1, "", "fflm: error: neighbors needs a WORD, or --analogy and three\n")
    assert fflm_main("neighbors", run, "zebra") == (1, "", "fflm: error: 'zebra' is not in the vocabulary\n")


# Similarity


def test_spearman():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 9, 50).astype(float), rng.integers(0, 9, 50).astype(float)
    ranks = [np.array([(x > v).sum() + ((x == v).sum() + 1) / 2 for x in v]) for v in (a, b)]
    assert spearman(a, b) == pytest.approx(np.corrcoef(*ranks)[0, 1])
    assert spearman(a, a**3) == pytest.approx(1.0) and spearman(a, -a) == pytest.approx(-1.0)
    assert np.isnan(spearman(a[:1], b[:1])) and np.isnan(spearman(np.ones(3), np.arange(3.0)))


@pytest.mark.parametrize("sign", ["\t", ",", ";", " "])
def test_similarity_files(vectors, tmp_path, sign):
    lines = ["# a comment", sign.join(["Word1", "Word2", "Mean"]), ""]
    pairs = [("king", "queen", "9.0"), ("king", "man", "5"), ("king", "apple", "1"), ("King", "pear", "3")]
    (tmp_path / "pairs").write_text("\n".join([*lines, *map(sign.join, pairs)]))
    found = vectors.similarity(str(tmp_path / "pairs"))
    assert (found.pairs, found.known, found.unknown_words) == (4, 3, ("King", "pear"))
    assert found.spearman == pytest.approx(1.0)
    (tmp_path / "utf16").write_text((tmp_path / "pairs").read_text(), "utf-16")
    assert vectors.similarity(tmp_path / "utf16", encoding="utf-16") == found
    folding = WordVectors(vectors.vocabulary, vectors.matrix, lowercase=True)
    assert folding.similarity(tmp_path / "pairs").unknown_words == ("pear",)
    assert folding.neighbors("KING", top=1) == vectors.neighbors("king", top=1)
    with pytest.raises(ConfigError, match="^'King' is not in the vocabulary; 'king' is$"):
        vectors.neighbors("King")


@pytest.mark.parametrize("content", ["", "# nothing\n", "word1,word2,mean\n"])
def test_similarity_files_without_pairs(vectors, tmp_path, content):
    (tmp_path / "pairs").write_text(content)
    with pytest.raises(TextError, match="pairs must hold pairs of words and a number, got none$"):
        vectors.similarity(tmp_path / "pairs")
    with pytest.raises(TextError, match="^can't read .*missing: no such file$"):
        vectors.similarity(tmp_path / "missing")
    with pytest.raises(TextError, match="^can't read .*: it is a folder$"):
        vectors.similarity(tmp_path)


def test_damaged_similarity_files(vectors, tmp_path):
    for score in ("nan", "inf", "1_0"):
        (tmp_path / "pairs").write_text(f"\nking\tqueen\t9\nking\tman\t{score}\n")
        with pytest.raises(TextError, match="pairs, line 3: two words and a number must stand here, got 'king"):
            vectors.similarity(str(tmp_path / "pairs"))
    (tmp_path / "pairs").write_text("king\tqueen\tnan\nking\tman\t1\n")
    with pytest.raises(TextError, match="pairs, line 1: two words and a number must stand here, got 'king"):
        vectors.similarity(str(tmp_path / "pairs"))
    (tmp_path / "pairs").write_text("king\tqueen\t9\nking\tman\n")
    with pytest.raises(TextError, match="pairs, line 2: two words and a number must stand here, got 'king\\\\tman'$"):
        vectors.similarity(str(tmp_path / "pairs"))


def test_too_few_pairs_have_no_correlation(vectors, tmp_path):
    (tmp_path / "pairs").write_text("king\tqueen\t9\nking\tpear\t1\n")
    begin = "^no rank correlation over the {} of 2 pairs of .*pairs whose words are known: "
    reason = begin.format(1) + "there must be two or more$"
    with pytest.raises(ConfigError, match=reason):
        vectors.similarity(tmp_path / "pairs")
    (tmp_path / "pairs").write_text("king\tqueen\t9\nking\tman\t9\n")
    with pytest.raises(ConfigError, match=begin.format(2) + "all their scores are the same$"):
        vectors.similarity(tmp_path / "pairs")
    (tmp_path / "pairs").write_text("king\tman\t9\nman\tking\t8\n")
    with pytest.raises(ConfigError, match=begin.format(2) + "all their cosines are the same$"):
        vectors.similarity(tmp_path / "pairs")


def test_similarity_command(fflm_main, workshop, tmp_path):
    (tmp_path / "pairs").write_text("cat\tdog\t9\ncat\tmat\t3\nthe\ton\t2\nzebra\tcat\t1\n")
    run = workshop / "runs" / "demo"
    code, out, _ = fflm_main("similarity", run, tmp_path / "pairs")
    assert code == 0 and out.startswith("spearman     ")
    assert "pairs        3 of 4 with both words in the vocabulary\nunknown      1 word: zebra\n" in out
    found = json.loads(fflm_main("similarity", run, tmp_path / "pairs", "--json").out)
    assert found["known"] == 3 and -1.0 <= found["spearman"] <= 1.0


# The map


@pytest.mark.skipif(
    not can_plot() or find_spec("sklearn") is None, reason="matplotlib and scikit-learn, the plot extra, are not here"
)
@pytest.mark.parametrize("name, begin", [("map.svg", b"<?xml"), ("map.png", b"\x89PNG"), ("map.pdf", b"%PDF")])
def test_plot_embeddings(fflm_main, workshop, tmp_path, name, begin):
    path = tmp_path / name
    code, out, err = fflm_main("plot-embeddings", workshop / "runs" / "demo", "--out", path, "--words", 8)
    assert (code, err) == (0, "") and out.startswith(f"map          {path}: 8 words\n")
    assert path.read_bytes().startswith(begin)
    if name.endswith("svg"):
        text = path.read_text()
        assert all(f">{word}</text>" in text for word in ("the", "cat", "mat"))


def test_a_map_needs_three_words():
    few = WordVectors(Vocabulary(WORDS[:5]), MATRIX[:5].astype(np.float32))
    with pytest.raises(ConfigError, match="^the vocabulary must have at least 3 words for a map, got 2$"):
        few.most_frequent(200)


def test_plot_embeddings_errors(fflm_main, workshop, tmp_path, monkeypatch):
    run = workshop / "runs" / "demo"
    message = "fflm: error: the picture must be a file that ends in .svg, .png or .pdf, got 'map.txt'\n"
    assert fflm_main("plot-embeddings", run, "--out", "map.txt") == (1, "", message)
    monkeypatch.setattr("fflm.plots.word_map.can_plot", lambda: False)
    message = "fflm: error: maps need matplotlib and scikit-learn: python -m pip install 'fflm[plot]'\n"
    assert fflm_main("plot-embeddings", run, "--out", tmp_path / "map.svg") == (1, "", message)
    message = "fflm: error: no such model: missing\n"  # what is wrong with the model is said first, extra or not
    assert fflm_main("plot-embeddings", "missing", "--out", tmp_path / "map.svg") == (1, "", message)
