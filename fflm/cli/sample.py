"""The command ``fflm sample``."""

from __future__ import annotations

import argparse

from fflm.cli.flags import MODEL, add_flags, add_threads, given, load_model, text_argument, verb
from fflm.cli.printing import note_unknown, print_json, print_text
from fflm.config import SampleConfig


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb and its flags."""
    parser = verb(
        verbs,
        "sample",
        run,
        "draw continuations of a prompt",
        'fflm sample runs/stdlib --prompt "Return the" --tokens 20 --samples 3',
    )
    parser.add_argument("model", metavar="MODEL", help=MODEL)
    parser.add_argument(
        "--prompt",
        default="",
        metavar="TEXT",
        help="text in quotes to go on from; - for standard input (default: none)",
    )
    parser.add_argument(
        "--special", action="store_true", help="let <unk> and <s> be drawn too; a new word is spelled in place of <unk>"
    )
    add_flags(parser, SampleConfig)
    add_threads(parser)
    parser.set_defaults(quote="prompt")


def run(arguments: argparse.Namespace) -> int:
    """Print each continuation after its prompt."""
    options = given(arguments, SampleConfig)
    SampleConfig(**options)  # refuse bad options before the model is read
    model = load_model(arguments)
    prompt = text_argument(arguments.prompt, "prompt")
    samples = model.sample(prompt, arguments.special, **options)
    note_unknown(model, prompt, "prompt")
    if arguments.json:
        print_json([sample.to_dict() for sample in samples])
    else:
        for sample in samples:
            print_text(model.continued(sample))
    return 0
