"""The command ``fflm repl``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from types import ModuleType
from typing import TYPE_CHECKING

from fflm.cli.flags import MODEL, add_threads, load_model, verb
from fflm.cli.printing import note, print_json, print_line, word
from fflm.errors import FflmError

if TYPE_CHECKING:
    from fflm.generation import Predictor

PROMPT = "> "
#: Where a word begins when one types: the completion replaces what stands behind the last of these.
BLANKS = ' \t\n"()[]{},;:!?'


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb and its flags."""
    parser = verb(
        verbs,
        "repl",
        run,
        "type text and see the next words: the tab key completes a word or shows the likeliest, each line is answered",
        "fflm repl runs/stdlib --top 5",
    )
    parser.add_argument("model", metavar="MODEL", help=MODEL)
    parser.add_argument("--top", type=int, default=8, metavar="N", help="how many words (default: 8)")
    parser.add_argument("--special", action="store_true", help="let <unk> and <s> be among the words")
    add_threads(parser)


def run(arguments: argparse.Namespace) -> int:
    """Answer each line that is typed, until the end of the input, with the likeliest next words."""
    from fflm.config.options import whole_number

    whole_number("top", arguments.top, low=1)
    with load_model(arguments).predictor() as predictor:
        for line in _lines(predictor, arguments):
            try:
                found = predictor(line, arguments.top, special=arguments.special)
            except FflmError as error:
                note(str(error))
                continue
            if arguments.json:
                print_json({"context": line, "predictions": [prediction.to_dict() for prediction in found]})
            else:
                print_line("   ".join(f"{word(p.word)} {p.probability:.4f}" for p in found))
            sys.stdout.flush()
    return 0


def _lines(predictor: Predictor, arguments: argparse.Namespace) -> Iterator[str]:
    """Yield the lines that are typed, with completion, or those of standard input."""
    if sys.stdin is None or not sys.stdin.isatty():
        from fflm.storage.files import standard_input

        for line in standard_input():
            yield line.decode("utf-8", "replace").rstrip("\r\n")
        return
    try:
        import readline
    except ImportError:  # Python without readline, as on Windows
        note("no completion while typing: this Python has no readline")
    else:
        _complete_with(readline, Completer(predictor, readline, arguments.top, arguments.special))
        note("the tab key completes a word, or shows the likeliest next ones; Ctrl-D ends")
    with suppress(EOFError):
        while True:
            yield input(PROMPT)
    print()


class Completer:
    """What readline asks when the tab key is pressed."""

    def __init__(self, predictor: Predictor, readline: ModuleType, top: int, special: bool):
        self._predictor, self._readline, self._top, self._special = predictor, readline, top, special
        self._words: list[str] = []

    def __call__(self, text: str, number: int) -> str | None:
        """Return one of the completions of `text`, the word in front of the cursor; None when there are no more."""
        if number == 0:
            before = self._readline.get_line_buffer()[: self._readline.get_begidx()]
            try:
                found = self._predictor(before, self._top, text, self._special)
            except FflmError:
                found = []
            self._words = [prediction.word for prediction in found]
        return self._words[number] + " " if number < len(self._words) else None

    def show(self, text: str, matches: Sequence[str], longest: int) -> None:
        """Print the completions, the likeliest first, and what was typed under them."""
        line = "   ".join(map(word, self._words))
        sys.stdout.write(f"\n{line}\n{PROMPT}{self._readline.get_line_buffer()}")
        sys.stdout.flush()


def _complete_with(readline: ModuleType, completer: Completer) -> None:
    readline.set_completer(completer)
    readline.set_completer_delims(BLANKS)
    if hasattr(readline, "set_completion_display_matches_hook"):
        readline.set_completion_display_matches_hook(completer.show)
    libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if libedit else "tab: complete")
