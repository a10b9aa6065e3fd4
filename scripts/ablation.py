"""What each piece of the plan is worth: the plan with one thing changed at a time, each with several seeds.

    python scripts/ablation.py --out runs/ablation                      # stdlib, 3 seeds, about an hour and a half
    python scripts/ablation.py --out runs/ablation --only "the plan" "no word pairs"
    python scripts/ablation.py --out runs/ablation --text brown --epochs 3

Every run makes the same number of passes, so that no machine has other figures; what a change costs in time stands
beside it, of one pass in the first seed's run. Perplexities are those of the network alone on the validation text; the
test text is not read. Changes are the mean over the seeds of the quotients to the plan's run with the same seed, with
their standard deviation. Writes OUT/ablation-TEXT.md from the rows in OUT/ablation-TEXT.json, each of which is computed
once; run again, it goes on with those that are missing.
"""

import argparse
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from brown import Results, run, vocabulary_file

import fflm
from fflm.kernels._jit import PROCESSOR
from fflm.nn.product_speed import fma_peak
from fflm.runtime.cores import available_cores
from fflm.storage.files import write

TEXTS = ("stdlib", "brown", "gutenberg")
PLAN = "the plan"
#: Without time for as many passes as the largest networks need, the plan is that of the middle size.
EPOCHS = 3
CHANGES: dict[str, dict[str, Any]] = {
    PLAN: {},
    "no word pairs": {"pairs": 0},
    "word pairs are never left out": {"pair_dropout": 0.0},
    "no bags": {"bag_size": 0},
    "one flat bag": {"bag_decays": (1.0,)},
    "one bag, decay 0.95": {"bag_decays": (0.95,)},
    "no bags, no word pairs": {"bag_size": 0, "pairs": 0},
    "4 words of context": {"context_size": 4},
    "100 features": {"embedding_dim": 100},
    "output weights of their own": {"tied": False},
    "no dropout": {"dropout": 0.0, "embedding_dropout": 0.0},
    "ReLU": {"activation": "relu"},
    "positions one by one, all shuffled": {"run_length": 1},
    "sampled to the end": {"exact_share": 0.0},
    "the exact softmax": {"softmax": "exact"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/ablation"), metavar="FOLDER")
    parser.add_argument("--text", choices=TEXTS, default=TEXTS[0])
    parser.add_argument("--epochs", type=int, default=EPOCHS, metavar="N")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], metavar="S")
    parser.add_argument("--only", nargs="+", choices=tuple(CHANGES), default=tuple(CHANGES), metavar="ROW")
    parser.add_argument("--threads", type=int, metavar="N")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    results = Results(arguments.out / f"ablation-{arguments.text}.json")
    base = {"epochs": arguments.epochs, "threads": arguments.threads}
    if arguments.text == "brown":
        base["vocab"] = str(vocabulary_file(arguments.out))
    table: list[str] = []
    for name in dict.fromkeys([PLAN, *arguments.only]):
        for seed in arguments.seeds:
            key = f"{name}; {arguments.epochs} epochs; seed {seed}"
            results.get(key, lambda name=name, seed=seed: trained(arguments.text, base | {"seed": seed}, CHANGES[name]))
        table = list(lines(results.rows, arguments.epochs, arguments.seeds))
        write(arguments.out / f"ablation-{arguments.text}.md", "\n".join([*table, ""]).encode())
        print(table[-1], flush=True)
    print("\n".join(table))


def trained(text: str, options: dict[str, Any], change: dict[str, Any]) -> dict:
    """Figures of one run; the test text is not read."""
    gflops = fma_peak(options["threads"] or available_cores()) / 1e9
    report = fflm.train(f"{text}:train", valid=f"{text}:valid", ngram_order=0, quiet=True, **options | change).report
    return {
        "valid": report.valid_perplexity,
        "tokens_per_second": report.tokens_per_second,
        "parameters": report.parameters,
        "plan": report.plan,
        "machine": f"{PROCESSOR}, {options['threads'] or available_cores()} threads",
        "gflops": gflops,
    }


def lines(rows: dict[str, dict], epochs: int, seeds: list[int]) -> Iterator[str]:
    """The table, of the changes that have all their seeds."""

    def row(name: str, seed: int) -> dict | None:
        return rows.get(f"{name}; {epochs} epochs; seed {seed}")

    plans = [row(PLAN, seed) for seed in seeds]
    assert all(plans)
    peaks = [one["gflops"] for one in rows.values()]
    yield f"The plan: {plans[0]['plan']}."
    machines = ", ".join(sorted({one["machine"] for one in rows.values()}))
    yield f"{machines}; measured peak {min(peaks):.0f} to {max(peaks):.0f} GFLOP/s."
    yield ""
    yield f"| | validation, {len(seeds)} seeds | change | tokens/s | parameters |"
    yield "|---|---|---|---|---|"
    for name in CHANGES:
        found = [row(name, seed) for seed in seeds]
        if not all(found):
            continue
        values = [one["valid"] for one in found]
        ratios = [100.0 * (one["valid"] / plan["valid"] - 1.0) for one, plan in zip(found, plans, strict=True)]
        change = "" if name == PLAN else f"{statistics.mean(ratios):+.1f} ± {spread(ratios):.1f} %"
        yield (
            f"| {name} | {statistics.mean(values):.2f} ± {spread(values):.2f} | {change} "
            f"| {found[0]['tokens_per_second']:,.0f} | {found[0]['parameters']:,} |"
        )


def spread(values: list[float]) -> float:
    """The standard deviation; 0 of a single value."""
    return statistics.stdev(values) if len(values) > 1 else 0.0


if __name__ == "__main__":
    run(main)
