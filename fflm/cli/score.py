"""fflm score"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from fflm.cli.flags import MODEL, SOURCE, encoding, load_model, threads, verb
from fflm.cli.printing import note, print_json, warn
from fflm.errors import ConfigError

TOP = 5


def add(verbs) -> None:
    """The verb and its flags."""
    parser = verb(
        verbs,
        "score",
        run,
        "surprisal of each token of a text in bits, as TSV, and as a coloured page",
        "fflm score runs/stdlib stdlib:test --html surprisal.html",
    )
    parser.add_argument("model", metavar="MODEL", help=MODEL)
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help=SOURCE)
    parser.add_argument(
        "--html",
        metavar="FILE",
        help="write a page too: each word on the colour of its surprisal, rank and alternatives on hover; it needs "
        "no connection, and shows the first 20,000 tokens of a longer text",
    )
    parser.add_argument(
        "--top", type=int, metavar="N", help=f"alternatives of each word on the page, 1 to 20 (default: {TOP})"
    )
    encoding(parser)
    threads(parser)


def run(arguments) -> int:
    """Open, score, write the page, print."""
    from fflm.evaluation.surprisal import score

    _check(arguments)
    model = load_model(arguments)
    scores = score(model.lm, arguments.sources, arguments.encoding, progress=True)
    if arguments.html is not None:
        _write_page(arguments, model, scores)
    report = scores.report
    if arguments.json:
        print_json({"model": arguments.model, **scores.to_dict()})
        warn(report.notes)
        return 0
    sys.stdout.writelines(scores.lines())
    sys.stdout.flush()
    figures = f"{report.tokens:,} tokens, {report.oov:,} out of vocabulary, "
    if report.perplexity is None:
        figures += f"perplexity undefined, {report.perplexity_without_oov:.3f} without unknown words"
    else:
        figures += f"{report.bits_per_token:.5f} bits/token, perplexity {report.perplexity:.3f}"
    note(figures)
    warn(report.notes)
    return 0


def _check(arguments) -> None:
    """Refuse bad options before anything is read."""
    from fflm.evaluation.surprisal_page import check_top

    if arguments.top is not None:
        check_top(arguments.top)
        if arguments.html is None:
            raise ConfigError(f"top is for the page, got {arguments.top} without one; give --html too")
    if arguments.html is None:
        return
    if not Path(arguments.html).name:
        raise ConfigError(f"html must name a file, got {arguments.html!r}")
    for read in (arguments.model, *arguments.sources):
        if os.path.exists(arguments.html) and os.path.exists(read) and os.path.samefile(arguments.html, read):
            raise ConfigError(f"html must not be a file that is read, got {arguments.html!r}; choose another name")


def _write_page(arguments, model, scores) -> None:
    from fflm.evaluation.surprisal_page import MOST_TOKENS, page
    from fflm.storage.files import write

    made = page(model.lm, scores, arguments.model, arguments.top or TOP, progress=True).encode("utf-8", "replace")
    write(arguments.html, made)
    tokens = f"{len(scores.tokens):,} tokens"
    if len(scores.tokens) > MOST_TOKENS:
        tokens = f"the first {MOST_TOKENS:,} of {tokens}"
    note(f"{arguments.html} shows {tokens}, {len(made) / 1e6:.1f} MB")
