"""The n-gram partner of a network: a Kneser-Ney model of the same text, and the mixture of both that a run ends with.

The best figures of Bengio et al. 2003 (table 1) are those of networks mixed with a trigram. The partner is counted and
evaluated before the first step, so that the time for training is what is left of a time budget; the mixture is fitted
after the last one, from the probabilities that the evaluations of both have given anyway.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fflm.evaluation.perplexity import Evaluation, Perplexity, evaluate_tokens, report_on
from fflm.lm import LanguageModel, Mixture, NeuralLanguageModel, NgramModel
from fflm.text import Corpus, TokenStream

#: A partner with more n-grams is pruned (`fflm.lm.ngram.kneser_ney.prune_to_size`). A file of so many takes 230 MB.
LARGEST = 10_000_000
#: What is kept free of a time budget, on the slow side: seconds a token to fit weights, bytes a second to write.
FIT_SECONDS, BYTES_PER_SECOND = 1e-5, 1e8


@dataclass(frozen=True)
class RunModel:
    """The model that a run ends with.

    Attributes
    ----------
    lm : LanguageModel
        The network, or its mixture with the partner.
    valid, test : Perplexity
        Its figures; `test` is None without a test text.
    parts : dict
        For ``network`` and ``ngram`` their ``weight`` (the mean over the validation text), ``valid`` and ``test``, as
        plain JSON values; for ``ngram`` also its ``order``, ``ngrams`` of each order and ``prune``. Empty for a network
        alone.
    weights : list or None
        The rows of weights of the mixture, network first.
    """

    lm: LanguageModel
    valid: Perplexity
    test: Perplexity | None
    parts: dict[str, dict[str, Any]]
    weights: list[list[float]] | None


class Partner:
    """A Kneser-Ney model of a training text, evaluated on the held-out texts of the corpus.

    Parameters
    ----------
    corpus : Corpus
    order : int
        Words of the longest n-grams.
    threads : int, optional

    Attributes
    ----------
    model : NgramModel
    valid, test : Evaluation
        `test` is None without a test text.

    Examples
    --------
    >>> from fflm.config import DataConfig, TokenizerConfig
    >>> from fflm.text import load
    >>> partner = Partner(load(["text.txt"], None, None, TokenizerConfig(), DataConfig(), seed=1), order=3)
    >>> partner.model.table.order, partner.valid.report.perplexity < 1.2
    (3, True)
    """

    def __init__(self, corpus: Corpus, order: int, threads: int | None = None):
        train = corpus.train
        self.model = NgramModel.kneser_ney(
            train.ids, order, corpus.vocabulary, corpus.tokenizer, threads, train.breaks, largest=LARGEST
        )
        self._corpus = corpus
        self.valid = evaluate_tokens(self.model, corpus.valid)
        self.test = None if corpus.test is None else evaluate_tokens(self.model, corpus.test)

    @property
    def closing_seconds(self) -> float:
        """How long fitting the mixture and writing the partner may take, on the slow side."""
        table, model = self.model.table, self.model
        arrays = (table.words, table.children, table.links, model.node_log_probs, model.backoffs)
        size = sum(array.nbytes for array in arrays)
        return FIT_SECONDS * len(self._corpus.valid) + size / BYTES_PER_SECOND

    def mix(self, network: NeuralLanguageModel, valid: Evaluation, test: Evaluation | None) -> RunModel:
        """Mix a network, of which the evaluations are given, with the partner; the validation text decides how.

        The texts are not scored again. See `Mixture.choose`.
        """
        text = self._corpus.valid
        log_probs = np.stack([valid.log_probs, self.valid.log_probs])
        mixture = Mixture.choose([network, self.model], text.ids, log_probs, text.unit_starts, text.breaks)
        weights = np.broadcast_to(mixture.weights_at(text.ids, text.breaks), (len(text), 2)).mean(axis=0)
        facts = self.model.describe()
        parts: dict[str, dict[str, Any]] = {"network": {}, "ngram": {}}
        evaluations = (valid, test), (self.valid, self.test)
        for part, weight, (on_valid, on_test) in zip(parts.values(), weights, evaluations, strict=True):
            part["weight"] = float(weight)
            part["valid"] = on_valid.report.to_dict()
            part["test"] = None if on_test is None else on_test.report.to_dict()
        parts["ngram"] |= {"order": facts["order"], "ngrams": facts["ngrams"], "prune": facts.get("prune", [])}
        return RunModel(
            mixture,
            _combined(mixture, text, valid, self.valid),
            None
            if self._corpus.test is None or test is None or self.test is None
            else _combined(mixture, self._corpus.test, test, self.test),
            parts,
            mixture.weights.tolist(),
        )


def _combined(mixture: Mixture, text: TokenStream, *parts: Evaluation) -> Perplexity:
    """Report on the mixture of parts that have been evaluated on a text; its time is theirs and its own."""
    seconds = sum(len(text) / part.report.tokens_per_second for part in parts)
    log_probs = mixture.combined(text.ids, np.stack([part.log_probs for part in parts]), text.breaks)
    return report_on(mixture.vocabulary, text, log_probs, seconds)
