"""The model file of an interpolated n-gram model."""

from __future__ import annotations

from typing import Any

import numpy as np

from fflm.lm import BUCKETS, InterpolatedNgramModel
from fflm.model_file.mixture import check_weights
from fflm.model_file.reader import Reader
from fflm.model_file.table import pack_table, unpack_table
from fflm.model_file.text import Arrays
from fflm.storage.tensors import check_arrays
from fflm.text import Vocabulary


def pack(model: InterpolatedNgramModel) -> tuple[Arrays, dict[str, Any]]:
    """Pack the model into arrays and a description of plain JSON values."""
    arrays, description = pack_table(model.table)
    return arrays | {"ngram_counts": model.counts, "weights": model.weights}, description


def unpack(arrays: Arrays, description: dict[str, Any], reader: Reader) -> InterpolatedNgramModel:
    """Build the model of arrays and description; ValueError, KeyError or FflmError if they are damaged."""
    table, others = unpack_table(arrays, description, len(reader.vocabulary))
    if table.order < 2:
        raise ValueError("the order of an interpolated model must be at least 2, got 1")
    nodes, columns = table.starts[-1], table.order + 1
    check_arrays(others, {"ngram_counts": (np.int32, (nodes,)), "weights": (np.float64, (BUCKETS, columns))})
    check_weights(others["weights"])
    counts, size = others["ngram_counts"], len(reader.vocabulary)
    if (counts < 0).any() or not counts[size:].all() or not np.delete(counts[:size], Vocabulary.BOS).any():
        raise ValueError("ngram_counts must not be negative, and only those of single words, not of all, may be 0")
    return InterpolatedNgramModel(reader.vocabulary, reader.tokenizer, table, counts, others["weights"], reader.threads)
