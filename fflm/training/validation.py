"""Validation during training: perplexity, the log, and the best model so far."""

from __future__ import annotations

import numpy as np

from fflm.config import SampleConfig
from fflm.errors import FflmError
from fflm.evaluation.perplexity import Evaluation, Perplexity, evaluate_tokens
from fflm.generation import prompts, sample
from fflm.lm import NeuralLanguageModel
from fflm.runtime.progress import Bar, say
from fflm.text import TokenStream
from fflm.training.run_folder import RunFolder
from fflm.training.schedule import Schedule
from fflm.training.state import TrainingState

MOST_TOKENS = 30_000  # of the validation text that are evaluated during training; the whole of it at the end
STRETCHES = 10
SAMPLE = SampleConfig(tokens=16, temperature=0.7)


def part_of(text: TokenStream) -> TokenStream:
    """Select whole units of up to about `MOST_TOKENS` tokens from a long text, in stretches spread evenly over it.

    Examples
    --------
    >>> text = TokenStream(np.zeros(200_000, np.int32), np.arange(0, 200_001, 1000), 1_000_000, "a.txt")
    >>> len(part_of(text)), part_of(text).breaks.tolist()[:2]
    (30000, [3000, 6000])
    """
    if len(text) <= 1.5 * MOST_TOKENS:
        return text
    chosen = np.zeros(len(text.unit_starts) - 1, bool)
    for begin in np.arange(STRETCHES) * len(text) // STRETCHES:
        first = np.searchsorted(text.unit_starts, begin)
        last = np.searchsorted(text.unit_starts, begin + MOST_TOKENS // STRETCHES)
        chosen[first : max(last, first + 1)] = True
    share = float(np.diff(text.unit_starts)[chosen].sum()) / len(text)
    return text.select(chosen, int(text.characters * share))


class Validation:
    """The evaluation of a model in training, which keeps the best parameters so far.

    Parameters
    ----------
    model : NeuralLanguageModel
        Its parameters are those of `state`.
    text : TokenStream
        The validation text; a part of it is evaluated during training if it is long (see `part_of`).
    state : TrainingState
        Gets a record in its log, the best parameters and the number of failures.
    schedule : Schedule
        Is told of failures.
    folder : RunFolder
        Gets the model file of each best model.
    train_tokens : int
        Tokens of one epoch.
    quiet : bool
        Whether to say nothing on stderr.

    Attributes
    ----------
    text : TokenStream
        What is evaluated during training.
    is_whole : bool
        Whether that is the whole validation text.
    best : Evaluation or None
        The evaluation of the best parameters; None before the first validation of this call.
    """

    def __init__(
        self,
        model: NeuralLanguageModel,
        text: TokenStream,
        state: TrainingState,
        schedule: Schedule,
        folder: RunFolder,
        train_tokens: int,
        quiet: bool,
    ):
        self.model, self.text, self.state, self.schedule = model, part_of(text), state, schedule
        self.is_whole = self.text is text
        self.folder, self.train_tokens, self.quiet = folder, train_tokens, quiet
        self.best: Evaluation | None = None

    def run(self) -> Perplexity:
        """Validate the model as it is now, and start a new stretch of training loss.

        Raises
        ------
        PerplexityError
            If a probability is no number.
        """
        position = self.state.position
        evaluation = self.evaluate(self.text, "validation")
        report = evaluation.report
        nats = report.cross_entropy_nats
        assert nats is not None  # no softmax gives a word probability 0
        better = nats < position.best
        self._record(report, better)
        position.forget_losses()
        if better:
            position.best, position.failures, self.best = nats, 0, evaluation
            self.state.keep_best()
            self.save_best()
        else:
            position.failures += 1
            self.schedule.failed(position)
        return report

    def evaluate(self, text: TokenStream, label: str) -> Evaluation:
        """Evaluate the model as it is now on any text, with a bar on stderr."""
        with Bar(len(text), label, not self.quiet) as bar:
            return evaluate_tokens(self.model, text, bar.advance)

    def save_best(self) -> None:
        """Write the model file of the best parameters."""
        self.folder.save_network(self.model.with_parameters(self.state.best))

    def _record(self, report: Perplexity, better: bool) -> None:
        position = self.state.position
        epochs = position.tokens / self.train_tokens
        drawn = self._sample()
        self.state.log.append(
            {
                "step": position.step,
                "epochs": round(epochs, 4),
                "learning_rate": position.rate,
                "train_perplexity": position.train_perplexity,
                "sampled_loss": position.sampled_loss,
                "valid_perplexity": report.perplexity,
                "valid_tokens": len(self.text),
                "seconds": round(position.seconds, 3),
                "tokens_per_second": round(position.tokens_per_second, 1),
                "sample": drawn,
            }
        )
        if not self.quiet:
            say(
                f"epoch {epochs:.4g}: {position.training_loss()}, validation {report.perplexity:.1f}"
                f"{' (best)' if better else ''}, learning rate {position.rate:.3g}, "
                f"{position.tokens_per_second:,.0f} tokens/s"
            )
            if drawn is not None:
                say(f"  {drawn}")

    def _sample(self) -> str | None:
        """Return a beginning from the validation text, a bar, and a few words that the model adds to it."""
        try:
            begin = prompts(self.model, self.text.ids)[1]
            drawn = sample(self.model, begin, SAMPLE)[0]
        except FflmError:  # a model in training may know no word that can be drawn
            return None
        return f"{begin} | {drawn.text}"
