"""The text part of every model file: the words, their counts, the tokenizer."""

from __future__ import annotations

from typing import Any

import numpy as np

from fflm.lm.spelling import spelling_model
from fflm.text import Tokenizer, Vocabulary

Arrays = dict[str, np.ndarray]


def pack_text(vocabulary: Vocabulary, tokenizer: Tokenizer) -> tuple[Arrays, dict[str, Any]]:
    """Pack vocabulary and tokenizer into arrays and plain JSON values."""
    text = {"tokenizer": tokenizer.state(), "words": vocabulary.words}
    if vocabulary.spelling is not None:
        text["spelling"] = list(vocabulary.spelling.learned)
    return {"counts": vocabulary.counts}, text


def unpack_text(arrays: Arrays, description: dict[str, Any]) -> tuple[Vocabulary, Tokenizer]:
    """Undo `pack_text`, taking ``counts`` out of `arrays`; KeyError, ValueError or FflmError if they are damaged."""
    tokenizer = Tokenizer.from_state(description["tokenizer"])
    counts = arrays.pop("counts")
    if counts.dtype != np.int64 or (counts < 0).any():
        raise ValueError("counts must be int64 and not negative")
    vocabulary = Vocabulary(strings(description, "words"), counts)
    if tokenizer.end_word is not None and tokenizer.end_word not in vocabulary:
        raise ValueError(f"words must have {tokenizer.end_word!r}, which the boundary eos needs")
    if "spelling" in description:  # files that were written before have none
        vocabulary.spelling = spelling_model(strings(description, "spelling"), vocabulary, tokenizer)
    return vocabulary, tokenizer


def strings(description: dict[str, Any], name: str) -> list[str]:
    """Return the list of strings of this name in a description; ValueError if it is none."""
    values = description[name]
    if not isinstance(values, list) or not all(isinstance(word, str) for word in values):
        raise ValueError(f"{name} must be a list of strings")
    return values
