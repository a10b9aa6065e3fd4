"""Word vectors: files, first values of a network, neighbours and similarity."""

from fflm.word_vectors.neighbours import Neighbor, Similarity, WordVectors

__all__ = ["Neighbor", "Similarity", "WordVectors"]
