"""The folder of a run: its lock, its configuration, and its files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fflm.errors import ConfigError, FflmError, ModelFileError, option_name, shown
from fflm.lm import LanguageModel, NeuralLanguageModel
from fflm.model_file import MODEL, save_model
from fflm.plots import can_plot
from fflm.plots.learning_curve import is_learning_curve, learning_curve
from fflm.runtime.progress import say
from fflm.storage.files import Lock, LockUnsupported, leftovers, read_json, write, write_json
from fflm.storage.tensors import FORMAT, VERSION, read_tensors, write_tensors

STATE, LOG, CONFIG, CURVE = "state.safetensors", "log.jsonl", "config.json", "learning_curve.png"
REPORT = "report.json"  # what came of the run, with all that is needed to repeat it
NETWORK = "network.safetensors"  # the network alone, where the model of the run is a mixture
#: All that a run writes into its folder.
FILES = (MODEL, NETWORK, STATE, LOG, CONFIG, CURVE, REPORT)
LOCK = ".fflm.lock"
STATE_KIND = "training state"
#: Options that may differ when a run is resumed. The text is compared by its fingerprint, wherever it is read from.
MAY_CHANGE = {
    *("epochs", "minutes", "patience", "threads", "checkpoint_seconds", "ngram_order"),
    *("sources", "valid", "test", "vectors"),
}

#: Options that configurations lack which were written before the options were there, with what was done then.
BEFORE = {
    **{"bag_decays": [1.0], "pairs": 0, "tied": False},
    **{"pair_dropout": 0.5, "run_length": 1, "softmax": "exact", "exact_share": 0.15},
}


class RunFolder:
    """The folder of one run, for as long as this process trains into it; to be used in a ``with`` statement.

    Parameters
    ----------
    path : Path or None
        Without one nothing is read or written, whatever is called.
    resume : bool
        Whether the run in the folder is resumed; else a new run is begun.
    quiet : bool
        Whether to say nothing on stderr.
    overwrite : bool
        Whether a run that is in the folder is replaced, once the new one begins.

    Raises
    ------
    FflmError
        If it holds another run, or files of someone else under our names, or is no folder, or if another process
        trains into it.
    ModelFileError
        If there is no run to resume.

    Examples
    --------
    >>> with RunFolder(Path("runs/new"), resume=False, quiet=True) as folder:
    ...     folder.begin({"seed": 1})
    ...     sorted(path.name for path in Path("runs/new").iterdir())
    ['.fflm.lock', 'config.json']
    """

    def __init__(self, path: Path | None, resume: bool = False, quiet: bool = False, overwrite: bool = False):
        self.path, self.quiet, self._overwrite = path, quiet, overwrite
        self._lock = Lock((path or Path()) / LOCK)
        self._unlockable = False
        if path is None:
            if resume:
                raise ModelFileError(
                    f"there is no run to resume in None; leave out {option_name('resume')} to begin one"
                )
            return
        if not path.name:
            raise ConfigError(f"{option_name('out')} must name a folder of its own, got {shown(str(path))}")
        self._guarded(self._check_to_resume if resume else self._check_to_begin, path)

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *exception: object) -> None:
        self._lock.release()

    # Whose it is

    def begin(self, described: dict[str, Any]) -> None:
        """Make the folder and write the configuration of a new run.

        Raises
        ------
        FflmError
            If one of the constructor's checks fails now.
        """
        if self.path is None:
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FflmError(f"can't make the folder {self.path}: {error.strerror or error}") from error
        self._guarded(self._check_to_begin, self.path)
        if self._overwrite and _is_config(self.path / CONFIG):
            for name in FILES:
                (self.path / name).unlink(missing_ok=True)
        write_json(self.path / CONFIG, {FORMAT: VERSION, **described})

    def described(self) -> dict[str, Any]:
        """Return the configuration that the run was begun with."""
        return {} if self.path is None else BEFORE | read_json(self.path / CONFIG)

    def check_unchanged(self, described: dict[str, Any]) -> None:
        """Refuse to resume a run with other options (but for how long) or another text than it was begun with.

        Raises
        ------
        ConfigError
            If an option differs; the message names the first.
        """
        if self.path is None:
            return
        before = self.described()
        changed = [name for name, value in described.items() if name not in MAY_CHANGE and before.get(name) != value]
        if "vectors_content" in changed:
            raise ConfigError(
                f"the word vectors must be those of the run to resume in {self.path}, got others; begin a new run"
            )
        for name in sorted(changed, key=lambda name: name == "text"):  # other options may be why the text is another
            if name == "text":
                raise ConfigError(
                    f"the text must be that of the run to resume in {self.path}, got another; begin a new run"
                )
            raise ConfigError(
                f"{option_name(name)} must be as in the run to resume, {_shown(before.get(name))}, got "
                f"{_shown(described[name])}; give the options of the first call, or begin a new run"
            )

    def _guarded(self, check: Callable[[Path], None], path: Path) -> None:
        """Run a check; give the lock back if it fails, and name the folder where the system refuses its name."""
        try:
            check(path)
        except FflmError:
            self._lock.release()
            raise
        except (OSError, ValueError) as error:
            self._lock.release()
            reason = getattr(error, "strerror", None) or error
            raise FflmError(f"can't make the folder {path}: {reason}") from error

    def _check_to_resume(self, path: Path) -> None:
        if not (path / STATE).exists():
            raise ModelFileError(f"there is no run to resume in {path}; leave out {option_name('resume')} to begin one")
        self._take_lock()

    def _check_to_begin(self, path: Path) -> None:
        if not path.exists():
            return
        if not path.is_dir():
            raise FflmError(f"can't write a run to {path}: it is a file; choose another folder")
        ours = self._overwrite and _is_config(path / CONFIG)
        if (path / STATE).exists() and not ours:
            raise FflmError(
                f"{path} holds another run; give {option_name('resume=True')} to go on with it, "
                f"{option_name('overwrite=True')} to replace it, or choose another folder"
            )
        for name in (MODEL, NETWORK):
            if (path / name).exists() and not ours:
                raise FflmError(
                    f"{path} holds a model without its training state; choose another folder, or remove {name}"
                )
        for name, is_ours in ((CONFIG, _is_config), (LOG, _is_log), (CURVE, _is_curve), (REPORT, _is_config)):
            if (path / name).exists() and not (is_ours(path / name) or _is_config(path / CONFIG)):
                raise FflmError(f"{path} holds a file {name} that is not fflm's; choose another folder")
        self._take_lock()

    def _take_lock(self) -> None:
        if self._unlockable:
            return
        try:
            if self._lock.acquire():
                return
        except LockUnsupported:
            self._unlockable = True
            if not self.quiet:
                say(f"note: files can't be locked in {self.path}; see to it that nothing else trains into it")
            return
        except OSError as error:
            raise FflmError(f"can't write to {self.path}: {error.strerror or error}") from error
        holder = self._lock.holder()
        by = "another process" if holder is None else f"another process (pid {holder})"
        raise FflmError(f"{self.path} is being trained into by {by}; wait for its end, or choose another folder")

    # What is in it

    def clear_leftovers(self) -> None:
        """Remove the temporary files of a process that was killed while it wrote, and the report of an earlier call."""
        if self.path is not None:
            (self.path / REPORT).unlink(missing_ok=True)
            for path in leftovers(self.path, FILES):
                path.unlink(missing_ok=True)

    def save_model(self, model: LanguageModel, name: str = MODEL) -> None:
        """Write the model file of the run, or another one."""
        if self.path is not None:
            save_model(model, self.path / name)

    def save_mixture(self, network: NeuralLanguageModel, mixture: LanguageModel) -> None:
        """Write the mixture as the model file of the run, and the network in it as a file of its own."""
        self.save_model(network, NETWORK)
        self.save_model(mixture)

    def save_network(self, network: NeuralLanguageModel) -> None:
        """Write the network as the model file of the run; a file of a network of an earlier call is removed."""
        self.save_model(network)
        if self.path is not None:
            (self.path / NETWORK).unlink(missing_ok=True)

    def save_state(self, tensors: dict[str, np.ndarray], progress: dict[str, Any]) -> None:
        """Write the training state: arrays, and a JSON object of the progress of training."""
        if self.path is not None:
            write_tensors(self.path / STATE, tensors, STATE_KIND, {"progress": progress})

    def load_state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Read the training state that `save_state` wrote.

        Raises
        ------
        ModelFileError
            If the file is damaged.
        """
        path = (self.path or Path()) / STATE
        tensors, description = read_tensors(path, [STATE_KIND], STATE_KIND)
        if not isinstance(description.get("progress"), dict):
            raise ModelFileError(f"{path} is damaged: its progress is missing")
        return tensors, description["progress"]

    def write_log(self, records: list[dict[str, Any]]) -> None:
        """Write the log: one JSON object a line, one line a validation."""
        if self.path is not None:
            write(self.path / LOG, "".join(json.dumps(record) + "\n" for record in records).encode())

    def save_report(self, record: dict[str, Any]) -> None:
        """Write what came of the run, and with what options, versions and machine."""
        if self.path is not None:
            write_json(self.path / REPORT, {FORMAT: VERSION, **record})

    def draw_curve(self, records: list[dict[str, Any]]) -> None:
        """Draw the learning curve from the records of the log, where there are two of them and matplotlib.

        A picture is never worth a run: whatever fails becomes a note on stderr.
        """
        if self.path is None or len(records) < 2:
            return
        try:
            if can_plot():
                write(self.path / CURVE, learning_curve(records))
        except FflmError as error:
            if not self.quiet:
                say(f"note: no {CURVE}: {error}")


def _is_config(path: Path) -> bool:
    """Tell whether a configuration was written by `RunFolder.begin`."""
    try:
        return FORMAT in read_json(path)
    except ModelFileError:
        return False


def _is_log(path: Path) -> bool:
    """Tell whether a log was written by `RunFolder.write_log`: an empty file is one too."""
    try:
        records = [json.loads(line) for line in path.read_text().splitlines()]
    except (OSError, ValueError, RecursionError):
        return False
    return all(isinstance(record, dict) and {"step", "valid_perplexity"} <= set(record) for record in records)


def _is_curve(path: Path) -> bool:
    """Tell whether a picture is a learning curve of fflm, or stands beside a log of fflm (older ones bear no mark)."""
    log = path.parent / LOG
    return is_learning_curve(path.read_bytes()) or (log.exists() and _is_log(log))


def _shown(value: object) -> str:
    return "the default" if value is None else " ".join(map(str, value)) if isinstance(value, list) else repr(value)
