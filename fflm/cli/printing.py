"""What the commands print with: JSON for machines, notes on stderr, texts on one line."""

from __future__ import annotations

import json
import sys


def print_json(value) -> None:
    """One line of JSON on stdout."""
    print(json.dumps(value))


def note(text: str) -> None:
    """A note to people, on stderr."""
    print(f"note: {text}", file=sys.stderr)


def visible(text: str) -> str:
    """One line of it: line ends as \\n, and a text of nothing but white space in quotes."""
    return repr(text) if text.isspace() else text.replace("\n", "\\n")


def note_unknown(model, text: str, name: str) -> None:
    """Say so if the model knows no word of what it was given."""
    known, words = model.known_words(text)
    if words and not known:
        note(f"no word of the {name} is in the vocabulary; each counts as <unk>")


def warn(notes) -> None:
    """What is to be kept in mind, on stderr."""
    for text in notes:
        print(text, file=sys.stderr)


def perplexity_line(report: dict) -> str:
    """The figures of a report on one line."""
    tokens = f"{report['tokens']:,} tokens, {100 * report['oov_rate']:.2f} % unknown"
    if report["perplexity"] is None:
        return f"perplexity undefined, {report['perplexity_without_oov']:.2f} without unknown words, on {tokens}"
    middle, low, high = (
        f"{value:.2f}" if value < 1e9 else f"{value:.3g}"
        for value in (report["perplexity"], report["perplexity_low"], report["perplexity_high"])
    )
    return f"perplexity {middle} (95 % interval {low} to {high}) on {tokens}"
