"""What training, counting and mixing have in common."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np

from fflm.config import TokenizerConfig
from fflm.errors import ConfigError, FflmError
from fflm.evaluation.perplexity import evaluate
from fflm.lm import LanguageModel
from fflm.model_file import check_name, load_model
from fflm.runtime.progress import Bar, say
from fflm.text import Note, Tokenizer, TokenStream, Vocabulary

PROMPT_WORDS = 5


def prompts(lm: LanguageModel, ids: np.ndarray) -> list[str]:
    """Three beginnings for samples: known words of the validation text, from its first, second and last third."""
    size = max(1, min(lm.reach, PROMPT_WORDS))  # a model of single words looks at none
    if lm.tokenizer.config.boundary == "line" or len(ids) < size:
        return ["", "", ""]
    known = np.convolve(ids == Vocabulary.UNK, np.ones(size, int), "valid") == 0
    starts = [len(known) * i // 6 for i in (1, 3, 5)]
    starts = [start + int(np.argmax(known[start:])) for start in starts]
    return [lm.tokenizer.join([lm.vocabulary.words[i] for i in ids[s : s + size]]) for s in starts]


def names(sources) -> list[str] | None:
    """One source or several, as a list of their names."""
    if sources is None:
        return None
    if isinstance(sources, (str, os.PathLike)):
        return [os.fspath(sources)]
    if not isinstance(sources, (list, tuple)):
        raise ConfigError(f"sources must be paths or names of corpora, got {sources!r}")
    return [name for source in sources for name in names(source) or [""]]


def check_new_file(path: str | Path | None) -> None:
    """Refuse, before any work, a file that can't be written or would replace another one.

    Raises
    ------
    FflmError
        If it exists, or its folder does not.
    """
    if path is None:
        return
    if not Path(path).name:
        raise FflmError(f"the file to write must have a name, got {os.fspath(path)!r}")
    try:
        if Path(path).exists():
            raise FflmError(f"{path} exists already; choose another name, or remove it first")
        if not Path(path).absolute().parent.is_dir():
            raise FflmError(f"can't write {path}: there is no folder {Path(path).parent}")
    except (OSError, ValueError) as error:
        raise FflmError(f"can't write {path}: {getattr(error, 'strerror', None) or error}") from error


def check_new_model(path: str | Path | None) -> None:
    """The same of a model file; a name under which it would be taken for an ARPA file is refused too."""
    if path is not None:
        check_name(path)
    check_new_file(path)


def taken_from(path: str | Path, options: dict) -> tuple[Vocabulary, Tokenizer]:
    """Vocabulary and tokenizer of a model, where `options` ask for no others.

    Raises
    ------
    ConfigError
        If they do.
    """
    own = {"vocab", "vocab_size", "min_count"} | {item.name for item in fields(TokenizerConfig)}
    for name in options:
        if name in own:
            raise ConfigError(f"{name} must not be given together with vocab_of: that model's is taken")
    model = load_model(path)
    return model.vocabulary, model.tokenizer


def tell(warnings: Sequence[Note], quiet: bool) -> None:
    """Say warnings at once, on stderr; they stand in the report too."""
    if not quiet:
        for warning in warnings:
            say(str(warning))


def evaluated(model: LanguageModel, text: TokenStream | None, quiet: bool) -> dict | None:
    """The report of `fflm.evaluate` on a text, as plain JSON values; None without a text."""
    if text is None:
        return None
    with Bar(len(text), "perplexity", not quiet) as bar:
        return evaluate(model, text, bar.advance).to_dict()
