"""The front door to text classification: train, predict, evaluate, save, load."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from fflm.classification import ClassificationReport, Classifier, fit, learn_words, shapes
from fflm.classification.classifier import text_network
from fflm.classification.report import report
from fflm.config import ClassifierConfig, ClassifierTrainConfig, TokenizerConfig, check_threads, make
from fflm.config.options import configurations
from fflm.errors import ConfigError, FflmError, ModelFileError
from fflm.model_file import is_arpa, model_path
from fflm.model_file.text import pack_text, strings, unpack_text
from fflm.runtime.progress import Bar
from fflm.storage.files import one_line
from fflm.storage.tensors import CLASSIFIER_KIND, MAKE_CLASSIFIER, check_arrays, read_tensors, write_tensors
from fflm.text import Examples, Tokenizer

KIND = CLASSIFIER_KIND
OPTIONS = (TokenizerConfig, ClassifierConfig, ClassifierTrainConfig)


@dataclass(frozen=True)
class FitReport:
    """How training went: `losses` are the means of each epoch, in nats, with dropout; `seconds` of training alone.

    `words_per_second` counts the words of the training texts once for each epoch, as fastText does.
    """

    texts: int
    words: int
    labels: tuple[str, ...]
    vocab_size: int
    parameters: int
    losses: tuple[float, ...]
    seconds: float
    words_per_second: float

    def to_dict(self) -> dict:
        """Plain JSON values."""
        return asdict(self) | {"labels": list(self.labels), "losses": list(self.losses)}


class TextClassifier:
    """Embeddings of a text's words, pooled, under hidden layers and a softmax over labels (the lectures' E21).

    Parameters
    ----------
    **options
        Those of `TokenizerConfig`, `ClassifierConfig` and `ClassifierTrainConfig`.

    Attributes
    ----------
    labels : list of str
        In the order of their names; empty before `fit`.
    report : FitReport or None

    Raises
    ------
    ConfigError
        If an option is unknown or out of its range.

    Examples
    --------
    >>> texts = ["a good film", "good acting", "a bad film", "bad acting"] * 5
    >>> classifier = TextClassifier(epochs=30, learning_rate=0.05).fit(texts, ["good", "good", "bad", "bad"] * 5)
    >>> classifier.predict(["so good", "so bad"])
    ['good', 'bad']
    """

    def __init__(self, **options):
        if "boundary" in options:
            raise ConfigError("boundary must not be given to a classifier: each text stands for itself")
        self._tokenizer_config, self._shape, self._training = configurations(OPTIONS, options)
        if "window" in options and self._shape.pooling != "window":
            raise ConfigError("window must not be given without pooling window")
        self._model: Classifier | None = None
        self.report: FitReport | None = None

    def __repr__(self) -> str:
        if self._model is None:
            return "TextClassifier(not trained)"
        return f"TextClassifier({len(self._model.vocabulary):,} words, labels {', '.join(self.labels)})"

    @property
    def labels(self) -> list[str]:
        """What is predicted."""
        return [] if self._model is None else self._model.labels

    def fit(self, texts: Sequence[str], labels: Sequence[str], progress: bool = False) -> TextClassifier:
        """Train on texts and their labels, from the beginning.

        Raises
        ------
        ConfigError
            If there are not as many labels as texts, or fewer than two different ones.
        TextError
            If no word is seen often enough.
        DivergenceError
            If a loss is no finite number.

        Examples
        --------
        >>> classifier = TextClassifier(epochs=2).fit(["a good film", "a bad film"] * 8, ["good", "bad"] * 8)
        >>> classifier.report.texts, classifier.report.words, len(classifier.report.losses)
        (16, 48, 2)
        """
        if self._training is None:
            raise FflmError("a classifier that was loaded has no training options; make a new one")
        texts, labels = _texts("texts", texts), _texts("labels", labels)
        if len(texts) != len(labels):
            raise ConfigError(f"there must be a label for each text, got {len(texts)} texts and {len(labels)} labels")
        names = sorted(set(labels))
        if len(names) < 2:
            raise ConfigError(f"training texts must have two or more labels, got {', '.join(names) or 'none'}")
        number = {name: i for i, name in enumerate(names)}
        targets = np.array([number[label] for label in labels], np.int32)
        tokenizer = Tokenizer(self._tokenizer_config)
        vocabulary, encoded = learn_words(texts, tokenizer, self._shape)
        network = text_network(self._shape, len(vocabulary), len(names))
        parameters = network.initialise(self._training.seed, np.bincount(targets, minlength=len(names)))
        model = Classifier(self._shape, vocabulary, tokenizer, names, parameters, self._training.threads)
        with Bar(self._training.epochs * len(texts), "training", progress) as bar:
            losses, seconds = fit(model, encoded, targets, self._training, bar.advance)
        self._model = model
        self.report = FitReport(
            texts=len(texts),
            words=encoded.words,
            labels=tuple(names),
            vocab_size=len(vocabulary),
            parameters=sum(value.size for value in parameters.values()),
            losses=tuple(losses),
            seconds=seconds,
            words_per_second=encoded.words * self._training.epochs / seconds if seconds else 0.0,
        )
        return self

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """P(label | text): (texts, labels) float32, columns in the order of `labels`.

        Raises
        ------
        FflmError
            Before `fit`.

        Examples
        --------
        >>> classifier = TextClassifier(epochs=2).fit(["a good film", "a bad film"] * 8, ["good", "bad"] * 8)
        >>> found = classifier.predict_proba(["good", "bad", "unknown words"])
        >>> found.shape, bool(found[0, 1] > 0.5 > found[1, 1])
        ((3, 2), True)
        """
        model = self._trained()
        return model.probabilities(model.encode(_texts("texts", texts)))

    def predict(self, texts: Sequence[str]) -> list[str]:
        """The likeliest label of each text.

        Raises
        ------
        FflmError
            Before `fit`.

        Examples
        --------
        >>> TextClassifier(epochs=2).fit(["a good film", "a bad film"] * 8, ["good", "bad"] * 8).predict(["good"])
        ['good']
        """
        return [self.labels[i] for i in self.predict_proba(texts).argmax(axis=1)]

    def evaluate(self, texts: Sequence[str], labels: Sequence[str]) -> ClassificationReport:
        """Accuracy, macro-F1 and confusion on labelled texts; a label that training did not have is never right.

        Raises
        ------
        ConfigError
            If there are not as many labels as texts, or none.
        FflmError
            Before `fit`.

        Examples
        --------
        >>> classifier = TextClassifier(epochs=2).fit(["a good film", "a bad film"] * 8, ["good", "bad"] * 8)
        >>> classifier.evaluate(["good", "bad", "a bad plot"], ["good", "bad", "so-so"]).confusion
        ((1, 0, 0), (0, 1, 0), (1, 0, 0))
        """
        labels = _texts("labels", labels)
        predicted = self.predict_proba(texts).argmax(axis=1)
        if len(labels) != len(predicted) or not labels:
            raise ConfigError(f"there must be a label for each text, got {len(predicted)} texts, {len(labels)} labels")
        names = [*self.labels, *sorted(set(labels) - set(self.labels))]
        number = {name: i for i, name in enumerate(names)}
        return report(names, np.array([number[label] for label in labels]), predicted)

    def save(self, path: str | Path) -> None:
        """Write the model file: one self-contained safetensors file.

        Raises
        ------
        FflmError
            Before `fit`, or if it can't be written.

        Examples
        --------
        >>> TextClassifier(epochs=2).fit(["good", "bad"] * 8, ["+", "-"] * 8).save("plus.safetensors")
        >>> TextClassifier.load("plus.safetensors")
        TextClassifier(5 words, labels +, -)
        """
        model = self._trained()
        arrays, text = pack_text(model.vocabulary, model.tokenizer)
        description = {"model": model.config.to_dict(), **text, "labels": model.labels}
        write_tensors(Path(path), model.parameters | arrays, KIND, description)

    @classmethod
    def load(cls, path: str | Path, threads: int | None = None) -> TextClassifier:
        """Read what `save` wrote.

        Raises
        ------
        ModelFileError
            If it is missing, damaged, or another kind of model.
        ConfigError
            If `threads` is no number of workers.

        Examples
        --------
        >>> TextClassifier.load("no-such-model")
        Traceback (most recent call last):
        fflm.errors.ModelFileError: no such model: no-such-model
        """
        check_threads(threads)
        path = model_path(path)
        if path.exists() and is_arpa(path):
            raise ModelFileError(f"{path} must hold a text classifier, got an ARPA file{MAKE_CLASSIFIER}")
        arrays, description = read_tensors(path, [KIND], KIND)
        try:
            vocabulary, tokenizer = unpack_text(arrays, description)
            config = make(ClassifierConfig, description["model"], complete=True)
            labels = strings(description, "labels")
            if len(labels) < 2 or len(set(labels)) < len(labels):
                raise ValueError("labels must be two or more different ones")
            expected = shapes(config, len(vocabulary), len(labels))
            check_arrays(arrays, {name: (np.float32, shape) for name, shape in expected.items()})
        except (KeyError, ValueError, TypeError, AttributeError, OverflowError, FflmError) as error:
            raise ModelFileError(f"{path} is damaged: {one_line(error)}") from error
        loaded = cls()
        loaded._tokenizer_config, loaded._shape = tokenizer.config, config
        loaded._training = None
        loaded._model = Classifier(config, vocabulary, tokenizer, labels, arrays, threads)
        return loaded

    def info(self) -> dict:
        """Sizes and configurations, as plain JSON values.

        Examples
        --------
        >>> TextClassifier(epochs=2).fit(["good", "bad"] * 8, ["+", "-"] * 8).info()["labels"]
        ['+', '-']
        """
        model = self._trained()
        return model.describe() | {
            "vocab_size": len(model.vocabulary),
            "tokenizer": model.tokenizer.config.to_dict(),
            "most_frequent": model.vocabulary.words[3:13],
        }

    def _trained(self) -> Classifier:
        if self._model is None:
            raise FflmError("the classifier is not trained; call fit, or load one")
        return self._model


def _texts(name: str, values) -> list[str]:
    if isinstance(values, str):
        raise ConfigError(f"{name} must be several, got one: {values[:40]!r}")
    if isinstance(values, Examples) or not isinstance(values, Iterable):
        raise ConfigError(f"{name} must be a list of strings, got {type(values).__name__}")
    values = list(values)
    for value in values:
        if not isinstance(value, str):
            raise ConfigError(f"{name} must be a list of strings, got {value!r} among them")
    return [str(value) for value in values]
