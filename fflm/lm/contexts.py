"""Word ids and contexts as language models take them: checked, and cut where a unit begins."""

from __future__ import annotations

import numpy as np

from fflm.errors import ConfigError
from fflm.text import NO_BREAKS, Vocabulary, known_ids


def checked_ids(ids: np.ndarray, vocab_size: int) -> np.ndarray:
    """Return ids as int32 in C order, all of them in the vocabulary: compiled loops do not check indices.

    Ids of a stream were checked when it was read (`fflm.text.known_ids`); others are checked now.

    Raises
    ------
    ConfigError
        If an id is outside the vocabulary.
    """
    return known_ids(ids, vocab_size).view(np.ndarray)


def checked_breaks(breaks: np.ndarray, size: int) -> np.ndarray:
    """Return the breaks of a text of `size` words as int64 in C order.

    Raises
    ------
    ConfigError
        If the breaks are not rising positions inside the text.
    """
    breaks = np.asarray(breaks)
    if breaks.size == 0:
        return NO_BREAKS
    if breaks.dtype.kind not in "iu" or breaks.ndim != 1:
        raise ConfigError(f"breaks must be whole numbers of shape (S,), got {breaks.dtype} of shape {breaks.shape}")
    inside = 0 < int(breaks.min()) and int(breaks.max()) < size
    if not inside or (breaks[1:] <= breaks[:-1]).any():
        raise ConfigError(f"breaks must be rising positions from 1 to {size - 1}, got {breaks.tolist()[:5]}")
    return np.require(breaks, np.int64, ["C", "W"])


def checked_contexts(contexts: np.ndarray, reach: int, vocab_size: int) -> np.ndarray:
    """Return contexts (B, K) as `checked_ids` does.

    Raises
    ------
    ConfigError
        If an id is outside the vocabulary, or a context is not `reach` words long.
    """
    contexts = checked_ids(contexts, vocab_size)
    if contexts.ndim != 2 or contexts.shape[1] != reach:
        raise ConfigError(f"contexts must have shape (B, {reach}), got {contexts.shape}")
    return contexts


def contexts_at(ids: np.ndarray, positions: np.ndarray, size: int, breaks: np.ndarray = NO_BREAKS) -> np.ndarray:
    """Cut the `size` words before each of `positions` (B,) out of a stream (N,): (B, size) int32.

    ``<s>`` stands where there is no word: before the beginning of the stream, and before the last of breaks (S,) that a
    position does not come before. A ``</s>`` is a word like any other; see `within_unit`.

    Examples
    --------
    >>> contexts_at(np.array([5, 2, 6], np.int32), np.array([0, 2]), 3)
    array([[1, 1, 1],
           [1, 5, 2]], dtype=int32)
    >>> contexts_at(np.array([5, 2, 6], np.int32), np.array([0, 2]), 3, breaks=np.array([1]))
    array([[1, 1, 1],
           [1, 1, 2]], dtype=int32)
    """
    positions = np.asarray(positions)
    begins = np.concatenate(([0], breaks))[np.searchsorted(breaks, positions, side="right")]
    places = positions[:, None] + np.arange(-size, 0)
    return np.where(places < begins[:, None], Vocabulary.BOS, ids[np.maximum(places, 0)]).astype(np.int32)


def within_unit(contexts: np.ndarray) -> np.ndarray:
    """Return contexts (B, K) with ``<s>`` for the last ``</s>`` of each and all before it.

    Examples
    --------
    >>> within_unit(np.array([[5, 2, 6], [2, 2, 2], [5, 6, 7]], np.int32))
    array([[1, 1, 6],
           [1, 1, 1],
           [5, 6, 7]], dtype=int32)
    """
    ends = contexts == Vocabulary.EOS
    outside = np.logical_or.accumulate(ends[:, ::-1], axis=1)[:, ::-1]
    return np.where(outside, np.int32(Vocabulary.BOS), contexts)
