"""Next words: the likeliest ones, and continuations drawn at random; for any language model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fflm.config import SampleConfig
from fflm.errors import FflmError
from fflm.lm import LanguageModel, Mixture
from fflm.lm.interface import BATCH, Scorer
from fflm.text import Vocabulary
from fflm.text.marks import encode_prompt


@dataclass(frozen=True)
class Prediction:
    """A word and its probability; of a mixture, also what each part adds to it, by the part's name."""

    word: str
    probability: float
    parts: dict[str, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the prediction as plain JSON values."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Sample:
    """A continuation: the prompt as given, the new text, its tokens, and their natural log probability in the model.

    `log_prob` counts the ``</s>`` that ended a line, which is not among the tokens.
    """

    prompt: str
    text: str
    tokens: tuple[str, ...]
    log_prob: float

    def to_dict(self) -> dict[str, Any]:
        """Return the sample as plain JSON values."""
        return asdict(self) | {"tokens": list(self.tokens)}


def context_of(model: LanguageModel, text: str) -> np.ndarray:
    """Return the last K words of a text as ids (K,) int32, ``<s>`` in front where it is shorter.

    In the ``line`` boundary a line end is a ``</s>``: after one the next word begins a line. In ``eos`` it is the word
    ``<eos>``, and the words before it count too.
    """
    size = model.reach
    ids = encode_prompt(text, model.tokenizer, model.vocabulary)
    ids = ids[max(0, len(ids) - size) :]
    return np.concatenate([np.full(size - len(ids), Vocabulary.BOS, np.int32), ids])


def predict(model: LanguageModel, context: str, top: int = 10) -> list[Prediction]:
    """Return the likeliest next words after `context`, by falling probability (equals in vocabulary order).

    Parameters
    ----------
    model : LanguageModel
    context : str
        Text; only its last K tokens count. If it ends with a line end (boundaries ``line``, ``eos``) or ``</s>``, the
        next word is the first of a new line.
    top : int
        How many words; all if there are fewer.

    Examples
    --------
    >>> import fflm
    >>> predict(fflm.load("runs/demo").lm, "the cat sat on the", top=1)[0].word
    'mat'
    """
    contexts = context_of(model, context)[None]
    names: list[str] = []
    if isinstance(model, Mixture):
        names, added = model.names, model.contributions(contexts)[:, 0]
        probabilities = added.sum(axis=0)
    else:
        probabilities = model.next_word(contexts)[0]
    best = np.argsort(-probabilities, kind="stable")[:top]
    return [
        Prediction(
            model.vocabulary.words[i],
            float(probabilities[i]),
            dict(zip(names, added[:, i].tolist(), strict=True)) if names else None,
        )
        for i in best
    ]


def sample(
    model: LanguageModel, prompt: str = "", config: SampleConfig | None = None, special: bool = False
) -> list[Sample]:
    """Draw continuations of `prompt`, word by word.

    Parameters
    ----------
    model : LanguageModel
    prompt : str
        If it ends with a line end (boundaries ``line`` and ``eos``) or ``</s>``, the continuation is a new line.
    config : SampleConfig
        How many, how long, how bold; the same seed gives the same texts. In the ``line`` boundary a sample ends early
        at ``</s>``; in ``eos`` it runs on across the ends of lines, which are line breaks in its text.
    special : bool
        Let ``<unk>`` and ``<s>`` be drawn too.

    Returns
    -------
    list of Sample

    Raises
    ------
    FflmError
        If the words that may be drawn have no probability at all.

    Examples
    --------
    >>> import fflm
    >>> sample(fflm.load("runs/demo").lm, "the cat", SampleConfig(tokens=4, temperature=0))[0].text
    'sat on the mat'
    """
    config = config or SampleConfig()
    contexts = np.repeat(context_of(model, prompt)[None], config.samples, axis=0)
    generators = [np.random.default_rng([config.seed, number]) for number in range(config.samples)]
    by_line = model.tokenizer.config.boundary == "line"
    barred = [] if special else [Vocabulary.UNK, Vocabulary.BOS]
    if not by_line and not model.vocabulary.counts[Vocabulary.EOS]:  # a stream may have been marked with it
        barred = [*barred, Vocabulary.EOS]
    drawn: list[list[int]] = [[] for _ in range(config.samples)]
    log_probs = np.zeros(config.samples)
    going = list(range(config.samples))
    with model.session(batch=BATCH) as scorer:
        for _ in range(config.tokens):
            if not going:
                break
            for row, probabilities in _next_words(scorer, contexts, list(going)):
                word = draw(probabilities, barred, config, generators[row])
                log_probs[row] += np.log(np.float64(probabilities[word]))
                contexts[row] = np.append(contexts[row, 1:], word)
                if by_line and word == Vocabulary.EOS:
                    going.remove(row)
                else:
                    drawn[row].append(word)
    samples = []
    for ids, log_prob in zip(drawn, log_probs, strict=True):
        tokens = tuple(model.vocabulary.words[i] for i in ids)
        samples.append(Sample(prompt, model.tokenizer.join(tokens), tokens, float(log_prob)))
    return samples


def _next_words(scorer: Scorer, contexts: np.ndarray, rows: list[int]) -> Iterator[tuple[int, np.ndarray]]:
    """Yield each row and its distribution, computed a few rows at a time: all (rows, V) numbers could be too many."""
    for first in range(0, len(rows), BATCH):
        part = rows[first : first + BATCH]
        yield from zip(part, scorer.next_word(contexts[part]), strict=True)


def draw(probabilities: np.ndarray, barred: list[int], config: SampleConfig, generator: np.random.Generator) -> int:
    """Draw one word id from probabilities (V,) as `config` says, the ids `barred` left out.

    Temperature T raises each probability to 1/T; then the `top_k` likeliest, then the likeliest that together reach
    `top_p` are kept. Temperature 0 takes the likeliest word.
    """
    with np.errstate(divide="ignore"):
        scores = np.log(probabilities.astype(np.float64))
    scores[barred] = -np.inf
    if scores.max() == -np.inf:
        raise FflmError("no word can be drawn: all probability is on words left out, such as <unk>; let them be drawn")
    if config.temperature == 0.0:
        return int(np.argmax(scores))
    order = np.argsort(-scores, kind="stable")[: config.top_k]
    weights = np.exp((scores[order] - scores[order[0]]) / config.temperature)
    cumulated = np.cumsum(weights)
    if config.top_p is not None:
        kept = int(np.searchsorted(cumulated, config.top_p * cumulated[-1])) + 1
        cumulated = cumulated[:kept]
    place = np.searchsorted(cumulated, generator.random() * cumulated[-1], side="right")
    return int(order[min(int(place), len(cumulated) - 1)])


PROMPT_WORDS = 5


def prompts(lm: LanguageModel, ids: np.ndarray) -> list[str]:
    """Choose three beginnings for samples: known words of a text, from its first, second and last third.

    Parameters
    ----------
    lm : LanguageModel
    ids : (N,) int32
        The text.
    """
    size = max(1, min(lm.reach, PROMPT_WORDS))  # a model of single words looks at none
    if lm.tokenizer.config.boundary == "line" or len(ids) < size:
        return ["", "", ""]
    known = np.convolve(ids == Vocabulary.UNK, np.ones(size, int), "valid") == 0
    starts = [len(known) * i // 6 for i in (1, 3, 5)]
    starts = [start + int(np.argmax(known[start:])) for start in starts]
    return [lm.tokenizer.join([lm.vocabulary.words[i] for i in ids[s : s + size]]) for s in starts]
