"""Where the tokens and the words of a text stand in it: places of characters, from 0 on, the end not included."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence

import numpy as np

from fflm.errors import TextError, shown
from fflm.text.tokenizer import Tokenizer

Span = tuple[int, int]
_WORD = re.compile(r"\S+")
#: What the tokenizer `treebank` makes of a double quote.
_QUOTES = ("``", "''")


def token_spans(text: str, tokenizer: Tokenizer) -> list[tuple[str, Span]]:
    """Cut a text of one line into tokens, and find where each stands.

    Raises
    ------
    TextError
        If a token can't be found in the text.

    Examples
    --------
    >>> from fflm.config import TokenizerConfig
    >>> token_spans("It ended.", Tokenizer(TokenizerConfig(lowercase=True)))
    [('it', (0, 2)), ('ended', (3, 8)), ('.', (8, 9))]
    """
    normal = tokenizer.normalize(text)
    places = np.arange(len(text) + 1)
    if len(normal) != len(text):  # of some letters, such as a capital I with a dot, the lower case is two characters
        sizes = [len(tokenizer.normalize(character)) for character in text]
        if sum(sizes) != len(normal):
            raise TextError(f"the places of words can't be found in {shown(text)}")
        places = np.append(np.repeat(np.arange(len(text)), sizes), len(text))
    blanks_are_tokens = tokenizer.config.tokenizer == "char"
    found, at = [], 0
    for token in tokenizer.tokens(text):
        while not blanks_are_tokens and at < len(normal) and normal[at].isspace() and not normal.startswith(token, at):
            at += 1
        size = len(token)
        if not normal.startswith(token, at):
            if token not in _QUOTES or not normal.startswith('"', at):
                raise TextError(f"the place of {shown(token)} can't be found in {shown(text)}")
            size = 1
        found.append((token, (int(places[at]), int(places[at + size - 1]) + 1)))
        at += size
    return found


def word_spans(text: str, cuts: Sequence[Sequence[Span]], apart: bool) -> list[Span]:
    """Find the words of a text: what stands between blanks, unless a token goes on across the blank.

    Parameters
    ----------
    text : str
    cuts : sequence of sequences of Span
        Where the tokens of some tokenizers stand.
    apart : bool
        Make marks at the beginning and the end of a word words of their own, where all the tokenizers cut there.

    Examples
    --------
    >>> word_spans('"It ended."', [[(0, 1), (1, 3), (4, 9), (9, 10), (10, 11)]], apart=True)
    [(0, 1), (1, 3), (4, 9), (9, 10), (10, 11)]
    >>> word_spans('"It ended."', [[(0, 1), (1, 3), (4, 9), (9, 10), (10, 11)]], apart=False)
    [(0, 3), (4, 11)]
    """
    words: list[Span] = []
    starts = [[first for first, _ in spans] for spans in cuts]
    for match in _WORD.finditer(text):
        first, last = match.span()
        if words and any(bisect_left(one, first) == bisect_left(one, last) for one in starts):
            words[-1] = words[-1][0], last
        else:
            words.append((first, last))
    if not apart:
        return words
    possible = set.intersection(*({first for first, _ in spans} for spans in cuts)) if cuts else set()
    parts: list[Span] = []
    for first, last in words:
        begin, end = first, last
        while begin < last and not text[begin].isalnum():
            begin += 1
        while end > begin and not text[end - 1].isalnum():
            end -= 1
        edges = [*range(first + 1, begin + 1), *range(max(end, first + 1), last)]
        cut = [first, *sorted(set(edges) & possible), last]
        parts += [(a, b) for a, b in zip(cut, cut[1:], strict=False) if b > a]
    return parts
