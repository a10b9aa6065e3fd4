"""The command ``fflm rescore``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fflm.cli.flags import MODEL, add_encoding, add_flags, add_threads, given, verb
from fflm.cli.printing import note, print_aside, print_json, print_text
from fflm.config import RescoreConfig

if TYPE_CHECKING:
    from fflm.rescoring.ranking import Ranking


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb and its flags."""
    parser = verb(
        verbs,
        "rescore",
        run,
        "rank the hypotheses of n-best lists anew, by their score, a language model and their number of words",
        "fflm rescore nbest.tsv --model runs/stdlib --references references.tsv --best",
    )
    parser.add_argument("nbest", metavar="NBEST", help="a file of n-best lists, also compressed; - for standard input")
    parser.add_argument("--model", required=True, metavar="MODEL", help=MODEL)
    parser.add_argument(
        "--references",
        metavar="FILE",
        help="what was really said, a line of an id and words each (moses: of words): weights that are not given are "
        "fitted on it, and word error rates printed",
    )
    parser.add_argument("--acoustic-costs", metavar="FILE", help="kaldi: lines of utterance-n and its acoustic cost")
    parser.add_argument("--lm-costs", metavar="FILE", help="kaldi: lines of utterance-n and its language-model cost")
    add_flags(parser, RescoreConfig)
    parser.add_argument("--best", action="store_true", help="print the best hypothesis of each list alone")
    add_encoding(parser)
    add_threads(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the lists, or the best hypotheses; what is to be said about them goes to stderr."""
    from fflm.api.rescore import rescore
    from fflm.rescoring.nbest import best_line, nbest_lines

    ranking = rescore(
        arguments.nbest,
        arguments.model,
        arguments.references,
        arguments.acoustic_costs,
        arguments.lm_costs,
        arguments.encoding,
        arguments.threads,
        **given(arguments, RescoreConfig),
    )
    if arguments.json:
        print_json(ranking.to_dict())
    elif arguments.best:
        for id, ranked in ranking.lists:
            print_text(best_line(ranking.form, id, ranked[0].hypothesis.text))
    else:
        rows = ((id, one.hypothesis, one.total, one.log_prob) for id, ranked in ranking.lists for one in ranked)
        for line in nbest_lines(ranking.form, rows):
            print_text(line)
    _tell(ranking)
    return 0


def _tell(ranking: Ranking) -> None:
    for text in ranking.notes:
        print_aside(text if text.startswith("warning") else f"note: {text}")
    if ranking.rates is None:
        return
    rates = ranking.rates
    note(
        f"word error rate {100 * rates.before:.2f} % before, {100 * rates.after:.2f} % after, oracle "
        f"{100 * rates.oracle:.2f} % ({rates.lists:,} lists, {rates.words:,} words)"
    )
    weights = f"--lm-weight {ranking.lm_weight:.6g} --word-penalty {ranking.word_penalty:.6g}"
    note(f"with {weights}" + (", fitted on this very list: another one will gain less" if ranking.fitted else ""))
