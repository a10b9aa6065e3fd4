"""Texts with labels: from files, a line each, and from NLTK's corpora; divided so that each part has its share.

A line is a label, a tab and the text, or, as fastText has it, ``__label__NAME`` before the text.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fflm.errors import LONGEST_EXCERPT, ConfigError, TextError, shown
from fflm.text.corpora import LABELLED, SPLITS, nltk_files
from fflm.text.sources import read_blocks

PREFIX = "__label__"
SPLIT_SEED, SPLIT_PARTS, VALID_PART, TEST_PART = 1, 10, 8, 9  # of ten equal parts, one each


@dataclass(frozen=True)
class Examples:
    """Texts and their labels, in the order of their source."""

    texts: list[str]
    labels: list[str]

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: Sequence[int]) -> Examples:
        """Some of them."""
        return Examples([self.texts[i] for i in rows], [self.labels[i] for i in rows])


def read_examples(source: str | os.PathLike, encoding: str = "utf-8") -> Examples:
    """Read labelled texts.

    Parameters
    ----------
    source : str
        A file (also ``.gz``), ``-`` for standard input, or a named corpus: sentence_polarity, movie_reviews, with
        ``:train``, ``:valid`` or ``:test`` for a part of it (80, 10 and 10 % of the texts of each label, drawn once
        and for all).
    encoding : str
        Of the file.

    Raises
    ------
    TextError
        If it can't be read, or a line has no label.

    Examples
    --------
    >>> with open("examples.tsv", "w") as file:
    ...     written = file.write("good\\tI like it.\\n__label__bad I do not.\\n")
    >>> read_examples("examples.tsv")
    Examples(texts=['I like it.', 'I do not.'], labels=['good', 'bad'])
    """
    source = os.fspath(source)
    name, colon, split = source.partition(":")
    if name in LABELLED:
        if colon and split not in SPLITS:
            raise TextError(f"split of a corpus must be one of {', '.join(SPLITS)}, got {shown(source)}")
        return _part(_corpus(name), split or None)
    if source != "-" and (not os.path.exists(source) or os.path.isdir(source)):
        what = ", which is a folder" if os.path.isdir(source) else ": no such file"
        raise TextError(f"labelled texts must be a file, - or one of {', '.join(LABELLED)}, got {shown(source)}{what}")
    texts, labels, number = [], [], 0
    rest = ""
    for block in read_blocks(source, encoding):
        *lines, rest = (rest + block).split("\n")
        for line in lines:
            number += 1
            _add(line, source, number, texts, labels)
    _add(rest, source, number + 1, texts, labels)
    if not texts:
        raise TextError(f"{source} must hold labelled texts, got none")
    return Examples(texts, labels)


def part_of(source: str, split: str) -> str:
    """The part of a named corpus that is meant where no part is named; other sources stay what they are.

    Examples
    --------
    >>> part_of("movie_reviews", "test"), part_of("movie_reviews:valid", "test"), part_of("mine.tsv", "test")
    ('movie_reviews:test', 'movie_reviews:valid', 'mine.tsv')
    """
    return f"{source}:{split}" if source in LABELLED else source


def _add(line: str, source: str, number: int, texts: list[str], labels: list[str]) -> None:
    if not line.strip():
        return
    if line.startswith(PREFIX):
        rest = line.removeprefix(PREFIX)
        label = "" if not rest or rest[0].isspace() else rest.split(None, 1)[0]
        text = rest[len(label) :]
        if text.lstrip().startswith(PREFIX):
            raise TextError(
                f"{source}, line {number}: a text must have one label, got several: {shown(line, LONGEST_EXCERPT)}"
            )
    else:
        label, tab, text = line.partition("\t")
        if not tab:
            raise TextError(
                f"{source}, line {number}: a label and a tab must stand before the text, or {PREFIX}NAME, "
                f"got {shown(line, LONGEST_EXCERPT)}"
            )
    if not label.strip():
        raise TextError(f"{source}, line {number}: the label must not be empty")
    labels.append(label.strip())
    texts.append(text.strip())


@functools.lru_cache(maxsize=1)
def _corpus(name: str) -> Examples:
    """All texts of a corpus of NLTK: reviews, or sentences, positive and negative."""
    texts, labels = [], []
    for (label,), raw in nltk_files(name):
        found = [raw] if name == "movie_reviews" else [line for line in raw.splitlines() if line.strip()]
        texts += found
        labels += [label] * len(found)
    return Examples(texts, labels)


def _part(examples: Examples, split: str | None) -> Examples:
    if split is None:
        return examples
    parts = folds(examples.labels, SPLIT_PARTS, SPLIT_SEED)
    wanted = {"valid": parts == VALID_PART, "test": parts == TEST_PART}
    wanted["train"] = ~(wanted["valid"] | wanted["test"])
    return examples.take(np.flatnonzero(wanted[split]))


def folds(labels: Sequence[str], count: int, seed: int) -> np.ndarray:
    """The fold, 0 .. count-1, of each example: equal parts, each with its share of every label.

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
    labels = np.asarray(labels)
    order = np.random.default_rng(seed).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]  # label after label, at random within each
    out = np.empty(len(labels), np.int64)
    out[order] = np.arange(len(labels)) % count
    return out
