"""The errors of fflm. Every one of them is a single line that says what is wrong and what to do."""


class FflmError(Exception):
    """Anything fflm refuses to do. The command line prints it as ``fflm: error: ...`` and exits with 1."""


class ConfigError(FflmError, ValueError):
    """An option out of its range, or options that contradict each other."""


class TextError(FflmError):
    """A text, a corpus or a vocabulary that can't be used."""


class ModelFileError(FflmError):
    """A model file or a run folder that is missing, damaged, of another kind or newer than this version."""


class DivergenceError(FflmError, ArithmeticError):
    """Training met a loss that is not a number; the last good model is still on disk."""
