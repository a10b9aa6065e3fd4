"""Where training stands: what a resumed run needs, saved and restored."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from fflm.errors import ModelFileError
from fflm.nn.optimizers import Optimizer
from fflm.nn.parameters import Parameters
from fflm.storage.tensors import check_arrays
from fflm.training.run_folder import STATE, load_state, save_state, write_log


@dataclass
class Position:
    """Everything about the progress of training that is not an array."""

    step: int = 0
    epoch: int = 0
    batch: int = 0  # steps of this epoch that are done
    learning_rate: float = 0.0
    best: float = math.inf  # lowest validation cross-entropy, nats
    failures: int = 0  # validations since then
    loss_sum: float = 0.0  # since the last validation
    loss_tokens: int = 0
    seconds: float = 0.0  # training only
    tokens: int = 0  # trained on in all

    @property
    def tokens_per_second(self) -> float:
        """Of training only; 0 before the first step."""
        return self.tokens / self.seconds if self.seconds else 0.0


@dataclass
class TrainingState:
    """Position, log, and the arrays of a run: current parameters, best ones, the optimiser's averages."""

    parameters: Parameters
    optimizer: Optimizer
    position: Position
    log: list[dict] = field(default_factory=list)

    def __post_init__(self):
        self.best = {name: value.copy() for name, value in self.parameters.items()}

    def keep_best(self) -> None:
        """Take the current parameters as the best ones."""
        for name, value in self.parameters.items():
            self.best[name][...] = value

    def restore_best(self) -> None:
        """Make the best parameters the current ones."""
        for name, value in self.best.items():
            self.parameters[name][...] = value

    def save(self, folder: Path) -> None:
        """Write the training state and the log of the run in `folder`."""
        save_state(folder, self._arrays(), {"position": asdict(self.position), "log": self.log})
        write_log(folder, self.log)

    def load(self, folder: Path) -> None:
        """Go back to what `save` wrote.

        Raises
        ------
        ModelFileError
            If the file is damaged, or of another network.
        """
        tensors, progress = load_state(folder)
        path, arrays = folder / STATE, self._arrays()
        try:
            check_arrays(tensors, {name: (np.float32, value.shape) for name, value in arrays.items()})
            self.position, self.log = Position(**progress["position"]), list(progress["log"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(f"{path} is damaged: {error}") from error
        for name, value in arrays.items():
            value[...] = tensors[name]

    def _arrays(self) -> dict[str, np.ndarray]:
        arrays = {f"parameters.{name}": value for name, value in self.parameters.items()}
        arrays |= {f"best.{name}": value for name, value in self.best.items()}
        return arrays | self.optimizer.state
