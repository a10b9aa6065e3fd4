"""The report of a training run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class TrainReport:
    """The figures of a run.

    Attributes
    ----------
    out : str or None
        The run folder.
    tokens_per_second : float
        Speed of training alone, without reading, validation and saving.
    epochs : float
        Passes over the training text; a fraction where training stopped within one.
    steps : int
        Updates of the parameters, those of earlier calls included.
    seconds : float
        Duration of this call, everything included.
    valid_perplexity, test_perplexity : float or None
        Those of the run's model, the best network mixed with the n-gram model; the test text is read once, at the end
        (None without one).
    valid, test : dict or None
        All that is known of them, as plain JSON values; see `fflm.evaluation.perplexity.Perplexity`.
    parts : dict
        For ``network`` and ``ngram`` the figures of each alone: ``valid`` and ``test`` as above, and ``weight``, the
        mean of its weights over the validation text; for ``ngram`` also ``order``, ``ngrams`` (how many of each
        order) and ``prune`` (the numbers of occurrences up to which they were left out). Empty where `ngram_order` is
        0: the network is the run's model.
    weights : list or None
        Rows of the weights of network and n-gram model: one row, or one for each bucket of context counts.
    train_tokens, vocab_size, parameters : int
        Sizes of the training text, the vocabulary and the network.
    plan : str
        The sizes of the network and of the run, in one line.
    stopped : str
        Why training ended: ``epochs``, ``minutes``, ``early`` (validation stopped improving, schedule `plateau`) or
        ``interrupted``.
    interrupted : bool
        Whether Ctrl-C was pressed, be it in the last step.
    notes : tuple of str
        Notes on the texts, and on the learning rate of a resumed run.
    """

    out: str | None
    tokens_per_second: float
    epochs: float
    steps: int
    seconds: float
    valid_perplexity: float | None
    test_perplexity: float | None
    valid: dict[str, Any]
    test: dict[str, Any] | None
    parts: dict[str, dict[str, Any]]
    weights: list[list[float]] | None
    train_tokens: int
    vocab_size: int
    parameters: int
    plan: str
    stopped: str
    interrupted: bool
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return asdict(self)
