"""The command ``fflm ngram``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import fflm
from fflm.cli.flags import MODEL, SOURCE, add_flags, add_force, add_threads, given, takes_stdout, verb
from fflm.cli.printing import print_held_out, print_json, print_line, report_aside
from fflm.config import DataConfig, NgramConfig, TokenizerConfig
from fflm.errors import ConfigError, option_name


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb and its flags."""
    parser = verb(
        verbs,
        "ngram",
        run,
        "make an n-gram model: count and smooth the n-grams of a text, or read an ARPA file",
        "fflm ngram brown --out kn5.safetensors --order 5 --vocab-of runs/brown",
    )
    parser.add_argument("sources", nargs="*", metavar="SOURCE", help=SOURCE)
    parser.add_argument("--out", required=True, metavar="MODEL", help="model file to write, or - for standard output")
    add_force(parser, "the file MODEL")
    parser.add_argument(
        "--arpa",
        metavar="FILE",
        help="read this ARPA file of KenLM, SRILM or fflm, or - for standard input, instead of counting a SOURCE (as "
        "lines of words with blanks between them, unless the file, --vocab-of, --tokenizer or --boundary say "
        "otherwise)",
    )
    parser.add_argument(
        "--vocab-of",
        metavar="MODEL",
        help=f"take vocabulary and tokenizer of this model ({MODEL}), so that both can be mixed and compared",
    )
    parser.add_argument(
        "--valid",
        metavar="SOURCE",
        help="validation text (default: what fflm train would hold out); interpolated smoothing fits its weights on it",
    )
    parser.add_argument("--test", metavar="SOURCE", help="test text (default: a named corpus's own)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="seed of the held-out units (default: 1)")
    add_threads(parser)
    add_flags(parser, NgramConfig, "n-grams")
    add_flags(parser, DataConfig, "words and held-out text")
    add_flags(parser, TokenizerConfig, "tokens")


def run(arguments: argparse.Namespace) -> int:
    """Make an n-gram model and print how many n-grams it has and its perplexity on held-out text."""
    aside = takes_stdout(arguments, arguments.out)
    if arguments.arpa is not None:
        return _convert(arguments, aside)
    if not arguments.sources:
        raise ConfigError("ngram needs a SOURCE, or --arpa FILE")
    model = fflm.ngram(
        *arguments.sources,
        valid=arguments.valid,
        test=arguments.test,
        out=arguments.out,
        vocab_of=arguments.vocab_of,
        seed=arguments.seed,
        threads=arguments.threads,
        force=arguments.force,
        **given(arguments, NgramConfig, TokenizerConfig, DataConfig),
    )
    report = model.report
    if arguments.json:
        print_json(report.to_dict())
        return 0
    with report_aside(aside):
        print_line(f"model        {report.out} ({report.smoothing}, order {report.order})")
        left_out = f", without those of at most {' '.join(map(str, report.prune))} occurrences" if report.prune else ""
        print_line(f"n-grams      {_counted(report.ngrams)}{left_out}")
        print_line(
            f"text         {report.train_tokens:,} tokens, {report.vocab_size:,} words, counted and smoothed in "
            f"{report.estimation_seconds:.2f} s"
        )
        print_held_out(report)
    return 0


def _convert(arguments: argparse.Namespace, aside: bool) -> int:
    refused = {name: getattr(arguments, name) for name in ("sources", "valid", "test")}
    for name, value in (refused | given(arguments, NgramConfig, DataConfig)).items():
        if value not in (None, []):
            raise ConfigError(
                f"{option_name(name)} must not be given together with {option_name('arpa')}: nothing is counted"
            )
    model = fflm.convert_arpa(
        arguments.arpa,
        out=arguments.out,
        vocab_of=arguments.vocab_of,
        threads=arguments.threads,
        force=arguments.force,
        **given(arguments, TokenizerConfig),
    )
    facts = model.lm.describe()
    if arguments.json:
        print_json({"out": arguments.out, **facts})
        return 0
    with report_aside(aside):
        print_line(f"model        {arguments.out} (from {arguments.arpa}, order {facts['order']})")
        print_line(f"n-grams      {_counted(facts['ngrams'])}")
    return 0


def _counted(sizes: Sequence[int]) -> str:
    """Return how many n-grams of each order there are, as text."""
    words = f"1 to {len(sizes)} words" if len(sizes) > 1 else "1 word"
    return ", ".join(f"{size:,}" for size in sizes) + f" of {words}"
