"""Surprisal: -log2 P(token | the words before it) of every token, in bits; the same sums that perplexities are made of.

An unknown word is spelled out, so that the sum is that of the open figures; or it is scored as ``<unk>``, so that the
sum is that of the closed ones; or it has no number.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np

from fflm import html
from fflm.config import DataConfig
from fflm.config.options import check_value
from fflm.config.scoring import UNKNOWN
from fflm.errors import visible
from fflm.evaluation.perplexity import Perplexity, evaluate_tokens, open_log_probs
from fflm.lm import LanguageModel
from fflm.runtime.progress import Bar
from fflm.text import TokenStream, Vocabulary, encode_tokens

#: So many tokens are shown in a notebook.
SHOWN = 400


@dataclass(frozen=True, repr=False)
class Scores:
    """A text with the surprisal of each token in a model.

    Attributes
    ----------
    report : Perplexity
        The totals: those of `fflm.evaluation.perplexity.evaluate` on the same text.
    stream : TokenStream
        The text in the model's vocabulary.
    tokens : list of str
        Each token as it stands in the text, known or not; the end of a line is ``</s>`` (``eos`` boundary: ``<eos>``).
    bits : (N,) float64
        Surprisal of each token. In a model without ``<unk>`` the bits of an unknown word are infinite; NaN where it is
        to have none.
    unknown : {"spelled", "unk", "nan"}
        What the bits of unknown words are: those of ``<unk>`` and of the spelling, those of ``<unk>``, or NaN.
    """

    report: Perplexity
    stream: TokenStream
    tokens: list[str]
    bits: np.ndarray
    unknown: str = "unk"

    def __repr__(self) -> str:
        """Say the totals in a line."""
        return f"Scores({len(self.tokens):,} tokens, {self.report!r})"

    def _repr_html_(self) -> str:
        count = min(len(self.tokens), SHOWN)
        text = html.coloured(zip(self.tokens[:count], self.bits[:count].tolist(), strict=True))
        more = (
            f"<p>The first {count:,} tokens; score --html writes a page of more.</p>"
            if count < len(self.tokens)
            else ""
        )
        return html.box(html.title(f"Surprisal of {self.report.source}"), html.facts(self.report.shown()), text, more)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield each token with its unit (line, or block of the stream), position, and bits; counted from 1.

        In the ``line`` boundary there is also the number of the ``line`` in its file, empty lines counted, and, where
        several files were read, the ``file``. Bits that are no finite number are None.
        """
        ids, bits = self.stream.ids.tolist(), self.bits.tolist()
        bounds = self.stream.unit_starts.tolist()
        places = self._places()
        for unit, (first, last) in enumerate(zip(bounds, bounds[1:], strict=False), start=1):
            place = {"unit": unit, **next(places)}
            for i in range(first, last):
                yield {
                    **place,
                    "position": i - first + 1,
                    "token": self.tokens[i],
                    "known": ids[i] != Vocabulary.UNK,
                    "bits": bits[i] if math.isfinite(bits[i]) else None,
                }

    def _places(self) -> Iterator[dict[str, Any]]:
        """Yield where each unit stands: its line, and its file if there are several."""
        stream = self.stream
        if stream.lines is None:
            yield from repeat({}, len(stream.unit_starts) - 1)
            return
        names = {name for _, name in stream.files}
        starts = [*(first for first, _ in stream.files), len(stream.lines)]
        for (first, name), last in zip(stream.files, starts[1:], strict=True):
            for line in stream.lines[first:last].tolist():
                yield {"line": line, "file": name} if len(names) > 1 else {"line": line}

    def lines(self) -> Iterator[str]:
        """Yield the rows as TSV with a header; backslashes and what `visible` escapes in a token are as in Python.

        So a token keeps its row and its column, and no control character reaches a terminal.
        """
        for number, (row, bits) in enumerate(zip(self.rows(), self.bits.tolist(), strict=True)):
            if number == 0:
                yield "\t".join(row) + "\n"
            shown = {"token": visible(row["token"].replace("\\", "\\\\")), "known": int(row["known"])}
            shown["bits"] = "NA" if math.isnan(bits) else f"{bits:z.6f}"  # as R and pandas read it
            yield "\t".join(str(value) for value in (row | shown).values()) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Return the totals and, under ``scores``, the rows, as plain JSON values."""
        return {**self.report.to_dict(), "unknown": self.unknown, "scores": list(self.rows())}


def score(
    model: LanguageModel,
    sources: Sequence[str],
    encoding: str = "utf-8",
    quiet: bool = False,
    unknown: str = "spelled",
) -> Scores:
    """Compute the surprisal of every token of a text.

    Parameters
    ----------
    model : LanguageModel
    sources : sequence of str
        Files, folders, ``-`` or named corpora, read as one text.
    encoding : str
        Character encoding of the files.
    quiet : bool
        Show nothing on stderr; without it, a bar if that is a terminal.
    unknown : {"spelled", "unk", "nan"}
        Bits of an unknown word: those of ``<unk>`` and of its spelling, where the model has a spelling model; those of
        ``<unk>``; NaN.

    Raises
    ------
    ConfigError
        If `unknown` is none of these.
    TextError
        If a source can't be read.
    FflmError
        If a known word has no probability.

    Examples
    --------
    >>> import fflm
    >>> scores = score(fflm.load("runs/demo").lm, ["text.txt"])
    >>> scores.tokens[:6], bool(scores.bits[5] < 0.1), len(scores.bits)
    (['the', 'cat', 'sat', 'on', 'the', 'mat'], True, 1600)
    """
    check_value("unknown", unknown, {"choices": UNKNOWN})
    stream, tokens = encode_tokens(sources, model.tokenizer, model.vocabulary, DataConfig(encoding=encoding))
    with Bar(len(stream), "score", not quiet) as bar:
        report, log_probs = evaluate_tokens(model, stream, bar.advance)
    opened = open_log_probs(model.vocabulary, stream, log_probs) if unknown == "spelled" else None
    if opened is not None:
        log_probs = opened
    elif unknown == "spelled":
        unknown = "unk"
    bits = 0.0 - log_probs / math.log(2.0)
    if unknown == "nan":
        bits[stream.ids == Vocabulary.UNK] = math.nan
    return Scores(report, stream, tokens, bits, unknown)
