"""Training: shuffled epochs, validation, the learning rate, early stopping, checkpoints, the time budget.

All that happens is a function of the configuration, the text and the step number: the shuffle and the dropout masks are
computed from (seed, epoch, step), never drawn from a generator whose state would have to be kept. So a run that was
killed and resumed goes on as if nothing had been, to the bit.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import numpy as np

from fflm.config import TrainConfig
from fflm.errors import DivergenceError, FflmError, TextError, option_name
from fflm.evaluation.perplexity import LARGEST_NATS, Perplexity, evaluate, speed
from fflm.kernels import shuffle
from fflm.lm import NeuralLanguageModel
from fflm.model_file import MODEL, save_model
from fflm.nn.layers.dropout import drops_of_step
from fflm.nn.network import Network, context_network
from fflm.nn.optimizers import Optimizer, usual_rates
from fflm.plots import can_plot
from fflm.plots.learning_curve import learning_curve
from fflm.runtime.interrupt import Interrupt
from fflm.runtime.progress import Bar, say
from fflm.runtime.workers import Team
from fflm.storage.files import write
from fflm.text import Corpus
from fflm.training.report import TrainReport
from fflm.training.run_folder import CURVE, clear_leftovers, write_log
from fflm.training.schedule import Schedule
from fflm.training.state import Position, TrainingState
from fflm.training.time_budget import TimeBudget

SHUFFLE_ROUNDS = 6
SAVING_SECONDS = 0.3  # kept free at the end of a time budget, besides what saving takes


class Trainer:
    """Trains one model on one corpus.

    Parameters
    ----------
    model : NeuralLanguageModel
        Its parameters are updated in place; after `run` they are the best ones.
    corpus : Corpus
    config : TrainConfig
    run_folder : Path, optional
        Where model, state and log go; without it nothing is written.
    started : float
        ``time.monotonic()`` when the command began: the time budget counts from there.
    quiet : bool
        No progress on stderr.
    frozen : (V,) bool, optional
        Words whose features are not learned.
    """

    def __init__(
        self,
        model: NeuralLanguageModel,
        corpus: Corpus,
        config: TrainConfig,
        run_folder: Path | None = None,
        started: float | None = None,
        quiet: bool = False,
        frozen: np.ndarray | None = None,
    ):
        self.model, self.corpus, self.config = model, corpus, config
        self.folder, self.quiet, self.frozen = run_folder, quiet, frozen
        self.started = time.monotonic() if started is None else started
        self.stream = corpus.train.ids
        self.steps_per_epoch = -(-len(self.stream) // config.batch_size)
        rate, decay = usual_rates(config.optimizer, config.learning_rate, config.weight_decay)
        self.optimizer = Optimizer(config.optimizer, model.parameters, decay)
        self.state = TrainingState(model.parameters, self.optimizer, Position(learning_rate=rate))
        self.rate = rate  # of the last step
        self.best_report: Perplexity | None = None
        self.interrupt = Interrupt()
        self.budget = TimeBudget(config.minutes, self.started)
        self.schedule = Schedule(config, self.steps_per_epoch, self.budget)
        self.saving_seconds = SAVING_SECONDS
        self.stopped = ""
        self.last_checkpoint = time.monotonic()

    def check_text(self) -> None:
        """Raise TextError if the training text is shorter than one window."""
        size = self.model.config.context_size
        if len(self.stream) <= size:
            raise TextError(
                f"training text must be at least one window of {size + 1} tokens long, got "
                f"{len(self.stream)}; give more text or a smaller {option_name('context_size')}"
            )

    def run(self) -> TrainReport:
        """Train to the end, then evaluate the best model.

        Raises
        ------
        DivergenceError
            If a loss is not a finite number; the best model so far stays on disk.
        TextError
            If the training text is shorter than one window.
        """
        self.check_text()
        self._first_save()
        shape, parameters, size = self.model.config, self.model.parameters, self.config.batch_size
        options = {"training": True, "clip_norm": self.config.clip_norm}
        with Team(self.config.threads) as team, self.interrupt:
            self._measure_evaluation()
            self.budget.begin()
            self._train(context_network(shape, parameters, team, size, self.frozen, **options))
        return self._finish()

    # The loop

    def _train(self, network: Network) -> None:
        position = self.position
        while not (reason := self._reason_to_stop()):
            label = f"epoch {position.epoch + 1}/{self.config.epochs}"
            done = position.batch * self.config.batch_size
            with Bar(len(self.stream), label, not self.quiet, initial=done) as bar:
                self._epoch(network, bar)
            if position.batch == self.steps_per_epoch:
                position.epoch, position.batch = position.epoch + 1, 0
                if position.loss_tokens:
                    self._validate()
                self._checkpoint()
        self.stopped = reason
        if reason == "interrupted" and not self.quiet:
            say("interrupted: saving and evaluating; Ctrl-C again stops at once")
        # The state is saved as it stood, so that a resumed run does what an uninterrupted one would have done;
        # only then is the unfinished epoch validated, for the model that this run leaves behind.
        self._checkpoint()
        if position.loss_tokens:
            self._validate()
            if self.folder is not None:
                write_log(self.folder, self.state.log)

    def _epoch(self, network: Network, bar: Bar) -> None:
        config, position = self.config, self.position
        keys = np.random.SeedSequence([config.seed, position.epoch]).generate_state(SHUFFLE_ROUNDS)
        size = len(self.stream)
        places = np.zeros(config.batch_size, np.int64)
        losses = np.zeros(config.batch_size)
        rates = [config.embedding_dropout] + [config.dropout] * len(self.model.config.hidden_dims)
        between = config.validate_every and max(1, config.validate_every // config.batch_size)
        while position.batch < self.steps_per_epoch and not self._reason_to_stop():
            begin = time.perf_counter()
            first = position.batch * config.batch_size
            rows = min(config.batch_size, size - first)
            shuffle.shuffled(places[:rows], first, size, keys)
            self.rate = self.schedule.rate(position)
            self.optimizer.begin_step(position.step + 1, self.rate)
            load = network.inputs.windows_at(self.stream, places[:rows])
            network.step(load, losses[:rows], self.optimizer, drops_of_step(rates, config.seed, position.step))
            loss = float(losses[:rows].sum())
            if not loss < LARGEST_NATS * rows:
                self._diverged(f"the loss is {loss / rows:g}", position.step + 1)
            position.step, position.batch = position.step + 1, position.batch + 1
            position.loss_sum, position.loss_tokens = position.loss_sum + loss, position.loss_tokens + rows
            position.tokens += rows
            position.seconds += time.perf_counter() - begin
            bar.advance(rows)
            if bar.visible:
                bar.note(f"perplexity {math.exp(position.loss_sum / position.loss_tokens):.1f}")
            due = between is not None and position.step % between == 0
            if due:
                self._validate()
            if due or time.monotonic() - self.last_checkpoint >= config.checkpoint_seconds:
                self._checkpoint()

    def _reason_to_stop(self) -> str:
        """Why training has to end now; empty while it goes on."""
        position, config = self.position, self.config
        if position.failures >= config.patience:
            return "early"
        if position.epoch >= config.epochs:
            return "epochs"
        if self.interrupt.asked:
            return "interrupted"
        if self.budget.is_over():
            return "minutes"
        return ""

    def _diverged(self, what: str, step: int) -> NoReturn:
        position = self.position
        seen = position.loss_tokens
        last = f"; the last good mean loss was {position.loss_sum / seen:.4f} nats" if seen else ""
        kept = "" if self.folder is None else f"; the best model so far is in {self.folder}"
        raise DivergenceError(
            f"training diverged: {what} at step {step} with learning rate {self.rate:.4g}{last}{kept}; "
            f"try a smaller {option_name('learning_rate')} or {option_name('clip_norm')}"
        )

    # Validation and files

    def _validate(self) -> None:
        position = self.position
        try:
            report = self._evaluate(self.corpus.valid, "validation")
        except FflmError:  # the text is sound, so it is the last step that was not
            self._diverged("validation has no perplexity any more", position.step)
        self._plan_the_end(report.tokens_per_second)
        trained = math.exp(position.loss_sum / position.loss_tokens)
        self.state.log.append(
            {
                "step": position.step,
                "epochs": round(self._epochs(), 4),
                "learning_rate": self.rate,
                "train_perplexity": trained,
                "valid_perplexity": report.perplexity,
                "seconds": round(position.seconds, 3),
                "tokens_per_second": round(self.position.tokens_per_second, 1),
            }
        )
        better = report.cross_entropy_nats < position.best
        if not self.quiet:
            say(
                f"epoch {self._epochs():.4g}: training perplexity {trained:.1f}, validation {report.perplexity:.1f}"
                f"{' (best)' if better else ''}, learning rate {self.rate:.3g}, "
                f"{position.tokens_per_second:,.0f} tokens/s"
            )
        position.loss_sum, position.loss_tokens = 0.0, 0
        if better:
            position.best, position.failures = report.cross_entropy_nats, 0
            self.best_report = report
            self.state.keep_best()
            self._save_model()
        else:
            position.failures += 1
            self.schedule.failed(position)

    def _evaluate(self, text, label: str) -> Perplexity:
        with Bar(len(text), label, not self.quiet) as bar:
            return evaluate(self.model, text, bar.advance)

    def _measure_evaluation(self) -> None:
        """See how long the last validation and the test will take, from a few batches at their best."""
        if self.config.minutes is None:
            return
        self._plan_the_end(speed(self.model, self.corpus.valid.ids))
        if self.budget.is_over() and not self.quiet:
            say(
                f"note: reading, validation, test and saving alone take more than {self.config.minutes:g} minutes; "
                "give more minutes, or a smaller valid and test"
            )

    def _plan_the_end(self, evaluated_per_second: float) -> None:
        """Keep time for the validation and the test that end the run, and for saving."""
        held_out = len(self.corpus.valid) + len(self.corpus.test or ())
        self.budget.closing_seconds = self.saving_seconds + 1.05 * held_out / evaluated_per_second

    def _first_save(self) -> None:
        """Have a whole run on the disk before the first step, and see how long saving takes.

        After a resume too: a run that was stopped within an epoch has left a model that an uninterrupted run would
        not have kept.
        """
        if self.folder is None:
            return
        clear_leftovers(self.folder)
        begin = time.monotonic()
        self._checkpoint()
        self._save_model()
        self.saving_seconds = SAVING_SECONDS + 2.0 * (time.monotonic() - begin)

    def _save_model(self) -> None:
        if self.folder is not None:
            best = self.model.with_parameters(self.state.best)
            save_model(best, self.folder / MODEL)

    def _checkpoint(self) -> None:
        self.last_checkpoint = time.monotonic()
        if self.folder is not None:
            self.state.save(self.folder)

    @property
    def position(self) -> Position:
        """Where training stands."""
        return self.state.position

    def _epochs(self) -> float:
        return self.position.tokens / len(self.stream)

    def _finish(self) -> TrainReport:
        self.state.restore_best()
        position = self.position
        valid = self.best_report or self._evaluate(self.corpus.valid, "validation")
        test = self._evaluate(self.corpus.test, "test") if self.corpus.test is not None else None
        self._draw()
        return TrainReport(
            out=None if self.folder is None else str(self.folder),
            tokens_per_second=self.position.tokens_per_second,
            epochs=self._epochs(),
            steps=position.step,
            seconds=time.monotonic() - self.started,
            valid_perplexity=valid.perplexity,
            test_perplexity=None if test is None else test.perplexity,
            valid=valid.to_dict(),
            test=None if test is None else test.to_dict(),
            train_tokens=len(self.stream),
            vocab_size=len(self.model.vocabulary),
            parameters=sum(value.size for value in self.model.parameters.values()),
            stopped=self.stopped,
            interrupted=self.interrupt.asked,
            notes=self.corpus.notes,
        )

    def _draw(self) -> None:
        if self.folder is not None and len(self.state.log) > 1 and can_plot():
            with suppress(FflmError):  # a picture is not worth the report
                write(self.folder / CURVE, learning_curve(self.state.log))
