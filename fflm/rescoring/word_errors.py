"""Word errors: the least number of substitutions, insertions and deletions (Levenshtein 1966)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def word_errors(hypothesis: Sequence[str], reference: Sequence[str]) -> int:
    """Count the words that must be changed, left out or put in to make the reference of a hypothesis.

    Examples
    --------
    >>> word_errors("the cat sat on mat".split(), "a cat sat on the mat".split())
    2
    """
    words = np.array(reference, object)
    places = np.arange(len(words) + 1)
    row = places.copy()  # the errors between the words of the hypothesis so far and each beginning of the reference
    for word in hypothesis:
        changed = row[:-1] + (words != word)
        row = np.concatenate(([row[0] + 1], np.minimum(changed, row[1:] + 1)))
        row = np.minimum.accumulate(row - places) + places
    return int(row[-1])
