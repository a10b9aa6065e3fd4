"""Flags: those made from the configuration dataclasses, so that a new option is written down once, and shared ones."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import Field, fields
from typing import TYPE_CHECKING, Any

from fflm.config import Checked, DynamicConfig, NeuralCacheConfig, RecordsConfig
from fflm.errors import ConfigError, ModelFileError, option_name, shown

if TYPE_CHECKING:
    from fflm.api.model import Model

SOURCE = (
    "a text file (also .gz, .bz2, .xz), a folder of such files and .txt, - for standard input, or a named corpus: "
    "stdlib, brown, gutenberg, state_union, inaugural, with :train, :valid or :test for one of its splits"
)
MODEL = "a run folder, a model file, an ARPA file of n-grams, or - for standard input"
NETWORK = "a network, or a mixture with one: a run folder, a model file, or - for standard input"

#: The function that carries out a command: it takes the parsed arguments and returns the exit status.
Run = Callable[[argparse.Namespace], int]


def verb(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser], name: str, run: Run, summary: str, example: str
) -> argparse.ArgumentParser:
    """Make the parser of one verb, with what all verbs have.

    Parameters
    ----------
    verbs
        The group of parsers that it joins.
    name : str
    run : callable
        The function that carries it out, of the parsed arguments; returns the exit status.
    summary : str
        What it does, in the imperative, without a capital and a full stop.
    example : str
        A command line that works.
    """
    parser = verbs.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:].replace("%%", "%") + ".",
        epilog="Example: " + example,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run, parser=parser)
    parser.add_argument("--json", action="store_true", help="print JSON, for machines")
    parser.add_argument("--quiet", action="store_true", help="print nothing on stderr but an error")
    return parser


def _one_of_several(convert: Callable[[str], Any]) -> Callable[[str], Any]:
    """Read one of the numbers that a flag takes; who writes commas between them is told how they stand."""

    def read(text: str) -> Any:
        if "," in text:
            raise argparse.ArgumentTypeError(f"several numbers stand with blanks between them, got {shown(text)}")
        return convert(text)

    read.__name__ = convert.__name__  # argparse names it in its errors
    return read


_CONVERTERS: dict[str, Callable[[str], Any]] = {
    **{"int": int, "float": float},
    **{"tuple[int, ...]": _one_of_several(int), "tuple[float, ...]": _one_of_several(float)},
}


def add_flags(
    parser: argparse._ActionsContainer, kind: type[Checked], title: str | None = None, leave_out: Sequence[str] = ()
) -> None:
    """Add one flag for each field of `kind`; one that is not given leaves no trace: defaults stay in one place."""
    group = parser.add_argument_group(title) if title else parser
    for item in fields(kind):
        if item.name in leave_out:
            continue
        flag = "--" + item.name.replace("_", "-")
        type_name = item.type.removesuffix(" | None")
        if type_name == "bool" and item.metadata["planned"]:
            group.add_argument(
                flag,
                action=argparse.BooleanOptionalAction,
                default=argparse.SUPPRESS,
                help=item.metadata["help"] + _default(item),
            )
            continue
        if type_name == "bool":
            group.add_argument(flag, action="store_true", default=argparse.SUPPRESS, help=item.metadata["help"])
            continue
        choices = item.metadata["choices"]
        group.add_argument(
            flag,
            default=argparse.SUPPRESS,
            type=_CONVERTERS.get(type_name, str),
            nargs="+" if type_name.startswith("tuple") else None,
            metavar="{" + ",".join(choices) + "}" if choices else item.metadata["metavar"],
            help=item.metadata["help"] + _default(item),
        )


def _default(item: Field[Any]) -> str:
    if item.metadata["planned"]:
        return " (default: what suits text and time)"
    if item.default is None:
        return ""
    value = (" ".join(map(str, item.default)) or "none") if isinstance(item.default, tuple) else item.default
    return f" (default: {value})"


def given(arguments: argparse.Namespace, *kinds: type[Checked]) -> dict[str, Any]:
    """Return the options of `kinds` that were given on the command line."""
    names = [item.name for kind in kinds for item in fields(kind)]
    return {name: getattr(arguments, name) for name in names if hasattr(arguments, name)}


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Add the flag of the verbs that run a model."""
    parser.add_argument("--threads", type=int, metavar="N", help="worker threads (default: every core)")


def add_encoding(parser: argparse.ArgumentParser) -> None:
    """Add the flag of the verbs that read text."""
    parser.add_argument(
        "--encoding", default="utf-8", metavar="NAME", help="character encoding of the text files (default: utf-8)"
    )


def add_records(parser: argparse._ActionsContainer) -> None:
    """Add the flags of the verbs that read many texts from one file (`RecordsConfig`)."""
    about = {item.name: item.metadata["help"] for item in fields(RecordsConfig)}
    choices = next(item.metadata["choices"] for item in fields(RecordsConfig) if item.name == "format")
    parser.add_argument(
        "--format", default=argparse.SUPPRESS, metavar="{" + ",".join(choices) + "}", help=about["format"]
    )
    parser.add_argument(
        "--field", "--column", dest="column", default=argparse.SUPPRESS, metavar="NAME", help=about["column"]
    )
    parser.add_argument("--by", "--id", dest="id", default=argparse.SUPPRESS, metavar="NAME", help=about["id"])


def add_adaptation(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verbs that let a model follow the text that it reads."""
    title = "adaptation to the text, with a copy of the model (no word counts before it is scored)"
    group = parser.add_argument_group(title)
    add_flags(group, DynamicConfig)
    add_flags(group, NeuralCacheConfig)


def adaptation(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the options of adaptation that were given on the command line."""
    return given(arguments, DynamicConfig, NeuralCacheConfig)


def as_flags(options: dict[str, Any]) -> str:
    """Return options as they stand on the command line.

    Examples
    --------
    >>> as_flags({"dynamic": True, "dynamic_rate": 0.2})
    '--dynamic --dynamic-rate 0.2'
    """
    return " ".join(
        "--" + name.replace("_", "-") + ("" if value is True else f" {value}") for name, value in options.items()
    )


def add_force(parser: argparse.ArgumentParser, what: str = "the file to write") -> None:
    """Add the flag of the verbs that write a file."""
    parser.add_argument("--force", action="store_true", help=f"replace {what} if it exists")


def flag_names(parser: argparse.ArgumentParser) -> dict[str, str]:
    """Return what each argument of a verb is called on the command line, by its name in Python."""
    return {
        action.dest: action.option_strings[-1] if action.option_strings else str(action.metavar)
        for action in parser._actions
    }


def load_model(arguments: argparse.Namespace) -> Model:
    """Return the language model that the arguments name, as a `Model`.

    Raises
    ------
    ModelFileError
        If the file holds no language model.
    """
    from fflm.api.model import Model, language_model

    with model_stands_first(arguments):
        return Model(language_model(arguments.model, arguments.threads))


@contextmanager
def model_stands_first(arguments: argparse.Namespace) -> Iterator[None]:
    """Say of a model that can't be opened where another argument is one: they stand the wrong way round."""
    try:
        yield
    except ModelFileError as error:
        if swapped := _swapped(arguments):
            raise ModelFileError(f"{error}; {shown(swapped)} is a model: MODEL stands first") from error
        raise


def _swapped(arguments: argparse.Namespace) -> str | None:
    """Return the argument that is a model, where MODEL is none."""
    from fflm.model_file import is_model

    others = (getattr(arguments, name, None) for name in ("sources", "source", "context", "words", "texts", "file"))
    values = [value for other in others for value in (other if isinstance(other, list) else [other])]
    if is_model(arguments.model):
        return None
    return next((value for value in values if isinstance(value, str) and value != "-" and is_model(value)), None)


def text_argument(value: str, name: str) -> str:
    """Return the text that an argument means: itself, or for ``-`` standard input without its last line end."""
    if value != "-":
        return value
    from fflm.text.sources import read_blocks

    text = "".join(read_blocks("-"))
    if not text:
        raise ConfigError(f"{option_name(name)} must be a text, got an empty standard input")
    return text.removesuffix("\n")


def takes_stdout(arguments: argparse.Namespace, path: str | None) -> bool:
    """Tell whether the file at `path` goes to standard output, so that the report does not.

    Raises
    ------
    ConfigError
        If JSON is to go there too.
    """
    from fflm.storage.files import is_standard_output

    if not is_standard_output(path):
        return False
    if arguments.json:
        raise ConfigError(f"{option_name('json')} must not be given where a file is written to standard output")
    return True
