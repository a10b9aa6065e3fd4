"""Language models behind one interface: whatever evaluates, predicts or samples works with any of them."""

from fflm.lm.cache import CacheModel
from fflm.lm.contexts import contexts_at
from fflm.lm.interface import LanguageModel
from fflm.lm.mixture import Mixture, can_count_contexts, difference_between, log_probs_of_parts
from fflm.lm.mixture_weights import BUCKETS
from fflm.lm.neural import NeuralLanguageModel
from fflm.lm.ngram.arpa import arpa_lines, read_arpa
from fflm.lm.ngram.backoff import NgramModel
from fflm.lm.ngram.interpolated import InterpolatedNgramModel
from fflm.lm.ngram.table import NgramTable

__all__ = [
    "BUCKETS",
    "CacheModel",
    "InterpolatedNgramModel",
    "LanguageModel",
    "Mixture",
    "NeuralLanguageModel",
    "NgramModel",
    "NgramTable",
    "arpa_lines",
    "can_count_contexts",
    "contexts_at",
    "difference_between",
    "log_probs_of_parts",
    "read_arpa",
]
