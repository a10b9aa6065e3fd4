"""Small pieces of HTML for notebooks: figures, bars, curves, coloured text. No script, nothing from outside.

Colours are those of the page around them (light or dark) or half transparent, so that they stand out on both. All text
is escaped.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from fflm.storage.files import write

_BOX = "font-family:system-ui,sans-serif;font-size:0.9rem;line-height:1.4;max-width:60rem;overflow-x:auto"
_NUMBER = "text-align:right;padding:0.1rem 0.7rem;font-variant-numeric:tabular-nums"
_NAME = "text-align:left;padding:0.1rem 0.7rem 0.1rem 0;font-weight:normal"
_BLUE, _ORANGE = "rgba(60,120,216,0.75)", "rgba(230,126,34,0.75)"
_PARTS = (_BLUE, _ORANGE, "rgba(70,160,90,0.75)", "rgba(150,90,190,0.75)")
#: Bits from which on a token has the strongest colour.
MOST_BITS = 16.0


def escape(text: object) -> str:
    """Escape text for HTML; quotes too, so that it may stand in an attribute."""
    return html.escape(str(text), quote=True)


def box(*parts: str) -> str:
    """Put pieces into one block.

    Examples
    --------
    >>> box("a", "b").endswith("ab</div>")
    True
    """
    return f'<div style="{_BOX}">{"".join(parts)}</div>'


def title(text: str) -> str:
    """Make a heading."""
    return f'<div style="font-weight:600;margin:0.2rem 0">{escape(text)}</div>'


def facts(values: Mapping[str, object]) -> str:
    """Make a table of names and values.

    Examples
    --------
    >>> "perplexity</th>" in facts({"perplexity": 59.55})
    True
    """
    rows = (
        f'<tr><th scope="row" style="{_NAME}">{escape(name)}</th><td style="{_NUMBER}">{escape(value)}</td></tr>'
        for name, value in values.items()
    )
    return f'<table style="border-collapse:collapse"><tbody>{"".join(rows)}</tbody></table>'


def table(names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Make a table with a head; the first column is text, the others are numbers."""
    head = "".join(
        f'<th scope="col" style="{_NUMBER if i else _NAME};font-weight:600">{escape(n)}</th>'
        for i, n in enumerate(names)
    )
    body = "".join(
        "<tr>" + "".join(f'<td style="{_NUMBER if i else _NAME}">{escape(v)}</td>' for i, v in enumerate(row)) + "</tr>"
        for row in rows
    )
    return f'<table style="border-collapse:collapse"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def bars(rows: Iterable[tuple[str, float, Mapping[str, float] | None]]) -> str:
    """Make a bar for each row: its label, its value, and the parts that the value is the sum of.

    Examples
    --------
    >>> bars([("cat", 0.5, None), ("<b>", 0.25, None)]).count("<tr>")
    2
    """
    rows = list(rows)
    most = max((value for _, value, _ in rows), default=0.0) or 1.0
    lines, names = [], list(dict.fromkeys(name for _, _, parts in rows for name in parts or ()))
    for label, value, parts in rows:
        pieces = (parts or {"": value}).items()
        drawn = "".join(
            f'<span title="{escape(name)} {part:.3g}" style="display:inline-block;height:0.8rem;'
            f'width:{100.0 * part / most:.2f}%;background:{_PARTS[place % len(_PARTS)]}"></span>'
            for place, (name, part) in enumerate(pieces)
        )
        lines.append(
            f'<tr><th scope="row" style="{_NAME}">{escape(label)}</th><td style="{_NUMBER}">{value:.4f}</td>'
            f'<td style="width:20rem;white-space:nowrap;font-size:0">{drawn}</td></tr>'
        )
    legend = "".join(
        f'<span style="margin-right:1rem"><span style="display:inline-block;width:0.8rem;height:0.8rem;'
        f'background:{_PARTS[i % len(_PARTS)]}"></span> {escape(name)}</span>'
        for i, name in enumerate(names)
    )
    return f'<table style="border-collapse:collapse"><tbody>{"".join(lines)}</tbody></table>' + legend


def curve(points: Sequence[tuple[float, float]], x: str, y: str, width: int = 420, height: int = 180) -> str:
    """Draw a line through points as SVG, with the ends of both axes; y is logarithmic where it is above 0.

    Examples
    --------
    >>> curve([(1, 80.0), (2, 60.0)], "epoch", "perplexity").count("<circle")
    2
    """
    if not points:
        return ""
    left, bottom, top, right = 56, 30, 12, 12
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    logs = [math.log(v) for v in ys] if min(ys) > 0 else ys

    def at(value: float, low: float, high: float, first: float, last: float) -> float:
        return (first + last) / 2 if high == low else first + (last - first) * (value - low) / (high - low)

    places = [
        (at(a, min(xs), max(xs), left, width - right), at(b, min(logs), max(logs), height - bottom, top))
        for a, b in zip(xs, logs, strict=True)
    ]
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    dots = "".join(
        f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{_BLUE}"><title>{escape(x)} {u:.4g}: {v:.2f}</title></circle>'
        for (a, b), u, v in zip(places, xs, ys, strict=True)
    )
    label = 'font-size="11" fill="currentColor"'
    return _svg(
        f"{y} by {x}",
        width,
        height,
        f'<polyline points="{line}" fill="none" stroke="{_BLUE}" stroke-width="2"/>{dots}'
        f'<text x="{left - 6}" y="{top + 6}" text-anchor="end" {label}>{max(ys):.4g}</text>'
        f'<text x="{left - 6}" y="{height - bottom}" text-anchor="end" {label}>{min(ys):.4g}</text>'
        f'<text x="{left}" y="{height - 16}" {label}>{min(xs):.3g}</text>'
        f'<text x="{width - right}" y="{height - 16}" text-anchor="end" {label}>{max(xs):.3g}</text>'
        f'<text x="{(left + width) / 2}" y="{height - 4}" text-anchor="middle" {label}>{escape(x)}</text>'
        f'<text x="12" y="{height / 2}" text-anchor="middle" transform="rotate(-90 12 {height / 2})" {label}>'
        f"{escape(y)}</text>",
    )


def coloured(tokens: Iterable[tuple[str, float]]) -> str:
    """Make text whose tokens are on the colour of their bits, the more the stronger; line ends are kept.

    Examples
    --------
    >>> coloured([("the", 1.0), ("zebra", 12.5)]).count("12.50 bits")
    1
    """
    pieces = []
    for token, bits in tokens:
        share = min(bits, MOST_BITS) / MOST_BITS if math.isfinite(bits) else 1.0
        shown = f"{bits:.2f} bits" if math.isfinite(bits) else "no probability"
        if token in ("\n", "</s>", "<eos>"):
            pieces.append(f'<span title="{shown}">&para;</span><br>')
            continue
        pieces.append(
            f'<span title="{shown}" style="background:rgba(230,100,30,{0.6 * share:.3f});border-radius:0.2rem;'
            f'padding:0 0.1rem">{escape(token)}</span>'
        )
    return f'<div style="line-height:1.9">{" ".join(pieces)}</div>'


def graph(boxes: Sequence[tuple[Sequence[str], Sequence[int]]]) -> str:
    """Draw a graph as SVG: boxes of lines of text, each with the numbers of the boxes before it that lead to it.

    Boxes stand in columns: one further to the right than the last that leads to them.

    Examples
    --------
    >>> graph([(["x", "value 2"], []), (["y"], [0])]).count("<rect")
    2
    """
    columns: list[int] = []
    for _, before in boxes:
        columns.append(1 + max((columns[i] for i in before), default=-1))
    wide = [
        40 + 7 * max((len(line) for i, (lines, _) in enumerate(boxes) if columns[i] == c for line in lines), default=4)
        for c in range(max(columns, default=-1) + 1)
    ]
    lefts = [sum(wide[:c]) for c in range(len(wide))]
    heights = [12 + 16 * len(lines) for lines, _ in boxes]
    used, tops = [8] * len(wide), []
    for column, height in zip(columns, heights, strict=True):
        tops.append(used[column])
        used[column] += height + 14
    total = max(used, default=8)
    tops = [top + (total - used[column]) // 2 for top, column in zip(tops, columns, strict=True)]
    drawn = []
    for i, (_, before) in enumerate(boxes):
        for j in before:
            x1, y1 = lefts[columns[j]] + wide[columns[j]] - 30, tops[j] + heights[j] / 2
            x2, y2 = lefts[columns[i]] + 8, tops[i] + heights[i] / 2
            bend = (x1 + x2) / 2
            drawn.append(
                f'<path d="M{x1:.0f} {y1:.0f} C{bend:.0f} {y1:.0f} {bend:.0f} {y2:.0f} {x2:.0f} {y2:.0f}" '
                'fill="none" stroke="currentColor" stroke-opacity="0.5"/>'
                f'<circle cx="{x2:.0f}" cy="{y2:.0f}" r="2.5" fill="currentColor"/>'
            )
    for (lines, _), column, top, height in zip(boxes, columns, tops, heights, strict=True):
        x = lefts[column] + 8
        drawn.append(
            f'<rect x="{x}" y="{top}" width="{wide[column] - 38}" height="{height}" rx="4" '
            'fill="rgba(60,120,216,0.12)" stroke="currentColor" stroke-opacity="0.6"/>'
        )
        drawn += [
            f'<text x="{x + 8}" y="{top + 18 + 16 * n}" font-size="12" fill="currentColor">{escape(line)}</text>'
            for n, line in enumerate(lines)
        ]
    return _svg("computation graph", sum(wide), total + 8, "".join(drawn))


def _svg(label: str, width: int, height: int, content: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(label)}" '
        f'viewBox="0 0 {width} {height}" width="{width}" style="max-width:100%">{content}</svg>'
    )


_Item = TypeVar("_Item")


class Listing(list[_Item]):
    """A list that a notebook shows as HTML: what `draw` makes of it.

    Examples
    --------
    >>> Listing([1, 2], lambda items: box(str(sum(items))))._repr_html_().endswith(">3</div>")
    True
    """

    def __init__(self, items: Iterable[_Item], draw: Callable[[list[_Item]], str]):
        super().__init__(items)
        self._draw = draw

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (list(self),)

    def _repr_html_(self) -> str:
        return self._draw(self)


class Picture:
    """A picture that a notebook shows: HTML with an SVG in it, or the bytes of a PNG.

    Attributes
    ----------
    content : str or bytes
    """

    def __init__(self, content: str | bytes, what: str):
        self.content, self._what = content, what

    def __repr__(self) -> str:
        return f"<{self._what}; a notebook shows it, .save(path) writes it>"

    def _repr_html_(self) -> str | None:
        return box(self.content) if isinstance(self.content, str) else None

    def _repr_png_(self) -> bytes | None:
        return self.content if isinstance(self.content, bytes) else None

    def save(self, path: str) -> None:
        """Write the picture to a file: an SVG or a PNG, as it is."""
        write(path, self.content if isinstance(self.content, bytes) else self.content.encode())
