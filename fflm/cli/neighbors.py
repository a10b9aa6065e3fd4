"""The command ``fflm neighbors``."""

from __future__ import annotations

import argparse

from fflm.cli.flags import NETWORK, load_model, verb
from fflm.cli.printing import print_json, print_line, print_text, word
from fflm.errors import ConfigError


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb and its flags."""
    parser = verb(
        verbs,
        "neighbors",
        run,
        "print the words whose vectors are nearest to those of others",
        "fflm neighbors runs/mine king queen --top 5; or fflm neighbors runs/mine --analogy king man woman",
    )
    parser.add_argument("model", metavar="MODEL", help=NETWORK)
    parser.add_argument("words", nargs="*", metavar="WORD", help="words of its vocabulary")
    parser.add_argument("--top", type=int, default=10, metavar="N", help="how many neighbors of each (default: 10)")
    parser.add_argument(
        "--analogy",
        nargs=3,
        metavar=("A", "B", "C"),
        help="the words nearest to A - B + C: king man woman asks what is to woman as king is to man",
    )
    parser.set_defaults(threads=None, any_number="words")


def run(arguments: argparse.Namespace) -> int:
    """Print for each word, or for the analogy, the nearest words and the cosines."""
    if not arguments.words and not arguments.analogy:
        raise ConfigError("neighbors needs a WORD, or --analogy and three")
    vectors = load_model(arguments).word_vectors()
    rows = {asked: vectors.neighbors(asked, arguments.top) for asked in arguments.words}
    if arguments.analogy:
        a, b, c = arguments.analogy
        rows[f"{a} - {b} + {c}"] = vectors.analogy(a, b, c, arguments.top)
    if arguments.json:
        print_json([{"of": of, "neighbors": [near.to_dict() for near in nearest]} for of, nearest in rows.items()])
        return 0
    for i, (of, nearest) in enumerate(rows.items()):
        if len(rows) > 1:
            print_text(("\n" if i else "") + word(of))
        for near in nearest:
            print_line(f"{near.cosine:.4f}  {word(near.word)}")
    return 0
