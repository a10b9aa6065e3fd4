"""The model file of an n-gram model in back-off form."""

from __future__ import annotations

from typing import Any

import numpy as np

from fflm.lm import NgramModel
from fflm.model_file.reader import Reader
from fflm.model_file.table import pack_table, unpack_table
from fflm.model_file.text import Arrays
from fflm.storage.tensors import check_arrays

FACTS = {"smoothing", "discounts", "fallback_discounts", "prune"}


def pack(model: NgramModel) -> tuple[Arrays, dict[str, Any]]:
    """Pack the model into arrays and a description of plain JSON values."""
    arrays, description = pack_table(model.table)
    arrays |= {"log_probs": model.node_log_probs, "backoffs": model.backoffs}
    if model.counts is not None:
        arrays["context_counts"] = model.counts
    return arrays, description | {"facts": model.facts}


def unpack(arrays: Arrays, description: dict[str, Any], reader: Reader) -> NgramModel:
    """Build the model of arrays and description; ValueError, KeyError or FflmError if they are damaged."""
    table, others = unpack_table(arrays, description, len(reader.vocabulary))
    log_probs, counts = others.get("log_probs"), others.get("context_counts")
    expected: dict[str, tuple[type, tuple[int, ...]]] = {
        "log_probs": (np.float32, (table.starts[-1],)),
        "backoffs": (np.float32, (table.starts[-2],)),
    }
    if log_probs is not None:  # -inf is the logarithm of a probability of 0
        others["log_probs"] = np.nan_to_num(log_probs, nan=np.nan, posinf=np.inf, neginf=0.0)
    if counts is not None:
        expected["context_counts"] = (np.int32, (table.starts[-2],))
    check_arrays(others, expected)
    if log_probs is None or (log_probs > 1e-3).any():
        raise ValueError("log_probs must be logarithms of probabilities")
    if counts is not None and (counts < 0).any():
        raise ValueError("context_counts must not be negative")
    facts = description["facts"]
    _check_facts(facts, table.order)
    return NgramModel(
        reader.vocabulary, reader.tokenizer, table, log_probs, others["backoffs"], counts, facts, reader.threads
    )


def _check_facts(facts: object, order: int) -> None:
    """Raise ValueError unless the facts are what `pack` writes: `describe` and `fflm info` show them as they are."""
    if not isinstance(facts, dict) or not set(facts) <= FACTS or not isinstance(facts.get("smoothing", ""), str):
        raise ValueError(f"facts must be an object with nothing but {', '.join(sorted(FACTS))}")
    discounts = np.array(facts.get("discounts", [[0.0] * 3] * order), float)
    if discounts.shape != (order, 3) or not np.isfinite(discounts).all():
        raise ValueError(f"discounts must be three numbers for each of {order} orders")
    for name in ("fallback_discounts", "prune"):
        numbers = facts.get(name, [])
        if not isinstance(numbers, list) or not all(type(number) is int for number in numbers):
            raise ValueError(f"{name} must be whole numbers")
