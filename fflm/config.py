"""Every option of fflm: its name, default, range and one line of help, in one place.

The dataclasses are frozen and check themselves; the command line's flags are made from them.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields

from fflm.errors import ConfigError

KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "True or False",
    "str": "a text",
    "tuple[int, ...]": "a list of whole numbers",
}


def option(default, help, *, low=None, above=None, below=None, high=None, choices=None, metavar=None):
    """One configuration field: its default, its help and its range (low/high inclusive, above/below not)."""
    checks = {"low": low, "above": above, "below": below, "high": high, "choices": choices}
    return field(default=default, metadata={"help": help, "metavar": metavar, **checks})


def check_value(name: str, value, metadata) -> None:
    """Raise ConfigError unless `value` satisfies the range in a field's `metadata`."""
    choices = metadata.get("choices")
    if choices is not None:
        if value not in choices:
            raise ConfigError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
        return
    rules = (
        ("low", "at least", lambda v, limit: v >= limit),
        ("above", "above", lambda v, limit: v > limit),
        ("high", "at most", lambda v, limit: v <= limit),
        ("below", "below", lambda v, limit: v < limit),
    )
    for key, words, holds in rules:
        limit = metadata.get(key)
        if limit is None:
            continue
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if number and not math.isfinite(value):
            raise ConfigError(f"{name} must be {words} {limit} and finite, got {value!r}")
        if not number or not holds(value, limit):
            raise ConfigError(f"{name} must be {words} {limit}, got {value!r}")


class Checked:
    """Base of the configurations: types and ranges are checked when one is made."""

    def __post_init__(self):
        for item in fields(self):
            value = getattr(self, item.name)
            if value is None:
                if item.default is not None:
                    raise ConfigError(f"{item.name} must not be None")
                continue
            self._check_type(item, value)
            for part in value if isinstance(value, tuple) else (value,):
                check_value(item.name, part, item.metadata)

    def _check_type(self, item, value) -> None:
        kind = item.type.removesuffix(" | None")
        if kind == "tuple[int, ...]":
            if isinstance(value, (int, list)):
                value = (value,) if isinstance(value, int) else tuple(value)
                object.__setattr__(self, item.name, value)
            accepted = isinstance(value, tuple) and all(type(part) is int for part in value)
        elif kind == "float":
            accepted = isinstance(value, (int, float)) and not isinstance(value, bool)
        else:
            accepted = type(value).__name__ == kind
        if not accepted:
            raise ConfigError(f"{item.name} must be {KINDS[kind]}, got {value!r}")

    def to_dict(self) -> dict:
        """The options as plain JSON values."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}


@dataclass(frozen=True)
class TokenizerConfig(Checked):
    """How text becomes tokens; stored in the model file."""

    tokenizer: str = option(
        "word",
        "how text is cut into tokens: word (letters and digits, single punctuation marks), treebank (Penn "
        "Treebank conventions), whitespace (text that is already tokenised), char",
        choices=("word", "treebank", "whitespace", "char"),
    )
    lowercase: bool = option(False, "fold upper case to lower case")
    digits_to_zero: bool = option(False, "replace every digit by 0")
    boundary: str = option(
        "stream",
        "stream: the text is one continuous stream, as in the paper; line: every line stands alone, begins "
        "with <s> and its end </s> is predicted",
        choices=("stream", "line"),
    )


@dataclass(frozen=True)
class DataConfig(Checked):
    """What is read, which words are known and what is held out."""

    valid_fraction: float | None = option(
        None,
        "share of the units (lines, or blocks of the stream) held out at random for validation when there is no "
        "--valid (0.05 if neither is given)",
        above=0.0,
        below=1.0,
        metavar="F",
    )
    vocab_size: int = option(
        16384, "largest vocabulary, special tokens included; the most frequent words stay", low=4, metavar="N"
    )
    min_count: int = option(2, "words seen less often in training become <unk>", low=1, metavar="N")
    vocab: str | None = option(
        None, "take the words from FILE, one a line, instead; --vocab-size and --min-count do not apply", metavar="FILE"
    )
    encoding: str = option("utf-8", "character encoding of the text files", metavar="NAME")

    def __post_init__(self):
        super().__post_init__()
        for name in ("vocab_size", "min_count"):
            if self.vocab is not None and getattr(self, name) != getattr(DataConfig, name):
                raise ConfigError(f"{name} must not be given together with vocab, got {getattr(self, name)!r}")


@dataclass(frozen=True)
class ModelConfig(Checked):
    """Shape of the network; with the size of the vocabulary it fixes every array."""

    context_size: int = option(8, "words of context (the paper's n - 1)", low=1, high=1000, metavar="K")
    bag_size: int = option(
        100,
        "words before these, whose features are added up without their order, so that the network knows what the text "
        "is about; 0 for the paper's network",
        low=0,
        high=10_000,
        metavar="N",
    )
    embedding_dim: int = option(160, "features per word (the paper's m)", low=1, high=65536, metavar="M")
    hidden_dims: tuple[int, ...] = option(
        (300,),
        "units of each hidden layer (the paper's h); several numbers make several layers, 0 none",
        low=1,
        metavar="H",
    )
    activation: str = option("tanh", "nonlinearity of the hidden layers", choices=("tanh", "relu"))
    direct: bool = option(False, "add direct connections from the embeddings to the output (the paper's W)")

    def __post_init__(self):
        if self.hidden_dims in (0, (0,), [0]):  # the paper's h = 0: direct connections only
            object.__setattr__(self, "hidden_dims", ())
        super().__post_init__()
        if not self.hidden_dims and not self.direct:
            raise ConfigError("hidden_dims must not be empty without direct connections, got (); add direct")


@dataclass(frozen=True)
class TrainConfig(Checked):
    """How the network is trained."""

    optimizer: str = option("adam", "update rule", choices=("sgd", "momentum", "adagrad", "adam"))
    learning_rate: float | None = option(
        None, "step size at the start (default: what suits the optimizer)", above=0.0, high=1e36, metavar="R"
    )
    batch_size: int = option(256, "positions per step", low=1, high=8192, metavar="B")
    epochs: int = option(12, "most passes over the training text", low=0, metavar="N")
    patience: int = option(3, "stop after this many validations without improvement", low=1, metavar="N")
    schedule: str = option(
        "linear",
        "learning rate: linear (falls to 0 over the epochs, or over the minutes), plateau (halved after each "
        "validation without improvement)",
        choices=("linear", "plateau"),
    )
    minutes: float | None = option(
        None, "stop this call after T minutes, validation, test and saving included", above=0.0, metavar="T"
    )
    dropout: float = option(0.5, "share of the hidden units dropped in training", low=0.0, below=1.0, metavar="P")
    embedding_dropout: float = option(
        0.3, "share of the embedding features dropped in training", low=0.0, below=1.0, metavar="P"
    )
    weight_decay: float | None = option(
        None,
        "decoupled weight decay, per unit of learning rate, never on biases (default: what suits the optimizer)",
        low=0.0,
        high=1e36,
        metavar="D",
    )
    clip_norm: float | None = option(None, "scale gradients down to this global norm", above=0.0, metavar="G")
    validate_every: int | None = option(
        None, "validate after about N training tokens too, not only after each epoch", low=1, metavar="N"
    )
    checkpoint_seconds: float = option(
        60.0, "save the training state this often too, not only after each validation", low=0.0, metavar="SEC"
    )
    seed: int = option(
        1, "seed of initialisation, shuffling, dropout and the held-out units", low=0, high=2**63 - 1, metavar="S"
    )
    threads: int | None = option(
        None,
        "worker threads (default: every core); the result is the same for any number",
        low=1,
        high=256,
        metavar="N",
    )


@dataclass(frozen=True)
class NgramConfig(Checked):
    """Which n-gram model is estimated."""

    order: int | None = option(
        None, "words of the longest n-grams (default: 5; interpolated: 3)", low=1, high=10, metavar="N"
    )
    smoothing: str = option(
        "kneser-ney",
        "kneser-ney (interpolated, modified), or interpolated: relative frequencies of all orders, their weights "
        "fitted on the validation text by how often the context was seen, as in the paper",
        choices=("kneser-ney", "interpolated"),
    )

    def __post_init__(self):
        super().__post_init__()
        if self.order is None:
            object.__setattr__(self, "order", 3 if self.smoothing == "interpolated" else 5)
        if self.order == 1 and self.smoothing == "interpolated":
            raise ConfigError("order must be at least 2 for interpolated smoothing, got 1")


@dataclass(frozen=True)
class CacheConfig(Checked):
    """A cache as a part of a mixture."""

    cache: int | None = option(
        None, "add a cache: the shares of the last N words of the text", low=1, high=100_000, metavar="N"
    )
    cache_half_life: float | None = option(
        None, "in the cache, a word N words back weighs half (default: all weigh the same)", above=0.0, metavar="N"
    )

    def __post_init__(self):
        super().__post_init__()
        if self.cache_half_life is not None and self.cache is None:
            raise ConfigError("cache_half_life must not be given without cache; give the size of the cache")


@dataclass(frozen=True)
class SampleConfig(Checked):
    """How words are drawn from the model."""

    tokens: int = option(30, "tokens to draw", low=1, metavar="N")
    samples: int = option(1, "independent continuations", low=1, metavar="N")
    temperature: float = option(
        1.0, "below 1: safer, above 1: bolder, 0: always the likeliest word", low=0.0, metavar="T"
    )
    top_k: int | None = option(None, "draw from the K likeliest words only", low=1, metavar="K")
    top_p: float | None = option(
        None, "draw from the likeliest words that together reach probability P", above=0.0, high=1.0, metavar="P"
    )
    seed: int = option(1, "seed of the draw", low=0, high=2**63 - 1, metavar="S")


def make(kind, options: dict, complete: bool = False):
    """Build the configuration `kind` from a dict; an unknown name is an error, if `complete` a missing one too."""
    known = {item.name for item in fields(kind)}
    unknown = sorted(set(options) - known)
    if unknown:
        raise ConfigError(f"unknown option {unknown[0]!r}, expected one of {', '.join(sorted(known))}")
    missing = sorted(known - set(options))
    if complete and missing:
        raise ConfigError(f"option {missing[0]!r} is missing")
    return kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in options.items()})
