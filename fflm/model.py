"""The front door: a trained model, how to train one and how to load one. The command line does nothing else."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np

from fflm import evaluation, generation, storage
from fflm.config import DataConfig, ModelConfig, SampleConfig, TokenizerConfig, TrainConfig, make
from fflm.errors import ConfigError
from fflm.evaluation import Perplexity
from fflm.generation import Prediction, Sample
from fflm.lm import LanguageModel, NeuralLanguageModel
from fflm.nn.parameters import initialise
from fflm.progress import Bar
from fflm.report import TrainReport
from fflm.run import begin, check_folder, check_unchanged
from fflm.text import Tokenizer, Vocabulary, encode, fingerprint
from fflm.text import load as load_corpus
from fflm.training import Trainer

TRAINING = (TokenizerConfig, DataConfig, ModelConfig, TrainConfig)


class Model:
    """A language model and what can be done with it.

    Attributes
    ----------
    lm : LanguageModel
        The model itself: `log_probs` and `next_word` on ids.
    report : TrainReport or None
        How training went, if this model was trained just now.

    Examples
    --------
    >>> import fflm
    >>> model = fflm.load("runs/demo")
    >>> model
    Model(13 words, context 2, 1,165 parameters)
    >>> model.predict("the cat sat on the", top=1)[0].word
    'mat'
    """

    def __init__(self, lm: LanguageModel, report: TrainReport | None = None, prompts: Sequence[str] = ("", "", "")):
        self.lm, self.report, self.prompts = lm, report, prompts

    def __repr__(self) -> str:
        size = self.lm.describe()["parameters"]
        return f"Model({len(self.lm.vocabulary):,} words, context {self.lm.context_size}, {size:,} parameters)"

    def perplexity(self, *sources: str | Path, encoding: str = "utf-8", progress: bool = False) -> Perplexity:
        """Perplexity on a text (defined in `fflm.evaluation`).

        Parameters
        ----------
        *sources : str
            Files, folders, ``-`` or named corpora, read as one text.
        encoding : str
            Of the files.
        progress : bool
            Show a bar on stderr, if that is a terminal.

        Returns
        -------
        Perplexity
            With cross-entropy in nats and bits, out-of-vocabulary counts and a 95 % interval.

        Raises
        ------
        TextError
            If a source can't be read.

        Examples
        --------
        >>> import fflm
        >>> report = fflm.load("runs/demo").perplexity("text.txt")
        >>> report.tokens, report.oov, report.perplexity < 1.1
        (1600, 0, True)
        """
        stream = encode(
            [os.fspath(source) for source in sources],
            self.lm.tokenizer,
            self.lm.vocabulary,
            DataConfig(encoding=encoding),
        )
        with Bar(len(stream), "perplexity", progress) as bar:
            return evaluation.evaluate(self.lm, stream, bar.advance)

    def predict(self, context: str, top: int = 10) -> list[Prediction]:
        """The `top` likeliest next words after the text `context`, by falling probability.

        Raises
        ------
        ConfigError
            If `top` is less than 1.

        Examples
        --------
        >>> import fflm
        >>> [p.word for p in fflm.load("runs/demo").predict("the dog sat", top=1)]
        ['on']
        """
        if top < 1:
            raise ConfigError(f"top must be at least 1, got {top!r}")
        return generation.predict(self.lm, _text("context", context), top)

    def sample(self, prompt: str = "", special: bool = False, **options) -> list[Sample]:
        """Draw continuations of `prompt`; `options` are those of `SampleConfig`, `special` lets ``<unk>`` be drawn.

        Raises
        ------
        ConfigError
            If an option is unknown or out of its range.

        Examples
        --------
        >>> import fflm
        >>> fflm.load("runs/demo").sample("the cat", tokens=4, temperature=0)[0].text
        'sat on the mat'
        """
        return generation.sample(self.lm, _text("prompt", prompt), make(SampleConfig, options), special)

    def continued(self, sample: Sample) -> str:
        """The prompt of a sample and its text as one."""
        tokens = self.lm.tokenizer.tokenize(sample.prompt)
        return self.lm.tokenizer.detokenize([*tokens, *sample.tokens])

    def known_words(self, text: str) -> tuple[int, int]:
        """How many tokens of `text` are in the vocabulary, and how many there are."""
        tokens = self.lm.tokenizer.tokenize(text)
        return sum(token in self.lm.vocabulary for token in tokens), len(tokens)

    def save(self, path: str | Path) -> None:
        """Write the model file: one self-contained safetensors file.

        Raises
        ------
        FflmError
            If it can't be written; a file that was there is untouched.

        Examples
        --------
        >>> import fflm
        >>> fflm.load("runs/demo").save("demo.safetensors")
        >>> fflm.load("demo.safetensors")
        Model(13 words, context 2, 1,165 parameters)
        """
        storage.save_model(self.lm, path)

    def examples(self, count: int = 3) -> list[Sample]:
        """A few sampled continuations, after words taken from the validation text (none in the ``line`` boundary)."""
        tokens = 100 if self.lm.tokenizer.config.tokenizer == "char" else 20
        return [self.sample(prompt, tokens=tokens, seed=i)[0] for i, prompt in enumerate(self.prompts[:count])]

    def info(self) -> dict:
        """Sizes and configurations, as plain JSON values.

        Examples
        --------
        >>> import fflm
        >>> fflm.load("runs/demo").info()["vocab_size"]
        13
        """
        vocabulary = self.lm.vocabulary
        return self.lm.describe() | {
            "context_size": self.lm.context_size,
            "vocab_size": len(vocabulary),
            "train_tokens": int(vocabulary.counts.sum()),
            "tokenizer": self.lm.tokenizer.config.to_dict(),
            "most_frequent": vocabulary.words[3:13],
        }


def load(path: str | Path, threads: int | None = None) -> Model:
    """Load a model file, or the best model of a run folder.

    Raises
    ------
    ModelFileError
        If it is missing, damaged, of a newer format or not a model.

    Examples
    --------
    >>> import fflm
    >>> fflm.load("runs/demo").lm.context_size
    2
    """
    return Model(storage.load_model(path, threads))


def train(
    *sources: str | Path,
    valid: str | Path | Sequence[str] | None = None,
    test: str | Path | Sequence[str] | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    quiet: bool = False,
    started: float | None = None,
    **options,
) -> Model:
    """Train a model on text and return the one that was best on validation text.

    Parameters
    ----------
    *sources : str
        Files, folders, ``-`` or named corpora (``stdlib``, ``brown`` ...), read as one text.
    valid, test : str or sequence of str, optional
        Validation and test text. Without `valid`, part of the text is held out.
    out : path, optional
        Run folder: the best model, the training state, the configuration and a log.
    resume : bool
        Go on with the run in `out`, with the same text and configuration.
    quiet : bool
        Nothing on stderr.
    started : float, optional
        ``time.monotonic()`` from which the option `minutes` counts; now, by default.
    **options
        Those of `TokenizerConfig`, `DataConfig`, `ModelConfig` and `TrainConfig`.

    Returns
    -------
    Model
        Its `report` says how training went.

    Raises
    ------
    ConfigError, TextError, ModelFileError, DivergenceError
        All of them `FflmError`; nothing that was there before is harmed.

    Examples
    --------
    >>> import fflm
    >>> model = fflm.train("text.txt", context_size=2, embedding_dim=5, hidden_dims=8, epochs=2, quiet=True)
    >>> model.report.steps
    12
    """
    started = time.monotonic() if started is None else started
    tokenizer_config, data, shape, config = _configurations(options)
    folder = None if out is None else Path(out)
    check_folder(folder, resume)
    sources, valid, test = (_names(value) for value in (sources, valid, test))
    corpus = load_corpus(sources, valid, test, tokenizer_config, data, config.seed)
    described = {"sources": sources, "valid": valid, "test": test, "text": fingerprint(corpus)}
    for part in (tokenizer_config, data, shape, config):
        described |= part.to_dict()
    parameters = initialise(shape, corpus.vocabulary.counts, config.seed)
    lm = NeuralLanguageModel(shape, corpus.vocabulary, Tokenizer(tokenizer_config), parameters, config.threads)
    trainer = Trainer(lm, corpus, config, folder, started, quiet)
    if resume:
        check_unchanged(folder, described)
        trainer.state.load(folder)
    elif folder is not None:
        trainer.check_text()
        begin(folder, described)
    report = trainer.run()
    return Model(lm, report, _prompts(lm, corpus.valid.ids))


def _prompts(lm: NeuralLanguageModel, ids: np.ndarray) -> list[str]:
    """Three beginnings for samples: known words of the validation text, from its first, second and last third."""
    size = lm.context_size
    if lm.tokenizer.config.boundary == "line" or len(ids) < size:
        return ["", "", ""]
    known = np.convolve(ids == Vocabulary.UNK, np.ones(size, int), "valid") == 0
    starts = [len(known) * i // 6 for i in (1, 3, 5)]
    starts = [start + int(np.argmax(known[start:])) for start in starts]
    return [lm.tokenizer.detokenize([lm.vocabulary.words[i] for i in ids[s : s + size]]) for s in starts]


def _names(sources) -> list[str] | None:
    """One source or several, as a list of their names."""
    if sources is None:
        return None
    if isinstance(sources, (str, os.PathLike)):
        return [os.fspath(sources)]
    if not isinstance(sources, (list, tuple)):
        raise ConfigError(f"sources must be paths or names of corpora, got {sources!r}")
    return [name for source in sources for name in _names(source) or [""]]


def _text(name: str, value) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"{name} must be a text, got {value!r}")
    return value


def _configurations(options: dict):
    names = {item.name: kind for kind in TRAINING for item in fields(kind)}
    for name in options:
        if name not in names:
            raise ConfigError(f"unknown option {name!r}, expected one of {', '.join(sorted(names))}")
    return [make(kind, {name: value for name, value in options.items() if names[name] is kind}) for kind in TRAINING]
