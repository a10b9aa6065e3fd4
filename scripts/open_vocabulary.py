"""Open bits of models of words and of characters on the same texts: figures that vocabularies can be compared by.

    python scripts/open_vocabulary.py [RUN ...]

Makes Kneser-Ney models of words, with the default vocabulary, a small and a large one, and of characters, from the
corpus stdlib, and scores its test text and a text of random letters with them; run folders that are named join them.
The closed perplexity of random letters is the lower, the smaller the vocabulary; the open figures say what it costs.
"""

import argparse
import random
import string
import tempfile
from pathlib import Path

import fflm

MODELS = {
    "words, default vocabulary": {},
    "words, 2,000": {"vocab_size": 2_000},
    "words, all": {"vocab": "all"},
    "characters, order 6": {"tokenizer": "char", "order": 6},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="*", metavar="RUN")
    arguments = parser.parse_args()
    models = {name: fflm.ngram("stdlib", quiet=True, **options) for name, options in MODELS.items()}
    models |= {run: fflm.load(run) for run in arguments.runs}
    generator = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        letters = Path(folder) / "random letters"
        words = ("".join(generator.choices(string.ascii_lowercase, k=7)) for _ in range(3_000))
        letters.write_text(" ".join(words))
        for name, text in (("stdlib:test", "stdlib:test"), ("random letters", letters)):
            print(f"\n{name}\n")
            print("| model | V | unknown | perplexity | open perplexity | open bits/word | open bits/character |")
            print("|---|---|---|---|---|---|---|")
            for label, model in models.items():
                report = model.perplexity(text, quiet=True)
                size, unknown = len(model.lm.vocabulary), 100 * report.oov_rate
                print(
                    f"| {label} | {size:,} | {unknown:.1f} % | {report.perplexity:.2f} | "
                    f"{report.open_perplexity:.4g} | {report.open_bits_per_word:.2f} | "
                    f"{report.open_bits_per_character:.3f} |"
                )


if __name__ == "__main__":
    main()
