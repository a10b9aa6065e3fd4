"""Every option of fflm: its name, default, range and one line of help, in one place.

The dataclasses are frozen and check themselves; the command line's flags are made from them.
"""

from __future__ import annotations

from dataclasses import dataclass

from fflm.config.names import ACTIVATIONS, RULES
from fflm.config.options import Checked, make, option
from fflm.errors import ConfigError

__all__ = [
    "CacheConfig",
    "Checked",
    "ClassifierConfig",
    "ClassifierTrainConfig",
    "DataConfig",
    "ModelConfig",
    "NgramConfig",
    "SampleConfig",
    "TokenizerConfig",
    "TrainConfig",
    "make",
]


# What several configurations have


def activation_option():
    """Of hidden layers."""
    return option(
        "tanh",
        "nonlinearity of the hidden layers; the slope of prelu is learned, one for each unit",
        choices=tuple(name for name, activation in ACTIVATIONS.items() if not activation.whole),
    )


def weight_decay_option():
    """Of every update rule."""
    return option(
        None,
        "decoupled weight decay, per unit of learning rate, never on biases (default: what suits the optimizer)",
        low=0.0,
        high=1e36,
        metavar="D",
    )


def check_threads(threads: int | None) -> None:
    """Raise ConfigError unless `threads` is a number of workers, or None."""
    if threads is not None:
        TrainConfig(threads=int(threads) if hasattr(threads, "__index__") else threads)


def threads_option(default="every core"):
    """How many workers."""
    return option(
        None,
        f"worker threads (default: {default}); the result is the same for any number",
        low=1,
        high=256,
        metavar="N",
    )


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
    activation: str = activation_option()
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

    optimizer: str = option("adamw", "update rule; adamw is adam with weight decay", choices=tuple(RULES))
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
    weight_decay: float | None = weight_decay_option()
    clip_norm: float | None = option(None, "scale gradients down to this global norm", above=0.0, metavar="G")
    validate_every: int | None = option(
        None, "validate after about N training tokens too, not only after each epoch", low=1, metavar="N"
    )
    checkpoint_seconds: float = option(
        60.0, "save the training state this often too, not only after each validation", low=0.0, metavar="SEC"
    )
    vectors: str | None = option(
        None,
        "begin with the word vectors of FILE, word2vec (text or binary) or GloVe, in UTF-8, also .gz; "
        "--embedding-dim is theirs",
        metavar="FILE",
    )
    freeze_vectors: bool = option(False, "keep these vectors as they are; words without one are learned")
    seed: int = option(
        1, "seed of initialisation, shuffling, dropout and the held-out units", low=0, high=2**63 - 1, metavar="S"
    )
    threads: int | None = threads_option()

    def __post_init__(self):
        super().__post_init__()
        if self.freeze_vectors and self.vectors is None:
            raise ConfigError("freeze_vectors must not be given without vectors; give a file of word vectors")


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
class ClassifierConfig(Checked):
    """Shape of a text classifier: how words become features, features a text, a text a label."""

    embedding_dim: int = option(64, "features per word", low=1, high=65536, metavar="M")
    pooling: str = option(
        "bag",
        "how the features of its words become those of the text: bag (of the different words, their sum over the root "
        "of their number), mean (of all words), mean-max (the mean, and beside it the maximum of each feature), window "
        "(those of the first --window words side by side)",
        choices=("bag", "mean", "mean-max", "window"),
    )
    window: int = option(5, "words of a text, with --pooling window", low=1, high=1000, metavar="N")
    bigrams: int = option(
        0,
        "pairs of neighbouring words have features too, hashed into N rows; 0 for none",
        low=0,
        high=2**26,
        metavar="N",
    )
    hidden_dims: tuple[int, ...] = option(
        (), "units of each hidden layer; several numbers make several layers, 0 none", low=1, metavar="H"
    )
    activation: str = activation_option()
    vocab_size: int = option(
        100_000, "largest vocabulary, special tokens included; the most frequent words stay", low=4, metavar="N"
    )
    min_count: int = option(1, "words seen less often in training are left out", low=1, metavar="N")

    direct = False  # what the network asks of every configuration

    def __post_init__(self):
        if self.hidden_dims in (0, (0,), [0]):
            object.__setattr__(self, "hidden_dims", ())
        super().__post_init__()
        if self.bigrams and self.pooling == "window":
            raise ConfigError("bigrams must not be given with pooling window: the order of its words is known")


@dataclass(frozen=True)
class ClassifierTrainConfig(Checked):
    """How a text classifier is trained."""

    optimizer: str = option("adamw", "update rule; adamw is adam with weight decay", choices=tuple(RULES))
    learning_rate: float | None = option(
        None,
        "step size at the start, from which it falls to 0 (default: what suits the optimizer)",
        above=0.0,
        high=1e36,
        metavar="R",
    )
    batch_size: int = option(32, "texts per step", low=1, high=8192, metavar="B")
    epochs: int = option(10, "passes over the training texts", low=0, metavar="N")
    dropout: float = option(0.0, "share of the hidden units dropped in training", low=0.0, below=1.0, metavar="P")
    embedding_dropout: float = option(
        0.5, "share of a text's features dropped in training", low=0.0, below=1.0, metavar="P"
    )
    weight_decay: float | None = weight_decay_option()
    seed: int = option(1, "seed of initialisation, order and dropout", low=0, high=2**63 - 1, metavar="S")
    threads: int | None = threads_option("as many as the batches keep busy")


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
