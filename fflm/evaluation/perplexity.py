"""Perplexity and what belongs to it, for any language model. One definition, used everywhere.

Over the N predicted tokens (in the ``line`` boundary each line's ``</s>`` is one of them; ``<unk>`` counts as the word
it stands for): cross-entropy = -(1/N) sum of log P, perplexity = e^cross-entropy (Bengio et al. 2003, section 4).
Nothing is clipped; sums are float64 and do not depend on batches or threads.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

from fflm.errors import FflmError
from fflm.evaluation.resampling import interval
from fflm.lm import LanguageModel
from fflm.runtime.progress import Bar
from fflm.text import TokenStream, Vocabulary

LARGEST_NATS = 700.0


@dataclass(frozen=True)
class Perplexity:
    """A model's report on a text.

    Attributes
    ----------
    tokens : int
        Predicted tokens N.
    oov, oov_rate : int, float
        How many of them are out of vocabulary (``<unk>``), and their share.
    cross_entropy_nats, bits_per_token : float
        Mean of -log P in nats and in bits.
    perplexity, perplexity_without_oov : float
        Over all tokens, and over those in the vocabulary (None if there is none).
    bits_per_character : float
        All bits divided by the characters of the original text. With out-of-vocabulary tokens it is too low: it
        pays for ``<unk>``, not for the letters of the word.
    perplexity_low, perplexity_high : float
        95 % bootstrap interval (1,000 replicates) over units (lines, or blocks of the stream); more than 2,000 units
        are joined with their neighbours into 2,000 groups or fewer, and these are drawn.
    tokens_per_second : float
    """

    source: str
    tokens: int
    oov: int
    oov_rate: float
    cross_entropy_nats: float
    bits_per_token: float
    perplexity: float
    perplexity_without_oov: float | None
    bits_per_character: float
    perplexity_low: float
    perplexity_high: float
    tokens_per_second: float

    def to_dict(self) -> dict:
        """The report as plain JSON values."""
        return asdict(self)


def evaluate(model: LanguageModel, stream: TokenStream, on_batch: Callable[[int], None] | None = None) -> Perplexity:
    """Perplexity of `model` on a text.

    Parameters
    ----------
    model : LanguageModel
    stream : TokenStream
        The text in the model's vocabulary.
    on_batch : callable, optional
        Called with the number of tokens after each batch, for progress.

    Returns
    -------
    Perplexity

    Raises
    ------
    FflmError
        If a probability is 0 or not a number, naming the first such token, or if the perplexity is beyond 1e304.

    Examples
    --------
    >>> import fflm
    >>> fflm.load("runs/demo").perplexity("text.txt").oov  # which calls this function
    0
    """
    return evaluate_tokens(model, stream, on_batch)[0]


def evaluate_tokens(
    model: LanguageModel, stream: TokenStream, on_batch: Callable[[int], None] | None = None
) -> tuple[Perplexity, np.ndarray]:
    """As `evaluate`, and the natural log P (N,) of each token, from the same pass.

    Examples
    --------
    >>> import fflm
    >>> from fflm.config import DataConfig
    >>> from fflm.text import encode
    >>> model = fflm.load("runs/demo").lm
    >>> stream = encode(["text.txt"], model.tokenizer, model.vocabulary, DataConfig())
    >>> report, log_probs = evaluate_tokens(model, stream)
    >>> bool(report.cross_entropy_nats == -log_probs.mean())
    True
    """
    started = time.perf_counter()
    log_probs = model.log_probs(stream.ids, on_batch)
    return report_on(model.vocabulary, stream, log_probs, time.perf_counter() - started), log_probs


def report_on(vocabulary: Vocabulary, stream: TokenStream, log_probs: np.ndarray, seconds: float) -> Perplexity:
    """The report on a text whose tokens have these log P (N,), which took so long to find; errors as of `evaluate`."""
    if not np.isfinite(log_probs).all():
        place = int(np.flatnonzero(~np.isfinite(log_probs))[0])
        word = vocabulary.words[int(stream.ids[place])]
        raise FflmError(f"perplexity is undefined: token {place + 1} of {stream.source}, {word!r}, has no probability")
    known = stream.ids != Vocabulary.UNK
    nats = -float(log_probs.mean())
    low, high = (_exponential(bound, stream.source) for bound in interval(-log_probs, stream.unit_starts))
    return Perplexity(
        source=stream.source,
        tokens=len(stream),
        oov=stream.unknown,
        oov_rate=stream.unknown / len(stream),
        cross_entropy_nats=nats,
        bits_per_token=nats / math.log(2.0),
        perplexity=_exponential(nats, stream.source),
        perplexity_without_oov=_exponential(-float(log_probs[known].mean()), stream.source) if known.any() else None,
        bits_per_character=-float(log_probs.sum()) / math.log(2.0) / stream.characters,
        perplexity_low=low,
        perplexity_high=high,
        tokens_per_second=len(stream) / seconds,
    )


def speed(model: LanguageModel, ids: np.ndarray, most: int = 8192) -> float:
    """Scored tokens/s of `model` on a few of the ids (N,): the best of three tries."""
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        model.log_probs(ids[:most])
        seconds.append(time.perf_counter() - started)
    return len(ids[:most]) / min(seconds)


def _exponential(nats: float, source: str) -> float:
    if nats > LARGEST_NATS:
        raise FflmError(f"perplexity of {source} is too large for a number: the cross-entropy is {nats:g} nats")
    return math.exp(nats)


def evaluated(model: LanguageModel, text: TokenStream | None, quiet: bool) -> dict | None:
    """Evaluate a model on a text: the report as plain JSON values, None without a text; with a bar unless `quiet`."""
    if text is None:
        return None
    with Bar(len(text), "perplexity", not quiet) as bar:
        return evaluate(model, text, bar.advance).to_dict()
