"""fflm export"""

from __future__ import annotations

from fflm.cli.flags import MODEL, load_model, verb
from fflm.cli.printing import note, print_json
from fflm.errors import ConfigError


def add(verbs) -> None:
    """The verb and its flags."""
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
        "compressed where FILE ends in .gz",
    )
    target.add_argument(
        "--word2vec",
        metavar="FILE",
        help="write a network's word vectors as a word2vec file, for gensim ...; compressed where FILE ends in .gz",
    )
    parser.add_argument("--binary", action="store_true", help="in word2vec's binary form instead of its text form")
    parser.set_defaults(threads=None)


def run(arguments) -> int:
    """Open, one library call, print."""
    from fflm.api.arguments import check_new_file

    if arguments.binary and arguments.word2vec is None:
        raise ConfigError("binary must not be given without word2vec")
    kind = "word2vec" if arguments.arpa is None else "arpa"
    path = getattr(arguments, kind)
    check_new_file(path)
    model, left_out = load_model(arguments), 0
    if kind == "arpa":
        model.save_arpa(path)
    else:
        left_out = model.save_word2vec(path, arguments.binary)
    if arguments.json:
        print_json({kind: path} | ({"left_out": left_out} if kind == "word2vec" else {}))
    else:
        print(f"{'ARPA file' if kind == 'arpa' else 'vectors':12} {path}")
    if left_out:
        note(f"{left_out:,} words with white space or control characters, which the format can't hold, were left out")
    return 0
