"""N-best lists ranked by the first pass and a language model together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fflm.config import RescoreConfig
from fflm.errors import ConfigError, option_name
from fflm.lm import LanguageModel
from fflm.rescoring.log_probs import SentenceScores, sentence_scores
from fflm.rescoring.nbest import Hypothesis, NbestList
from fflm.rescoring.weights import Candidates, fit, hypothesis_words
from fflm.rescoring.word_errors import word_errors

#: The share of unknown words above which the ranking is warned of.
HIGH_OOV_RATE = 0.2


@dataclass(frozen=True)
class WordErrorRates:
    """Word error rates of the lists that have a reference: shares, 0.1 for 10 %.

    Attributes
    ----------
    lists, words : int
        How many lists have a reference, and the words of these references.
    before, after, oracle : float
        Of the best hypotheses by the first pass alone, by the total score, and of the best that the lists have.
    """

    lists: int
    words: int
    before: float
    after: float
    oracle: float


@dataclass(frozen=True)
class Ranked:
    """A hypothesis with its total score, the natural log P of the language model, and its unknown tokens."""

    hypothesis: Hypothesis
    total: float
    log_prob: float
    unknown: int


@dataclass(frozen=True)
class Ranking:
    """N-best lists ranked anew.

    Attributes
    ----------
    form : str
        That of the list (see `fflm.rescoring.nbest`).
    lists : list of (str, list of Ranked)
        Each list by its id, the best hypothesis first.
    lm_weight, word_penalty : float
    fitted : tuple of str
        Which of the two were fitted on the references.
    rates : WordErrorRates or None
    notes : tuple of str
        What to keep in mind, such as that many words are unknown.
    """

    form: str
    lists: list[tuple[str, list[Ranked]]]
    lm_weight: float
    word_penalty: float
    fitted: tuple[str, ...]
    rates: WordErrorRates | None
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON values; a log probability of -inf is None."""
        lists = [
            {
                "id": id,
                "hypotheses": [
                    {
                        "key": one.hypothesis.key,
                        "text": one.hypothesis.text,
                        "score": one.hypothesis.score,
                        "log_prob": one.log_prob if np.isfinite(one.log_prob) else None,
                        "total": one.total if np.isfinite(one.total) else None,
                        "unknown": one.unknown,
                    }
                    for one in ranked
                ],
            }
            for id, ranked in self.lists
        ]
        return {
            "format": self.form,
            "lm_weight": self.lm_weight,
            "word_penalty": self.word_penalty,
            "fitted": list(self.fitted),
            "word_error_rate": None if self.rates is None else vars(self.rates),
            "notes": list(self.notes),
            "lists": lists,
        }


def rank(
    model: LanguageModel,
    form: str,
    lists: list[NbestList],
    config: RescoreConfig,
    references: dict[str, list[str]] | None = None,
) -> Ranking:
    """Rank n-best lists by score + weight * log P - penalty * words.

    Parameters
    ----------
    model : LanguageModel
    form : str
    lists : list of NbestList
    config : RescoreConfig
        Weight and penalty; what is None is fitted on the references, or 1 and 0 where there are none.
    references : dict, optional
        The words that were really said, by the id of the list.

    Raises
    ------
    ConfigError
        If no list has a reference.
    """
    hypotheses = [hypothesis for one in lists for hypothesis in one.hypotheses]
    texts = [hypothesis.text for hypothesis in hypotheses]
    scores = sentence_scores(model, texts)
    starts = np.concatenate(([0], np.cumsum([len(one.hypotheses) for one in lists])))
    first = np.array([hypothesis.score for hypothesis in hypotheses])
    candidates = Candidates(first, scores.log_probs, hypothesis_words(texts), np.zeros(len(first)), starts)
    weight, penalty, rates = config.lm_weight, config.word_penalty, None
    fitted: tuple[str, ...] = ()
    notes = _notes(scores)
    if references is not None:
        judged = _judged(candidates, lists, references)
        missing = len(lists) - (len(judged.starts) - 1)
        if missing:
            notes.append(f"{missing:,} of {len(lists):,} lists have no reference, and count for no word error rate")
        free = {"lm_weight": weight is None, "word_penalty": penalty is None}
        fitted = tuple(name for name, is_free in free.items() if is_free)
        if fitted:
            weight, penalty = fit(judged, weight, penalty, config.seed)
        words = sum(len(references[one.id]) for one in lists if one.id in references)
        counted = judged.errors_at(0.0, 0.0), judged.errors_at(weight or 0.0, penalty or 0.0), judged.least_errors()
        before, after, oracle = (errors / max(1, words) for errors in counted)
        rates = WordErrorRates(len(judged.starts) - 1, words, before, after, oracle)
    weight, penalty = 1.0 if weight is None else weight, 0.0 if penalty is None else penalty
    totals = candidates.totals(weight, penalty)
    ranked = []
    for one, start, stop in zip(lists, starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        order = start + np.argsort(-totals[start:stop], kind="stable")
        rows = [
            Ranked(hypotheses[i], float(totals[i]), float(scores.log_probs[i]), int(scores.unknown[i]))
            for i in order.tolist()
        ]
        ranked.append((one.id, rows))
    return Ranking(form, ranked, weight, penalty, fitted, rates, tuple(notes))


def _notes(scores: SentenceScores) -> list[str]:
    tokens, unknown = int(scores.tokens.sum()), int(scores.unknown.sum())
    if unknown <= HIGH_OOV_RATE * tokens:
        return []
    return [
        f"warning: {100 * unknown / tokens:.1f} % of the words are unknown to the model; all of them are <unk> to it, "
        "so it can't tell hypotheses apart that differ in them"
    ]


def _judged(candidates: Candidates, lists: list[NbestList], references: dict[str, list[str]]) -> Candidates:
    """Return the hypotheses of the lists that have a reference, with their word errors."""
    places: list[int] = []
    errors: list[int] = []
    sizes: list[int] = []
    for one, start in zip(lists, candidates.starts.tolist(), strict=False):
        if one.id not in references:
            continue
        places += range(start, start + len(one.hypotheses))
        errors += [word_errors(hypothesis.text.split(), references[one.id]) for hypothesis in one.hypotheses]
        sizes.append(len(one.hypotheses))
    if not places:
        ids = lists[0].id, next(iter(references), "nothing")
        raise ConfigError(
            f"{option_name('references')} must have the ids of the n-best list, such as {ids[0]!r}, got {ids[1]!r}"
        )
    return Candidates(
        candidates.scores[places],
        candidates.log_probs[places],
        candidates.words[places],
        np.array(errors, np.float64),
        np.concatenate(([0], np.cumsum(sizes))),
    )
