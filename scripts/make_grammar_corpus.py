"""Write corpora/grammar.txt: sentences of a source whose perplexity is known exactly.

    python scripts/make_grammar_corpus.py [--out FILE] [--sentences N] [--seed S]

The source is a Markov chain of order 2 over word classes: a word's class depends on the classes of the two words
before it, and the word on its class alone. Each word has one class, so the two words before say all that can be
known. The text is ours and free for any use.

Perplexity is per token in the `line` boundary: words and the end </s> of each line, the first word after <s> <s>.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

START, END = "<s>", "</s>"

#: Words of each class, the most probable first: word k has a share proportional to 1 / (k + 1).
WORDS = {
    "one": ["a", "every", "this"],
    "many": ["some", "these", "two"],
    "adjective": ["tall", "young", "small", "quiet", "clever"],
    "person": ["girl", "farmer", "teacher", "sailor", "child", "singer", "doctor", "baker"],
    "people": ["girls", "farmers", "teachers", "sailors", "children", "singers", "doctors", "bakers"],
    "sees": ["finds", "likes", "wants", "sells", "carries", "brings"],
    "see": ["find", "like", "want", "sell", "carry", "bring"],
    "thing": ["bread", "water", "paper", "wood", "music", "silver", "honey", "cloth"],
    "adverb": ["often", "slowly", "gladly", "today", "here"],
    "preposition": ["near", "behind", "in"],
    "the": ["the"],
    "place": ["house", "garden", "river", "market", "town", "forest"],
    "and": ["and"],
    "stop": [".", "!", "?"],
    END: [END],
}

#: Classes that can follow; the more particular key, (class before the last, last class), goes first.
FOLLOW = {
    START: {"one": 0.5, "many": 0.4, "adverb": 0.1},
    (START, "adverb"): {"one": 0.4, "many": 0.6},
    "one": {"person": 0.6, "adjective": 0.4},
    "many": {"people": 0.7, "adjective": 0.3},
    ("one", "adjective"): {"person": 1.0},
    ("many", "adjective"): {"people": 1.0},
    "person": {"sees": 0.8, "preposition": 0.2},
    "people": {"see": 0.8, "preposition": 0.2},
    "sees": {"thing": 1.0},
    "see": {"thing": 1.0},
    "thing": {"stop": 0.5, "adverb": 0.2, "preposition": 0.2, "and": 0.1},
    ("and", "thing"): {"stop": 0.8, "adverb": 0.2},
    "and": {"thing": 1.0},
    ("thing", "adverb"): {"stop": 1.0},
    ("person", "preposition"): {"thing": 1.0},
    ("people", "preposition"): {"thing": 1.0},
    ("thing", "preposition"): {"the": 1.0},
    ("preposition", "thing"): {"stop": 1.0},
    "the": {"place": 1.0},
    "place": {"stop": 0.8, "and": 0.2},
    "stop": {END: 1.0},
}


def word_shares(name: str) -> np.ndarray:
    """P(word | class), in the order of `WORDS`."""
    shares = 1 / np.arange(1, len(WORDS[name]) + 1)
    return shares / shares.sum()


def follow(context: tuple[str, str]) -> dict[str, float]:
    """P(class | the two classes before)."""
    return FOLLOW.get(context) or FOLLOW[context[1]]


def next_word_probs(context: Sequence[str]) -> dict[str, float]:
    """P(word | context) under the source; `context` is the words of the line so far.

    Examples
    --------
    >>> next_word_probs(["every", "tall", "girl", "likes", "bread", "."])
    {'</s>': 1.0}
    """
    before = tuple(CLASS_OF[word] for word in (START, START, *context)[-2:])
    return {
        word: p * share
        for name, p in follow(before).items()
        for word, share in zip(WORDS[name], word_shares(name).tolist(), strict=True)
    }


CLASS_OF = {word: name for name, words in WORDS.items() for word in words} | {START: START}


def true_log_probs(lines: Sequence[str]) -> np.ndarray:
    """Natural log probability of every token of `lines`, each line's end included, under the source.

    Returns
    -------
    (N,) float64, nats
    """
    tables = {}
    result = []
    for line in lines:
        words = [START, START, *line.split(), END]
        for i in range(2, len(words)):
            before = (CLASS_OF[words[i - 2]], CLASS_OF[words[i - 1]])
            if before not in tables:
                tables[before] = {w: np.log(p) for w, p in next_word_probs(words[i - 2 : i]).items()}
            result.append(tables[before][words[i]])
    return np.array(result)


def entropy_rate() -> float:
    """Expected surprisal per token, in nats: of all tokens of infinitely many lines, ends included.

    Expected surprisal of a line over its expected length; both follow from how often each context is expected in a
    line, n = start + transposed(transitions) n.
    """
    contexts = [(START, START)]
    for context in contexts:
        steps = [(context[1], name) for name in follow(context) if name != END]
        contexts += [step for step in steps if step not in contexts]
    index = {context: i for i, context in enumerate(contexts)}
    transitions = np.zeros((len(contexts), len(contexts)))
    surprisal = np.zeros(len(contexts))
    for context, i in index.items():
        for name, p in follow(context).items():
            shares = word_shares(name)
            surprisal[i] -= p * (np.log(p) + shares @ np.log(shares))
            if name != END:
                transitions[i, index[context[1], name]] = p
    visits = np.linalg.solve(np.eye(len(contexts)) - transitions.T, np.eye(len(contexts))[0])
    return float(visits @ surprisal / visits.sum())


def make_lines(sentences: int, seed: int) -> list[str]:
    """Draw sentences from the source, a line each."""
    rng = np.random.default_rng(seed)
    lines = []
    for _ in range(sentences):
        classes, words = [START, START], []
        while classes[-1] != END:
            options = follow((classes[-2], classes[-1]))
            classes.append(str(rng.choice(list(options), p=list(options.values()))))
            words.append(str(rng.choice(WORDS[classes[-1]], p=word_shares(classes[-1]))))
        lines.append(" ".join(words[:-1]))
    return lines


def main() -> None:
    """Write the file and print the truth about it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Path(__file__).resolve().parent.parent / "corpora" / "grammar.txt"
    parser.add_argument("--out", type=Path, default=default)
    parser.add_argument("--sentences", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    lines = make_lines(args.sentences, args.seed)
    text = "\n".join(lines) + "\n"
    args.out.write_text(text, encoding="ascii", newline="\n")
    last = lines[-(len(lines) // 10) :]
    print(f"{args.out.name}: {len(lines):,} lines, {len(text.split()) + len(lines):,} tokens, {len(text):,} bytes")
    held_out = true_log_probs(last)
    for what, nats in (
        ("the source, exactly", entropy_rate()),
        ("this text under the source", -true_log_probs(lines).mean()),
        (f"its last {len(last):,} lines ({len(held_out):,} tokens)", -held_out.mean()),
    ):
        print(f"{what}: {nats:.6f} nats per token, perplexity {np.exp(nats):.4f}")


if __name__ == "__main__":
    main()
