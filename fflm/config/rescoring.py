"""The options of rescoring n-best lists."""

from __future__ import annotations

from dataclasses import dataclass

from fflm.config.options import Checked, option


@dataclass(frozen=True)
class RescoreConfig(Checked):
    """How an n-best list is read, and what counts how much."""

    format: str = option(
        "auto",
        "tsv (id, score, hypothesis, tabs between), moses (id ||| hypothesis ||| features ||| score), kaldi "
        "(utterance-n hypothesis, with files of costs), kaldi-scores (utterance-n score hypothesis), or auto: as the "
        "lines look",
        choices=("auto", "tsv", "moses", "kaldi", "kaldi-scores"),
    )
    lm_weight: float | None = option(
        None,
        "what the natural log probability of the language model is multiplied by (default: fitted on the references; 1 "
        "without)",
        low=0.0,
        metavar="W",
    )
    word_penalty: float | None = option(
        None,
        "subtracted for each word (default: fitted on the references; 0 without)",
        low=-1e9,
        high=1e9,
        metavar="P",
    )
    acoustic_scale: float = option(1.0, "what the costs of --acoustic-costs are multiplied by", low=0.0, metavar="S")
    seed: int = option(1, "seed of the starts from which weights are fitted", low=0, high=2**63 - 1, metavar="S")
