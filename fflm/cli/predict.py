"""The command ``fflm predict``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fflm.cli.flags import MODEL, add_threads, load_model, text_argument, verb
from fflm.cli.printing import note_unknown, print_json, print_line, word

if TYPE_CHECKING:
    from fflm.generation import Prediction


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb and its flags."""
    parser = verb(
        verbs,
        "predict",
        run,
        "print the likeliest next words after a context; of a mixture, also what each part adds to them",
        'fflm predict runs/stdlib "the value of the" --top 5',
    )
    parser.add_argument("model", metavar="MODEL", help=MODEL)
    parser.add_argument(
        "context", metavar="CONTEXT", help="text in quotes, whose last words count; - for standard input"
    )
    parser.add_argument("--top", type=int, default=10, metavar="N", help="how many words (default: 10)")
    add_threads(parser)
    parser.set_defaults(quote="context")


def run(arguments: argparse.Namespace) -> int:
    """Print the likeliest next words, each with its probability."""
    model = load_model(arguments)
    context = text_argument(arguments.context, "context")
    predictions = model.predict(context, arguments.top)
    note_unknown(model, context, "context")
    if arguments.json:
        print_json([prediction.to_dict() for prediction in predictions])
    else:
        for prediction in predictions:
            print_line(f"{prediction.probability:.6f}  {word(prediction.word)}{_parts(prediction)}")
    return 0


def _parts(prediction: Prediction) -> str:
    """Return what the parts of a mixture add, as shares of the probability."""
    if prediction.parts is None:
        return ""
    total = prediction.probability or 1.0
    shares = (f"{name} {100 * value / total:.0f} %" for name, value in prediction.parts.items())
    return "  (" + ", ".join(shares) + ")"
