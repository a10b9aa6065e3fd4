"""Next words: the likeliest ones, completions of a word begun, and continuations drawn at random; for any model."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fflm.config import SampleConfig
from fflm.errors import ConfigError, FflmError, option_name
from fflm.lm import LanguageModel, Mixture
from fflm.lm.interface import BATCH, Scorer
from fflm.text import Vocabulary
from fflm.text.marks import encode_prompt, prompt_tokens

SPELLING = 0x7370656C6C  # the generator of new words' spellings
#: Words of a context that are left out one by one: the last ones.
MOST_WORDS = 40


@dataclass(frozen=True)
class Prediction:
    """A word and its probability.

    Attributes
    ----------
    word : str
    probability : float
        P(word | context), over the whole vocabulary.
    parts : dict or None
        Of a mixture: what each part adds to the probability, by the part's name.
    share : float or None
        Of a completion: P(word | context and beginning), the probabilities of all words that begin so summing to 1.
    """

    word: str
    probability: float
    parts: dict[str, float] | None = None
    share: float | None = None

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


@dataclass(frozen=True)
class Influence:
    """A token of a context, and what it adds to the next word.

    Attributes
    ----------
    token : str
    bits : float
        log2 P(word | context) - log2 P(word | context with ``<unk>`` in this place): above 0 where the token makes the
        word likelier.
    """

    token: str
    bits: float

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return asdict(self)


def context_of(model: LanguageModel, text: str) -> np.ndarray:
    """Return the last K words of a text as ids (K,) int32, ``<s>`` in front where it is shorter.

    In the ``line`` boundary a line end is a ``</s>``: after one the next word begins a line. In ``eos`` it is the word
    ``<eos>``, and the words before it count too.
    """
    size = model.reach
    ids = encode_prompt(text, model.tokenizer, model.vocabulary)
    ids = ids[max(0, len(ids) - size) :]
    return np.concatenate([np.full(size - len(ids), Vocabulary.BOS, np.int32), ids])


class Predictor:
    """The likeliest next words of one model after many contexts: what one prediction prepares serves the next.

    Parameters
    ----------
    model : LanguageModel
        It must not be changed while the predictor is open.

    Examples
    --------
    >>> import fflm
    >>> with Predictor(fflm.load("runs/demo").lm) as predictor:
    ...     [predictor(context, top=1)[0].word for context in ("the cat sat", "on the")]
    ['on', 'mat']
    """

    def __init__(self, model: LanguageModel):
        self._model, self._stack = model, ExitStack()
        self._scorer = self._stack.enter_context(model.session(batch=1))
        self._names = model.names if isinstance(model, Mixture) else []
        self._sorted = sorted(range(len(model.vocabulary)), key=model.vocabulary.words.__getitem__)
        self._words = [model.vocabulary.words[i] for i in self._sorted]

    def __enter__(self) -> Predictor:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def __call__(self, context: str, top: int = 10, prefix: str = "", special: bool = False) -> list[Prediction]:
        """Return the likeliest next words, as `predict` does."""
        contexts, added = context_of(self._model, context)[None], None
        if isinstance(self._scorer, Mixture):
            added = self._scorer.contributions(contexts)[:, 0]
            probabilities = added.sum(axis=0)
        else:
            probabilities = self._scorer.next_word(contexts)[0]
        allowed = np.ones(len(probabilities), bool)
        if prefix:
            allowed[:] = False
            allowed[self._beginning_with(prefix)] = True
        allowed[[] if special else barred_words(self._model)] = False
        candidates = np.flatnonzero(allowed)
        total = float(probabilities[candidates].sum()) if prefix else 0.0
        return [
            Prediction(
                self._model.vocabulary.words[i],
                float(probabilities[i]),
                None if added is None else dict(zip(self._names, added[:, i].tolist(), strict=True)),
                float(probabilities[i]) / total if total else None,
            )
            for i in candidates[_largest(probabilities[candidates], top)]
        ]

    def _beginning_with(self, prefix: str) -> list[int]:
        """Return the ids of the words that begin with `prefix`, in lower case where the model has no other."""
        if self._model.tokenizer.config.tokenizer == "char":
            raise ConfigError(
                f"{option_name('prefix')} must not be given for a model of characters, whose words are single "
                f"characters; write what is begun at the end of {option_name('context')}"
            )
        prefix = self._model.tokenizer.normalize(prefix)
        first = bisect_left(self._words, prefix)
        last = bisect_left(self._words, True, lo=first, key=lambda word: not word.startswith(prefix))
        return self._sorted[first:last]


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """Return the places of the largest values, by falling value (equals in their order)."""
    places = np.arange(len(values))
    if count < len(values):
        places = np.flatnonzero(values >= np.partition(values, -count)[-count])
    return places[np.argsort(-values[places], kind="stable")[:count]]


def barred_words(model: LanguageModel) -> list[int]:
    """Return the ids of the marks that are no words to propose: ``<unk>``, ``<s>``, and ``</s>`` where no line ends."""
    barred = [Vocabulary.UNK, Vocabulary.BOS]
    by_line = model.tokenizer.config.boundary == "line"
    if not by_line and not model.vocabulary.counts[Vocabulary.EOS]:  # a stream may have been marked with it
        barred.append(Vocabulary.EOS)
    return barred


def predict(
    model: LanguageModel, context: str, top: int = 10, prefix: str = "", special: bool = False
) -> list[Prediction]:
    """Return the likeliest next words after `context`, by falling probability (equals in vocabulary order).

    Parameters
    ----------
    model : LanguageModel
    context : str
        Text; only its last K tokens count. If it ends with a line end (boundaries ``line``, ``eos``) or ``</s>``, the
        next word is the first of a new line.
    top : int
        How many words; all if there are fewer.
    prefix : str
        The beginning of the word, as typed so far: only words that begin with it are returned, with their `share`.
    special : bool
        Let ``<unk>`` and ``<s>`` be among them.

    Raises
    ------
    ConfigError
        If a model of characters is given a `prefix`.

    Examples
    --------
    >>> import fflm
    >>> model = fflm.load("runs/demo").lm
    >>> predict(model, "the cat sat on the", top=1)[0].word
    'mat'
    >>> [completion.word for completion in predict(model, "the", prefix="d")]
    ['dog']
    """
    with Predictor(model) as predictor:
        return predictor(context, top, prefix, special)


def influences(model: LanguageModel, context: str, word: str, most: int = MOST_WORDS) -> list[Influence]:
    """Return what each of the last tokens of a context adds to a next word, in the order of the text.

    Each is replaced by ``<unk>``, so that the others keep their places. A token that counts in two places, as in the
    bag and beside the next word, is replaced in both.

    Parameters
    ----------
    model : LanguageModel
    context : str
    word : str
        One that the vocabulary lacks is taken as ``<unk>``.
    most : int
        How many tokens, at most.

    Examples
    --------
    >>> import fflm
    >>> found = influences(fflm.load("runs/demo").lm, "the cat sat on the", "mat")
    >>> [one.token for one in found], max(found, key=lambda one: one.bits).token
    (['on', 'the'], 'on')
    """
    ids = context_of(model, context)
    tokens = prompt_tokens(context, model.tokenizer)
    count = min(most, int(np.count_nonzero(ids != Vocabulary.BOS)))
    if count == 0:
        return []
    places = np.arange(len(ids) - count, len(ids))
    without = np.repeat(ids[None], count + 1, axis=0)
    without[np.arange(count), places] = Vocabulary.UNK  # the last row stays whole
    with model.session(count + 1) as scorer:
        probabilities = scorer.next_word(without)[:, model.vocabulary.id(word)].astype(np.float64)
    logs = [math.log2(max(p, np.finfo(np.float64).tiny)) for p in probabilities.tolist()]
    words = tokens[-count:] if len(tokens) >= count else []
    names = [model.vocabulary.words[i] for i in ids[places].tolist()]
    if [model.vocabulary.id(token) for token in words] == ids[places].tolist():
        names = words  # as the text has them, unknown ones too
    return [Influence(name, logs[-1] - bits) for name, bits in zip(names, logs, strict=False)]


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
        Let ``<unk>`` and ``<s>`` be drawn too. In place of ``<unk>`` stands a new word, where the model has a spelling
        model, and the log probability is that of the spelling too.

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
    barred = [word for word in barred_words(model) if not special or word == Vocabulary.EOS]
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
    samples, spelling = [], model.vocabulary.spelling
    for number, ids in enumerate(drawn):
        tokens = [model.vocabulary.words[i] for i in ids]
        if spelling is not None:
            generator = np.random.default_rng([config.seed, number, SPELLING])  # words are drawn as without it
            for place in (i for i, id in enumerate(ids) if id == Vocabulary.UNK):
                tokens[place] = spelling.draw(generator)
                if tokens[place] != model.vocabulary.words[Vocabulary.UNK]:
                    log_probs[number] += spelling.log_probs([tokens[place]])[0]
        samples.append(Sample(prompt, model.tokenizer.join(tokens), tuple(tokens), float(log_probs[number])))
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
