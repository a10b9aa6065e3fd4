"""A text as a page: each word on the colour of its surprisal, its alternatives on hover or focus.

The page is one HTML file that needs nothing else: no script, no font, no connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from math import isfinite

import numpy as np

from fflm.config.options import is_whole
from fflm.errors import ConfigError, option_name, shown
from fflm.evaluation.surprisal import Scores
from fflm.lm import LanguageModel, contexts_at
from fflm.runtime.progress import Bar
from fflm.text import NO_BREAKS, Vocabulary
from fflm.text.marks import line_end_ids

#: The most tokens of a page, and the most alternatives of each: so it stays within some MB, and opens at once.
MOST_TOKENS = 20_000
MOST_ALTERNATIVES = 20

#: How many positions are computed at once, or fewer so that their distributions have at most 2**22 numbers.
BATCH = 256


def check_top(top: int) -> None:
    """Raise ConfigError unless the page can show `top` alternatives."""
    if not is_whole(top) or not 1 <= top <= MOST_ALTERNATIVES:
        raise ConfigError(f"{option_name('top')} must be from 1 to {MOST_ALTERNATIVES}, got {shown(top)}")


def alternatives(
    model: LanguageModel, ids: np.ndarray, count: int, top: int, breaks: np.ndarray = NO_BREAKS
) -> Iterator[tuple[int, list[tuple[int, float]]]]:
    """Yield for each of the first `count` words of ids (N,) its rank, and the likeliest words with probabilities.

    Words of equal probability stand in order of the vocabulary. Distributions are computed a few positions at a time:
    never (N, V) numbers at once.

    Examples
    --------
    >>> import fflm
    >>> model = fflm.load("runs/demo").lm
    >>> ids = model.vocabulary.encode("the cat sat on the mat".split())
    >>> rank, best = list(alternatives(model, ids, 6, top=3))[5]
    >>> rank, model.vocabulary.words[best[0][0]]
    (1, 'mat')
    """
    batch = max(1, min(BATCH, 2**22 // len(model.vocabulary)))
    with model.session(batch) as scorer:
        for first in range(0, count, batch):
            positions = np.arange(first, min(first + batch, count))
            rows = scorer.next_word(contexts_at(ids, positions, model.reach, breaks))
            for row, word in zip(rows, ids[positions].tolist(), strict=True):
                rank = 1 + np.count_nonzero(row > row[word]) + np.count_nonzero(row[:word] == row[word])
                least = np.partition(row, -top)[-top] if top < len(row) else -1.0
                best = np.flatnonzero(row >= least)
                best = best[np.argsort(-row[best], kind="stable")][:top]
                yield int(rank), list(zip(best.tolist(), row[best].tolist(), strict=True))


def page(model: LanguageModel, scores: Scores, name: str, top: int = 5, quiet: bool = False) -> str:
    """Make an HTML page: each word on the colour of its surprisal; on hover or focus its bits, rank, alternatives.

    Parameters
    ----------
    model : LanguageModel
    scores : Scores
        The result of `score` with this model.
    name : str
        Name of the model, for the heading.
    top : int
        Alternatives for each word.
    quiet : bool
        Show a bar on stderr, if that is a terminal.

    Raises
    ------
    ConfigError
        If `top` is out of its range.

    Examples
    --------
    >>> import fflm
    >>> from fflm.evaluation.surprisal import score
    >>> model = fflm.load("runs/demo").lm
    >>> page(model, score(model, ["text.txt"]), "runs/demo")[:15]
    '<!doctype html>'
    """
    check_top(top)
    count = min(len(scores.tokens), MOST_TOKENS)
    with Bar(count, "page", not quiet) as bar:
        text = "".join(_words(model, scores, count, top, bar))
    kind = "char" if model.tokenizer.config.tokenizer == "char" else "words"
    return PAGE.format(
        title=_visible(scores.report.source),
        style=STYLE + _colours(LIGHT) + "@media (prefers-color-scheme: dark) {\n" + _colours(DARK) + "}",
        header=_header(scores, name, count),
        kind=kind,
        text=text,
    )


def _words(model: LanguageModel, scores: Scores, count: int, top: int, bar: Bar) -> Iterator[str]:
    chars = model.tokenizer.config.tokenizer == "char"
    names = [_visible(word) for word in model.vocabulary.words]
    ends = line_end_ids(model.tokenizer, model.vocabulary)
    for end in ends:
        names[end] = "end of the line"
    ids, bits, tokens = scores.stream.ids.tolist(), scores.bits.tolist(), scores.tokens
    for i, (rank, best) in enumerate(alternatives(model, scores.stream.ids, count, top, scores.stream.breaks)):
        word, kind, token = ids[i], "", _visible(tokens[i])
        facts = f"{bits[i]:.2f} bits" if isfinite(bits[i]) else "no probability"
        facts += f", rank {rank:,} of {len(names):,}"
        shown = " " if tokens[i] == " " else token
        if word in ends:
            token, shown = names[word], "&para;"
        if word == Vocabulary.UNK:
            how = "spelled out" if scores.unknown == "spelled" else "scored as &lt;unk&gt;"
            kind, facts = " u", f"unknown, {how}<br>{facts}"
        bars = "".join(_alternative(names[other], p, other == word) for other, p in best)
        yield (
            f'<span class="w s{_step(bits[i])}{kind}" tabindex="0">{shown}'
            f'<span class="c"><b>{token}</b>{facts}{bars}</span></span>'
        )
        if word in ends or chars and tokens[i] == "\n":
            yield '</p>\n<p dir="auto">' if i + 1 < count else ""
        elif not chars:
            yield "\n"
        bar.advance(1)


def _alternative(name: str, probability: float, actual: bool) -> str:
    percent = 100.0 * probability
    kind = ' class="it"' if actual else ""
    return f'<i{kind} style="--p:{percent:.2f}%">{name}<s>{percent:.3g} %</s></i>'


def _visible(text: str) -> str:
    """Escape text for HTML, with pictures for blanks and control characters."""
    return escape(text.translate(PICTURES))


def _step(bits: float) -> int:
    """Return the number of a surprisal's colour: one for each bit, the last one for all from 16 on."""
    return int(min(bits, len(LIGHT) - 1))


def _header(scores: Scores, name: str, count: int) -> str:
    report = scores.report
    figures = {
        "tokens": f"{report.tokens:,}",
        "out of vocabulary": f"{report.oov:,} ({100 * report.oov_rate:.2f} %)",
    }
    if report.perplexity is None:
        figures |= {"perplexity": "undefined", "without unknown words": f"{report.perplexity_without_oov:,.2f}"}
    else:
        figures |= {
            "bits per token": f"{report.bits_per_token:.4f}",
            "perplexity": f"{report.perplexity:,.2f}",
            "95 % interval": f"{report.perplexity_low:,.2f} to {report.perplexity_high:,.2f}",
        }
        if report.open_perplexity is not None and report.oov:
            figures["open perplexity"] = f"{report.open_perplexity:,.2f}"
    listed = "".join(f"<div><dt>{what}</dt><dd>{figure}</dd></div>" for what, figure in figures.items())
    cut = f"<p>Shown are the first {count:,} tokens; the figures are of all.</p>\n" if count < report.tokens else ""
    return (
        f"<h1>Surprisal of {_visible(report.source)}</h1>\n<p>to the model {_visible(name)}</p>\n<dl>{listed}</dl>\n"
        f'<figure>\n<div class="h">{_histogram(scores.bits)}</div>\n'
        f"<figcaption>{CAPTION}</figcaption>\n</figure>\n{cut}"
    )


def _histogram(bits: np.ndarray) -> str:
    """Make the legend: a bar for each colour, as high as the share of its tokens."""
    last = len(LIGHT) - 1
    shares = np.bincount(np.minimum(bits, last).astype(np.int64), minlength=last + 1) / len(bits)
    heights = 0.4 + 3.6 * shares / shares.max()
    bars = []
    for step, (share, height) in enumerate(zip(shares.tolist(), heights.tolist(), strict=True)):
        edge = f"{step} to {step + 1}" if step < last else f"{step} or more"
        label = f"{step}+" if step == last else step
        bars.append(
            f'<span title="{edge} bits: {100 * share:.3g} % of the tokens">'
            f'<i class="s{step}" style="height:{height:.2f}rem"></i>{label}</span>'
        )
    return "".join(bars)


def _colours(colours: list[str]) -> str:
    return "".join(f".s{i} {{ background: #{colour} }}\n" for i, colour in enumerate(colours))


# Equal steps of lightness in OKLCH, from yellow to red, and of colour too; on each of them the text has a contrast
# of more than 5 to 1. The first is the colour of the page.
LIGHT = (
    "fafafa f8f4e2 f6eccf f5e4bd f5dcad f5d39d f6ca8e f6c080 f7b673 f7ac67 f8a15c f79653 f78a4b f67f45 f47341 f26640 "
    "f05940"
).split()
DARK = (
    "1a1815 211b14 291f13 312211 39240f 42270d 4b290b 542b08 5d2d06 672e04 712f04 7b3005 853008 8f300d 993013 "
    "a3301a ad2f22"
).split()

# Blanks, line ends, tabs and other control characters are shown by pictures of them.
PICTURES = {code: 0x2400 + code for code in range(32)} | {32: 0x2423, 10: 0x21B5, 9: 0x21E5, 127: 0x2421}

CAPTION = (
    "Bits of a token: -log<sub>2</sub> of the probability that the model gave it after the words before it. A bar is "
    "as high as the share of tokens of its colour. Words with dots under them are unknown to the model. Point at a "
    "word, or go to it with the Tab key, to see its bits and what the model expected."
)

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Surprisal of {title}</title>
<style>
{style}
</style>
</head>
<body>
<header>
{header}</header>
<main class="{kind}" lang="">
<p dir="auto">{text}</p>
</main>
</body>
</html>
"""

STYLE = """:root {
  color-scheme: light dark;
  --page: #fafafa; --ink: #1c1a17; --soft: #66615a; --line: #d8d3ca; --card: #ffffff; --bar: #b9d3ee; --track: #f0eee9;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #1a1815; --ink: #ece7df; --soft: #aaa39a; --line: #4a443d; --card: #26221e; --bar: #2f4f70;
    --track: #322d28;
  }
}
body {
  margin: 0 auto; padding: 2rem 1.25rem 18rem; max-width: 62rem;
  background: var(--page); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif;
}
h1 { margin: 0; font-size: 1.4rem; overflow-wrap: anywhere }
header p, figcaption, dt { margin: 0; color: var(--soft); font-size: .875rem }
dl { display: flex; flex-wrap: wrap; gap: .5rem 2.25rem; margin: 1.25rem 0 }
dd { margin: 0; font-size: 1.2rem; font-variant-numeric: tabular-nums }
figure { margin: 0 0 2rem; max-width: 46rem }
figcaption { margin-top: .6rem }
.h { display: flex; align-items: flex-end; gap: 2px; color: var(--soft); font-size: .75rem; text-align: center }
.h span { flex: 1 }
.h i { display: block; border-radius: 2px; box-shadow: inset 0 0 0 1px var(--line) }
main { max-width: 46rem; font: 1.125rem/2 Georgia, 'Times New Roman', serif }
main p { margin: 0 0 .5em; overflow-wrap: anywhere }
.w { position: relative; padding: .15em .2em; border-radius: .2em; cursor: default }
.w:hover, .w:focus { outline: 2px solid var(--ink) }
.char { font: 1rem/1.9 ui-monospace, Consolas, monospace }
.char p { margin: 0; white-space: pre-wrap }
.char .w { padding: .15em 0; border-radius: 0 }
.u { text-decoration: underline dotted 2px; text-underline-offset: .25em }
.c {
  display: none; position: absolute; z-index: 1; left: 0; top: calc(100% + 6px); box-sizing: border-box; width: 15rem;
  padding: .7rem .85rem; border: 1px solid var(--line); border-radius: .5rem; box-shadow: 0 6px 24px #0005;
  background: var(--card); color: var(--ink); font: .8125rem/1.5 system-ui, sans-serif; text-align: left;
  direction: ltr; unicode-bidi: isolate; white-space: normal; overflow-wrap: anywhere; pointer-events: none;
}
.w:hover > .c, .w:focus > .c { display: block }
main:hover .w:focus:not(:hover) > .c { display: none }
.c b { display: block; font-size: 1rem }
.c i {
  display: flex; justify-content: space-between; gap: .75rem; margin-top: 3px; padding: 1px .4rem; border-radius: 3px;
  background: linear-gradient(var(--bar), var(--bar)) no-repeat 0 0 / var(--p) 100% var(--track); font-style: normal;
}
.c .it { font-weight: 600 }
.c s { text-decoration: none; white-space: nowrap; font-variant-numeric: tabular-nums }
@media (max-width: 64rem) {
  .c { position: fixed; left: .75rem; right: .75rem; top: auto; bottom: .75rem; width: auto }
}
@media print { .c { display: none !important } * { -webkit-print-color-adjust: exact; print-color-adjust: exact } }
"""
