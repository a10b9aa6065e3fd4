"""The errors of fflm, each a single line that says what is wrong and what to do; and how Ctrl-C ends a training."""


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


class LossError(DivergenceError):
    """The loss of a training step is no finite number; it names the step and its learning rate."""


class PerplexityError(FflmError, ArithmeticError):
    """A perplexity that is undefined, because a probability is 0 or no number, or too large for a number."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C ended a training, and everything has been saved: the same call with ``resume=True`` goes on.

    It is a `KeyboardInterrupt`, not an `FflmError`: a loop over several trainings ends, unless it catches either.

    Attributes
    ----------
    model : Model
        The best model so far, evaluated as at the end of any training; its `report` says how far training came.
    """

    def __init__(self, message: str, model):
        super().__init__(message)
        self.model = model

    @property
    def report(self):
        """The figures of the run, those of ``model.report``."""
        return self.model.report
