"""Train a text classifier."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from fflm.api.arguments import check_new_model, names
from fflm.api.text_classifier import TextClassifier
from fflm.errors import ConfigError, option_name, shown
from fflm.text import part_of, read_examples
from fflm.text.corpora import LABELLED


def classify(
    source: str | Path,
    valid: str | Path | None = None,
    test: str | Path | None = None,
    out: str | Path | None = None,
    encoding: str = "utf-8",
    quiet: bool = False,
    force: bool = False,
    **options,
) -> TextClassifier:
    """Train on labelled texts, evaluate on others, save.

    Parameters
    ----------
    source, valid, test : str
        Labelled texts, as `fflm.text.read_examples` takes them. Of a named corpus without a split the part in question
        is taken; where the source is one and `valid` and `test` are not given, these are its own. Neither has a part
        in training.
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
    sources = {"train": _one(source, "source"), "valid": _one(valid, "valid"), "test": _one(test, "test")}
    if sources["train"] in LABELLED:
        sources = {part: name or sources["train"] for part, name in sources.items()}
    examples = {part: name and read_examples(part_of(name, part), encoding) for part, name in sources.items()}
    classifier.fit(examples["train"].texts, examples["train"].labels, quiet=quiet)
    reports = {
        part: examples[part] and classifier.evaluate(examples[part].texts, examples[part].labels)
        for part in ("valid", "test")
    }
    classifier.report = replace(classifier.report, out=None if out is None else os.fspath(out), **reports)
    if out is not None:
        classifier.save(out, force)
    return classifier


def _one(source: str | Path | None, option: str) -> str | None:
    """Return the name of a source, or None; raise ConfigError for several."""
    if source is None:
        return None
    found = names(source, option)
    if len(found) != 1:
        raise ConfigError(f"{option_name(option)} must be one file or corpus, got {shown(source)}")
    return found[0]
