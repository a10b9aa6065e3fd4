"""Table 1 of Bengio et al. 2003 on Brown, by one command: their networks, the mixtures with the trigram, n-gram models.

    python scripts/reproduce_bengio2003.py --out runs/bengio2003

Writes OUT/table.md and, with the plot extra, OUT/figure.png. Run again, it goes on where it was stopped.

NLTK's edition of Brown has 1,161,192 words, the paper's had 1,181,041: the split can't be the same. The first 800,000
tokens (with marks for texts and paragraphs) are for training, the next 200,000 for validation, the last 177,359 for the
test. The vocabulary is that of the paper's size, from the whole corpus as in the paper (see scripts/brown.py).

The shapes n, h, m and the direct connections are the paper's (no bag), as is the mixture: half the network, half the
interpolated trigram, whose weights are fitted on the validation text. The training is fflm's (Adam, linear rate,
dropout, weight decay), the same for all five; its options were chosen on the validation text.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from brown import Results, brown, perplexity, run, seconds_trained, vocabulary_file

import fflm
from fflm.config import TokenizerConfig
from fflm.lm import InterpolatedNgramModel, Mixture, NgramModel
from fflm.storage.files import write
from fflm.text import Tokenizer
from fflm.training.run_folder import STATE

# Name and name of the mixture; n, h, m, direct; the paper's train, valid and test perplexity, valid and test mixed.
NETWORKS = [
    ("MLP1", "MLP2", 5, 50, 60, True, (182, 284, 268), (275, 257)),
    ("MLP3", "MLP4", 5, 0, 60, True, (201, 327, 310), (286, 272)),
    ("MLP5", "MLP6", 5, 50, 30, True, (209, 296, 279), (273, 259)),
    ("MLP7", "MLP8", 3, 50, 30, True, (210, 309, 293), (284, 270)),
    ("MLP9", "MLP10", 5, 100, 30, False, (175, 280, 276), (265, 252)),
]
TRIGRAM = (31, 352, 336)
KNESER_NEY = {3: (None, 334, 323), 4: (None, 332, 321), 5: (None, 332, 321)}
CLASSES = (None, 326, 312)
TRAINING = {"epochs": 8, "dropout": 0.1, "embedding_dropout": 0.2, "weight_decay": 0.1, "ngram_order": 0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/bengio2003"), metavar="FOLDER")
    out = parser.parse_args().out
    corpus = brown(out)
    texts = {"train": corpus.train.ids, "valid": corpus.valid.ids, "test": corpus.test.ids}
    results = Results(out / "results.json")
    tokenizer = Tokenizer(TokenizerConfig())
    begin = time.monotonic()
    trigram = InterpolatedNgramModel.fit(texts["train"], texts["valid"], 3, corpus.vocabulary, tokenizer)
    fitting = time.monotonic() - begin
    results.get("trigram", lambda: scored(trigram, texts) | {"seconds": fitting})
    for order in KNESER_NEY:
        results.get(f"KN{order}", lambda order=order: kneser_ney(order, corpus, texts))
    for name, mixed, n, h, m, direct, *_ in NETWORKS:
        results.get(name, lambda args=(name, n, h, m, direct): network(out, texts, *args))
        results.get(mixed, lambda name=name: mixture(out / name, trigram, texts))
    table = "\n".join(lines(results.rows))
    write(out / "table.md", (table + "\n").encode())
    print(table)
    draw(results.rows, out / "figure.png")


def scored(model, texts: dict) -> dict:
    """Perplexity on each text."""
    return {part: perplexity(model.log_probs(ids)) for part, ids in texts.items()}


def kneser_ney(order: int, corpus, texts: dict) -> dict:
    model = NgramModel.kneser_ney(texts["train"], order, corpus.vocabulary, Tokenizer(TokenizerConfig()))
    return scored(model, texts)


def network(out: Path, texts: dict, name: str, n: int, h: int, m: int, direct: bool) -> dict:
    """Train one network, or go on with its run; its figures."""
    folder, before = out / name, seconds_trained(out / name)
    model = fflm.train(
        "brown",
        out=folder,
        resume=(folder / STATE).exists(),
        vocab=str(vocabulary_file(out)),
        context_size=n - 1,
        hidden_dims=h,
        embedding_dim=m,
        direct=direct,
        bag_size=0,
        **TRAINING,
    )
    report = model.report
    return scored(model.lm, texts) | {
        "seconds": before + report.seconds,
        "tokens_per_second": report.tokens_per_second,
        "epochs": report.epochs,
        "parameters": report.parameters,
    }


def mixture(folder: Path, trigram: InterpolatedNgramModel, texts: dict) -> dict:
    """The paper's mixture: a constant weight of one half."""
    return scored(Mixture([fflm.load(folder).lm, trigram], np.array([[0.5, 0.5]])), texts)


def lines(rows: dict):
    """The table as Markdown, ours beside the paper's."""
    yield "| | n | h | m | direct | mix | train | valid | test | paper: train | valid | test | seconds | tokens/s |"
    yield "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"

    def line(name, shape, row, paper):
        theirs = " | ".join("" if value is None else str(value) for value in paper)
        ours = " | ".join("" if row is None else f"{row[part]:.1f}" for part in ("train", "valid", "test"))
        seconds = "" if row is None else f"{row['seconds']:.0f}"
        speed = f"{row['tokens_per_second']:,.0f}" if row and "tokens_per_second" in row else ""
        return f"| {name} | {shape} | {ours} | {theirs} | {seconds} | {speed} |"

    for name, mixed, n, h, m, direct, alone, both in NETWORKS:
        shape = f"{n} | {h} | {m} | {'yes' if direct else 'no'}"
        yield line(name, f"{shape} | no", rows[name], alone)
        yield line(mixed, f"{shape} | yes", rows[mixed], (None, *both))
    yield line("interpolated trigram", "3 | | | |", rows["trigram"], TRIGRAM)
    for order, paper in KNESER_NEY.items():
        yield line("Kneser-Ney (paper: back-off)", f"{order} | | | |", rows[f"KN{order}"], paper)
    yield line("best class-based back-off (500 classes)", "3 | | | |", None, CLASSES)


def draw(rows: dict, path: Path) -> None:
    """Test perplexities, ours against the paper's; a note where matplotlib is missing or broken."""
    try:
        picture(rows, path)
    except Exception as error:
        print(f"note: no {path}: {type(error).__name__}: {error}", file=sys.stderr)


def picture(rows: dict, path: Path) -> None:
    """Draw and write the picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    pairs = [(name, rows[name]["test"], paper[2]) for name, _, *_, paper, _ in NETWORKS]
    pairs += [(f"{mixed}", rows[mixed]["test"], paper[1]) for _, mixed, *_, paper in NETWORKS]
    pairs += [("interpolated trigram", rows["trigram"]["test"], TRIGRAM[2])]
    pairs += [(f"Kneser-Ney {order}", rows[f"KN{order}"]["test"], paper[2]) for order, paper in KNESER_NEY.items()]
    names, ours, theirs = zip(*pairs[::-1], strict=True)
    places = np.arange(len(names))
    figure, axes = pyplot.subplots(figsize=(7.5, 5.0), layout="constrained")
    axes.hlines(places, ours, theirs, color="0.8", zorder=1)
    axes.scatter(theirs, places, color="0.55", label="Bengio et al. 2003", zorder=2)
    axes.scatter(ours, places, color="tab:blue", label="fflm", zorder=3)
    axes.set_yticks(places, names)
    axes.set_xlabel("perplexity on the test part of Brown (lower is better)")
    axes.legend(frameon=False, loc="upper right")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    run(main)
