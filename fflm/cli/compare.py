"""The command ``fflm compare``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

import fflm
from fflm.cli.flags import MODEL, SOURCE, add_encoding, add_force, add_threads, takes_stdout, verb
from fflm.cli.printing import print_json, print_line, warn, word
from fflm.errors import ConfigError, FflmError, option_name, shown, visible

if TYPE_CHECKING:
    from fflm.evaluation.comparison_report import Comparison, Row


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb and its flags."""
    parser = verb(
        verbs,
        "compare",
        run,
        "compare two models on a text: the difference in bits per token, whether it can be chance, and where it lies",
        "fflm compare runs/a runs/b stdlib:test",
    )
    parser.add_argument("a", metavar="A", help=MODEL)
    parser.add_argument("b", metavar="B", help=MODEL + "; a difference is bits of A minus bits of B")
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help=SOURCE)
    parser.add_argument(
        "--contexts", metavar="MODEL", help="an n-gram model, for the breakdown by how often contexts were seen"
    )
    parser.add_argument(
        "--per-character",
        action="store_true",
        help="compare in bits per character, as models of different vocabularies or tokenizers are anyway",
    )
    parser.add_argument(
        "--top", type=int, default=10, metavar="N", help="words on which each model wins most (default: 10)"
    )
    parser.add_argument(
        "--plot",
        metavar="FILE",
        help="draw the tokens' bits into FILE, a .png (needs the plot extra); - for standard output, instead of the "
        "report",
    )
    add_force(parser, "the picture FILE")
    add_encoding(parser)
    add_threads(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print how two models differ on a text, and draw it where that is asked for."""
    silent = takes_stdout(arguments, arguments.plot)
    _check(arguments)
    report = fflm.compare(
        arguments.a,
        arguments.b,
        *arguments.sources,
        contexts=arguments.contexts,
        per_character=arguments.per_character,
        top=arguments.top,
        encoding=arguments.encoding,
        threads=arguments.threads,
    )
    if arguments.json:
        models = {name: {"model": getattr(arguments, name), **getattr(report, name).to_dict()} for name in "ab"}
        print_json(report.to_dict() | models)
    elif not silent:
        for line in _lines(report, arguments):
            print_line(line.rstrip())
    for name in "ab":
        warn(text.replace("warning:", f"warning: {name.upper()}:", 1) for text in getattr(report, name).notes)
    if arguments.plot is not None and report.bits_a is None:
        raise FflmError(
            f"there is no {option_name('plot')} of a comparison per character: it shows the bits of single tokens"
        )
    if arguments.plot is not None:
        from fflm.plots.comparison import comparison_plot
        from fflm.storage.files import write

        title = "\n".join(map(visible, (f"A: {arguments.a}", f"B: {arguments.b}", f"text: {report.source}")))
        write(arguments.plot, comparison_plot(report.bits_a, report.bits_b, title))
    return 0


def _check(arguments: argparse.Namespace) -> None:
    """Refuse what can't end well before a model is read."""
    if arguments.plot is None:
        return
    from fflm.api.arguments import check_new_file
    from fflm.plots import can_plot

    if arguments.per_character:
        raise ConfigError(
            f"{option_name('plot')} must not be given together with {option_name('per_character')}: it shows the bits "
            "of single tokens"
        )
    if not arguments.plot.lower().endswith(".png") and not takes_stdout(arguments, arguments.plot):
        raise ConfigError(f"{option_name('plot')} must be a file name that ends with .png, got {shown(arguments.plot)}")
    check_new_file(arguments.plot, arguments.force)
    if not can_plot():
        raise FflmError(
            f'{option_name("plot")} needs matplotlib, which is not installed; install it with pip install "fflm[plot]"'
        )


def _lines(report: Comparison, arguments: argparse.Namespace) -> Iterator[str]:
    a, b = report.a, report.b
    yield f"A     {arguments.a}"
    yield f"B     {arguments.b}"
    yield f"text  {report.source}"
    yield ""
    yield from _both("", "A", "B")
    yield from _both("tokens", f"{a.tokens:,}", f"{b.tokens:,}")
    yield from _both("unknown", *(f"{part.oov:,} ({100 * part.oov_rate:.2f} %)" for part in (a, b)))
    yield from _both("perplexity", *(_figure(part.perplexity, ",.2f") for part in (a, b)))
    if report.units != 1:
        intervals = (
            "undefined" if part.perplexity is None else f"{part.perplexity_low:,.2f} to {part.perplexity_high:,.2f}"
            for part in (a, b)
        )
        yield from _both("  95 % interval", *intervals)
    if a.perplexity is None or b.perplexity is None:
        yield from _both("  without unknown", *(_figure(part.perplexity_without_oov, ",.2f") for part in (a, b)))
    yield from _both("bits per token", *(_figure(part.bits_per_token, ".4f") for part in (a, b)))
    yield from _both("bits per character", *(_figure(part.bits_per_character, ".4f") for part in (a, b)))
    if a.open_bits_per_word is not None or b.open_bits_per_word is not None:
        yield ""
        yield from _both("unknown spelled out", "", "")
        yield from _both("  perplexity", *(_figure(part.open_perplexity, ",.2f") for part in (a, b)))
        yield from _both("  bits per word", *(_figure(part.open_bits_per_word, ".4f") for part in (a, b)))
        yield from _both("  bits per character", *(_figure(part.open_bits_per_character, ".4f") for part in (a, b)))
    if report.a_wins is not None and report.b_wins is not None:
        yield from _both("tokens won", f"{100 * report.a_wins:.1f} %", f"{100 * report.b_wins:.1f} %")
    yield ""
    yield f"difference A - B    {report.difference:+.4f} bits per {report.per}"
    if report.p_value is not None:
        low, high = report.difference_low, report.difference_high
        yield f"  95 % interval     {low:+.4f} to {high:+.4f} (bootstrap over {_drawn(report)})"
        yield f"  p-value           {report.p_value:.3g} (A and B swapped at random in these)"
    if report.perplexity_ratio is not None:
        yield f"  perplexity A / B  {report.perplexity_ratio:,.4f}"
    yield f"conclusion          {report.conclusion}"
    yield from _table("count in training", report.by_frequency)
    yield from _table("last 2 words seen", report.by_context)
    yield from _table("last 2 words", report.by_neighbours)
    if report.a_words or report.b_words:
        yield from _words(report)
    yield from [""] * bool(report.notes or report.contexts_of)
    if report.contexts_of is not None:
        whose = arguments.contexts if report.contexts_of == "contexts" else report.contexts_of
        yield f"note  last 2 words seen: so many times in the training text of {whose}"
    for note in report.notes:
        yield f"note  {note}"


def _figure(value: float | None, form: str) -> str:
    return "undefined" if value is None else format(value, form)


def _drawn(report: Comparison) -> str:
    """Return what is drawn for the interval and swapped for the p-value."""
    if report.groups == report.units:
        return f"{report.units:,} units"
    return f"{report.groups:,} groups of neighbours, of {report.units:,} units"


def _both(label: str, a: str, b: str) -> Iterator[str]:
    yield f"{label:20}{a:>24}{b:>24}"


def _table(title: str, rows: Sequence[Row] | None) -> Iterator[str]:
    if rows is None:
        return
    yield ""
    yield f"{title:20}{'tokens':>9}{'share':>9}{'perplexity A':>15}{'perplexity B':>15}{'bits A - B':>12}"
    for row in rows:
        a, b = ("> 1e304" if value is None else _number(value) for value in (row.perplexity_a, row.perplexity_b))
        yield f"{row.label:20}{row.tokens:>9,}{100 * row.share:>7.1f} %{a:>15}{b:>15}{row.difference:>+12.3f}"


def _number(perplexity: float) -> str:
    return f"{perplexity:,.2f}" if perplexity < 1e9 else f"{perplexity:.3g}"


def _words(report: Comparison) -> Iterator[str]:
    heads = (f"{name + ' wins most on':20}{'times':>9}{'bits':>11}" for name in "AB")
    yield ""
    yield "    ".join(heads)
    for pair in zip_longest(report.a_words or (), report.b_words or ()):
        yield "    ".join(f"{_short(w.word):20}{w.occurrences:>9,}{w.bits:>11,.1f}" if w else " " * 40 for w in pair)


def _short(text: str) -> str:
    text = word(text)
    return text if len(text) <= 20 else text[:17] + "..."
