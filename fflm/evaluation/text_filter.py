"""Filters: which texts of a file are kept, by a figure of each."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice

import numpy as np

from fflm.config import FilterConfig, RecordsConfig
from fflm.config.scoring import parsed_limit
from fflm.errors import TextError, option_name, shown
from fflm.evaluation.text_scores import TextScore, score_records
from fflm.lm import LanguageModel
from fflm.storage.files import is_stream
from fflm.text.records import Record, read_records

#: Of a stream, which can't be read twice, percentiles are those of so many texts at its beginning, which are held back.
SAMPLE = 10_000
#: What the first pass found of a text: it can't be read, it has a figure, it has no tokens.
BROKEN, SCORED, EMPTY = 0, 1, 2


def kept_records(
    model: LanguageModel,
    source: str,
    records: RecordsConfig,
    config: FilterConfig,
    encoding: str = "utf-8",
    tell: Callable[[str], None] = lambda text: None,
) -> Iterator[tuple[Record, bool | None]]:
    """Yield the texts of a file in order, and whether each is kept; None for one that can't be read.

    A text without tokens, and the line that names the columns of a table, are kept. A text whose figure is undefined,
    because a word has no probability, is not. Percentiles need a first pass over a file, in which 8 bytes are held for
    each text; of standard input they are those of the first 10,000 texts.

    Parameters
    ----------
    model : LanguageModel
    source : str
    records : RecordsConfig
    config : FilterConfig
    encoding : str
    tell : callable
        Called with what is to be known: the limits that percentiles come to.

    Raises
    ------
    TextError, ConfigError
        As of `fflm.evaluation.text_scores.score_records`; TextError too if there is no text to take percentiles of.

    Examples
    --------
    >>> import fflm
    >>> with open("some.txt", "w") as file:
    ...     _ = file.write("the cat sat on the mat\\nmat the on sat cat\\n")
    >>> model = fflm.load("runs/demo").lm
    >>> [kept for _, kept in kept_records(model, "some.txt", RecordsConfig(), FilterConfig(keep_below="p50"))]
    [True, False]
    """
    figure = config.figure or ("perplexity" if model.vocabulary.spelling is None else "open_perplexity")
    scored = (
        (record, score, _figure(score, figure)) for record, score in score_records(model, source, records, encoding)
    )
    given = [(name, getattr(config, name)) for name in ("keep_below", "keep_above")]
    limits = {name: parsed_limit(name, limit) for name, limit in given if limit is not None}
    if not any(percentile for _, percentile in limits.values()):
        bounds = {name: value for name, (value, _) in limits.items()}
        for record, score, value in scored:
            yield record, _kept(record, score, value, bounds)
        return
    if source == "-" or is_stream(source):
        held = list(islice(scored, SAMPLE))
        bounds = _bounds(limits, [value for _, score, value in held if score.tokens], source)
        tell(f"limits, by the first {len(held):,} texts: {_said(figure, bounds)}")
        for record, score, value in chain(held, scored):
            yield record, _kept(record, score, value, bounds)
        return
    values, decided = array("d"), bytearray()
    for record, score, value in scored:
        values.append(value)
        decided.append(BROKEN if record.error or score.error else SCORED if score.tokens else EMPTY)
    used = np.frombuffer(values)[np.frombuffer(decided, np.uint8) == SCORED] if values else np.zeros(0)
    bounds = _bounds(limits, used, source)
    tell(f"limits, by all {len(values):,} texts: {_said(figure, bounds)}")
    again = chain.from_iterable(read_records(source, records, encoding))
    number = -1
    for number, record in enumerate(again):
        if number >= len(values):
            break
        kind = decided[number]
        yield record, None if kind == BROKEN else kind == EMPTY or _within(values[number], bounds)
    if number + 1 != len(values):
        raise TextError(f"source must not change while it is read, got {shown(source)}")


def _figure(score: TextScore, name: str) -> float:
    value = getattr(score, name)
    if (
        value is None
        and score.tokens
        and getattr(score, name.removesuffix("perplexity") + "log_prob", None) is not None
    ):
        return math.inf  # beyond the range of a number
    return math.nan if value is None else float(value)


def _kept(record: Record, score: TextScore, value: float, bounds: dict[str, float]) -> bool | None:
    if record.error or score.error:
        return None
    return not score.tokens or _within(value, bounds)


def _within(value: float, bounds: dict[str, float]) -> bool:
    return bounds.get("keep_above", -math.inf) <= value <= bounds.get("keep_below", math.inf)  # NaN is not


def _bounds(
    limits: dict[str, tuple[float, bool]], values: Sequence[float] | np.ndarray, source: str
) -> dict[str, float]:
    known = np.asarray(values, float)
    known = known[~np.isnan(known)]
    if not len(known):
        name = option_name("keep_below" if "keep_below" in limits else "keep_above")
        raise TextError(f"{name} must be a number, as no text of {shown(source)} has a figure to take percentiles of")
    return {
        name: float(np.percentile(known, value, method="lower")) if percentile else value
        for name, (value, percentile) in limits.items()
    }


def _said(figure: str, bounds: dict[str, float]) -> str:
    signs = {"keep_below": "at most", "keep_above": "at least"}
    return ", ".join(f"{figure} {signs[name]} {value:.6g}" for name, value in bounds.items())
