"""Figures of many texts, each by itself, from one pass of a model over all of them.

A text has the figures that `fflm.evaluation.perplexity` would have of a file with this text alone: it begins after
``<s>``, and in the boundaries ``line`` and ``eos`` the ends of its lines, the last one included, are predicted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fflm.config import RecordsConfig
from fflm.lm import LanguageModel
from fflm.lm.interface import Scorer
from fflm.runtime.read_ahead import read_ahead
from fflm.text import Vocabulary
from fflm.text.documents import Documents, encode_documents
from fflm.text.records import Record, read_records

#: Words that a network predicts at once.
BATCH = 256


@dataclass(frozen=True, slots=True)
class TextScore:
    """The figures of one text.

    Attributes
    ----------
    tokens, unknown : int
        Predicted tokens, and how many of them are out of vocabulary.
    log_prob : float or None
        Natural logarithm of P(text), in nats; None where a token has no probability, as an unknown word in a model
        without ``<unk>``, and where the text can't be read.
    perplexity : float or None
        e^(-log_prob / tokens); None without tokens, and where it is beyond the range of a number.
    open_log_prob, open_perplexity, open_bits_per_character : float or None
        The same with unknown words spelled out, and its bits by the characters of the text; None where the model has
        no spelling model.
    error : str or None
        Why the text can't be read.
    """

    tokens: int = 0
    unknown: int = 0
    log_prob: float | None = None
    perplexity: float | None = None
    open_log_prob: float | None = None
    open_perplexity: float | None = None
    open_bits_per_character: float | None = None
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain JSON values; ``error`` only where there is one."""
        values = asdict(self)
        if self.error is None:
            del values["error"]
        return values


def score_texts(model: LanguageModel, scorer: Scorer, texts: Sequence[str]) -> list[TextScore]:
    """Score texts, each by itself.

    Parameters
    ----------
    model : LanguageModel
    scorer : Scorer
        The model itself, or one of its sessions.
    texts : sequence of str

    Examples
    --------
    >>> import fflm
    >>> model = fflm.load("runs/demo").lm
    >>> scores = score_texts(model, model, ["the cat sat", "", "the zebra"])
    >>> [(score.tokens, score.unknown) for score in scores]
    [(3, 0), (0, 0), (2, 1)]
    >>> scores[0].perplexity < scores[2].perplexity < scores[2].open_perplexity
    True
    """
    return _scores(model, scorer, texts, encode_documents(texts, model.tokenizer, model.vocabulary))


def score_records(
    model: LanguageModel, source: str, config: RecordsConfig, encoding: str = "utf-8"
) -> Iterator[tuple[Record, TextScore]]:
    """Score the texts of a file one by one, in order, as they come; memory does not grow with the file.

    A second thread reads and cuts the texts that come next.

    Parameters
    ----------
    model : LanguageModel
    source : str
        A file, also compressed, or ``-`` for standard input.
    config : RecordsConfig
    encoding : str

    Raises
    ------
    TextError, ConfigError
        As of `fflm.text.records.read_records`; a text that can't be read has a score that says why.

    Examples
    --------
    >>> import fflm
    >>> from fflm.config import RecordsConfig
    >>> with open("few.txt", "w") as file:
    ...     _ = file.write("the cat sat\\n\\nthe zebra\\n")
    >>> for record, score in score_records(fflm.load("runs/demo").lm, "few.txt", RecordsConfig()):
    ...     print(record.line, score.tokens, score.unknown)
    1 3 0
    2 0 0
    3 2 1
    """

    def encoded() -> Iterator[tuple[list[Record], list[str], Documents]]:
        for records in read_records(source, config, encoding):
            texts = [record.text or "" for record in records]
            yield records, texts, encode_documents(texts, model.tokenizer, model.vocabulary)

    with model.session(BATCH) as scorer:
        for records, texts, documents in read_ahead(encoded()):
            for record, score in zip(records, _scores(model, scorer, texts, documents), strict=True):
                yield record, score if record.error is None else TextScore(error=record.error)


def _scores(model: LanguageModel, scorer: Scorer, texts: Sequence[str], documents: Documents) -> list[TextScore]:
    log_probs = np.zeros(0)
    if len(documents.ids):
        log_probs = scorer.log_probs(documents.ids, breaks=documents.breaks)
    opened = spelled_out(model.vocabulary, documents.ids, documents.tokens, log_probs)
    sums = _sums(log_probs, documents)
    open_sums = [None] * len(texts) if opened is None else _sums(opened, documents)
    unknown = np.append(0, np.cumsum(documents.ids == Vocabulary.UNK))[documents.starts]
    counts = np.diff(documents.starts).tolist()
    return [
        _figures(text, tokens, missing, log_prob, open_log_prob, documents.errors.get(number))
        for number, (text, tokens, missing, log_prob, open_log_prob) in enumerate(
            zip(texts, counts, np.diff(unknown).tolist(), sums, open_sums, strict=True)
        )
    ]


def spelled_out(
    vocabulary: Vocabulary, ids: np.ndarray, tokens: Sequence[str], log_probs: np.ndarray
) -> np.ndarray | None:
    """Return log P (N,) of tokens with unknown words spelled out, None without a spelling model.

    ``<unk>`` where it stands in the text itself has no spelling.
    """
    if vocabulary.spelling is None:
        return None
    opened = log_probs.copy()
    places = [place for place in np.flatnonzero(ids == Vocabulary.UNK).tolist() if tokens[place] != "<unk>"]
    words = {tokens[place]: 0 for place in places}
    for number, word in enumerate(words):
        words[word] = number
    costs = vocabulary.spelling.log_probs(list(words))
    opened[places] += costs[[words[tokens[place]] for place in places]]
    return opened


def _sums(log_probs: np.ndarray, documents: Documents) -> list[float]:
    """Add up the log P of each text; each sum is of its own tokens alone, whatever stands beside it."""
    starts = documents.starts.tolist()
    return [float(log_probs[a:b].sum()) if b > a else 0.0 for a, b in zip(starts, starts[1:], strict=False)]


def _figures(
    text: str, tokens: int, unknown: int, log_prob: float, open_log_prob: float | None, error: str | None
) -> TextScore:
    if error is not None:
        return TextScore(error=error)
    defined = math.isfinite(log_prob)
    if not defined:
        open_log_prob = None
    return TextScore(
        tokens,
        unknown,
        log_prob if defined else None,
        _perplexity(log_prob, tokens) if defined else None,
        open_log_prob,
        None if open_log_prob is None else _perplexity(open_log_prob, tokens),
        None if open_log_prob is None or not text else -open_log_prob / math.log(2.0) / len(text),
    )


def _perplexity(log_prob: float, tokens: int) -> float | None:
    try:
        return math.exp(-log_prob / tokens) if tokens else None
    except OverflowError:
        return None
