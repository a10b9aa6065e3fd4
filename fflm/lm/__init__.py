"""Language models behind one interface: everything above this room works with any of them."""

from fflm.lm.interface import LanguageModel
from fflm.lm.neural import NeuralLanguageModel

__all__ = ["LanguageModel", "NeuralLanguageModel"]
