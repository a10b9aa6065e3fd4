"""Texts as rows of the embeddings: their known words, and hashed pairs of neighbours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fflm.config import ClassifierConfig
from fflm.text import Tokenizer, Vocabulary

GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: its multiples spread evenly


@dataclass(frozen=True)
class TextIds:
    """Texts one after another: ids (N,) int32, text i from offsets[i] to offsets[i+1]; offsets (texts+1,) int64."""

    ids: np.ndarray
    offsets: np.ndarray
    words: int  # tokens, unknown ones too

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """ids and offsets of some texts."""
        begins, sizes = self.offsets[rows], self.offsets[rows + 1] - self.offsets[rows]
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        places = np.arange(offsets[-1]) + np.repeat(begins - offsets[:-1], sizes)
        return self.ids[places], offsets


def count_words(texts: Sequence[str], tokenizer: Tokenizer, config: ClassifierConfig) -> Vocabulary:
    """The vocabulary of training texts."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(tokenizer.tokenize(text))
    return Vocabulary.from_counts(
        list(counts), list(counts.values()), size=config.vocab_size, min_count=config.min_count
    )


def encode_texts(
    texts: Sequence[str], tokenizer: Tokenizer, vocabulary: Vocabulary, config: ClassifierConfig
) -> TextIds:
    """Ids of each text's known words, then of its pairs of known neighbours; unknown words are left out.

    With pooling ``bag`` each once, in the order of their numbers; else as often as they occur, in their order.
    With pooling ``window`` exactly so many words, ``<s>`` where there are none, ``<unk>`` for unknown ones.
    """
    parts, words = [], 0
    for text in texts:
        ids = vocabulary.encode(tokenizer.tokenize(text))
        words += len(ids)
        parts.append(_window(ids, config.window) if config.pooling == "window" else _bag(ids, vocabulary, config))
    sizes = np.array([len(part) for part in parts], np.int64)
    ids = np.concatenate([*parts, np.zeros(0, np.int32)]).astype(np.int32)
    return TextIds(ids, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), words)


def _window(ids: np.ndarray, size: int) -> np.ndarray:
    return np.concatenate([ids[:size], np.full(max(0, size - len(ids)), Vocabulary.BOS, np.int32)])


def _bag(ids: np.ndarray, vocabulary: Vocabulary, config: ClassifierConfig) -> np.ndarray:
    rows = ids[ids != Vocabulary.UNK]
    if config.bigrams:
        rows = np.concatenate([rows, len(vocabulary) + pairs(ids, config.bigrams)])
    return np.unique(rows) if config.pooling == "bag" else rows


def pairs(ids: np.ndarray, rows: int) -> np.ndarray:
    """A row, 0 .. rows-1, for each pair of neighbours that are both known: the hash of both ids.

    Examples
    --------
    >>> pairs(np.array([5, 7, 0, 5, 7], np.int32), 1000).tolist()
    [855, 855]
    """
    left, right = ids[:-1].astype(np.uint64), ids[1:].astype(np.uint64)
    with np.errstate(over="ignore"):
        mixed = (left * GOLDEN + right + np.uint64(1)) * GOLDEN
    mixed ^= mixed >> np.uint64(32)
    hashed = (mixed % np.uint64(rows)).astype(np.int32)
    return hashed[(left != Vocabulary.UNK) & (right != Vocabulary.UNK)]
