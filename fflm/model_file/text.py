"""What every model file holds of its text: the words, their counts, the tokenizer."""

from __future__ import annotations

import numpy as np

from fflm.text import Tokenizer, Vocabulary

Arrays = dict[str, np.ndarray]


def pack_text(vocabulary: Vocabulary, tokenizer: Tokenizer) -> tuple[Arrays, dict]:
    """Arrays, and plain JSON values."""
    return {"counts": vocabulary.counts}, {"tokenizer": tokenizer.state(), "words": vocabulary.words}


def unpack_text(arrays: Arrays, description: dict) -> tuple[Vocabulary, Tokenizer]:
    """What `pack_text` made; ``counts`` is taken out of `arrays`. KeyError, ValueError or FflmError if damaged."""
    tokenizer = Tokenizer.from_state(description["tokenizer"])
    counts = arrays.pop("counts")
    if counts.dtype != np.int64 or (counts < 0).any():
        raise ValueError("counts must be int64 and not negative")
    return Vocabulary(strings(description, "words"), counts), tokenizer


def strings(description: dict, name: str) -> list[str]:
    """A list of strings in a description, or ValueError."""
    found = description[name]
    if not isinstance(found, list) or not all(isinstance(word, str) for word in found):
        raise ValueError(f"{name} must be a list of strings")
    return found
