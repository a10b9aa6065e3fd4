"""The model file of an interpolated n-gram model."""

from __future__ import annotations

import numpy as np

from fflm.lm import BUCKETS, InterpolatedNgramModel
from fflm.model_file.mixture import check_weights
from fflm.model_file.reader import Reader
from fflm.model_file.table import pack_table, unpack_table
from fflm.model_file.text import Arrays
from fflm.storage.tensors import check_arrays
from fflm.text import Vocabulary


def pack(model: InterpolatedNgramModel) -> tuple[Arrays, dict]:
    """Arrays and description of the model."""
    arrays, description = pack_table(model.table)
    return arrays | {"ngram_counts": model.counts, "weights": model.weights}, description


def unpack(arrays: Arrays, description: dict, reader: Reader) -> InterpolatedNgramModel:
    """The model of arrays and description; ValueError, KeyError or FflmError if they are damaged."""
    table, own = unpack_table(arrays, description, len(reader.vocabulary))
    if table.order < 2:
        raise ValueError("the order of an interpolated model must be at least 2, got 1")
    nodes, columns = table.starts[-1], table.order + 1
    check_arrays(own, {"ngram_counts": (np.int32, (nodes,)), "weights": (np.float64, (BUCKETS, columns))})
    check_weights(own["weights"])
    counts, size = own["ngram_counts"], len(reader.vocabulary)
    if (counts < 0).any() or not counts[size:].all() or not np.delete(counts[:size], Vocabulary.BOS).any():
        raise ValueError("ngram_counts must not be negative, and only those of single words, not of all, may be 0")
    return InterpolatedNgramModel(reader.vocabulary, reader.tokenizer, table, counts, own["weights"], reader.threads)
