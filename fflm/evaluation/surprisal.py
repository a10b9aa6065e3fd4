"""Surprisal: -log2 P(token | the words before it) of every token, in bits; the same sum that perplexity is made of."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fflm.config import DataConfig
from fflm.errors import visible
from fflm.evaluation.perplexity import Perplexity, evaluate_tokens
from fflm.lm import LanguageModel
from fflm.runtime.progress import Bar
from fflm.text import TokenStream, Vocabulary, encode_tokens


@dataclass(frozen=True)
class Scores:
    """A text as a model sees it, token by token.

    Attributes
    ----------
    report : Perplexity
        The totals: those of `fflm.evaluation.perplexity.evaluate` on the same text.
    stream : TokenStream
        The text in the model's vocabulary.
    tokens : list of str
        Each token as it stands in the text, known or not; the end of a line is ``</s>``.
    bits : (N,) float64
        Surprisal of each token. An unknown one is scored as ``<unk>``.
    """

    report: Perplexity
    stream: TokenStream
    tokens: list[str]
    bits: np.ndarray

    def rows(self) -> Iterator[dict]:
        """Each token with its unit (line, or block of the stream), position, and bits; both counted from 1."""
        ids, bits = self.stream.ids.tolist(), self.bits.tolist()
        bounds = self.stream.unit_starts.tolist()
        for unit, (first, last) in enumerate(zip(bounds, bounds[1:], strict=False), start=1):
            for i in range(first, last):
                known = ids[i] != Vocabulary.UNK
                yield {
                    "unit": unit,
                    "position": i - first + 1,
                    "token": self.tokens[i],
                    "known": known,
                    "bits": bits[i],
                }

    def lines(self) -> Iterator[str]:
        """The rows as TSV with a header; in a token, backslashes and what `visible` escapes are written as in Python.

        So a token keeps its row and its column, and a terminal obeys none.
        """
        yield "unit\tposition\ttoken\tknown\tbits\n"
        for row in self.rows():
            token = visible(row["token"].replace("\\", "\\\\"))
            yield f"{row['unit']}\t{row['position']}\t{token}\t{row['known']:d}\t{row['bits']:z.6f}\n"

    def to_dict(self) -> dict:
        """The totals and, under ``scores``, the rows, as plain JSON values."""
        return {**self.report.to_dict(), "scores": list(self.rows())}


def score(model: LanguageModel, sources: Sequence[str], encoding: str = "utf-8", quiet: bool = False) -> Scores:
    """The surprisal of every token of a text.

    Parameters
    ----------
    model : LanguageModel
    sources : sequence of str
        Files, folders, ``-`` or named corpora, read as one text.
    encoding : str
        Of the files.
    quiet : bool
        Show nothing on stderr; without it, a bar if that is a terminal.

    Raises
    ------
    TextError
        If a source can't be read.
    FflmError
        If a token has no probability.

    Examples
    --------
    >>> import fflm
    >>> scores = score(fflm.load("runs/demo").lm, ["text.txt"])
    >>> scores.tokens[:6], bool(scores.bits[5] < 0.1), len(scores.bits)
    (['the', 'cat', 'sat', 'on', 'the', 'mat'], True, 1600)
    """
    stream, tokens = encode_tokens(sources, model.tokenizer, model.vocabulary, DataConfig(encoding=encoding))
    with Bar(len(stream), "score", not quiet) as bar:
        report, log_probs = evaluate_tokens(model, stream, bar.advance)
    return Scores(report, stream, tokens, 0.0 - log_probs / math.log(2.0))
