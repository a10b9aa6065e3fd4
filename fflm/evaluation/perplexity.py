"""Perplexity of any language model on a text, with its parts and its interval. One definition, used everywhere.

Over the N predicted tokens (in the ``line`` boundary each line's ``</s>`` is one of them, in ``eos`` each line's
``<eos>``; ``<unk>`` counts as the word it stands for): cross-entropy = -(1/N) sum of log P, perplexity =
e^cross-entropy (Bengio et al. 2003, section 4). Nothing is clipped; sums over tokens are float64 and do not depend on
batches or threads. No context looks across a break of the stream.

These figures are of a closed vocabulary: an unknown word costs what ``<unk>`` costs, so they can't be compared with
those of another vocabulary. The open figures can: there an unknown word has the probability P(<unk> | context)
P(spelling | not in the vocabulary), the latter by the model's spelling model (`fflm.lm.spelling`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from fflm import html
from fflm.errors import PerplexityError
from fflm.evaluation.resampling import interval
from fflm.lm import LanguageModel
from fflm.runtime.progress import Bar
from fflm.text import TokenStream, Vocabulary

LARGEST_NATS = 700.0
#: The share of unknown words above which a note warns.
HIGH_OOV_RATE = 0.2
SHOWN_WORDS = 3


@dataclass(frozen=True, repr=False)
class Perplexity:
    """A model's report on a text.

    Attributes
    ----------
    tokens : int
        Predicted tokens N.
    oov, oov_rate : int, float
        How many of them are out of vocabulary (``<unk>``), and their share.
    unk_in_text : int
        How many of these the text itself has as ``<unk>``; the others are words that the vocabulary lacks.
    cross_entropy_nats, bits_per_token : float or None
        Mean of -log P in nats and in bits. This and what follows from it is None where it is undefined: unknown words
        have no probability in a model without ``<unk>``, such as an ARPA file of a closed vocabulary.
    perplexity, perplexity_without_oov : float or None
        Over all tokens, and over those in the vocabulary (None if there is none).
    bits_per_character : float or None
        All bits divided by the characters of the original text. With out-of-vocabulary tokens it is too low: it
        pays for ``<unk>``, not for the letters of the word; `open_bits_per_character` pays for these too.
    open_perplexity, open_bits_per_token, open_bits_per_word, open_bits_per_character : float or None
        Over all tokens, unknown words spelled out. A word is what stands between white space in the original text,
        whatever the tokenizer. None where the model has no spelling model, or an unknown word has no probability.
        Where the text itself has ``<unk>``, nobody knows what to spell, and it costs what ``<unk>`` does.
    words : int
        How many words there are between white space.
    perplexity_low, perplexity_high : float or None
        95 % bootstrap interval (1,000 replicates) over units (lines, or blocks of the stream); more than 2,000 units
        are joined with their neighbours into 2,000 groups or fewer, and these are drawn.
    tokens_per_second : float
    unknown_words : tuple of str
        Some of the words that are out of vocabulary, the most frequent ones, where the text tells them.
    notes : tuple of str
        What to keep in mind with these figures: that many words are unknown, or that some have no probability.
    """

    source: str
    tokens: int
    oov: int
    oov_rate: float
    cross_entropy_nats: float | None
    bits_per_token: float | None
    perplexity: float | None
    perplexity_without_oov: float | None
    bits_per_character: float | None
    perplexity_low: float | None
    perplexity_high: float | None
    tokens_per_second: float
    unknown_words: tuple[str, ...] = ()
    unk_in_text: int = 0
    notes: tuple[str, ...] = ()
    open_perplexity: float | None = None
    open_bits_per_token: float | None = None
    open_bits_per_word: float | None = None
    open_bits_per_character: float | None = None
    words: int = 0

    def __repr__(self) -> str:
        """Say the figures in a line."""
        on = f"on {self.tokens:,} tokens of {self.source}, {100 * self.oov_rate:.2f} % unknown"
        if self.perplexity is None:
            return f"Perplexity(undefined, {self.perplexity_without_oov:.2f} without unknown words, {on})"
        interval = f"95 % interval {self.perplexity_low:.2f} to {self.perplexity_high:.2f}"
        return f"Perplexity({self.perplexity:.2f}, {interval}, {on})"

    def _repr_html_(self) -> str:
        return html.box(html.title(f"Perplexity on {self.source}"), html.facts(self.shown()))

    def shown(self) -> dict[str, str]:
        """Return the figures as they are shown, by their names."""
        figures = {
            "tokens": f"{self.tokens:,}",
            "unknown words": f"{self.oov:,} ({100 * self.oov_rate:.2f} %)",
            "perplexity": "undefined" if self.perplexity is None else shown_perplexity(self.perplexity),
        }
        if self.perplexity is not None:
            figures["95 % interval"] = f"{self.perplexity_low:,.2f} to {self.perplexity_high:,.2f}"
            figures["bits per token"] = f"{self.bits_per_token:.4f}"
        if self.open_perplexity is not None:
            figures["open perplexity"] = shown_perplexity(self.open_perplexity)
            figures["open bits per character"] = f"{self.open_bits_per_character:.4f}"
        return figures

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return asdict(self) | {"unknown_words": list(self.unknown_words), "notes": list(self.notes)}


def shown_perplexity(value: float) -> str:
    """Return a perplexity with two decimals, a very large one with three figures."""
    return f"{value:,.2f}" if value < 1e9 else f"{value:.3g}"


class Evaluation(NamedTuple):
    """The report on a text, and the natural log P (N,) float64 of each of its tokens."""

    report: Perplexity
    log_probs: np.ndarray


def evaluate(model: LanguageModel, stream: TokenStream, on_batch: Callable[[float], None] | None = None) -> Perplexity:
    """Compute the perplexity of `model` on a text.

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
    PerplexityError
        If the probability of a known word is 0 or not a number, naming the first such token, if no token has a
        probability, or if the perplexity is beyond 1e304.

    Examples
    --------
    >>> import fflm
    >>> fflm.load("runs/demo").perplexity("text.txt").oov  # which calls this function
    0
    """
    return evaluate_tokens(model, stream, on_batch).report


def evaluate_tokens(
    model: LanguageModel, stream: TokenStream, on_batch: Callable[[float], None] | None = None
) -> Evaluation:
    """Do what `evaluate` does, and return the natural log P (N,) of each token too, from the same pass.

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
    log_probs = model.log_probs(stream.ids, on_batch, breaks=stream.breaks)
    return Evaluation(report_on(model.vocabulary, stream, log_probs, time.perf_counter() - started), log_probs)


def report_on(vocabulary: Vocabulary, stream: TokenStream, log_probs: np.ndarray, seconds: float) -> Perplexity:
    """Report on a text whose tokens have these log P (N,), computed in so many seconds; errors as of `evaluate`."""
    known = stream.ids != Vocabulary.UNK
    defined = bool(np.isfinite(log_probs).all())
    lost = ~np.isfinite(log_probs) & (known | np.isnan(log_probs) | (not known.any()))
    if lost.any():
        place = int(np.flatnonzero(lost)[0])
        word = vocabulary.words[int(stream.ids[place])]
        raise PerplexityError(
            f"perplexity is undefined: token {place + 1} of {stream.source}, {word!r}, has no probability"
        )
    nats = -float(log_probs.mean()) if defined else None
    low = high = None
    if defined:
        low, high = (_exponential(bound, stream.source) for bound in interval(-log_probs, stream.unit_starts))
    return Perplexity(
        source=stream.source,
        tokens=len(stream),
        oov=stream.unknown,
        oov_rate=stream.unknown / len(stream),
        cross_entropy_nats=nats,
        bits_per_token=None if nats is None else nats / math.log(2.0),
        perplexity=None if nats is None else _exponential(nats, stream.source),
        perplexity_without_oov=_exponential(-float(log_probs[known].mean()), stream.source) if known.any() else None,
        bits_per_character=-float(log_probs.sum()) / math.log(2.0) / stream.characters if defined else None,
        perplexity_low=low,
        perplexity_high=high,
        tokens_per_second=len(stream) / seconds,
        unknown_words=stream.unknown_words,
        unk_in_text=stream.unk_in_text,
        notes=tuple(_notes(stream, defined)),
        words=stream.words,
        **(_open_figures(vocabulary, stream, log_probs) if defined else {}),
    )


def open_log_probs(vocabulary: Vocabulary, stream: TokenStream, log_probs: np.ndarray) -> np.ndarray | None:
    """Return log P (N,) of the tokens with unknown words spelled out; None where the spelling is not known.

    Parameters
    ----------
    vocabulary : Vocabulary
    stream : TokenStream
    log_probs : (N,) float64
        Natural logarithm of P of each token, of unknown words that of ``<unk>``.

    Examples
    --------
    >>> import fflm
    >>> from fflm.config import DataConfig
    >>> from fflm.text import encode
    >>> with open("new.txt", "w") as file:
    ...     _ = file.write("the zebra sat")
    >>> model = fflm.load("runs/demo").lm
    >>> stream = encode(["new.txt"], model.tokenizer, model.vocabulary, DataConfig())
    >>> (open_log_probs(model.vocabulary, stream, np.zeros(3)) < 0).tolist()
    [False, True, False]
    """
    if vocabulary.spelling is None or (stream.spellings is None and stream.unknown):
        return None
    opened = log_probs.copy()
    if stream.spellings is not None:
        words = stream.spellings.words
        spelled = [i for i, word in enumerate(words) if word is not None]
        costs = np.zeros(len(words))
        costs[spelled] = vocabulary.spelling.log_probs([words[i] or "" for i in spelled])
        opened[stream.ids == Vocabulary.UNK] += costs[stream.spellings.places]
    return opened


def _open_figures(vocabulary: Vocabulary, stream: TokenStream, log_probs: np.ndarray) -> dict[str, float | None]:
    opened = open_log_probs(vocabulary, stream, log_probs)
    if opened is None:
        return {}
    bits = -float(opened.sum()) / math.log(2.0)
    return {
        "open_perplexity": _exponential(-float(opened.mean()), stream.source),
        "open_bits_per_token": bits / len(stream),
        "open_bits_per_word": bits / stream.words if stream.words else None,
        "open_bits_per_character": bits / stream.characters,
    }


def _notes(stream: TokenStream, defined: bool) -> Iterator[str]:
    """Yield what to keep in mind with the figures of a text."""
    named = ", ".join(map(repr, stream.unknown_words[:SHOWN_WORDS]))
    named = f" ({named}{', ...' if len(stream.unknown_words) > SHOWN_WORDS else ''})" if named else ""
    if not defined:
        yield (
            "warning: unknown words have no probability in this model, which has no <unk>, so the perplexity over all "
            f"tokens is undefined; without the {stream.unknown:,} unknown{named} it is over "
            f"{len(stream) - stream.unknown:,} tokens"
        )
    unknown = stream.unknown - stream.unk_in_text
    if unknown > HIGH_OOV_RATE * len(stream):
        yield (
            f"warning: {100 * unknown / len(stream):.3g} % of the tokens are unknown words{named}, so the "
            "perplexity is mostly about <unk>, and the open figures about their letters; are language, case and tokens "
            "of the text those of the model?"
        )


def speed(model: LanguageModel, ids: np.ndarray, most: int = 8192) -> float:
    """Measure how many tokens/s `model` scores, on a few of the ids (N,): the best of three tries."""
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        model.log_probs(ids[:most])
        seconds.append(time.perf_counter() - started)
    return len(ids[:most]) / min(seconds)


def _exponential(nats: float, source: str) -> float:
    if nats > LARGEST_NATS:
        raise PerplexityError(f"perplexity of {source} is too large for a number: the cross-entropy is {nats:g} nats")
    return math.exp(nats)


def evaluated(model: LanguageModel, text: TokenStream | None, quiet: bool) -> dict[str, Any] | None:
    """Evaluate a model on a text: the report as plain JSON values, None without a text; with a bar unless `quiet`."""
    if text is None:
        return None
    with Bar(len(text), "perplexity", not quiet) as bar:
        return evaluate(model, text, bar.advance).to_dict()
