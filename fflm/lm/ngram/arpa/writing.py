"""The lines of an ARPA file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import repeat

import numpy as np

from fflm.errors import FflmError
from fflm.lm.ngram.arpa.notation import ARPA_TEXT, LN10, LOG10_ZERO, TOKENIZER
from fflm.lm.ngram.backoff import NgramModel
from fflm.lm.parts import BATCH
from fflm.text import Tokenizer, Vocabulary


def arpa_lines(model: NgramModel) -> Iterator[str]:
    r"""Yield the lines of an ARPA file, each with its line end.

    The numbers have nine digits: `read_arpa` gets the same bits back.

    Raises
    ------
    FflmError
        If a word is empty, has a blank, tab or line end inside or is ``<UNK>``, which there is another name of
        ``<unk>``.

    Examples
    --------
    >>> from fflm.config import TokenizerConfig
    >>> from fflm.lm import NgramModel
    >>> from fflm.text import Vocabulary
    >>> vocabulary = Vocabulary(["<unk>", "<s>", "</s>", "a", "b"])
    >>> ids = vocabulary.encode("a b a b".split())
    >>> model = NgramModel.kneser_ney(ids, 2, vocabulary, Tokenizer(TokenizerConfig()))
    >>> lines = list(arpa_lines(model))
    >>> [line.split() for line in lines if line.endswith(("a b\n", "b a\n"))]
    [['-0.189879544', 'a', 'b'], ['-0.137173189', 'b', 'a']]
    """
    check_words(model.vocabulary)
    table, words = model.table, np.array(model.vocabulary.words, object)
    if model.tokenizer != Tokenizer(ARPA_TEXT):
        yield f"{TOKENIZER} {json.dumps(model.tokenizer.state())}\n"
    yield "\\data\\\n"
    yield from (f"ngram {order}={size}\n" for order, size in enumerate(table.sizes, start=1))
    for order in range(1, table.order + 1):
        yield f"\n\\{order}-grams:\n"
        nodes = table.nodes(order)
        for first in range(nodes.start, nodes.stop, BATCH):
            yield from _ngram_lines(model, words, order, np.arange(first, min(first + BATCH, nodes.stop)))
    yield "\n\\end\\\n"


def check_words(vocabulary: Vocabulary) -> None:
    """Raise FflmError if an ARPA file can't hold a word, as `arpa_lines` does."""
    for word in vocabulary.words:
        if not word or word == "<UNK>" or any(blank in word for blank in " \t\n\r"):
            raise FflmError(f"words of an ARPA file must have no white space inside nor be <UNK>, got {word!r}")


def _ngram_lines(model: NgramModel, words: np.ndarray, order: int, nodes: np.ndarray) -> Iterator[str]:
    log_probs = np.maximum(model.node_log_probs[nodes] / LN10, LOG10_ZERO).tolist()
    ends: Iterable[str] = repeat("\n", len(nodes))
    if order < model.table.order:
        ends = (f"\t{weight:.9g}\n" for weight in np.maximum(model.backoffs[nodes] / LN10, LOG10_ZERO).tolist())
    columns = []
    for _ in range(order - 1):
        columns.append(words[model.table.words[nodes]])
        nodes = np.searchsorted(model.table.children, nodes, side="right") - 1
    columns.append(words[nodes])
    ngrams = map(" ".join, zip(*reversed(columns), strict=True))
    return (f"{log_prob:.9g}\t{ngram}{end}" for log_prob, ngram, end in zip(log_probs, ngrams, ends, strict=True))
