"""Word vectors of a file as the first features of a network's words."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from fflm.errors import ConfigError, option_name
from fflm.text import Vocabulary
from fflm.text.vocabulary import SPECIALS
from fflm.word_vectors.files import read_vectors


@dataclass(frozen=True)
class GivenVectors:
    """Vectors for some words of a vocabulary.

    Attributes
    ----------
    path : str
    vocabulary : Vocabulary
    known : (V,) bool
        Which words have a vector.
    matrix : (words with one, m) float32
        The vectors of these words, in the order of the vocabulary.
    total : int
        Words in the file.
    """

    path: str
    vocabulary: Vocabulary
    known: np.ndarray
    matrix: np.ndarray
    total: int

    @classmethod
    def read(cls, path: str, vocabulary: Vocabulary) -> GivenVectors:
        """Read the vectors of a file for the words of a vocabulary.

        Raises
        ------
        TextError
            If it can't be read.
        ConfigError
            If it has no vector for any word.
        """
        vectors = read_vectors(path, vocabulary)
        if not vectors.words:
            raise ConfigError(
                f"no word of the vocabulary is among the {vectors.total:,} of {path}; is its language another, "
                f"or its case ({option_name('lowercase')} folds the text)?"
            )
        ids = vocabulary.encode(vectors.words)
        known = np.zeros(len(vocabulary), bool)
        known[ids] = True
        return cls(path, vocabulary, known, vectors.matrix[np.argsort(ids)], vectors.total)

    def agreed_dim(self, asked: int | None) -> int:
        """Return the number of features of a vector, which the option `embedding_dim` must not contradict.

        Raises
        ------
        ConfigError
            If another number was asked for.
        """
        features = int(self.matrix.shape[1])
        if asked not in (None, features):
            raise ConfigError(
                f"{option_name('embedding_dim')} must be that of the vectors in {self.path}, {features}, got {asked}"
            )
        return features

    def coverage(self) -> str:
        """Say in one line how many words, and how many of their occurrences in training, have a vector."""
        words, counts = int(self.known.sum()), self.vocabulary.counts
        share = counts[self.known].sum() / max(1, counts.sum())
        size = len(self.vocabulary) - len(SPECIALS)
        return (
            f"vectors: {self.path} has {words:,} of {size:,} words ({100 * words / size:.1f} %; "
            f"{100 * share:.1f} % of the training tokens)"
        )

    def put_into(self, table: np.ndarray) -> None:
        """Set the rows (V, m) of the words that have a vector; the others are scaled to the same mean square."""
        size, others = (float(np.sqrt(np.mean(np.square(values, dtype=np.float64)))) for values in (self.matrix, table))
        if size > 0.0:
            table[~self.known] *= size / max(others, 1e-30)
        table[self.known] = self.matrix

    def fingerprint(self) -> int:
        """Compute a number that tells these vectors from others."""
        return zlib.crc32(self.matrix.tobytes(), zlib.crc32(np.packbits(self.known).tobytes()))
