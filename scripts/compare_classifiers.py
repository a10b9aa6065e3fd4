"""The text classifier beside TF-IDF and logistic regression, on the same 10 stratified folds of two corpora.

    python scripts/compare_classifiers.py                       # a few minutes; needs the bench extra (scikit-learn)

Each fold's classifier is trained on the other nine. The classifier's options are the defaults, which were chosen by
cross-validation within the training parts of the corpora's own splits; scikit-learn's (sublinear TF-IDF of words cut at
blanks, C = 10) were chosen on these folds. Words/s: those of the training texts over the seconds of a fold, in which
texts are cut into words and learned; for fflm also those of all epochs over the seconds of learning alone.
"""

import argparse
import time

import numpy as np

from fflm import TextClassifier
from fflm.classification.report import wilson
from fflm.text import Examples, folds, read_examples

try:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score
    from sklearn.pipeline import make_pipeline
except ModuleNotFoundError:
    raise SystemExit("this needs scikit-learn: python -m pip install '.[bench]'") from None

CORPORA = ("sentence_polarity", "movie_reviews")
FOLDS, SEED, BUCKETS = 10, 1, 300_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folds", type=int, default=FOLDS, metavar="N")
    parser.add_argument("--corpora", nargs="+", default=CORPORA, choices=CORPORA, metavar="NAME")
    arguments = parser.parse_args()
    if arguments.folds < 2:
        parser.error("--folds must be at least 2")
    columns = "corpus,classifier,features,accuracy,95 % interval,macro-F1,seconds a fold,words/s,of all epochs"
    print("| " + " | ".join(columns.split(",")) + " |")
    print("|---" * 9 + "|")
    for corpus in arguments.corpora:
        examples = read_examples(corpus)
        parts = folds(examples.labels, arguments.folds, SEED)
        for features, pairs in (("words", False), ("words and bigrams", True)):
            for name, contender in (("TF-IDF + logistic regression", logistic), ("fflm", ours)):
                row = [contender(examples, parts != fold, parts == fold, pairs) for fold in range(arguments.folds)]
                accuracies, f1, seconds, words, speed = (np.array(column) for column in zip(*row, strict=True))
                accuracy = accuracies.mean()
                of_epochs = "" if np.isnan(speed).any() else f"{np.median(speed):,.0f}"
                low, high = wilson(float(accuracy), len(examples))
                print(
                    f"| {corpus} | {name} | {features} | {100 * accuracy:.2f} % | {100 * low:.1f} to "
                    f"{100 * high:.1f} | {f1.mean():.4f} | {np.median(seconds):.1f} | "
                    f"{np.median(words / seconds):,.0f} | {of_epochs} |",
                    flush=True,
                )


def ours(examples: Examples, train: np.ndarray, test: np.ndarray, pairs: bool) -> tuple[float, ...]:
    """Accuracy and macro-F1 on the rows `test`; training on the rows `train`: seconds, words, words/s of all epochs."""
    begin = time.perf_counter()
    known, held_out = (examples.take(np.flatnonzero(rows)) for rows in (train, test))
    classifier = TextClassifier(bigrams=BUCKETS if pairs else 0).fit(known.texts, known.labels)
    seconds = time.perf_counter() - begin
    found = classifier.evaluate(held_out.texts, held_out.labels)
    return found.accuracy, found.macro_f1, seconds, classifier.report.words, classifier.report.words_per_second


def logistic(examples: Examples, train: np.ndarray, test: np.ndarray, pairs: bool) -> tuple[float, ...]:
    """The same of scikit-learn's, which has no epochs."""
    begin = time.perf_counter()
    known, held_out = (examples.take(np.flatnonzero(rows)) for rows in (train, test))
    model = make_pipeline(
        TfidfVectorizer(token_pattern=r"\S+", sublinear_tf=True, ngram_range=(1, 2 if pairs else 1)),
        LogisticRegression(C=10.0, max_iter=1000),
    ).fit(known.texts, known.labels)
    seconds = time.perf_counter() - begin
    predicted = model.predict(held_out.texts)
    words = sum(len(text.split()) for text in known.texts)
    accuracy = float(np.mean(predicted == np.array(held_out.labels)))
    return accuracy, float(f1_score(held_out.labels, predicted, average="macro")), seconds, words, np.nan


if __name__ == "__main__":
    main()
