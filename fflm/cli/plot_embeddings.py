"""The command ``fflm plot-embeddings``."""

from __future__ import annotations

import argparse

from fflm.cli.flags import NETWORK, add_force, load_model, takes_stdout, verb
from fflm.cli.printing import print_json, print_line, word


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb and its flags."""
    parser = verb(
        verbs,
        "plot-embeddings",
        run,
        "draw a map of the most frequent words, by their vectors",
        "fflm plot-embeddings runs/mine --out map.svg",
    )
    parser.add_argument("model", metavar="MODEL", help=NETWORK)
    parser.add_argument(
        "--out",
        required=True,
        metavar="FILE",
        help="the picture to write: .svg, .png or .pdf; - for an .svg on standard output",
    )
    add_force(parser, "FILE")
    parser.add_argument("--words", type=int, default=200, metavar="N", help="how many words (default: 200)")
    parser.set_defaults(threads=None)


def run(arguments: argparse.Namespace) -> int:
    """Draw the map and print its name."""
    from fflm.api.arguments import check_new_file
    from fflm.plots.word_map import check_can_draw_maps, embedding_map, picture_format
    from fflm.storage.files import write

    silent = takes_stdout(arguments, arguments.out)
    kind = picture_format("map.svg" if silent else arguments.out)
    check_new_file(arguments.out, arguments.force)
    vectors = load_model(arguments).word_vectors()
    check_can_draw_maps()
    words, matrix = vectors.most_frequent(arguments.words)
    write(arguments.out, embedding_map([word(text) for text in words], matrix, kind))
    if arguments.json:
        print_json({"out": arguments.out, "words": len(words)})
    elif not silent:
        print_line(f"map          {arguments.out}: {len(words):,} words")
    return 0
