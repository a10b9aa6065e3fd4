"""Word vectors in word2vec's and GloVe's formats: read, written, refused."""

import bz2
import gzip
import lzma
import os
from pathlib import Path

import numpy as np
import pytest

from fflm import TextError
from fflm.word_vectors.files import read_vectors, vector_file, writable

WORDS = ["the", "caf\u00e9", "\u732b", "-0.5", "a/b"]
MATRIX = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)


def text_lines():
    return [f"{word} {' '.join(str(number) for number in row)}\n" for word, row in zip(WORDS, MATRIX, strict=True)]


FORMS = {
    "word2vec text": lambda: b"".join(vector_file(WORDS, MATRIX)),
    "word2vec binary": lambda: b"".join(vector_file(WORDS, MATRIX, binary=True)),
    "word2vec binary, as the C program writes it": lambda: (
        b"5 3\n" + b"".join(w.encode() + b" " + row.tobytes() + b"\n" for w, row in zip(WORDS, MATRIX, strict=True))
    ),
    "GloVe": lambda: "".join(text_lines()).encode(),
    "without a last line end": lambda: "".join(text_lines()).encode()[:-1],
    "with blanks at line ends": lambda: "".join(text_lines()).replace("\n", " \r\n").encode(),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["vectors", "vectors.gz"])
def test_every_form_is_read_to_the_bit(tmp_path, form, name):
    content = FORMS[form]()
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    found = read_vectors(path)
    assert found.words == WORDS and found.total == 5
    assert found.matrix.dtype == np.float32 and found.matrix.tobytes() == MATRIX.tobytes()
    some = read_vectors(path, {"\u732b", "the", "dog"})
    assert some.words == ["the", "\u732b"] and some.total == 5 and (some.matrix == MATRIX[[0, 2]]).all()


def test_files_longer_than_a_chunk(tmp_path, monkeypatch):
    from fflm.word_vectors import files as vectors

    words = [f"word{i}" for i in range(500)]
    matrix = np.random.default_rng(1).standard_normal((500, 7)).astype(np.float32)
    for chunk in (1, 37, 4096):
        monkeypatch.setattr(vectors, "CHUNK_BYTES", chunk)
        for binary in (False, True):
            (tmp_path / "v").write_bytes(b"".join(vector_file(words, matrix, binary)))
            found = read_vectors(tmp_path / "v")
            assert found.words == words and (found.matrix == matrix).all()


def test_a_word_with_blanks_and_a_word_that_stands_twice(tmp_path):
    (tmp_path / "glove").write_text("the 1 2\nat name@x.org 3 4\nthe 5 6\n")
    found = read_vectors(tmp_path / "glove")
    assert found.words == ["the", "at name@x.org"] and found.matrix.tolist() == [[1, 2], [3, 4]] and found.total == 3
    (tmp_path / "first").write_text(". . . 1 2\nat name@x.org 3 4\n")
    assert read_vectors(tmp_path / "first").words == [". . .", "at name@x.org"]
    (tmp_path / "numbers").write_text("the 1 2\n1984 3 4\ncatch 22 5 6\n1 1/2 7 8\n")
    assert read_vectors(tmp_path / "numbers").words == ["the", "1984", "catch 22", "1 1/2"]


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "{} holds no word vectors: its first line must be WORDS FEATURES, or a word and numbers"),
        (
            b"once upon a time\n",
            "{} holds no word vectors: its first line must be WORDS FEATURES, or a word and numbers",
        ),
        (b"the 1 2\ncat 3\n", "{}, line 2: a word and 2 numbers must stand here, got 'cat 3'"),
        (b"the 1 2\ncat 3 x\n", "{}, line 2: a word and 2 numbers must stand here, got '3 x'"),
        (b"3 2\nthe 1 2\ncat 3 4\n", "{} is damaged: it says that it holds 3 vectors, but holds 2"),
        (b"1 2\nthe 1 2\ncat 3 4\n", "{} is damaged: it says that it holds 1 vectors, but holds 2"),
        (b"2 2\nthe 1 2 3\ncat 3 4\n", "{}, line 2: a word and 2 numbers must stand here, got 'the 1 2 3'"),
        (
            b"5 70000\n",
            "can't read the vectors of {}: vectors must have 1 to 65,536 features, got 70,000 in its first line",
        ),
        (b"the 1 2\ncat 3 4 5\n", "{}, line 2: a word and 2 numbers must stand here, got 'cat 3 4 5'"),
        (b"the 1 2\ncat 3 1_0\n", "{}, line 2: a word and 2 numbers must stand here, got '3 1_0'"),
        (b"the 1 nan\n", "{}: the vector of 'the' is not of finite numbers"),
        (b"th\xff 1 2\n", r"{}, line 1: the word must be UTF-8, got b'th\xff'"),
        (
            b"2 2\nthe " + b"\x00\x80\x81\x82" * 2 + b"\xff\xfe " + b"\x00\x01\x02\x03" * 2,
            r"{}, vector 2: the word must be UTF-8, got b'\xff\xfe'",
        ),
        (
            b"2 2\nthe " + b"\x00\x80\x81\x82" * 2 + b"cat \x00",
            "{} is damaged: it says that it holds 2 vectors, but ends in number 2",
        ),
    ],
)
def test_damage_is_named(tmp_path, content, message):
    path = tmp_path / "vectors"
    path.write_bytes(content)
    with pytest.raises(TextError) as error:
        read_vectors(path)
    assert str(error.value).startswith(message.format(path))


def test_files_that_are_none(tmp_path):
    with pytest.raises(TextError, match="^can't read the vectors of .*missing: no such file$"):
        read_vectors(tmp_path / "missing")
    with pytest.raises(TextError, match="^can't read the vectors of .*: it is a folder$"):
        read_vectors(tmp_path)
    (tmp_path / "cut.gz").write_bytes(gzip.compress(FORMS["GloVe"]())[:-9])
    with pytest.raises(TextError, match="^can't read the vectors of .*cut.gz: "):
        read_vectors(tmp_path / "cut.gz")


def test_words_with_white_space_cannot_be_written():
    assert writable(["a", " ", "\n", "b c", "", "d\u00a0e", "f", "g\x01"]) == [0, 6]


@pytest.mark.parametrize("features", [1, 2, 3])
@pytest.mark.parametrize("word", ["<unk>", "internationalization"])
def test_small_binary_files_are_not_taken_for_text(tmp_path, features, word):
    rng = np.random.default_rng(0)
    for _ in range(50):
        matrix = rng.standard_normal((1, features)).astype(np.float32)
        (tmp_path / "v").write_bytes(b"".join(vector_file([word], matrix, binary=True)))
        found = read_vectors(tmp_path / "v")
        assert found.words == [word] and (found.matrix == matrix).all()


def test_binary_files_end_with_their_last_vector(tmp_path):
    matrix = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], np.float32)
    (tmp_path / "v").write_bytes(b"".join(vector_file(["new york", "the"], matrix, binary=True)))
    with pytest.raises(TextError, match="v is damaged: no word stands before vector 2$"):
        read_vectors(tmp_path / "v")
    (tmp_path / "v").write_bytes(b"".join(vector_file(["york", "the"], matrix, binary=True)) + b"x 1234")
    with pytest.raises(TextError, match="v is damaged: it says that it holds 2 vectors, but goes on after them$"):
        read_vectors(tmp_path / "v")
    (tmp_path / "v").write_bytes(b"".join(vector_file(["york", "the"], matrix, binary=True)) + b"\n")
    assert read_vectors(tmp_path / "v").words == ["york", "the"]


@pytest.mark.parametrize(
    "line, message",
    [
        ("the x 2 3", "v, line 2: a word and 3 numbers must stand here, got 'x 2 3'$"),
        ("the nan 2 3", "v: the vector of 'the' is not of finite numbers, none above 1e\\+30$"),
        ("the 3e38 2 3", "v: the vector of 'the' is not of finite numbers, none above 1e\\+30$"),
    ],
)
def test_a_wrong_first_line_of_text_is_named(tmp_path, line, message):
    (tmp_path / "v").write_text(f"2 3\n{line}\nof 1 2 3\n")
    with pytest.raises(TextError, match=message):
        read_vectors(tmp_path / "v")


@pytest.mark.parametrize("header", ["4 3\n", ""])
@pytest.mark.parametrize("end", ["\n", " \n", "\r\n", " \r\n"])
@pytest.mark.parametrize("word", ["New York", "a b c", "\t", " ", "\u00a0", "\u3000x", "catch 22", "a\tb", "\v"])
def test_words_may_have_blanks(tmp_path, header, end, word):
    """The header says how many numbers there are; without it, the first line."""
    lines = ["red 0.5 1 2", f"{word} 1 2 3", "fox -0.25 2 1", "runs 1 -1 0"]
    (tmp_path / "v").write_bytes((header + end.join([*lines, ""])).encode())
    found = read_vectors(tmp_path / "v")
    assert found.words == ["red", word, "fox", "runs"]
    assert found.matrix.tolist() == [[0.5, 1, 2], [1, 2, 3], [-0.25, 2, 1], [1, -1, 0]]


def test_a_first_word_with_blanks(tmp_path):
    (tmp_path / "v").write_text("2 2\nNew York 1 2\nfox 3 4\n")
    assert read_vectors(tmp_path / "v").words == ["New York", "fox"]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("form", ["word2vec text", "word2vec binary", "GloVe"])
def test_compressed_files_of_any_name(tmp_path, pack, form):
    (tmp_path / "v").write_bytes(pack(FORMS[form]()))
    assert read_vectors(tmp_path / "v").words == WORDS


def test_what_holds_no_vectors_is_named(tmp_path):
    for content, name in (
        (b"%PDF-1.7\n", "a PDF document"),
        (b"\x80\x04\x95\0", "a pickle"),
        (b"\x93NUMPY\1\0", "a NumPy"),
    ):
        (tmp_path / "v").write_bytes(content)
        with pytest.raises(TextError, match=f"^can't read the vectors of .*v: it is {name}"):
            read_vectors(tmp_path / "v")


def test_other_encodings_and_marks(tmp_path):
    content = FORMS["word2vec text"]()
    (tmp_path / "mark").write_bytes(b"\xef\xbb\xbf" + content)
    assert read_vectors(tmp_path / "mark").words == WORDS
    (tmp_path / "wide").write_bytes(content.decode().encode("utf-16"))
    (tmp_path / "packed").write_bytes(gzip.compress(content))
    assert read_vectors(tmp_path / "packed").words == WORDS
    with pytest.raises(TextError, match="^can't read the vectors of .*wide: it is text in UTF-16; save it in UTF-8$"):
        read_vectors(tmp_path / "wide")


# gensim


@pytest.mark.parametrize("binary", [False, True])
def test_gensim_reads_and_writes_the_same(tmp_path, binary):
    keyed = pytest.importorskip(
        "gensim.models", reason="gensim, which reads these files, is not installed"
    ).KeyedVectors
    path, theirs = tmp_path / "ours", tmp_path / "theirs"
    path.write_bytes(b"".join(vector_file(WORDS, MATRIX, binary)))
    loaded = keyed.load_word2vec_format(path, binary=binary)
    assert loaded.index_to_key == WORDS and loaded.vectors.tobytes() == MATRIX.tobytes()
    loaded.save_word2vec_format(theirs, binary=binary)
    if binary:
        assert theirs.read_bytes() == path.read_bytes()
    assert (read_vectors(theirs).matrix == MATRIX).all()


# The files of others


@pytest.mark.parametrize(
    "name, words, features",
    [("glove_twitter_25d.txt", 11925, 25), ("word2vec_text_10d.txt", 1750, 10), ("word2vec_binary_10d.bin", 2747, 10)],
)
def test_published_files(name, words, features):
    path = Path(os.environ.get("NLTK_DATA", "/nowhere")).parent / "text" / name
    if not path.exists():
        pytest.skip(f"{name}, a published file, is not here")
    found = read_vectors(path)
    assert found.total == words and found.matrix.shape[1] == features and "the" in found.words
