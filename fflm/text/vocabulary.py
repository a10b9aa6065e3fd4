"""The words a model knows, and their ids."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import ClassVar, Protocol

import numpy as np

from fflm.errors import TextError, option_name, shown
from fflm.text.sources import read_blocks

SPECIALS = ("<unk>", "<s>", "</s>")
BLANKS = " \t\v\f\r"
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")


class Spelling(Protocol):
    """The protocol of spelling models: P(spelling | a word that is not in the vocabulary)."""

    learned: Sequence[str]

    def log_probs(self, words: Sequence[str]) -> np.ndarray:
        """Compute natural log P of each of N words that are not in the vocabulary: (N,) float64."""

    def draw(self, generator: np.random.Generator) -> str:
        """Draw a word that is not in the vocabulary."""


class Vocabulary:
    """Words and their ids: 0 is ``<unk>``, 1 ``<s>``, 2 ``</s>``, then the words.

    Parameters
    ----------
    words : sequence of str
        All words in the order of their ids, the three special tokens first.
    counts : (V,) int64, optional
        How often each occurred in training, ``<unk>`` and ``</s>`` included; zeros where unknown.
    spelling : Spelling, optional
        How words are spelled that are not in the vocabulary (`fflm.lm.spelling`); None in models that have none.

    Raises
    ------
    TextError
        No special tokens in front, a word that stands twice, no word beyond the special tokens, or counts of
        another length.

    Examples
    --------
    >>> vocabulary = Vocabulary(["<unk>", "<s>", "</s>", "the", "cat"])
    >>> vocabulary.encode(["the", "dog"]).tolist()
    [3, 0]
    """

    UNK: ClassVar[int] = 0
    BOS: ClassVar[int] = 1
    EOS: ClassVar[int] = 2

    def __init__(
        self,
        words: Sequence[str],
        counts: Sequence[int] | np.ndarray | None = None,
        spelling: Spelling | None = None,
    ):
        self.words, self.spelling = list(words), spelling
        if tuple(self.words[:3]) != SPECIALS:
            raise TextError(f"words must begin with {', '.join(SPECIALS)}, got {shown(self.words[:3])}")
        if len(self.words) == 3:
            raise TextError(
                "vocabulary must have a word besides <unk>, <s> and </s>, got none; lower "
                f"{option_name('min_count')} or read more text"
            )
        self.counts = np.zeros(len(self.words), np.int64) if counts is None else np.asarray(counts, np.int64)
        if self.counts.shape != (len(self.words),):
            raise TextError(f"counts must have shape ({len(self.words)},), got {self.counts.shape}")
        self._ids = dict(zip(self.words, range(len(self.words)), strict=True))
        if len(self._ids) < len(self.words):
            word = next(word for i, word in enumerate(self.words) if self._ids[word] != i)
            raise TextError(f"words must differ from each other, got {shown(word)} twice")
        # The boundary marks are no words: `fflm.text.marks` says what they are in a text.
        self._ids["<s>"] = self._ids["</s>"] = self.UNK

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return isinstance(word, str) and self.id(word) != self.UNK

    def __repr__(self) -> str:
        return f"Vocabulary({len(self)} words)"

    def id(self, word: str) -> int:
        """Return the id of a token of text: 0 if it is unknown, or a literal ``<unk>``, ``<s>`` or ``</s>``.

        Examples
        --------
        >>> Vocabulary(["<unk>", "<s>", "</s>", "the"]).id("the")
        3
        """
        return self._ids.get(word, self.UNK)

    def encode(self, tokens: Iterable[str]) -> np.ndarray:
        """Encode `tokens` as ids (N,) int32.

        Examples
        --------
        >>> Vocabulary(["<unk>", "<s>", "</s>", "the"]).encode(["the", "</s>"])
        array([3, 0], dtype=int32)
        """
        return np.fromiter(map(self._ids.get, tokens, repeat(self.UNK)), np.int32)

    @classmethod
    def from_counts(
        cls,
        words: Sequence[str],
        counts: Sequence[int] | np.ndarray,
        *,
        size: int,
        min_count: int,
        first: str | None = None,
    ) -> Vocabulary:
        """Take the most frequent words; equally frequent ones in the order of their characters' code points.

        Parameters
        ----------
        words : sequence of str
            Different words in any order; the special tokens may be among them.
        counts : sequence of int
            How often each occurred. What is not taken counts as ``<unk>``.
        size : int
            Most words, the three special tokens and `first` included.
        min_count : int
            Words seen less often are left out.
        first : str, optional
            A word that stands before the others, whatever its count.

        Raises
        ------
        TextError
            If no other word is left.

        Examples
        --------
        >>> vocabulary = Vocabulary.from_counts(["b", "a", "c"], [2, 2, 1], size=10, min_count=2)
        >>> vocabulary.words[3:], vocabulary.counts.tolist()
        (['a', 'b'], [1, 0, 0, 2, 2])
        >>> Vocabulary.from_counts(["b", "<eos>"], [2, 1], size=10, min_count=2, first="<eos>").words[3:]
        ['<eos>', 'b']
        """
        pairs = [(-int(n), word) for word, n in zip(words, counts, strict=True)]
        boundary = -sum(n for n, word in pairs if word == "</s>")
        total = -sum(n for n, _ in pairs)
        taken = SPECIALS if first is None else (*SPECIALS, first)
        best = sorted(pair for pair in pairs if -pair[0] >= max(min_count, 1) and pair[1] not in taken)
        if not best:
            raise TextError(
                f"vocabulary must have a word besides <unk>, <s> and </s>, got none seen at least {min_count} times; "
                f"lower {option_name('min_count')} or read more text"
            )
        best = best[: max(size - len(taken), 0)]
        if first is not None:
            best = [(sum(n for n, word in pairs if word == first), first), *best]
        known = [-n for n, _ in best]
        return cls([*SPECIALS, *(word for _, word in best)], [total - boundary - sum(known), 0, boundary, *known])

    @classmethod
    def from_file(cls, path: str, encoding: str = "utf-8", first: str | None = None) -> Vocabulary:
        """Read the words of a text file, one a line, in its order; empty lines and special tokens are passed over.

        The word `first` stands before the others, whether the file has it or not.

        A number may stand before or after each word, as tools print counts: then it does on every line, and is passed
        over too. Other words with blanks inside are refused: no tokenizer makes them.

        Raises
        ------
        TextError
            A file that can't be read or has no words, a word that stands on two lines, or a line with several words.

        Examples
        --------
        >>> with open("counts.txt", "w") as file:
        ...     _ = file.write("the 12\\nof 7\\n")
        >>> Vocabulary.from_file("counts.txt").words
        ['<unk>', '<s>', '</s>', 'the', 'of']
        """
        lines = "".join(read_blocks(path, encoding)).split("\n")
        seen: dict[str, int] = {}
        for number, word in _words_of_lines(path, lines):
            if word in seen:
                raise TextError(
                    f"{option_name('vocab')} {shown(path)} must list a word once, got {shown(word)} on lines "
                    f"{seen[word]} and {number}"
                )
            seen[word] = number
        words = [word for word in seen if word not in (*SPECIALS, first)]
        if not words:
            raise TextError(
                f"{option_name('vocab')} {shown(path)} must list at least one word, got none; write one word a line"
            )
        return cls([*SPECIALS, *([] if first is None else [first]), *words])


def _words_of_lines(path: str, lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield the number and the word of each line that has one, without its count."""
    # A blank alone is a word of the tokenizer char; a no-break space may stand in words.
    rows = [(number, line.strip(BLANKS) or line) for number, line in enumerate(lines, start=1) if line]
    fields = [re.split(f"[{BLANKS}]+", word) if word.strip(BLANKS) else [word] for _, word in rows]
    column = None
    if fields and all(len(parts) == 2 for parts in fields):
        counted = [all(_NUMBER.fullmatch(parts[i]) for parts in fields) for i in (1, 0)]
        column = 0 if counted[0] else 1 if counted[1] else None
    for (number, word), parts in zip(rows, fields, strict=True):
        if len(parts) > 1 and column is None:
            raise TextError(
                f"vocab {path!r} must list one word a line, or on every line a word and its count, got {word[:60]!r} "
                f"on line {number}"
            )
        yield number, word if column is None else parts[column]
