"""Validation during training: perplexity, the log, and the best model so far."""

from __future__ import annotations

import math

from fflm.evaluation.perplexity import Evaluation, Perplexity, evaluate_tokens
from fflm.lm import NeuralLanguageModel
from fflm.runtime.progress import Bar, say
from fflm.text import TokenStream
from fflm.training.run_folder import RunFolder
from fflm.training.schedule import Schedule
from fflm.training.state import TrainingState


class Validation:
    """The evaluation of a model in training, which keeps the best parameters so far.

    Parameters
    ----------
    model : NeuralLanguageModel
        Its parameters are those of `state`.
    text : TokenStream
        The validation text.
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
        self.model, self.text, self.state, self.schedule = model, text, state, schedule
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
        position.loss_sum, position.loss_tokens = 0.0, 0
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
        trained = math.exp(position.loss_sum / position.loss_tokens)
        epochs = position.tokens / self.train_tokens
        self.state.log.append(
            {
                "step": position.step,
                "epochs": round(epochs, 4),
                "learning_rate": position.rate,
                "train_perplexity": trained,
                "valid_perplexity": report.perplexity,
                "seconds": round(position.seconds, 3),
                "tokens_per_second": round(position.tokens_per_second, 1),
            }
        )
        if not self.quiet:
            say(
                f"epoch {epochs:.4g}: training perplexity {trained:.1f}, validation {report.perplexity:.1f}"
                f"{' (best)' if better else ''}, learning rate {position.rate:.3g}, "
                f"{position.tokens_per_second:,.0f} tokens/s"
            )
