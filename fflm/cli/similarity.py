"""The command ``fflm similarity``."""

from __future__ import annotations

import argparse

from fflm.cli.flags import NETWORK, add_encoding, load_model, verb
from fflm.cli.printing import print_json, print_line, word

SHOWN = 10


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb and its flags."""
    parser = verb(
        verbs,
        "similarity",
        run,
        "compare a model's word vectors with human judgements of similarity (Spearman's rank correlation)",
        "fflm similarity runs/mine wordsim353.tsv",
    )
    parser.add_argument("model", metavar="MODEL", help=NETWORK)
    parser.add_argument(
        "file",
        metavar="FILE",
        help="lines of two words and a number, as in WordSim-353, separated by tabs or commas; - for standard input",
    )
    add_encoding(parser)
    parser.set_defaults(threads=None)


def run(arguments: argparse.Namespace) -> int:
    """Print the rank correlation, over how many pairs, and the words that are unknown."""
    model = load_model(arguments)
    result = model.word_vectors().similarity(arguments.file, arguments.encoding)
    if arguments.json:
        print_json(result.to_dict())
        return 0
    print_line(f"spearman     {result.spearman:.4f}")
    print_line(f"pairs        {result.known:,} of {result.pairs:,} with both words in the vocabulary")
    if unknown := result.unknown_words:
        listed = ", ".join(map(word, unknown[:SHOWN])) + (" ..." if len(unknown) > SHOWN else "")
        print_line(f"unknown      {len(unknown):,} {'word' if len(unknown) == 1 else 'words'}: {listed}")
    return 0
