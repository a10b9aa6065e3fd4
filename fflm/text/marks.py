"""Marks written in a text: ``<s>``, ``</s>``, ``<unk>`` as tools for n-grams write them, and ``<eos>`` of benchmarks.

- ``</s>`` ends a unit as the end of a line does: it is predicted, and contexts stop there. At the end of a line it is
  that line's end, not a second one; in the middle of a line the next word begins a new unit.
- ``<s>`` begins a unit and is never predicted, so it adds nothing where a unit begins anyway: at the beginning of a
  text or of a line, or after ``</s>``. Anywhere else it would have to end a unit whose end is not written: it is
  refused.
- ``<unk>`` is an unknown word.
- ``<eos>`` is the end of a line in the ``eos`` boundary, and a word like others elsewhere. At the end of a line it is
  that line's end, not a second one.

What stands between two ends is no unit if it has no words: empty lines are passed over. In the ``eos`` boundary there
are no such units: the end of every line, of an empty one too, is the word ``<eos>``, and contexts run on across it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from fflm.errors import TextError
from fflm.text.tokenizer import END_WORD, LINE_END, Tokenizer
from fflm.text.vocabulary import Vocabulary

#: Ids of the marks while a text is read. The end of a line has that of ``</s>`` already in the ``line`` boundary, and
#: is a NEWLINE in ``eos``.
BEGIN, END, NEWLINE = -1, -2, -3
IDS = {"<unk>": Vocabulary.UNK, "<s>": BEGIN, "</s>": END}

NO_WORDS = frozenset(["<s>", "</s>", LINE_END])


@dataclass
class UnitPlaces:
    """Where the lines of a text stand: of each unit in the ``line`` boundary, and of each file, in their order.

    Attributes
    ----------
    lines : list of (some,) int64
        The number of each unit's line in its file, from 1, in parts.
    files : list of (int, str)
        The first unit of each file, and its name.
    mark_characters : int
        Characters of the marks ``<s>`` and ``</s>`` and of a blank beside each: they are not the text's own.
    """

    lines: list[np.ndarray] = field(default_factory=list)
    files: list[tuple[int, str]] = field(default_factory=list)
    mark_characters: int = 0

    @property
    def units(self) -> int:
        """How many units there are so far."""
        return sum(map(len, self.lines))


class LineEnds(NamedTuple):
    """What the end of a line is in the ``eos`` boundary while a text is read.

    Attributes
    ----------
    word : int
        The id of the word that the end of a line is: ``<eos>``, or the line end itself of the tokenizer ``char``.
    newline : int
        The id with which the end of a line is read: NEWLINE, or, for ``char``, that of the word.
    """

    word: int
    newline: int

    @classmethod
    def of(cls, word_id: Callable[[str], int], tokenizer: Tokenizer) -> LineEnds | None:
        """Return the line ends of a tokenizer, with the id that `word_id` has for the word; None but for ``eos``."""
        if tokenizer.end_word is None:
            return None
        word = word_id(tokenizer.end_word)
        return cls(word, word if tokenizer.end_word == LINE_END else NEWLINE)

    def make_words(
        self, blocks: Iterable[tuple[str, np.ndarray | None]], places: UnitPlaces, complete: bool = True
    ) -> Iterator[tuple[str, np.ndarray | None]]:
        """Make each line end the word, once where a mark that ends the line stands before it.

        Parameters
        ----------
        blocks : iterable of (file, (n,) int32)
            The ids of a text with those of `IDS` for marks and `newline` for line ends, or None as for `end_units`.
        places : UnitPlaces
            The characters of the marks ``<eos>`` are added to it.
        complete : bool
            Whether nothing follows: then the last line gets the end that it may lack.

        Yields
        ------
        file, (n,) int32 or None

        Examples
        --------
        >>> ends, blocks = LineEnds(word=3, newline=NEWLINE), [("a.txt", np.array([4, -3, -3, 5, 3, -3, 4], np.int32))]
        >>> [ids.tolist() for _, ids in ends.make_words(blocks, UnitPlaces())]
        [[4, 3, 3, 5, 3, 4], [3]]
        """
        file, last, marked = "", self.word, False
        for file, ids in blocks:
            if ids is None or not len(ids):
                marked = marked and ids is not None
                yield file, ids
                continue
            written = (ids == self.word) & (ids != self.newline)
            places.mark_characters += int(np.count_nonzero(written)) * len(END_WORD + " ")
            ends = written | (ids == END)
            kept = ids[~((ids == self.newline) & np.concatenate(([marked], ends[:-1])))]
            last, marked = ids[-1], bool(ends[-1])
            yield file, np.where(kept == self.newline, np.int32(self.word), kept)
        if complete and last not in (self.word, self.newline, END):
            yield file, np.array([self.word], np.int32)


def line_end_ids(tokenizer: Tokenizer, vocabulary: Vocabulary) -> tuple[int, ...]:
    """Return the ids in a stream that end a line or a unit: of ``</s>`` and, in the ``eos`` boundary, ``<eos>``.

    Examples
    --------
    >>> from fflm.config import TokenizerConfig
    >>> line_end_ids(Tokenizer(TokenizerConfig(boundary="eos")), Vocabulary(["<unk>", "<s>", "</s>", "<eos>", "red"]))
    (2, 3)
    """
    word = tokenizer.end_word
    return (Vocabulary.EOS,) if word is None else (Vocabulary.EOS, vocabulary.id(word))


def end_units(
    blocks: Iterable[tuple[str, np.ndarray | None]], by_line: bool, places: UnitPlaces, complete: bool = True
) -> Iterator[np.ndarray | None]:
    """Make marks and line ends the ends of units, one for each unit that has words.

    Parameters
    ----------
    blocks : iterable of (file, (n,) int32)
        The ids of a text with those of `IDS` for marks and, in the ``line`` boundary, ``</s>`` for line ends; None
        where a text begins that does not follow what stands before it.
    by_line : bool
        Whether the boundary is ``line``.
    places : UnitPlaces
        What stands where is added to it.
    complete : bool
        Whether nothing follows: then the last line gets the end that it may lack.

    Yields
    ------
    (n,) int32, or None where the blocks have one

    Raises
    ------
    TextError
        If ``<s>`` stands inside a unit.

    Examples
    --------
    >>> places = UnitPlaces()
    >>> blocks = [("a.txt", np.array([2, -1, 3, -2, 2, 4, 5], np.int32))]
    >>> [block.tolist() for block in end_units(blocks, True, places)], places.lines[0].tolist()
    ([[3, 2, 4, 5], [2]], [2])
    """
    last, last_kept, line, done, file = END, Vocabulary.EOS, 1, 0, None
    for name, ids in blocks:
        if name != file:
            file, line, done = name, 1, 0
            places.files.append((places.units, name))
        if ids is None:
            last = END
            yield None
            continue
        if not len(ids):
            continue
        newline = (ids == Vocabulary.EOS) & by_line
        begins, before = ids == BEGIN, np.concatenate(([last], ids[:-1]))
        inside = begins & (before != BEGIN) & (before != END) & ~((before == Vocabulary.EOS) & by_line)
        if inside.any():
            place = int(np.flatnonzero(inside)[0])
            where = f"inside of line {line + int(newline[:place].sum())}" if by_line else f"as token {done + place + 1}"
            raise TextError(
                f"<s> must begin a {'line' if by_line else 'text'} or follow </s>, got it {where} of "
                f"{name!r}; write </s> before it" + ("" if by_line else ", or read the text by lines (boundary line)")
            )
        last, done = ids[-1], done + len(ids)
        for mark, word in ((BEGIN, "<s>"), (END, "</s>")):
            places.mark_characters += int(np.count_nonzero(ids == mark)) * len(word + " ")
        line_of = line + np.cumsum(newline) - newline
        line += int(newline.sum())
        kept = np.where(ids == END, np.int32(Vocabulary.EOS), ids)[~begins]
        line_of = line_of[~begins]
        ends = kept == Vocabulary.EOS
        double = ends & np.concatenate(([last_kept == Vocabulary.EOS], ends[:-1]))
        kept, line_of, ends = kept[~double], line_of[~double], ends[~double]
        if by_line:
            places.lines.append(line_of[ends])
        if len(kept):
            last_kept = kept[-1]
            yield kept
    if by_line and complete and last_kept != Vocabulary.EOS:
        places.lines.append(np.array([line]))
        yield np.array([Vocabulary.EOS], np.int32)


def encode_prompt(text: str, tokenizer: Tokenizer, vocabulary: Vocabulary) -> np.ndarray:
    """Encode a prompt as ids (N,) int32: where it ends a unit, its last id is that of ``</s>``.

    Where it ends a line, the last id is ``</s>`` in the ``line`` boundary, ``<eos>`` in ``eos``.

    Raises
    ------
    TextError
        If ``<s>`` stands inside a unit.

    Examples
    --------
    >>> from fflm.config import TokenizerConfig
    >>> vocabulary = Vocabulary(["<unk>", "<s>", "</s>", "red", "fox"])
    >>> encode_prompt("red fox\\n", Tokenizer(TokenizerConfig(boundary="line")), vocabulary).tolist()
    [3, 4, 2]
    """
    by_line = tokenizer.config.boundary == "line"
    known = IDS | ({LINE_END: Vocabulary.EOS} if by_line else {})
    if ends := LineEnds.of(vocabulary.id, tokenizer):
        known[LINE_END] = ends.newline
    ids = np.fromiter((known.get(token, vocabulary.id(token)) for token in prompt_tokens(text, tokenizer)), np.int32)
    blocks: Iterable[tuple[str, np.ndarray | None]] = [("the prompt", ids)]
    if ends:
        blocks = ends.make_words(blocks, UnitPlaces(), complete=False)
    parts = end_units(blocks, by_line, UnitPlaces(), complete=False)
    return np.concatenate([np.zeros(0, np.int32), *(part for part in parts if part is not None)])


def prompt_tokens(text: str, tokenizer: Tokenizer) -> list[str]:
    """Cut a prompt into tokens; its line ends may be those of any system, as in a file.

    Examples
    --------
    >>> from fflm.config import TokenizerConfig
    >>> prompt_tokens("red\\r\\nfox", Tokenizer(TokenizerConfig(boundary="line")))
    ['red', '\\n', 'fox']
    """
    return tokenizer.tokens(text.replace("\r\n", "\n").replace("\r", "\n"))
