"""The commands ``fflm classify train``, ``predict`` and ``evaluate``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fflm.cli.flags import (
    add_encoding,
    add_flags,
    add_force,
    add_threads,
    given,
    model_stands_first,
    takes_stdout,
    verb,
)
from fflm.cli.printing import note, print_json, print_line, report_aside, word
from fflm.config import ClassifierConfig, ClassifierTrainConfig, TokenizerConfig

if TYPE_CHECKING:
    from fflm.api.text_classifier import TextClassifier
    from fflm.classification import ClassificationReport
    from fflm.classification.report import FitReport

SOURCE = (
    "labelled texts, one a line: a label, a tab and the text, or one __label__NAME before or after the text; a first "
    "line of names (label, text) is passed over; a file (also .gz), - "
    "for standard input, or a named corpus: sentence_polarity, movie_reviews, with :train, :valid or :test for a part "
    "(80, 10 and 10 %% of each label's texts, drawn once and for all; without one, the part that the command is for)"
)
MODEL = "a model file that fflm classify train wrote, or - for standard input"


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb, its three parts and their flags."""
    parser = verbs.add_parser(
        "classify",
        help="classify texts: train on labelled ones, predict labels, evaluate",
        description="Classify texts: train on labelled ones, predict labels, evaluate.",
        epilog="Example: fflm classify train sentence_polarity --out polarity.safetensors",
        allow_abbrev=False,
    )
    parts = parser.add_subparsers(
        title="commands", metavar="COMMAND", required=True, help="train, predict or evaluate; each has its own --help"
    )
    _add_train(parts)
    _add_predict(parts)
    _add_evaluate(parts)


def _add_train(parts: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verb(
        parts,
        "train",
        run_train,
        "train a text classifier on labelled texts",
        "fflm classify train reviews.tsv --test more.tsv --bigrams 100000 --out reviews.safetensors",
    )
    parser.add_argument("source", metavar="SOURCE", help=SOURCE)
    parser.add_argument(
        "--out", required=True, metavar="MODEL", help="the model file to write, or - for standard output"
    )
    add_force(parser, "the file MODEL")
    parser.add_argument(
        "--valid",
        metavar="SOURCE",
        help="labelled texts to evaluate on, for choosing options (default: a corpus's own)",
    )
    parser.add_argument(
        "--test", metavar="SOURCE", help="labelled texts to evaluate on at the end (default: a named corpus's own)"
    )
    add_encoding(parser)
    add_flags(parser, TokenizerConfig, "tokens", leave_out=("boundary",))
    add_flags(parser, ClassifierConfig, "classifier")
    add_flags(parser, ClassifierTrainConfig, "training")


def _add_predict(parts: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verb(
        parts,
        "predict",
        run_predict,
        "print the likeliest labels of texts and their probabilities",
        'fflm classify predict reviews.safetensors "a good film"',
    )
    parser.add_argument("model", metavar="MODEL", help=MODEL)
    parser.add_argument(
        "texts", nargs="*", metavar="TEXT", help="texts; - or none for those of standard input, one a line"
    )
    parser.set_defaults(any_number="texts", quote="texts")
    parser.add_argument("--top", type=int, default=None, metavar="N", help="how many labels of each (default: all)")
    add_encoding(parser)
    add_threads(parser)


def _add_evaluate(parts: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verb(
        parts,
        "evaluate",
        run_evaluate,
        "compare predicted labels with the true ones: accuracy, macro-F1, confusion",
        "fflm classify evaluate reviews.safetensors more.tsv",
    )
    parser.add_argument("model", metavar="MODEL", help=MODEL)
    parser.add_argument("source", metavar="SOURCE", help=SOURCE)
    add_encoding(parser)
    add_threads(parser)


def run_train(arguments: argparse.Namespace) -> int:
    """Train a classifier and print its figures: size, labels, speed, and accuracy on other texts."""
    import fflm

    aside = takes_stdout(arguments, arguments.out)
    classifier = fflm.classify(
        arguments.source,
        valid=arguments.valid,
        test=arguments.test,
        out=arguments.out,
        encoding=arguments.encoding,
        force=arguments.force,
        **given(arguments, TokenizerConfig, ClassifierConfig, ClassifierTrainConfig),
    )
    report = classifier.report
    if arguments.json:
        print_json(report.to_dict())
    else:
        with report_aside(aside):
            _print_training(arguments, classifier, report)
    if report.valid is None and report.test is None and not arguments.json:
        note("how good is it? give --test, or see fflm classify evaluate --help")
    return 0


def _print_training(arguments: argparse.Namespace, classifier: TextClassifier, report: FitReport) -> None:
    print_line(f"model        {arguments.out}: {report.vocab_size:,} words, {report.parameters:,} parameters")
    print_line(f"labels       {', '.join(map(word, report.labels))}")
    print_line(
        f"training     {report.texts:,} texts, {report.words:,} words, {len(report.losses)} epochs in "
        f"{report.seconds:.1f} s: {report.words_per_second:,.0f} words/s"
    )
    for name, part in (("validation", report.valid), ("test", report.test)):
        if part is not None:
            _print_figures(classifier, name, part)


def run_predict(arguments: argparse.Namespace) -> int:
    """Print for each text its likeliest labels with their probabilities, and the text."""
    from fflm.config.options import whole_number
    from fflm.text.sources import read_blocks

    if arguments.top is not None:
        whole_number("top", arguments.top, low=1)
    classifier = _load(arguments)
    texts = arguments.texts
    if texts in ([], ["-"]):
        given_text = "".join(read_blocks("-", arguments.encoding))
        texts = given_text.removesuffix("\n").split("\n") if given_text else []
    for text, row in zip(texts, classifier.predict_proba(texts), strict=True):
        best = (-row).argsort(kind="stable")[: arguments.top]
        if arguments.json:
            labels = [{"label": classifier.labels[i], "probability": float(row[i])} for i in best]
            print_json({"text": text, "labels": labels})
        else:
            print_line(*(f"{word(classifier.labels[i])} {row[i]:.4f}" for i in best), word(text))
    return 0


def run_evaluate(arguments: argparse.Namespace) -> int:
    """Print accuracy, macro-F1 and the confusion of labels on labelled texts."""
    from fflm.text import part_of, read_examples

    classifier = _load(arguments)
    source = part_of(arguments.source, "test")
    examples = read_examples(source, arguments.encoding)
    report = classifier.evaluate(examples.texts, examples.labels)
    if arguments.json:
        print_json({"model": arguments.model, "source": source} | report.to_dict())
        return 0
    print_line(f"texts        {source}")
    _print_figures(classifier, "result", report)
    return 0


def _load(arguments: argparse.Namespace) -> TextClassifier:
    from fflm import TextClassifier

    with model_stands_first(arguments):
        return TextClassifier.load(arguments.model, arguments.threads)


def _print_figures(classifier: TextClassifier, name: str, report: ClassificationReport) -> None:
    low, high = 100 * report.accuracy_low, 100 * report.accuracy_high
    print_line(
        f"{name:12} accuracy {100 * report.accuracy:.2f} % (95 % interval {low:.2f} to {high:.2f}), "
        f"macro-F1 {report.macro_f1:.4f}, {report.texts:,} texts"
    )
    print_line("  confusion  rows: true labels; columns: predicted ones, in the same order")
    width = max(len(word(label)) for label in report.labels)
    digits = max(len(f"{number:,}") for row in report.confusion for number in row)
    for label, row in zip(report.labels, report.confusion, strict=True):
        print_line(f"    {word(label):{width}}  " + " ".join(f"{number:>{digits},}" for number in row))
    known = len(classifier.labels)
    for label, row in zip(report.labels[known:], report.confusion[known:], strict=True):
        note(f"the label {word(label)} does not occur in training: its {sum(row):,} texts count as wrong")
