"""fflm: feedforward neural language models. Train on text, compute perplexity, sample next words.

>>> import fflm
>>> model = fflm.train("text.txt", context_size=2, epochs=2, quiet=True)
>>> report = model.perplexity("text.txt")
>>> words = model.predict("the cat", top=3)
>>> texts = model.sample("the cat", samples=2)
>>> model.save("model.safetensors")
>>> model = fflm.load("model.safetensors")

Nothing heavy is imported before it is used; the first use on a machine compiles the kernels.
"""

from importlib import import_module as _import_module

_LAZY = {
    "ConfigError": "fflm.errors",
    "DivergenceError": "fflm.errors",
    "FflmError": "fflm.errors",
    "FeedForward": "fflm.teaching.feedforward",
    "Interrupted": "fflm.errors",
    "Model": "fflm.api.model",
    "ModelFileError": "fflm.errors",
    "PerplexityError": "fflm.errors",
    "TextClassifier": "fflm.api.text_classifier",
    "TextError": "fflm.errors",
    "classify": "fflm.api.classify",
    "compare": "fflm.api.compare",
    "convert_arpa": "fflm.api.ngram",
    "load": "fflm.api.load",
    "mix": "fflm.api.mix",
    "ngram": "fflm.api.ngram",
    "rescore": "fflm.api.rescore",
    "score": "fflm.api.score",
    "surprisal": "fflm.api.surprisal",
    "train": "fflm.api.train",
}

__all__ = [*_LAZY]


def __getattr__(name: str):
    if name == "graph":
        return _import_module("fflm.teaching.graph")
    if name == "__version__":
        return _version()
    if name not in _LAZY:
        raise AttributeError(f"module 'fflm' has no attribute {name!r}")
    value = globals()[name] = getattr(_import_module(_LAZY[name]), name)
    return value


def _version() -> str:
    from importlib import metadata

    try:
        return metadata.version("fflm")
    except metadata.PackageNotFoundError:  # run from a checkout that is not installed
        return "0+unknown"


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY, "__version__", "graph"})
