"""The model file of a continuous cache, which names the network that it reads: one that stands before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fflm.config import NeuralCacheConfig, make
from fflm.errors import ConfigError
from fflm.lm import LanguageModel, Mixture, NeuralCacheModel, NeuralLanguageModel
from fflm.model_file.reader import Reader
from fflm.model_file.text import Arrays
from fflm.storage.tensors import check_arrays


def pack(model: NeuralCacheModel, before: Sequence[LanguageModel]) -> tuple[Arrays, dict[str, Any]]:
    """Pack the model into arrays and a description of plain JSON values."""
    path = path_of(model.network, before)
    if path is None:
        raise ConfigError("a neural cache can only be saved in a mixture, after the network whose features it reads")
    return {}, {"neural_cache": {"neural_cache": model.size, "neural_cache_theta": model.theta}, "network": path}


def unpack(arrays: Arrays, description: dict[str, Any], reader: Reader) -> NeuralCacheModel:
    """Build the model of arrays and description; ValueError, KeyError or FflmError if they are damaged."""
    check_arrays(arrays, {})
    config = make(NeuralCacheConfig, description["neural_cache"])
    if config.neural_cache is None or config.neural_cache_theta is None:
        raise ValueError("neural_cache and neural_cache_theta must not be None")
    network = network_at(description["network"], reader.before)
    return NeuralCacheModel(network, config.neural_cache, config.neural_cache_theta)


def path_of(network: NeuralLanguageModel, parts: Sequence[LanguageModel]) -> list[int] | None:
    """Return the number of the part that is this network, or of the mixture that has it and so on; None without one.

    Examples
    --------
    >>> import fflm, numpy as np
    >>> a, b = fflm.load("runs/demo").lm, fflm.load("runs/demo").lm
    >>> path_of(b, [a, Mixture([a, b], np.array([[0.5, 0.5]]))])
    [1, 1]
    """
    for number, part in enumerate(parts):
        if part is network:
            return [number]
        if isinstance(part, Mixture) and (path := path_of(network, part.parts)) is not None:
            return [number, *path]
    return None


def network_at(path: object, parts: Sequence[LanguageModel]) -> NeuralLanguageModel:
    """Undo `path_of`; ValueError if there is no network at the path."""
    found: LanguageModel | None = None
    for number in path if isinstance(path, list) else []:
        if type(number) is not int or not 0 <= number < len(parts):
            found = None
            break
        found = parts[number]
        parts = found.parts if isinstance(found, Mixture) else []
    if not isinstance(found, NeuralLanguageModel):
        raise ValueError(f"network must be the place of a network among the parts before, got {path!r}")
    return found
