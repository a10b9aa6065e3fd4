"""Many texts as one array of ids, with a break between each two: models score them in one call, each on its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np

from fflm.errors import TextError
from fflm.text.marks import IDS as MARKS
from fflm.text.marks import LineEnds, UnitPlaces, end_units
from fflm.text.stream import NewIds, known_ids
from fflm.text.tokenizer import END_WORD, LINE_END, Tokenizer
from fflm.text.vocabulary import Vocabulary

END_MARK = "</s>"


@dataclass(frozen=True)
class Documents:
    """Texts in the ids of a vocabulary, one after the other.

    Attributes
    ----------
    ids : (N,) int32
        Each text as it would be if it were a file of its own: in the ``line`` boundary its lines end with ``</s>``, in
        ``eos`` with ``<eos>``. A text without tokens has no ids.
    starts : (D + 1,) int64
        Text d is ``ids[starts[d]:starts[d + 1]]``.
    tokens : list of str
        The N tokens as they stand in the texts.
    errors : dict of int to str
        The texts that can't be read, and why: they have no ids.
    """

    ids: np.ndarray
    starts: np.ndarray
    tokens: list[str]
    errors: dict[int, str]

    @property
    def breaks(self) -> np.ndarray:
        """The positions (S,) int64 at which a text begins, but for the first one."""
        starts = np.unique(self.starts)
        return starts[(starts > 0) & (starts < len(self.ids))]


def encode_documents(texts: Iterable[str], tokenizer: Tokenizer, vocabulary: Vocabulary) -> Documents:
    """Encode several texts; unknown words become ``<unk>``.

    Examples
    --------
    >>> from fflm.config import TokenizerConfig
    >>> vocabulary = Vocabulary(["<unk>", "<s>", "</s>", "red", "fox"])
    >>> tokenizer = Tokenizer(TokenizerConfig(boundary="line"))
    >>> documents = encode_documents(["red fox", "", "fox dog"], tokenizer, vocabulary)
    >>> documents.ids.tolist(), documents.starts.tolist(), documents.breaks.tolist()
    ([3, 4, 2, 4, 0, 2], [0, 3, 3, 6], [3])
    """
    boundary, chars = tokenizer.config.boundary, tokenizer.config.tokenizer == "char"
    end = {"line": END_MARK, "eos": tokenizer.end_word}.get(boundary)
    marks = () if chars else ("<s>", END_MARK, *([END_WORD] if boundary == "eos" else []))
    tokens: list[str] = []
    starts, errors = [0], {}
    for number, text in enumerate(texts):
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        if any(mark in text for mark in marks) or (end is not None and "\n" in text):
            try:
                tokens += _with_marks(text, tokenizer)
            except TextError as error:
                errors[number] = str(error)
        else:
            cut = tokenizer.tokens(text)
            tokens += cut
            if end is not None and (cut or boundary == "eos"):
                tokens.append(end)
        starts.append(len(tokens))
    return Documents(word_ids(tokens, vocabulary), np.array(starts, np.int64), tokens, errors)


def word_ids(tokens: Sequence[str], vocabulary: Vocabulary) -> np.ndarray:
    """Return the ids (N,) int32 of tokens, of which ``</s>`` is the end of a line.

    Examples
    --------
    >>> word_ids(["fox", "</s>", "<unk>"], Vocabulary(["<unk>", "<s>", "</s>", "fox"])).tolist()
    [3, 2, 0]
    """
    ids = dict(zip(vocabulary.words, range(len(vocabulary)), strict=True))
    ids["<s>"] = Vocabulary.UNK
    found = np.fromiter(map(ids.get, tokens, repeat(Vocabulary.UNK)), np.int32, len(tokens))
    return known_ids(found, len(vocabulary))


def _with_marks(text: str, tokenizer: Tokenizer) -> list[str]:
    """Cut a text with marks or several lines into the tokens that are predicted, ends of lines among them."""
    new, by_line = NewIds(MARKS), tokenizer.config.boundary == "line"
    if by_line:
        new[LINE_END] = Vocabulary.EOS
    ends = LineEnds.of(new.__getitem__, tokenizer)
    if ends:
        new[LINE_END] = ends.newline
    tokens = tokenizer.tokens(text)
    blocks: Iterable[tuple[str, np.ndarray | None]] = [
        ("the text", np.fromiter(map(new.__getitem__, tokens), np.int32, len(tokens)))
    ]
    if ends:
        blocks = ends.make_words(blocks, UnitPlaces())
    parts = [part for part in end_units(blocks, by_line, UnitPlaces()) if part is not None]
    return [new.words[i] for part in parts for i in part.tolist()]
