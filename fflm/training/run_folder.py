"""The folder of a run: whether it may be begun or resumed, and by whom it was begun."""

from __future__ import annotations

from pathlib import Path

from fflm import storage
from fflm.errors import ConfigError, FflmError, ModelFileError

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
            raise ModelFileError("there is no run to resume in None; leave out --resume to begin one")
        return
    if not folder.name:
        raise ConfigError(f"out must name a folder of its own, got {str(folder)!r}")
    try:
        _check_contents(folder, resume)
    except (OSError, ValueError) as error:  # a name that no folder can have
        reason = getattr(error, "strerror", None) or error
        raise FflmError(f"can't make the folder {folder}: {reason}") from error


def _check_contents(folder: Path, resume: bool) -> None:
    if resume:
        if not (folder / storage.STATE).exists():
            raise ModelFileError(f"there is no run to resume in {folder}; leave out --resume to begin one")
        return
    if folder.exists() and not folder.is_dir():
        raise FflmError(f"can't write a run to {folder}: it is a file; choose another folder")
    if storage.is_run(folder):
        raise FflmError(f"{folder} holds another run; give --resume to go on with it, or choose another folder")
    for name in (storage.CONFIG, storage.LOG, storage.CURVE):
        if (folder / name).exists() and not _is_ours(folder / storage.CONFIG):
            raise FflmError(f"{folder} holds a file {name} that is not fflm's; choose another folder")


def _is_ours(config: Path) -> bool:
    """Whether a configuration was written by `begin`, in a run that was killed before its first step."""
    try:
        return storage.FORMAT in storage.read_json(config)
    except ModelFileError:
        return False


def begin(folder: Path, described: dict) -> None:
    """Make the folder and write the configuration of a new run."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FflmError(f"can't make the folder {folder}: {error.strerror or error}") from error
    storage.write_json(folder / storage.CONFIG, {storage.FORMAT: storage.VERSION, **described})


def check_unchanged(folder: Path, described: dict) -> None:
    """A resumed run must be the same run: same options (but for how long), same text.

    Raises
    ------
    ConfigError
        Naming the first option that differs.
    """
    before = storage.read_json(folder / storage.CONFIG)
    changed = [name for name, value in described.items() if name not in MAY_CHANGE and before.get(name) != value]
    if "vectors_content" in changed:
        raise ConfigError(
            f"the word vectors must be those of the run to resume in {folder}, got others; begin a new run"
        )
    for name in sorted(changed, key=lambda name: name == "text"):  # other options may be why the text is another
        if name == "text":
            raise ConfigError(f"the text must be that of the run to resume in {folder}, got another; begin a new run")
        raise ConfigError(
            f"{name} must be as in the run to resume, {_shown(before.get(name))}, got {_shown(described[name])}; "
            "give the options of the first call, or begin a new run"
        )


def _shown(value) -> str:
    return "the default" if value is None else " ".join(map(str, value)) if isinstance(value, list) else repr(value)
