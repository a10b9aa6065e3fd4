"""Text to tokens and back. Nothing here knows a vocabulary.

Marks that are written in a text, ``<s>``, ``</s>`` and ``<unk>``, and in the ``eos`` boundary ``<eos>``, are tokens of
their own where they stand between blanks; `fflm.text.marks` says what they mean. For the tokenizer ``char`` they are
the characters they are made of.
"""

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
from typing import TYPE_CHECKING, Any, TypeVar

from fflm.config import TokenizerConfig, make
from fflm.errors import ConfigError, TextError, option_name
from fflm.runtime.cores import available_cores

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

#: The token that stands for the end of a line in what :meth:`Tokenizer.tokens` returns.
LINE_END = "\n"
#: The word that the end of a line is in the ``eos`` boundary.
END_WORD = "<eos>"

#: Treebank tokenising is slow: from this many characters on it is divided among processes.
PARALLEL_CHARACTERS = 2**20

_ATTACH_LEFT = frozenset(".,;:!?)]}%\u2019\u201d\u2026\u00bb")
_ATTACH_RIGHT = frozenset("([{$#@\u00a3\u20ac\u201c\u2018\u00ab\u00bf\u00a1")
_ATTACH_BOTH = frozenset("-/\u2013\u2014")
_CLITICS = frozenset(["s", "t", "d", "m", "ll", "re", "ve", "S", "T", "D", "M", "LL", "RE", "VE"])


class Tokenizer:
    """Cut text into tokens, and join tokens for display, as a :class:`~fflm.config.TokenizerConfig` says.

    - ``word``: runs of letters, digits, combining marks and underscores, with inner apostrophes (``don't`` is one
      token) and soft hyphens; a literal ``<unk>``; ``<s>`` and ``</s>`` between blanks; an emoji with all that
      belongs to it (skin tone, joined emoji, flag, keycap; Unicode Technical Standard 51, section 1.4.9); every other
      visible character is a token of its own.
    - ``treebank``: NLTK's ``NLTKWordTokenizer``, line by line; it expects one sentence a line, as only a full stop
      at the end of the line, or before ``</s>``, is cut off. Marks between blanks are tokens.
    - ``whitespace``: what stands between the blanks of ASCII, for text that is already tokenised. Other blanks, such as
      the no-break space, may stand in words: so other tools for n-grams and word vectors cut text, too.
    - ``char``: every character. A line end is a token in the boundaries ``stream`` and ``eos``, and ends the line in
      ``line``.

    Two tokenizers are equal if they cut every text alike.

    Parameters
    ----------
    config : TokenizerConfig
    old : bool
        For models that were stored before ``whitespace`` cut at ASCII blanks alone, and before ``word`` kept sequences
        of emoji and words with soft hyphens whole: cut as it was done then.

    Examples
    --------
    >>> from fflm.config import TokenizerConfig
    >>> Tokenizer(TokenizerConfig(lowercase=True)).tokens("Don't ask: it's 42.")
    ["don't", 'ask', ':', "it's", '42', '.']
    """

    def __init__(self, config: TokenizerConfig, old: bool = False):
        self.config = config
        self.old = old and config.tokenizer in _REVISIONS
        self._cut = (_OLD_CUTTERS if self.old else _CUTTERS)[config.tokenizer]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tokenizer) and self.state() == other.state()

    def __hash__(self) -> int:
        return hash(self.config)

    def state(self) -> dict[str, Any]:
        """Return all that makes this tokenizer, learned things included, as the plain JSON values of a model file.

        Examples
        --------
        >>> Tokenizer(TokenizerConfig(tokenizer="whitespace")).state()["blanks"]
        'ascii'
        """
        state = self.config.to_dict()
        if self.config.tokenizer in _REVISIONS and not self.old:  # in older files it is missing
            name, now, _ = _REVISIONS[self.config.tokenizer]
            state[name] = now
        return state

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Tokenizer:
        """Make the tokenizer that has this state.

        Raises
        ------
        ConfigError, TypeError
            If `state` is not the state of a tokenizer.

        Examples
        --------
        >>> tokenizer = Tokenizer(TokenizerConfig(boundary="line"))
        >>> Tokenizer.from_state(tokenizer.state()) == tokenizer
        True
        """
        options, old = dict(state), False
        if options.get("tokenizer") not in _CUTTERS:  # refused below for that, whatever else there is
            for name, _, _ in _REVISIONS.values():
                options.pop(name, None)
        elif options["tokenizer"] in _REVISIONS:
            name, now, before = _REVISIONS[options["tokenizer"]]
            value = options.pop(name, before)
            if value not in (now, before):
                raise ConfigError(f"{name} must be {now} or {before}, got {value!r}")
            old = value == before
        return cls(make(TokenizerConfig, options, complete=True), old)

    @property
    def end_word(self) -> str | None:
        """The word that the end of a line is in the ``eos`` boundary, None in another one.

        It is ``<eos>``; to ``char`` it is the line end, which is a character like any other.

        Examples
        --------
        >>> Tokenizer(TokenizerConfig(boundary="eos")).end_word
        '<eos>'
        """
        if self.config.boundary != "eos":
            return None
        return LINE_END if self.config.tokenizer == "char" else END_WORD

    def learn(self, blocks: Iterable[str]) -> Tokenizer:
        """Return the tokenizer that has learned from a text in blocks. These kinds learn nothing and read none of it.

        Examples
        --------
        >>> tokenizer = Tokenizer(TokenizerConfig())
        >>> tokenizer.learn(["some text"]) is tokenizer
        True
        """
        return self

    def normalize(self, text: str) -> str:
        """Put `text` into lower case and 0 for every digit, where the configuration asks for it.

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

    def tokens(self, text: str) -> list[str]:
        """Cut `text` into tokens; in the boundaries ``line`` and ``eos`` a token ``"\\n"`` marks each line end.

        Examples
        --------
        >>> Tokenizer(TokenizerConfig(boundary="line")).tokens("One.\\nTwo.\\n")
        ['One', '.', '\\n', 'Two', '.', '\\n']
        """
        return self._cut(self.normalize(text), self.config.boundary)

    def tokens_of_blocks(self, blocks: Iterable[str]) -> Iterator[list[str]]:
        """Cut each block into tokens, in order; ``treebank`` uses every core for a large text."""
        blocks = iter(blocks)
        head: list[str] = []
        if self.config.tokenizer == "treebank" and _can_fork():
            while sum(map(len, head)) <= PARALLEL_CHARACTERS and (block := next(blocks, None)) is not None:
                head.append(block)
        blocks = chain(head, blocks)
        if sum(map(len, head)) > PARALLEL_CHARACTERS:
            return _map_in_processes(self.tokens, blocks)
        return map(self.tokens, blocks)

    def join(self, tokens: Sequence[str]) -> str:
        """Join `tokens` for display: spaces as a reader expects them, not necessarily those of the original.

        Examples
        --------
        >>> Tokenizer(TokenizerConfig()).join("Hello , world . It ' s ( almost ) 3 . 5 % .".split())
        "Hello, world. It's (almost) 3.5%."
        >>> Tokenizer(TokenizerConfig(boundary="eos")).join("One . <eos> Two .".split())
        'One.\\nTwo.'
        """
        if self.config.tokenizer == "char":
            return "".join(tokens)
        lines: list[list[str]] = [[]]
        for token in tokens:
            if token in (LINE_END, self.end_word):
                lines.append([])
            else:
                lines[-1].append(token)
        return LINE_END.join(map(_JOINERS[self.config.tokenizer], lines))


def _marks(boundary: str) -> str:
    """Return a pattern of the marks of boundaries, where blanks stand on both sides."""
    marks = ("<s>", "</s>", END_WORD) if boundary == "eos" else ("<s>", "</s>")
    return "|".join(rf"{mark}(?<!\S{mark})(?!\S)" for mark in marks)


_UNKNOWN = re.compile(r"<unk>(?<!\S<unk>)(?!\S)")


@functools.cache
def _word_pattern(boundary: str, old: bool = False) -> re.Pattern[str]:
    # Python's \w has no combining marks: without them Hindi words and decomposed accents would fall apart. NLTK's
    # RegexpTokenizer is not used: since NLTK 3.10 it compiles with another engine under a timer, which is four times
    # slower and has another \w, so a stored model would read text differently under different NLTK versions.
    characters = map(chr, range(0x300, 0x10000))
    marks = "".join(c for c in characters if unicodedata.category(c).startswith("M")) + "\u200c\u200d"
    end = "" if boundary == "stream" else "|\\n"
    marks, emoji = (marks, "") if old else (marks + "\u00ad", f"|{_emoji_sequence()}")
    return re.compile(rf"\w+(?:[{marks}]+\w*|['\u2019]\w+)*|<unk>|{_marks(boundary)}{emoji}|[^\w\s]{end}")


def _emoji_sequence() -> str:
    """Return a pattern of an emoji of several characters: a flag, a keycap, or emoji modified, tagged and joined."""
    one = "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u23ff\u24c2\u25a0-\u27bf\u2900-\u297f\u2b00-\u2bff"
    one += "\u3030\u303d\u3297\u3299\U0001f000-\U0001f1e5\U0001f200-\U0001faff]"
    tags = "[\U000e0020-\U000e007e]+\U000e007f"
    element = f"{one}(?:[\U0001f3fb-\U0001f3ff]|\ufe0f\u20e3?|\ufe0e|{tags})?"
    return f"[\U0001f1e6-\U0001f1ff]{{2}}|[#*]\ufe0f?\u20e3|{element}(?:\u200d{element})*"


@functools.cache
def _treebank() -> Any:
    from nltk.tokenize import NLTKWordTokenizer

    return NLTKWordTokenizer()


def _cut_word(text: str, boundary: str) -> list[str]:
    return _word_pattern(boundary).findall(text)


def _cut_word_old(text: str, boundary: str) -> list[str]:
    return _word_pattern(boundary, old=True).findall(text)


_ASCII_WORDS = re.compile(r"[^\t\n\v\f\r ]+")
_ASCII_WORDS_AND_ENDS = re.compile(r"[^\t\n\v\f\r ]+|\n")


def _cut_whitespace(text: str, boundary: str) -> list[str]:
    return (_ASCII_WORDS if boundary == "stream" else _ASCII_WORDS_AND_ENDS).findall(text)


def _cut_unicode(text: str, boundary: str) -> list[str]:
    return text.split() if boundary == "stream" else re.findall(r"\S+|\n", text)


def _cut_char(text: str, boundary: str) -> list[str]:
    return list(text)


@functools.cache
def _treebank_marks(boundary: str) -> re.Pattern[str]:
    return re.compile(rf"({_marks(boundary)})")


def _cut_treebank(text: str, boundary: str) -> list[str]:
    marks, line_ends = _treebank_marks(boundary), boundary != "stream"
    tokens: list[str] = []
    for line in text.split("\n"):
        try:
            # Every second part is a mark: what the group of the pattern has caught.
            for place, part in enumerate(marks.split(line)):
                tokens += [part] if place % 2 else _treebank_tokens(part)
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


def _treebank_tokens(text: str) -> list[str]:
    """Cut a sentence into tokens; ``<unk>``, which NLTK would cut in three, is put in afterwards."""
    if _UNKNOWN.search(text) is None:
        return _treebank().tokenize(text)
    placeholder = next(char for char in map(chr, range(0xE000, 0xF900)) if char not in text)
    return ["<unk>" if t == placeholder else t for t in _treebank().tokenize(_UNKNOWN.sub(placeholder, text))]


_CUTTERS: dict[str, Callable[[str, str], list[str]]] = {
    "word": _cut_word,
    "treebank": _cut_treebank,
    "whitespace": _cut_whitespace,
    "char": _cut_char,
}
_OLD_CUTTERS: dict[str, Callable[[str, str], list[str]]] = {"whitespace": _cut_unicode, "word": _cut_word_old}
#: What has changed in a tokenizer: the name of the change in a model file, its value now, and that of older files,
#: which lack it.
_REVISIONS = {"whitespace": ("blanks", "ascii", "unicode"), "word": ("sequences", "whole", "cut")}


def _can_fork() -> bool:
    # Only a forked process needs no __main__ guard in the caller's script; on macOS forking is not safe.
    return sys.platform == "linux" and available_cores() > 1 and not multiprocessing.current_process().daemon


def _map_in_processes(function: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
    """Map `function` over `items` in forked processes, few items ahead; what a process can't do is done here."""
    from concurrent.futures import BrokenExecutor, ProcessPoolExecutor

    workers = available_cores()
    pending: deque[tuple[Future[_Result] | None, _Item]] = deque()

    def next_result() -> _Result:
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
                yield next_result()
        while pending:
            yield next_result()


def _submit(pool: Executor, function: Callable[[_Item], _Result], item: _Item) -> Future[_Result] | None:
    try:
        with warnings.catch_warnings():
            # Python 3.12 warns of forking beside threads; the child runs regular expressions only and takes no lock.
            warnings.simplefilter("ignore", DeprecationWarning)
            return pool.submit(function, item)
    except (RuntimeError, OSError):
        return None


def _join_treebank(tokens: Sequence[str]) -> str:
    from nltk.tokenize.treebank import TreebankWordDetokenizer

    return TreebankWordDetokenizer().detokenize(list(tokens))


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


_JOINERS: dict[str, Callable[[Sequence[str]], str]] = {
    "word": _attach_punctuation,
    "treebank": _join_treebank,
    "whitespace": " ".join,
}
