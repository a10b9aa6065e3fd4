"""What training ends with."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class TrainReport:
    """The figures of a run.

    Attributes
    ----------
    tokens_per_second : float
        Training only: without reading, validation and saving.
    epochs : float
        Passes over the training text; not whole where training stopped within one.
    steps : int
    seconds : float
        Of this call, everything included.
    valid_perplexity, test_perplexity : float or None
        Of the best model; the test text is read once, at the end (None without one).
    stopped : str
        Why training ended.
    interrupted : bool
        Whether Ctrl-C was pressed.
    """

    out: str | None
    tokens_per_second: float
    epochs: float
    steps: int
    seconds: float
    valid_perplexity: float
    test_perplexity: float | None
    valid: dict
    test: dict | None
    train_tokens: int
    vocab_size: int
    parameters: int
    stopped: str
    interrupted: bool
    notes: tuple[str, ...]

    def to_dict(self) -> dict:
        """The report as plain JSON values."""
        return asdict(self)
