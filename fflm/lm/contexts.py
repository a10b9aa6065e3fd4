"""Word ids and contexts as language models take them: checked, and cut where a unit begins."""

from __future__ import annotations

import numpy as np

from fflm.errors import ConfigError
from fflm.text import Vocabulary


def checked_ids(ids: np.ndarray, vocab_size: int) -> np.ndarray:
    """The ids as int32 in C order, all of them in the vocabulary: compiled loops do not check indices.

    Raises
    ------
    ConfigError
        If one is not.
    """
    ids = np.asarray(ids)
    if ids.dtype.kind not in "iu":
        raise ConfigError(f"ids must be whole numbers, got an array of {ids.dtype}")
    if ids.size and not 0 <= int(ids.min()) <= int(ids.max()) < vocab_size:
        raise ConfigError(f"ids must be from 0 to {vocab_size - 1}, got {ids.min()} to {ids.max()}")
    # They also take writable arrays only: ids in a read-only memory map are copied.
    return np.require(ids, np.int32, ["C", "W"])


def checked_contexts(contexts: np.ndarray, context_size: int, vocab_size: int) -> np.ndarray:
    """Contexts (B, K) as `checked_ids`.

    Raises
    ------
    ConfigError
        If an id is outside the vocabulary, or a context is not K words long.
    """
    contexts = checked_ids(contexts, vocab_size)
    if contexts.ndim != 2 or contexts.shape[1] != context_size:
        raise ConfigError(f"contexts must have shape (B, {context_size}), got {contexts.shape}")
    return contexts


def contexts_at(ids: np.ndarray, positions: np.ndarray, size: int) -> np.ndarray:
    """The `size` words before each of `positions` (B,) of a stream (N,), ``<s>`` where there is none: (B, size) int32.

    Examples
    --------
    >>> contexts_at(np.array([5, 2, 6], np.int32), np.array([0, 2]), 3)
    array([[1, 1, 1],
           [1, 5, 2]], dtype=int32)
    """
    places = np.asarray(positions)[:, None] + np.arange(-size, 0)
    return np.where(places < 0, Vocabulary.BOS, ids[np.maximum(places, 0)]).astype(np.int32)


def within_unit(contexts: np.ndarray) -> np.ndarray:
    """Contexts (B, K) with ``<s>`` for the last ``</s>`` of each and all before it.

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
