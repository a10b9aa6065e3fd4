"""The interface of KenLM, call by call against KenLM on the same ARPA file; for other models, against the model."""

import copy
import math
import pickle
import re
from pathlib import Path

import numpy as np
import pytest

import fflm
from fflm.compat.kenlm import FullScoreReturn, LanguageModel, Model, State
from fflm.errors import ConfigError, ModelFileError

SENTENCES = [
    "the cat sat on the mat .",
    "a dog sat on the zebra with it",
    "zebra zebra",
    "  cat\t dog  ",
    "",
    "<unk> the",
    "mat mat mat mat mat",
    "na\u00efve cat",
]


@pytest.fixture(scope="module")
def arpa(models, tmp_path_factory) -> Path:
    """An ARPA file of order 3, read by lines of words between blanks as KenLM reads it."""
    path = tmp_path_factory.mktemp("kenlm") / "kn.arpa"
    models["kn"].save_arpa(path)
    path.write_text(path.read_text().partition("\n")[2])
    return path


@pytest.fixture
def both(arpa):
    kenlm = pytest.importorskip("kenlm", reason="KenLM, an independent implementation, is not installed")
    config = kenlm.Config()
    config.show_progress = False
    return kenlm, kenlm.Model(str(arpa), config), Model(str(arpa), config)


def close(value):
    return pytest.approx(value, rel=1e-5, abs=2e-5)


@pytest.mark.parametrize("sentence", SENTENCES)
@pytest.mark.parametrize("bos", [True, False])
@pytest.mark.parametrize("eos", [True, False])
def test_scores_are_those_of_kenlm(both, sentence, bos, eos):
    _, theirs, ours = both
    assert ours.score(sentence, bos=bos, eos=eos) == close(theirs.score(sentence, bos=bos, eos=eos))
    expected, found = (list(model.full_scores(sentence, bos=bos, eos=eos)) for model in (theirs, ours))
    assert [values[1:] for values in found] == [values[1:] for values in expected]
    assert [values[0] for values in found] == close([values[0] for values in expected])


@pytest.mark.parametrize("sentence", SENTENCES)
def test_perplexities_are_those_of_kenlm(both, sentence):
    _, theirs, ours = both
    assert ours.perplexity(sentence) == pytest.approx(theirs.perplexity(sentence), rel=1e-4)


def test_words_order_path_and_name_are_those_of_kenlm(both):
    _, theirs, ours = both
    for word in ("cat", "zebra", "<unk>", "<s>", "</s>", "", "the cat"):
        assert (word in ours) == (word in theirs), word
    assert ours.order == theirs.order == 3
    assert Path(ours.path) == Path(theirs.path if isinstance(theirs.path, str) else theirs.path.decode())
    assert repr(ours) == "<Model from kn.arpa>" and LanguageModel is Model


@pytest.mark.parametrize("begin", ["BeginSentenceWrite", "NullContextWrite"])
@pytest.mark.parametrize("sentence", [*SENTENCES, "the cat </s> the dog"])
def test_states_are_walked_as_with_kenlm(both, begin, sentence):
    kenlm, theirs, ours = both
    states = kenlm.State(), kenlm.State(), State(), State()
    getattr(theirs, begin)(states[0])
    getattr(ours, begin)(states[2])
    for word in [*sentence.split(), "</s>"]:
        expected = theirs.BaseFullScore(states[0], word, states[1])
        found = ours.BaseFullScore(states[2], word, states[3])
        assert isinstance(found, FullScoreReturn)
        assert (found.ngram_length, found.oov) == (expected.ngram_length, expected.oov), word
        assert found.log_prob == close(expected.log_prob), word
        assert ours.BaseScore(states[2], word, State()) == found.log_prob
        assert found.log_prob == close(theirs.BaseScore(states[0], word, kenlm.State()))
        states = states[1], states[0], states[3], states[2]


def test_states_are_values():
    first, second = State(), State()
    assert first == second and hash(first) == hash(second) and first != "state"
    first.words = (3,)
    assert first != second and copy.copy(first) == copy.deepcopy(first) == first


def test_equal_states_are_recombined(arpa):
    """Two histories that end alike leave equal states: all that follows has the same scores."""
    model, first, second = Model(arpa), State(), State()
    for state, sentence in ((first, "a cat sat on the"), (second, "dog zebra sat on the")):
        model.BeginSentenceWrite(state)
        for word in sentence.split():
            model.BaseScore(state, word, state)
    assert first == second and len({first, second}) == 1


# Other models


@pytest.mark.parametrize("name", ["neural", "interpolated", "mixture", "by-count", "unigram", "cache"])
def test_other_models_answer_with_their_own_probabilities(models, name):
    lm, ours = models[name].lm, Model(models[name])
    ids = lm.vocabulary.encode("the zebra sat on the mat".split())
    found = list(ours.full_scores("the zebra sat on the mat"))
    assert [p for p, _, _ in found] == pytest.approx(lm.log_probs(ids) / math.log(10), rel=1e-6)
    assert [oov for _, _, oov in found] == [False, True, False, False, False, False]
    if name != "unigram":
        assert [length for _, length, _ in found] == [min(place + 1, lm.reach) + 1 for place in range(6)]
    assert ours.score("the zebra sat on the mat") == sum(p for p, _, _ in found)
    assert ours.order == lm.reach + 1 and "cat" in ours and "zebra" not in ours


@pytest.mark.parametrize("name", ["neural", "interpolated", "mixture", "kn"])
def test_a_walk_over_states_is_the_score_of_the_sentence(models, name):
    model, state, total = Model(models[name]), State(), 0.0
    model.BeginSentenceWrite(state)
    for word in "the zebra sat on the mat".split():
        total += model.BaseScore(state, word, state)
    assert total == pytest.approx(model.score("the zebra sat on the mat"), rel=1e-5)


def test_running_text_has_no_end(models):
    """Models of the boundary stream predict no end of a sentence, and perplexity divides by the words alone."""
    model = Model(models["neural"])
    assert model.score("the cat", eos=True) == model.score("the cat", eos=False)
    assert model.perplexity("the cat") == 10 ** (-model.score("the cat") / 2) and model.perplexity("") == 1.0


@pytest.mark.parametrize("boundary", ["line", "eos"])
def test_the_end_of_a_line_is_counted(tmp_path, boundary):
    """A sentence is a line: with its end it has the perplexity of that line in a text."""
    (tmp_path / "t.txt").write_text("the cat sat\na dog\nthe dog sat on it\n" * 30)
    made = fflm.ngram(tmp_path / "t.txt", order=2, boundary=boundary, quiet=True)
    model, lm = Model(made), made.lm
    end = 2 if boundary == "line" else lm.vocabulary.id("<eos>")
    ids = np.array([end, *lm.vocabulary.encode("a dog sat".split()), end], np.int32)
    assert model.score("a dog sat\n") == pytest.approx(lm.log_probs(ids)[1:].sum() / math.log(10), rel=1e-6)
    assert model.perplexity("a dog sat") == 10 ** (-model.score("a dog sat") / 4)
    assert model.score("a dog sat", eos=False) == pytest.approx(lm.log_probs(ids)[1:4].sum() / math.log(10), rel=1e-6)


def test_text_is_cut_as_the_model_cuts_it(tmp_path):
    (tmp_path / "t.txt").write_text("The cat, it sat. " * 50)
    model = Model(fflm.ngram(tmp_path / "t.txt", order=2, lowercase=True, quiet=True))
    assert model.score("THE CAT, it") == model.score("the cat , it") == model.score(b"the cat , it")
    assert len(list(model.full_scores("the cat,\nit"))) == 4


def test_a_model_goes_to_another_process_by_its_path(arpa):
    model = pickle.loads(pickle.dumps(Model(arpa)))
    assert model.score("the cat") == Model(arpa).score("the cat")


def test_an_unknown_word_without_a_probability(tmp_path):
    text = "\\data\\\nngram 1=3\n\n\\1-grams:\n-0.301\t</s>\n-99\t<s>\n-0.301\tyes\n\n\\end\\\n"
    (tmp_path / "closed.arpa").write_text(text)
    model = Model(tmp_path / "closed.arpa")
    assert list(model.full_scores("yes no", eos=False)) == [(close(-0.301), 1, False), (-math.inf, 1, True)]
    assert model.perplexity("no") == math.inf


def test_wrong_arguments(demo, tmp_path):
    with pytest.raises(ConfigError, match="^a sentence must be a string, got 3$"):
        Model(demo).score(3)
    with pytest.raises(ModelFileError, match=f"^{re.escape(str(tmp_path / 'none.arpa'))} can't be read: no such "):
        Model(tmp_path / "none.arpa")
