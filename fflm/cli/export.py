"""fflm export"""

from __future__ import annotations

from fflm.cli.flags import MODEL, load_model, verb
from fflm.cli.printing import print_json


def add(verbs) -> None:
    """The verb and its flags."""
    parser = verb(
        verbs,
        "export",
        run,
        "write a model in the format of other tools",
        "fflm export kn5.safetensors --arpa kn5.arpa",
    )
    parser.add_argument("model", metavar="MODEL", help=MODEL)
    parser.add_argument(
        "--arpa",
        required=True,
        metavar="FILE",
        help="write an n-gram model (Kneser-Ney, or read from such a file) as an ARPA file, for KenLM, SRILM ...",
    )
    parser.set_defaults(threads=None)


def run(arguments) -> int:
    """Open, one library call, print."""
    from fflm.build.common import check_new_file

    check_new_file(arguments.arpa)
    load_model(arguments).save_arpa(arguments.arpa)
    if arguments.json:
        print_json({"arpa": arguments.arpa})
    else:
        print(f"ARPA file    {arguments.arpa}")
    return 0
