"""The interface of KenLM's Python module around any model: ``from fflm.compat.kenlm import Model`` in place of `kenlm`.

Of an n-gram model, and so of an ARPA file, every call returns what `kenlm.Model` does on the same file (KenLM adds up
in single precision, this module in double). Other models answer in the same form:

- A sentence is cut by the model's own tokenizer; of an ARPA file, at blanks, as KenLM does. A line end is a blank.
- ``bos=True`` begins a sentence: ``<s>``, or ``<eos>`` in the boundary ``eos``. ``bos=False`` is the empty context; a
  network has none but ``<s>``, which stands where it has no word.
- ``eos=True`` counts the end of the sentence, ``</s>`` or ``<eos>``. Models of running text (boundary ``stream``)
  predict no end: there it adds nothing, and `Model.perplexity` divides by the number of words alone.
- The n-gram length of a network's probability is the number of words that it looked at, the predicted one and ``<s>``
  included.
- ``<s>`` and ``</s>`` are no words of a sentence, as in KenLM's own documentation.

A word without a probability (an unknown one, where the model has no ``<unk>``) has -inf; KenLM refuses such files.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from fflm.api.model import language_model
from fflm.errors import ConfigError, shown
from fflm.kernels.ngrams import child
from fflm.lm import NgramModel, NgramTable
from fflm.text import Vocabulary

__all__ = ["FullScoreReturn", "LanguageModel", "Model", "State"]

LN10 = math.log(10.0)


class FullScoreReturn(NamedTuple):
    """What `Model.BaseFullScore` returns: log10 P, the length of the n-gram found, whether the word is unknown."""

    log_prob: float
    ngram_length: int
    oov: bool


class State:
    """What a model remembers of the words before: the caller keeps it. States of the same words are equal."""

    __slots__ = ("words",)

    def __init__(self) -> None:
        self.words: tuple[int, ...] = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, State) and self.words == other.words

    def __hash__(self) -> int:
        return hash(self.words)

    def __copy__(self) -> State:
        copy = State()
        copy.words = self.words
        return copy

    def __deepcopy__(self, memo: dict[int, Any]) -> State:
        return self.__copy__()


class Model:
    """A model of any kind behind the interface of `kenlm.Model`; all logarithms are to the base 10.

    Parameters
    ----------
    path : str
        A model file, a run folder or an ARPA file, also compressed. A `Model` of fflm is taken too.
    config : object
        What a `kenlm.Config` says about loading has no meaning here; it is taken so that a call need not change.
    threads : int, optional
        Worker threads; every core by default.

    Attributes
    ----------
    path : str
        The absolute path, as in KenLM.
    order : int
        Words of the longest n-gram: one more than the words before it that the model uses.

    Raises
    ------
    ModelFileError
        If the file is missing, damaged or holds no language model.

    Examples
    --------
    >>> model = Model("runs/demo")
    >>> model.order, "cat" in model, "zebra" in model
    (3, True, False)
    >>> [(length, oov) for _, length, oov in model.full_scores("the dog sat on", eos=False)]
    [(2, False), (3, False), (3, False), (3, False)]
    """

    def __init__(self, path: Any, config: object = None, threads: int | None = None):
        self.path = os.path.abspath(path) if isinstance(path, (str, os.PathLike)) else ""
        self._source, self._lm = self.path or path, language_model(path, threads)
        self._ngrams = self._lm if isinstance(self._lm, NgramModel) else None
        end = self._lm.tokenizer.end_word
        by_line = self._lm.tokenizer.config.boundary == "line"
        self._end = Vocabulary.EOS if by_line else None if end is None else self._lm.vocabulary.id(end)
        self.order = self._lm.reach + 1

    def __repr__(self) -> str:
        return f"<Model from {os.path.basename(self.path)}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._source,)

    def __contains__(self, word: object) -> bool:
        return word in ("<s>", "</s>") or word in self._lm.vocabulary

    def score(self, sentence: str | bytes, bos: bool = True, eos: bool = True) -> float:
        """Return log10 P of a sentence, with its end if `eos`, in the context of a sentence's beginning if `bos`.

        Examples
        --------
        >>> model = Model("runs/demo")
        >>> model.score("the cat sat on the mat") > -0.1 > -1 > model.score("mat the on sat cat the")
        True
        """
        return sum(log_prob for log_prob, _, _ in self.full_scores(sentence, bos, eos))

    def perplexity(self, sentence: str | bytes) -> float:
        """Return 10 ** (-score / words), the end of the sentence being one of the words.

        Examples
        --------
        >>> model = Model("runs/demo")
        >>> sentence = "the cat sat"
        >>> model.perplexity(sentence) == 10.0 ** (-model.score(sentence) / 3)
        True
        """
        words = len(self._words(sentence)) + (self._end is not None)
        try:
            return float(10.0 ** (-self.score(sentence) / words)) if words else 1.0
        except OverflowError:
            return math.inf

    def full_scores(
        self, sentence: str | bytes, bos: bool = True, eos: bool = True
    ) -> Iterator[tuple[float, int, bool]]:
        """Yield (log10 P, n-gram length, unknown) for each word of a sentence and, if `eos`, for its end.

        Examples
        --------
        >>> [(length, oov) for _, length, oov in Model("runs/demo").full_scores("the zebra sat")]
        [(2, False), (3, True), (3, False)]
        """
        words = self._words(sentence)
        ids = [*words, *([self._end] if eos and self._end is not None else [])]
        begin = State()
        (self.BeginSentenceWrite if bos else self.NullContextWrite)(begin)
        found = self._scan(begin.words, ids) if self._ngrams is None else self._walk(self._ngrams, begin.words, ids)
        for place, (log_prob, length) in enumerate(found):
            yield log_prob, length, place < len(words) and ids[place] == Vocabulary.UNK

    def BeginSentenceWrite(self, state: State) -> None:
        """Make `state` that of the beginning of a sentence."""
        begins_after = self._end if self._lm.tokenizer.end_word is not None else None
        state.words = (Vocabulary.BOS if begins_after is None else begins_after,)

    def NullContextWrite(self, state: State) -> None:
        """Make `state` that of no context."""
        state.words = ()

    def BaseScore(self, in_state: State, word: str, out_state: State) -> float:
        """Return log10 P of a word after `in_state`, and make `out_state` the state after it; both may be the same.

        Examples
        --------
        >>> model, state = Model("runs/demo"), State()
        >>> model.BeginSentenceWrite(state)
        >>> total = sum(model.BaseScore(state, word, state) for word in "the cat sat".split())
        >>> abs(total - model.score("the cat sat", eos=False)) < 1e-5
        True
        """
        return self.BaseFullScore(in_state, word, out_state).log_prob

    def BaseFullScore(self, in_state: State, word: str, out_state: State) -> FullScoreReturn:
        """Do as `BaseScore`, and return the n-gram length and whether the word is unknown too."""
        number, before = self._id(word), in_state.words
        if self._ngrams is not None:
            ((log_prob, length),) = self._walk(self._ngrams, before, [number])
            state = _state(self._ngrams.table, (*before, number))
            out_state.words = self._ngrams.table.ngram(state) if state >= 0 else ()
        else:
            p = float(self._lm.next_word(self._context(before)[None])[0, number])
            log_prob, length = math.log10(p) if p > 0.0 else -math.inf, self._length(len(before))
            out_state.words = (*before, number)[max(0, len(before) + 1 - self._lm.reach) :]
        return FullScoreReturn(log_prob, length, number == Vocabulary.UNK)

    def _words(self, sentence: str | bytes) -> list[int]:
        if not isinstance(sentence, (str, bytes)):
            raise ConfigError(f"a sentence must be a string, got {shown(sentence)}")
        text = sentence.decode("utf-8") if isinstance(sentence, bytes) else sentence
        tokens = self._lm.tokenizer.tokens(text.rstrip("\r\n").replace("\n", " "))
        return list(map(self._id, tokens))

    def _id(self, word: str) -> int:
        return {"<s>": Vocabulary.BOS, "</s>": Vocabulary.EOS}.get(word, self._lm.vocabulary.id(word))

    def _length(self, before: int) -> int:
        """Return how many words a model that is no n-gram model looks at, after so many."""
        return min(before, self._lm.reach) + 1

    def _context(self, words: tuple[int, ...]) -> np.ndarray:
        """Return the last words as the model takes them: (reach,) int32, ``<s>`` where there is none."""
        size = self._lm.reach
        words = words[max(0, len(words) - size) :]
        return np.array([*[Vocabulary.BOS] * (size - len(words)), *words], np.int32)

    @staticmethod
    def _walk(lm: NgramModel, before: tuple[int, ...], ids: list[int]) -> Iterator[tuple[float, int]]:
        """Yield log10 P and the length of the n-gram found for each word, by an n-gram model."""
        state = _state(lm.table, before)
        for word in ids:
            node, log_prob, context = -1, 0.0, state
            while context >= 0 and (node := child(lm.table.words, lm.table.children, context, word)) < 0:
                log_prob += float(lm.backoffs[context])
                context = int(lm.table.links[context])
            node = node if node >= 0 else word
            yield (log_prob + float(lm.node_log_probs[node])) / LN10, len(lm.table.ngram(int(node)))
            state = _advance(lm.table, state, word)

    def _scan(self, before: tuple[int, ...], ids: list[int]) -> Iterator[tuple[float, int]]:
        """Yield the same for any other model, which reads the whole sentence at once."""
        first = [word for word in before if word != Vocabulary.BOS]
        scored = self._lm.log_probs(np.array([*first, *ids], np.int32))[len(first) :] if ids else ()
        for place, log_prob in enumerate(scored):
            yield float(log_prob) / LN10, self._length(len(before) + place)


def _advance(table: NgramTable, state: int, word: int) -> int:
    """Return the longest context of a table after one more word: nothing follows ``</s>``, as in KenLM."""
    if word == Vocabulary.EOS:
        return -1
    node = -1
    while state >= 0 and node < 0:
        node = child(table.words, table.children, state, word)
        state = int(table.links[state])
    node = node if node >= 0 else word
    return int(node if node < len(table.children) - 1 else table.links[node])


def _state(table: NgramTable, words: tuple[int, ...]) -> int:
    """Return the node of the longest context in a table that ends these words, -1 for none."""
    state = -1
    for word in words:
        state = _advance(table, state, word)
    return state


LanguageModel = Model  # its name of old in KenLM
