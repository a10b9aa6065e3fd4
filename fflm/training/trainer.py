"""Training a language model: shuffled epochs, validation, checkpoints, the end.

All that happens is a function of the configuration, the text and the step number: the shuffle and the dropout masks are
computed from (seed, epoch, step), never drawn from a generator whose state would have to be kept. So a run that was
killed and resumed goes on as if nothing had been, to the bit.

What is not here: the learning rate (`schedule`), what a validation does (`validation`), what is on the disk
(`run_folder`), what a resumed run needs (`state`), the clock (`time_budget`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NoReturn

import numpy as np

from fflm.config import TrainConfig
from fflm.errors import DivergenceError, LossError, PerplexityError, TextError, option_name
from fflm.evaluation.perplexity import LARGEST_NATS, speed
from fflm.kernels._cache import compile_seconds
from fflm.lm import LanguageModel, NeuralLanguageModel
from fflm.nn.batches import Windows
from fflm.nn.network import Network
from fflm.nn.optimizers import Optimizer, usual_rates
from fflm.nn.outputs.sampled import WordSampler, sample_size
from fflm.nn.steps import steps
from fflm.runtime.interrupt import Interrupt
from fflm.runtime.progress import Bar, say
from fflm.runtime.workers import Workers
from fflm.text import Corpus
from fflm.text.order import ShuffledOrder
from fflm.training.partner import Partner, RunModel
from fflm.training.plan import say_plan
from fflm.training.report import TrainReport, note_on_small_text
from fflm.training.run_folder import RunFolder
from fflm.training.schedule import Schedule
from fflm.training.state import Position, TrainingState
from fflm.training.time_budget import SAVING_SECONDS, TimeBudget
from fflm.training.validation import Validation

SAMPLED_PART = 0.5  # of the vocabulary: a larger sample saves too little


class Trainer:
    """The training of one model on one corpus: ``Trainer(...).run()``.

    Parameters
    ----------
    model : NeuralLanguageModel
        The network. Its parameters are updated in place; after `run` they are the best ones.
    corpus : Corpus
    config : TrainConfig
    folder : RunFolder, optional
        The folder for model, state and log; without it nothing is written.
    started : float, optional
        ``time.monotonic()`` from which the time budget counts; now, by default.
    quiet : bool
        Whether to say nothing on stderr.
    frozen : (V,) bool, optional
        Words whose features are not learned.

    Attributes
    ----------
    result : LanguageModel
        After `run` the model of the run: the network, or its mixture with the n-gram partner.

    Raises
    ------
    TextError
        If the training text is shorter than one window.
    """

    def __init__(
        self,
        model: NeuralLanguageModel,
        corpus: Corpus,
        config: TrainConfig,
        folder: RunFolder | None = None,
        started: float | None = None,
        quiet: bool = False,
        frozen: np.ndarray | None = None,
    ):
        size, window = len(corpus.train), model.config.context_size + 1
        if size < window:
            raise TextError(
                f"training text must be at least one window of {window} tokens long, got {size}; give more text or a "
                f"smaller {option_name('context_size')}"
            )
        self.model, self.corpus, self.config, self.quiet, self.frozen = model, corpus, config, quiet, frozen
        self.folder = folder or RunFolder(None)
        self.started = time.monotonic() if started is None else started
        self.budget = TimeBudget(config.minutes, self.started)
        self.interrupt = Interrupt()
        self.steps_per_epoch = -(-size // config.batch_size)
        self.rates = rate, decay = usual_rates(config.optimizer, config.learning_rate, config.weight_decay)
        optimizer = Optimizer(config.optimizer, model.parameters, decay)
        position = Position(learning_rate=rate, rate=rate)
        self.state = TrainingState(model.parameters, optimizer, position)
        self.schedule = Schedule(config, self.steps_per_epoch, self.budget)
        self.validation = Validation(
            model, corpus.valid, self.state, self.schedule, self.folder, train_tokens=size, quiet=quiet
        )
        self.partner: Partner | None = None
        self.result: LanguageModel = model
        self.last_checkpoint = time.monotonic()
        self.sampler = self._word_sampler()
        self.plan = say_plan(model.config, config, size, self.sampler is not None)

    def _word_sampler(self) -> WordSampler | None:
        size, vocab_size = sample_size(len(self.model.vocabulary)), len(self.model.vocabulary)
        if self.config.softmax == "exact" or (self.config.softmax == "auto" and size > SAMPLED_PART * vocab_size):
            return None
        return WordSampler(self.model.vocabulary.counts, size)

    def run(self, resume_from: RunFolder | None = None) -> TrainReport:
        """Train to the end, evaluate the best network, and mix it with the n-gram partner.

        Parameters
        ----------
        resume_from : RunFolder, optional
            The run to go on with.

        Raises
        ------
        DivergenceError
            If a loss or a parameter is not a finite number; the best model so far stays on disk.
        ModelFileError
            If the run to go on with can't be read.
        """
        if resume_from is not None:
            self.state.load(resume_from)
        self._first_save()
        self._count_partner()
        config = self.config
        network = self.model.network(
            dropout=config.dropout,
            embedding_dropout=config.embedding_dropout,
            pair_dropout=config.pair_dropout,
            frozen=self.frozen,
            sampler=self.sampler,
        )
        with Workers(config.threads) as workers, self.interrupt:
            self._plan_the_end()
            self.budget.begin()
            note = self.schedule.begin(self.state.position)
            notes = [*filter(None, [note]), *self._notes_on_time()]
            if not self.quiet:
                say(f"plan: {self.plan}")
                for note in notes:
                    say(f"note: {note}")
            network.prepare(self.model.parameters, workers, config.batch_size, True, config.clip_norm)
            before = self.state.position.step
            stopped = self._train(network)
        if resume_from is not None and stopped == "epochs" and self.state.position.step == before:
            notes.append(
                f"all {config.epochs} epochs of the run were done; more of them go on ({option_name('epochs')})"
            )
            if not self.quiet:
                say(f"note: {notes[-1]}")
        return self._finish(stopped, notes)

    def _notes_on_time(self) -> list[str]:
        """Say what part of the validation text is read during training, and where the minutes go besides training."""
        notes = []
        if not self.validation.is_whole:
            notes.append(
                f"validation during training is on {len(self.validation.text):,} of {len(self.corpus.valid):,} tokens; "
                "the last figures are exact, on all of them"
            )
        if self.budget.beyond_seconds >= 1.0:
            notes.append(
                f"the exact figures take about {self.budget.beyond_seconds:.0f} s more than the minutes, of which "
                "training has half"
            )
        return notes

    # The loop

    def _train(self, network: Network) -> str:
        """Train epochs until there is a reason to stop, and return it."""
        position, size = self.state.position, len(self.corpus.train)
        while not (reason := self._reason_to_stop()):
            label, done = f"epoch {position.epoch + 1}/{self.config.epochs}", position.batch * self.config.batch_size
            with Bar(size, label, not self.quiet, initial=done) as bar:
                self._epoch(network, bar)
            if position.batch == self.steps_per_epoch:
                position.epoch, position.batch = position.epoch + 1, 0
                if position.tokens_since:
                    self._validate()
                self._checkpoint()
        if reason == "interrupted" and not self.quiet:
            say("interrupted: saving and evaluating; Ctrl-C again stops at once")
        # The state is saved as it stood, so that a resumed run does what an uninterrupted one would have done;
        # only then is the unfinished epoch validated, for the model that this run leaves behind.
        self._checkpoint()
        if position.tokens_since:
            self._validate()
            self.folder.write_log(self.state.log)
        return reason

    def _epoch(self, network: Network, bar: Bar) -> None:
        """Train to the end of the epoch, with the validations and checkpoints that are due after each step."""
        config, position = self.config, self.state.position
        between = config.validate_every and max(1, config.validate_every // config.batch_size)
        loop = steps(
            network,
            self.state.optimizer,
            self._batches(),
            self._rate,
            config.seed,
            position.step,
            LARGEST_NATS,
            self._samples,
        )
        begin = self.budget.clock()
        try:
            for step in loop:
                position.advance(step.loss, step.rows, self.budget.clock() - begin, step.sampled)
                bar.advance(step.rows)
                if bar.visible:
                    bar.note(position.training_loss().removeprefix("training "))
                due = between is not None and position.step % between == 0
                if due:
                    self._validate()
                if due or time.monotonic() - self.last_checkpoint >= config.checkpoint_seconds:
                    self._checkpoint()
                begin = self.budget.clock()
        except LossError as error:
            self._diverged(str(error))

    def _batches(self) -> Iterator[Windows]:
        """Yield the rest of this epoch's windows in shuffled order, until there is a reason to stop."""
        size, position, text = self.config.batch_size, self.state.position, self.corpus.train
        order = ShuffledOrder(len(text), self.config.seed, position.epoch, self.config.run_length)
        while position.batch < self.steps_per_epoch and not self._reason_to_stop():
            first = position.batch * size
            places = np.zeros(min(size, len(text) - first), np.int64)
            order.places(first, places)
            yield Windows(text.ids, places, text.breaks)

    def _rate(self, done: int) -> float:
        """Compute the learning rate of the next step."""
        self.state.position.rate = self.schedule.rate(self.state.position)
        return self.state.position.rate

    def _samples(self, done: int) -> bool:
        """Tell whether the next step is made on a sample of the vocabulary: all but the last part of the run are."""
        return self.sampler is not None and self.schedule.done(self.state.position) < 1.0 - self.config.exact_share

    def _reason_to_stop(self) -> str:
        """Return the reason for which training has to end now; empty while it goes on."""
        position = self.state.position
        if self.schedule.gives_up(position):
            return "early"
        if position.epoch >= self.config.epochs:
            return "epochs"
        if self.interrupt.asked:
            return "interrupted"
        if self.budget.is_over():
            return "minutes"
        return ""

    # What is due

    def _validate(self) -> None:
        self._check_finite()
        try:
            report = self.validation.run()
        except PerplexityError:  # the text is sound, so it is the last step that was not
            self._diverged_after("validation has no perplexity any more")
        self._reserve(report.tokens_per_second)

    def _checkpoint(self) -> None:
        self._check_finite()
        self.last_checkpoint = time.monotonic()
        self.state.save(self.folder)

    def _first_save(self) -> None:
        """Save a complete run before the first step, and measure how long saving takes.

        After a resume too: a run that was stopped within an epoch has left a model that an uninterrupted run would
        not have kept.
        """
        self.folder.clear_leftovers()
        begin = time.monotonic()
        self._checkpoint()
        self.validation.save_best()
        self.budget.saving_seconds = SAVING_SECONDS + 2.0 * (time.monotonic() - begin)

    def _count_partner(self) -> None:
        """Count the n-gram model that the network will be mixed with; its time is none of training."""
        if not self.config.ngram_order:
            return
        self.partner = partner = Partner(self.corpus, self.config.ngram_order, self.config.threads)
        self.budget.saving_seconds += partner.closing_seconds
        if not self.quiet:
            say(
                f"n-gram model: {partner.model.table.starts[-1]:,} n-grams of up to {self.config.ngram_order} words, "
                f"validation {partner.valid.report.perplexity:.1f}"
            )

    def _plan_the_end(self) -> None:
        """Estimate how long the last validation and the test will take, from the fastest of a few batches."""
        if not self.budget.is_limited:
            return
        self._reserve(speed(self.model, self.corpus.valid.ids))

    def _reserve(self, tokens_per_second: float) -> None:
        held_out = len(self.corpus.valid) + len(self.corpus.test or ())
        self.budget.reserve(
            held_out + (0 if self.validation.is_whole else len(self.validation.text)), tokens_per_second
        )

    # Divergence

    def _check_finite(self) -> None:
        """End training before parameters that are not finite are saved: the loss may show them later only."""
        if not self.state.is_finite():
            self._diverged_after("parameters are no finite numbers any more")

    def _diverged_after(self, what: str) -> NoReturn:
        position = self.state.position
        self._diverged(f"{what} at step {position.step} with learning rate {position.rate:.4g}")

    def _diverged(self, what: str) -> NoReturn:
        position = self.state.position
        seen, total = position.tokens_since, position.loss_sum + position.sampled_sum
        last = f"; the last good mean loss was {total / seen:.4f} nats" if seen else ""
        kept = "" if self.folder.path is None else f"; the best model so far is in {self.folder.path}"
        raise DivergenceError(
            f"training diverged: {what}{last}{kept}; try a smaller "
            f"{option_name('learning_rate')} or {option_name('clip_norm')}"
        )

    # The end

    def _finish(self, stopped: str, notes: list[str]) -> TrainReport:
        """Restore the best parameters, evaluate the model and report."""
        self.state.restore_best()
        position, corpus = self.state.position, self.corpus
        model = self._run_model()
        self.result = model.lm
        last = self._last_notes(model)
        if not self.quiet:
            for note in last:
                say(f"note: {note}")
        self.folder.draw_curve(self.state.log)
        return TrainReport(
            out=None if self.folder.path is None else str(self.folder.path),
            tokens_per_second=position.tokens_per_second,
            epochs=position.tokens / len(corpus.train),
            steps=position.step,
            seconds=time.monotonic() - self.started,
            valid_perplexity=model.valid.perplexity,
            test_perplexity=None if model.test is None else model.test.perplexity,
            valid=model.valid.to_dict(),
            test=None if model.test is None else model.test.to_dict(),
            parts=model.parts,
            weights=model.weights,
            train_tokens=len(corpus.train),
            vocab_size=len(self.model.vocabulary),
            parameters=sum(value.size for value in self.model.parameters.values()),
            plan=self.plan,
            stopped=stopped,
            interrupted=self.interrupt.asked,
            notes=(*map(str, corpus.notes), *notes, *last),
            history=tuple(self.state.log),
            learning_rate=self.rates[0],
            weight_decay=self.rates[1],
        )

    def _last_notes(self, model: RunModel) -> list[str]:
        """Say how long compiling took, and that a text is small."""
        small = note_on_small_text(len(self.corpus.train), self.state.position.step, model.parts)
        notes, seconds = [] if small is None else [small], compile_seconds(self.started)
        if self.budget.is_limited and seconds >= 1.0:
            notes.append(f"compiling the kernels, which is done once, took {seconds:.0f} s; the minutes are without it")
        return notes

    def _run_model(self) -> RunModel:
        """Evaluate the best network, and mix it with the partner where there is one."""
        corpus = self.corpus
        best = self.validation.best if self.validation.is_whole else None
        valid = best or self.validation.evaluate(corpus.valid, "validation")
        test = None if corpus.test is None else self.validation.evaluate(corpus.test, "test")
        if self.partner is None:
            return RunModel(self.model, valid.report, None if test is None else test.report, {}, None)
        mixed = self.partner.mix(self.model, valid, test)
        self.folder.save_mixture(self.model, mixed.lm)
        return mixed
