"""Log probabilities of many sentences, each by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from fflm.lm import LanguageModel
from fflm.text import Vocabulary


class SentenceScores(NamedTuple):
    """What a language model says of N sentences.

    Attributes
    ----------
    log_probs : (N,) float64
        Natural logarithm of P(sentence), its end included where the model predicts one.
    tokens, unknown : (N,) int64
        How many tokens of it are words of the text, and how many of these the vocabulary lacks.
    """

    log_probs: np.ndarray
    tokens: np.ndarray
    unknown: np.ndarray


def sentence_scores(
    model: LanguageModel, texts: Sequence[str], on_batch: Callable[[float], None] | None = None
) -> SentenceScores:
    """Score sentences, each as a line by itself.

    In the boundary ``line`` the end ``</s>`` counts, in ``eos`` the word ``<eos>``, which also stands before the first
    word; in ``stream`` there is no end.

    Examples
    --------
    >>> import fflm
    >>> scores = sentence_scores(fflm.load("runs/demo").lm, ["the cat sat", "the zebra"])
    >>> scores.tokens.tolist(), scores.unknown.tolist()
    ([3, 2], [0, 1])
    """
    tokenizer, vocabulary = model.tokenizer, model.vocabulary
    before = [] if tokenizer.end_word is None else [vocabulary.id(tokenizer.end_word)]
    after = [Vocabulary.EOS] if tokenizer.config.boundary == "line" else before
    words = [vocabulary.encode(tokenizer.tokens(" ".join(text.split("\n")))) for text in texts]
    parts = [np.array([*before, *part, *after], np.int32) for part in words]
    ends = np.cumsum([len(part) for part in parts])
    starts = ends - [len(part) for part in parts]
    log_probs = np.zeros(0)
    if len(ends) and ends[-1]:
        breaks = np.unique(starts[(starts > 0) & (starts < ends[-1])])
        log_probs = model.log_probs(np.concatenate(parts), on_batch, breaks=breaks)
    first = starts + len(before)
    sums = [float(log_probs[start:end].sum()) for start, end in zip(first.tolist(), ends.tolist(), strict=True)]
    return SentenceScores(
        np.array(sums),
        np.array([len(part) for part in words], np.int64),
        np.array([np.count_nonzero(part == Vocabulary.UNK) for part in words], np.int64),
    )
