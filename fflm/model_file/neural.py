"""The model file of a network."""

from __future__ import annotations

from typing import Any

import numpy as np

from fflm.config import ModelConfig, make
from fflm.lm import NeuralLanguageModel
from fflm.model_file.reader import Reader
from fflm.model_file.text import Arrays
from fflm.nn.language_model import shapes
from fflm.nn.parameters import Parameters
from fflm.storage.tensors import check_arrays


def pack(model: NeuralLanguageModel) -> tuple[Arrays, dict[str, Any]]:
    """Pack the model into arrays and a description of plain JSON values."""
    return model.parameters, {"model": model.config.to_dict()}


def unpack(arrays: Arrays, description: dict[str, Any], reader: Reader) -> NeuralLanguageModel:
    """Build the model of arrays and description; ValueError, KeyError or FflmError if they are damaged."""
    before = {
        "bag_size": 0,
        "bag_decays": (1.0,),
        "pairs": 0,
        "tied": False,
    }  # what files lack that were written before
    config = make(ModelConfig, before | description["model"], complete=True)
    check_arrays(arrays, {name: (np.float32, shape) for name, shape in shapes(config, len(reader.vocabulary)).items()})
    return NeuralLanguageModel(config, reader.vocabulary, reader.tokenizer, Parameters(arrays), reader.threads)
