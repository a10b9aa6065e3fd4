"""The state of training, saved and restored, from which a run is resumed."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fflm.errors import ModelFileError
from fflm.nn.optimizers import Optimizer
from fflm.nn.parameters import Parameters
from fflm.storage.tensors import check_arrays
from fflm.training.run_folder import STATE, RunFolder


@dataclass
class Plan:
    """The straight line in which the learning rate falls, schedule `linear`; see `fflm.training.schedule.Schedule`.

    Attributes
    ----------
    epochs : int or None
        The end of the line, in epochs since the beginning of the run; None before there is a plan.
    minutes : float or None
        The time budget of the call that made the plan: the line may end earlier, by the clock.
    begin : int
        The step at which the line begins.
    height : float
        The height at which the line begins, as a share of the learning rate that was asked for.
    """

    epochs: int | None = None
    minutes: float | None = None
    begin: int = 0
    height: float = 1.0


@dataclass
class Position:
    """The progress of training: every number of the state that is not in an array.

    Attributes
    ----------
    step, epoch : int
        The numbers of steps and epochs done.
    batch : int
        Steps of the present epoch that are done.
    learning_rate : float
        The learning rate that was asked for; halved by the schedule `plateau`.
    rate : float
        The learning rate of the last step.
    best : float
        Lowest validation cross-entropy so far, in nats.
    failures : int
        Validations since then.
    loss_sum, loss_tokens : float, int
        Exact training loss in nats, and its tokens, since the last validation.
    sampled_sum, sampled_tokens : float, int
        The same of steps over a sample of the vocabulary; no perplexity follows from such a loss.
    seconds : float
        Spent on training steps alone.
    tokens : int
        Trained on so far, repetitions counted.
    plan : Plan
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    learning_rate: float = 0.0
    rate: float = 0.0
    best: float = math.inf
    failures: int = 0
    loss_sum: float = 0.0
    loss_tokens: int = 0
    sampled_sum: float = 0.0
    sampled_tokens: int = 0
    seconds: float = 0.0
    tokens: int = 0
    plan: Plan = field(default_factory=Plan)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Position:
        """Do the inverse of `dataclasses.asdict`; fields that files of older versions lack have their defaults."""
        return cls(**values | {"plan": Plan(**values.get("plan", {}))})

    @property
    def tokens_per_second(self) -> float:
        """The speed of training alone; 0 before the first step."""
        return self.tokens / self.seconds if self.seconds else 0.0

    @property
    def tokens_since(self) -> int:
        """The tokens trained on since the last validation."""
        return self.loss_tokens + self.sampled_tokens

    @property
    def train_perplexity(self) -> float | None:
        """The perplexity of the training text since the last validation; None while no loss was exact."""
        return math.exp(self.loss_sum / self.loss_tokens) if self.loss_tokens else None

    @property
    def sampled_loss(self) -> float | None:
        """The mean sampled loss since the last validation, in nats; None without one."""
        return self.sampled_sum / self.sampled_tokens if self.sampled_tokens else None

    def training_loss(self) -> str:
        """Say the training loss since the last validation, by its right name."""
        if self.train_perplexity is not None:
            return f"training perplexity {self.train_perplexity:.1f}"
        return "no training" if self.sampled_loss is None else f"sampled loss {self.sampled_loss:.3f}"

    def forget_losses(self) -> None:
        """Begin a new stretch of training loss."""
        self.loss_sum = self.sampled_sum = 0.0
        self.loss_tokens = self.sampled_tokens = 0

    def advance(self, loss: float, tokens: int, seconds: float, sampled: bool = False) -> None:
        """Count one step: the sum of its losses in nats, its tokens, how long it took, and whether it was sampled."""
        self.step, self.batch = self.step + 1, self.batch + 1
        if sampled:
            self.sampled_sum, self.sampled_tokens = self.sampled_sum + loss, self.sampled_tokens + tokens
        else:
            self.loss_sum, self.loss_tokens = self.loss_sum + loss, self.loss_tokens + tokens
        self.tokens += tokens
        self.seconds += seconds


@dataclass
class TrainingState:
    """The position, the log, and all arrays of a run: current parameters, best ones, the optimiser's averages.

    The state owns the best values; the current ones are the model's. `parameters` are lent to the network and the
    optimiser and never replaced: the optimiser writes them during a step; between two steps only `restore_best` and
    `load` do, and everything else reads them. `best` is written by `keep_best` (and `load`) alone.
    """

    parameters: Parameters
    optimizer: Optimizer
    position: Position
    log: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.best = self.parameters.snapshot()

    def keep_best(self) -> None:
        """Take the current values as the best ones."""
        self.best.restore(self.parameters)

    def restore_best(self) -> None:
        """Make the best values the current ones."""
        self.parameters.restore(self.best)

    def is_finite(self) -> bool:
        """Tell whether every number in the arrays is finite: `load` would refuse the state if one were not."""
        current = {**self.parameters, **self.optimizer.state}
        return all(np.isfinite(value.min()) and np.isfinite(value.max()) for value in current.values() if value.size)

    def save(self, folder: RunFolder) -> None:
        """Write the training state and the log of a run."""
        folder.save_state(self._arrays(), {"position": asdict(self.position), "log": self.log})
        folder.write_log(self.log)

    def load(self, folder: RunFolder) -> None:
        """Restore the state that `save` wrote.

        Raises
        ------
        ModelFileError
            If the file is damaged, or of another network.
        """
        tensors, progress = folder.load_state()
        arrays = self._arrays()
        try:
            check_arrays(tensors, {name: (np.float32, value.shape) for name, value in arrays.items()})
            self.position, self.log = Position.from_dict(progress["position"]), list(progress["log"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ModelFileError(f"{(folder.path or Path()) / STATE} is damaged: {error}") from error
        arrays.restore(tensors)

    def _arrays(self) -> Parameters:
        arrays = {f"parameters.{name}": value for name, value in self.parameters.items()}
        arrays |= {f"best.{name}": value for name, value in self.best.items()}
        return Parameters(arrays | self.optimizer.state)
