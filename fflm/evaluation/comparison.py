"""Compare two models: both score the same text, and their bits are paired.

Token by token where vocabulary and tokenizer are the same: d[t] = bits of A - bits of B, positive where B is better.
Tokens of a unit (a line, or a block of the stream) depend on each other, units hardly: so the interval draws units, and
the test swaps A and B unit by unit. Models that cut or know other words are compared in bits per character, with
unknown words spelled out (`fflm.evaluation.perplexity`): so each pays for every letter of the text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fflm.config import DataConfig
from fflm.config.options import whole_number
from fflm.errors import ConfigError, FflmError, option_name
from fflm.evaluation.breakdowns import CONTEXT_COUNTS, bands, by_frequency, by_neighbours, rows, won_words
from fflm.evaluation.comparison_report import Comparison
from fflm.evaluation.perplexity import Perplexity, evaluate_tokens, open_log_probs
from fflm.evaluation.resampling import group_starts, group_sums, interval, permutation_p_value
from fflm.lm import LanguageModel, can_count_contexts, difference_between
from fflm.runtime.progress import Bar
from fflm.text import TokenStream, encode
from fflm.text.marks import line_end_ids

Progress = Callable[[float], None]
FEW_UNITS = 5  # no p-value below 0.05 is possible: 2 of their 2 ** 5 swaps are as extreme as any


def compare(
    a: LanguageModel,
    b: LanguageModel,
    sources: Sequence[str],
    contexts: LanguageModel | None = None,
    per_character: bool = False,
    top: int = 10,
    encoding: str = "utf-8",
    quiet: bool = False,
) -> Comparison:
    """Compare two models on a text.

    Parameters
    ----------
    a, b : LanguageModel
    sources : sequence of str
        Files, folders, ``-`` or named corpora, read as one text.
    contexts : LanguageModel, optional
        An n-gram model that says how often contexts were seen, where neither `a` nor `b` can.
    per_character : bool
        Compare in bits per character, as is done anyway where vocabularies or tokenizers differ and both models have a
        spelling model.
    top : int
        How many words on which a model wins most.
    encoding : str
        Character encoding of the files.
    quiet : bool
        Show nothing on stderr; without it, a bar if that is a terminal.

    Returns
    -------
    Comparison

    Raises
    ------
    ConfigError
        If `top` is less than 1, or an option does not go with `per_character`.
    FflmError
        If vocabularies or tokenizers differ, a model has no spelling model and not `per_character`, or a token has no
        probability.
    TextError
        If a source can't be read.

    Examples
    --------
    >>> import fflm
    >>> model = fflm.load("runs/demo").lm
    >>> compare(model, model, ["text.txt"]).conclusion
    'no difference that this text can show; p = 1'
    """
    top = whole_number("top", top, low=1)
    notes: list[str] = []
    unlike = difference_between(a, b, ("A", "B"))
    if unlike and not per_character and all(model.vocabulary.spelling is not None for model in (a, b)):
        per_character = True
        notes.append(f"compared per character, as {unlike}")
    if per_character:
        _check_per_character(contexts, sources, unlike if notes else None)
    else:
        _check_comparable(a, unlike, contexts)
    streams = [
        encode(sources, model.tokenizer, model.vocabulary, DataConfig(encoding=encoding))
        for model in ((a, b) if per_character else (a,))
    ]
    with Bar(len(streams[0]) + len(streams[-1]), "compare", not quiet) as bar:
        if per_character:
            return _by_character(a, b, streams[0], streams[1], notes, bar.advance)
        return _by_token(a, b, streams[0], contexts, top, bar.advance)


def _check_per_character(contexts: LanguageModel | None, sources: Sequence[str], unlike: str | None) -> None:
    """Refuse what a comparison per character can't have; `unlike` says why it is one, if nobody asked for it."""
    name = option_name("per_character")
    why = f"together with {name}" if unlike is None else f"as A and B are compared per character ({unlike})"
    if contexts is not None:
        raise ConfigError(f"{option_name('contexts')} must not be given {why}: it compares no single tokens")
    if "-" in sources:
        why = f"with {name}" if unlike is None else why
        raise ConfigError(f"{option_name('sources')} must be files or corpora {why}, got '-': each model reads them")


def _check_comparable(a: LanguageModel, unlike: str | None, contexts: LanguageModel | None) -> None:
    if unlike:
        raise FflmError(
            f"A and B can't be compared per token: {unlike}; {option_name('per_character')} compares them in bits per "
            "character"
        )
    if contexts is None:
        return
    if reason := difference_between(a, contexts, ("A", "contexts")):
        raise FflmError(f"{option_name('contexts')} must have the vocabulary and tokenizer of A and B: {reason}")
    if not can_count_contexts(contexts):
        raise FflmError(
            f"{option_name('contexts')} must be an n-gram model made by fflm, or a mixture with one, as only these "
            f"count contexts; got a model of kind {contexts.describe()['kind']!r}"
        )


def _score(name: str, model: LanguageModel, stream: TokenStream, on_batch: Progress) -> tuple[Perplexity, np.ndarray]:
    """Return a model's report, and the bits (N,) of each token."""
    try:
        report, log_probs = evaluate_tokens(model, stream, on_batch)
    except FflmError as error:
        raise type(error)(f"{name}: {error}") from error
    return report, -log_probs / math.log(2.0)


def _by_token(
    a: LanguageModel,
    b: LanguageModel,
    stream: TokenStream,
    contexts: LanguageModel | None,
    top: int,
    on_batch: Progress,
) -> Comparison:
    ids, words, ends = stream.ids, a.vocabulary.words, line_end_ids(a.tokenizer, a.vocabulary)
    notes: list[str] = []
    counts = _training_counts(a, b, notes)
    seen, contexts_of = _context_counts(a, b, contexts, stream, notes)
    report_a, bits_a = _score("A", a, stream, on_batch)
    report_b, bits_b = _score("B", b, stream, on_batch)
    neighbours = list(by_neighbours(ids, stream.breaks))
    given = np.isfinite(bits_a) & np.isfinite(bits_b)
    unit_starts = stream.unit_starts
    if not given.all():
        notes.append(
            f"left out of the comparison: {np.count_nonzero(~given):,} of {len(ids):,} tokens, unknown words that have "
            "no probability in a model without <unk>"
        )
        ids, bits_a, bits_b, seen = ids[given], bits_a[given], bits_b[given], None if seen is None else seen[given]
        neighbours = [(label, mask[given]) for label, mask in neighbours]
        unit_starts = np.unique(np.append(0, np.cumsum(given))[unit_starts])  # no unit without a token
    difference = bits_a - bits_b
    return Comparison(
        source=stream.source,
        per="token",
        a=report_a,
        b=report_b,
        difference=float(difference.mean()),
        **_significance(difference, unit_starts, 1.0, notes),
        perplexity_ratio=2.0 ** float(difference.mean()),
        a_wins=float((difference < 0).mean()),
        b_wins=float((difference > 0).mean()),
        by_frequency=None if counts is None else rows(by_frequency(ids, counts, ends), bits_a, bits_b),
        by_context=None if seen is None else rows(bands(seen, CONTEXT_COUNTS), bits_a, bits_b),
        by_neighbours=rows(neighbours, bits_a, bits_b),
        contexts_of=contexts_of,
        a_words=won_words(ids, -difference, words, top),
        b_words=won_words(ids, difference, words, top),
        notes=tuple(notes),
        bits_a=bits_a,
        bits_b=bits_b,
    )


def _training_counts(a: LanguageModel, b: LanguageModel, notes: list[str]) -> np.ndarray | None:
    """Count how often each word (V,) occurred in training; A's counts, or B's where A has none."""
    known = [model.vocabulary.counts for model in (a, b) if model.vocabulary.counts.any()]
    if not known:
        notes.append("no breakdown by word frequency: the vocabulary has no counts of the training text")
        return None
    if len(known) == 2 and not np.array_equal(known[0], known[1]):
        notes.append("A and B were trained on different texts: the word frequencies are those of A's")
    return known[0]


def _context_counts(
    a: LanguageModel, b: LanguageModel, contexts: LanguageModel | None, stream: TokenStream, notes: list[str]
) -> tuple[np.ndarray | None, str | None]:
    """Count how often the two words before each token were seen in training, (N,), and name the model that was asked.

    Asked is `contexts`, else A, else B, as for the counts of words.
    """
    for name, model in (("contexts", contexts), ("A", a), ("B", b)):
        if model is not None and can_count_contexts(model):
            return model.context_counts(stream.ids, stream.breaks), name
    notes.append("no breakdown by seen and unseen context: give an n-gram model as contexts (--contexts MODEL)")
    return None, None


def _by_character(
    a: LanguageModel,
    b: LanguageModel,
    stream_a: TokenStream,
    stream_b: TokenStream,
    notes: list[str],
    on_batch: Progress,
) -> Comparison:
    report_a, bits_a = _score("A", a, stream_a, on_batch)
    report_b, bits_b = _score("B", b, stream_b, on_batch)
    for name, report in (("A", report_a), ("B", report_b)):
        if report.bits_per_character is None:
            raise FflmError(
                f"{name}: bits per character are undefined: it has no <unk>, and {report.oov:,} of {report.tokens:,} "
                "tokens are unknown words, which have no probability"
            )
    opened = [_open_bits(model, s, bits) for model, s, bits in ((a, stream_a, bits_a), (b, stream_b, bits_b))]
    spelled = [bits for bits in opened if bits is not None]
    if len(spelled) == 2:
        bits_a, bits_b = spelled
        notes.append("unknown words are spelled out, so both models pay for every letter")
    elif report_a.oov or report_b.oov:
        without = " and ".join(name for name, bits in zip("AB", opened, strict=True) if bits is None)
        notes.append(
            "a model pays for <unk>, not for the letters it stands for, and looks the better for it, as there is no "
            f"spelling model in {without}: unknown are {report_a.oov:,} of {report_a.tokens:,} tokens in A, "
            f"{report_b.oov:,} of {report_b.tokens:,} in B"
        )
    if a.tokenizer.config.lowercase != b.tokenizer.config.lowercase:
        lower = "A" if a.tokenizer.config.lowercase else "B"
        notes.append(f"{lower} reads the text in lower case and need not predict its capital letters")
    name = "open_bits_per_character" if len(spelled) == 2 else "bits_per_character"
    significance = dict.fromkeys(("difference_low", "difference_high", "p_value", "units", "groups"))
    if reason := _unpaired(a, b, stream_a, stream_b):
        notes.append(f"no interval and no p-value: {reason}")
    else:
        sums = (np.add.reduceat(bits, s.unit_starts[:-1]) for bits, s in ((bits_a, stream_a), (bits_b, stream_b)))
        difference = np.subtract(*sums)
        scale = len(difference) / stream_a.characters
        significance = _significance(difference, np.arange(len(difference) + 1), scale, notes)
    return Comparison(
        source=stream_a.source,
        per="character",
        open=len(spelled) == 2,
        a=report_a,
        b=report_b,
        difference=getattr(report_a, name) - getattr(report_b, name),
        **significance,
        notes=tuple(notes),
    )


def _open_bits(model: LanguageModel, stream: TokenStream, bits: np.ndarray) -> np.ndarray | None:
    """Return the bits (N,) of the tokens with unknown words spelled out, None if that is not known."""
    opened = open_log_probs(model.vocabulary, stream, -bits * math.log(2.0))
    return None if opened is None else -opened / math.log(2.0)


def _unpaired(a: LanguageModel, b: LanguageModel, stream_a: TokenStream, stream_b: TokenStream) -> str | None:
    """Say why the units of the two streams are not the same pieces of the text, if they are not."""
    if stream_a.characters != stream_b.characters:
        return f"A reads {stream_a.characters:,} characters, B {stream_b.characters:,}"
    if a.tokenizer == b.tokenizer:
        return None
    configs = [model.tokenizer.config for model in (a, b)]
    if not all(config.boundary == "line" for config in configs):
        return "A and B cut the text into different units; models of lines could be paired line by line"
    lines = [len(stream.unit_starts) - 1 for stream in (stream_a, stream_b)]
    return None if lines[0] == lines[1] else f"A reads {lines[0]:,} lines, B {lines[1]:,}"


def _significance(difference: np.ndarray, unit_starts: np.ndarray, scale: float, notes: list[str]) -> dict[str, Any]:
    """Compute interval, p-value, number of units and of groups of `scale` times the mean of difference (N,)."""
    units = len(unit_starts) - 1
    if units == 1:
        notes.append("no interval and no p-value: the text is a single unit (line or block)")
        return {"difference_low": None, "difference_high": None, "p_value": None, "units": 1, "groups": 1}
    if units <= FEW_UNITS:
        notes.append(f"{units} units (lines or blocks) are few: no p-value below {2.0 ** (1 - units):g} is possible")
    low, high = (scale * bound + 0.0 for bound in interval(difference, unit_starts))  # + 0.0: no -0.0
    return {
        "difference_low": low,
        "difference_high": high,
        "p_value": permutation_p_value(group_sums(difference, unit_starts)[0]),
        "units": units,
        "groups": len(group_starts(unit_starts)),
    }
