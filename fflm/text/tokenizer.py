"""Text to tokens and back. Nothing here knows a vocabulary."""

from __future__ import annotations

import functools
import multiprocessing
import re
import sys
import unicodedata
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from fflm.config import TokenizerConfig
from fflm.errors import TextError, option_name
from fflm.runtime.cores import available_cores

#: The token which stands for the end of a line in what :meth:`Tokenizer.tokenize_block` returns.
LINE_END = "\n"

#: Treebank tokenising is slow: from this many characters on it is divided among processes.
PARALLEL_CHARACTERS = 2**20

_ATTACH_LEFT = frozenset(".,;:!?)]}%\u2019\u201d\u2026\u00bb")
_ATTACH_RIGHT = frozenset("([{$#@\u00a3\u20ac\u201c\u2018\u00ab\u00bf\u00a1")
_ATTACH_BOTH = frozenset("-/\u2013\u2014")
_CLITICS = frozenset(["s", "t", "d", "m", "ll", "re", "ve", "S", "T", "D", "M", "LL", "RE", "VE"])


class Tokenizer:
    """Cut text into tokens, and join tokens for display, as a :class:`~fflm.config.TokenizerConfig` says.

    - ``word``: runs of letters, digits, combining marks and underscores, with inner apostrophes (``don't`` is one
      token); a literal ``<unk>``; every other visible character is a token of its own.
    - ``treebank``: NLTK's ``NLTKWordTokenizer``, line by line; it expects one sentence a line, as only a full stop
      at the end of the line is cut off.
    - ``whitespace``: what stands between white space, for text that is already tokenised.
    - ``char``: every character. A line end is a token in the ``stream`` boundary, and none in ``line``.

    Examples
    --------
    >>> from fflm.config import TokenizerConfig
    >>> Tokenizer(TokenizerConfig(lowercase=True)).tokenize("Don't ask: it's 42.")
    ["don't", 'ask', ':', "it's", '42', '.']
    """

    def __init__(self, config: TokenizerConfig):
        self.config = config
        self._cut = _CUTTERS[config.tokenizer]

    def normalize(self, text: str) -> str:
        """`text` in lower case and with 0 for every digit, where the configuration asks for it.

        Examples
        --------
        >>> Tokenizer(TokenizerConfig(digits_to_zero=True)).normalize("In 1984")
        'In 0000'
        """
        if self.config.lowercase:
            text = text.lower()
        if self.config.digits_to_zero:
            text = re.sub(r"\d", "0", text)
        return text

    def tokenize(self, text: str) -> list[str]:
        """The tokens of `text`; in the ``line`` boundary its line ends only separate.

        Examples
        --------
        >>> Tokenizer(TokenizerConfig(tokenizer="char")).tokenize("a b")
        ['a', ' ', 'b']
        """
        tokens = self._cut(self.normalize(text), False)
        if self.config.tokenizer == "char" and self.config.boundary == "line":
            tokens = [token for token in tokens if token != LINE_END]
        return tokens

    def tokenize_block(self, text: str) -> list[str]:
        """The tokens of `text`; in the ``line`` boundary a token ``"\\n"`` marks each line end.

        Examples
        --------
        >>> Tokenizer(TokenizerConfig(boundary="line")).tokenize_block("One.\\nTwo.\\n")
        ['One', '.', '\\n', 'Two', '.', '\\n']
        """
        return self._cut(self.normalize(text), self.config.boundary == "line")

    def tokenize_blocks(self, blocks: Iterable[str]) -> Iterator[list[str]]:
        """:meth:`tokenize_block` of each block, in order; ``treebank`` uses every core for a large text."""
        blocks = iter(blocks)
        head: list[str] = []
        if self.config.tokenizer == "treebank" and _can_fork():
            while sum(map(len, head)) <= PARALLEL_CHARACTERS and (block := next(blocks, None)) is not None:
                head.append(block)
        blocks = chain(head, blocks)
        if sum(map(len, head)) > PARALLEL_CHARACTERS:
            return _map_in_processes(self.tokenize_block, blocks)
        return map(self.tokenize_block, blocks)

    def detokenize(self, tokens: Sequence[str]) -> str:
        """Join `tokens` for display: spaces as a reader expects them, not necessarily those of the original.

        Examples
        --------
        >>> Tokenizer(TokenizerConfig()).detokenize("Hello , world . It ' s ( almost ) 3 . 5 % .".split())
        "Hello, world. It's (almost) 3.5%."
        """
        kind = self.config.tokenizer
        if kind == "char":
            return "".join(tokens)
        if kind == "whitespace":
            return " ".join(tokens)
        if kind == "treebank":
            from nltk.tokenize.treebank import TreebankWordDetokenizer

            return TreebankWordDetokenizer().detokenize(list(tokens))
        return _attach_punctuation(tokens)


@functools.cache
def _word_pattern(line_ends: bool) -> re.Pattern:
    # Python's \w has no combining marks: without them Hindi words and decomposed accents would fall apart. NLTK's
    # RegexpTokenizer is not used: since NLTK 3.10 it compiles with another engine under a timer, which is four times
    # slower and has another \w, so a stored model would read text differently under different NLTK versions.
    marks = [chr(c) for c in range(0x300, 0x10000) if unicodedata.category(chr(c)).startswith("M")]
    marks = "".join(marks) + "\u200c\u200d"
    end = "|\\n" if line_ends else ""
    return re.compile(rf"\w+(?:[{marks}]+\w*|['\u2019]\w+)*|<unk>|[^\w\s]{end}")


@functools.cache
def _treebank():
    from nltk.tokenize import NLTKWordTokenizer

    return NLTKWordTokenizer()


def _cut_word(text: str, line_ends: bool) -> list[str]:
    return _word_pattern(line_ends).findall(text)


def _cut_whitespace(text: str, line_ends: bool) -> list[str]:
    return re.findall(r"\S+|\n", text) if line_ends else text.split()


def _cut_char(text: str, line_ends: bool) -> list[str]:
    return list(text)


def _cut_treebank(text: str, line_ends: bool) -> list[str]:
    tokens: list[str] = []
    tokenize = _treebank().tokenize
    for line in text.split("\n"):
        try:
            tokens += tokenize(line)
        except TimeoutError:
            raise TextError(
                f"treebank must finish a line within NLTK's time limit, got a line of {len(line):,} characters; "
                f"break the lines of the text or choose {option_name('tokenizer')} word"
            ) from None
        if line_ends:
            tokens.append(LINE_END)
    if line_ends:
        tokens.pop()
    return tokens


_CUTTERS: dict[str, Callable[[str, bool], list[str]]] = {
    "word": _cut_word,
    "treebank": _cut_treebank,
    "whitespace": _cut_whitespace,
    "char": _cut_char,
}


def _can_fork() -> bool:
    # Only a forked process needs no __main__ guard in the caller's script; on macOS forking is not safe.
    return sys.platform == "linux" and available_cores() > 1 and not multiprocessing.current_process().daemon


def _map_in_processes(function: Callable, items: Iterable) -> Iterator:
    """``map(function, items)`` over forked processes, few items ahead; what a process can't do is done here."""
    from concurrent.futures import BrokenExecutor, ProcessPoolExecutor

    workers = available_cores()
    pending: deque = deque()

    def result():
        future, item = pending.popleft()
        try:
            return function(item) if future is None else future.result()
        except (BrokenExecutor, OSError):
            return function(item)

    try:
        pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("fork"))
    except (OSError, ImportError):
        yield from map(function, items)
        return
    with pool:
        for item in items:
            pending.append((_submit(pool, function, item), item))
            if len(pending) > 2 * workers:
                yield result()
        while pending:
            yield result()


def _submit(pool, function: Callable, item):
    try:
        with warnings.catch_warnings():
            # Python 3.12 warns of forking beside threads; the child runs regular expressions only and takes no lock.
            warnings.simplefilter("ignore", DeprecationWarning)
            return pool.submit(function, item)
    except (RuntimeError, OSError):
        return None


def _attach_punctuation(tokens: Sequence[str]) -> str:
    parts: list[str] = []
    open_quotes: set[str] = set()
    glue = True
    for i, token in enumerate(tokens):
        previous = tokens[i - 1] if i else ""
        following = tokens[i + 1] if i + 1 < len(tokens) else ""
        before = glue or token in _ATTACH_LEFT or token in _ATTACH_BOTH
        glue = token in _ATTACH_RIGHT or token in _ATTACH_BOTH
        if token in ("'", "\u2019") and previous[-1:].isalpha() and following in _CLITICS:
            before = glue = True
        elif token in ('"', "'"):
            closes = token in open_quotes
            open_quotes ^= {token}
            before, glue = before or closes, not closes
        elif token in (".", ",", ":") and previous.isdigit() and following.isdigit():
            glue = token != "," or len(following) == 3
        parts.append(token if before else " " + token)
    return "".join(parts)
