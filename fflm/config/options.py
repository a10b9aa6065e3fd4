"""What a configuration is made of: fields with a range and a line of help, which are checked when one is made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, field, fields

from fflm.errors import ConfigError

KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "True or False",
    "str": "a text",
    "tuple[int, ...]": "a list of whole numbers",
}


def option(default, help, *, low=None, above=None, below=None, high=None, choices=None, metavar=None):
    """One configuration field: its default, its help and its range (low/high inclusive, above/below not)."""
    checks = {"low": low, "above": above, "below": below, "high": high, "choices": choices}
    return field(default=default, metadata={"help": help, "metavar": metavar, **checks})


def check_value(name: str, value, metadata) -> None:
    """Raise ConfigError unless `value` satisfies the range in a field's `metadata`."""
    choices = metadata.get("choices")
    if choices is not None:
        if value not in choices:
            raise ConfigError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
        return
    rules = (
        ("low", "at least", lambda v, limit: v >= limit),
        ("above", "above", lambda v, limit: v > limit),
        ("high", "at most", lambda v, limit: v <= limit),
        ("below", "below", lambda v, limit: v < limit),
    )
    for key, words, holds in rules:
        limit = metadata.get(key)
        if limit is None:
            continue
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if number and not math.isfinite(value):
            raise ConfigError(f"{name} must be {words} {limit} and finite, got {value!r}")
        if not number or not holds(value, limit):
            raise ConfigError(f"{name} must be {words} {limit}, got {value!r}")


class Checked:
    """Base of the configurations: types and ranges are checked when one is made."""

    def __post_init__(self):
        for item in fields(self):
            value = getattr(self, item.name)
            if value is None:
                if item.default is not None:
                    raise ConfigError(f"{item.name} must not be None")
                continue
            self._check_type(item, value)
            for part in value if isinstance(value, tuple) else (value,):
                check_value(item.name, part, item.metadata)

    def _check_type(self, item, value) -> None:
        kind = item.type.removesuffix(" | None")
        if kind == "tuple[int, ...]":
            if isinstance(value, (int, list)):
                value = (value,) if isinstance(value, int) else tuple(value)
                object.__setattr__(self, item.name, value)
            accepted = isinstance(value, tuple) and all(type(part) is int for part in value)
        elif kind == "float":
            accepted = isinstance(value, (int, float)) and not isinstance(value, bool)
        else:
            accepted = type(value).__name__ == kind
        if not accepted:
            raise ConfigError(f"{item.name} must be {KINDS[kind]}, got {value!r}")

    def to_dict(self) -> dict:
        """The options as plain JSON values."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}


def make(kind, options: dict, complete: bool = False):
    """Build the configuration `kind` from a dict; an unknown name is an error, if `complete` a missing one too."""
    known = {item.name for item in fields(kind)}
    unknown = sorted(set(options) - known)
    if unknown:
        raise ConfigError(f"unknown option {unknown[0]!r}, expected one of {', '.join(sorted(known))}")
    missing = sorted(known - set(options))
    if complete and missing:
        raise ConfigError(f"option {missing[0]!r} is missing")
    return kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in options.items()})


def configurations(kinds: Sequence[type], options: dict):
    """The configurations `kinds` made of `options`; an unknown one is a ConfigError."""
    names = {item.name: kind for kind in kinds for item in fields(kind)}
    for name in options:
        if name not in names:
            raise ConfigError(f"unknown option {name!r}, expected one of {', '.join(sorted(names))}")
    return [make(kind, {name: value for name, value in options.items() if names[name] is kind}) for kind in kinds]
