"""Spelling models: P(spelling | a word that is not in the vocabulary), which open a closed vocabulary.

P(word | context) = P(<unk> | context) P(spelling | not in the vocabulary). The spelling is that of a character n-gram
model with interpolated modified Kneser-Ney smoothing (`fflm.lm.ngram.kneser_ney`) over different rare words of the
training text, each of which counts once. With Q(w) = the probability of the characters of w and of its end,

    P(w | not in the vocabulary) = Q(w) / (1 - Q(empty string) - sum of Q(v) over the words v of the vocabulary)

which sums to 1 over all strings that are neither empty nor in the vocabulary. Characters that those words lack are one
character <unk> of the n-gram model, whose probability they share alike, so that no string has probability 0.

What a character model does not know is a single character: all that are not in its vocabulary are equally likely.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cached_property
from itertools import chain

import numpy as np

from fflm.lm.ngram.kneser_ney import smoothed
from fflm.lm.ngram.table import count_ngrams
from fflm.text import Spelling, Tokenizer, Vocabulary

#: Characters of the longest n-grams.
ORDER = 6
#: All characters that a string can hold: the 1,112,064 Unicode scalar values and the 2,048 surrogates, which Python's
#: strings can hold too. Those that a spelling model never saw share one probability.
CODE_POINTS = sys.maxunicode + 1
#: So many words are learned from at least, where there are so many, and at most, and none of more characters.
FEWEST, MOST, LONGEST = 2_000, 20_000, 64
#: So many spellings are drawn until one is new; then ``<unk>`` stays.
TRIES = 1_000
BATCH = 8_192


class SpellingModel:
    """A character n-gram model of the words that a vocabulary lacks.

    Parameters
    ----------
    learned : sequence of str
        The different words that it learns from, none of them empty. A model file holds them; what follows from them is
        computed when it is first used.
    known : sequence of str
        The words of the vocabulary, which it spells never; the marks ``<unk>``, ``<s>`` and ``</s>`` among them.

    Raises
    ------
    ValueError
        If there is no word to learn from, or one is empty.

    Examples
    --------
    >>> spelling = SpellingModel(["sat", "mat", "rats"], known=["sat"])
    >>> usual, random = spelling.log_probs(["rat", "xqz"])
    >>> bool(usual > random + 10)
    True
    """

    def __init__(self, learned: Sequence[str], known: Sequence[str]):
        if not learned or not all(learned):
            raise ValueError("spelling must be learned from at least one word, none of them empty")
        self.learned: Sequence[str] = list(learned)
        self.known = known

    @cached_property
    def characters(self) -> list[str]:
        """The characters of the words that were learned from, in the order of their code points."""
        return sorted(set(chain.from_iterable(self.learned)))

    @cached_property
    def _ngrams(self) -> CharacterNgrams:
        return CharacterNgrams(self._encode(self.learned), len(self.characters) + 3)

    @cached_property
    def log_unknown(self) -> float:
        """Natural log of the probability of all strings that are neither empty nor in the vocabulary."""
        known = np.exp(self.log_probs_of_strings(self.known)).sum()
        return float(np.log1p(-known - np.exp(self.log_probs_of_strings([""])[0])))

    def log_probs(self, words: Sequence[str]) -> np.ndarray:
        """Compute natural log P(word | not in the vocabulary) of N words that are not in it: (N,) float64, in nats.

        Examples
        --------
        >>> SpellingModel(["sat", "mat"], known=["sat"]).log_probs(["mat"]).round(2).tolist()
        [-1.09]
        """
        return self.log_probs_of_strings(words) - self.log_unknown if words else np.zeros(0)  # no need of log_unknown

    def log_probs_of_strings(self, strings: Sequence[str]) -> np.ndarray:
        """Compute natural log Q of N strings, in the vocabulary or not: (N,) float64, in nats; Q of all sums to 1."""
        parts = [self._log_probs(strings[first : first + BATCH]) for first in range(0, len(strings), BATCH)]
        return np.concatenate([np.empty(0), *parts])

    def _log_probs(self, strings: Sequence[str]) -> np.ndarray:
        ids = self._encode(strings)
        each = self._ngrams.log_probs(ids) - np.log(CODE_POINTS - len(self.characters)) * (ids == Vocabulary.UNK)
        ends = np.flatnonzero(ids == Vocabulary.EOS)
        return np.add.reduceat(each, np.append(0, ends[:-1] + 1))

    def _encode(self, strings: Sequence[str]) -> np.ndarray:
        """Return the characters of strings, each string with ``</s>`` after it, as ids (n,) int32."""
        numbers = {ord(character): i for i, character in enumerate(self.characters, start=3)}
        ends = np.cumsum([len(string) + 1 for string in strings]) - 1
        points = np.frombuffer("\0".join([*strings, ""]).encode("utf-32-le", "surrogatepass"), np.uint32)
        different, inverse = np.unique(points, return_inverse=True)
        ids = np.array([numbers.get(int(point), Vocabulary.UNK) for point in different], np.int32)[inverse]
        ids[ends] = Vocabulary.EOS
        return ids

    def draw(self, generator: np.random.Generator) -> str:
        """Draw a word that is not in the vocabulary, of characters that were learned from.

        Spellings are drawn until one is new; after 1,000 that are not, ``<unk>`` is returned.

        Examples
        --------
        >>> spelling = SpellingModel(["sat", "mat", "rats"], known=["sat"])
        >>> word = spelling.draw(np.random.default_rng(1))
        >>> word == spelling.draw(np.random.default_rng(1)), word == "sat"
        (True, False)
        """
        known = set(self.known)
        for _ in range(TRIES):
            word = self._draw_string(generator)
            if word and word not in known:
                return word
        return "<unk>"

    def _draw_string(self, generator: np.random.Generator) -> str:
        ids: list[int] = []
        while len(ids) < LONGEST:
            cumulated = np.cumsum(self._ngrams.distribution(ids))
            drawn = int(np.searchsorted(cumulated, generator.random() * cumulated[-1], side="right"))
            if drawn == Vocabulary.EOS:
                return "".join(self.characters[i - 3] for i in ids)
            if drawn == Vocabulary.UNK:  # a character that no one has seen
                return ""
            ids.append(drawn)
        return ""


class UniformSpelling:
    """The spelling model of a character model: all characters that it does not know are equally likely.

    Examples
    --------
    >>> spelling = UniformSpelling(["<unk>", "<s>", "</s>", "a"])
    >>> bool(np.isclose(spelling.log_probs(["b"])[0], -np.log(0x110000 - 1)))
    True
    """

    learned: Sequence[str] = ()

    def __init__(self, known: Sequence[str]):
        self._log_prob = -float(np.log(CODE_POINTS - sum(len(word) == 1 for word in known)))

    def log_probs(self, words: Sequence[str]) -> np.ndarray:
        """Compute natural log P of each of N characters that are not in the vocabulary: (N,) float64, in nats."""
        return np.full(len(words), self._log_prob)

    def draw(self, generator: np.random.Generator) -> str:
        """Return ``<unk>``: most of the characters are of no use to anyone."""
        return "<unk>"


def spelling_model(learned: Sequence[str], vocabulary: Vocabulary, tokenizer: Tokenizer) -> Spelling | None:
    """Make the spelling model of a vocabulary from the words that it learns from; None where there are none."""
    if tokenizer.config.tokenizer == "char":
        return UniformSpelling(vocabulary.words)
    return SpellingModel(learned, vocabulary.words) if learned else None


class CharacterNgrams:
    """A Kneser-Ney model of strings in float64: each is a unit with ``<s>`` before it and ``</s>`` after it.

    Parameters
    ----------
    ids : (n,) int32
        The strings that are counted, one after the other.
    size : int
        How many different ids there are.
    """

    def __init__(self, ids: np.ndarray, size: int):
        self.table, counts = count_ngrams(ids, ORDER, size)
        probs, backoffs, _, _ = smoothed(self.table, counts)
        with np.errstate(divide="ignore"):
            self._log_probs, self._log_backoffs = np.log(probs), np.log(backoffs)
        self._bits = int(size).bit_length()
        parents = self.table.all_parents[size:]
        self._keys = (parents << self._bits) | self.table.words[size:]  # rising, as nodes are sorted by parent and word

    def _children(self, nodes: np.ndarray, words: np.ndarray) -> np.ndarray:
        """Find the node that adds a word to a node, -1 where there is none or the node is -1."""
        keys = (nodes << self._bits) | words
        places = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where((nodes >= 0) & (self._keys[places] == keys), places + self.table.starts[1], -1)

    def log_probs(self, ids: np.ndarray) -> np.ndarray:
        """Compute natural log P(id | the ids before it in its unit) of whole units (n,) int32: (n,) float64."""
        begins = np.append(0, np.flatnonzero(ids[:-1] == Vocabulary.EOS) + 1)
        stream = np.insert(ids, begins, Vocabulary.BOS).astype(np.int64)
        places = np.arange(len(ids)) + np.repeat(np.arange(1, len(begins) + 1), np.diff(np.append(begins, len(ids))))
        return self._at(stream, places)

    def distribution(self, before: Sequence[int]) -> np.ndarray:
        """Compute P(. | the ids since the begin of the unit): (size,) float64, which sums to 1."""
        context = [Vocabulary.BOS, *before][-(ORDER - 1) :]
        size = self.table.starts[1]
        rows = np.column_stack([np.tile(context, (size, 1)), np.arange(size)])
        return np.exp(self._at(rows.reshape(-1), np.arange(1, size + 1) * rows.shape[1] - 1, rows.shape[1]))

    def _at(self, stream: np.ndarray, places: np.ndarray, longest: int = ORDER) -> np.ndarray:
        """Compute log P of some places of a stream in which units begin with ``<s>``, from n-grams up to `longest`.

        The n-grams that end at a place are looked up from the shortest to the longest. Each that is in the table gives
        the probability; each that is not takes the back-off weight of its context, if that is in the table.
        """
        nodes = stream.copy()  # of the n-gram that begins at each place of the stream
        out = self._log_probs[nodes[places]]
        for k in range(2, min(ORDER, longest) + 1):
            firsts, inside = np.maximum(places - k + 1, 0), places >= k - 1
            contexts = np.where(inside, nodes[firsts], -1)
            longer = np.full(len(nodes), -1)
            longer[: 1 - k] = self._children(nodes[: 1 - k], stream[k - 1 :])
            found = np.where(inside, longer[firsts], -1)
            backed_off = out + np.where(contexts >= 0, self._log_backoffs[contexts], 0.0)
            out, nodes = np.where(found >= 0, self._log_probs[found], backed_off), longer
        return out


def learn_spelling(vocabulary: Vocabulary, unknown_words: Sequence[str], tokenizer: Tokenizer) -> None:
    """Give a vocabulary the spelling model of its training text, if it has none.

    It learns from the words that the vocabulary lacks, at most 20,000, taken evenly from all of them; where there are
    less than 2,000, the rarest words of the vocabulary that occur in the text join them.

    Parameters
    ----------
    vocabulary : Vocabulary
        With the counts of the text; its `spelling` is set.
    unknown_words : sequence of str
        The different words of the text that the vocabulary lacks.
    tokenizer : Tokenizer

    Examples
    --------
    >>> from fflm.config import TokenizerConfig
    >>> vocabulary = Vocabulary(["<unk>", "<s>", "</s>", "the", "cat"], [1, 0, 1, 2, 1])
    >>> learn_spelling(vocabulary, ["dog"], Tokenizer(TokenizerConfig()))
    >>> vocabulary.spelling.learned
    ['dog', 'cat', 'the']
    """
    if vocabulary.spelling is not None:
        return
    words = [word for word in unknown_words if len(word) <= LONGEST]
    words = [words[i * len(words) // MOST] for i in range(MOST)] if len(words) > MOST else words
    rarest = sorted(range(3, len(vocabulary)), key=lambda i: (int(vocabulary.counts[i]), -i))
    rare = (vocabulary.words[i] for i in rarest if vocabulary.counts[i])
    joined = [word for word in rare if len(word) <= LONGEST and word != tokenizer.end_word]
    words += joined[: max(0, FEWEST - len(words))]
    vocabulary.spelling = spelling_model(words, vocabulary, tokenizer)
