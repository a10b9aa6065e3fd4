"""The model file: each kind of language model as arrays and a description, and back. It is self-contained.

A file holds ``counts`` (V,) int64 and the model's own arrays; its description holds ``words``, ``tokenizer`` and what
the kind needs. A mixture contains its parts: their arrays under ``0.``, ``1.`` ..., their descriptions in ``parts``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fflm import storage
from fflm.config import CacheConfig, ModelConfig, TokenizerConfig, make
from fflm.errors import FflmError, ModelFileError
from fflm.lm import (
    BUCKETS,
    CacheModel,
    InterpolatedNgramModel,
    LanguageModel,
    Mixture,
    NeuralLanguageModel,
    NgramModel,
    NgramTable,
    read_arpa,
)
from fflm.nn.parameters import shapes
from fflm.text import Tokenizer, Vocabulary

Arrays = dict[str, np.ndarray]
DEEPEST = 8  # mixtures of mixtures


@dataclass(frozen=True)
class _Kind:
    """How one kind of model becomes arrays and a description, and how it is made of them again."""

    model: type
    pack: Callable[[LanguageModel], tuple[Arrays, dict]]
    unpack: Callable


def save_model(model: LanguageModel, path: str | Path) -> None:
    """Write the model file; it holds all that is needed to use the model.

    Examples
    --------
    >>> import fflm
    >>> save_model(fflm.load("runs/demo").lm, "copy.safetensors")
    """
    kind, arrays, description = _pack(model)
    description |= {"tokenizer": model.tokenizer.config.to_dict(), "words": model.vocabulary.words}
    storage.write_tensors(Path(path), arrays | {"counts": model.vocabulary.counts}, kind, description)


def load_model(path: str | Path, threads: int | None = None) -> LanguageModel:
    """Read a model file, the best model of a run folder, or an ARPA file (``.arpa``, ``.arpa.gz``).

    An ARPA file is taken for lines of words with blanks between them; `fflm.ngram` reads it with another tokenizer.

    Raises
    ------
    ModelFileError
        If it is missing, damaged, of a newer format or not a model.

    Examples
    --------
    >>> load_model("runs/demo").context_size
    2
    """
    if str(path).endswith((".arpa", ".arpa.gz")) and not Path(path).is_dir():
        return read_arpa(path, Tokenizer(TokenizerConfig(tokenizer="whitespace", boundary="line")), threads=threads)
    path = model_path(path)
    arrays, description = storage.read_tensors(path, list(KINDS), "language model")
    try:
        tokenizer = Tokenizer(make(TokenizerConfig, description["tokenizer"], complete=True))
        words, counts = description["words"], arrays.pop("counts")
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise ValueError("words must be a list of strings")
        if counts.dtype != np.int64 or (counts < 0).any():
            raise ValueError("counts must be int64 and not negative")
        return _unpack(arrays, description, Vocabulary(words, counts), tokenizer, threads, 0)
    except (KeyError, ValueError, TypeError, AttributeError, IndexError, OverflowError, FflmError) as error:
        raise ModelFileError(f"{path} is damaged: {storage.one_line(error)}") from error


def model_path(path: str | Path) -> Path:
    """The model file that `path` means: itself, or the best model of a run folder."""
    path = Path(path)
    try:
        return path / storage.MODEL if path.is_dir() else path
    except (OSError, ValueError) as error:  # a name that no file can have
        raise ModelFileError(f"no such model: {path} ({storage.one_line(error)})") from error


def _pack(model: LanguageModel) -> tuple[str, Arrays, dict]:
    name, kind = next((name, kind) for name, kind in KINDS.items() if type(model) is kind.model)
    return name, *kind.pack(model)


def _unpack(arrays: Arrays, description: dict, vocabulary, tokenizer, threads, depth: int) -> LanguageModel:
    if depth > DEEPEST:
        raise ValueError(f"mixtures must be at most {DEEPEST} deep")
    return KINDS[description["kind"]].unpack(arrays, description, vocabulary, tokenizer, threads, depth)


def _pack_neural(model: NeuralLanguageModel) -> tuple[Arrays, dict]:
    return model.parameters, {"model": model.config.to_dict()}


def _unpack_neural(arrays, description, vocabulary, tokenizer, threads, depth) -> NeuralLanguageModel:
    before_bags = {"bag_size": 0}  # files written before there were bags
    config = make(ModelConfig, before_bags | description["model"], complete=True)
    storage.check_arrays(arrays, {name: (np.float32, shape) for name, shape in shapes(config, len(vocabulary)).items()})
    return NeuralLanguageModel(config, vocabulary, tokenizer, arrays, threads)


def _pack_table(table: NgramTable) -> tuple[Arrays, dict]:
    return {"words": table.words, "children": table.children, "links": table.links}, {"starts": list(table.starts)}


def _unpack_table(arrays: Arrays, description: dict, vocab_size: int) -> NgramTable:
    """The table of n-grams, so checked that no lookup can leave its arrays."""
    starts = description["starts"]
    if not all(type(start) is int for start in starts) or starts[:2] != [0, vocab_size] or len(starts) > 33:
        raise ValueError(f"starts must be whole numbers from 0 and {vocab_size} on, got {starts[:2]}")
    contexts = starts[-2]
    expected = {"words": (np.int32, (starts[-1],)), "links": (np.int32, (starts[-1],))}
    storage.check_arrays(arrays, expected | {"children": (np.int64, (contexts + 1,))}, surplus=True)
    words, children, links = arrays["words"], arrays["children"], arrays["links"]
    ends = np.append(starts[1:-1], starts[-1:])
    same_parent = np.ones(starts[-1], bool)
    same_parent[children[(children >= 0) & (children < starts[-1])]] = False
    rising = np.diff(words) > 0
    limit = np.repeat(starts[:-1], np.diff(starts))  # a suffix is of a lower order
    sound = (
        (np.diff(children) >= 0).all()
        and np.array_equal(children[np.asarray(starts[:-1])[: len(ends) - 1]], ends[:-1])
        and children[-1] == starts[-1]
        and np.array_equal(words[:vocab_size], np.arange(vocab_size))
        and ((words >= 0) & (words < vocab_size)).all()
        and (rising | ~same_parent[1:])[vocab_size:].all()
        and (links[:vocab_size] == -1).all()
        and ((links >= 0) & (links < limit))[vocab_size:].all()
    )
    if not sound:
        raise ValueError("its n-grams are not in order")
    return NgramTable(words, children, links, tuple(starts))


def _pack_ngram(model: NgramModel) -> tuple[Arrays, dict]:
    arrays, description = _pack_table(model.table)
    arrays |= {"log_probs": model.node_log_probs, "backoffs": model.backoffs}
    if model.counts is not None:
        arrays["context_counts"] = model.counts
    return arrays, description | {"facts": model.facts}


def _unpack_ngram(arrays, description, vocabulary, tokenizer, threads, depth) -> NgramModel:
    table = _unpack_table(arrays, description, len(vocabulary))
    nodes, contexts = (table.starts[-1],), (table.starts[-2],)
    own = {name: value for name, value in arrays.items() if name not in ("words", "children", "links")}
    counts = own.pop("context_counts", None)
    if counts is not None:
        storage.check_arrays({"context_counts": counts}, {"context_counts": (np.int32, contexts)})
    log_probs = own.get("log_probs", np.zeros(1))
    if np.isnan(log_probs).any() or (log_probs > 1e-3).any():
        raise ValueError("log_probs must be logarithms of probabilities")
    own["log_probs"] = np.where(np.isneginf(log_probs), 0.0, log_probs).astype(log_probs.dtype)
    storage.check_arrays(own, {"log_probs": (np.float32, nodes), "backoffs": (np.float32, contexts)})
    facts = description["facts"]
    if not isinstance(facts, dict):
        raise ValueError("facts must be an object")
    return NgramModel(vocabulary, tokenizer, table, log_probs, own["backoffs"], counts, facts, threads)


def _pack_interpolated(model: InterpolatedNgramModel) -> tuple[Arrays, dict]:
    arrays, description = _pack_table(model.table)
    return arrays | {"ngram_counts": model.counts, "weights": model.weights}, description


def _unpack_interpolated(arrays, description, vocabulary, tokenizer, threads, depth) -> InterpolatedNgramModel:
    table = _unpack_table(arrays, description, len(vocabulary))
    own = {name: value for name, value in arrays.items() if name not in ("words", "children", "links")}
    rows = own.get("weights", np.zeros((1, 1))).shape[0]
    expected = {"ngram_counts": (np.int32, (table.starts[-1],)), "weights": (np.float64, (rows, table.order + 1))}
    storage.check_arrays(own, expected)
    _check_weights(own["weights"])
    if (own["ngram_counts"] < 0).any():
        raise ValueError("ngram_counts must not be negative")
    return InterpolatedNgramModel(vocabulary, tokenizer, table, own["ngram_counts"], own["weights"], threads)


def _pack_cache(model: CacheModel) -> tuple[Arrays, dict]:
    return {}, {"cache": {"cache": model.context_size, "cache_half_life": model.half_life}}


def _unpack_cache(arrays, description, vocabulary, tokenizer, threads, depth) -> CacheModel:
    storage.check_arrays(arrays, {})
    config = make(CacheConfig, description["cache"], complete=True)
    return CacheModel(vocabulary, tokenizer, config.cache, config.cache_half_life, threads)


def _pack_mixture(model: Mixture) -> tuple[Arrays, dict]:
    packed = [_pack(part) for part in model.parts]
    arrays = {f"{i}.{name}": value for i, (_, part, _) in enumerate(packed) for name, value in part.items()}
    parts = [{"kind": kind, **description} for kind, _, description in packed]
    return arrays | {"weights": model.weights}, {"parts": parts}


def _unpack_mixture(arrays, description, vocabulary, tokenizer, threads, depth) -> Mixture:
    own: list[Arrays] = [{} for _ in description["parts"]]
    weights = None
    for name, value in arrays.items():
        number, _, rest = name.partition(".")
        if name == "weights":
            weights = value
        elif number.isdecimal() and int(number) < len(own):
            own[int(number)][rest] = value
        else:
            raise ValueError(f"unexpected array {name!r}")
    if weights is None or weights.ndim != 2 or weights.shape[1] != len(own):
        raise ValueError("a mixture must have one weight for each part")
    _check_weights(weights)
    parts = [
        _unpack(values, part, vocabulary, tokenizer, threads, depth + 1)
        for values, part in zip(own, description["parts"], strict=True)
    ]
    return Mixture(parts, weights)


def _check_weights(weights: np.ndarray) -> None:
    if weights.dtype != np.float64 or not (weights >= 0).all() or not np.allclose(weights.sum(axis=1), 1.0):
        raise ValueError("weights must be float64, not negative, and sum to 1 in each row")
    if len(weights) not in (1, BUCKETS):
        raise ValueError(f"weights must have 1 or {BUCKETS} rows, got {len(weights)}")


KINDS = {
    "neural language model": _Kind(NeuralLanguageModel, _pack_neural, _unpack_neural),
    "n-gram model": _Kind(NgramModel, _pack_ngram, _unpack_ngram),
    "interpolated n-gram model": _Kind(InterpolatedNgramModel, _pack_interpolated, _unpack_interpolated),
    "cache": _Kind(CacheModel, _pack_cache, _unpack_cache),
    "mixture": _Kind(Mixture, _pack_mixture, _unpack_mixture),
}
