"""fflm sample"""

from __future__ import annotations

from fflm.cli.flags import MODEL, add_flags, given, load_model, threads, verb
from fflm.cli.printing import note_unknown, print_json
from fflm.config import SampleConfig


def add(verbs) -> None:
    """The verb and its flags."""
    parser = verb(
        verbs,
        "sample",
        run,
        "draw continuations of a prompt",
        'fflm sample runs/stdlib --prompt "Return the" --tokens 20 --samples 3',
    )
    parser.add_argument("model", metavar="MODEL", help=MODEL)
    parser.add_argument("--prompt", default="", metavar="TEXT", help="text to go on from (default: none)")
    parser.add_argument("--special", action="store_true", help="let <unk> and <s> be drawn too")
    add_flags(parser, SampleConfig)
    threads(parser)


def run(arguments) -> int:
    """Open, one library call, print."""
    options = given(arguments, SampleConfig)
    SampleConfig(**options)  # refuse bad options before the model is read
    model = load_model(arguments)
    samples = model.sample(arguments.prompt, arguments.special, **options)
    note_unknown(model, arguments.prompt, "prompt")
    if arguments.json:
        print_json([sample.to_dict() for sample in samples])
    else:
        for sample in samples:
            print(model.continued(sample))
    return 0
