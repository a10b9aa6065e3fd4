"""The kinds of language models that a file can hold, and how each becomes arrays and a description and back."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from fflm.errors import ConfigError
from fflm.lm import LanguageModel, Mixture
from fflm.model_file.reader import Reader
from fflm.model_file.text import Arrays

DEEPEST = 8  # mixtures of mixtures
CLASSIFIER = "text classifier"  # the one kind that is no language model

#: The module of each kind of model, as its `describe` calls it. A module is imported when a model of its kind is met.
KINDS = {
    "neural language model": "neural",
    "n-gram model": "ngram",
    "interpolated n-gram model": "interpolated",
    "cache": "cache",
    "neural cache": "neural_cache",
    "mixture": "mixture",
}


def _module(kind: str) -> Any:
    return import_module(f"fflm.model_file.{KINDS[kind]}")


def pack(model: LanguageModel, before: Sequence[LanguageModel] = ()) -> tuple[str, Arrays, dict[str, Any]]:
    """Pack a model: its kind, its arrays and its description as plain JSON values.

    Parameters
    ----------
    model : LanguageModel
    before : sequence of LanguageModel
        The parts that stand before it in the mixture that it is a part of.

    Raises
    ------
    ConfigError
        If a model of its kind can't be saved, or not without the network that it reads.
    """
    kind = model.describe()["kind"]
    if kind not in KINDS:
        raise ConfigError(f"a model of kind {kind!r} can't be saved; save the model that it was made from")
    more = {"mixture": (pack,), "neural cache": (before,)}.get(kind, ())
    return kind, *_module(kind).pack(model, *more)


def unpack(arrays: Arrays, description: Any, reader: Reader) -> LanguageModel:
    """Build the model from what `pack` made of it.

    Raises
    ------
    KeyError, ValueError, TypeError, FflmError
        If arrays or description are damaged.
    """
    if reader.depth > DEEPEST:
        raise ValueError(f"mixtures must be at most {DEEPEST} deep")
    kind = description.get("kind") if isinstance(description, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"a part must be one of {', '.join(KINDS)}, got {kind!r}")
    model: LanguageModel = _module(kind).unpack(arrays, description, reader)
    return model


def check_nesting(parts: Sequence[LanguageModel], level: int = 1) -> None:
    """Raise ConfigError if a mixture of these parts holds too many mixtures in each other to be read again."""
    if level > DEEPEST:
        raise ConfigError(f"mixtures must be at most {DEEPEST} deep, got one more; mix the parts of one instead of it")
    for part in parts:
        if isinstance(part, Mixture):
            check_nesting(part.parts, level + 1)
