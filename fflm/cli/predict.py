"""The command ``fflm predict``."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from fflm.cli.flags import MODEL, add_threads, load_model, text_argument, verb
from fflm.cli.printing import note_unknown, print_json, print_line, word
from fflm.errors import ConfigError, FflmError, option_name

if TYPE_CHECKING:
    from fflm.api.model import Model
    from fflm.generation import Prediction, Predictor


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb and its flags."""
    parser = verb(
        verbs,
        "predict",
        run,
        "print the likeliest next words after a context; of a mixture, also what each part adds to them",
        'fflm predict runs/stdlib "the value of the" --top 5; or fflm predict runs/stdlib "the " --prefix wo',
    )
    parser.add_argument("model", metavar="MODEL", help=MODEL)
    parser.add_argument(
        "context", metavar="CONTEXT", help="text in quotes, whose last words count; - for standard input"
    )
    parser.add_argument("--top", type=int, default=10, metavar="N", help="how many words (default: 10)")
    parser.add_argument(
        "--prefix",
        default="",
        metavar="LETTERS",
        help="the beginning of the next word: print words that begin so, with their probability among all words, and "
        "their share: the probability among those that begin so",
    )
    parser.add_argument("--special", action="store_true", help="let <unk> and <s> be among the words")
    parser.add_argument(
        "--batch",
        action="store_true",
        help="with - for CONTEXT: each line of standard input is a context, perhaps with a tab and the beginning of "
        "the next word behind it; a line of JSON in UTF-8 answers each at once",
    )
    add_threads(parser)
    parser.set_defaults(quote="context")


def run(arguments: argparse.Namespace) -> int:
    """Print the likeliest next words, each with its probability."""
    if arguments.batch and arguments.context != "-":
        raise ConfigError(f"{option_name('context')} must be - with {option_name('batch')}: contexts are read there")
    model = load_model(arguments)
    if arguments.batch:
        return _batch(model, arguments)
    context = text_argument(arguments.context, "context")
    predictions = model.predict(context, arguments.top, arguments.prefix, arguments.special)
    note_unknown(model, context, "context")
    if arguments.json:
        print_json([prediction.to_dict() for prediction in predictions])
    else:
        for prediction in predictions:
            print_line(f"{prediction.probability:.6f}  {word(prediction.word)}{_parts(prediction)}")
    return 0


def _parts(prediction: Prediction) -> str:
    """Return the share of a completion, and what the parts of a mixture add, as shares of the probability."""
    share = "" if prediction.share is None else f"  {100 * prediction.share:.1f} % of these"
    if prediction.parts is None:
        return share
    total = prediction.probability or 1.0
    shares = (f"{name} {100 * value / total:.0f} %" for name, value in prediction.parts.items())
    return share + "  (" + ", ".join(shares) + ")"


def _batch(model: Model, arguments: argparse.Namespace) -> int:
    """Answer each line of standard input by a line of JSON; one that can't be answered by what is wrong with it."""
    from fflm.config.options import whole_number
    from fflm.storage.files import standard_input

    whole_number("top", arguments.top, low=1)
    lines = standard_input()
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8")
    with model.predictor() as predictor:
        while line := lines.readline():
            print(json.dumps(_answer(predictor, line, arguments), ensure_ascii=False), flush=True)
    return 0


def _answer(predictor: Predictor, line: bytes, arguments: argparse.Namespace) -> dict[str, Any]:
    try:
        text = line.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        return {"error": f"the line must be UTF-8, got an invalid byte at offset {error.start}"}
    context, _, prefix = text.partition("\t")
    prefix = prefix or arguments.prefix
    asked = {"context": context} | ({"prefix": prefix} if prefix else {})
    try:
        predictions = predictor(context, arguments.top, prefix, arguments.special)
    except FflmError as error:
        return asked | {"error": str(error)}
    return asked | {"predictions": [prediction.to_dict() for prediction in predictions]}
