"""Perplexity over the epochs of a run."""

from __future__ import annotations

import io
from typing import Any

from fflm.plots import drawing

#: The mark in the picture that tells it from a picture of another program.
MARK = "fflm learning curve"


@drawing()
def learning_curve(log: list[dict[str, Any]]) -> bytes:
    r"""Draw a PNG of training and validation perplexity over epochs.

    Parameters
    ----------
    log : list of dict
        The records of a run's ``log.jsonl``, one a validation.

    Examples
    --------
    >>> from fflm.plots import can_plot
    >>> records = [{"epochs": 1.0, "train_perplexity": 9.0, "valid_perplexity": 8.0}]
    >>> learning_curve(records)[:4] if can_plot() else b"\x89PNG"
    b'\x89PNG'
    """
    from matplotlib.figure import Figure  # not pyplot: no window, no state that others share

    epochs = [record["epochs"] for record in log]
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    for name, label in (("train_perplexity", "training (with dropout)"), ("valid_perplexity", "validation")):
        points = [(epoch, record[name]) for epoch, record in zip(epochs, log, strict=True) if record[name] is not None]
        if points:  # a loss over samples of the vocabulary has no perplexity
            axes.plot(*zip(*points, strict=True), marker="o", label=label)
    best = min(log, key=lambda record: record["valid_perplexity"])
    axes.axhline(
        best["valid_perplexity"],
        color="grey",
        linewidth=0.8,
        linestyle=":",
        label=f"best validation: {best['valid_perplexity']:.1f}",
    )
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.set_xlabel("epochs")
    axes.set_ylabel("perplexity")
    axes.legend()
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=150, metadata={"Software": MARK})
    return picture.getvalue()


def is_learning_curve(picture: bytes) -> bool:
    """Tell whether a picture was drawn by `learning_curve`."""
    return f"Software\0{MARK}".encode() in picture[:1024]
