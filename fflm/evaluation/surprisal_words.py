"""Tables of the surprisal of words, as experiments on reading need them: a row for each word of each text.

Which token is predicted from what
----------------------------------
A model predicts the tokens of its tokenizer, each from those before it: log P(token t | tokens t - reach ... t - 1). A
word is what stands between two blanks of the text; its surprisal is the sum over its tokens, so that the rows of a text
add up to -log P(text). With ``punctuation="apart"``, marks at the beginning and the end of a word are rows of their
own, where the tokenizer cuts there; a token is never divided.

- First word: it is predicted as the first word of a line was in training: from ``<s>`` (boundaries ``line`` and
  ``stream``), or from ``<eos>`` (boundary ``eos``). With ``context="item"`` or ``"file"`` the first word of a further
  text is predicted from the texts before it, whatever the boundary.
- End: with ``end=True`` the last row of a text is its end, ``</s>`` in the boundary ``line`` (of texts that are one
  context, of the last one) and ``<eos>`` in ``eos``. In ``stream`` no end is predicted.
- Blanks are tokens of character models only: a blank belongs to the word after it.
- Unknown words: ``unknown`` says so. Their surprisal is that of ``<unk>`` and of the spelling, or as asked.
- ``entropy`` is that of the distribution of the next token, before the word is read: -sum of P log P over the
  vocabulary. For words that begin with a blank in a character model it is that of the blank.
- ``frequency`` is how often a word was seen in the training text; of several tokens, that of the rarest. It is None
  for unknown words and models that have no counts.

Beside other programs
---------------------
- KenLM: ``model.full_scores(text, bos=True, eos=True)`` gives log10 P of each word between blanks and of ``</s>``. A
  model of the boundary ``line`` and the tokenizer ``whitespace`` has the same rows with ``base="10"``, times -1, if
  ``unknown="unk"`` and ``end=True``.
- nltk.lm: ``-model.logscore(word, context)`` are bits, as here. Contexts are what the caller gives; a text padded by
  ``pad_both_ends`` has order - 1 ``<s>``, here they are one, and one ``</s>``, which is predicted.
- surprisal (``AutoHuggingFaceModel.surprise``): nats of subwords, sums of which are made by ``surprise[3:6, "word"]``.
  Without a begin token its first token has no context; here there always is ``<s>``.
- minicons (``IncrementalLMScorer.token_score``): log P in nats, unless ``surprisal=True``; with ``bos_token=False``,
  its default, the first token has 0, as it is not predicted. No end is predicted there.

pandas
------
>>> import fflm
>>> rows = fflm.surprisal("runs/demo", ["the cat sat on the mat .", "a dog sat"], no_entropy=True)
>>> [row["word"] for row in rows if row["line"] == 2]
['a', 'dog', 'sat']

With pandas, ``table = pandas.DataFrame(rows)``; ``table.groupby("item").surprisal.sum()`` are the bits of each item,
and ``table["previous"] = table.groupby("item").surprisal.shift(1)`` is the surprisal of the word before, for spillover.

R
-
::

    system("fflm score runs/demo stimuli.csv --column sentence --by sentence_id > words.tsv")
    words <- read.delim("words.tsv", quote = "")
    data <- merge(reading_times, words, by.x = c("sentence_id", "position"), by.y = c("item", "position"))
    lme4::lmer(log(rt) ~ surprisal + log(frequency + 1) + nchar(word) + (1 | subject) + (1 | item), data)
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count, groupby
from typing import Any

import numpy as np

from fflm.config import WordsConfig
from fflm.errors import FflmError
from fflm.evaluation.text_scores import spelled_out
from fflm.lm import LanguageModel, contexts_at
from fflm.lm.interface import Scorer
from fflm.text import Vocabulary
from fflm.text.documents import END_MARK, word_ids
from fflm.text.spans import Span, token_spans, word_spans

#: Contexts whose distributions are computed at once for entropies.
BATCH = 32
NATS = {"2": math.log(2.0), "e": 1.0, "10": math.log(10.0)}
#: The columns of a model's figures.
FIGURES = ("surprisal", "unknown", "entropy", "frequency")


@dataclass(frozen=True)
class Sentence:
    """One text of an experiment: the line of its file (from 1), what identifies it, and its text."""

    line: int
    item: Any
    text: str


@dataclass(frozen=True)
class _Parts:
    """A sentence without its marks of regions, its words, and where each region begins."""

    sentence: Sentence
    text: str
    words: list[Span]
    regions: list[int]


@dataclass(frozen=True)
class _Measured:
    """The figures of the words of a sentence by one model: a list for each, the end last where it is asked for."""

    surprisal: list[float]
    unknown: list[bool]
    entropy: list[float] | None
    frequency: list[int | None]


def word_rows(
    models: Mapping[str, LanguageModel], sentences: Iterable[Sentence], config: WordsConfig
) -> Iterator[dict[str, Any]]:
    """Yield the rows of some sentences; the module says what they mean.

    Parameters
    ----------
    models : mapping
        Models by name. With several, each has the columns ``surprisal_NAME``, ``unknown_NAME`` and so on.
    sentences : iterable of Sentence
    config : WordsConfig

    Yields
    ------
    dict
        ``item``, ``line``, ``position`` (from 1), ``word``, ``start`` and ``end`` (characters of the text), with
        regions ``region``; and for each model ``surprisal``, ``unknown``, ``entropy`` and ``frequency``. A surprisal
        is None where a word has no probability. With ``totals`` a row is a region (without regions: a text): ``words``
        are counted, surprisals and unknown words added up, and there are neither entropy nor frequency.

    Raises
    ------
    FflmError
        If a sentence has a mark ``<s>`` or ``</s>``.

    Examples
    --------
    >>> import fflm
    >>> models = {"demo": fflm.load("runs/demo").lm}
    >>> rows = list(word_rows(models, [Sentence(1, "a", "the cat | sat")], WordsConfig(regions="|")))
    >>> [(row["word"], row["start"], row["end"], row["region"]) for row in rows]
    [('the', 0, 3, 1), ('cat', 4, 7, 1), ('sat', 8, 11, 2)]
    """
    with ExitStack() as stack:
        scorers = {name: stack.enter_context(model.session(BATCH)) for name, model in models.items()}
        for _, group in groupby(sentences, key=_context_of(config)):
            texts = [(sentence, *_divided(sentence, config.regions)) for sentence in group]
            spans = {
                name: [token_spans(text, model.tokenizer) for _, text, _ in texts] for name, model in models.items()
            }
            parts = []
            for i, (sentence, text, regions) in enumerate(texts):
                cuts = [[span for _, span in spans[name][i]] for name in models]
                parts.append(_Parts(sentence, text, word_spans(text, cuts, config.punctuation == "apart"), regions))
            found = {
                name: list(_measured(model, scorers[name], parts, spans[name], config))
                for name, model in models.items()
            }
            for i, part in enumerate(parts):
                rows = _rows(part, {name: values[i] for name, values in found.items()}, config)
                yield from _totals(rows, part, config) if config.totals else rows


def _context_of(config: WordsConfig) -> Callable[[Sentence], Any]:
    """Return the function that tells sentences of one context from those of the next."""
    if config.context == "line":
        numbers = count()
        return lambda sentence: next(numbers)
    return (lambda sentence: sentence.item) if config.context == "item" else (lambda sentence: None)


def _divided(sentence: Sentence, mark: str | None) -> tuple[str, list[int]]:
    """Return the text on one line without the marks of regions, and the places at which regions begin."""
    text = re.sub(r"[\r\n]", " ", sentence.text)
    if mark is None:
        return text, [0]
    places, joined = [], ""
    for part in map(str.strip, text.split(mark)):
        joined += " " if joined and part else ""
        places.append(len(joined))
        joined += part
    return joined, places


def _measured(
    model: LanguageModel,
    scorer: Scorer,
    parts: list[_Parts],
    spans: list[list[tuple[str, Span]]],
    config: WordsConfig,
) -> Iterator[_Measured]:
    """Yield the figures of the words of each sentence of one context."""
    end_word = model.tokenizer.end_word
    tokens = [] if end_word is None else [end_word]
    bounds: list[tuple[int, list[int], int]] = []  # of each sentence: its first token, the first of each word, the end
    for number, (part, found) in enumerate(zip(parts, spans, strict=True)):
        for token, _ in found:
            if token in ("<s>", END_MARK):
                raise FflmError(f"a text must not have the mark {token}, got it on line {part.sentence.line}")
        last = number == len(parts) - 1
        end = end_word if end_word is not None else END_MARK if _ends(model) and last and config.end else None
        ends = [last for _, last in part.words]
        owners = np.searchsorted(ends, [first for _, (first, _) in found], side="right")
        owners = np.minimum(owners, max(0, len(ends) - 1))  # blanks at the end belong to the last word
        first = len(tokens)
        firsts = [first + int(np.argmax(owners == word)) for word in range(len(ends))]
        tokens += [token for token, _ in found]
        if end is not None and config.end:
            firsts.append(len(tokens))
        tokens += [] if end is None else [end]
        bounds.append((first, firsts, first + len(found) + (end is not None and config.end)))
    ids = word_ids(tokens, model.vocabulary)
    log_probs = scorer.log_probs(ids) if len(ids) else np.zeros(0)
    if config.unknown == "spelled":
        opened = spelled_out(model.vocabulary, ids, tokens, log_probs)
        log_probs = log_probs if opened is None else opened
    elif config.unknown == "nan":
        log_probs = np.where(ids == Vocabulary.UNK, np.nan, log_probs)
    costs, counts = 0.0 - log_probs / NATS[config.base], model.vocabulary.counts
    for _, firsts, stop in bounds:
        runs = list(zip(firsts, [*firsts[1:], stop], strict=False))  # none in a text without words
        unknown = [bool((ids[a:b] == Vocabulary.UNK).any()) for a, b in runs]
        yield _Measured(
            [float(costs[a:b].sum()) for a, b in runs],
            unknown,
            None if config.no_entropy else _entropies(model, scorer, ids, firsts, NATS[config.base]),
            [
                int(counts[ids[a:b]].min()) if counts.any() and not lost else None
                for (a, b), lost in zip(runs, unknown, strict=True)
            ],
        )


def _ends(model: LanguageModel) -> bool:
    return model.tokenizer.config.boundary == "line"


def _entropies(model: LanguageModel, scorer: Scorer, ids: np.ndarray, places: list[int], unit: float) -> list[float]:
    """Compute the entropy of the distribution at some places of a text."""
    found: list[float] = []
    for first in range(0, len(places), BATCH):
        part = np.array(places[first : first + BATCH])
        p = scorer.next_word(contexts_at(ids, part, model.reach)).astype(np.float64)
        logs = np.log(p, out=np.zeros_like(p), where=p > 0.0)
        found += (0.0 - (p * logs).sum(axis=1) / unit).tolist()
    return found


def _rows(part: _Parts, measured: dict[str, _Measured], config: WordsConfig) -> Iterator[dict[str, Any]]:
    names = {name: f"_{name}" if len(measured) > 1 else "" for name in measured}
    for i in range(max(len(one.surprisal) for one in measured.values())):
        is_end = i == len(part.words)
        start, end = (len(part.text), len(part.text)) if is_end else part.words[i]
        row = {
            **{"item": part.sentence.item, "line": part.sentence.line, "position": i + 1},
            **{"word": END_MARK if is_end else part.text[start:end], "start": start, "end": end},
        }
        if config.regions is not None:
            row["region"] = int(np.searchsorted(part.regions, start, side="right"))
        for name, one in measured.items():
            given = i < len(one.surprisal)  # a model without an end has none
            cost = one.surprisal[i] if given else math.nan
            row["surprisal" + names[name]] = cost if math.isfinite(cost) else None
            row["unknown" + names[name]] = one.unknown[i] if given else None
            if one.entropy is not None:
                row["entropy" + names[name]] = one.entropy[i] if given else None
            row["frequency" + names[name]] = one.frequency[i] if given else None
        yield row


def _totals(rows: Iterable[dict[str, Any]], part: _Parts, config: WordsConfig) -> Iterator[dict[str, Any]]:
    """Add up the rows of each region of a sentence."""
    for region, group in groupby(rows, key=lambda row: row.get("region", 1)):
        found = list(group)
        total = {"item": part.sentence.item, "line": part.sentence.line}
        if config.regions is not None:
            total["region"] = region
        start, end = found[0]["start"], found[-1]["end"]
        total |= {"words": len(found), "text": part.text[start:end], "start": start, "end": end}
        for name in found[0]:
            values = [row[name] for row in found]
            if name.startswith("surprisal"):
                total[name] = None if None in values else math.fsum(values)
            elif name.startswith("unknown"):
                total[name] = sum(map(bool, values))
        yield total
