"""The command ``fflm export``."""

from __future__ import annotations

import argparse
import gzip
from typing import TYPE_CHECKING, Any

from fflm.cli.flags import MODEL, SOURCE, add_encoding, add_flags, add_force, given, load_model, takes_stdout, verb
from fflm.cli.printing import note, print_json, print_line
from fflm.config import ApproximationConfig
from fflm.errors import ConfigError, option_name

if TYPE_CHECKING:
    from fflm.api.model import Model

LABELS = {"arpa": "ARPA file", "word2vec": "vectors", "combined": "word list", "npz": "arrays"}


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb and its flags."""
    parser = verb(
        verbs,
        "export",
        run,
        "write a model in the format of other tools",
        "fflm export kn5.safetensors --arpa kn5.arpa.gz; or fflm export runs/mine --word2vec mine.vec; or "
        "fflm export runs/mine --arpa mine.arpa --source text.txt --test test.txt; or "
        "fflm export runs/mine --combined en_wordlist.combined --locale en --bigrams 3",
    )
    parser.add_argument("model", metavar="MODEL", help=MODEL)
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument(
        "--arpa",
        metavar="FILE",
        help="write an n-gram model (Kneser-Ney, or read from such a file) as an ARPA file, for KenLM, SRILM ..., or, "
        "with --source, the n-gram model closest to any model; compressed where FILE ends in .gz; - for stdout",
    )
    target.add_argument(
        "--word2vec",
        metavar="FILE",
        help="write a network's word vectors as a word2vec file, for gensim ...; compressed where FILE ends in .gz; "
        "- for standard output",
    )
    target.add_argument(
        "--combined",
        metavar="FILE",
        help="write the words as a .combined list, from which Android keyboards make a dictionary; compressed where "
        "FILE ends in .gz; - for standard output",
    )
    target.add_argument(
        "--npz",
        metavar="FILE",
        help="write a network's arrays by name, and its words, as a file of NumPy; - for standard output",
    )
    parser.add_argument("--binary", action="store_true", help="in word2vec's binary form instead of its text form")
    group = parser.add_argument_group("an ARPA file of a network or a mixture")
    group.add_argument(
        "--source",
        metavar="SOURCE",
        nargs="+",
        help=f"the text whose n-grams get the model's probabilities, best the training text: {SOURCE}",
    )
    add_flags(group, ApproximationConfig)
    group.add_argument("--test", metavar="SOURCE", nargs="+", help="a text on which to say what is lost: perplexities")
    group = parser.add_argument_group("a .combined list")
    group.add_argument("--locale", default="en", metavar="NAME", help="language of the keyboard (default: en)")
    group.add_argument(
        "--bigrams", type=int, default=0, metavar="N", help="likeliest following words for each word (default: 0)"
    )
    add_encoding(parser)
    add_force(parser, "FILE")
    parser.set_defaults(threads=None)


def run(arguments: argparse.Namespace) -> int:
    """Write the file and print its name."""
    from fflm.api.arguments import check_new_file

    kind = next(kind for kind in LABELS if getattr(arguments, kind) is not None)
    _check(arguments, kind)
    path = getattr(arguments, kind)
    silent = takes_stdout(arguments, path)
    check_new_file(path, arguments.force)
    model = load_model(arguments)
    report: dict[str, Any] = {}
    if kind == "arpa":
        if arguments.source is not None:
            model, report = _approximation(model, arguments)
        model.save_arpa(path, arguments.force)
    elif kind == "word2vec":
        report = {"left_out": model.save_word2vec(path, arguments.binary, arguments.force)}
    elif kind == "npz":
        model.save_npz(path, arguments.force)
    else:
        _save_combined(model, arguments)
    if arguments.json:
        print_json({kind: path} | report)
    elif not silent:
        print_line(f"{LABELS[kind]:12} {path}")
        _print_losses(report)
    if kind == "arpa" and model.lm.tokenizer.config.boundary == "stream" and arguments.source is not None:
        note(
            "the model predicts no ends of sentences (boundary stream); KenLM and others count </s>, which is all but "
            "impossible here: train with --boundary line for them, or leave it out (eos=False)"
        )
    if report.get("left_out"):
        note(
            f"{report['left_out']:,} words with white space or control characters, which the format can't hold, were "
            "left out"
        )
    return 0


def _check(arguments: argparse.Namespace, kind: str) -> None:
    """Refuse options that have no meaning for a kind of file."""
    belong = {
        "binary": ("word2vec", arguments.binary),
        "source": ("arpa", arguments.source is not None),
        "locale": ("combined", arguments.locale != "en"),
        "bigrams": ("combined", arguments.bigrams != 0),
    }
    for name, (owner, is_given) in belong.items():
        if is_given and kind != owner:
            raise ConfigError(f"{option_name(name)} must not be given without {option_name(owner)}")
    for name in [*given(arguments, ApproximationConfig), *(["test"] if arguments.test is not None else [])]:
        if arguments.source is None:
            raise ConfigError(f"{option_name(name)} must not be given without {option_name('source')}")
    if arguments.bigrams < 0:
        raise ConfigError(f"{option_name('bigrams')} must be at least 0, got {arguments.bigrams}")


def _approximation(model: Model, arguments: argparse.Namespace) -> tuple[Model, dict[str, Any]]:
    """Return the n-gram model closest to a model, and what it loses in perplexity on a text."""
    from fflm.lm.ngram.arpa.writing import check_words
    from fflm.text.sources import given_as

    check_words(model.lm.vocabulary)
    options = given(arguments, ApproximationConfig)
    with given_as("source"):
        closest = model.approximate(*arguments.source, encoding=arguments.encoding, **options)
    report: dict[str, Any] = {"ngrams": closest.lm.describe()["ngrams"], "text": None}
    texts = arguments.test or (None if "-" in arguments.source else arguments.source)
    if texts is not None:
        before, after = (
            one.perplexity(*texts, encoding=arguments.encoding).to_dict()["perplexity"] for one in (model, closest)
        )
        report |= {"text": ", ".join(texts), "held_out": arguments.test is not None}
        report |= {"perplexity": before, "perplexity_of_the_file": after}
    return closest, report


def _print_losses(report: dict[str, Any]) -> None:
    if "ngrams" in report:
        print_line(f"{'n-grams':12} {', '.join(f'{size:,}' for size in report['ngrams'])} of 1, 2 ... words")
    if report.get("text") is not None:
        before, after = report["perplexity"], report["perplexity_of_the_file"]
        figures = "undefined" if None in (before, after) else f"{before:.2f} of the model, {after:.2f} of the file"
        if None not in (before, after):
            figures += f" ({100 * (after / before - 1):+.1f} %)"
        print_line(f"{'perplexity':12} {figures}, on {report['text']}")
        if not report["held_out"]:
            note("that is the text of the n-grams; name another one with --test to see the loss on text not seen")


def _save_combined(model: Model, arguments: argparse.Namespace) -> None:
    from fflm.compat.aosp import combined_lines
    from fflm.storage.files import write

    lines = combined_lines(model.lm, arguments.locale, arguments.bigrams)
    content = "".join(lines).encode("utf-8", "surrogatepass")
    path = arguments.combined
    write(path, gzip.compress(content, mtime=0) if path.endswith(".gz") else content)
