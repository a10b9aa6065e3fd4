"""The folder of a run: whether it may be begun or resumed, and by whom it was begun."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from fflm.errors import ConfigError, FflmError, ModelFileError, option_name, shown
from fflm.model_file import MODEL
from fflm.storage.files import read_json, write, write_json
from fflm.storage.tensors import FORMAT, VERSION, read_tensors, write_tensors

STATE, LOG, CONFIG, CURVE = "state.safetensors", "log.jsonl", "config.json", "learning_curve.png"
STATE_KIND = "training state"
# What a resumed run may have otherwise; the text is compared by its fingerprint, wherever it is read from.
MAY_CHANGE = {"epochs", "minutes", "patience", "threads", "checkpoint_seconds", "sources", "valid", "test", "vectors"}


def check_folder(folder: Path | None, resume: bool) -> None:
    """Refuse a folder in which a run can't be begun, or resumed; nothing is read of the text before.

    Raises
    ------
    FflmError
        If it holds another run, or files of someone else under our names, or is no folder.
    ModelFileError
        If there is no run to resume.
    """
    if folder is None:
        if resume:
            raise ModelFileError(f"there is no run to resume in None; leave out {option_name('resume')} to begin one")
        return
    if not folder.name:
        raise ConfigError(f"{option_name('out')} must name a folder of its own, got {shown(str(folder))}")
    try:
        _check_contents(folder, resume)
    except (OSError, ValueError) as error:  # a name that no folder can have
        reason = getattr(error, "strerror", None) or error
        raise FflmError(f"can't make the folder {folder}: {reason}") from error


def _check_contents(folder: Path, resume: bool) -> None:
    if resume:
        if not (folder / STATE).exists():
            raise ModelFileError(
                f"there is no run to resume in {folder}; leave out {option_name('resume')} to begin one"
            )
        return
    if folder.exists() and not folder.is_dir():
        raise FflmError(f"can't write a run to {folder}: it is a file; choose another folder")
    if is_run(folder):
        raise FflmError(
            f"{folder} holds another run; give {option_name('resume')} to go on with it, or choose another folder"
        )
    for name in (CONFIG, LOG, CURVE):
        if (folder / name).exists() and not _is_ours(folder / CONFIG):
            raise FflmError(f"{folder} holds a file {name} that is not fflm's; choose another folder")


def _is_ours(config: Path) -> bool:
    """Whether a configuration was written by `begin`, in a run that was killed before its first step."""
    try:
        return FORMAT in read_json(config)
    except ModelFileError:
        return False


def begin(folder: Path, described: dict) -> None:
    """Make the folder and write the configuration of a new run."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FflmError(f"can't make the folder {folder}: {error.strerror or error}") from error
    write_json(folder / CONFIG, {FORMAT: VERSION, **described})


def check_unchanged(folder: Path, described: dict) -> None:
    """A resumed run must be the same run: same options (but for how long), same text.

    Raises
    ------
    ConfigError
        Naming the first option that differs.
    """
    before = read_json(folder / CONFIG)
    changed = [name for name, value in described.items() if name not in MAY_CHANGE and before.get(name) != value]
    if "vectors_content" in changed:
        raise ConfigError(
            f"the word vectors must be those of the run to resume in {folder}, got others; begin a new run"
        )
    for name in sorted(changed, key=lambda name: name == "text"):  # other options may be why the text is another
        if name == "text":
            raise ConfigError(f"the text must be that of the run to resume in {folder}, got another; begin a new run")
        raise ConfigError(
            f"{option_name(name)} must be as in the run to resume, {_shown(before.get(name))}, got "
            f"{_shown(described[name])}; give the options of the first call, or begin a new run"
        )


def _shown(value) -> str:
    return "the default" if value is None else " ".join(map(str, value)) if isinstance(value, list) else repr(value)


def save_state(run: Path, tensors: dict[str, np.ndarray], progress: dict) -> None:
    """Write the training state of a run folder: arrays, and a JSON object that says where training stands."""
    write_tensors(run / STATE, tensors, STATE_KIND, {"progress": progress})


def load_state(run: Path) -> tuple[dict[str, np.ndarray], dict]:
    """Read what `save_state` wrote."""
    tensors, description = read_tensors(run / STATE, [STATE_KIND], STATE_KIND)
    if not isinstance(description.get("progress"), dict):
        raise ModelFileError(f"{run / STATE} is damaged: its progress is missing")
    return tensors, description["progress"]


def write_log(run: Path, records: list[dict]) -> None:
    """Write the log of a run: one JSON object a line, one line a validation."""
    write(run / LOG, "".join(json.dumps(record) + "\n" for record in records).encode())


def is_run(folder: Path) -> bool:
    """Whether a folder holds a run: a model or a training state."""
    return (folder / MODEL).exists() or (folder / STATE).exists()


def clear_leftovers(folder: Path) -> None:
    """Remove the temporary files of a process that was killed while it wrote into the run folder."""
    ours = [f".{name}.????????.tmp" for name in (MODEL, STATE, LOG, CONFIG, CURVE)]
    for pattern in [*ours, ".tmp??????"]:  # the last one is what safetensors writes under
        for path in folder.glob(pattern):
            if path.is_file():
                path.unlink()
