"""Texts with labels: from files, a line each, and from NLTK's corpora; divided so that each part has its share.

A line is a label, a tab and the text, or, as fastText has it, a text with one ``__label__NAME`` before or after it. A
first line of names such as ``label`` and ``text`` is passed over; it may say that the label comes last. A file whose
texts would be taken for labels is refused.
"""

from __future__ import annotations

import functools
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fflm.errors import LONGEST_EXCERPT, ConfigError, TextError, shown
from fflm.text.corpora import LABELLED, nltk_files, parse_name
from fflm.text.sources import read_blocks

PREFIX = "__label__"
#: Names of columns, in lower case, that tell a first line of names from an example.
LABEL_COLUMNS = frozenset(
    "label labels class category sentiment polarity target topic rating stars gold intent".split()
)
TEXT_COLUMNS = frozenset(
    "text texts sentence review content document message tweet comment body sms question phrase utterance title".split()
)
#: From this many lines on a check judges whether the first column holds labels.
ENOUGH = 8
_SEVERAL = re.compile(r"[^\W\d][\w-]*([,;|][^\W\d][\w-]*)+")
SPLIT_SEED, SPLIT_PARTS, VALID_PART, TEST_PART = 1, 10, 8, 9  # of ten equal parts, one each


@dataclass(frozen=True)
class Examples:
    """Texts and their labels, in the order of their source."""

    texts: list[str]
    labels: list[str]

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: Iterable[int]) -> Examples:
        """Return the examples in `rows`, in that order."""
        return Examples([self.texts[i] for i in rows], [self.labels[i] for i in rows])


def read_examples(source: str | os.PathLike[str], encoding: str = "utf-8") -> Examples:
    """Read labelled texts.

    Parameters
    ----------
    source : str
        A file (also compressed), ``-`` for standard input, or a named corpus: sentence_polarity, movie_reviews, with
        ``:train``, ``:valid`` or ``:test`` for a part of it (80, 10 and 10 % of the texts of each label, drawn once
        and for all).
    encoding : str
        Character encoding of the file.

    Raises
    ------
    TextError
        If it can't be read, or a line has no label or several, or its labels seem to be something else, such as texts.

    Examples
    --------
    >>> with open("examples.tsv", "w") as file:
    ...     written = file.write("good\\tI like it.\\n__label__bad I do not.\\n")
    >>> read_examples("examples.tsv")
    Examples(texts=['I like it.', 'I do not.'], labels=['good', 'bad'])
    """
    source = os.fspath(source)
    if corpus := parse_name(source, LABELLED):
        return _part(_corpus(corpus[0]), corpus[1])
    if source != "-" and (not os.path.exists(source) or os.path.isdir(source)):
        what = ", which is a folder" if os.path.isdir(source) else ": no such file"
        raise TextError(f"labelled texts must be a file, - or one of {', '.join(LABELLED)}, got {shown(source)}{what}")
    rows = [
        _parsed(line, source, number)
        for number, line in enumerate("".join(read_blocks(source, encoding)).split("\n"), start=1)
        if line.strip()
    ]
    rows = _without_names(rows)
    if not rows:
        raise TextError(f"{source} must hold labelled texts, got none")
    for row in rows:
        _check_label(row, source)
    _check_columns(rows, source)
    return Examples([row.text.strip() for row in rows], [row.label.strip() for row in rows])


def part_of(source: str, split: str) -> str:
    """Name the part of a named corpus that is meant where no part is named; other sources stay what they are.

    Examples
    --------
    >>> part_of("movie_reviews", "test"), part_of("movie_reviews:valid", "test"), part_of("mine.tsv", "test")
    ('movie_reviews:test', 'movie_reviews:valid', 'mine.tsv')
    """
    return f"{source}:{split}" if source in LABELLED else source


class _Row(NamedTuple):
    label: str
    text: str
    number: int
    marked: bool  # by the prefix


def _parsed(line: str, source: str, number: int) -> _Row:
    """Split a line into its label and its text."""
    marks = [place for place in re.finditer(rf"(?<!\S){PREFIX}\S*", line)]
    if marks and (not line[: marks[0].start()].strip() or not line[marks[-1].end() :].strip()):
        first = marks[0]
        rest = line[: first.start()] + line[first.end() :]
        if len(marks) > 1 or PREFIX in first[0].removeprefix(PREFIX):
            raise TextError(
                f"{source}, line {number}: a text must have one label, got several: {shown(line, LONGEST_EXCERPT)}"
            )
        return _Row(first[0].removeprefix(PREFIX), rest, number, True)
    label, tab, text = line.partition("\t")
    if not tab:
        raise TextError(
            f"{source}, line {number}: a label and a tab must stand before the text, or {PREFIX}NAME, "
            f"got {shown(line, LONGEST_EXCERPT)}"
        )
    return _Row(label, text, number, False)


def _without_names(rows: list[_Row]) -> list[_Row]:
    """Return the rows after a first one that names the columns, in the order that it says."""
    if not rows or rows[0].marked:
        return rows
    names = rows[0].label.strip().lower(), rows[0].text.strip().lower()
    if names[0] in LABEL_COLUMNS and names[1] in TEXT_COLUMNS:
        return rows[1:]
    if names[0] in TEXT_COLUMNS and names[1] in LABEL_COLUMNS:
        return [row if row.marked else _swapped(row) for row in rows[1:]]
    return rows


def _swapped(row: _Row) -> _Row:
    text, tab, label = (row.label + "\t" + row.text).rpartition("\t")
    return row._replace(label=label, text=text)


def _check_columns(rows: list[_Row], source: str) -> None:
    """Refuse texts before the tab and labels after it, names of columns, and labels that are numbers of lines."""
    plain = [row for row in rows if not row.marked]
    labels, texts = [row.label.strip() for row in plain], [row.text.strip() for row in plain]
    kinds, counts = Counter(labels), Counter(texts)
    if len(plain) < 2:
        return
    phrases = sum(" " in label and " " not in text for label, text in zip(labels, texts, strict=True))
    rather_texts = phrases > 0.9 * len(plain) and len(counts) <= len(kinds)
    if len(plain) >= ENOUGH and len(kinds) == len(plain) and (len(counts) == len(kinds) or "\t" in texts[0]):
        raise TextError(
            f"{source}: the label must stand before the tab, got another one on every line, such as "
            f"{labels[0][:40]!r}; is another column the label?"
        )
    if rather_texts or (len(plain) >= ENOUGH and len(kinds) > len(plain) / 2 and len(counts) < len(kinds) / 2):
        raise TextError(
            f"{source}: the label must stand before the tab and the text after it, got {len(kinds):,} different labels "
            f"such as {labels[0][:40]!r} and {len(counts):,} different texts such as {texts[0][:40]!r}; swap the "
            "columns"
        )
    alone = kinds[labels[0]] == 1 and " " not in texts[0] and counts[texts[0]] == 1
    if len(plain) >= ENOUGH and plain[0] is rows[0] and alone and min(Counter(labels[1:]).values()) > 1:
        raise TextError(
            f"{source}, line {plain[0].number}: seems to name the columns, as the label {labels[0][:40]!r} occurs only "
            "there; remove that line"
        )


def _check_label(row: _Row, source: str) -> None:
    if not row.label.strip():
        raise TextError(f"{source}, line {row.number}: the label must not be empty")
    if _SEVERAL.fullmatch(row.label.strip()):
        raise TextError(
            f"{source}, line {row.number}: a text must have one label, got several: "
            f"{shown(row.label.strip(), LONGEST_EXCERPT)}; if it is one, write it without the sign between"
        )


@functools.lru_cache(maxsize=1)
def _corpus(name: str) -> Examples:
    """Read all texts of a corpus of NLTK: reviews, or sentences, positive and negative."""
    texts, labels = [], []
    for (label,), raw in nltk_files(name):
        pieces = [raw] if name == "movie_reviews" else [line for line in raw.splitlines() if line.strip()]
        texts += pieces
        labels += [label] * len(pieces)
    return Examples(texts, labels)


def _part(examples: Examples, split: str | None) -> Examples:
    if split is None:
        return examples
    parts = folds(examples.labels, SPLIT_PARTS, SPLIT_SEED)
    wanted = {"valid": parts == VALID_PART, "test": parts == TEST_PART}
    wanted["train"] = ~(wanted["valid"] | wanted["test"])
    return examples.take(np.flatnonzero(wanted[split]).tolist())


def folds(labels: Sequence[str], count: object, seed: int) -> np.ndarray:
    """Draw the fold, 0 .. count-1, of each example: equal parts, each with its share of every label.

    Raises
    ------
    ConfigError
        If there are fewer than two folds, or more than examples.

    Examples
    --------
    >>> sorted(folds(["a", "b", "a", "b"], 2, seed=1)[[0, 2]].tolist())
    [0, 1]
    """
    if not isinstance(count, int) or not 2 <= count <= len(labels):
        raise ConfigError(f"folds must be from 2 to the number of examples, {len(labels)}, got {count!r}")
    order = np.random.default_rng(seed).permutation(len(labels))
    order = order[np.argsort(np.asarray(labels)[order], kind="stable")]  # label after label, at random within each
    out = np.empty(len(labels), np.int64)
    out[order] = np.arange(len(labels)) % count
    return out
