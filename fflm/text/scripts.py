"""Text whose script has no spaces between words: Chinese, Japanese, Thai, Lao, Khmer, Burmese."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from fflm.text.notes import Note
from fflm.text.tokenizer import Tokenizer

#: Characters of these scripts, and how many of them make a word on average.
SCRIPTS = (
    (
        re.compile(
            "[\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
        ),
        2,
    ),
    (re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]"), 4),
)
#: A text has no spaces between words if its tokens with such characters are on average longer than so many words ...
WORDS_A_TOKEN = 2.5
#: ... and hold at least this share of its characters.
SHARE = 0.2


def unspaced_notes(words: Sequence[str], counts: np.ndarray, tokenizer: Tokenizer) -> list[Note]:
    """Warn of a text without spaces between words, of which a tokenizer of words makes one word a clause.

    Parameters
    ----------
    words : sequence of str
        The different tokens of the text.
    counts : (len(words),) int64
        How often each occurs.
    tokenizer : Tokenizer

    Examples
    --------
    >>> from fflm.config import TokenizerConfig
    >>> words, counts = ["\u6628\u5929\u6211\u4eec\u5728\u56fe\u4e66\u9986", "."], np.array([3, 3])
    >>> [note.is_warning for note in unspaced_notes(words, counts, Tokenizer(TokenizerConfig()))]
    [True]
    >>> unspaced_notes(words, counts, Tokenizer(TokenizerConfig(tokenizer="char")))
    []
    """
    name = tokenizer.config.tokenizer
    if name == "char":
        return []
    characters = total = tokens = size = 0.0
    for word, count in zip(words, counts.tolist(), strict=True):
        total += count * len(word)
        if word.isascii() or not count:
            continue
        found = [len(pattern.findall(word)) for pattern, _ in SCRIPTS]
        if any(found):
            tokens += count
            characters += count * sum(found)
            size += count * sum(number / usual for number, (_, usual) in zip(found, SCRIPTS, strict=True))
    if characters < SHARE * total or size <= WORDS_A_TOKEN * tokens or not tokens:
        return []
    text = (
        f"the text has no spaces between words, so the tokenizer {name} makes words of {characters / tokens:.1f} "
        "characters on average, whole clauses; take the tokenizer char"
    )
    return [Note(text, is_warning=True)]
