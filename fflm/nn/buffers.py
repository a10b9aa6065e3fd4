"""Scratch memory."""

from __future__ import annotations

import numpy as np


def buffer(*shape: int) -> np.ndarray:
    """Make zeroed float32 memory (..., width) whose rows are at least `shape[-1]` wide and start on a cache line.

    Rows are an odd number of cache lines long: at a power of two, the rows that a matrix product walks through would
    fall on the same few places of the first-level cache.
    """
    line = 16
    width = (-(-shape[-1] // line) | 1) * line
    flat = np.zeros(int(np.prod(shape[:-1])) * width + line, np.float32)
    start = -(flat.ctypes.data // flat.itemsize) % line
    return flat[start : start + flat.size - line].reshape(*shape[:-1], width)
