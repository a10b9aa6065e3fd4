"""The command ``fflm export``."""

from __future__ import annotations

import argparse

from fflm.cli.flags import MODEL, add_force, load_model, takes_stdout, verb
from fflm.cli.printing import note, print_json, print_line
from fflm.errors import ConfigError, option_name


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb and its flags."""
    parser = verb(
        verbs,
        "export",
        run,
        "write a model in the format of other tools",
        "fflm export kn5.safetensors --arpa kn5.arpa.gz; or fflm export runs/mine --word2vec mine.vec",
    )
    parser.add_argument("model", metavar="MODEL", help=MODEL)
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument(
        "--arpa",
        metavar="FILE",
        help="write an n-gram model (Kneser-Ney, or read from such a file) as an ARPA file, for KenLM, SRILM ...; "
        "compressed where FILE ends in .gz; - for standard output",
    )
    target.add_argument(
        "--word2vec",
        metavar="FILE",
        help="write a network's word vectors as a word2vec file, for gensim ...; compressed where FILE ends in .gz; "
        "- for standard output",
    )
    parser.add_argument("--binary", action="store_true", help="in word2vec's binary form instead of its text form")
    add_force(parser, "FILE")
    parser.set_defaults(threads=None)


def run(arguments: argparse.Namespace) -> int:
    """Write the file and print its name."""
    from fflm.api.arguments import check_new_file

    if arguments.binary and arguments.word2vec is None:
        raise ConfigError(f"{option_name('binary')} must not be given without {option_name('word2vec')}")
    kind = "word2vec" if arguments.arpa is None else "arpa"
    path = getattr(arguments, kind)
    silent = takes_stdout(arguments, path)
    check_new_file(path, arguments.force)
    model, left_out = load_model(arguments), 0
    if kind == "arpa":
        model.save_arpa(path, arguments.force)
    else:
        left_out = model.save_word2vec(path, arguments.binary, arguments.force)
    if arguments.json:
        print_json({kind: path} | ({"left_out": left_out} if kind == "word2vec" else {}))
    elif not silent:
        print_line(f"{'ARPA file' if kind == 'arpa' else 'vectors':12} {path}")
    if left_out:
        note(f"{left_out:,} words with white space or control characters, which the format can't hold, were left out")
    return 0
