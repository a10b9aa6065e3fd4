"""Perplexity after 1, 5 and 20 minutes on this machine: fflm, Kneser-Ney alone, and an LSTM in PyTorch.

    python scripts/time_to_quality.py --out runs/time_to_quality                      # every row, some hours
    python scripts/time_to_quality.py --out runs/time_to_quality --only brown --minutes 1 5

Writes OUT/table.md from the rows in OUT/results.json, each of which is computed once; run again, it goes on with those
that are missing. A row whose minutes were interrupted begins anew: a run that was stopped is another run. Rows say on
which machine they were computed, and each machine has a table of its own. A corpus that is not there is left out:
Brown and Gutenberg come from NLTK's data path, WIKITEXT2 and TINYSHAKESPEARE name a folder and a file.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from brown import Results, run, vocabulary_file

import fflm
from fflm.config import DataConfig, TokenizerConfig
from fflm.config.options import configurations
from fflm.errors import DivergenceError, FflmError
from fflm.kernels._jit import LANES, PROCESSOR
from fflm.nn.product_speed import fma_peak
from fflm.runtime.cores import available_cores
from fflm.storage.files import write
from fflm.text import Corpus, load

ORDER, CACHE, NEURAL_CACHE = 5, 500, 2000
MINUTES, FEWER_MINUTES = (1.0, 5.0, 20.0), (1.0, 5.0)
SHAKESPEARE_CUTS = (0.9, 0.95)
WIKITEXT = Path(os.environ.get("WIKITEXT2", "../shared/text/wikitext-2"))
SHAKESPEARE = Path(os.environ.get("TINYSHAKESPEARE", "../shared/text/tinyshakespeare.txt"))
EXPLANATION = """\
Perplexities, over all tokens; lower is better. Everything is chosen on validation text; the test text is read once.
The vocabulary of each text, its tokens and its split are the same for all.
- Kneser-Ney 5: interpolated, modified, alone; counted in seconds.
- LSTM: that of PyTorch's example `word_language_model`, 200 units, 2 layers, tied, dropout 0.2, on all cores, trained
  in two ways, the better of which is to be compared with. SGD: the example's own, a rate of 20, divided by 4 when
  validation does not improve. Adam: a rate of 0.002 that falls linearly to 0 over the minutes. The weights that were
  best on validation text count. Its minutes are training steps alone, validation and evaluation are free.
- fflm: `fflm.train(..., minutes=T)` with its defaults; its minutes are those of the whole call, with reading,
  validation and evaluation. Network: the network alone; model: what the run saves as its model; + caches: the network
  with Kneser-Ney of the run's order, a cache of the last 500 words and a continuous cache of the last 2,000, the
  weights fitted on validation text after the minutes; + dynamic: with dynamic evaluation of the network too.
"""


@dataclass(frozen=True)
class Text:
    """A corpus: its parts as fflm reads them, the options that say how, and what is to be found out."""

    train: str
    valid: str
    test: str
    options: dict[str, Any] = field(default_factory=dict)
    minutes: tuple[float, ...] = MINUTES
    tested_after: float = 0.0  # minutes: runs that are shorter do not read the test text

    def tested(self, minutes: float) -> str | None:
        """The test text of a run of so many minutes."""
        return self.test if minutes >= self.tested_after else None

    def corpus(self) -> Corpus:
        """The text in the ids that every model of it has."""
        tokenizer, data = configurations([TokenizerConfig, DataConfig], self.options)
        return load([self.train], [self.valid], [self.test], tokenizer, data, seed=1)


def named(name: str, **options: Any) -> Text:
    """A named corpus with its own splits."""
    return Text(f"{name}:train", f"{name}:valid", f"{name}:test", **options)


def brown(out: Path) -> Text:
    """Brown with the vocabulary of scripts/brown.py; its test text is for the longest run alone."""
    return named("brown", options={"vocab": str(vocabulary_file(out))}, tested_after=max(MINUTES))


def wikitext2(out: Path) -> Text:
    """WikiText-2 with its own vocabulary: every word of the training text, and line ends as a word."""
    parts = [str(existing(WIKITEXT / f"{part}.txt", "WIKITEXT2")) for part in ("train", "valid", "test")]
    own = {"tokenizer": "whitespace", "boundary": "eos", "vocab_size": 40_000, "min_count": 1}
    return Text(*parts, own)


def shakespeare(out: Path, tokenizer: str) -> Text:
    """The file's first nine tenths for training, then a twentieth each for validation and test, cut at line ends."""
    whole = existing(SHAKESPEARE, "TINYSHAKESPEARE").read_text(encoding="utf-8")
    cuts = [0, *(whole.index("\n", int(share * len(whole))) + 1 for share in SHAKESPEARE_CUTS), len(whole)]
    paths = [out / f"tinyshakespeare.{part}.txt" for part in ("train", "valid", "test")]
    for path, first, last in zip(paths, cuts[:-1], cuts[1:], strict=True):
        write(path, whole[first:last].encode())
    return Text(*map(str, paths), {"tokenizer": tokenizer}, FEWER_MINUTES)


def existing(path: Path, variable: str) -> Path:
    """The path, if there is such a file.

    Raises
    ------
    FflmError
        If there is none.
    """
    if not path.is_file():
        raise FflmError(f"there is no file {path}; the environment variable {variable} names its place")
    return path


TEXTS: dict[str, Callable[[Path], Text]] = {
    "stdlib": lambda out: named("stdlib"),
    "brown": brown,
    "wikitext-2": wikitext2,
    "gutenberg": lambda out: named("gutenberg", minutes=FEWER_MINUTES),
    "tinyshakespeare, words": lambda out: shakespeare(out, "word"),
    "tinyshakespeare, characters": lambda out: shakespeare(out, "char"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/time_to_quality"), metavar="FOLDER")
    parser.add_argument("--only", nargs="+", choices=tuple(TEXTS), default=tuple(TEXTS), metavar="TEXT")
    parser.add_argument("--minutes", type=float, nargs="+", metavar="T", help="other minutes than those of the texts")
    parser.add_argument("--contenders", nargs="+", choices=tuple(CONTENDERS), default=tuple(CONTENDERS))
    arguments = parser.parse_args()
    out = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    results = Results(out / "results.json")
    for name in arguments.only:
        compute(results, out, name, arguments.minutes, arguments.contenders)
    table = "\n".join(tables(results.rows))
    write(out / "table.md", (table + "\n").encode())
    print(table)


def compute(results: Results, out: Path, name: str, minutes: list[float] | None, contenders: list[str]) -> None:
    """Compute the rows of one text that are missing; say which of them can't be, and why."""
    try:
        text = TEXTS[name](out)
        todo = [
            (contender, T, key)
            for T in minutes or text.minutes
            for contender in contenders
            if (key := row_name(name, contender, T)) not in results.rows
        ]
        corpus = text.corpus() if todo else None
    except FflmError as error:
        print(f"{name} is left out: {error}", file=sys.stderr)
        return
    for contender, T, key in todo:
        row = {"text": name, "contender": contender, "machine": machine(), "fflm": fflm.__version__}
        row |= {} if contender == "kneser-ney" else {"given": T}

        def cell(contender=contender, T=T, row=row) -> dict:
            gflops = fma_peak(available_cores()) / 1e9
            return row | {"gflops": gflops} | CONTENDERS[contender](text, corpus, T, out / f"{name}-{T:g}")

        try:
            print(key, file=sys.stderr, flush=True)
            results.get(key, cell)
        except (FflmError, RuntimeError) as error:
            print(f"{key} is left out: {error}", file=sys.stderr)


def row_name(name: str, contender: str, minutes: float) -> str:
    """What a row is stored under: Kneser-Ney takes the time that it takes."""
    given = [] if contender == "kneser-ney" else [f"{minutes:g} minutes"]
    return "; ".join([name, contender, *given, machine()])


def machine() -> str:
    """The processor as LLVM names it, its cores and the width of its vectors."""
    return f"{PROCESSOR}, {available_cores()} cores, {32 * LANES} bits"


def kneser_ney(text: Text, corpus: Corpus, minutes: float, folder: Path) -> dict:
    """Kneser-Ney alone."""
    report = fflm.ngram(text.train, valid=text.valid, test=text.test, order=ORDER, quiet=True, **text.options).report
    ngrams = sum(report.ngrams)
    return figures(report.valid, report.test) | {"minutes": report.seconds / 60.0, "parameters": ngrams}


def feedforward(text: Text, corpus: Corpus, minutes: float, folder: Path) -> dict:
    """What `fflm.train` does by default: the run's model, its network alone, and with caches where a test is due."""
    shutil.rmtree(folder, ignore_errors=True)  # of a call that was stopped
    test = text.tested(minutes)
    report = fflm.train(text.train, valid=text.valid, test=test, out=folder, minutes=minutes, **text.options).report
    parts = getattr(report, "parts", {})
    own = parts.get("network", {"valid": report.valid, "test": report.test})
    order = parts.get("ngram", {}).get("order", ORDER)
    return figures(report.valid, report.test) | {
        "network": figures(own["valid"], own["test"]),
        "caches": {} if test is None else with_caches(folder, text, test, order, dynamic=False),
        "dynamic": {} if test is None else with_caches(folder, text, test, order, dynamic=True),
        "minutes": report.seconds / 60.0,
        "epochs": report.epochs,
        "tokens_per_second": report.tokens_per_second,
        "parameters": report.parameters,
    }


def with_caches(folder: Path, text: Text, test: str, order: int, dynamic: bool) -> dict:
    """Perplexities of a run's network with Kneser-Ney and both caches, the weights fitted on validation text."""
    alone = folder / "network.safetensors"
    network = fflm.load(alone if alone.exists() else folder)
    ngram = fflm.ngram(text.train, valid=text.valid, vocab_of=network, order=order, quiet=True)
    caches = {"cache": CACHE, "neural_cache": NEURAL_CACHE, "dynamic": dynamic}
    try:
        report = fflm.mix(network, ngram, valid=text.valid, test=test, quiet=True, **caches).report
    except DivergenceError as error:  # of dynamic evaluation: no reason to lose what the minutes have made
        print(f"{folder}: {error}", file=sys.stderr)
        return {}
    return figures(report.valid, report.test)


def lstm(optimizer: str) -> Callable[..., dict]:
    """The rows of scripts/lstm.py, in a process of its own."""

    def row(text: Text, corpus: Corpus, minutes: float, folder: Path) -> dict:
        streams = {"train": corpus.train, "valid": corpus.valid}
        if text.tested(minutes):
            streams["test"] = corpus.test
        arrays = {name: np.asarray(stream.ids) for name, stream in streams.items()}
        arrays |= {f"{name}_breaks": stream.breaks for name, stream in streams.items()}
        with tempfile.TemporaryDirectory() as temporary:
            ids = Path(temporary) / "ids.npz"
            np.savez(ids, vocab_size=len(corpus.vocabulary), **arrays)
            options = {"ids": ids, "minutes": minutes, "optimizer": optimizer, "threads": available_cores()}
            flags = [part for name, value in options.items() for part in (f"--{name}", str(value))]
            command = [sys.executable, str(Path(__file__).with_name("lstm.py")), *flags]
            done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError((done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1])
        return json.loads(done.stdout)

    return row


CONTENDERS: dict[str, Callable[..., dict]] = {
    "kneser-ney": kneser_ney,
    "fflm": feedforward,
    "lstm-adam": lstm("adam"),
    "lstm-sgd": lstm("sgd"),
}


def figures(valid: dict, test: dict | None) -> dict[str, float]:
    """The perplexities of a report."""
    return {part: report["perplexity"] for part, report in (("valid", valid), ("test", test)) if report}


def tables(rows: dict[str, dict]) -> Iterator[str]:
    """The lines of the tables, those of each machine under its name."""
    for name in sorted({row["machine"] for row in rows.values()}):
        own = [row for row in rows.values() if row["machine"] == name]
        peaks, versions = [row["gflops"] for row in own], sorted({row["fflm"] for row in own})
        torch = sorted({row["torch"] for row in own if "torch" in row})
        yield f"Machine: {name}; measured peak {min(peaks):.0f} to {max(peaks):.0f} GFLOP/s in single precision."
        yield f"fflm {', '.join(versions)}{', PyTorch ' if torch else ''}{', '.join(torch)}."
        yield ""
        yield EXPLANATION
        yield from perplexities(own)
        yield ""
        yield from effort(own)
        yield ""


def perplexities(rows: list[dict]) -> Iterator[str]:
    """A line for each text, part of it and number of minutes."""
    found = {(row["text"], row["contender"], row.get("given")): row for row in rows}
    yield (
        "| text | part | minutes | Kneser-Ney 5 | LSTM, Adam | LSTM, SGD | fflm: network | model "
        "| + caches | + dynamic | network / Kneser-Ney | model / Kneser-Ney |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|---|---|"
    for text in TEXTS:
        ngram = found.get((text, "kneser-ney", None), {})
        for minutes in sorted({given for name, _, given in found if name == text and given is not None}):
            model, *lstms = (found.get((text, name, minutes), {}) for name in ("fflm", "lstm-adam", "lstm-sgd"))
            network, caches, dynamic = (model.get(name, {}) for name in ("network", "caches", "dynamic"))
            tested = any("test" in row for row in (model, *lstms))
            for part in ["valid", "test"] if tested else ["valid"]:
                values = [row.get(part) for row in (ngram, *lstms, network, model, caches, dynamic)]
                shares = [quotient(row.get(part), ngram.get(part)) for row in (network, model)]
                yield f"| {text} | {part} | {minutes:g} | {' | '.join([*map(number, values), *shares])} |"


def effort(rows: list[dict]) -> Iterator[str]:
    """A line for each row: what was done in its minutes, and the peak of the machine before them."""
    yield "| text | contender | given | minutes | epochs | tokens/s | parameters (n-grams) | GFLOP/s |"
    yield "|---|---|---|---|---|---|---|---|"
    order = list(TEXTS), list(CONTENDERS)
    for row in sorted(
        rows, key=lambda row: (order[0].index(row["text"]), row.get("given", 0.0), order[1].index(row["contender"]))
    ):
        given = f"{row['given']:g}" if "given" in row else ""
        epochs = f"{row['epochs']:.2f}" if "epochs" in row else ""
        speed = f"{row['tokens_per_second']:,.0f}" if "tokens_per_second" in row else ""
        yield (
            f"| {row['text']} | {row['contender']} | {given} | {row['minutes']:.2f} | {epochs} | {speed} | "
            f"{row['parameters']:,} | {row['gflops']:.0f} |"
        )


def number(value: float | None) -> str:
    """A perplexity: one decimal, two if it is below 10, nothing where there is none."""
    return "" if value is None else f"{value:.1f}" if value >= 10.0 else f"{value:.2f}"


def quotient(value: float | None, base: float | None) -> str:
    """A ratio of perplexities, nothing where one is missing."""
    return "" if value is None or base is None else f"{value / base:.2f}"


if __name__ == "__main__":
    run(main)
