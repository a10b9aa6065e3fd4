"""The model file of a cache."""

from __future__ import annotations

from typing import Any

from fflm.config import CacheConfig, make
from fflm.lm import CacheModel
from fflm.model_file.reader import Reader
from fflm.model_file.text import Arrays
from fflm.storage.tensors import check_arrays


def pack(model: CacheModel) -> tuple[Arrays, dict[str, Any]]:
    """Pack the model into arrays and a description of plain JSON values."""
    return {}, {"cache": {"cache": model.reach, "cache_half_life": model.half_life}}


def unpack(arrays: Arrays, description: dict[str, Any], reader: Reader) -> CacheModel:
    """Build the model of arrays and description; ValueError, KeyError or FflmError if they are damaged."""
    check_arrays(arrays, {})
    config = make(CacheConfig, description["cache"], complete=True)
    if config.cache is None:
        raise ValueError("cache must not be None")
    return CacheModel(reader.vocabulary, reader.tokenizer, config.cache, config.cache_half_life, reader.threads)
