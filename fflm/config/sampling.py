"""The options of sampling words from a model."""

from __future__ import annotations

from dataclasses import dataclass

from fflm.config.options import Checked, option


@dataclass(frozen=True)
class SampleConfig(Checked):
    """The options of sampling words from a model."""

    tokens: int = option(30, "tokens to draw", low=1, metavar="N")
    samples: int = option(1, "independent continuations", low=1, metavar="N")
    temperature: float = option(
        1.0, "below 1: safer, above 1: bolder, 0: always the likeliest word", low=0.0, metavar="T"
    )
    top_k: int | None = option(None, "draw from the K likeliest words only", low=1, metavar="K")
    top_p: float | None = option(
        None, "draw from the likeliest words that together reach probability P", above=0.0, high=1.0, metavar="P"
    )
    seed: int = option(1, "seed of the draw", low=0, high=2**63 - 1, metavar="S")
