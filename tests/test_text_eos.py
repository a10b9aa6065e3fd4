"""The boundary eos: every line's end is the word <eos>, predicted, and contexts run on across it."""

import json
from pathlib import Path

import numpy as np
import pytest

import fflm
from fflm.config import DataConfig, TokenizerConfig
from fflm.errors import FflmError, ModelFileError, TextError
from fflm.lm import read_arpa
from fflm.text import Tokenizer, Vocabulary, encode, encode_tokens, load, sources
from fflm.text.marks import encode_prompt

EOS = Tokenizer(TokenizerConfig(tokenizer="whitespace", boundary="eos"))
WORDS = Vocabulary(["<unk>", "<s>", "</s>", "<eos>", "a", "b"])
ALL = DataConfig(vocab="all")
TEXT = {"tokenizer": "whitespace", "boundary": "eos", "quiet": True}

#: After "a <eos>" comes b, after "b <eos>" c, after "c <eos>" a: only who sees across line ends can know.
ROUND = "a\nb\nc\n" * 30


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("round.txt").write_text(ROUND)
    return tmp_path


def read(text, tokenizer=EOS, vocabulary=WORDS):
    Path("read.txt").write_bytes(text.encode())
    return encode_tokens(["read.txt"], tokenizer, vocabulary, DataConfig())


def kind(name, **options):
    return Tokenizer(TokenizerConfig(tokenizer=name, boundary="eos", **options))


def ngram(**options):
    return fflm.ngram("round.txt", valid="round.txt", **{**TEXT, "order": 3} | options)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A network of two words of context, trained on ROUND."""
    path = tmp_path_factory.mktemp("network") / "round.txt"
    path.write_text(ROUND)
    shape = {"context_size": 2, "bag_size": 0, "embedding_dim": 4, "hidden_dims": 20}
    options = {"dropout": 0.0, "embedding_dropout": 0.0, "learning_rate": 0.05, "batch_size": 16, "epochs": 20}
    return fflm.train(path, valid=path, **TEXT, **shape, **options)


@pytest.fixture
def models(network, folder):
    """A network, an n-gram model and a mixture with a cache, of one vocabulary, by their files' names."""
    network.save("network")
    made = {"network": network, "kn": fflm.ngram("round.txt", valid="round.txt", order=3, vocab_of=network, quiet=True)}
    made["kn"].save("kn")
    made["mixture"] = fflm.mix("network", "kn", valid="round.txt", cache=5, out="mixture", quiet=True)
    return made


# Reading


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("a b\nb\n", "a b <eos> b <eos>"),
        ("a b\r\nb", "a b <eos> b <eos>"),  # the last line has an end too
        ("\n a\n \t\n\nb\n", "<eos> a <eos> <eos> <eos> b <eos>"),  # so have empty lines, and those of blanks
        ("a b <eos> b <eos> ", "a b <eos> b <eos>"),  # as others write it, all in one line
        ("a b <eos> b <eos>\n", "a b <eos> b <eos>"),  # at the end of a line it is that line's end
        ("a <eos> \n<eos>\n\nb", "a <eos> <eos> <eos> b <eos>"),
        ("<eos> <eos> a", "<eos> <eos> a <eos>"),
        ("<s> a </s>\n<s> b </s>\nb </s> a", "a </s> b </s> b </s> a <eos>"),
        ("a <unk> zebra\n", "a <unk> zebra <eos>"),
    ],
)
def test_tokens(folder, text, tokens):
    stream, found = read(text)
    assert " ".join(found) == tokens
    known = {word: i for i, word in enumerate(WORDS.words)}
    assert stream.ids.tolist() == [known.get(token, 0) for token in tokens.split()]
    assert encode(["read.txt"], EOS, WORDS, DataConfig()).ids.tolist() == stream.ids.tolist()
    assert stream.lines is None and len(stream.breaks) == 0


def test_written_and_real_line_ends_are_the_same_text(folder):
    """In tokens, and in the characters by which bits per character are counted."""
    lines, _ = read("a b\nb a b\na\n")
    written, _ = read("a b <eos> b a b <eos> a <eos> ")
    assert lines.ids.tolist() == written.ids.tolist()
    assert (lines.characters, written.characters) == (12, 12)


def test_a_text_cut_anywhere_is_the_same(folder, monkeypatch):
    text = "a <eos> \n\nb <eos> a </s> \nb\n <eos> <unk> x\n\na"
    stream, tokens = read(text)
    for size in range(1, len(text)):
        monkeypatch.setattr(sources, "CHUNK_BYTES", size)
        again, found = read(text)
        assert (found, again.characters, again.unk_in_text) == (tokens, stream.characters, 1), size


@pytest.mark.parametrize("name", ["word", "treebank", "whitespace"])
def test_every_tokenizer_of_words_knows_the_end_of_a_line(folder, name):
    stream, tokens = read("A b, <EOS> B.\n<unk>", kind(name, lowercase=True))
    last = ["b.", "<eos>"] if name == "whitespace" else ["b", ".", "<eos>"]
    first = ["a", "b,"] if name == "whitespace" else ["a", "b", ","]
    assert tokens == [*first, "<eos>", *last, "<unk>", "<eos>"]
    assert stream.unk_in_text == 1
    text = kind(name).join(["a", "<eos>", "<eos>", "b", "<eos>"])
    assert text == "a\n\nb\n"
    assert encode_prompt(text, kind(name), WORDS).tolist() == [4, 3, 3, 5, 3]


def test_elsewhere_it_is_a_word_like_others(folder):
    for boundary, expected in (("stream", "a <eos> b"), ("line", "a <eos> b </s>")):
        config = TokenizerConfig(tokenizer="whitespace", boundary=boundary)
        assert " ".join(read("a <eos> b\n", Tokenizer(config))[1]) == expected
        assert Tokenizer(config).join(["a", "<eos>", "b"]) == "a <eos> b"
    assert Tokenizer(TokenizerConfig()).tokens("a <eos>") == ["a", "<", "eos", ">"]


def test_to_characters_the_line_end_is_one_of_them(folder):
    """As in the stream boundary; only the last line gets the end that it lacks."""
    chars = Vocabulary(["<unk>", "<s>", "</s>", "\n", "a", " "])
    stream, tokens = read("a\n\n a", kind("char"), chars)
    assert tokens == list("a\n\n a\n") and stream.ids.tolist() == [4, 3, 3, 5, 4, 3]
    assert "".join(read("a <eos>\n", kind("char"), chars)[1]) == "a <eos>\n"
    Path("file").write_text("a")  # "\n" occurs once, and can't stand in a file of words
    read("aa\n", kind("char"), chars)
    for data in (DataConfig(), DataConfig(vocab="file")):
        assert load(["read.txt"], ["read.txt"], None, kind("char"), data, 1).vocabulary.words[3] == "\n"


def test_a_text_of_empty_lines_has_no_vocabulary(folder):
    Path("text").write_text("\n\n\n")
    with pytest.raises(TextError, match="^vocabulary must have a word besides <unk>, <s> and </s>, got none seen"):
        load(["text"], ["text"], None, EOS, DataConfig(min_count=1), 1)


def test_a_beginning_inside_of_a_text_is_refused(folder):
    with pytest.raises(TextError, match="^<s> must begin a text or follow </s>, got it as token 3 of 'read.txt'"):
        read("a\n<s> b\n")


def test_sources_and_folders(folder):
    Path("texts").mkdir()
    Path("texts/a.txt").write_text("a b")
    Path("texts/b.txt").write_text("\nb\n")
    expected = [4, 5, 3, 3, 5, 3]
    for given in (["texts"], ["texts/a.txt", "texts/b.txt"]):
        stream = encode(given, EOS, WORDS, DataConfig())
        assert stream.ids.tolist() == expected and len(stream.breaks) == 0
    Path("empty.txt").write_text("")
    with pytest.raises(TextError, match="^text must have at least one token, got none in 'empty.txt'$"):
        encode(["empty.txt"], EOS, WORDS, DataConfig())


def test_brown_by_sentences(monkeypatch):
    monkeypatch.setattr("fflm.text.corpora._nltk_texts", lambda name: ["\n\ta/at b/nn ./.\nb/nn\n"])
    assert encode_tokens(["brown"], EOS, WORDS, DataConfig())[1] == ["a", "b", ".", "<eos>", "b", "<eos>"]


# The vocabulary


def test_it_is_in_the_vocabulary_whatever_its_count(folder):
    Path("text").write_text("a a a b b c")
    data = {"size": DataConfig(vocab_size=5), "count": DataConfig(), "all": ALL}
    words = {name: load(["text"], ["text"], None, EOS, data, 1).vocabulary.words[3:] for name, data in data.items()}
    assert words == {"size": ["<eos>", "a"], "count": ["<eos>", "a", "b"], "all": ["<eos>", "a", "b", "c"]}
    with pytest.raises(TextError, match="got none seen at least 7 times; lower min_count or read more text$"):
        load(["text"], ["text"], None, EOS, DataConfig(min_count=7), 1)


def test_a_vocabulary_given_is_taken_whole(folder):
    """Words that occur never or once stay, and <unk> and <eos> in the file are the special ones."""
    Path("words").write_text("zebra\n<unk>\nb\n<eos>\na\n")
    Path("text").write_text("a a <unk> b\nc a <unk>\n")
    corpus = load(["text"], ["text"], None, EOS, DataConfig(vocab="words"), 1)
    assert corpus.vocabulary.words[3:] == ["<eos>", "zebra", "b", "a"]
    assert corpus.vocabulary.counts.tolist() == [3, 0, 0, 2, 0, 1, 3]
    assert (corpus.train.unknown, corpus.train.unk_in_text, corpus.train.unknown_words) == (3, 2, ("c",))
    Path("words").write_text("b\na\n")
    assert load(["text"], ["text"], None, EOS, DataConfig(vocab="words"), 1).vocabulary.words[3:] == ["<eos>", "b", "a"]
    Path("words").write_text("<eos>\n<unk>\n")
    with pytest.raises(TextError, match="must list at least one word, got none"):
        load(["text"], ["text"], None, EOS, DataConfig(vocab="words"), 1)
    stream = Tokenizer(TokenizerConfig(tokenizer="whitespace"))  # where <eos> is no special token
    Path("words").write_text("b\n<eos>\n")
    assert load(["text"], ["text"], None, stream, DataConfig(vocab="words"), 1).vocabulary.words[3:] == ["b", "<eos>"]


@pytest.mark.parametrize("boundary", ["line", "stream"])
def test_all_words_of_the_training_text(folder, boundary):
    """A file of that name is one in the folder ``./``."""
    Path("text").write_text("b a\nc <unk>\n")
    Path("held").write_text("d a\n")
    tokenizer = Tokenizer(TokenizerConfig(tokenizer="whitespace", boundary=boundary))
    corpus = load(["text"], ["held"], None, tokenizer, ALL, 1)
    assert corpus.vocabulary.words[3:] == ["a", "b", "c"]
    assert (corpus.train.unknown, corpus.train.unk_in_text) == (1, 1)
    assert (corpus.valid.unknown, corpus.valid.unk_in_text) == (1, 0)
    Path("all").write_text("b\n")
    assert load(["text"], ["held"], None, tokenizer, DataConfig(vocab="./all"), 1).vocabulary.words[3:] == ["b"]


def test_all_words_and_a_size_are_refused(folder):
    for option, value in (("vocab_size", 9), ("min_count", 3)):
        with pytest.raises(FflmError, match=f"^{option} must not be given together with vocab, got {value}$"):
            ngram(vocab="all", **{option: value})


# Held-out text


def test_held_out_text_has_breaks(folder):
    """Long stretches, as of a stream; where others were left out, contexts stop."""
    lines = [f"w{i} x y z\n" for i in range(400)]
    Path("text").write_text("".join(lines))
    corpus = load(["text"], None, None, EOS, ALL, 3)
    words = corpus.vocabulary.words
    total = len(corpus.train) + len(corpus.valid)
    assert total == 5 * 400 and len(corpus.train.breaks) >= 1
    assert corpus.train.characters + corpus.valid.characters == sum(map(len, lines))
    for stream in (corpus.train, corpus.valid):
        tokens = [words[i] for i in stream.ids]
        jumps = [i for i in range(1, len(tokens)) if (tokens[i - 1] == "z") != (tokens[i] == "<eos>")]
        assert set(jumps) <= set(stream.breaks.tolist())


@pytest.mark.parametrize("text", ["a\nb\n", "a b", "b\na\n\n"])
def test_tiny_texts(folder, text):
    Path("text").write_text(text)
    corpus = load(["text"], None, None, EOS, DataConfig(min_count=1), 1)
    assert len(corpus.train) and len(corpus.valid) and "<eos>" in corpus.vocabulary
    assert fflm.ngram("text", min_count=1, **TEXT).report.valid["tokens"] == len(corpus.valid)
    trained = fflm.train("text", min_count=1, context_size=1, embedding_dim=2, hidden_dims=2, epochs=1, **TEXT)
    assert trained.report.valid["tokens"] == len(corpus.valid)


# Models


def test_contexts_run_on_across_line_ends(models):
    """The perplexity of the same text by lines can't be below 3 ** (1 / 2): its first words are equally likely."""
    by_lines = ngram(boundary="line").perplexity("round.txt")
    assert by_lines.perplexity > 3**0.5 and by_lines.tokens == 180
    for name, model in models.items():
        report = model.perplexity("round.txt")
        assert report.tokens == 180 and report.perplexity < 1.2, name
        ids = model.lm.vocabulary.encode(["<eos>", "b", "<eos>", "c", "<eos>"])
        for i, follows in ((0, "c"), (2, "a")):
            context = np.concatenate([np.full(model.lm.reach, Vocabulary.BOS, np.int32), ids[: i + 3]])
            after = model.lm.next_word(context[None, -model.lm.reach :])[0]
            assert model.lm.vocabulary.words[after.argmax()] == follows, name
            np.testing.assert_allclose(after.sum(dtype=np.float64), 1.0, rtol=1e-5)
            assert after[Vocabulary.EOS] < 0.01  # </s> is never met


def test_predictions_and_samples_begin_new_lines(models):
    for model in models.values():
        assert model.predict("b", top=1)[0].word == "<eos>"
        assert [model.predict(text, top=1)[0].word for text in ("b\n", "b <eos>", "b <eos>\n")] == ["c"] * 3
        (sample,) = model.sample("c\na", tokens=5, temperature=0)
        assert (sample.tokens, sample.text) == (("<eos>", "b", "<eos>", "c", "<eos>"), "\nb\nc\n")
        assert model.continued(sample) == "c\na\nb\nc\n"
        assert model.known_words("a\nzebra\n") == (1, 2)


def test_samples_on_the_command_line(models, fflm_main):
    sampled = fflm_main("sample", "kn", "--prompt", "a\n", "--tokens", 4, "--temperature", 0)
    assert sampled.out == "a\nb\nc\n\n" and sampled.err == ""
    (sample,) = json.loads(
        fflm_main("sample", "kn", "--prompt", "a\n", "--tokens", 3, "--temperature", 0, "--json").out
    )
    assert (sample["text"], sample["tokens"]) == ("b\nc", ["b", "<eos>", "c"])
    assert fflm_main("predict", "kn", "a", "--top", 1).out.split()[1] == "<eos>"


def test_a_run_on_the_command_line(folder, fflm_main):
    """From raw text to a report whose samples and notes stand on a line each; the run's boundary is the model's."""
    flags = "--boundary eos --tokenizer whitespace --vocab all --embedding-dim 2 --hidden-dims 2 --epochs 1"
    trained = fflm_main("train", "round.txt", "--valid", "round.txt", "--out", "run", *flags.split())
    assert trained.code == 0 and len([line for line in trained.out.splitlines() if line.startswith("sample ")]) == 3
    info = json.loads(fflm_main("info", "run", "--json").out)
    assert (info["tokenizer"]["boundary"], info["vocab_size"]) == ("eos", 7)
    again = fflm_main("train", "round.txt", "--valid", "round.txt", "--out", "run", "--resume", *flags.split())
    assert again.code == 0
    refused = fflm_main("ngram", "round.txt", "--vocab-of", "run", "--boundary", "eos", "--out", "x")
    assert refused.err.startswith("fflm: error: --boundary must not be given together with --vocab-of")


def test_standard_input(models, fflm_cli):
    found = fflm_cli("perplexity", "kn", "-", "--json", cwd=Path.cwd(), stdin="a\nb\nzebra\n\n<unk>")
    report = json.loads(found.out)
    assert (report["tokens"], report["oov"], report["unk_in_text"]) == (9, 2, 1)
    assert report["unknown_words"] == ["zebra"]


def test_unk_of_the_text_is_told_from_words_that_the_vocabulary_lacks(models, fflm_main):
    Path("text").write_text("a\n<unk>\n<unk>\nzebra\n")
    lines = fflm_main("perplexity", "kn", "text").out.splitlines()
    assert lines[3:5] == ["out of vocabulary       3 (37.50 %)", "  <unk> in the text     2"]
    assert models["kn"].perplexity("text").notes == ()  # one unknown word of eight tokens is no reason to warn
    Path("text").write_text("a\nfox\nzebra\n")
    assert "33.3 % of the tokens are unknown words ('fox', 'zebra')" in models["kn"].perplexity("text").notes[0]
    made = fflm_main("ngram", "round.txt", "--valid", "text", "--vocab-of", "kn", "--out", "x").out
    assert "on 6 tokens, 33.33 % unknown\n" in made
    Path("text").write_text("a\n<unk>\n<unk>\nzebra\n")
    made = fflm_main("ngram", "round.txt", "--valid", "text", "--vocab-of", "kn", "--out", "y").out
    assert "on 8 tokens, 37.50 % unknown (25.00 % as <unk> in the text)\n" in made


def test_surprisal(models, fflm_main):
    Path("text").write_text("a\n\nb c\n")
    rows = [line.split("\t") for line in fflm_main("score", "kn", "text", "--html", "page.html").out.splitlines()]
    assert rows[0] == ["unit", "position", "token", "known", "bits"]
    assert [row[2] for row in rows[1:]] == ["a", "<eos>", "<eos>", "b", "c", "<eos>"]
    assert {row[3] for row in rows[1:]} == {"1"}
    page = Path("page.html").read_text()
    assert page.count("&para;") == 3 and page.count("<b>end of the line</b>") == 3
    assert page.count('<p dir="auto">') == 3 and "&lt;eos&gt;" not in page


def test_comparison(models, fflm_main):
    report = fflm.compare("network", "kn", "round.txt")
    assert [(row.label, row.tokens) for row in report.by_frequency if row.tokens] == [("10-99", 90), ("line end", 90)]
    ngram(boundary="line").save("lines")
    other = fflm.compare("kn", "lines", "round.txt", per_character=True)
    assert other.per == "character" and other.difference < 0
    refused = fflm_main("mix", "kn", "lines", "--valid", "round.txt", "--out", "x")
    assert refused.code == 1 and "boundary" in refused.err


def test_files_keep_the_boundary(models):
    for name, model in models.items():
        again = fflm.load(name)
        assert again.lm.tokenizer == model.lm.tokenizer and again.lm.tokenizer.end_word == "<eos>"
        assert again.perplexity("round.txt").cross_entropy_nats == model.perplexity("round.txt").cross_entropy_nats


def test_a_file_without_the_word_is_damaged(models):
    models["kn"].lm.vocabulary.words[3] = "end"
    models["kn"].save("damaged")
    with pytest.raises(ModelFileError, match="words must have '<eos>', which the boundary eos needs"):
        fflm.load("damaged")


def test_any_number_of_threads_gives_the_same_bits(models):
    ids = encode(["round.txt"], EOS, models["kn"].lm.vocabulary, DataConfig()).ids
    for name in models:
        one, three = (fflm.load(name, threads=threads).lm.log_probs(ids) for threads in (1, 3))
        assert one.tobytes() == three.tobytes()


# ARPA files


def test_arpa_files_keep_the_word(models, fflm_main):
    """Written, read again, converted: with the same bits."""
    models["kn"].save_arpa("kn.arpa")
    again = fflm.convert_arpa("kn.arpa")
    expected = models["kn"].perplexity("round.txt")
    assert again.lm.tokenizer == EOS
    assert again.perplexity("round.txt").cross_entropy_nats == expected.cross_entropy_nats
    assert fflm_main("ngram", "--arpa", "kn.arpa", "--vocab-of", "network", "--out", "back").code == 0
    assert fflm.load("back").perplexity("round.txt").cross_entropy_nats == expected.cross_entropy_nats


def test_an_arpa_file_without_the_word_is_refused(models, fflm_main):
    ngram(boundary="line").save_arpa("lines.arpa")
    refused = fflm_main("ngram", "--arpa", "lines.arpa", "--boundary", "eos", "--out", "x")
    assert (refused.code, refused.out) == (1, "") and refused.err == (
        "fflm: error: lines.arpa must have the word '<eos>' for the boundary eos, got none; choose the boundary line, "
        "in which </s> ends a line\n"
    )
    with pytest.raises(ModelFileError, match="must have the word '<eos>' for the boundary eos, got none"):
        read_arpa("lines.arpa", EOS)


def test_kenlm_agrees(models):
    """To KenLM the text is one sentence without an end, with <eos> written for each line end."""
    kenlm = pytest.importorskip("kenlm", reason="KenLM, an independent implementation, is not installed")
    models["kn"].save_arpa("kn.arpa")
    config = kenlm.Config()
    config.show_progress = False
    Path("text").write_text("a\nb\n\nc a\nzebra b\n")
    stream, tokens = encode_tokens(["text"], EOS, models["kn"].lm.vocabulary, DataConfig())
    scores = kenlm.LanguageModel("kn.arpa", config).full_scores(" ".join(tokens), bos=True, eos=False)
    found = models["kn"].lm.log_probs(stream.ids) / np.log(10.0)
    np.testing.assert_allclose(found, [score for score, _, _ in scores], rtol=0, atol=5e-6)
