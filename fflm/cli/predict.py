"""fflm predict"""

from __future__ import annotations

from fflm.cli.flags import MODEL, load_model, threads, verb
from fflm.cli.printing import note_unknown, print_json, visible


def add(verbs) -> None:
    """The verb and its flags."""
    parser = verb(
        verbs,
        "predict",
        run,
        "the likeliest next words after a context; of a mixture, also what each part adds to them",
        'fflm predict runs/stdlib "the value of the" --top 5',
    )
    parser.add_argument("model", metavar="MODEL", help=MODEL)
    parser.add_argument("context", metavar="CONTEXT", help="text; its last words count")
    parser.add_argument("--top", type=int, default=10, metavar="N", help="how many words (default: 10)")
    threads(parser)


def run(arguments) -> int:
    """Open, one library call, print."""
    model = load_model(arguments)
    predictions = model.predict(arguments.context, arguments.top)
    note_unknown(model, arguments.context, "context")
    if arguments.json:
        print_json([prediction.to_dict() for prediction in predictions])
    else:
        for prediction in predictions:
            print(f"{prediction.probability:.6f}  {visible(prediction.word)}{_parts(prediction)}")
    return 0


def _parts(prediction) -> str:
    """What the parts of a mixture add, as shares of the probability."""
    if prediction.parts is None:
        return ""
    whole = prediction.probability or 1.0
    shares = (f"{name} {100 * value / whole:.0f} %" for name, value in prediction.parts.items())
    return "  (" + ", ".join(shares) + ")"
