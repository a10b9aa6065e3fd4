"""Word lists in the ``.combined`` form of the Android keyboard (AOSP LatinIME), of which `dicttool` makes dictionaries.

The form is described at the head of ``dictionaries/sample.combined`` of the repository
``platform/packages/inputmethods/LatinIME``: a line ``dictionary=main:en,locale=en,...``, then an indented line for each
word and a deeper one for each word that follows it. The number f stands for a probability on a logarithmic scale: 255
means 1, and each step down divides by 1.15. A 0 would mark a word as offensive; it is never written here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import numpy as np

from fflm.errors import ConfigError, FflmError, option_name, shown
from fflm.lm import LanguageModel
from fflm.lm.interface import BATCH
from fflm.text import Vocabulary

#: The number that stands for the probability 1, and what a step divides it by.
HIGHEST, STEP = 255, 1.15
#: The version that readers of the form take for one with every attribute.
VERSION = 54
_LOCALE = re.compile(r"[A-Za-z]{2,3}(_[A-Za-z0-9]{2,8})*")


def frequency(probability: float) -> int:
    """Return the number f, from 1 to 255, of a probability.

    Examples
    --------
    >>> frequency(1.0), frequency(1 / 1.15**10), frequency(1e-300)
    (255, 245, 1)
    """
    if probability <= 0.0:
        return 1
    return min(HIGHEST, max(1, HIGHEST + round(float(np.log(probability) / np.log(STEP)))))


def combined_lines(
    model: LanguageModel, locale: str = "en", bigrams: int = 0, description: str = "fflm", date: int | None = None
) -> Iterator[str]:
    r"""Yield the lines of a word list, each with its line end, the likeliest words first.

    Words are those of the vocabulary with a letter in them and without blanks, commas and equals signs, which the form
    can't hold. Their f is that of their share of the training text; of a model that has no counts, such as an ARPA
    file, that of P(word | no context). The f of a following word is that of P(following | word).

    Parameters
    ----------
    model : LanguageModel
    locale : str
        The language of the keyboard, such as ``en`` or ``pt_BR``.
    bigrams : int
        How many following words each word has, at most: the likeliest ones.
    description : str
    date : int, optional
        Seconds since 1970; now by default.

    Raises
    ------
    ConfigError
        If `locale` is none.
    FflmError
        If the vocabulary has no such words.

    Examples
    --------
    >>> import fflm
    >>> model = fflm.load("runs/demo").lm
    >>> for line in list(combined_lines(model, date=0))[:2]:
    ...     print(line, end="")
    dictionary=main:en,locale=en,description=fflm,date=0,version=54
     word=the,f=243
    """
    if not _LOCALE.fullmatch(locale):
        raise ConfigError(f"{option_name('locale')} must be a language such as en or pt_BR, got {shown(locale)}")
    words = _words(model)
    if not len(words):
        raise FflmError("a keyboard's word list needs words with letters, got a vocabulary without any")
    probabilities = _unigrams(model)[words]
    order = np.argsort(-probabilities, kind="stable")
    when = int(time.time()) if date is None else date
    plain = re.sub(r"[,=\s]+", " ", description)
    yield f"dictionary=main:{locale.lower()},locale={locale},description={plain},date={when},version={VERSION}\n"
    names = model.vocabulary.words
    with model.session() as scorer:
        for first in range(0, len(order), BATCH):
            part = order[first : first + BATCH]
            following = np.zeros((len(part), 0))
            if bigrams and model.reach:
                contexts = np.full((len(part), model.reach), Vocabulary.BOS, np.int32)
                contexts[:, -1] = words[part]
                following = scorer.next_word(contexts)[:, words]
            for place, row in zip(part.tolist(), following, strict=True):
                yield f" word={names[words[place]]},f={frequency(float(probabilities[place]))}\n"
                for best in np.argsort(-row, kind="stable")[:bigrams].tolist():
                    yield f"  bigram={names[words[best]]},f={frequency(float(row[best]))}\n"


def _words(model: LanguageModel) -> np.ndarray:
    """Return the ids of the words that a list can hold."""
    marks = {"<unk>", "<s>", "</s>", model.tokenizer.end_word}
    return np.array(
        [
            number
            for number, word in enumerate(model.vocabulary.words)
            if word not in marks and re.search(r"[^\W\d_]", word) and not re.search(r"[,=\s\x00-\x1f\x7f]", word)
        ],
        int,
    )


def _unigrams(model: LanguageModel) -> np.ndarray:
    """Return P(word) of the whole vocabulary."""
    counts = model.vocabulary.counts
    if counts.any():
        return counts / counts.sum()
    return model.next_word(np.full((1, model.reach), Vocabulary.BOS, np.int32))[0].astype(np.float64)
