"""The model file: each kind of language model as arrays and a description, and back. It is self-contained.

A file holds ``counts`` (V,) int64 and the model's own arrays; its description holds ``words``, ``tokenizer`` and what
the kind needs. A mixture contains its parts: their arrays under ``0.``, ``1.`` ..., their descriptions in ``parts``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fflm import storage
from fflm.config import CacheConfig, ModelConfig, TokenizerConfig, check_threads, make
from fflm.errors import ConfigError, FflmError, ModelFileError
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
from fflm.model_file.text import Arrays, pack_text, unpack_text
from fflm.nn.parameters import shapes
from fflm.text import Tokenizer, Vocabulary

ARPA_NAMES = (".arpa", ".arpa.gz")
ARPA_TEXT = {"tokenizer": "whitespace", "boundary": "line"}  # unless one says otherwise
DEEPEST = 8  # mixtures of mixtures
LONGEST = 32  # n-grams
FACTS = {"smoothing", "discounts", "fallback_discounts"}


@dataclass(frozen=True)
class _Kind:
    """How one kind of model becomes arrays and a description, and how it is made of them again."""

    model: type
    pack: Callable[[LanguageModel], tuple[Arrays, dict]]
    unpack: Callable


def save_model(model: LanguageModel, path: str | Path) -> None:
    """Write the model file; it holds all that is needed to use the model.

    Raises
    ------
    FflmError
        If it can't be written (what was there is untouched), has the name of an ARPA file, or could not be read again.

    Examples
    --------
    >>> import fflm
    >>> save_model(fflm.load("runs/demo").lm, "copy.safetensors")
    """
    check_name(path)
    check_nesting([model], level=0)
    kind, arrays, description = _pack(model)
    text_arrays, text = pack_text(model.vocabulary, model.tokenizer)
    storage.write_tensors(Path(path), arrays | text_arrays, kind, description | text)


def load_model(path: str | Path, threads: int | None = None) -> LanguageModel:
    """Read a model file, the best model of a run folder, or an ARPA file (also ``.arpa.gz``).

    An ARPA file is taken for lines of words with blanks between them; `fflm.ngram` reads it with another tokenizer.

    Raises
    ------
    ModelFileError
        If it is missing, damaged, of a newer format or not a model.
    ConfigError
        If `threads` is no number of workers.

    Examples
    --------
    >>> load_model("runs/demo").context_size
    2
    """
    check_threads(threads)
    path = model_path(path)
    if is_arpa(path):
        return read_arpa(path, Tokenizer(TokenizerConfig(**ARPA_TEXT)), threads=threads)
    arrays, description = storage.read_tensors(path, list(KINDS), "language model")
    try:
        vocabulary, tokenizer = unpack_text(arrays, description)
        return _unpack(arrays, description, vocabulary, tokenizer, threads, 0)
    except (KeyError, ValueError, TypeError, AttributeError, IndexError, OverflowError, FflmError) as error:
        raise ModelFileError(f"{path} is damaged: {storage.one_line(error)}") from error


def model_path(path: str | Path) -> Path:
    """The model file that `path` means: itself, or the best model of a run folder."""
    try:
        path = Path(path)
        return path / storage.MODEL if path.is_dir() else path
    except TypeError:
        raise ModelFileError(f"a model must be given as a path, got {path!r}") from None
    except (OSError, ValueError) as error:  # a name that no file can have
        raise ModelFileError(f"no such model: {path} ({storage.one_line(error)})") from error


def check_name(path: str | Path) -> None:
    """Raise FflmError for a model file's name under which it would be taken for an ARPA file."""
    if str(path).endswith(ARPA_NAMES):
        raise FflmError(f"can't write {path}: it has the name of an ARPA file; take another name, or use fflm export")


def check_nesting(parts: Sequence[LanguageModel], level: int = 1) -> None:
    """Raise ConfigError if a mixture of these parts holds too many mixtures in each other to be read again."""
    if level > DEEPEST:
        raise ConfigError(f"mixtures must be at most {DEEPEST} deep, got one more; mix the parts of one instead of it")
    for part in parts:
        if isinstance(part, Mixture):
            check_nesting(part.parts, level + 1)


def is_arpa(path: Path) -> bool:
    """By its name, or by what it begins with."""
    if str(path).endswith(ARPA_NAMES):
        return True
    try:
        if not path.is_file():
            return False
        with open(path, "rb") as file:
            return file.read(1000).lstrip().startswith(b"\\data\\")
    except (OSError, ValueError):
        return False


def _pack(model: LanguageModel) -> tuple[str, Arrays, dict]:
    name, kind = next((name, kind) for name, kind in KINDS.items() if type(model) is kind.model)
    return name, *kind.pack(model)


def _unpack(arrays: Arrays, description: dict, vocabulary, tokenizer, threads, depth: int) -> LanguageModel:
    if depth > DEEPEST:
        raise ValueError(f"mixtures must be at most {DEEPEST} deep")
    kind = description.get("kind") if isinstance(description, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"a part must be one of {', '.join(KINDS)}, got {kind!r}")
    return KINDS[kind].unpack(arrays, description, vocabulary, tokenizer, threads, depth)


def _pack_neural(model: NeuralLanguageModel) -> tuple[Arrays, dict]:
    return model.parameters, {"model": model.config.to_dict()}


def _unpack_neural(arrays, description, vocabulary, tokenizer, threads, depth) -> NeuralLanguageModel:
    before_bags = {"bag_size": 0}  # files written before there were bags
    config = make(ModelConfig, before_bags | description["model"], complete=True)
    storage.check_arrays(arrays, {name: (np.float32, shape) for name, shape in shapes(config, len(vocabulary)).items()})
    return NeuralLanguageModel(config, vocabulary, tokenizer, arrays, threads)


def _pack_table(table: NgramTable) -> tuple[Arrays, dict]:
    return {"words": table.words, "children": table.children, "links": table.links}, {"starts": list(table.starts)}


def _unpack_table(arrays: Arrays, description: dict, vocab_size: int) -> tuple[NgramTable, Arrays]:
    """The table of n-grams, so checked that no lookup can leave its arrays, and the other arrays."""
    starts = description["starts"]
    if (
        not isinstance(starts, list)
        or not all(type(start) is int for start in starts)
        or starts[:2] != [0, vocab_size]
        or starts != sorted(starts)
        or len(starts) > LONGEST + 1
    ):
        raise ValueError(f"starts must be rising whole numbers, 0 and {vocab_size} first, got {str(starts)[:60]}")
    contexts, nodes = starts[-2:]
    expected = {"words": (np.int32, (nodes,)), "links": (np.int32, (nodes,)), "children": (np.int64, (contexts + 1,))}
    storage.check_arrays(arrays, expected, surplus=True)
    words, children, links = (arrays[name] for name in ("words", "children", "links"))
    firsts = np.zeros(nodes + 1, bool)  # of their parents
    firsts[np.clip(children, 0, nodes)] = True
    lower = np.repeat(starts[:-1], np.diff(starts))  # a link leads to a lower order
    sound = (
        (children[1:] >= children[:-1]).all()  # their differences may be too large for a number
        and np.array_equal(children[starts[:-2]], starts[1:-1])
        and children[-1] == nodes
        and np.array_equal(words[:vocab_size], np.arange(vocab_size))
        and (firsts[1:-1] | (words[1:] > words[:-1]))[vocab_size:].all()
        and (links[:vocab_size] == -1).all()
        and ((links >= 0) & (links < lower))[vocab_size:].all()
        and np.array_equal(words[links[vocab_size:]], words[vocab_size:])  # so that they are words
    )
    if not sound:
        raise ValueError("its n-grams are not in order")
    others = {name: value for name, value in arrays.items() if name not in expected}
    return NgramTable(words, children, links, tuple(starts)), others


def _pack_ngram(model: NgramModel) -> tuple[Arrays, dict]:
    arrays, description = _pack_table(model.table)
    arrays |= {"log_probs": model.node_log_probs, "backoffs": model.backoffs}
    if model.counts is not None:
        arrays["context_counts"] = model.counts
    return arrays, description | {"facts": model.facts}


def _unpack_ngram(arrays, description, vocabulary, tokenizer, threads, depth) -> NgramModel:
    table, own = _unpack_table(arrays, description, len(vocabulary))
    log_probs, counts = own.get("log_probs"), own.get("context_counts")
    expected = {"log_probs": (np.float32, (table.starts[-1],)), "backoffs": (np.float32, (table.starts[-2],))}
    if log_probs is not None:  # -inf is that of a probability of 0
        own["log_probs"] = np.nan_to_num(log_probs, nan=np.nan, posinf=np.inf, neginf=0.0)
    if counts is not None:
        expected["context_counts"] = (np.int32, (table.starts[-2],))
    storage.check_arrays(own, expected)
    if (log_probs > 1e-3).any():
        raise ValueError("log_probs must be logarithms of probabilities")
    if counts is not None and (counts < 0).any():
        raise ValueError("context_counts must not be negative")
    facts = description["facts"]
    _check_facts(facts, table.order)
    return NgramModel(vocabulary, tokenizer, table, log_probs, own["backoffs"], counts, facts, threads)


def _check_facts(facts: dict, order: int) -> None:
    """They are shown, no more, but next to others, and as JSON."""
    if not isinstance(facts, dict) or not set(facts) <= FACTS or not isinstance(facts.get("smoothing", ""), str):
        raise ValueError(f"facts must be an object with nothing but {', '.join(sorted(FACTS))}")
    discounts = np.array(facts.get("discounts", [[0.0] * 3] * order), float)
    fallback = facts.get("fallback_discounts", [])
    if discounts.shape != (order, 3) or not np.isfinite(discounts).all():
        raise ValueError(f"discounts must be three numbers for each of {order} orders")
    if not isinstance(fallback, list) or not all(type(number) is int for number in fallback):
        raise ValueError("fallback_discounts must be whole numbers")


def _pack_interpolated(model: InterpolatedNgramModel) -> tuple[Arrays, dict]:
    arrays, description = _pack_table(model.table)
    return arrays | {"ngram_counts": model.counts, "weights": model.weights}, description


def _unpack_interpolated(arrays, description, vocabulary, tokenizer, threads, depth) -> InterpolatedNgramModel:
    table, own = _unpack_table(arrays, description, len(vocabulary))
    if table.order < 2:
        raise ValueError("the order of an interpolated model must be at least 2, got 1")
    nodes, columns = table.starts[-1], table.order + 1
    storage.check_arrays(own, {"ngram_counts": (np.int32, (nodes,)), "weights": (np.float64, (BUCKETS, columns))})
    _check_weights(own["weights"])
    counts, size = own["ngram_counts"], len(vocabulary)
    if (counts < 0).any() or not counts[size:].all() or not np.delete(counts[:size], Vocabulary.BOS).any():
        raise ValueError("ngram_counts must not be negative, and only those of single words, not of all, may be 0")
    return InterpolatedNgramModel(vocabulary, tokenizer, table, counts, own["weights"], threads)


def _pack_cache(model: CacheModel) -> tuple[Arrays, dict]:
    return {}, {"cache": {"cache": model.context_size, "cache_half_life": model.half_life}}


def _unpack_cache(arrays, description, vocabulary, tokenizer, threads, depth) -> CacheModel:
    storage.check_arrays(arrays, {})
    config = make(CacheConfig, description["cache"], complete=True)
    if config.cache is None:
        raise ValueError("cache must not be None")
    return CacheModel(vocabulary, tokenizer, config.cache, config.cache_half_life, threads)


def _pack_mixture(model: Mixture) -> tuple[Arrays, dict]:
    packed = [_pack(part) for part in model.parts]
    arrays = {f"{i}.{name}": value for i, (_, part, _) in enumerate(packed) for name, value in part.items()}
    parts = [{"kind": kind, **description} for kind, _, description in packed]
    return arrays | {"weights": model.weights}, {"parts": parts}


def _unpack_mixture(arrays, description, vocabulary, tokenizer, threads, depth) -> Mixture:
    if not isinstance(description["parts"], list):
        raise ValueError("parts must be a list")
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


KINDS = {
    "neural language model": _Kind(NeuralLanguageModel, _pack_neural, _unpack_neural),
    "n-gram model": _Kind(NgramModel, _pack_ngram, _unpack_ngram),
    "interpolated n-gram model": _Kind(InterpolatedNgramModel, _pack_interpolated, _unpack_interpolated),
    "cache": _Kind(CacheModel, _pack_cache, _unpack_cache),
    "mixture": _Kind(Mixture, _pack_mixture, _unpack_mixture),
}
