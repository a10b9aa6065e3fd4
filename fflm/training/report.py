"""The report of a training run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from fflm import html


@dataclass(frozen=True, repr=False)
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
    history : tuple of dict
        The learning curve: for each validation the step, the epoch, the losses, the validation perplexity, the learning
        rate, the speed and the seconds, as in ``log.jsonl``; `pandas.DataFrame` takes it.
    learning_rate, weight_decay : float
        Those that took effect: given, planned or the update rule's own. The rate is that of the first step.
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
    history: tuple[dict[str, Any], ...] = ()
    learning_rate: float = 0.0
    weight_decay: float = 0.0

    def __repr__(self) -> str:
        """Say the figures in a line."""
        test = "" if self.test_perplexity is None else f", test {self.test_perplexity:.2f}"
        return (
            f"TrainReport(validation {self.valid_perplexity:.2f}{test}, {self.epochs:.4g} epochs of "
            f"{self.train_tokens:,} tokens, {self.seconds:.1f} s)"
        )

    def _repr_html_(self) -> str:
        figures: dict[str, object] = {"plan": self.plan, "vocabulary": f"{self.vocab_size:,} words"}
        figures |= {
            "training": f"{self.epochs:.4g} epochs of {self.train_tokens:,} tokens, {self.seconds:.1f} s",
            "parameters": f"{self.parameters:,}",
        }
        names = ["", "perplexity", "95 % interval", "unknown words"]
        rows = [
            (
                label,
                f"{part['perplexity']:,.2f}",
                f"{part['perplexity_low']:,.2f} to {part['perplexity_high']:,.2f}",
                f"{100 * part['oov_rate']:.2f} %",
            )
            for label, part in self._parts()
            if part is not None and part["perplexity"] is not None
        ]
        drawn = html.curve(self._points(), "epoch", "validation perplexity")
        return html.box(html.title("Training"), html.facts(figures), html.table(names, rows), drawn)

    def plot(self) -> html.Picture:
        """Draw the learning curve: the validation perplexity by the epoch.

        Examples
        --------
        >>> import fflm
        >>> model = fflm.train("text.txt", hidden_dims=8, epochs=2, quiet=True)
        >>> model.report.plot()
        <learning curve; a notebook shows it, .save(path) writes it>
        """
        return html.Picture(html.curve(self._points(), "epoch", "validation perplexity"), "learning curve")

    def _points(self) -> list[tuple[float, float]]:
        return [(row["epochs"], row["valid_perplexity"]) for row in self.history]

    def _parts(self) -> Iterator[tuple[str, dict[str, Any] | None]]:
        for name in ("valid", "test"):
            label = "validation" if name == "valid" else name
            yield label, getattr(self, name)
            for part, figures in self.parts.items():
                yield f"{label}, {'n-gram model' if part == 'ngram' else part} alone", figures[name]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return asdict(self)


#: Tokens from which on a text is not called small.
SMALL = 100_000


def note_on_small_text(tokens: int, steps: int, parts: dict[str, dict[str, Any]]) -> str | None:
    """Say where a text is too small for a network: where the n-gram model alone is better than the network alone.

    Examples
    --------
    >>> parts = {"network": {"valid": {"perplexity": 300.0}}, "ngram": {"valid": {"perplexity": 200.0}}}
    >>> note_on_small_text(1_000, 50, parts)[:63]
    'the training text is small, 1,000 tokens, which makes 50 steps:'
    >>> note_on_small_text(1_000_000, 50, parts), note_on_small_text(1_000, 50, {})
    (None, None)
    """
    if tokens >= SMALL or not parts:
        return None
    network, ngram = (parts[name]["valid"]["perplexity"] for name in ("network", "ngram"))
    if network is None or ngram is None or network <= ngram:
        return None
    plural = "" if steps == 1 else "s"
    return (
        f"the training text is small, {tokens:,} tokens, which makes {steps:,} step{plural}: the n-gram model alone "
        f"(validation {ngram:.1f}) does better than the network alone ({network:.1f}); more text would help more than "
        "more training"
    )
