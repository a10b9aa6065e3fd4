"""fflm plot-embeddings"""

from __future__ import annotations

from pathlib import Path

from fflm.cli.flags import NETWORK, load_model, verb
from fflm.cli.printing import print_json, visible


def add(verbs) -> None:
    """The verb and its flags."""
    parser = verb(
        verbs,
        "plot-embeddings",
        run,
        "draw a map of the most frequent words, by their vectors",
        "fflm plot-embeddings runs/mine --out map.svg",
    )
    parser.add_argument("model", metavar="MODEL", help=NETWORK)
    parser.add_argument("--out", required=True, metavar="FILE", help="the picture to write: .svg, .png or .pdf")
    parser.add_argument("--words", type=int, default=200, metavar="N", help="how many words (default: 200)")
    parser.set_defaults(threads=None)


def run(arguments) -> int:
    """Open, one library call, print."""
    from fflm.api.arguments import check_new_file
    from fflm.plots.word_map import check_can_draw_maps, embedding_map, picture_format
    from fflm.storage.files import write

    kind = picture_format(arguments.out)
    check_new_file(arguments.out)
    vectors = load_model(arguments).word_vectors()
    check_can_draw_maps()
    words, matrix = vectors.most_frequent(arguments.words)
    write(Path(arguments.out), embedding_map([visible(word) for word in words], matrix, kind))
    if arguments.json:
        print_json({"out": arguments.out, "words": len(words)})
    else:
        print(f"map          {arguments.out}: {len(words):,} words")
    return 0
