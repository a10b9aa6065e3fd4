"""N-best lists in their forms, read and written.

- ``tsv``: ``id <tab> score <tab> hypothesis``.
- ``moses``: ``id ||| hypothesis ||| features ||| score``, as Moses and other decoders of translation write it.
- ``kaldi``: ``utterance-n word word ...``, as Kaldi's ``nbest-to-linear`` and ``utils/int2sym.pl`` make it, with the
  costs of each hypothesis in files of their own, ``utterance-n cost``.
- ``kaldi-scores``: ``utterance-n score word word ...``.

Scores are logarithms, the higher the better; costs are the negative.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from fflm.errors import TextError, option_name, shown
from fflm.text.sources import read_blocks

FORMS = ("tsv", "moses", "kaldi", "kaldi-scores")
SHAPES = {
    "tsv": "an id, a tab, a score, a tab and a hypothesis",
    "moses": "id ||| hypothesis ||| features ||| score",
    "kaldi": "utterance-n and a hypothesis",
    "kaldi-scores": "utterance-n, a score and a hypothesis",
}
_KEY = re.compile(r"(.+)-(\d+)")


@dataclass(frozen=True)
class Hypothesis:
    """One hypothesis of a list.

    Attributes
    ----------
    key : str
        What its line begins with.
    text : str
    score : float
        That of the first pass.
    features : tuple of str
        What stands between and behind, in the form ``moses``.
    """

    key: str
    text: str
    score: float
    features: tuple[str, ...] = ()


@dataclass(frozen=True)
class NbestList:
    """The hypotheses for one utterance or sentence, in the order of the file."""

    id: str
    hypotheses: tuple[Hypothesis, ...]


def lines_of(source: str, encoding: str = "utf-8") -> list[tuple[int, str]]:
    """Read the lines of a text that are not blank, with their numbers from 1."""
    lines = "".join(read_blocks(source, encoding)).split("\n")
    return [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def form_of(lines: Sequence[tuple[int, str]], source: str, with_costs: bool) -> str:
    """Tell the form of a list by its lines.

    Raises
    ------
    TextError
        If it is none of `FORMS`.

    Examples
    --------
    >>> form_of([(1, "u1-1 -3.5 a b"), (2, "u1-2 -4.1 a c")], "list", False)
    'kaldi-scores'
    """
    first = lines[0][1]
    if "|||" in first:
        return "moses"
    if first.count("\t") >= 2 and _number(first.split("\t")[1]) is not None:
        return "tsv"
    fields = [line.split(maxsplit=2) for _, line in lines]
    if all(_KEY.fullmatch(field[0]) for field in fields):
        scored = not with_costs and all(len(field) > 1 and _number(field[1]) is not None for field in fields)
        return "kaldi-scores" if scored else "kaldi"
    shapes = "; ".join(f"{form}: {shape}" for form, shape in SHAPES.items())
    raise TextError(
        f"{option_name('nbest')} must be an n-best list ({shapes}), got {shown(first, 60)} on line {lines[0][0]} of "
        f"{shown(source)}; name its form with {option_name('format')}"
    )


def read_lists(
    source: str,
    form: str | None = None,
    costs: Sequence[tuple[str, float]] = (),
    encoding: str = "utf-8",
) -> tuple[str, list[NbestList]]:
    """Read an n-best list, and say in which form it is.

    Parameters
    ----------
    source : str
        A file, also compressed, or ``-``.
    form : str, optional
        One of `FORMS`; seen in the lines by default.
    costs : sequence of (str, float)
        Files of costs of the form ``kaldi``, and what each is multiplied by.
    encoding : str

    Raises
    ------
    TextError
        If a file can't be read, or a line is not of the form.
    """
    lines = lines_of(source, encoding)
    if not lines:
        raise TextError(f"{option_name('nbest')} must have at least one hypothesis, got none in {shown(source)}")
    form = form or form_of(lines, source, bool(costs))
    if costs and form != "kaldi":
        raise TextError(f"files of costs belong to the form kaldi, got {shown(source)} in the form {form}")
    totals = [(_costs(path, encoding), scale) for path, scale in costs]
    lists: dict[str, list[Hypothesis]] = {}
    for number, line in lines:
        id, hypothesis = _parse(line, form) or _refuse(source, number, line, SHAPES[form])
        for cost_of, scale in totals:
            if hypothesis.key not in cost_of:
                raise TextError(f"a cost is missing for {shown(hypothesis.key)}, line {number} of {shown(source)}")
            hypothesis = Hypothesis(hypothesis.key, hypothesis.text, hypothesis.score - scale * cost_of[hypothesis.key])
        lists.setdefault(id, []).append(hypothesis)
    return form, [NbestList(id, tuple(hypotheses)) for id, hypotheses in lists.items()]


def _parse(line: str, form: str) -> tuple[str, Hypothesis] | None:
    """Return the id of the list and the hypothesis of a line, or None."""
    if form == "tsv":
        fields = line.split("\t", 2)
        score = _number(fields[1]) if len(fields) == 3 else None
        return None if score is None else (fields[0], Hypothesis(fields[0], fields[2].strip(), score))
    if form == "moses":
        fields = [field.strip() for field in line.split("|||")]
        score = _number(fields[3]) if len(fields) >= 4 else None
        features = (fields[2], *fields[4:]) if score is not None else ()
        return None if score is None else (fields[0], Hypothesis(fields[0], fields[1], score, features))
    key, _, rest = line.strip().replace("\t", " ").partition(" ")
    match, score = _KEY.fullmatch(key), 0.0
    if form == "kaldi-scores":
        first, _, rest = rest.strip().partition(" ")
        number = _number(first)
        match, score = (None, 0.0) if number is None else (match, number)
    return None if match is None else (match[1], Hypothesis(key, rest.strip(), score))


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None


def _refuse(source: str, number: int, line: str, shape: str) -> NoReturn:
    raise TextError(f"line {number} of {shown(source)} must be {shape}, got {shown(line, 60)}")


def _costs(path: str, encoding: str) -> dict[str, float]:
    costs = {}
    for number, line in lines_of(path, encoding):
        key, _, rest = line.strip().replace("\t", " ").partition(" ")
        cost = _number(rest.strip())
        costs[key] = _refuse(path, number, line, "utterance-n and a cost") if cost is None else cost
    return costs


def read_references(source: str, form: str, encoding: str = "utf-8") -> dict[str, list[str]]:
    """Read what was really said: the words of each list by its id.

    A line is the id, a tab or blank, and the words; for ``moses`` it is the words alone, of list 0, 1, 2 ...

    Raises
    ------
    TextError
        If a file can't be read, or an id stands there twice.
    """
    references: dict[str, list[str]] = {}
    if form == "moses":
        lines = "".join(read_blocks(source, encoding)).removesuffix("\n").split("\n")
        return {str(place): line.split() for place, line in enumerate(lines)}
    for number, line in lines_of(source, encoding):
        id, _, words = line.partition("\t") if form == "tsv" else line.strip().replace("\t", " ").partition(" ")
        if form == "tsv" and "\t" not in line:
            _refuse(source, number, line, "an id, a tab and the words that were said")
        if id in references:
            raise TextError(f"an id must stand once in {shown(source)}, got {shown(id)} again on line {number}")
        references[id] = words.split()
    return references


def nbest_lines(form: str, ranked: Iterable[tuple[str, Hypothesis, float, float]]) -> Iterable[str]:
    """Yield the lines of a list ranked anew, of (id, hypothesis, total score, log P of the language model).

    The total takes the place of the score; ``moses`` has the log probability among the features too, as ``fflm=``. In
    ``kaldi`` the order alone is new.
    """
    for id, hypothesis, total, log_prob in ranked:
        if form == "tsv":
            yield f"{id}\t{total:.6f}\t{hypothesis.text}"
        elif form == "moses":
            first, *rest = hypothesis.features
            features = f"{first} fflm= {log_prob:.6f}".strip()
            yield " ||| ".join([id, hypothesis.text, features, f"{total:.6f}", *rest])
        elif form == "kaldi":
            yield f"{hypothesis.key} {hypothesis.text}"
        else:
            yield f"{hypothesis.key} {total:.6f} {hypothesis.text}"


def best_line(form: str, id: str, text: str) -> str:
    """Return the line of the best hypothesis alone: the text, and before it the id unless the form is ``moses``."""
    return text if form == "moses" else f"{id}\t{text}" if form == "tsv" else f"{id} {text}"
