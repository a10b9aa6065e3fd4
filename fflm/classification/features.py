"""Texts as rows of the embeddings: their known words, and hashed pairs of neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fflm.config import ClassifierConfig
from fflm.errors import TextError
from fflm.text import NewIds, Tokenizer, Vocabulary

GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: its multiples spread evenly
TEXTS = 10_000  # encoded at once


@dataclass(frozen=True)
class TextIds:
    """The ids of texts in one array (N,) int32, text i from offsets[i] to offsets[i+1]; offsets (texts+1,) int64."""

    ids: np.ndarray
    offsets: np.ndarray
    words: int  # tokens, unknown ones too

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, order: np.ndarray) -> TextIds:
        """Return these texts, in this order; `words` stays that of all."""
        begins, sizes = self.offsets[order], np.diff(self.offsets)[order]
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        places = np.arange(offsets[-1]) + np.repeat(begins - offsets[:-1], sizes)
        return TextIds(self.ids[places], offsets, self.words)

    def batch(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        """Return ids and offsets of texts first .. last-1."""
        offsets = self.offsets[first : last + 1]
        return self.ids[offsets[0] : offsets[-1]], offsets - offsets[0]


def learn_words(texts: Sequence[str], tokenizer: Tokenizer, config: ClassifierConfig) -> tuple[Vocabulary, TextIds]:
    """Return the vocabulary of training texts, and their ids by `encode_texts`; TextError if they have no words."""
    new = NewIds()
    parts = [
        np.fromiter(map(new.__getitem__, tokens), np.int32, len(tokens)) for tokens in map(tokenizer.tokens, texts)
    ]
    if not new:
        raise TextError(f"training texts must have a word, got none in {len(parts):,} texts")
    counts = np.bincount(np.concatenate(parts), minlength=len(new.words))
    vocabulary = Vocabulary.from_counts(new.words, counts, size=config.vocab_size, min_count=config.min_count)
    lookup = new.lookup(vocabulary)
    return vocabulary, _features([lookup[part] for part in parts], vocabulary, config)


def encode_texts(
    texts: Sequence[str], tokenizer: Tokenizer, vocabulary: Vocabulary, config: ClassifierConfig
) -> TextIds:
    """Return ids of each text's known words, then of its pairs of known neighbours, without unknown words.

    With pooling ``bag`` each once, in the order of their numbers; else as often as they occur, in their order.
    With pooling ``window`` exactly so many words, ``<s>`` where there are none, ``<unk>`` for unknown ones.
    """
    return _features([vocabulary.encode(tokenizer.tokens(text)) for text in texts], vocabulary, config)


def _features(parts: Sequence[np.ndarray], vocabulary: Vocabulary, config: ClassifierConfig) -> TextIds:
    words, found, sizes = sum(map(len, parts)), [np.zeros(0, np.int32)], [np.zeros(0, np.int64)]
    if config.pooling == "window":
        parts = [_window(part, config.window) for part in parts]
    for first in range(0, len(parts), TEXTS):  # all of a large corpus would take too much memory
        some = parts[first : first + TEXTS]
        ids, text = np.concatenate(some), np.repeat(np.arange(len(some)), [len(part) for part in some])
        if config.pooling != "window":
            ids, text = _known(ids, text, vocabulary, config)
        found.append(ids.astype(np.int32))
        sizes.append(np.bincount(text, minlength=len(some)))
    return TextIds(np.concatenate(found), np.concatenate([[0], np.cumsum(np.concatenate(sizes))]), words)


def _window(ids: np.ndarray, size: int) -> np.ndarray:
    return np.concatenate([ids[:size], np.full(max(0, size - len(ids)), Vocabulary.BOS, np.int32)])


def _known(
    ids: np.ndarray, text: np.ndarray, vocabulary: Vocabulary, config: ClassifierConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of the embeddings, and the text of each."""
    known = ids != Vocabulary.UNK
    rows, text_of = ids[known].astype(np.int64), text[known]
    if config.bigrams:
        pair = known[:-1] & known[1:] & (text[:-1] == text[1:])
        hashed = pairs(ids[:-1][pair], ids[1:][pair], config.bigrams)
        rows, text_of = np.concatenate([rows, len(vocabulary) + hashed]), np.concatenate([text_of, text[:-1][pair]])
    if config.pooling == "bag":
        size = len(vocabulary) + config.bigrams
        text_of, rows = np.divmod(np.unique(text_of * size + rows), size)
    elif config.bigrams:
        order = np.argsort(text_of, kind="stable")
        rows, text_of = rows[order], text_of[order]
    return rows, text_of


def pairs(left: np.ndarray, right: np.ndarray, rows: int) -> np.ndarray:
    """Compute a row, 0 .. rows-1, for each pair of neighbours: the hash of both ids.

    Examples
    --------
    >>> pairs(np.array([5, 5, 7]), np.array([7, 7, 5]), 1000).tolist()
    [855, 855, 801]
    """
    with np.errstate(over="ignore"):
        mixed = (left.astype(np.uint64) * GOLDEN + right.astype(np.uint64) + np.uint64(1)) * GOLDEN
    mixed ^= mixed >> np.uint64(32)
    return (mixed % np.uint64(rows)).astype(np.int64)
