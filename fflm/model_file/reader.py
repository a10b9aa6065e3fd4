"""What the kinds of models need to be unpacked, besides their own arrays and description."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from fflm.lm import LanguageModel
from fflm.model_file.text import Arrays
from fflm.text import Tokenizer, Vocabulary


@dataclass(frozen=True)
class Reader:
    """Vocabulary and tokenizer of the file, the threads of its models, and how the parts of a mixture are read.

    Attributes
    ----------
    unpack : callable
        Of arrays, description and reader; that of `fflm.model_file.kinds`.
    depth : int
        How many mixtures the model is inside of.
    """

    vocabulary: Vocabulary
    tokenizer: Tokenizer
    threads: int | None
    unpack: Callable[[Arrays, dict, Reader], LanguageModel]
    depth: int = 0

    def part(self, arrays: Arrays, description: dict) -> LanguageModel:
        """A model inside of the one that is read."""
        return self.unpack(arrays, description, replace(self, depth=self.depth + 1))
