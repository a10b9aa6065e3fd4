"""The command ``fflm score``."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from fflm.cli.flags import (
    MODEL,
    SOURCE,
    adaptation,
    add_adaptation,
    add_encoding,
    add_flags,
    add_force,
    add_records,
    add_threads,
    as_flags,
    load_model,
    takes_stdout,
    verb,
)
from fflm.cli.printing import note, print_json, warn
from fflm.cli.score_tables import asked_for, model_names, print_texts, print_words
from fflm.config import WordsConfig
from fflm.errors import ConfigError, option_name, shown

if TYPE_CHECKING:
    from fflm.api.model import Model
    from fflm.evaluation.surprisal import Scores

TOP = 5


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb and its flags."""
    parser = verb(
        verbs,
        "score",
        run,
        "print the surprisal of each token, each word or each line of a text, as TSV, and write it as a coloured page",
        "fflm score runs/stdlib stdlib:test --html surprisal.html",
    )
    parser.add_argument("model", metavar="MODEL", help=MODEL)
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help=SOURCE)
    parser.add_argument(
        "--html",
        metavar="FILE",
        help="write a page too: each word on the colour of its surprisal, rank and alternatives on hover; it needs "
        "no connection, and shows the first 20,000 tokens of a longer text; - for standard output, instead of the TSV",
    )
    parser.add_argument(
        "--top", type=int, metavar="N", help=f"alternatives of each word on the page, 1 to 20 (default: {TOP})"
    )
    add_force(parser, "the page FILE")
    add_encoding(parser)
    parser.add_argument(
        "--per-line",
        action="store_true",
        help="a row for each text of SOURCE, a file of one text a line or a table, as it comes: log probability in "
        "nats, perplexity, open figures, tokens and unknown words",
    )
    add_records(parser.add_argument_group("texts of a file, each by itself (with --per-line, or a table of words)"))
    words = parser.add_argument_group("a table of words, a row for each (also asked for by --column)")
    words.add_argument("--words", action="store_true", help="a row for each word of the texts of SOURCE")
    words.add_argument(
        "--also", action="append", metavar="MODEL", help="another model, with columns of its own; may be repeated"
    )
    add_flags(words, WordsConfig)
    add_adaptation(parser)
    add_threads(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the surprisal of every token as TSV, and write it as a page where that is asked for."""
    silent = takes_stdout(arguments, arguments.html)
    table = asked_for(arguments)
    _check(arguments)
    model = load_model(arguments)
    if table == "per_line":
        print_texts(arguments, model)
        return 0
    if table is not None:
        from fflm.api.model import language_model

        others = arguments.also or []
        names = model_names([arguments.model, *others])
        print_words(
            arguments,
            dict(zip(names, [model.lm, *(language_model(other, arguments.threads) for other in others)], strict=True)),
        )
        return 0
    options = adaptation(arguments)
    unknown = getattr(arguments, "unknown", WordsConfig.unknown)
    scores = model.score(*arguments.sources, encoding=arguments.encoding, unknown=unknown, **options)
    if arguments.html is not None:
        _write_page(arguments, model, scores)
    report = scores.report
    if arguments.json:
        print_json({"model": arguments.model, **scores.to_dict(), **({"options": options} if options else {})})
        warn(report.notes)
        return 0
    if not silent:
        sys.stdout.writelines(scores.lines())
        sys.stdout.flush()
    figures = f"{report.tokens:,} tokens, {report.oov:,} out of vocabulary, "
    if report.perplexity is None:
        figures += f"perplexity undefined, {report.perplexity_without_oov:.3f} without unknown words"
    else:
        figures += f"{report.bits_per_token:.5f} bits/token, perplexity {report.perplexity:.3f}"
        if report.oov and report.open_perplexity is not None:
            figures += f"; unknown words spelled out {report.open_bits_per_token:.5f}, {report.open_perplexity:.3f}"
    note(figures)
    warn(report.notes)
    return 0


def _check(arguments: argparse.Namespace) -> None:
    """Refuse bad options before anything is read."""
    from fflm.api.arguments import check_new_file
    from fflm.evaluation.surprisal_page import check_top

    if arguments.top is not None:
        check_top(arguments.top)
        if arguments.html is None:
            raise ConfigError(
                f"{option_name('top')} is for the page, got {arguments.top} without one; give {option_name('html')} too"
            )
    if arguments.html is None:
        return
    if getattr(arguments, "unknown", None) == "nan":
        raise ConfigError(f"{option_name('html')} must not be given with --unknown nan: each word has a colour")
    if options := adaptation(arguments):
        raise ConfigError(
            f"{option_name('html')} must not be given with {as_flags(options)}: the alternatives on the page are those "
            "of the model as it stands in its file; a mixture made by fflm mix can have a continuous cache"
        )
    for read in (arguments.model, *arguments.sources):
        if os.path.exists(arguments.html) and os.path.exists(read) and os.path.samefile(arguments.html, read):
            raise ConfigError(
                f"{option_name('html')} must not be a file that is read, got {shown(arguments.html)}; "
                "choose another name"
            )
    check_new_file(arguments.html, arguments.force)


def _write_page(arguments: argparse.Namespace, model: Model, scores: Scores) -> None:
    from fflm.evaluation.surprisal_page import MOST_TOKENS, page
    from fflm.storage.files import write

    content = page(model.lm, scores, arguments.model, arguments.top or TOP).encode("utf-8", "replace")
    write(arguments.html, content)
    tokens = f"{len(scores.tokens):,} tokens"
    if len(scores.tokens) > MOST_TOKENS:
        tokens = f"the first {MOST_TOKENS:,} of {tokens}"
    note(f"{arguments.html} shows {tokens}, {len(content) / 1e6:.1f} MB")
