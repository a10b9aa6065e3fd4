"""Brown as Bengio et al. 2003 used it, as far as NLTK's edition allows: shared by the scripts that compare with it.

The paper took its vocabulary from the whole corpus, test part included. So do these scripts, to be comparable: the
16,382 most frequent types of all 1,177,359 tokens (marks for texts and paragraphs among them; of equally frequent types
those that occur first), and `<unk>` for the rest. fflm itself never looks at held-out text for a vocabulary.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fflm.config import DataConfig, TokenizerConfig
from fflm.storage.files import read_json, write
from fflm.text import Corpus, Tokenizer, load
from fflm.text.corpora import read_corpus
from fflm.training.run_folder import LOG

TYPES = 16_382


def vocabulary_file(folder: Path) -> Path:
    """Write the words, one a line, unless they are there; the file for `--vocab`."""
    path = folder / "vocabulary.txt"
    if not path.exists():
        counts: Counter[str] = Counter()
        for block in read_corpus("brown", None, Tokenizer(TokenizerConfig())):
            counts.update(block)
        folder.mkdir(parents=True, exist_ok=True)
        words = [word for word, _ in counts.most_common(TYPES)]
        write(path, "".join(f"{word}\n" for word in words).encode())
    return path


def brown(folder: Path) -> Corpus:
    """800,000 tokens for training, 200,000 for validation, 177,359 for the test, in that order of the corpus."""
    data = DataConfig(vocab=str(vocabulary_file(folder)))
    return load(["brown"], None, None, TokenizerConfig(), data, seed=1)


class Results:
    """Rows of figures in a JSON file: what is there is not computed again, so only finished rows are stored."""

    def __init__(self, path: Path):
        self.path = path
        self.rows = read_json(path) if path.exists() else {}

    def get(self, name: str, compute) -> dict:
        """The row `name`, computed and saved if it is missing; `seconds` is how long that took.

        Raises
        ------
        KeyboardInterrupt
            At Ctrl-C, after saying what is kept; the row is not stored.
        """
        if name not in self.rows:
            begin = time.monotonic()
            try:
                row = compute()
            except KeyboardInterrupt as stop:
                note = f"; {stop}" if str(stop) else ""
                print(
                    f"interrupted: {len(self.rows)} finished rows are kept in {self.path}, the row {name!r} is not "
                    f"stored{note}; run the same command again to go on",
                    file=sys.stderr,
                )
                raise
            self.rows[name] = {"seconds": time.monotonic() - begin} | row
            write(self.path, json.dumps(self.rows, indent=1).encode())
        return self.rows[name]


def seconds_trained(run: Path) -> float:
    """Seconds of training that a run folder has behind it, up to its last validation; 0 if there is none."""
    lines = (run / LOG).read_text().splitlines() if (run / LOG).exists() else []
    return json.loads(lines[-1])["seconds"] if lines else 0.0


def run(main: Callable[[], None]) -> None:
    """Call the main function of a script; Ctrl-C ends it with status 130, without a traceback."""
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)


def perplexity(log_probs: np.ndarray) -> float:
    """e to the mean of -log P."""
    return float(np.exp(-log_probs.mean()))
