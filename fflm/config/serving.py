"""The options of the page to explore models."""

from __future__ import annotations

from dataclasses import dataclass

from fflm.config.options import Checked, option
from fflm.errors import ConfigError, option_name


@dataclass(frozen=True)
class ServeConfig(Checked):
    """The options of `fflm serve`."""

    host: str = option(
        "127.0.0.1",
        "the address to listen at; one that other machines reach, such as 0.0.0.0, needs the token that is printed",
        metavar="ADDRESS",
    )
    port: int = option(8000, "the port; 0 for any that is free", low=0, high=65535, metavar="N")
    token: str | None = option(
        None,
        "what the page must know to be answered (default: none on this machine alone, else one drawn at random)",
        metavar="TOKEN",
    )
    rate: float | None = option(
        None,
        "requests a second from one address (default: any number on this machine alone, else 20)",
        above=0.0,
        high=1e6,
        metavar="N",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.token is not None and (len(self.token) < 8 or not self.token.isascii() or not self.token.isprintable()):
            raise ConfigError(f"{option_name('token')} must be at least 8 printable ASCII characters")
