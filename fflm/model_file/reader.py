"""What every kind of model needs to be unpacked, besides its arrays and description."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fflm.lm import LanguageModel
from fflm.model_file.text import Arrays
from fflm.text import Tokenizer, Vocabulary


@dataclass(frozen=True)
class Reader:
    """Vocabulary and tokenizer of the file, the threads of its models, and how the parts of a mixture are read.

    Attributes
    ----------
    unpack : callable
        The function `fflm.model_file.kinds.unpack`, called with arrays, description and reader.
    depth : int
        How many mixtures the model is inside of.
    before : tuple of LanguageModel
        The parts of the mixture that stand before this one.
    """

    vocabulary: Vocabulary
    tokenizer: Tokenizer
    threads: int | None
    unpack: Callable[[Arrays, dict[str, Any], Reader], LanguageModel]
    depth: int = 0
    before: tuple[LanguageModel, ...] = ()

    def part(self, arrays: Arrays, description: dict[str, Any], before: Sequence[LanguageModel]) -> LanguageModel:
        """Build a part of the mixture that is read, of which the parts `before` have been built."""
        return self.unpack(arrays, description, replace(self, depth=self.depth + 1, before=tuple(before)))
