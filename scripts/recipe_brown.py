"""The best recipe on Brown: a network of at most 20 minutes, with Kneser-Ney and a cache; what each piece is worth.

    python scripts/recipe_brown.py --out runs/recipe               # the network, its mixtures, an ensemble
    python scripts/recipe_brown.py --out runs/recipe --ablation    # the recipe with one thing changed at a time
    python scripts/recipe_brown.py --out runs/recipe --elsewhere   # the same recipe on texts they were not chosen on

Same text and vocabulary as scripts/reproduce_bengio2003.py (see scripts/brown.py). Everything was chosen on the
validation text: the ablation does not read the test text at all, the first command reads it once, at its end. Run
again, each goes on where it was stopped; a network of the ablation, which is not saved, begins anew. The recipe is what
`fflm train` did by default before it had a plan: one size of network for every text and time, and the exact softmax.
"""

import argparse
import os
from pathlib import Path

import numpy as np
from brown import Results, brown, perplexity, run, seconds_trained, vocabulary_file

import fflm
from fflm.config import TokenizerConfig
from fflm.lm import CacheModel, Mixture, NgramModel
from fflm.storage.files import write
from fflm.text import Tokenizer
from fflm.training.run_folder import STATE

MINUTES = 20.0
EPOCHS = 2  # elsewhere, so that no machine has other figures
CACHE = 500
ENSEMBLE = 2
RECIPE = {
    "context_size": 8,
    "bag_size": 100,
    "bag_decays": 1.0,
    "pairs": 0,
    "embedding_dim": 160,
    "hidden_dims": 300,
    "dropout": 0.5,
    "embedding_dropout": 0.3,
    "batch_size": 256,
    "learning_rate": None,
    "run_length": 1,
    "softmax": "exact",
    "ngram_order": 0,
}
#: The ablation's runs: all 12 epochs, since what regularises pays late, over fewer words; networks alone.
SMALL = RECIPE | {"vocab_size": 2048}
VARIANTS = {
    "the recipe": {},
    "without the bag": {"bag_size": 0},
    "no dropout": {"dropout": 0.0, "embedding_dropout": 0.0},
    "no weight decay": {"weight_decay": 0.0},
    "rate halved on a plateau": {"schedule": "plateau"},
    "4 words of context": {"context_size": 4},
    "64 features": {"embedding_dim": 64},
    "less dropout": {"dropout": 0.3, "embedding_dropout": 0.1},
    "direct connections": {"direct": True},
    "two hidden layers": {"hidden_dims": (400, 300)},
    "bag of 200 words": {"bag_size": 200},
    "ReLU": {"activation": "relu"},
    "Adagrad": {"optimizer": "adagrad"},
}
WIKITEXT = Path(os.environ.get("WIKITEXT2", "../shared/text/wikitext-2"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/recipe"), metavar="FOLDER")
    parser.add_argument("--ablation", action="store_true", help="one thing changed at a time, on the validation text")
    parser.add_argument("--elsewhere", action="store_true", help="WikiText-2 and Gutenberg with the same recipe")
    parser.add_argument("--minutes", type=float, default=MINUTES, metavar="T", help="for each network on Brown")
    parser.add_argument("--epochs", type=int, default=EPOCHS, metavar="N", help="of each network elsewhere")
    arguments = parser.parse_args()
    out = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    if arguments.ablation:
        ablation(out)
    elif arguments.elsewhere:
        elsewhere(out, arguments.epochs)
    else:
        recipe(out, arguments.minutes)


def recipe(out: Path, minutes: float) -> None:
    """The single network, with Kneser-Ney, with the cache; then the same with several networks."""
    corpus, results = brown(out), Results(out / "recipe.json")
    valid, test = corpus.valid.ids, corpus.test.ids
    tokenizer = Tokenizer(TokenizerConfig())
    runs = [
        results.get(f"network {seed}", lambda seed=seed: network(out, seed, minutes)) for seed in range(1, ENSEMBLE + 1)
    ]
    networks = [fflm.load(out / f"network{seed}").lm for seed in range(1, ENSEMBLE + 1)]
    kneser_ney = NgramModel.kneser_ney(corpus.train.ids, 5, corpus.vocabulary, tokenizer)
    cache = CacheModel(corpus.vocabulary, tokenizer, CACHE)
    mixtures = {
        "Kneser-Ney, order 5": [kneser_ney],
        "network": networks[:1],
        "network + Kneser-Ney": [networks[0], kneser_ney],
        "network + Kneser-Ney + cache": [networks[0], kneser_ney, cache],
        f"{ENSEMBLE} networks": networks,
        f"{ENSEMBLE} networks + Kneser-Ney": [*networks, kneser_ney],
        f"{ENSEMBLE} networks + Kneser-Ney + cache": [*networks, kneser_ney, cache],
    }
    lines = ["| | valid | test | weights |", "|---|---|---|---|"]
    for name, parts in mixtures.items():
        row = results.get(name, lambda parts=parts: mixed(parts, valid, test))
        weights = ", ".join(f"{weight:.3f}" for weight in row["weights"])
        lines.append(f"| {name} | {row['valid']:.1f} | {row['test']:.1f} | {weights} |")
    for seed, row in enumerate(runs, start=1):
        lines.append("")
        lines.append(
            f"network {seed}: {row['seconds']:.0f} s, {row['epochs']:.2f} epochs, {row['tokens_per_second']:,.0f} "
            f"tokens/s, {row['parameters']:,} parameters"
        )
    finish(out / "recipe.md", lines)


def network(out: Path, seed: int, minutes: float) -> dict:
    """Train with the defaults, or go on with a run for what is left of its minutes; the test text is not read here."""
    folder, before = out / f"network{seed}", seconds_trained(out / f"network{seed}")
    words = str(vocabulary_file(out))
    model = fflm.train(
        "brown:train",
        valid="brown:valid",
        out=folder,
        resume=(folder / STATE).exists(),
        vocab=words,
        minutes=max(minutes - before / 60.0, 0.01),
        seed=seed,
        **RECIPE,
    )
    return figures(model.report) | {"seconds": before + model.report.seconds}


def figures(report) -> dict:
    """What the tables show of a run."""
    return {
        "valid": report.valid_perplexity,
        "epochs": report.epochs,
        "tokens_per_second": report.tokens_per_second,
        "parameters": report.parameters,
    }


def mixed(parts: list, valid: np.ndarray, test: np.ndarray) -> dict:
    """Weights fitted on the validation text, perplexity there and on the test text."""
    scores = np.stack([part.log_probs(valid) for part in parts])
    mixture = Mixture.fit(parts, valid, scores)
    ends = {"valid": perplexity(mixture.log_probs(valid)), "test": perplexity(mixture.log_probs(test))}
    return ends | {"weights": mixture.weights[0].tolist()}


def ablation(out: Path) -> None:
    """Validation perplexity of smaller runs, the recipe and one change at a time."""
    results = Results(out / "ablation.json")
    lines = ["| | valid | change | parameters |", "|---|---|---|---|"]
    base = None
    for name, change in VARIANTS.items():
        row = results.get(name, lambda change=change: variant(change))
        base = base or row["valid"]
        difference = f"{100 * (row['valid'] / base - 1):+.1f} %" if change else ""
        lines.append(f"| {name} | {row['valid']:.1f} | {difference} | {row['parameters']:,} |")
        print(lines[-1], flush=True)
    finish(out / "ablation.md", lines)


def variant(change: dict) -> dict:
    """One small run; the test text is not read."""
    return figures(fflm.train("brown:train", valid="brown:valid", quiet=True, **SMALL | change).report)


def elsewhere(out: Path, epochs: int) -> None:
    """The same recipe on other texts, each with its own training vocabulary, beside Kneser-Ney of order 5.

    Of WikiText-2 only the training text makes the vocabulary, so that more of it is unknown than its publishers left.
    """
    results = Results(out / "elsewhere.json")
    parts = [str(WIKITEXT / f"{part}.txt") for part in ("train", "valid", "test")]
    wikitext = {"tokenizer": "whitespace"}
    texts = {
        "WikiText-2, line": (*parts, wikitext | {"boundary": "line"}),
        "WikiText-2, stream": (*parts, wikitext | {"boundary": "stream"}),
        "Gutenberg": ("gutenberg", None, None, {}),
    }
    lines = [
        "| | tokens | words | unknown | Kneser-Ney 5 | network | both | epochs |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, (train, valid, test, options) in texts.items():
        folder = out / name.replace(", ", "-").lower()
        row = results.get(name, lambda args=(folder, train, valid, test, options, epochs): other_text(*args))
        lines.append(
            f"| {name} | {row['tokens']:,} | {row['vocab_size']:,} | {100 * row['oov_rate']:.1f} % | "
            f"{row['ngram']:.1f} | {row['network']:.1f} | {row['both']:.1f} | {row['epochs']:.2f} |"
        )
        print(lines[-1], flush=True)
    finish(out / "elsewhere.md", lines)


def other_text(folder: Path, train: str, valid: str | None, test: str | None, options: dict, epochs: int) -> dict:
    """Train on another text, or go on with its run; perplexities on its test part."""
    resume = (folder / STATE).exists()
    report = fflm.train(
        train, valid=valid, test=test, out=folder, resume=resume, epochs=epochs, **RECIPE, **options
    ).report
    (folder / "kn5.safetensors").unlink(missing_ok=True)  # of a call that was stopped after it
    ngram = fflm.ngram(train, valid=valid, test=test, vocab_of=folder, out=folder / "kn5.safetensors")
    held_out = valid or f"{train}:valid"
    both = fflm.mix(folder, folder / "kn5.safetensors", valid=held_out, test=test or f"{train}:test")
    return {
        "tokens": report.train_tokens,
        "vocab_size": report.vocab_size,
        "oov_rate": report.test["oov_rate"],
        "ngram": ngram.report.test["perplexity"],
        "network": report.test_perplexity,
        "both": both.report.test["perplexity"],
        "epochs": report.epochs,
    }


def finish(path: Path, lines: list[str]) -> None:
    """Write the table with the recipe above it, and print it."""
    lines = [f"The recipe: {RECIPE}", "", *lines, ""]
    write(path, "\n".join(lines).encode())
    print("\n".join(lines))


if __name__ == "__main__":
    run(main)
