"""Batches: immutable values that name the inputs of a network and its targets. They hold no results.

An encoder reads one kind of batch. Every batch has a length, the number of its rows, and `targets`, one
for each row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from fflm.text import NO_BREAKS


class Batch(Protocol):
    """Rows to be read by an encoder, and the number of the right answer for each."""

    def __len__(self) -> int:
        """Return the number of rows of the batch."""

    @property
    def targets(self) -> np.ndarray:
        """The word, or label, to be predicted in each row: (B,) int32."""


@dataclass(frozen=True)
class Windows:
    """Windows of a stream of ids: each predicts the word at a position from the words before it.

    Attributes
    ----------
    stream : (N,) int32
    positions : (B,) int64
    breaks : (S,) int64
        Rising places where text begins that does not follow what stands before it; contexts stop there.

    Examples
    --------
    >>> batch = Windows(np.array([3, 4, 5, 6], np.int32), np.array([2, 0]))
    >>> len(batch), batch.targets.tolist()
    (2, [5, 3])
    """

    stream: np.ndarray
    positions: np.ndarray
    breaks: np.ndarray = field(default_factory=lambda: NO_BREAKS)

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def targets(self) -> np.ndarray:
        """The words at the positions."""
        words: np.ndarray = self.stream[self.positions]
        return words


@dataclass(frozen=True)
class Contexts:
    """Contexts that are given as they are: ids (B, P) int32, oldest word first, and targets (B,) int32.

    Without `targets` every target is 0.
    """

    ids: np.ndarray
    given: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def targets(self) -> np.ndarray:
        """The targets that were given, or zeros."""
        return np.zeros(len(self), np.int32) if self.given is None else self.given


@dataclass(frozen=True)
class Texts:
    """Texts one after another: ids (N,) int32, text i from offsets[i] to offsets[i + 1]; targets (B,) int32.

    Without `targets` every target is 0.

    Examples
    --------
    >>> len(Texts(np.array([3, 4, 5], np.int32), np.array([0, 2, 3])))
    2
    """

    ids: np.ndarray
    offsets: np.ndarray
    given: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def targets(self) -> np.ndarray:
        """The targets that were given, or zeros."""
        return np.zeros(len(self), np.int32) if self.given is None else self.given


@dataclass(frozen=True)
class Examples:
    """Rows of numbers with targets of any kind: inputs (B, features) float32; targets (outputs, B) float32."""

    inputs: np.ndarray
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.inputs)
