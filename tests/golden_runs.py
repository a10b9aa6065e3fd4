"""Small runs whose figures stand in `golden.json`: `test_golden` compares them, `scripts/same_bits.py` their files.

They call only what `import fflm` offers, so that any two commits can be held against each other. Every run writes into
a folder of its own and returns figures; files that end in ``.safetensors`` or ``.npy`` are its models.
"""

import json
import math
from dataclasses import fields
from pathlib import Path

import numpy as np

import fflm
from fflm.config import ModelConfig, TrainConfig

STEPS, BATCH = 12, 32
WORDS = 400


def words(count: int, seed: int) -> list[str]:
    """Words of a skewed distribution, two of five of which are a function of the word before."""
    state, made = seed, [0]
    while len(made) <= count:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        share = (state >> 40) / 2**24
        made.append((made[-1] * 7 + 3) % WORDS if state >> 33 & 127 < 50 else int(WORDS * share**3))
    return [f"w{number}" for number in made[1:]]


def write_texts(folder: Path) -> None:
    """``train.txt`` (12 batches), ``valid.txt``, ``test.txt``, the same as lines, vectors and labelled texts."""
    for name, count, seed in (("train", STEPS * BATCH, 1), ("valid", 150, 2), ("test", 200, 3)):
        tokens = words(count, seed)
        (folder / f"{name}.txt").write_text(" ".join(tokens) + "\n")
        lines = (" ".join(tokens[i : i + 3 + i % 7]) for i in range(0, count, 10))
        (folder / f"{name}_lines.txt").write_text("\n".join(lines) + "\n")
    rows = (f"w{i} " + " ".join(f"{((i * j) % 17 - 8) / 20:.3f}" for j in range(1, 7)) for i in range(0, WORDS, 3))
    (folder / "vectors.txt").write_text("\n".join(rows) + "\n")


SMALL = {
    "context_size": 3,
    "bag_size": 5,
    "embedding_dim": 6,
    "hidden_dims": (10,),
    "batch_size": BATCH,
    "validate_every": BATCH,
    "epochs": 1,
    "patience": 1000,
    "dropout": 0.2,
    "embedding_dropout": 0.1,
    "min_count": 1,
    "learning_rate": 0.02,  # large enough that a dozen steps tell one gradient from another
    "seed": 3,
    "quiet": True,
}
KNOWN = {item.name for kind in (ModelConfig, TrainConfig) for item in fields(kind)}  # fewer in earlier commits
SMALL |= {name: value for name, value in {"ngram_order": 0, "run_length": 1}.items() if name in KNOWN}
RATES = {"sgd": 4.0, "momentum": 0.8, "adagrad": 0.1, "rmsprop": 0.01, "adadelta": 20.0, "adam": 0.02}
NETWORKS = {
    "default": {},
    **{name: {"activation": name} for name in ("identity", "sigmoid", "relu", "leaky-relu", "prelu", "swish")},
    **{name: {"optimizer": name, "learning_rate": rate} for name, rate in RATES.items()},
    "two-layers": {"hidden_dims": (10, 7)},
    "two-layers-prelu-direct": {"hidden_dims": (9, 8), "activation": "prelu", "direct": True},
    "direct": {"direct": True},
    "direct-only": {"direct": True, "hidden_dims": 0},
    "paper": {"bag_size": 0, "dropout": 0.0, "embedding_dropout": 0.0, "optimizer": "sgd", "learning_rate": 4.0},
    "clipped": {"clip_norm": 0.05, "optimizer": "sgd", "learning_rate": 4.0},
    "clipped-direct-two-layers": {"clip_norm": 0.05, "direct": True, "hidden_dims": (6, 5), "optimizer": "adam"},
    "no-dropout": {"dropout": 0.0, "embedding_dropout": 0.0},
    "much-dropout": {"dropout": 0.5, "embedding_dropout": 0.5},
    "no-decay": {"weight_decay": 0.0},
    "vectors": {"vectors": "vectors.txt"},
    "frozen-vectors": {"vectors": "vectors.txt", "freeze_vectors": True},
    "plateau": {"schedule": "plateau", "optimizer": "sgd", "learning_rate": 2.0},
    "two-epochs": {"epochs": 2, "validate_every": None},
    "lines": {"boundary": "line"},
    "characters": {"tokenizer": "char", "epochs": 1, "validate_every": 10 * BATCH}
    | ({"bag_decays": (1.0,)} if "bag_decays" in KNOWN else {}),  # another is planned
    **({"runs": {"run_length": 8}} if "run_length" in KNOWN else {}),
    **({"bags-and-pairs": {"bag_decays": (0.5, 1.0), "pairs": 64, "pair_dropout": 0.3}} if "pairs" in KNOWN else {}),
    **({"tied": {"embedding_dim": 10, "tied": True}} if "tied" in KNOWN else {}),
    "large": {"hidden_dims": (33,), "embedding_dim": 17, "context_size": 8, "bag_size": 20},
}


def network(folder: Path, texts: Path, options: dict) -> dict:
    """Nats of each step in training, and of the validation text after it; perplexity of the test text."""
    options = SMALL | options
    if "vectors" in options:
        options = {name: value for name, value in options.items() if name != "embedding_dim"}
        options["vectors"] = str(texts / options["vectors"])
    lines = "_lines" if options.get("boundary") == "line" else ""
    train, valid, test = (str(texts / f"{name}{lines}.txt") for name in ("train", "valid", "test"))
    model = fflm.train(train, valid=valid, test=test, out=folder / "run", threads=2, **options)
    log = [json.loads(line) for line in (folder / "run" / "log.jsonl").read_text().splitlines()]
    (folder / "run" / "model.safetensors").rename(folder / "model.safetensors")
    return {
        "train": [math.log(record["train_perplexity"]) for record in log[:STEPS]],
        "valid": [math.log(record["valid_perplexity"]) for record in log[:STEPS]],
        "test": model.report.test_perplexity,
        "next": [prediction.probability for prediction in model.predict("w3 w24 w171", top=3)],
    }


NGRAMS = {
    **{f"order-{order}": {"order": order} for order in range(1, 6)},
    "interpolated": {"smoothing": "interpolated"},
    "interpolated-4-lines": {"smoothing": "interpolated", "order": 4, "boundary": "line"},
    "order-4-lines": {"order": 4, "boundary": "line"},
}


def ngram(folder: Path, texts: Path, options: dict) -> dict:
    """Perplexities of the validation and the test text, and three next words."""
    lines = "_lines" if options.get("boundary") == "line" else ""
    train, valid, test = (str(texts / f"{name}{lines}.txt") for name in ("train", "valid", "test"))
    model = fflm.ngram(
        train, valid=valid, test=test, out=folder / "model.safetensors", min_count=1, quiet=True, **options
    )
    if options.get("smoothing") != "interpolated":
        model.save_arpa(folder / "model.arpa")
    return {
        "valid": model.report.valid["perplexity"],
        "test": model.report.test["perplexity"],
        "next": [prediction.probability for prediction in model.predict("w3 w24 w171", top=3)],
    }


MIXTURES = {
    "cache": {"cache": 20},
    "cache-half-life": {"cache": 50, "cache_half_life": 10.0},
    "by-context-count": {"cache": 20, "by_context_count": True},
}


def mixture(folder: Path, texts: Path, options: dict) -> dict:
    """A network, two n-gram models and a cache: perplexities, weights, sampled words."""
    train, valid, test = (str(texts / f"{name}.txt") for name in ("train", "valid", "test"))
    shape = {name: value for name, value in SMALL.items() if name != "validate_every"}
    fflm.train(train, valid=valid, out=folder / "run", threads=2, **shape)
    parts = [folder / "run"]
    for name, chosen in (("kn", {"order": 3}), ("interpolated", {"smoothing": "interpolated"})):
        parts.append(folder / name)
        fflm.ngram(train, valid=valid, vocab_of=folder / "run", out=parts[-1], quiet=True, **chosen)
    model = fflm.mix(*parts, valid=valid, test=test, out=folder / "model.safetensors", quiet=True, **options)
    return {
        "valid": model.report.valid["perplexity"],
        "test": model.report.test["perplexity"],
        "weights": np.ravel(model.report.weights).tolist(),
        "next": [prediction.probability for prediction in model.predict("w3 w24 w171", top=3)],
        "sample": model.sample("w3", tokens=5, temperature=0)[0].log_prob,
    }


CLASSIFIERS = {
    "bag": {},
    "mean": {"pooling": "mean"},
    "mean-max": {"pooling": "mean-max", "hidden_dims": (6,), "dropout": 0.2},
    "window": {"pooling": "window", "window": 4},
    "bigrams": {"bigrams": 100, "hidden_dims": (5, 4), "activation": "relu"},
    "momentum": {"optimizer": "momentum"},
}


def classifier(folder: Path, texts: Path, options: dict) -> dict:
    """Mean losses of the epochs, and probabilities of texts."""
    tokens = words(600, 4)
    examples = [" ".join(tokens[i : i + 2 + i % 9]) for i in range(0, 590, 10)]
    labels = [("odd", "even", "third")[(i * i) % 3 if "w1" in text else i % 2] for i, text in enumerate(examples)]
    made = fflm.TextClassifier(embedding_dim=8, epochs=3, batch_size=16, seed=3, **options).fit(examples, labels)
    made.save(folder / "model.safetensors")
    return {
        "losses": list(made.report.losses),
        "probabilities": np.ravel(made.predict_proba(["w1 w2 w3", "w9 w0 w4 w11 w30"])).tolist(),
    }


FEED_FORWARD = {
    **{
        f"{name}-quadratic": {"activations": [name, "identity"], "cost": "quadratic"}
        for name in ("identity", "sigmoid", "tanh", "relu", "leaky-relu", "prelu", "swish")
    },
    "squared": {"activations": "tanh", "cost": "squared"},
    "absolute": {"activations": "tanh", "cost": "absolute"},
    "cross-entropy": {"activations": ["tanh", "sigmoid"], "cost": "cross-entropy"},
    "log-likelihood": {"activations": ["tanh", "softmax"], "cost": "log-likelihood"},
    "softmax-quadratic": {"activations": ["tanh", "softmax"], "cost": "quadratic", "bias": False},
}


def feed_forward(folder: Path, texts: Path, options: dict) -> dict:
    """Costs of epochs in small batches, and one backward pass."""
    x = [[((3 * i + 5 * j) % 11 - 5) / 7 for j in range(4)] for i in range(10)]
    y = [[float(i % 3 == j) for j in range(3)] for i in range(10)]
    network = fflm.FeedForward([4, 5, 3], seed=3, **options)
    history = network.fit(x, y, epochs=4, batch_size=3, optimizer="adam", learning_rate=0.02, decrease=0.1)
    np.save(folder / "model.npy", np.concatenate([part.ravel() for part in (*network.weights, *network.biases)]))
    backward = network.backward(x, y)
    return {"history": history, "deltas": np.ravel(backward.deltas[0]).tolist(), "cost": backward.cost}


RUNS = {
    f"{kind}:{name}": (run, options)
    for kind, run, table in (
        ("network", network, NETWORKS),
        ("ngram", ngram, NGRAMS),
        ("mixture", mixture, MIXTURES),
        ("classifier", classifier, CLASSIFIERS),
        ("feedforward", feed_forward, FEED_FORWARD),
    )
    for name, options in table.items()
}


def carry_out(name: str, folder: Path, texts: Path) -> dict:
    """One run in `folder`, on what `write_texts` wrote into `texts`."""
    run, options = RUNS[name]
    folder.mkdir(parents=True)
    return run(folder, texts, options)
