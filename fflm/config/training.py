"""The options of training a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fflm.config.names import RULES
from fflm.config.options import Checked, option
from fflm.errors import ConfigError, option_name


def weight_decay_option() -> Any:
    """Make the option `weight_decay`, shared by network and classifier."""
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
        TrainConfig(threads=threads)


def threads_option(default: str = "every core") -> Any:
    """Make the option `threads`, shared by network and classifier; `default` says what is taken without it."""
    return option(
        None,
        f"worker threads (default: {default}); the result is the same for any number",
        low=1,
        high=256,
        metavar="N",
    )


@dataclass(frozen=True)
class TrainConfig(Checked):
    """The options of training the language model."""

    optimizer: str = option("adamw", "update rule; adamw is adam with weight decay", choices=tuple(RULES))
    learning_rate: float | None = option(
        None, "step size at the start (default: what suits the optimizer)", above=0.0, high=1e36, metavar="R"
    )
    batch_size: int = option(256, "positions per step", low=1, high=8192, metavar="B", planned=True)
    run_length: int = option(
        32,
        "neighbouring positions in a step, which share most of their contexts; 1 for none",
        low=1,
        high=8192,
        metavar="N",
    )
    epochs: int = option(12, "most passes over the training text", low=0, metavar="N", planned=True)
    patience: int = option(
        3,
        "schedule plateau: stop after this many validations without improvement (linear goes on to its end)",
        low=1,
        metavar="N",
    )
    schedule: str = option(
        "linear",
        "learning rate: linear (falls to 0 over the epochs, or over the minutes, of a resumed run to its new end), "
        "plateau (halved after each validation without improvement)",
        choices=("linear", "plateau"),
    )
    minutes: float | None = option(
        None,
        "stop this call after T minutes, validation, test and saving included, but not compiling at the first use",
        above=0.0,
        metavar="T",
    )
    dropout: float = option(
        0.5, "share of the hidden units dropped in training", low=0.0, below=1.0, metavar="P", planned=True
    )
    embedding_dropout: float = option(
        0.3, "share of the embedding features dropped in training", low=0.0, below=1.0, metavar="P", planned=True
    )
    pair_dropout: float = option(
        0.5,
        "share of the contexts whose word pair is left out in training",
        low=0.0,
        below=1.0,
        metavar="P",
        planned=True,
    )
    softmax: str = option(
        "auto",
        "training loss: exact (over the whole vocabulary), sampled (over a sample of it, but for the last part of the "
        "run), auto (sampled where the vocabulary is large enough); evaluation is always exact",
        choices=("auto", "exact", "sampled"),
    )
    exact_share: float = option(
        0.15,
        "share of the run, at its end, that is made with the exact softmax where the rest is sampled",
        low=0.0,
        high=1.0,
        metavar="P",
        planned=True,
    )
    ngram_order: int = option(
        5,
        "words of the longest n-grams of the Kneser-Ney model of the same text that the network is mixed with; 0 for a "
        "network alone",
        low=0,
        high=10,
        metavar="N",
        planned=True,
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

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.freeze_vectors and self.vectors is None:
            raise ConfigError(
                f"{option_name('freeze_vectors')} must not be given without {option_name('vectors')}; "
                "give a file of word vectors"
            )
