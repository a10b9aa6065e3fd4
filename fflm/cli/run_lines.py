"""The report of a training run in lines, as `train` ends with it and `info` shows it again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fflm.cli.printing import perplexity_lines

if TYPE_CHECKING:
    from fflm.training.report import TrainReport


def run_lines(report: TrainReport) -> Iterator[str]:
    """Yield the lines of the report: how it ended, what was trained on what, and the figures."""
    why = {
        "epochs": "all epochs done",
        "early": "validation stopped improving",
        "minutes": "time is up",
        "interrupted": "interrupted; --resume goes on",
    }[report.stopped]
    yield f"run          {report.out} ({why})"
    yield f"plan         {report.plan}"
    label = "network" if report.parts else "model"
    yield f"{label:12} {report.vocab_size:,} words, {report.parameters:,} parameters"
    if report.parts:
        yield from _mixture_lines(report)
    yield (
        f"training     {report.train_tokens:,} tokens, {report.epochs:.4g} epochs, {report.steps:,} steps, "
        f"{report.seconds:.1f} s, {report.tokens_per_second:,.0f} tokens/s"
    )
    for text, label, part in (("valid", "validation", report.valid), ("test", "test", report.test)):
        if part is not None:
            for name, line in zip((label, ""), perplexity_lines(part), strict=False):
                yield f"{name:12} {line}"
            if report.parts:
                network, ngram = (report.parts[name][text]["perplexity"] for name in ("network", "ngram"))
                yield f"{'':12} (network alone {network:.2f}, n-gram model alone {ngram:.2f})"
    for note in report.notes:
        yield f"note         {note}"


def _mixture_lines(report: TrainReport) -> Iterator[str]:
    """Say what the network is mixed with, and how much each part weighs."""
    ngram = report.parts["ngram"]
    size, order, prune = sum(ngram["ngrams"]), ngram["order"], ngram["prune"]
    pruned = f", without those of 3 and more words that occur at most {_times(prune[-1])}" if prune else ""
    yield f"n-grams      {size:,} of up to {order} words, Kneser-Ney{pruned}"
    assert report.weights is not None
    by_count = "" if len(report.weights) == 1 else " on average, by how often the last two words were seen"
    network, other = (report.parts[name]["weight"] for name in ("network", "ngram"))
    yield f"mixture      {network:.2f} network + {other:.2f} n-gram model{by_count}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"
