"""The model file of a mixture, which holds its parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fflm.lm import LanguageModel, Mixture
from fflm.model_file.reader import Reader
from fflm.model_file.text import Arrays


def pack(
    model: Mixture,
    pack_part: Callable[[LanguageModel, Sequence[LanguageModel]], tuple[str, Arrays, dict[str, Any]]],
) -> tuple[Arrays, dict[str, Any]]:
    """Pack the model into arrays and a description of plain JSON values."""
    packed = [pack_part(part, model.parts[:i]) for i, part in enumerate(model.parts)]
    arrays = {f"{i}.{name}": value for i, (_, part, _) in enumerate(packed) for name, value in part.items()}
    parts = [{"kind": kind, **description} for kind, _, description in packed]
    return arrays | {"weights": model.weights}, {"parts": parts}


def unpack(arrays: Arrays, description: dict[str, Any], reader: Reader) -> Mixture:
    """Build the model of arrays and description; ValueError, KeyError or FflmError if they are damaged."""
    if not isinstance(description["parts"], list):
        raise ValueError("parts must be a list")
    part_arrays: list[Arrays] = [{} for _ in description["parts"]]
    weights = None
    for name, value in arrays.items():
        number, _, rest = name.partition(".")
        if name == "weights":
            weights = value
        elif number.isdecimal() and int(number) < len(part_arrays):
            part_arrays[int(number)][rest] = value
        else:
            raise ValueError(f"unexpected array {name!r}")
    if weights is None or weights.ndim != 2 or weights.shape[1] != len(part_arrays):
        raise ValueError("a mixture must have one weight for each part")
    check_weights(weights)
    parts: list[LanguageModel] = []
    for values, part in zip(part_arrays, description["parts"], strict=True):
        parts.append(reader.part(values, part, before=parts))
    return Mixture(parts, weights)


def check_weights(weights: np.ndarray) -> None:
    """Raise ValueError unless the weights (rows, parts) are float64 and each row is a distribution."""
    if weights.dtype != np.float64 or not (weights >= 0).all() or not np.allclose(weights.sum(axis=1), 1.0):
        raise ValueError("weights must be float64, not negative, and sum to 1 in each row")
