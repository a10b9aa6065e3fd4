"""Word vectors: files, first values of a network, neighbours and similarity."""

from fflm.word_vectors.neighbours import Neighbor, WordVectors
from fflm.word_vectors.similarity import Similarity

__all__ = ["Neighbor", "Similarity", "WordVectors"]
