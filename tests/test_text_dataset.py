"""Text to ids: units, held-out parts and vocabulary."""

import dataclasses
import hashlib
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from fflm.config import DataConfig, TokenizerConfig
from fflm.errors import ConfigError, TextError
from fflm.lm import contexts_at
from fflm.text import (
    Corpus,
    Note,
    Tokenizer,
    TokenStream,
    Vocabulary,
    corpora,
    dataset,
    encode,
    encode_texts,
    encode_tokens,
    fingerprint,
    known_ids,
    load,
    sources,
)

WORDS = Vocabulary(["<unk>", "<s>", "</s>", "a", "b"])


def tokenizer(name="whitespace", **options):
    return Tokenizer(TokenizerConfig(tokenizer=name, **options))


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        (tmp_path / name).write_bytes(text.encode())
        return str(tmp_path / name)

    return write


def notes_of(corpus):
    return tuple(map(str, corpus.notes))


def words_of(corpus, stream):
    return [corpus.vocabulary.words[i] for i in stream.ids]


def test_lines(write):
    path = write("a.txt", "\n a b\r\n\n \t \nb zebra , x <unk>\na")
    stream = encode([path], tokenizer(boundary="line"), WORDS, DataConfig())
    assert stream.ids.tolist() == [3, 4, 2, 4, 0, 0, 0, 0, 2, 3, 2]
    assert stream.unit_starts.tolist() == [0, 3, 9, 11]
    assert stream.lines.tolist() == [2, 5, 6] and stream.files == ((0, path),)
    assert stream.unknown_words == ("zebra", ",", "x")
    assert (stream.ids.dtype, stream.unit_starts.dtype) == (np.int32, np.int64)
    assert stream.ids.flags.c_contiguous
    assert (len(stream), stream.unknown, stream.source) == (11, 4, path)
    assert stream.characters == len("\n a b\n\n \t \nb zebra , x <unk>\na")


def test_stream(write):
    path = write("a.txt", "a b\n\nx a\n")
    stream = encode([path], tokenizer(), WORDS, DataConfig())
    assert stream.ids.tolist() == [3, 4, 0, 3]
    assert stream.unit_starts.tolist() == [0, 1, 2, 3, 4]
    assert stream.characters == 9


@pytest.mark.parametrize(("length", "size", "units"), [(1, 1, 1), (250, 2, 125), (299, 2, 150), (123_456, 1000, 124)])
def test_units_of_the_stream(write, length, size, units):
    stream = encode([write("a.txt", "a " * length)], tokenizer(), WORDS, DataConfig())
    assert len(stream.unit_starts) == units + 1
    assert (stream.unit_starts[0], stream.unit_starts[-1], stream.unit_starts[1]) == (0, length, min(size, length))
    assert (np.diff(stream.unit_starts)[:-1] == size).all()


@pytest.mark.parametrize("boundary", ["line", "stream"])
@pytest.mark.parametrize("name", ["word", "whitespace", "char"])
def test_tokens_as_they_stand_in_the_text(write, boundary, name):
    """The same stream as `encode` reads, and beside it every token, known or not."""
    path = write("a.txt", "<s> a zebra <unk> b </s>\n\nb\t\u00e4")
    kind = tokenizer(name, boundary=boundary)
    stream, tokens = encode_tokens([path], kind, WORDS, DataConfig())
    expected = encode([path], kind, WORDS, DataConfig())
    assert stream.ids.tolist() == expected.ids.tolist() and stream.ids.dtype == np.int32
    assert stream.unit_starts.tolist() == expected.unit_starts.tolist()
    assert (stream.characters, stream.source) == (expected.characters, path)
    assert len(tokens) == len(stream)
    if name == "whitespace" and boundary == "line":
        assert tokens == ["a", "zebra", "<unk>", "b", "</s>", "b", "\u00e4", "</s>"]
        assert stream.ids.tolist() == [3, 0, 0, 4, 2, 4, 0, 2]
        assert stream.unknown_words == ("zebra", "\u00e4")
    if name == "char" and boundary == "stream":
        assert "".join(tokens) == "<s> a zebra <unk> b </s>\n\nb\t\u00e4"


@pytest.mark.parametrize("size", [1, 2, 3, 5, 2**20])
@pytest.mark.parametrize("boundary", ["line", "stream", "eos"])
@pytest.mark.parametrize("name", ["word", "whitespace", "char"])
def test_blocks_do_not_show(write, monkeypatch, size, boundary, name):
    text = "a b. \n\n\n  b a\u00e4\n<unk> it's\n\n"
    vocabulary = Vocabulary(
        ["<unk>", "<s>", "</s>", *sorted({*text, "it's", "<eos>"} - set("\n" * (boundary == "line")))]
    )
    path = write("a.txt", text)
    kind = tokenizer(name, boundary=boundary)
    expected = encode([path], kind, vocabulary, DataConfig())
    monkeypatch.setattr(sources, "CHUNK_BYTES", size)
    found = encode([path], kind, vocabulary, DataConfig())
    assert found.ids.tolist() == expected.ids.tolist()
    assert found.unit_starts.tolist() == expected.unit_starts.tolist()
    assert found.characters == expected.characters == len(text)


def test_several_sources_are_one_text_whose_lines_end_with_the_source(write):
    paths = [write("a.txt", "a b"), write("b.txt", "b\n"), write("c.txt", "a")]
    assert encode(paths, tokenizer(boundary="line"), WORDS, DataConfig()).ids.tolist() == [3, 4, 2, 4, 2, 3, 2]
    assert encode(paths, tokenizer(), WORDS, DataConfig()).ids.tolist() == [3, 4, 4, 3]
    chars = Vocabulary(["<unk>", "<s>", "</s>", "a", "b", "\n"])
    stream = encode(paths, tokenizer("char"), chars, DataConfig())
    assert stream.ids.tolist() == [3, 0, 4, 5, 4, 5, 3]
    assert stream.characters == 7


def test_characters_of_a_corpus_of_tokens(monkeypatch):
    monkeypatch.setattr(corpora, "_nltk_texts", lambda name: ["\n\tA/at b/nn ./.\nC/nn\n"])
    assert encode(["brown"], tokenizer(), WORDS, DataConfig()).characters == len("<text> <p> A b . C ")
    assert encode(["brown"], tokenizer(boundary="line"), WORDS, DataConfig()).characters == len("A b .\nC\n")


@pytest.mark.parametrize("boundary", ["line", "stream"])
@pytest.mark.parametrize("text", ["", "\n", " \n\t\n", "\ufeff"])
def test_a_text_without_tokens(write, boundary, text):
    path = write("a.txt", text)
    with pytest.raises(TextError, match=r"text must have at least one token, got none in '.*a.txt'"):
        encode([path], tokenizer(boundary=boundary), WORDS, DataConfig())


def test_sources_must_be_a_list():
    for wrong in ([], "a.txt"):
        with pytest.raises(ConfigError, match="sources must be a list of at least one file or corpus, got"):
            encode(wrong, tokenizer(), WORDS, DataConfig())
        with pytest.raises(ConfigError, match="sources must be a list of at least one file or corpus, got"):
            load(wrong, None, None, TokenizerConfig(), DataConfig(), seed=1)


def test_load_makes_the_vocabulary_of_the_training_text_only(write):
    train, valid, test = write("t.txt", "b a b . a b\nc\n"), write("v.txt", "v v a\n"), write("e.txt", "c b\n")
    config = TokenizerConfig(tokenizer="whitespace", boundary="line")
    corpus = load([train], [valid], [test], config, DataConfig(min_count=2), seed=1)
    assert corpus.vocabulary.words == ["<unk>", "<s>", "</s>", "b", "a"]
    assert corpus.vocabulary.counts.tolist() == [2, 0, 2, 3, 2]
    assert words_of(corpus, corpus.train) == ["b", "a", "b", "<unk>", "a", "b", "</s>", "<unk>", "</s>"]
    assert words_of(corpus, corpus.valid) == ["<unk>", "<unk>", "a", "</s>"]
    assert words_of(corpus, corpus.test) == ["<unk>", "b", "</s>"]
    assert corpus.train.ids.dtype == np.int32
    assert corpus.notes == ()


@pytest.mark.parametrize("boundary", ["line", "stream"])
def test_what_is_loaded_is_what_is_encoded(write, boundary):
    path = write("a.txt", "the cat sat.\n\nThe cat <unk> ran!\n" * 30)
    config = TokenizerConfig(lowercase=True, boundary=boundary)
    corpus = load([path], [path], None, config, DataConfig(), seed=1)
    again = encode([path], Tokenizer(config), corpus.vocabulary, DataConfig())
    for stream in (corpus.train, corpus.valid):
        assert stream.ids.tolist() == again.ids.tolist()
        assert stream.unit_starts.tolist() == again.unit_starts.tolist()
        assert (stream.characters, stream.source) == (again.characters, path)
    assert np.bincount(again.ids, minlength=len(corpus.vocabulary)).tolist() == corpus.vocabulary.counts.tolist()


def test_held_out_lines(write):
    lines = [f"w{i} w{i}\n" for i in range(40)]
    config = TokenizerConfig(tokenizer="whitespace", boundary="line")
    path = write("a.txt", "".join(lines))

    def held_out(seed, **options):
        return load([path], None, None, config, DataConfig(min_count=1, **options), seed)

    corpus = held_out(1)
    assert notes_of(corpus) == ("validation: 5 % of the units (2 of 40 lines) held out at random, seed 1",)
    assert words_of(corpus, corpus.valid) == ["<unk>", "<unk>", "</s>"] * 2
    assert corpus.valid.unit_starts.tolist() == [0, 3, 6]
    kept = corpus.vocabulary.words[3:]
    assert len(kept) == 38 and corpus.vocabulary.counts[3:].tolist() == [2] * 38
    assert words_of(corpus, corpus.train) == [
        t for i in range(40) if f"w{i}" in kept for t in (f"w{i}",) * 2 + ("</s>",)
    ]
    assert corpus.train.characters + corpus.valid.characters == len("".join(lines))
    assert held_out(1).vocabulary.words == corpus.vocabulary.words
    assert held_out(2).vocabulary.words != corpus.vocabulary.words
    assert len(held_out(1, valid_fraction=0.5).valid.unit_starts) == 21
    assert len(held_out(1, valid_fraction=0.999).train.unit_starts) == 2


def test_held_out_blocks_of_the_stream(write):
    path = write("a.txt", "".join(f"{i} " for i in range(250)))
    corpus = load([path], None, None, TokenizerConfig(tokenizer="char"), DataConfig(valid_fraction=0.1), seed=3)
    assert notes_of(corpus) == ("validation: 9.82 % of the units (11 of 112 blocks) held out in 1 stretch, seed 3",)
    assert corpus.valid.characters == len(corpus.valid)
    assert corpus.train.characters == len(corpus.train)


def stretches_of(corpus):
    """First and last word of each stretch of the held-out text, which consists of the numbers from 0 on."""
    numbers = [int(word) for word in words_of(corpus, corpus.valid)]
    return [(run[0], run[-1]) for run in np.split(np.array(numbers), corpus.valid.breaks)]


def load_numbers(write, count, seed=1, **options):
    path = write("n.txt", " ".join(map(str, range(count))))
    words = write("words.txt", "\n".join(map(str, range(count))))
    return load([path], None, None, TokenizerConfig("whitespace"), DataConfig(vocab=words, **options), seed)


@pytest.mark.parametrize(
    ("tokens", "fraction", "stretches"),
    [(200, None, 1), (10_000, None, 1), (20_000, 0.1, 2), (60_000, None, 3), (100_000, None, 4), (100_000, 0.2, 4)],
)
def test_held_out_stretches(write, tokens, fraction, stretches):
    """At most four, each of at least 1,000 tokens where the text allows it, one in each equal part of the text."""
    corpus = load_numbers(write, tokens, valid_fraction=fraction)
    runs, part = stretches_of(corpus), tokens / stretches
    assert len(runs) == stretches and len(corpus.valid) == tokens * (fraction or 0.05)
    for number, (first, last) in enumerate(runs):
        assert number * part <= first < last < (number + 1) * part
    # Whole units, and all that is left stays in order, with a break wherever something was taken out.
    assert not {first for first, _ in runs} - set(range(0, tokens, min(1000, tokens // 100)))
    kept = np.array([int(word) for word in words_of(corpus, corpus.train)])
    assert (np.diff(kept) > 0).all() and len(kept) + len(corpus.valid) == tokens
    assert corpus.train.breaks.tolist() == (np.flatnonzero(np.diff(kept) > 1) + 1).tolist()
    assert notes_of(corpus)[0].endswith(
        f"held out in {stretches} {'stretch' if stretches == 1 else 'stretches'}, seed 1"
    )


def test_the_seed_says_where_the_stretches_are(write):
    places = {tuple(stretches_of(load_numbers(write, 30_000, seed, valid_fraction=0.1))) for seed in range(1, 6)}
    assert len(places) == 5
    again = [stretches_of(load_numbers(write, 30_000, 3, valid_fraction=0.1)) for _ in range(2)]
    assert again[0] == again[1]


@pytest.mark.parametrize("units", [2, 3, 7, 12, 100])
@pytest.mark.parametrize("most", [1, 2, 3, 4])
def test_stretches_hold_as_many_units_as_asked_for(units, most):
    for count in range(1, units):
        runs = dataset._stretches(units, count, most, np.random.default_rng(count))
        assert len(runs) == min(most, count) and sum(last - first for first, last in runs) == count
        bounds = [0, *(place for run in runs for place in run), units]
        assert bounds == sorted(bounds)


@pytest.mark.parametrize("size", [1, 108])
def test_no_context_of_held_out_text_crosses_a_joint(write, size):
    """Nearly every context did, in texts of less than 10,000 tokens, when blocks were drawn at random."""
    for tokens in (2_000, 9_000, 120_000):
        corpus = load_numbers(write, tokens)
        for stream in (corpus.train, corpus.valid):
            assert len(stream.breaks) <= 4
            numbers = np.array([int(word) for word in words_of(corpus, stream)])
            contexts = contexts_at(stream.ids, np.arange(len(stream)), size, stream.breaks)
            read = contexts != Vocabulary.BOS
            # The word `back` places before number n is n - back, or none.
            expected = numbers[:, None] + np.arange(-size, 0)
            assert (np.where(read, contexts - 3, expected) == expected).all()
            assert read.mean() > 0.4


def test_lines_that_are_left_out_leave_breaks(write):
    """A cache may not look across them; other contexts end with their lines anyway."""
    path = write("a.txt", "".join(f"w{i} w{i}\n" for i in range(40)))
    config = TokenizerConfig(tokenizer="whitespace", boundary="line")
    corpus = load([path], None, None, config, DataConfig(min_count=1, valid_fraction=0.1), seed=1)
    lines = [int(word[1:]) for word in words_of(corpus, corpus.train)[::3]]
    assert corpus.train.breaks.tolist() == [3 * i for i in range(1, len(lines)) if lines[i] != lines[i - 1] + 1]
    assert 0 < len(corpus.train.breaks) <= 4


def test_draws_for_the_text_are_their_own(write, monkeypatch):
    """Not those of the first weights: a generator of the seed alone stands elsewhere."""
    asked = []
    monkeypatch.setattr(
        np.random, "default_rng", lambda seed: asked.append(seed) or np.random.Generator(np.random.PCG64(seed))
    )
    load_numbers(write, 3000, seed=7)
    assert [list(seed.entropy) for seed in asked] == [[7, dataset.HELD_OUT]]


def test_a_part_of_a_text_keeps_the_breaks_inside_it():
    ids = np.arange(3, 13, dtype=np.int32)
    stream = TokenStream(ids, np.arange(0, 11, 2), 20, "a.txt", np.array([2, 6]))
    part = stream.select(np.array([True, True, False, True, True]), 16)
    assert part.ids.tolist() == [3, 4, 5, 6, 9, 10, 11, 12]
    assert part.unit_starts.tolist() == [0, 2, 4, 6, 8] and part.breaks.tolist() == [2, 4]
    part = stream.select(np.array([False, True, True, False, True]), 12)
    assert part.ids.tolist() == [5, 6, 7, 8, 11, 12] and part.breaks.tolist() == [4]


@pytest.mark.parametrize("boundary", ["line", "stream"])
@pytest.mark.parametrize("name", ["word", "char"])
def test_a_corpus_is_a_text_by_itself_and_files_are_one_text(monkeypatch, write, name, boundary):
    monkeypatch.setattr(corpora, "_nltk_texts", lambda name: ["one two\n"])
    kind = tokenizer(name, boundary=boundary)
    a, b = write("a.txt", "a b"), write("b.txt", "b\n")
    sources = [a, b, "inaugural", "state_union", a]
    stream = encode(sources, kind, WORDS, DataConfig())
    sizes = [len(encode([source], kind, WORDS, DataConfig())) for source in sources]
    if name == "char" and boundary == "stream":
        sizes[0] += 1  # the line end that keeps the files apart
    assert len(stream) == sum(sizes)
    assert stream.breaks.tolist() == np.cumsum(sizes)[1:-1].tolist()
    assert not set(stream.breaks.tolist()) - set(stream.unit_starts.tolist())
    assert encode([a, b], kind, WORDS, DataConfig()).breaks.tolist() == []


@pytest.mark.parametrize("boundary", ["line", "stream"])
@pytest.mark.parametrize("name", ["word", "whitespace", "char", "treebank"])
def test_breaks_of_a_corpus_stand_where_its_pieces_were_joined(monkeypatch, name, boundary):
    monkeypatch.setattr(corpora, "_nltk_texts", lambda name: [f"a w{i:03}\n" for i in range(160)])
    kind = tokenizer(name, boundary=boundary)
    stream, tokens = encode_tokens(["inaugural:valid"], kind, WORDS, DataConfig())
    piece = len(stream) // 8
    assert stream.breaks.tolist() == [2 * piece, 4 * piece, 6 * piece] and stream.breaks.dtype == np.int64
    texts = ["".join(part).replace("</s>", "") for part in np.split(np.array(tokens, object), stream.breaks)]
    assert [text.count("w") for text in texts] == [2] * 4 and all(text.startswith("a") for text in texts)


def test_the_fingerprint_tells_texts_with_other_breaks_apart(write):
    """A run is not resumed on a text that is cut elsewhere; one without breaks has the fingerprint it always had."""
    corpus = load_numbers(write, 3000)
    streams = ("train", "valid")
    prints = {fingerprint(corpus)}
    for name in streams:
        for breaks in ([], [5], [5, 6]):
            stream = dataclasses.replace(getattr(corpus, name), breaks=np.array(breaks, np.int64))
            prints.add(fingerprint(dataclasses.replace(corpus, **{name: stream})))
    assert len(prints) == 6  # as the text has one break in its training part, and none in the other
    path = write("b.txt", "a b a b\n")
    corpus = load([path], [path], None, TokenizerConfig("whitespace"), DataConfig(), seed=1)
    digest = hashlib.sha256(b"<unk>\n<s>\n</s>\na\nb" + 2 * (b"4:" + corpus.train.ids.tobytes()) + b"none")
    assert fingerprint(corpus) == digest.hexdigest()


def test_streams_are_checked_where_they_are_made(write):
    path = write("a.txt", "a b c\n" * 30)
    corpus = load([path], None, None, TokenizerConfig(), DataConfig(), seed=1)
    streams = [corpus.train, corpus.valid, encode([path], tokenizer(), WORDS, DataConfig())]
    streams.append(encode_tokens([path], tokenizer(), WORDS, DataConfig())[0])
    streams.append(encode_texts({"validation": [path]}, tokenizer(), WORDS, DataConfig())[0]["validation"])
    sizes = [len(corpus.vocabulary)] * 2 + [len(WORDS)] * 3
    assert [stream.ids.vocab_size for stream in streams] == sizes
    with pytest.raises(ConfigError, match="^ids must be whole numbers, got an array of float64$"):
        known_ids(np.array([1.0]), 9)


def test_notes():
    note, warning = Note("validation: a.txt"), Note("it is read twice", is_warning=True)
    assert (str(note), str(warning)) == ("validation: a.txt", "warning: it is read twice")
    corpus = Corpus(WORDS, None, None, None, (note, warning), tokenizer())
    assert corpus.warnings == [warning]


def test_one_unit_cannot_be_divided(write):
    with pytest.raises(TextError, match=r"text must have at least two lines or tokens .* got one in '.*'; give more"):
        load([write("a.txt", "a b c\n")], None, None, TokenizerConfig(boundary="line"), DataConfig(), seed=1)
    with pytest.raises(TextError, match="at least two lines or tokens"):
        load([write("a.txt", "a")], None, None, TokenizerConfig(), DataConfig(), seed=1)


def test_valid_and_valid_fraction_contradict_each_other(write):
    path = write("a.txt", "a b c\n")
    with pytest.raises(ConfigError, match="valid_fraction must not be given together with valid, got 0.1"):
        load([path], [path], None, TokenizerConfig(), DataConfig(valid_fraction=0.1), seed=1)


def test_a_vocabulary_of_one_word_is_refused(write):
    path = write("a.txt", "a b c d\n")
    with pytest.raises(TextError, match="got none seen at least 2 times; lower min_count"):
        load([path], [path], None, TokenizerConfig(), DataConfig(), seed=1)


def test_words_from_a_file(write):
    path, words = write("a.txt", "b a b c\n"), write("words.txt", "x\na\nb\n")
    config = TokenizerConfig(boundary="line")
    corpus = load([path], [path], None, config, DataConfig(vocab=words), seed=1)
    assert corpus.vocabulary.words[3:] == ["x", "a", "b"]
    assert corpus.vocabulary.counts.tolist() == [1, 0, 1, 0, 1, 2]
    assert corpus.train.ids.tolist() == [5, 4, 5, 0, 2]
    with pytest.raises(ConfigError, match="^vocab_size must not be given together with vocab, got 4$"):
        DataConfig(vocab=words, vocab_size=4)


@pytest.mark.parametrize("boundary", ["line", "stream"])
def test_words_of_another_vocabulary(write, boundary):
    """Its words and their ids; the counts are those of the training text just read, and its own stay as they are."""
    train, valid = write("a.txt", "b a b c\n<unk> b\n"), write("b.txt", "x c a\n")
    given = Vocabulary(["<unk>", "<s>", "</s>", "x", "a", "b"], [9, 0, 9, 9, 9, 9])
    config = TokenizerConfig(tokenizer="whitespace", boundary=boundary)
    corpus = load([train], [valid], [train], config, DataConfig(), 1, given)
    ends = [2] * (boundary == "line")
    assert corpus.vocabulary.words == given.words
    assert corpus.vocabulary.counts.tolist() == [2, 0, 2 * len(ends), 0, 1, 3]
    assert given.counts.tolist() == [9, 0, 9, 9, 9, 9]
    assert corpus.train.ids.tolist() == corpus.test.ids.tolist() == [5, 4, 5, 0, *ends, 0, 5, *ends]
    assert corpus.valid.ids.tolist() == [3, 0, 4, *ends]
    assert corpus.train.ids.dtype == np.int32
    again = encode([train], Tokenizer(config), given, DataConfig())
    assert corpus.train.ids.tolist() == again.ids.tolist()


def test_the_vocabulary_just_cut_changes_nothing(write):
    path = write("a.txt", "the cat sat on the mat .\n" * 20 + "a cat .\n")
    first = load([path], None, None, TokenizerConfig(), DataConfig(), seed=1)
    again = load([path], None, None, TokenizerConfig(), DataConfig(), seed=1, vocabulary=first.vocabulary)
    assert fingerprint(again) == fingerprint(first)
    assert again.vocabulary.counts.tolist() == first.vocabulary.counts.tolist()


@pytest.mark.parametrize(("name", "value"), [("vocab", "words.txt"), ("vocab_size", 40), ("min_count", 1)])
def test_another_vocabulary_is_not_cut(name, value):
    """Said before anything is read."""
    message = f"^{name} must not be given together with the vocabulary of a model, got {value!r}$"
    with pytest.raises(ConfigError, match=message):
        load(["missing"], None, None, TokenizerConfig(), DataConfig(**{name: value}), seed=1, vocabulary=WORDS)


def test_own_splits_of_a_corpus(monkeypatch, write):
    monkeypatch.setattr(corpora, "_nltk_texts", lambda name: [f"a w{i}\n" for i in range(40)])
    config, data = TokenizerConfig(boundary="line"), DataConfig(min_count=1)
    corpus = load(["inaugural"], None, None, config, data, seed=1)
    assert notes_of(corpus) == ("validation: inaugural:valid", "test: inaugural:test")
    assert [len(s.unit_starts) - 1 for s in (corpus.train, corpus.valid, corpus.test)] == [36, 2, 2]
    assert "w19" not in corpus.vocabulary and "w16" in corpus.vocabulary
    other = load(["inaugural"], None, [write("a.txt", "a\n")], config, data, seed=1)
    assert len(other.test) == 2 and notes_of(other) == ("validation: inaugural:valid",)
    assert load(["inaugural:train"], None, None, config, data, seed=1).test is None
    fraction = load(["inaugural"], None, None, config, DataConfig(valid_fraction=0.1), seed=1)
    assert notes_of(fraction)[0].startswith("validation: 10 % of the units (4 of 40 lines)")


def test_all_words_unknown_is_only_reported(write):
    stream = encode([write("a.txt", "x y z")], tokenizer(), WORDS, DataConfig())
    assert stream.unknown == len(stream) == 3


def test_marks_of_the_text_are_marks_in_training(write):
    path = write("a.txt", "<s> a a </s> <unk>\n")
    corpus = load([path], [path], None, TokenizerConfig(tokenizer="whitespace", boundary="line"), DataConfig(), seed=1)
    assert corpus.train.ids.tolist() == [3, 3, 2, 0, 2]
    assert corpus.vocabulary.counts.tolist() == [1, 0, 2, 2]


def test_the_grammar_corpus_tells_the_truth(tmp_path):
    root = Path(__file__).parent.parent
    spec = importlib.util.spec_from_file_location("grammar", root / "scripts" / "make_grammar_corpus.py")
    grammar = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(grammar)
    lines = (root / "corpora" / "grammar.txt").read_text().splitlines()
    assert lines[:50] == grammar.make_lines(50, seed=1)
    contexts = {tuple(line.split()[:i]) for line in lines[:200] for i in range(12)}
    assert all(sum(grammar.next_word_probs(context).values()) == pytest.approx(1, abs=1e-12) for context in contexts)
    surprisal = -grammar.true_log_probs(lines)
    stream = encode([str(root / "corpora" / "grammar.txt")], tokenizer(boundary="line"), WORDS, DataConfig())
    assert len(stream) == len(surprisal) and len(stream.unit_starts) == len(lines) + 1
    assert surprisal.mean() == pytest.approx(grammar.entropy_rate(), abs=4 * surprisal.std() / len(surprisal) ** 0.5)
