"""Train a text classifier."""

from __future__ import annotations

from pathlib import Path

from fflm.api.arguments import check_new_model
from fflm.api.text_classifier import TextClassifier
from fflm.classification import ClassificationReport
from fflm.text import Examples, part_of, read_examples
from fflm.text.corpora import LABELLED


def classify(
    source: str,
    valid: str | None = None,
    test: str | None = None,
    out: str | Path | None = None,
    encoding: str = "utf-8",
    quiet: bool = False,
    **options,
) -> tuple[TextClassifier, ClassificationReport | None, ClassificationReport | None]:
    """Train on labelled texts, evaluate on others, save.

    Parameters
    ----------
    source, valid, test : str
        As of `fflm.text.read_examples`. Of a named corpus without a split the part in question is taken; where the
        source is one and `valid` and `test` are not given, these are its own. Neither has a part in training.
    out : path, optional
        The model file to write.
    encoding : str
        Of the files.
    quiet : bool
        No bar on stderr.
    **options
        Those of `TextClassifier`.

    Returns
    -------
    classifier, validation report or None, test report or None

    Raises
    ------
    FflmError
        If a source can't be read or options make no sense; then nothing is written.

    Examples
    --------
    >>> with open("films.tsv", "w") as file:
    ...     written = file.write("good\\ta good film\\nbad\\ta bad film\\n" * 20)
    >>> classifier, _, found = classify("films.tsv", test="films.tsv", quiet=True)
    >>> found.accuracy
    1.0
    """
    check_new_model(out)
    classifier = TextClassifier(**options)
    if source in LABELLED:
        valid, test = valid or source, test or source
    examples, valid_examples, test_examples = (
        name and read_examples(part_of(name, split), encoding)
        for name, split in ((source, "train"), (valid, "valid"), (test, "test"))
    )
    classifier.fit(examples.texts, examples.labels, progress=not quiet)
    reports = [_evaluated(classifier, part) for part in (valid_examples, test_examples)]
    if out is not None:
        classifier.save(out)
    return classifier, *reports


def _evaluated(classifier: TextClassifier, examples: Examples | None) -> ClassificationReport | None:
    return None if examples is None else classifier.evaluate(examples.texts, examples.labels)
