"""Language models with one interface, which evaluation, prediction and sampling use.

A kind of model is imported, and its kernels are compiled, when it is first named.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fflm.lm.cache import CacheModel
    from fflm.lm.contexts import contexts_at
    from fflm.lm.dynamic import DynamicModel, dynamic_evaluation
    from fflm.lm.interface import LanguageModel
    from fflm.lm.mixture import Mixture, can_count_contexts, difference_between, log_probs_of_parts
    from fflm.lm.mixture_weights import BUCKETS
    from fflm.lm.neural import NeuralLanguageModel, network_in
    from fflm.lm.neural_cache import NeuralCacheModel
    from fflm.lm.ngram.approximation import approximate
    from fflm.lm.ngram.arpa.reading import read_arpa
    from fflm.lm.ngram.arpa.writing import arpa_lines
    from fflm.lm.ngram.backoff import NgramModel
    from fflm.lm.ngram.interpolated import InterpolatedNgramModel
    from fflm.lm.ngram.table import NgramTable

__all__ = [
    "BUCKETS",
    "CacheModel",
    "DynamicModel",
    "InterpolatedNgramModel",
    "LanguageModel",
    "Mixture",
    "NeuralCacheModel",
    "NeuralLanguageModel",
    "NgramModel",
    "NgramTable",
    "approximate",
    "arpa_lines",
    "can_count_contexts",
    "contexts_at",
    "difference_between",
    "dynamic_evaluation",
    "log_probs_of_parts",
    "network_in",
    "read_arpa",
]

_MODULES = {
    "cache": ["CacheModel"],
    "contexts": ["contexts_at"],
    "dynamic": ["DynamicModel", "dynamic_evaluation"],
    "interface": ["LanguageModel"],
    "mixture": ["Mixture", "can_count_contexts", "difference_between", "log_probs_of_parts"],
    "mixture_weights": ["BUCKETS"],
    "neural": ["NeuralLanguageModel", "network_in"],
    "neural_cache": ["NeuralCacheModel"],
    "ngram.approximation": ["approximate"],
    "ngram.arpa.reading": ["read_arpa"],
    "ngram.arpa.writing": ["arpa_lines"],
    "ngram.backoff": ["NgramModel"],
    "ngram.interpolated": ["InterpolatedNgramModel"],
    "ngram.table": ["NgramTable"],
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'fflm.lm' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"fflm.lm.{_MODULE_OF[name]}"), name)
    return value
