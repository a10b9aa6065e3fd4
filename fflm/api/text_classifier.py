"""A text classifier and what can be done with it: train, predict, evaluate, save, load."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fflm import html
from fflm.api.arguments import check_new_model
from fflm.classification import ClassificationReport, Classifier, fit, learn_words
from fflm.classification.classifier import text_network
from fflm.classification.report import FitReport, report
from fflm.config import ClassifierConfig, ClassifierTrainConfig, TokenizerConfig
from fflm.config.options import configurations, takes_options
from fflm.errors import ConfigError, FflmError, option_name, shown
from fflm.model_file.classifier import load_classifier, save_classifier
from fflm.runtime.progress import Bar
from fflm.text import Examples, Tokenizer

OPTIONS = (TokenizerConfig, ClassifierConfig, ClassifierTrainConfig)


class TextClassifier:
    """Embeddings of a text's words, pooled, under hidden layers and a softmax over labels.

    Parameters
    ----------
    **options
        Options of `TokenizerConfig`, `ClassifierConfig` and `ClassifierTrainConfig`.

    Attributes
    ----------
    labels : list of str
        The labels that the classifier knows, sorted by name; empty before `fit`.
    report : FitReport or None
        The figures of its training, if it was trained just now and not loaded.

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

    @takes_options(*OPTIONS)
    def __init__(self, **options: Any):
        if "boundary" in options:
            raise ConfigError(
                f"{option_name('boundary')} must not be given to a classifier: each text stands for itself"
            )
        self._options = options
        self._tokenizer_config, self._shape, self._training = configurations(OPTIONS, options)
        if "window" in options and self._shape.pooling != "window":
            raise ConfigError(f"{option_name('window')} must not be given without {option_name('pooling')} window")
        self._model: Classifier | None = None
        self.report: FitReport | None = None

    def __repr__(self) -> str:
        if self._model is None:
            return "TextClassifier(not trained)"
        return f"TextClassifier({len(self._model.vocabulary):,} words, labels {', '.join(self.labels)})"

    def _repr_html_(self) -> str:
        if self._model is None:
            return html.box(html.title("Text classifier, not trained"))
        figures = {"vocabulary": f"{len(self._model.vocabulary):,} words", "labels": ", ".join(self.labels)}
        head = html.box(html.title("Text classifier"), html.facts(figures))
        return head if self.report is None else head + self.report._repr_html_()

    @property
    def labels(self) -> list[str]:
        """The labels that are told apart, sorted by name; empty before `fit`."""
        return [] if self._model is None else self._model.labels

    @property
    def classes_(self) -> np.ndarray:
        """The labels as scikit-learn names them.

        Raises
        ------
        AttributeError
            Before `fit`, as scikit-learn expects.
        """
        if self._model is None:
            raise AttributeError("the classifier is not trained, and has no classes_; call fit")
        return np.array(self.labels)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return every option that may be given and its value, for scikit-learn's pipelines and searches.

        `window` is among them with the pooling ``window`` alone.

        Examples
        --------
        >>> TextClassifier(epochs=3).get_params()["epochs"]
        3
        """
        listed = inspect.signature(TextClassifier).parameters.values()
        refused = ("boundary",) if self._shape.pooling == "window" else ("boundary", "window")
        return {item.name: item.default for item in listed if item.name not in refused} | self._options

    def set_params(self, **options: Any) -> TextClassifier:
        """Set some options, for the next `fit`.

        Raises
        ------
        ConfigError
            If an option is unknown or out of its range; nothing is changed then.

        Examples
        --------
        >>> TextClassifier().set_params(epochs=3).get_params()["epochs"]
        3
        """
        changed = TextClassifier(**self._options | options)
        self._options, self._training = changed._options, changed._training
        self._tokenizer_config, self._shape = changed._tokenizer_config, changed._shape
        return self

    def score(self, texts: Sequence[str], labels: Sequence[str]) -> float:
        """Return the accuracy, as scikit-learn's `cross_val_score` asks for it.

        Examples
        --------
        >>> classifier = TextClassifier(epochs=2).fit(["a good film", "a bad film"] * 8, ["good", "bad"] * 8)
        >>> classifier.score(["good", "bad"], ["good", "good"])
        0.5
        """
        return self.evaluate(texts, labels).accuracy

    def __sklearn_is_fitted__(self) -> bool:
        return self._model is not None

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags  # which asks for them

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True, one_d_labels=True),
            classifier_tags=ClassifierTags(),
            input_tags=InputTags(one_d_array=True, two_d_array=False, string=True),
        )

    def fit(self, texts: Sequence[str], labels: Sequence[str], quiet: bool = False) -> TextClassifier:
        """Train on texts and their labels, from the beginning; on a terminal with a bar, unless `quiet`.

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
        with Bar(self._training.epochs * len(texts), "training", not quiet) as bar:
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
        """Return P(label | text): (texts, labels) float32, columns in the order of `labels`.

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
        """Return the likeliest label of each text.

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
        """Measure accuracy, macro-F1 and confusion on labelled texts; a label new since training is never right.

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

    def save(self, path: str | Path, force: bool = False) -> None:
        """Write the model file: one self-contained safetensors file.

        Raises
        ------
        FflmError
            Before `fit`, if there is a file of this name and not `force`, or if it can't be written.

        Examples
        --------
        >>> TextClassifier(epochs=2).fit(["good", "bad"] * 8, ["+", "-"] * 8).save("plus.safetensors")
        >>> TextClassifier.load("plus.safetensors")
        TextClassifier(5 words, labels +, -)
        """
        model = self._trained()
        check_new_model(path, force)
        save_classifier(model, path)

    @classmethod
    def load(cls, path: str | Path, threads: int | None = None) -> TextClassifier:
        """Read what `save` wrote.

        Raises
        ------
        ModelFileError
            If the file is missing, damaged, or another kind of model.
        ConfigError
            If `threads` is no number of workers.

        Examples
        --------
        >>> TextClassifier.load("no-such-model")
        Traceback (most recent call last):
        fflm.errors.ModelFileError: no such model: no-such-model
        """
        model = load_classifier(path, threads)
        loaded = cls()
        loaded._tokenizer_config, loaded._shape, loaded._training = model.tokenizer.config, model.config, None
        described = model.tokenizer.config.to_dict() | model.config.to_dict()
        loaded._options = {name: described.get(name, value) for name, value in loaded.get_params().items()}
        loaded._model = model
        return loaded

    def info(self) -> dict[str, Any]:
        """Return sizes and configurations, as plain JSON values.

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


def _texts(name: str, values: object) -> list[str]:
    if isinstance(values, str):
        raise ConfigError(f"{name} must be several, got one: {shown(values)}")
    if isinstance(values, Examples) or not isinstance(values, Iterable):
        raise ConfigError(f"{name} must be a list of strings, got {type(values).__name__}")
    values = list(values)
    for value in values:
        if not isinstance(value, str):
            raise ConfigError(f"{name} must be a list of strings, got {shown(value)} among them")
    return [str(value) for value in values]
