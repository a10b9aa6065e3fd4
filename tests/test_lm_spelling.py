"""Spelling models: probabilities of all strings sum to 1, open figures of all models can be compared."""

import itertools
import json
import math

import numpy as np
import pytest

import fflm
from fflm.config import TokenizerConfig
from fflm.lm.spelling import CODE_POINTS, LONGEST, MOST, SpellingModel, UniformSpelling, learn_spelling
from fflm.text import Tokenizer, Vocabulary

RARE = ["ab", "abba", "baab", "bab", "b", "aab", "abab"]
KNOWN = ["<unk>", "<s>", "</s>", "ab", "ba", "a"]


def strings(alphabet, longest):
    for length in range(longest + 1):
        yield from map("".join, itertools.product(alphabet, repeat=length))


@pytest.fixture(scope="module")
def spelling():
    return SpellingModel(RARE, KNOWN)


def test_probabilities_of_the_next_character_sum_to_1_after_every_beginning(spelling):
    for beginning in strings("ab", 7):
        ids = [spelling.characters.index(character) + 3 for character in beginning]
        after = spelling._ngrams.distribution(ids)
        assert after.sum() == pytest.approx(1.0, abs=1e-12)
        assert after[Vocabulary.BOS] == 0.0


def test_probabilities_of_all_strings_sum_to_1(spelling):
    """Strings up to a length, and what is left for longer ones: the products of their beginnings."""
    longest = 9
    short = list(strings("ab", longest))
    q = np.exp(spelling.log_probs_of_strings(short))
    unseen = CODE_POINTS - 2
    left = 0.0  # of all strings that are longer, or have a character that was never seen
    for beginning in strings("ab", longest):
        ids = [spelling.characters.index(character) + 3 for character in beginning]
        before = math.exp(sum(math.log(spelling._ngrams.distribution(ids[:i])[ids[i]]) for i in range(len(ids))))
        after = spelling._ngrams.distribution(ids)
        left += before * after[Vocabulary.UNK]
        left += before * after[3:].sum() if len(beginning) == longest else 0.0
        if len(beginning) < 3:  # one unseen character shares its probability with all others
            one = math.exp(spelling.log_probs_of_strings([beginning + "z"])[0])
            ended = spelling._ngrams.distribution([*ids, Vocabulary.UNK])[Vocabulary.EOS]
            assert one * unseen == pytest.approx(before * after[Vocabulary.UNK] * ended, rel=1e-9)
    assert q.sum() + left == pytest.approx(1.0, abs=1e-12)
    outside = [i for i, string in enumerate(short) if string and string not in KNOWN]
    p = np.exp(spelling.log_probs([short[i] for i in outside]))
    known = q[[short.index(word) for word in ("", "ab", "ba", "a")]].sum()
    known += np.exp(spelling.log_probs_of_strings(KNOWN[:3])).sum()
    marks = np.exp(spelling.log_probs_of_strings(KNOWN[:3])).sum()  # strings too, but never words of a text
    assert p.sum() + (left - marks) / (1.0 - known) == pytest.approx(1.0, abs=1e-9)


def test_probability_of_a_string_is_the_product_of_its_characters(spelling):
    ids = [spelling.characters.index(character) + 3 for character in "abba"]
    steps = [spelling._ngrams.distribution(ids[:i])[id] for i, id in enumerate([*ids, Vocabulary.EOS])]
    assert spelling.log_probs_of_strings(["abba"])[0] == pytest.approx(math.log(math.prod(steps)), rel=1e-12)


@pytest.mark.parametrize("word", ["z", "\u4e2d\u6587", "\U0001f600", "a\0b", "\udc80", "x" * 500])
def test_no_string_has_probability_0(spelling, word):
    assert np.isfinite(spelling.log_probs([word])[0])


def test_strings_are_scored_alike_whatever_stands_beside_them(spelling):
    words = [*strings("abz", 4)][1:]
    each = [spelling.log_probs([word])[0] for word in words]
    assert spelling.log_probs(words).tolist() == pytest.approx(each, rel=1e-14)
    assert len(spelling.log_probs([])) == 0


def test_unknown_characters_are_equally_likely():
    uniform = UniformSpelling(["<unk>", "<s>", "</s>", "a", "b"])
    assert np.exp(uniform.log_probs(["c", "\u4e2d"])) == pytest.approx([1 / (CODE_POINTS - 2)] * 2)
    assert uniform.draw(np.random.default_rng(1)) == "<unk>"


def test_drawn_words_are_new_and_reproducible(spelling):
    drawn = [spelling.draw(np.random.default_rng(seed)) for seed in range(200)]
    assert drawn == [spelling.draw(np.random.default_rng(seed)) for seed in range(200)]
    assert not set(drawn) & set(KNOWN)
    assert all(set(word) <= set("ab") and word for word in drawn)
    assert len(set(drawn)) > 20


def test_words_are_drawn_as_often_as_they_are_probable(spelling):
    generator = np.random.default_rng(7)
    drawn = [spelling.draw(generator) for _ in range(4_000)]
    # drawn words have no character that was never seen and end somewhere, which is a condition
    total = np.exp(spelling.log_probs([s for s in strings("ab", 12) if s and s not in KNOWN])).sum()
    for word in ("b", "bab", "abba"):
        p = math.exp(spelling.log_probs([word])[0]) / total
        assert drawn.count(word) / 4_000 == pytest.approx(p, abs=4 * math.sqrt(p / 4_000))


def test_what_is_learned_from():
    tokenizer = Tokenizer(TokenizerConfig())
    words = [f"w{i}" for i in range(3_000)]
    vocabulary = Vocabulary(["<unk>", "<s>", "</s>", *words], [0, 0, 0, *range(3_000)])
    learn_spelling(vocabulary, ["new", "n" * (LONGEST + 1)], tokenizer)
    assert vocabulary.spelling.learned[:3] == ["new", "w1", "w2"]  # w0 does not occur
    assert len(vocabulary.spelling.learned) == 2_000
    before = vocabulary.spelling
    learn_spelling(vocabulary, ["other"], tokenizer)
    assert vocabulary.spelling is before
    many = Vocabulary(["<unk>", "<s>", "</s>", "a"], [0, 0, 0, 1])
    learn_spelling(many, [f"u{i}" for i in range(3 * MOST)], tokenizer)
    assert many.spelling.learned[:2] == ["u0", "u3"]
    assert len(many.spelling.learned) == MOST


@pytest.mark.parametrize("words", [[], ["a", ""]])
def test_nothing_to_learn_from(words):
    with pytest.raises(ValueError, match="at least one word, none of them empty"):
        SpellingModel(words, KNOWN)


# Open figures.

TEXT = "the cat sat on the mat . a dog sat with the cat on a mat .\n" * 40 + "one two three four five six seven ."
NEW = "the cat zat on the xqwzjk .\n"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("open")
    (folder / "text").write_text(TEXT)
    (folder / "new").write_text(NEW)
    made = {}
    for name, options in {"word": {}, "small": {"vocab_size": 8}, "char": {"tokenizer": "char"}}.items():
        made[name] = fflm.ngram(folder / "text", valid=folder / "text", min_count=1, quiet=True, **options)
        made[name].save(folder / f"{name}.safetensors")
    return folder, made


def test_open_figures_add_the_spelling_of_unknown_words(models):
    folder, made = models
    model = made["word"]
    report = model.perplexity(folder / "new", quiet=True)
    spelled = model.lm.vocabulary.spelling.log_probs(["zat", "xqwzjk"]).sum()
    nats = report.tokens * report.cross_entropy_nats - spelled
    assert (report.tokens, report.oov, report.words) == (7, 2, 7)
    assert report.open_perplexity == pytest.approx(math.exp(nats / 7), rel=1e-12)
    assert report.open_bits_per_token == pytest.approx(nats / 7 / math.log(2), rel=1e-12)
    assert report.open_bits_per_word == pytest.approx(report.open_bits_per_token, rel=1e-12)
    assert report.open_bits_per_character == pytest.approx(nats / len(NEW) / math.log(2), rel=1e-12)
    known = model.perplexity(folder / "text", quiet=True)
    assert (known.oov, known.open_perplexity) == (0, pytest.approx(known.perplexity, rel=1e-12))


def test_models_of_all_kinds_stand_in_one_table(models):
    """Word, small and character models on one text: words and characters are the same, so their bits compare."""
    folder, made = models
    reports = [model.perplexity(folder / "new", quiet=True) for model in made.values()]
    assert {report.words for report in reports} == {7}
    for report in reports:
        bits = report.open_bits_per_token * report.tokens
        assert report.open_bits_per_word == pytest.approx(bits / 7)
        assert report.open_bits_per_character == pytest.approx(bits / len(NEW))
        assert report.open_bits_per_character >= report.bits_per_character


def test_random_letters_score_far_worse_than_text(models, tmp_path):
    """Closed, `<unk>` is one frequent word, and random letters look like easy text; open, they do not."""
    _, made = models
    generator = np.random.default_rng(3)
    letters = generator.choice(list("abcdefghijklmnopqrstuvwxyz"), (60, 7))
    (tmp_path / "random").write_text(" ".join(map("".join, letters)))
    (tmp_path / "usual").write_text("the cat sat on the mat with one dog . " * 8)
    model = made["small"]
    random, usual = (model.perplexity(tmp_path / name, quiet=True) for name in ("random", "usual"))
    assert random.oov_rate == 1.0
    assert random.perplexity < 2.0 * usual.perplexity
    assert random.open_perplexity > 1e4 * usual.open_perplexity
    assert random.open_bits_per_character > 3.0 * usual.open_bits_per_character


def test_the_model_file_keeps_the_spelling(models):
    folder, made = models
    for name, model in made.items():
        again = fflm.load(folder / f"{name}.safetensors")
        opened = [one.perplexity(folder / "new", quiet=True).open_perplexity for one in (model, again)]
        assert opened[0] == opened[1]
        spellings = [one.lm.vocabulary.spelling for one in (model, again)]
        assert list(spellings[0].learned) == list(spellings[1].learned)
        words = ["zat", "q"] if name != "char" else ["z", "q"]
        assert spellings[0].log_probs(words).tolist() == spellings[1].log_probs(words).tolist()


def test_score_spells_unknown_words_or_says_nan(models):
    folder, made = models
    model = made["word"]
    scores = {how: model.score(folder / "new", unknown=how, quiet=True) for how in ("spelled", "unk", "nan")}
    closed, opened = scores["unk"].bits, scores["spelled"].bits
    unknown = [2, 5]
    assert scores["spelled"].bits.mean() == pytest.approx(scores["spelled"].report.open_bits_per_token)
    assert closed.mean() == pytest.approx(scores["unk"].report.bits_per_token)
    spelled = -model.lm.vocabulary.spelling.log_probs(["zat", "xqwzjk"]) / math.log(2)
    assert (opened - closed)[unknown] == pytest.approx(spelled)
    assert np.flatnonzero(np.isnan(scores["nan"].bits)).tolist() == unknown
    assert [row["bits"] for row in scores["nan"].rows() if not row["known"]] == [None, None]
    assert [scores[how].unknown for how in scores] == ["spelled", "unk", "nan"]
    with pytest.raises(fflm.FflmError, match="^unknown must be one of spelled, unk, nan, got 'zero'"):
        model.score(folder / "new", unknown="zero", quiet=True)


def test_score_on_the_command_line(models, fflm_main):
    folder, _ = models
    code, out, err = fflm_main("score", folder / "word.safetensors", folder / "new", "--unknown", "nan")
    assert code == 0
    assert [line.split("\t")[-1] for line in out.splitlines()].count("NA") == 2
    assert "unknown words spelled out" in err
    code, _, err = fflm_main(
        "score", folder / "word.safetensors", folder / "new", "--unknown", "nan", "--html", folder / "x.html"
    )
    assert (code, err) == (1, "fflm: error: --html must not be given with --unknown nan: each word has a colour\n")
    totals = json.loads(fflm_main("score", folder / "word.safetensors", folder / "new", "--json").out)
    assert totals["unknown"] == "spelled"
    assert sum(row["bits"] for row in totals["scores"]) == pytest.approx(7 * totals["open_bits_per_token"])


def test_unlike_vocabularies_are_compared_with_unknown_words_spelled_out(models):
    folder, made = models
    for name in ("small", "char"):
        found = fflm.compare(made["word"], made[name], folder / "new", quiet=True)
        assert (found.per, found.open) == ("character", True)
        assert found.difference == found.a.open_bits_per_character - found.b.open_bits_per_character
        assert found.notes[0].startswith("compared per character, as ")
        assert "unknown words are spelled out, so both models pay for every letter" in found.notes
        assert "has more unknown words" not in found.conclusion
    with pytest.raises(fflm.FflmError, match="^contexts must not be given as A and B are compared per character"):
        fflm.compare(made["word"], made["small"], folder / "new", contexts=made["word"], quiet=True)


def test_letter_case_is_said(models):
    folder, made = models
    lower = fflm.ngram(folder / "text", min_count=1, lowercase=True, valid=folder / "text", quiet=True)
    found = fflm.compare(made["word"], lower, folder / "new", quiet=True)
    assert "B reads the text in lower case and need not predict its capital letters" in found.notes


def test_many_unknown_words_are_warned_of_everywhere(models, fflm_main):
    folder, _ = models
    model = folder / "small.safetensors"
    for command in (["perplexity", model], ["score", model], ["compare", model, model]):
        assert "% of the tokens are unknown words" in fflm_main(*command, folder / "new").err


def test_samples_spell_new_words(models):
    model = models[1]["small"]
    options = {"tokens": 30, "samples": 5, "temperature": 1.5, "seed": 2}
    closed, opened = ([*model.sample("the", special, **options)] for special in (False, True))
    words = set(model.lm.vocabulary.words)
    assert all(set(sample.tokens) <= words for sample in closed)
    new = [token for sample in opened for token in sample.tokens if token not in words]
    assert new
    assert opened == model.sample("the", True, **options)
    ids = model.lm.vocabulary.encode(opened[0].tokens)
    before = model.lm.vocabulary.encode(["the"])
    closed_log_prob = model.lm.log_probs(np.concatenate([before, ids]))[1:].sum()
    spelled = sum(model.lm.vocabulary.spelling.log_probs([t])[0] for t in opened[0].tokens if t not in words)
    assert opened[0].log_prob == pytest.approx(closed_log_prob + spelled, abs=1e-3)


def test_a_mixture_has_the_spelling_model_of_its_first_part_that_has_one(models):
    folder, made = models
    mixed = fflm.mix(made["word"], valid=folder / "text", cache=20, quiet=True)
    assert mixed.perplexity(folder / "new").open_perplexity > mixed.perplexity(folder / "new").perplexity


def test_a_model_without_spelling_model_has_no_open_figures(models, fflm_main):
    folder, made = models
    made["word"].save_arpa(folder / "word.arpa", force=True)
    report = fflm.load(folder / "word.arpa").perplexity(folder / "new", quiet=True)
    assert report.perplexity is not None
    assert report.open_perplexity is report.open_bits_per_word is report.open_bits_per_character is None
    assert "open perplexity" not in fflm_main("perplexity", folder / "word.arpa", folder / "new").out
    assert "open perplexity" in fflm_main("perplexity", folder / "word.safetensors", folder / "new").out


def test_unk_in_the_text_has_no_spelling(models, tmp_path):
    _, made = models
    (tmp_path / "marked").write_text("the <unk> sat on the <unk> .")
    report = made["word"].perplexity(tmp_path / "marked", quiet=True)
    assert (report.oov, report.unk_in_text) == (2, 2)
    assert report.open_perplexity == pytest.approx(report.perplexity, rel=1e-12)
