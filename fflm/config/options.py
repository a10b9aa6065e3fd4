"""The fields of configurations, each with a range and a line of help; a configuration checks itself when made.

Numbers may be those of NumPy and paths those of `pathlib`; they are kept as built-in types.
"""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import Field, asdict, dataclass, field, fields
from numbers import Integral, Real
from typing import Any, SupportsFloat, SupportsInt, TypeGuard, TypeVar

from fflm.errors import ConfigError, did_you_mean, option_name, shown

KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "True or False",
    "str": "a string",
    "path": "a string or a path",
    "tuple[int, ...]": "a list of whole numbers",
    "tuple[float, ...]": "a list of numbers",
}


def option(
    default: Any,
    help: str,
    *,
    low: float | None = None,
    above: float | None = None,
    below: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] | None = None,
    metavar: str | None = None,
    planned: bool = False,
) -> Any:
    """Make one field of a configuration: default, help and range (low/high inclusive, above/below not).

    What is `planned` is chosen by `fflm.training.plan` in a training run; the default is that of the class alone.
    """
    checks = {"low": low, "above": above, "below": below, "high": high, "choices": choices}
    return field(default=default, metadata={"help": help, "metavar": metavar, "planned": planned, **checks})


def is_flag(value: object) -> bool:
    """Tell whether a value is True or False, of Python or of NumPy."""
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    return isinstance(value, bool) or (kind == "b" and getattr(value, "ndim", None) == 0)


def is_whole(value: object) -> TypeGuard[SupportsInt]:
    """Tell whether a value is a whole number, of Python or of NumPy; True and False are none."""
    return isinstance(value, Integral) and not is_flag(value)


def is_number(value: object) -> TypeGuard[SupportsFloat]:
    """Tell whether a value is a real number, of Python or of NumPy; True and False are none."""
    return isinstance(value, Real) and not is_flag(value)


def check_value(name: str, value: Any, metadata: Mapping[str, Any]) -> None:
    """Raise ConfigError unless `value` satisfies the range in a field's `metadata`."""
    choices = metadata.get("choices")
    if choices is not None:
        if not isinstance(value, str) or value not in choices:
            raise ConfigError(f"{option_name(name)} must be one of {', '.join(choices)}, got {shown(value)}")
        return
    rules: tuple[tuple[str, str, Callable[[Any, Any], bool]], ...] = (
        ("low", "at least", lambda v, limit: v >= limit),
        ("above", "above", lambda v, limit: v > limit),
        ("high", "at most", lambda v, limit: v <= limit),
        ("below", "below", lambda v, limit: v < limit),
    )
    for key, words, holds in rules:
        limit = metadata.get(key)
        if limit is None:
            continue
        number = is_number(value)
        if number and not is_whole(value) and not math.isfinite(value):
            raise ConfigError(f"{option_name(name)} must be {words} {limit} and finite, got {shown(value)}")
        if not number or not holds(value, limit):
            raise ConfigError(f"{option_name(name)} must be {words} {limit}, got {shown(value)}")


def whole_number(name: str, value: object, low: int, high: int | None = None) -> int:
    """Return an argument that must be a whole number from `low` (to `high`), as an int.

    Raises
    ------
    ConfigError
        If `value` is no such number.

    Examples
    --------
    >>> whole_number("top", 3, low=1)
    3
    """
    number: int = _plain("int", name, value)
    check_value(name, number, {"low": low, "high": high})
    return number


def path_name(name: str, value: object) -> str:
    """Return a path that was given as a string or as a path, as a string.

    Raises
    ------
    ConfigError
        If `value` is neither.
    """
    path: str = _plain("path", name, value)
    return path


def _plain(kind: str, name: str, value: Any) -> Any:
    """Return the value as the built-in type of this kind, or raise ConfigError."""
    if kind == "bool" and is_flag(value):
        return bool(value)
    if kind == "int" and is_whole(value):
        return int(value)
    if kind == "float" and is_number(value):
        with suppress(OverflowError):  # a whole number may be too large for any other
            number = float(value)
            return int(value) if is_whole(value) else number
    if kind == "str" and isinstance(value, str):
        return str(value)
    if kind == "path" and isinstance(value, (str, os.PathLike)):
        path = os.fspath(value)
        if isinstance(path, str):
            return str(path)
    if kind.startswith("tuple"):
        parts = value.tolist() if hasattr(value, "tolist") else value
        parts = [parts] if is_number(parts) else parts
        if isinstance(parts, Iterable) and not isinstance(parts, (str, bytes, dict)):
            parts = list(parts)
            if kind == "tuple[int, ...]" and all(map(is_whole, parts)):
                return tuple(map(int, parts))
            if kind == "tuple[float, ...]" and all(map(is_number, parts)):
                return tuple(map(float, parts))
    raise ConfigError(f"{option_name(name)} must be {KINDS[kind]}, got {shown(value)}")


@dataclass(frozen=True)
class Checked:
    """The base class of configurations: an instance checks the types and ranges of its fields."""

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if value is None:
                if item.default is not None:
                    raise ConfigError(f"{option_name(item.name)} must not be None")
                continue
            object.__setattr__(self, item.name, _checked(item, value))

    def to_dict(self) -> dict[str, Any]:
        """Return the options as plain JSON values."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}


def _checked(item: Field[Any], value: Any) -> Any:
    """Return the value of a field as a built-in type, or raise ConfigError."""
    kind = str(item.type).removesuffix(" | None")
    if item.metadata["choices"] is not None:
        check_value(item.name, value, item.metadata)
        return str(value)
    value = _plain("path" if item.metadata["metavar"] == "FILE" else kind, item.name, value)
    if value == (0,) and kind == "tuple[int, ...]":  # no number at all, as the command line can say it
        return ()
    for part in value if isinstance(value, tuple) else (value,):
        check_value(item.name, part, item.metadata)
    return value


Configuration = TypeVar("Configuration", bound=Checked)
_Function = TypeVar("_Function", bound=Callable[..., Any])


def make(kind: type[Configuration], options: dict[str, Any], complete: bool = False) -> Configuration:
    """Build the configuration `kind` from a dict; an unknown name is an error, if `complete` a missing one too."""
    known = {item.name for item in fields(kind)}
    for name in options:
        if name not in known:
            raise _unknown(name, known)
    missing = sorted(known - set(options))
    if complete and missing:
        raise ConfigError(f"option {missing[0]!r} is missing")
    return kind(**options)


def configurations(kinds: Sequence[type[Any]], options: dict[str, Any]) -> list[Any]:
    """Build the configurations `kinds` from a dict of options; an unknown name is a ConfigError."""
    names = {item.name: kind for kind in kinds for item in fields(kind)}
    for name in options:
        if name not in names:
            raise _unknown(name, names)
    return [make(kind, {name: value for name, value in options.items() if names[name] is kind}) for kind in kinds]


#: What the letters of Bengio et al. (2003) are called here.
LETTERS = {
    "n": ("context_size", "context_size, which is n - 1"),
    "h": ("hidden_dims", "hidden_dims"),
    "m": ("embedding_dim", "embedding_dim"),
    "V": ("vocab_size", "vocab_size"),
}


class _Planned:
    """Stands in signatures for what is planned where it is not given."""

    def __repr__(self) -> str:
        return "planned"


_PLANNED = _Planned()


def takes_options(*kinds: type[Any]) -> Callable[[_Function], _Function]:
    """Make the decorator that lists the options of configurations in the signature and the help of a function.

    The function takes them as ``**options``: so they are written down once, and `help` and editors see them.

    Examples
    --------
    >>> import inspect
    >>> from fflm.config import SampleConfig
    >>> @takes_options(SampleConfig)
    ... def draw(prompt, **options):
    ...     "Draw."
    >>> list(inspect.signature(draw).parameters)[:3], "tokens : int" in draw.__doc__
    (['prompt', 'tokens', 'samples'], True)
    """

    def mark(function: _Function) -> _Function:
        signature = inspect.signature(function)
        own = [item for item in signature.parameters.values() if item.kind is not inspect.Parameter.VAR_KEYWORD]
        names = {item.name for item in own}
        options = [item for kind in kinds for item in fields(kind) if item.name not in names]
        listed = [
            inspect.Parameter(
                item.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=_PLANNED if item.metadata["planned"] else item.default,
                annotation=item.type,
            )
            for item in options
        ]
        function.__signature__ = signature.replace(parameters=[*own, *listed])  # type: ignore[attr-defined]
        lines = [f"    {item.name} : {item.type}\n        {_sentence(item.metadata['help'])}" for item in options]
        section = "\n".join(["", "    Other Parameters", "    ----------------", *lines, "    "])
        function.__doc__ = (function.__doc__ or "").rstrip() + "\n" + section
        return function

    return mark


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].replace("%%", "%") + "."


def _unknown(name: str, known: Iterable[str]) -> ConfigError:
    meant = did_you_mean(name, known)
    hint = "" if meant is None else f"; did you mean {meant}?"
    option, called = LETTERS.get(name, ("", ""))
    if option in known:
        hint = f"; the paper's {name} is {called}"
    return ConfigError(f"unknown option {shown(name)}, expected one of {', '.join(sorted(known))}{hint}")
