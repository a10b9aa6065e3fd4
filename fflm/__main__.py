"""The command `fflm`, also as ``python -m fflm``.

It is the first of fflm that is loaded, and loads little itself, so that Ctrl-C ends the command in one line from then
on: at once while modules are loaded, because a module half loaded can't be left by an exception; later as
`fflm.cli.main` says.
"""

import os
import signal
import sys

INTERRUPTED = 130  # what a shell reports of a command that Ctrl-C ended


def say_so() -> None:
    """Say on stderr, if there is one, that the command was interrupted."""
    try:
        os.write(2, b"fflm: interrupted\n")
    except OSError:
        pass


def interrupted(number, frame):
    """Answer Ctrl-C: leave at once where modules are being loaded, else raise KeyboardInterrupt."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            say_so()
            os._exit(INTERRUPTED)
        frame = frame.f_back
    raise KeyboardInterrupt


def main() -> int:
    """Run the command that the arguments of the process say; returns its exit status."""
    try:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where Ctrl-C is ignored
            signal.signal(signal.SIGINT, interrupted)
        from fflm.cli.main import main

        return main()
    except KeyboardInterrupt:
        say_so()
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
