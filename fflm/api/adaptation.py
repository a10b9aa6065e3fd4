"""Models that follow the text they read: dynamic evaluation, and a continuous cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fflm.config import DynamicConfig, NeuralCacheConfig
from fflm.config.adaptation import RATE, SEGMENT, THETA, WEIGHT
from fflm.config.options import configurations
from fflm.errors import ConfigError, option_name
from fflm.lm import LanguageModel, Mixture, NeuralCacheModel, NeuralLanguageModel, dynamic_evaluation, network_in

ADAPTATION = [NeuralCacheConfig, DynamicConfig]


def adapted(model: LanguageModel, options: dict[str, Any]) -> LanguageModel:
    """Return the model with the adaptation that the options ask for; the model itself is not changed.

    Parameters
    ----------
    model : LanguageModel
    options : dict
        Options of `NeuralCacheConfig` and `DynamicConfig`; without any, the model itself is returned.

    Raises
    ------
    ConfigError
        If an option is unknown or out of its range, or the model has no network.

    Examples
    --------
    >>> import fflm
    >>> adapted(fflm.load("runs/demo").lm, {"dynamic": True, "neural_cache": 100}).names
    ['dynamic neural', 'neural cache']
    """
    neural, dynamic = configurations(ADAPTATION, options)
    cache, (followed,) = continuous_cache([model], neural), with_dynamic_evaluation([model], dynamic)
    if cache is None:
        return followed
    weight = WEIGHT if neural.neural_cache_weight is None else neural.neural_cache_weight
    return Mixture([followed, cache], np.array([[1.0 - weight, weight]]))


def continuous_cache(models: Sequence[LanguageModel], config: NeuralCacheConfig) -> NeuralCacheModel | None:
    """Return the continuous cache of the first network of several models, if the options ask for one.

    Raises
    ------
    ConfigError
        If none of the models has a network.
    """
    if config.neural_cache is None:
        return None
    theta = THETA if config.neural_cache_theta is None else config.neural_cache_theta
    return NeuralCacheModel(_network_for("neural_cache", models), config.neural_cache, theta)


def with_dynamic_evaluation(models: Sequence[LanguageModel], config: DynamicConfig) -> list[LanguageModel]:
    """Return several models with dynamic evaluation of their networks, if the options ask for that.

    Raises
    ------
    ConfigError
        If none of the models has a network.
    """
    if not config.dynamic:
        return list(models)
    _network_for("dynamic", models)
    rate = RATE if config.dynamic_rate is None else config.dynamic_rate
    return [dynamic_evaluation(model, rate, config.dynamic_segment or SEGMENT) for model in models]


def _network_for(option: str, models: Sequence[LanguageModel]) -> NeuralLanguageModel:
    network = next(filter(None, map(network_in, models)), None)
    if network is None:
        kinds = ", ".join(model.describe()["kind"] for model in models)
        raise ConfigError(f"{option_name(option)} needs a network, or a mixture with one, got {kinds}")
    return network
