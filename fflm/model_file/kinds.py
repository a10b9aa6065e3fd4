"""The kinds of language models that a file can hold, and how each becomes arrays and a description and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fflm.errors import ConfigError
from fflm.lm import CacheModel, InterpolatedNgramModel, LanguageModel, Mixture, NeuralLanguageModel, NgramModel
from fflm.model_file import cache, interpolated, mixture, neural, ngram
from fflm.model_file.reader import Reader
from fflm.model_file.text import Arrays

DEEPEST = 8  # mixtures of mixtures
CLASSIFIER = "text classifier"  # the one kind that is no language model


@dataclass(frozen=True)
class Kind:
    """One kind of model: its class, how it is packed into arrays and a description, and how it is unpacked."""

    model: type
    pack: Callable[..., tuple[Arrays, dict[str, Any]]]
    unpack: Callable[[Arrays, dict[str, Any], Reader], LanguageModel]


KINDS = {
    "neural language model": Kind(NeuralLanguageModel, neural.pack, neural.unpack),
    "n-gram model": Kind(NgramModel, ngram.pack, ngram.unpack),
    "interpolated n-gram model": Kind(InterpolatedNgramModel, interpolated.pack, interpolated.unpack),
    "cache": Kind(CacheModel, cache.pack, cache.unpack),
    "mixture": Kind(Mixture, lambda model: mixture.pack(model, pack), mixture.unpack),
}


def pack(model: LanguageModel) -> tuple[str, Arrays, dict[str, Any]]:
    """Pack a model: its kind, its arrays and its description as plain JSON values."""
    name, kind = next((name, kind) for name, kind in KINDS.items() if type(model) is kind.model)
    return name, *kind.pack(model)


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
    return KINDS[kind].unpack(arrays, description, reader)


def check_nesting(parts: Sequence[LanguageModel], level: int = 1) -> None:
    """Raise ConfigError if a mixture of these parts holds too many mixtures in each other to be read again."""
    if level > DEEPEST:
        raise ConfigError(f"mixtures must be at most {DEEPEST} deep, got one more; mix the parts of one instead of it")
    for part in parts:
        if isinstance(part, Mixture):
            check_nesting(part.parts, level + 1)
