"""The LSTM of PyTorch's example `word_language_model`, trained for some minutes on ids that fflm has read.

    python scripts/lstm.py --ids ids.npz --minutes 5 --optimizer adam --threads 2

Two layers of 200 units, embeddings and output layer tied, dropout 0.2, 20 columns of text, 35 words of backpropagation
through time, gradients clipped to a norm of 0.25: the example's own options. `sgd` is its training (a rate of 20, a
quarter of it after each validation without improvement), `adam` another for given times: a rate that falls linearly
to 0 over the minutes. The weights that were best on the beginning of the validation text, at ten points of the time,
are kept. Only training steps count as time: validation, and the exact evaluation at the end, are free.

IDS holds arrays ``train``, ``valid``, perhaps ``test``, int32, the breaks of each (``train_breaks`` ...) and
``vocab_size``. Prints one JSON object. A process of its own, as two thread pools in one disturb each other.
"""

import argparse
import copy
import json
import time
from itertools import pairwise

import numpy as np
import torch
from torch import nn

UNITS, LAYERS, DROPOUT, COLUMNS, STEPS, CLIP = 200, 2, 0.2, 20, 35, 0.25
RATES = {"adam": 0.002, "sgd": 20.0}
ANNEALING = 4.0
VALIDATIONS, VALIDATION_TOKENS = 10, 50_000
CHUNK = 1024  # words of one call when a text is evaluated
BOS = 1


class LSTM(nn.Module):
    """Embeddings, LSTM, tied softmax."""

    def __init__(self, vocab_size: int):
        super().__init__()
        self.embeddings = nn.Embedding(vocab_size, UNITS)
        self.layers = nn.LSTM(UNITS, UNITS, LAYERS, dropout=DROPOUT)
        self.output = nn.Linear(UNITS, vocab_size)
        self.output.weight = self.embeddings.weight
        self.dropout = nn.Dropout(DROPOUT)
        nn.init.uniform_(self.embeddings.weight, -0.1, 0.1)
        nn.init.zeros_(self.output.bias)

    def forward(self, words: torch.Tensor, targets: torch.Tensor, state=None):
        """-log P (T, B) in nats of `targets` that follow `words`, both (T, B), and the state after them."""
        hidden, state = self.layers(self.dropout(self.embeddings(words)), state)
        scores = self.output(self.dropout(hidden))
        losses = nn.functional.cross_entropy(scores.flatten(0, 1), targets.flatten(), reduction="none")
        return losses.view_as(targets), state


def words_before(ids: np.ndarray, breaks: np.ndarray) -> np.ndarray:
    """The word before each of ids (N,), `<s>` where a text begins: (N,)."""
    before = np.concatenate(([BOS], ids[:-1]))
    before[breaks] = BOS
    return before


def columns(ids: np.ndarray, breaks: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """The words of a text and those before them, cut into columns that are read side by side: (T, B) each."""
    count = max(1, min(COLUMNS, len(ids) // STEPS))
    length = len(ids) // count
    parts = (part[: length * count].reshape(count, length).T for part in (words_before(ids, breaks), ids))
    before, targets = (torch.from_numpy(np.ascontiguousarray(part, np.int64)) for part in parts)
    return before, targets


@torch.inference_mode()
def log_probs(model: LSTM, ids: np.ndarray, breaks: np.ndarray) -> np.ndarray:
    """Natural log P of each of ids (N,), predicted once from all words since the last break: (N,) float64."""
    torch.set_num_threads(1)  # one word after the other: more threads only wait for each other
    model.eval()
    out = np.empty(len(ids))
    before = torch.from_numpy(words_before(ids, breaks).astype(np.int64))[:, None]
    targets = torch.from_numpy(ids.astype(np.int64))[:, None]
    for begin, end in pairwise([0, *breaks.tolist(), len(ids)]):
        state = None
        for first in range(begin, end, CHUNK):
            part = slice(first, min(first + CHUNK, end))
            losses, state = model(before[part], targets[part], state)
            out[part] = -losses[:, 0].numpy()
    return out


@torch.inference_mode()
def quick_loss(model: LSTM, before: torch.Tensor, targets: torch.Tensor) -> float:
    """Mean -log P in nats over the columns of a text, to choose by: the beginning of each has no words before it."""
    model.eval()
    total, state = 0.0, None
    for first in range(0, len(targets), STEPS):
        losses, state = model(before[first : first + STEPS], targets[first : first + STEPS], state)
        total += float(losses.double().sum())
    return total / targets.numel()


def train(model: LSTM, texts: dict, seconds: float, optimizer_name: str, rate: float) -> dict:
    """Train for so many seconds of steps; leave the weights that were best on validation text in the model."""
    before, targets = columns(texts["train"], texts["train_breaks"])
    start = texts["valid"][:VALIDATION_TOKENS]
    held_out = columns(start, texts["valid_breaks"][texts["valid_breaks"] < len(start)])
    kind = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[optimizer_name]
    optimizer = kind(model.parameters(), lr=rate, fused=True)
    (group,) = optimizer.param_groups
    best, weights = np.inf, copy.deepcopy(model.state_dict())
    spent, words, place, state = 0.0, 0, 0, None
    for validation in range(1, VALIDATIONS + 1):
        model.train()
        while spent < seconds * validation / VALIDATIONS:
            begin = time.perf_counter()
            if optimizer_name == "adam":
                group["lr"] = rate * (1.0 - spent / seconds)
            part = slice(place, place + STEPS)
            losses, state = model(before[part], targets[part], state)
            optimizer.zero_grad(set_to_none=True)
            losses.mean().backward()
            nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            state, words, place = tuple(value.detach() for value in state), words + losses.numel(), place + STEPS
            if place >= len(targets):
                place, state = 0, None
            spent += time.perf_counter() - begin
        loss = quick_loss(model, *held_out)
        if loss < best:
            best, weights = loss, copy.deepcopy(model.state_dict())
        elif optimizer_name == "sgd":
            group["lr"] /= ANNEALING
    model.load_state_dict(weights)
    return {"minutes": spent / 60.0, "epochs": words / targets.numel(), "tokens_per_second": words / spent}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ids", required=True, metavar="FILE")
    parser.add_argument("--minutes", type=float, required=True, metavar="T", help="of training steps")
    parser.add_argument("--optimizer", choices=tuple(RATES), default="adam")
    parser.add_argument("--rate", type=float, metavar="R", help=f"learning rate (default: {RATES})")
    parser.add_argument("--threads", type=int, required=True, metavar="N")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    with np.load(arguments.ids) as file:
        texts = dict(file)
    model = LSTM(int(texts["vocab_size"]))
    rate = arguments.rate or RATES[arguments.optimizer]
    figures = train(model, texts, 60.0 * arguments.minutes, arguments.optimizer, rate)
    for part in ("valid", "test"):
        if part in texts:
            scores = log_probs(model, texts[part], texts[f"{part}_breaks"])
            figures[part] = float(np.exp(-scores.mean()))
    figures["parameters"] = sum(parameter.numel() for parameter in model.parameters())
    print(json.dumps(figures | {"torch": torch.__version__}))


if __name__ == "__main__":
    main()
