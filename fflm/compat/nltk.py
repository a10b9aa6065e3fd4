"""The interface of `nltk.lm` around any model: `LanguageModel.of(model)`, or one that `LanguageModel.fit` counts.

What differs from nltk's own models, which see n-grams and nothing else:

- ``<s>`` is never predicted: its score is 0. What follows ``</s>`` is padding: ``</s>`` has the score 1 there.
- The context of a network is all that is given, up to its reach; where it has no word, ``<s>`` stands.
- A fitted model is interpolated modified Kneser-Ney, so every word of the vocabulary has a score above 0, and the
  scores of a context sum to 1.
- `LanguageModel.generate` goes on with a new sentence behind ``</s>``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from nltk.lm import Vocabulary as NltkVocabulary
from nltk.lm.api import LanguageModel as NltkLanguageModel
from nltk.lm.api import _random_generator, _weighted_choice

from fflm.api.model import Model, language_model
from fflm.config import TokenizerConfig
from fflm.config.options import whole_number
from fflm.errors import FflmError
from fflm.lm import LanguageModel as AnyModel
from fflm.lm import NgramModel
from fflm.lm.interface import BATCH
from fflm.text import Tokenizer, Vocabulary

BEGIN, END = "<s>", "</s>"
MARKS = {BEGIN: Vocabulary.BOS, END: Vocabulary.EOS}


class LanguageModel(NltkLanguageModel):  # type: ignore[misc]  # nltk has no types
    """A model of any kind as an `nltk.lm.api.LanguageModel`.

    Parameters
    ----------
    order : int
        Words of the longest n-grams that `fit` counts.
    vocabulary : nltk.lm.Vocabulary, optional
        Its words, instead of those of the `vocabulary_text` of `fit`.
    counter : nltk.lm.NgramCounter, optional
        Counts the n-grams of `fit`.

    Attributes
    ----------
    vocab : nltk.lm.Vocabulary
    counts : nltk.lm.NgramCounter
        The n-grams that `fit` was given; none of a model that `of` wraps.
    model : Model or None
        The model of fflm; None before `fit`.

    Examples
    --------
    >>> from nltk.lm.preprocessing import padded_everygram_pipeline
    >>> train, vocab = padded_everygram_pipeline(2, [["a", "b", "c"], ["a", "c", "d", "c", "e", "f"]])
    >>> lm = LanguageModel(2)
    >>> lm.fit(train, vocab)
    >>> len(lm.vocab), lm.counts["a"], lm.score("b", ["a"]) > lm.score("e", ["a"])
    (9, 2, True)
    >>> round(sum(lm.score(word, ["a"]) for word in lm.vocab), 6)
    1.0
    """

    def __init__(self, order: int, vocabulary: NltkVocabulary | None = None, counter: Any = None):
        super().__init__(whole_number("order", order, low=1, high=10), vocabulary, counter)
        self.model: Model | None = None
        self._sentences: list[list[str]] | None = []

    @classmethod
    def of(cls, model: Any) -> LanguageModel:
        """Wrap a model: a `Model`, or the path of a model file, a run folder or an ARPA file.

        Its order is one more than the number of words before a word that the model uses.

        Raises
        ------
        ModelFileError
            If the file is missing, damaged or holds no language model.

        Examples
        --------
        >>> lm = LanguageModel.of("runs/demo")
        >>> lm.order, lm.vocab.lookup(["cat", "zebra"])
        (3, ('cat', '<unk>'))
        >>> lm.generate(4, text_seed=["the", "cat"], random_seed=1)
        ['sat', 'on', 'the', 'mat']
        """
        lm = language_model(model)
        counts = dict(zip(lm.vocabulary.words, np.maximum(lm.vocabulary.counts, 1).tolist(), strict=True))
        del counts["<unk>"]
        wrapped = cls(1, NltkVocabulary(counts, unk_label="<unk>"))
        wrapped.order, wrapped.model, wrapped._sentences = lm.reach + 1, Model(lm), None
        return wrapped

    def fit(self, text: Iterable[Iterable[Sequence[str]]], vocabulary_text: Iterable[str] | None = None) -> None:
        """Count the n-grams of sentences and smooth them; a second call adds to the text of the first.

        Parameters
        ----------
        text : iterable of iterables of tuples
            The n-grams of each sentence, as `nltk.lm.preprocessing.padded_everygram_pipeline` makes them: the single
            words must be among them, or they must all be of one length, each one word further than the one before.
        vocabulary_text : iterable of str, optional
            The words of the vocabulary, where there is none yet.

        Raises
        ------
        ValueError
            If there is no vocabulary and no text of one, as in nltk.
        FflmError
            If the model is one that `of` wraps, or the n-grams do not tell the words of a sentence.
        """
        if self._sentences is None:
            raise FflmError("a model that exists already can't be fitted; make one that can with LanguageModel(order)")
        ngrams = [[tuple(ngram) for ngram in sentence] for sentence in text]
        sentences = [_words_of(sentence) for sentence in ngrams]
        super().fit(ngrams, vocabulary_text)
        self._sentences += sentences
        words = [word for word in self.vocab if word not in (BEGIN, END, "<unk>", self.vocab.unk_label)]
        vocabulary = Vocabulary(["<unk>", BEGIN, END, *words])
        parts = [self._unit(sentence, vocabulary) for sentence in self._sentences]
        ids = np.concatenate([np.zeros(0, np.int32), *parts])
        breaks = np.cumsum([len(part) for part in parts])[:-1]
        vocabulary = Vocabulary(vocabulary.words, np.bincount(ids, minlength=len(vocabulary)))
        tokenizer = Tokenizer(TokenizerConfig(tokenizer="whitespace", boundary="line"))
        breaks = np.unique(breaks[(breaks > 0) & (breaks < len(ids))])
        self.model = Model(NgramModel.kneser_ney(ids, self.order, vocabulary, tokenizer, breaks=breaks))

    @staticmethod
    def _unit(sentence: list[str], vocabulary: Vocabulary) -> np.ndarray:
        """Return the ids of a sentence, its padding gone: one ``</s>`` behind it, if there was any."""
        words = [word for word in sentence if word not in MARKS]
        ends = bool(sentence) and sentence[-1] == END
        return np.array([*vocabulary.encode(words), *([Vocabulary.EOS] if ends else [])], np.int32)

    def unmasked_score(self, word: str, context: Sequence[str] | None = None) -> float:
        """Return P(word | context); without a context, P(word) of an n-gram model, P(word | ``<s>``) of another."""
        return self._scores([(word, tuple(context or ()))])[0]

    def entropy(self, text_ngrams: Iterable[Sequence[str]]) -> float:
        """Return the mean of -log2 P(last word | the words before it) over n-grams, in bits.

        Raises
        ------
        FflmError
            If there is no n-gram.
        """
        masked = [tuple(self.vocab.lookup(ngram)) for ngram in text_ngrams]
        if not masked:
            raise FflmError("entropy needs at least one n-gram, got none")
        scores = self._scores([(ngram[-1], ngram[:-1]) for ngram in masked])
        return -math.fsum(math.log2(score) if score > 0.0 else -math.inf for score in scores) / len(scores)

    def context_counts(self, context: Sequence[str] | None) -> Any:
        """Return how often each word followed a context in the text of `fit`.

        Raises
        ------
        FflmError
            If the model is one that `of` wraps: it has no counts of words.
        """
        if self._sentences is None:
            raise FflmError("a model that was not made by fit has no counts of the words after a context")
        return super().context_counts(context)

    def generate(self, num_words: int = 1, text_seed: Iterable[str] | None = None, random_seed: Any = None) -> Any:
        """Draw `num_words` words, each after `text_seed` and those drawn before it: one word, or a list of several.

        `random_seed` is a seed or a `random.Random`, as in nltk.
        """
        whole_number("num_words", num_words, low=1)
        generator, lm = _random_generator(random_seed), self._lm()
        text, drawn = list(self.vocab.lookup(list(text_seed or []))), []
        words = self._labels(lm)
        for _ in range(num_words):
            context = [BEGIN] if text and text[-1] == END else text
            weights = self._distributions([tuple(context)])[0].tolist()
            drawn.append(_weighted_choice(words, weights, generator))
            text.append(drawn[-1])
        return drawn[0] if num_words == 1 else drawn

    def _lm(self) -> AnyModel:
        if self.model is None:
            raise FflmError("the model has not been fitted yet; call fit first")
        return self.model.lm

    def _labels(self, lm: AnyModel) -> list[str]:
        """Return the words by their ids; the unknown one has the label of nltk's vocabulary."""
        return [self.vocab.unk_label, *lm.vocabulary.words[1:]]

    def _id(self, word: str) -> int:
        return MARKS.get(word, self._lm().vocabulary.id(word))

    def _scores(self, pairs: Sequence[tuple[str, tuple[str, ...]]]) -> list[float]:
        """Compute P(word | context) of pairs, several contexts at once."""
        self._lm()
        scores: list[float] = []
        for first in range(0, len(pairs), BATCH):
            part = pairs[first : first + BATCH]
            rows = self._distributions([context for _, context in part])
            for (word, context), row in zip(part, rows, strict=True):
                padding = bool(context) and context[-1] == END
                scores.append(float(word == END) if padding else float(row[self._id(word)]))
        return scores

    def _distributions(self, contexts: Sequence[tuple[str, ...]]) -> np.ndarray:
        """Compute P(. | context) of some contexts: (contexts, V)."""
        lm, rows = self._lm(), [[self._id(word) for word in context] for context in contexts]
        if isinstance(lm, NgramModel):
            return np.stack([lm.after(row) for row in rows])
        padded = [([Vocabulary.BOS] * lm.reach + row)[len(row) :] for row in rows]
        return lm.next_word(np.array(padded, np.int32).reshape(len(rows), lm.reach))


def _words_of(ngrams: list[tuple[str, ...]]) -> list[str]:
    """Return the words of a sentence from its n-grams: those of one word, or a chain of longer ones."""
    single = [ngram[0] for ngram in ngrams if len(ngram) == 1]
    if single or not ngrams:
        return single
    if any(not ngram or before[1:] != ngram[:-1] for before, ngram in pairwise(ngrams)):
        raise FflmError(
            "fit needs the single words of a sentence among its n-grams, as padded_everygram_pipeline makes them, got "
            "longer n-grams that are no chain"
        )
    return [*ngrams[0][:-1], *(ngram[-1] for ngram in ngrams)]
