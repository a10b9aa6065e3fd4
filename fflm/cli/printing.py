"""What the commands print with: JSON, notes on stderr, and lines without control characters.

Whatever comes from a text, a model file or the name of a file goes through `visible` of `fflm.errors` on its way out.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any

from fflm.errors import visible

if TYPE_CHECKING:
    from fflm.api.model import Model
    from fflm.api.reports import MixtureReport, NgramReport


def print_json(value: object) -> None:
    """Print one line of JSON on stdout; it is ASCII and exact."""
    print(json.dumps(value))


def print_line(*fields: str) -> None:
    """Print one line on stdout; several fields with tabs between them."""
    print("\t".join(map(visible, fields)))


def print_text(text: str) -> None:
    """Print text on stdout whose line ends and tabs are meant."""
    print(visible(text, keep="\n\t"))


def print_aside(text: str) -> None:
    """Print one line on stderr; where nothing can be printed there, that is no reason to fail."""
    try:
        print(visible(text), file=sys.stderr, flush=True)
    except (OSError, ValueError):
        sys.stderr = open(os.devnull, "w")  # what is still buffered would fail again when Python ends


@contextmanager
def report_aside(aside: bool) -> Iterator[None]:
    """Let what is printed in the block go to stderr if `aside`, where a file is written to standard output."""
    if not aside:
        yield
        return
    lines = io.StringIO()
    with redirect_stdout(lines):
        yield
    for line in lines.getvalue().splitlines():
        print_aside(line)


def note(text: str) -> None:
    """Print a note to people on stderr."""
    print_aside(f"note: {text}")


def word(text: str) -> str:
    """Return a token or label as it is shown among others: what is nothing but white space in quotes."""
    return repr(text) if text.isspace() else visible(text)


def note_unknown(model: Model, text: str, name: str) -> None:
    """Print a note if the model knows no word of the text that it was given."""
    known, words = model.known_words(text)
    if words and not known:
        note(f"no word of the {name} is in the vocabulary; each counts as <unk>")


def warn(notes: Iterable[str]) -> None:
    """Print what is to be kept in mind on stderr."""
    for text in notes:
        print(text, file=sys.stderr)


def number(perplexity: float, decimals: int = 2) -> str:
    """Return a perplexity with its decimals, a very large one with three figures."""
    return f"{perplexity:.{decimals}f}" if perplexity < 1e9 else f"{perplexity:.3g}"


def perplexity_lines(report: dict[str, Any]) -> Iterator[str]:
    """Yield the figures of a report: those of the closed vocabulary, and those with unknown words spelled out."""
    yield _closed_figures(report)
    if report["oov"] and report["open_perplexity"] is not None:
        per_word = f", {report['open_bits_per_word']:.2f} bits/word" if report["words"] else ""
        yield (
            f"(unknown words spelled out: perplexity {number(report['open_perplexity'])}{per_word}, "
            f"{report['open_bits_per_character']:.3f} bits/character)"
        )


def _closed_figures(report: dict[str, Any]) -> str:
    tokens = f"{report['tokens']:,} tokens, {100 * report['oov_rate']:.2f} % unknown"
    if report["unk_in_text"]:
        tokens += f" ({100 * report['unk_in_text'] / report['tokens']:.2f} % as <unk> in the text)"
    if report["perplexity"] is None:
        return f"perplexity undefined, {report['perplexity_without_oov']:.2f} without unknown words, on {tokens}"
    names = ("perplexity", "perplexity_low", "perplexity_high")
    middle, low, high = (number(report[name]) for name in names)
    return f"perplexity {middle} (95 % interval {low} to {high}) on {tokens}"


def print_held_out(report: NgramReport | MixtureReport) -> None:
    """Print the lines with which training, counting and mixing end: validation, test, notes."""
    for label, figures in (("validation", report.valid), ("test", report.test)):
        if figures is not None:
            for name, line in zip((label, ""), perplexity_lines(figures), strict=False):
                print_line(f"{name:12} {line}")
            warn(figures["notes"])
    for line in report.notes:
        print_line(f"note         {line}")
