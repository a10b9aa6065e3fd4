"""The options of tokenization, of the vocabulary and of held-out text."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from fflm.config.options import Checked, is_number, option
from fflm.errors import ConfigError, option_name, shown


@dataclass(frozen=True)
class TokenizerConfig(Checked):
    """The options of the tokenizer; they are stored in the model file."""

    tokenizer: str = option(
        "word",
        "how text is cut into tokens: word (letters and digits, single punctuation marks), treebank (Penn "
        "Treebank conventions), whitespace (text that is already tokenised), char",
        choices=("word", "treebank", "whitespace", "char"),
    )
    lowercase: bool = option(False, "fold upper case to lower case")
    digits_to_zero: bool = option(False, "replace every digit by 0")
    boundary: str = option(
        "stream",
        "stream: the text is one continuous stream, as in the paper; line: every line stands alone, begins "
        "with <s> and its end </s> is predicted; eos: every line's end is predicted as the word <eos> and contexts run "
        "on across it, as figures for the Penn Treebank and WikiText are computed",
        choices=("stream", "line", "eos"),
    )


#: The name for `DataConfig.vocab` that is no file but means every word of the training text.
ALL_WORDS = "all"


@dataclass(frozen=True)
class DataConfig(Checked):
    """The options of reading text, of the vocabulary and of held-out text."""

    valid_fraction: float | None = option(
        None,
        "share of the units (lines, or blocks of the stream) held out at random for validation when there is no "
        "--valid (0.05 if neither is given)",
        above=0.0,
        below=1.0,
        metavar="F",
    )
    vocab_size: int = option(
        16384, "largest vocabulary, special tokens included; the most frequent words stay", low=4, metavar="N"
    )
    min_count: int = option(2, "words seen less often in training become <unk>", low=1, metavar="N")
    vocab: str | None = option(
        None,
        "take the words from FILE, one a line, instead (all: every word of the training text); --vocab-size and "
        "--min-count do not apply",
        metavar="FILE",
    )
    encoding: str = option("utf-8", "character encoding of the text files", metavar="NAME")

    def __post_init__(self) -> None:
        if _is_size(self.vocab):
            raise ConfigError(
                f"{option_name('vocab')} must be a file of words, got {shown(self.vocab)}, which is none; the size of "
                f"a vocabulary is given with {option_name('vocab_size')}"
            )
        super().__post_init__()
        for name in ("vocab_size", "min_count"):
            if self.vocab is not None and getattr(self, name) != getattr(DataConfig, name):
                raise ConfigError(
                    f"{option_name(name)} must not be given together with {option_name('vocab')}, got "
                    f"{getattr(self, name)!r}"
                )


def _is_size(vocab: object) -> bool:
    """Tell whether a number stands where the file of a vocabulary should."""
    if is_number(vocab):
        return True
    if not isinstance(vocab, str) or re.fullmatch(r"[0-9][0-9_.,]*[kKmM]?", vocab) is None:
        return False
    return not os.path.exists(vocab)
