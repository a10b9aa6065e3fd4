"""Train a text classifier."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from fflm.api.arguments import check_new_model, source_names
from fflm.api.text_classifier import TextClassifier
from fflm.classification import ClassificationReport
from fflm.errors import ConfigError, option_name, shown
from fflm.text import Examples, part_of, read_examples
from fflm.text.corpora import LABELLED


def classify(
    source: str | Path,
    valid: str | Path | None = None,
    test: str | Path | None = None,
    out: str | Path | None = None,
    encoding: str = "utf-8",
    quiet: bool = False,
    force: bool = False,
    **options: Any,
) -> TextClassifier:
    """Train on labelled texts, evaluate on others, save.

    Parameters
    ----------
    source, valid, test : str
        Labelled texts, as `fflm.text.read_examples` takes them. A named corpus without a split means its part for this
        use; where `source` is such a corpus, `valid` and `test` are its other parts by default. Neither takes part in
        training.
    out : path, optional
        The model file to write.
    encoding : str
        Character encoding of the files.
    quiet : bool
        Show nothing on stderr; without it, a bar if that is a terminal.
    force : bool
        Replace the file `out` if there is one.
    **options
        Options of `TextClassifier`.

    Returns
    -------
    TextClassifier
        Its `report` has the figures of training and, as `report.valid` and `report.test`, a `ClassificationReport` on
        each of the other texts, or None without one.

    Raises
    ------
    FflmError
        If a source can't be read or options make no sense; then nothing is written.

    Examples
    --------
    >>> with open("films.tsv", "w") as file:
    ...     written = file.write("good\\ta good film\\nbad\\ta bad film\\n" * 20)
    >>> classify("films.tsv", test="films.tsv", quiet=True).report.test.accuracy
    1.0
    """
    check_new_model(out, force)
    classifier = TextClassifier(**options)
    training = _one(source, "source")
    default = training if training in LABELLED else None
    examples = read_examples(part_of(training, "train"), encoding)
    valid_examples = _held_out(valid, "valid", default, encoding)
    test_examples = _held_out(test, "test", default, encoding)
    classifier.fit(examples.texts, examples.labels, quiet=quiet)
    assert classifier.report is not None  # `fit` has set it
    classifier.report = replace(
        classifier.report,
        out=None if out is None else os.fspath(out),
        valid=_report(classifier, valid_examples),
        test=_report(classifier, test_examples),
    )
    if out is not None:
        classifier.save(out, force)
    return classifier


def _held_out(source: str | Path | None, part: str, default: str | None, encoding: str) -> Examples | None:
    """Read the labelled texts for validation or test, if there is a source of them."""
    name = default if source is None else _one(source, part)
    return None if name is None else read_examples(part_of(name, part), encoding)


def _report(classifier: TextClassifier, examples: Examples | None) -> ClassificationReport | None:
    return None if examples is None else classifier.evaluate(examples.texts, examples.labels)


def _one(source: str | Path, option: str) -> str:
    """Return the name of a source; raise ConfigError for several."""
    given = source_names(source, option)
    if len(given) != 1:
        raise ConfigError(f"{option_name(option)} must be one file or corpus, got {shown(source)}")
    return given[0]
