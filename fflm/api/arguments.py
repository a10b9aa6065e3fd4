"""Arguments of what `import fflm` offers: sources, models, and files to write, checked before any work."""

from __future__ import annotations

import os
import re
from pathlib import Path

from fflm.errors import ConfigError, FflmError, option_name, shown
from fflm.model_file import check_name
from fflm.storage.files import is_stream


def names(sources: object, option: str = "sources") -> list[str] | None:
    """Return what `source_names` does, or None where no source is given."""
    return None if sources is None else source_names(sources, option)


def source_names(sources: object, option: str = "sources") -> list[str]:
    """Return the names of one source or several, as a list.

    Raises
    ------
    ConfigError
        If `sources` are no names, or a text or a number stands where the name of a file should.
    """
    if isinstance(sources, (str, os.PathLike)):
        source = os.fspath(sources)
        if isinstance(source, str):
            return [_source(source, option)]
    if not isinstance(sources, (list, tuple)):
        raise ConfigError(f"{option_name(option)} must be paths or names of corpora, got {shown(sources)}")
    return [name for source in sources for name in names(source, option) or [""]]


def _source(source: str, option: str) -> str:
    if ("\n" in source or len(source) > 10_000) and not os.path.exists(source):
        raise ConfigError(
            f"{option_name(option)} must be paths or names of corpora, got a text of {len(source):,} characters, "
            f"{shown(source, most=30)}; write it to a file and give the file's name"
        )
    if option == "valid" and re.fullmatch(r"0?\.[0-9]+|[0-9.]+ ?%", source) and not os.path.exists(source):
        raise ConfigError(
            f"{option_name('valid')} must be a text, got {shown(source)}; a share of the text is held out with "
            f"{option_name('valid_fraction')}"
        )
    return source


def check_new_file(path: str | Path | None, force: bool = False) -> None:
    """Refuse, before any work, a file that can't be written or, without `force`, would replace another one.

    Raises
    ------
    FflmError
        If it exists, or its folder does not.
    """
    if path is None:
        return
    if not isinstance(path, (str, os.PathLike)):
        raise ConfigError(f"the file to write must be given as a path, got {shown(path)}")
    if is_stream(path):
        return
    if not Path(path).name:
        raise FflmError(f"the file to write must have a name, got {shown(os.fspath(path))}")
    try:
        if Path(path).is_dir():
            raise FflmError(f"can't write {path}: it is a folder")
        if not force and Path(path).exists():
            raise FflmError(f"{path} exists already; choose another name, or replace it with {option_name('force')}")
        if not Path(path).absolute().parent.is_dir():
            raise FflmError(f"can't write {path}: there is no folder {Path(path).parent}")
    except (OSError, ValueError) as error:
        raise FflmError(f"can't write {path}: {getattr(error, 'strerror', None) or error}") from error


def check_new_model(path: str | Path | None, force: bool = False) -> None:
    """Refuse what `check_new_file` refuses, and a name under which a model would be taken for an ARPA file."""
    if isinstance(path, (str, os.PathLike)):
        check_name(path)
    check_new_file(path, force)
