"""Every option of fflm: its name, default, range and one line of help.

The dataclasses are frozen and check themselves; the flags of the command line are derived from them.
"""

from fflm.config.adaptation import DynamicConfig, NeuralCacheConfig
from fflm.config.classifier import ClassifierConfig, ClassifierTrainConfig
from fflm.config.network import ModelConfig
from fflm.config.ngrams import ApproximationConfig, CacheConfig, NgramConfig
from fflm.config.options import Checked, make
from fflm.config.rescoring import RescoreConfig
from fflm.config.sampling import SampleConfig
from fflm.config.scoring import FilterConfig, RecordsConfig, WordsConfig
from fflm.config.serving import ServeConfig
from fflm.config.text import DataConfig, TokenizerConfig
from fflm.config.training import TrainConfig, check_threads

__all__ = [
    "ApproximationConfig",
    "CacheConfig",
    "Checked",
    "ClassifierConfig",
    "ClassifierTrainConfig",
    "DataConfig",
    "DynamicConfig",
    "FilterConfig",
    "ModelConfig",
    "NeuralCacheConfig",
    "NgramConfig",
    "RescoreConfig",
    "RecordsConfig",
    "SampleConfig",
    "ServeConfig",
    "TokenizerConfig",
    "TrainConfig",
    "WordsConfig",
    "check_threads",
    "make",
]
