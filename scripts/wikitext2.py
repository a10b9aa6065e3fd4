"""WikiText-2 with its own vocabulary: Kneser-Ney, a network of some minutes and their mixtures, beside known figures.

    python scripts/wikitext2.py --out runs/wikitext2 [--minutes 20]

Text and vocabulary are those of the known figures: every line's end, that of empty lines too, is the word `<eos>`
and is predicted, contexts run on across lines, `<unk>` is a word as it stands in the text, and all words of the
training text are known (`--boundary eos --vocab all`). The folder that the variable WIKITEXT2 names holds train.txt,
valid.txt and test.txt, the word-level files of Merity et al. 2017 (wiki.train.tokens and so on) under other names.
Weights are fitted on the validation text; the test text is read once, at the end. Run again, the script goes on where
it was stopped.
"""

import argparse
import os
from pathlib import Path

import numpy as np
from brown import Results, perplexity, run, seconds_trained

import fflm
from fflm.config import DataConfig, TokenizerConfig
from fflm.kernels._jit import PROCESSOR
from fflm.lm import CacheModel, Mixture, NgramModel, log_probs_of_parts
from fflm.nn.product_speed import fma_peak
from fflm.runtime.cores import available_cores
from fflm.storage.files import write
from fflm.text import Tokenizer, encode, load
from fflm.training.run_folder import STATE

#: Options of the network besides its text and its minutes; none are the defaults of `fflm train`.
OPTIONS: dict = {}
MINUTES = 20.0
CACHE = 500
WIKITEXT = Path(os.environ.get("WIKITEXT2", "../shared/text/wikitext-2"))
TEXT = TokenizerConfig(tokenizer="whitespace", boundary="eos")
WORDS = DataConfig(vocab="all")

#: What each row mixes, by the names of the parts.
ROWS = {
    "Kneser-Ney, order 5": ("ngram",),
    "network": ("network",),
    "network + Kneser-Ney": ("network", "ngram"),
    f"network + Kneser-Ney + cache of {CACHE} words": ("network", "ngram", "cache"),
}
#: Known figures on these tokens and this vocabulary: name, validation and test perplexity, where they are from.
KNOWN = (
    ("LSTM, 200 units, tied", "", "100.3", "PyTorch's example word_language_model"),
    ("LSTM, 650 units, tied", "", "86.7", "PyTorch's example word_language_model"),
    ("LSTM, 200 units, tied", "108.25", "102.26", "GluonNLP, scripts/word_language_model.rst"),
    ("LSTM, 650 units, tied", "98.96", "93.90", "GluonNLP, scripts/word_language_model.rst"),
    ("LSTM", "", "99.3", "Grave et al. 2017, the network without its cache"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/wikitext2"), metavar="FOLDER")
    parser.add_argument("--minutes", type=float, default=MINUTES, metavar="T", help="for the network (default: 20)")
    arguments = parser.parse_args()
    out, minutes = arguments.out, arguments.minutes
    out.mkdir(parents=True, exist_ok=True)
    results = Results(out / f"wikitext2-{minutes:g}.json")
    machine = results.get("machine", describe_machine)
    trained = results.get("network", lambda: network(out, minutes))
    figures = results.get("figures", lambda: evaluate(out, minutes))

    lines = ["| | valid | test | weights or source |", "|---|---|---|---|"]
    for name in ROWS:
        row = figures[name]
        weights = ", ".join(f"{weight:.3f}" for weight in row["weights"]) if len(row["weights"]) > 1 else ""
        lines.append(f"| {name} | {row['valid']:.1f} | {row['test']:.1f} | {weights} |")
    lines += [f"| known figure: {name} | {valid} | {test} | {source} |" for name, valid, test, source in KNOWN]
    tokens = ", ".join(f"{count:,} {part}" for part, count in figures["tokens"].items())
    lines += [
        "",
        f"tokens: {tokens}; {figures['words']:,} words, <unk> and <eos> among them",
        f"network: {trained['seconds']:.0f} s, {trained['epochs']:.2f} epochs, {trained['tokens_per_second']:,.0f} "
        f"tokens/s, {trained['parameters']:,} parameters",
        f"machine: {machine['threads']} threads of a processor {machine['processor']}, measured peak "
        f"{machine['gflops']:.0f} GFLOP/s",
        "",
    ]
    write(out / f"wikitext2-{minutes:g}.md", "\n".join(lines).encode())
    print("\n".join(lines))


def describe_machine() -> dict:
    """The processor, its threads in use, and its measured single-precision peak; measured before anything runs."""
    threads = available_cores()
    return {"processor": PROCESSOR, "threads": threads, "gflops": fma_peak(threads) / 1e9}


def part_of_text(name: str) -> str:
    """The file of a part of the text."""
    return str(WIKITEXT / f"{name}.txt")


def run_folder(out: Path, minutes: float) -> Path:
    """The run of the network that is given so many minutes."""
    return out / f"network-{minutes:g}"


def network(out: Path, minutes: float) -> dict:
    """Train, or go on with a run for what is left of its minutes; the test text is not read here."""
    folder = run_folder(out, minutes)
    before = seconds_trained(folder)
    report = fflm.train(
        part_of_text("train"),
        valid=part_of_text("valid"),
        out=folder,
        resume=(folder / STATE).exists(),
        minutes=max(minutes - before / 60.0, 0.01),
        **TEXT.to_dict(),
        vocab=WORDS.vocab,
        **OPTIONS,
    ).report
    return {
        "seconds": before + report.seconds,
        "epochs": report.epochs,
        "tokens_per_second": report.tokens_per_second,
        "parameters": report.parameters,
    }


def evaluate(out: Path, minutes: float) -> dict:
    """Fit the weights of each row on the validation text; then read the test text."""
    corpus = load([part_of_text("train")], [part_of_text("valid")], None, TEXT, WORDS, seed=1)
    vocabulary, tokenizer = corpus.vocabulary, Tokenizer(TEXT)
    parts = {
        "network": fflm.load(run_folder(out, minutes)).lm,
        "ngram": NgramModel.kneser_ney(corpus.train.ids, 5, vocabulary, tokenizer),
        "cache": CacheModel(vocabulary, tokenizer, CACHE),
    }
    valid = corpus.valid.ids
    scores = scores_of(parts, valid)
    mixtures = {
        name: Mixture.fit([parts[part] for part in row], valid, np.stack([scores[part] for part in row]))
        for name, row in ROWS.items()
    }
    figures: dict = {name: {"valid": combined(mixtures[name], valid, scores, row)} for name, row in ROWS.items()}
    test = encode([part_of_text("test")], tokenizer, vocabulary, DataConfig()).ids
    scores = scores_of(parts, test)
    for name, row in ROWS.items():
        figures[name] |= {
            "test": combined(mixtures[name], test, scores, row),
            "weights": mixtures[name].weights[0].tolist(),
        }
    tokens = {"training": len(corpus.train), "validation": len(valid), "test": len(test)}
    # <s> and </s> have ids as well, but never occur in this boundary.
    return figures | {"tokens": tokens, "words": len(vocabulary) - 2}


def scores_of(parts: dict, ids: np.ndarray) -> dict[str, np.ndarray]:
    """Natural log P of every word of a text under each part, by the part's name."""
    return dict(zip(parts, log_probs_of_parts(list(parts.values()), ids), strict=True))


def combined(mixture: Mixture, ids: np.ndarray, scores: dict[str, np.ndarray], row: tuple[str, ...]) -> float:
    """Perplexity of a mixture, from what its parts say of the text."""
    return perplexity(mixture.combined(ids, np.stack([scores[part] for part in row])))


if __name__ == "__main__":
    run(main)
