"""At which learning rate should a finished run begin again that is given more epochs? What `fflm` does was chosen here.

    python scripts/resume_heights.py

A small network is trained on part of Brown for 2 epochs, the learning rate falling to 0. Then it goes on to 3, and to
4, with a line that begins at some share of the full rate; the last row of each was planned so from the beginning.
"""

import shutil
import tempfile
from pathlib import Path

import fflm
from fflm.training import schedule

SMALL = {"context_size": 4, "bag_size": 0, "embedding_dim": 32, "hidden_dims": 64, "vocab_size": 3000, "quiet": True}
SMALL["ngram_order"] = 0
EPOCHS, LONGER, HEIGHTS = 2, (3, 4), (1.0, 0.5, 0.25, 0.125)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        run, copy = Path(folder) / "run", Path(folder) / "copy"
        stopped = trained(run, EPOCHS)
        print(f"{EPOCHS} epochs: validation perplexity {stopped:.1f}")
        for epochs in LONGER:
            print(f"\n| to {epochs} epochs from | perplexity |\n|---|---|")
            for height in HEIGHTS:
                shutil.copytree(run, copy)
                schedule.FULL_RATE_SHARE = (epochs - EPOCHS) / epochs / height
                print(f"| {height:g} of the full rate | {trained(copy, epochs, resume=True):.1f} |")
                shutil.rmtree(copy)
            print(f"| planned so | {trained(copy, epochs):.1f} |", flush=True)
            shutil.rmtree(copy)


def trained(run: Path, epochs: int, resume: bool = False) -> float:
    """Validation perplexity after so many epochs."""
    return fflm.train("brown:valid", out=run, epochs=epochs, resume=resume, **SMALL).report.valid_perplexity


if __name__ == "__main__":
    main()
