"""The word vectors of a model, their neighbors and analogies."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fflm import html
from fflm.config.options import whole_number
from fflm.errors import ConfigError, shown
from fflm.lm import LanguageModel, network_in
from fflm.text import Vocabulary
from fflm.text.vocabulary import SPECIALS as SPECIAL_WORDS
from fflm.word_vectors.similarity import Similarity, _pairs, spearman

SPECIALS = len(SPECIAL_WORDS)


@dataclass(frozen=True)
class Neighbor:
    """A word and the cosine of its vector with what was asked for."""

    word: str
    cosine: float

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return asdict(self)


class WordVectors:
    """The vectors of a vocabulary's words.

    Parameters
    ----------
    vocabulary : Vocabulary
    matrix : (V, m) float32
    lowercase : bool
        Fold the words that are asked for, as the model's text was.

    Examples
    --------
    >>> words = ["<unk>", "<s>", "</s>", "king", "queen", "man", "woman"]
    >>> matrix = [[0, 0], [0, 0], [0, 0], [1, 1], [1, -1], [0.1, 1], [0.1, -1]]
    >>> vectors = WordVectors(Vocabulary(words), np.array(matrix, np.float32))
    >>> vectors.analogy("king", "man", "woman")[0].word
    'queen'
    """

    def __init__(self, vocabulary: Vocabulary, matrix: np.ndarray, lowercase: bool = False):
        self.vocabulary, self.matrix, self.lowercase = vocabulary, matrix, lowercase
        lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
        self.directions = matrix / np.where(lengths > 0.0, lengths, 1.0)

    def __repr__(self) -> str:
        return f"WordVectors({len(self.vocabulary):,} words, {self.matrix.shape[1]} features)"

    @classmethod
    def of(cls, lm: LanguageModel) -> WordVectors:
        """Return the word vectors of a network; of a mixture, those of its first network.

        Raises
        ------
        ConfigError
            If the model has none.

        Examples
        --------
        >>> import fflm
        >>> WordVectors.of(fflm.load("runs/demo").lm).matrix.shape
        (13, 4)
        """
        network = network_in(lm)
        if network is None:
            raise ConfigError(f"a model of kind {lm.describe()['kind']!r} has no word vectors; a network has")
        return cls(lm.vocabulary, network.parameters["embeddings"], lm.tokenizer.config.lowercase)

    def most_frequent(self, count: int) -> tuple[list[str], np.ndarray]:
        """Return the most frequent words in training, without the special ones, and their vectors.

        Raises
        ------
        ConfigError
            If `count` is less than 3.

        Examples
        --------
        >>> import fflm
        >>> words, matrix = fflm.load("runs/demo").word_vectors().most_frequent(3)
        >>> len(words), matrix.shape
        (3, (3, 4))
        """
        count = whole_number("words", count, low=3)
        order = np.argsort(-self.vocabulary.counts[SPECIALS:], kind="stable")[:count] + SPECIALS
        if len(order) < 3:
            raise ConfigError(f"the vocabulary must have at least 3 words for a map, got {len(order)}")
        return [self.vocabulary.words[i] for i in order], self.matrix[order]

    def direction(self, word: str) -> np.ndarray:
        """Return the word's vector (m,), scaled to length 1.

        Raises
        ------
        ConfigError
            If the word is unknown.

        Examples
        --------
        >>> import fflm
        >>> float(np.linalg.norm(fflm.load("runs/demo").word_vectors().direction("cat")).round(5))
        1.0
        """
        return self.directions[self._id(word)]

    def _id(self, word: str) -> int:
        number = self.vocabulary.id(word.lower() if self.lowercase else word)
        if number == Vocabulary.UNK:
            hint = f"; {shown(word.lower())} is" if word.lower() in self.vocabulary else ""
            raise ConfigError(f"{shown(word)} is not in the vocabulary{hint}")
        return number

    def neighbors(self, word: str, top: int = 10) -> list[Neighbor]:
        """Return the words whose vectors make the smallest angle with that of `word`, itself left out.

        Raises
        ------
        ConfigError
            If the word is unknown, or `top` less than 1.

        Examples
        --------
        >>> import fflm
        >>> len(fflm.load("runs/demo").word_vectors().neighbors("cat", top=3))
        3
        """
        return self._nearest(self.direction(word), [word], top)

    def analogy(self, a: str, b: str, c: str, top: int = 10) -> list[Neighbor]:
        """Return words that are to `c` as `a` is to `b`: the nearest ones to a - b + c (Mikolov et al. 2013).

        Raises
        ------
        ConfigError
            If a word is unknown, or `top` less than 1.

        Examples
        --------
        >>> import fflm
        >>> len(fflm.load("runs/demo").word_vectors().analogy("cat", "the", "a", top=2))
        2
        """
        wanted = self.direction(a) - self.direction(b) + self.direction(c)
        return self._nearest(wanted, [a, b, c], top)

    def _nearest(self, wanted: np.ndarray, left_out: Sequence[str], top: int) -> list[Neighbor]:
        top = whole_number("top", top, low=1)
        cosines = self.directions @ (wanted / max(float(np.linalg.norm(wanted)), 1e-30))
        cosines[[*range(SPECIALS), *map(self._id, left_out)]] = -np.inf
        best = np.argsort(-cosines, kind="stable")[:top]
        found = [Neighbor(self.vocabulary.words[i], float(cosines[i])) for i in best if np.isfinite(cosines[i])]
        return html.Listing(
            found, lambda items: html.box(html.table(["word", "cosine"], [(n.word, f"{n.cosine:.4f}") for n in items]))
        )

    def similarity(self, path: str | Path, encoding: str = "utf-8") -> Similarity:
        """Compute Spearman's rank correlation of the cosines with the scores of a file such as WordSim-353.

        Parameters
        ----------
        path : str
            Lines of two words and a number, with tabs, commas or spaces between; lines that begin with # and a first
            line of three names are passed over.
        encoding : str
            Character encoding of the file.

        Raises
        ------
        TextError
            If the file is not of this form.
        ConfigError
            If it has fewer than two pairs of known words, or all their scores or cosines are the same: then there is no
            correlation.

        Examples
        --------
        >>> import fflm
        >>> with open("pairs.tsv", "w") as file:
        ...     written = file.write("cat\\tdog\\t9\\ncat\\tmat\\t3\\ncat\\tzebra\\t1\\n")
        >>> found = fflm.load("runs/demo").word_vectors().similarity("pairs.tsv")
        >>> found.pairs, found.known, found.unknown_words
        (3, 2, ('zebra',))
        """
        pairs = list(_pairs(os.fspath(path), encoding, self.lowercase))
        words = dict.fromkeys(word for first, second, _ in pairs for word in (first, second))
        unknown = tuple(word for word in words if word not in self.vocabulary)
        known = [pair for pair in pairs if pair[0] in self.vocabulary and pair[1] in self.vocabulary]
        cosines = np.array([self.direction(first) @ self.direction(second) for first, second, _ in known])
        scores = np.array([score for _, _, score in known])
        correlation = spearman(cosines, scores)
        if np.isnan(correlation):
            alike = "scores" if len(known) > 1 and scores.min() == scores.max() else "cosines"
            reason = f"all their {alike} are the same" if len(known) > 1 else "there must be two or more"
            raise ConfigError(
                f"no rank correlation over the {len(known):,} of {len(pairs):,} pairs of {path} whose words are known: "
                f"{reason}"
            )
        return Similarity(correlation, len(pairs), len(known), unknown)
