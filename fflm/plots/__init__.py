"""Pictures: with the `plot` extra, and of graphs with Graphviz."""

from __future__ import annotations

import io
import shutil
import subprocess
import warnings
from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np

from fflm.errors import ConfigError, FflmError


def can_plot() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def learning_curve(log: list[dict]) -> bytes:
    r"""A PNG of training and validation perplexity over epochs.

    Parameters
    ----------
    log : list of dict
        The records of a run's ``log.jsonl``, one a validation.

    Examples
    --------
    >>> records = [{"epochs": 1.0, "train_perplexity": 9.0, "valid_perplexity": 8.0}]
    >>> learning_curve(records)[:4] if can_plot() else b"\x89PNG"
    b'\x89PNG'
    """
    from matplotlib.figure import Figure  # not pyplot: no window, no state that others share

    epochs = [record["epochs"] for record in log]
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    for name, label in (("train_perplexity", "training (with dropout)"), ("valid_perplexity", "validation")):
        axes.plot(epochs, [record[name] for record in log], marker="o", label=label)
    best = min(log, key=lambda record: record["valid_perplexity"])
    axes.axhline(
        best["valid_perplexity"],
        color="grey",
        linewidth=0.8,
        linestyle=":",
        label=f"best validation: {best['valid_perplexity']:.1f}",
    )
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.set_xlabel("epochs")
    axes.set_ylabel("perplexity")
    axes.legend()
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=150)
    return picture.getvalue()


def comparison_plot(bits_a: np.ndarray, bits_b: np.ndarray, title: str = "") -> bytes:
    r"""A PNG of two models' bits on the same tokens: how they differ, and both of them token by token.

    Parameters
    ----------
    bits_a, bits_b : (N,) float64
        -log2 P of each token in models A and B.
    title : str
        Above the picture: what A and B are.

    Examples
    --------
    >>> comparison_plot(np.array([1.0, 3.0]), np.array([2.0, 2.5]))[:4] if can_plot() else b"\x89PNG"
    b'\x89PNG'
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.0, 5.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    figure.suptitle(title, x=0.02, ha="left", fontsize="medium", parse_math=False)
    _differences(left, bits_a - bits_b)
    _both_bits(figure, right, bits_a, bits_b)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=150)
    return picture.getvalue()


def _differences(axes, difference: np.ndarray) -> None:
    """Histogram of bits of A - bits of B, the side of each model in its colour."""
    edge = float(np.abs(difference).max()) or 1.0
    bins = np.linspace(-edge, edge, 81)
    sides = [("A better", "tab:blue", difference < 0), ("B better", "tab:orange", difference > 0)]
    if (difference == 0).any():
        sides.append(("equal", "tab:gray", difference == 0))
    parts = [difference[side] for _, _, side in sides]
    labels = [f"{name}: {100 * side.mean():.1f} % of the tokens" for name, _, side in sides]
    heights = axes.hist(parts, bins, color=[colour for _, colour, _ in sides], label=labels, stacked=True)[0]
    mean = float(difference.mean())
    axes.axvline(mean, color="black", linewidth=1.2, linestyle="--", label=f"mean: {mean:+.3f} bits per token")
    axes.set_yscale("log", nonpositive="clip")
    axes.set_ylim(0.7, 10.0 * heights[-1].max())  # room for the legend
    axes.yaxis.set_major_formatter("{x:,g}")
    axes.set_title("difference token by token")
    axes.set_xlabel("bits of A - bits of B")
    axes.set_ylabel("tokens")
    axes.grid(color="black", alpha=0.1)
    axes.set_axisbelow(True)
    axes.legend(loc="upper left", fontsize="small")


def _both_bits(figure, axes, bits_a: np.ndarray, bits_b: np.ndarray) -> None:
    """How many tokens cost so many bits in A and so many in B; above the diagonal A is better."""
    edge = float(max(bits_a.max(), bits_b.max())) or 1.0
    field = axes.hexbin(
        bits_a, bits_b, gridsize=60, extent=(0.0, edge, 0.0, edge), bins="log", mincnt=1, cmap="viridis", linewidths=0.1
    )
    axes.plot([0.0, edge], [0.0, edge], color="black", linewidth=1.0)
    axes.set_aspect("equal")
    axes.grid(color="black", alpha=0.1)
    axes.set_axisbelow(True)
    axes.set_title("bits of each token")
    axes.set_xlabel("bits of A")
    axes.set_ylabel("bits of B")
    axes.text(0.03, 0.97, "A better", transform=axes.transAxes, va="top", color="tab:blue", weight="bold")
    axes.text(0.97, 0.03, "B better", transform=axes.transAxes, ha="right", color="tab:orange", weight="bold")
    figure.colorbar(field, ax=axes, label="tokens", format="{x:,g}")


PICTURES = ("svg", "png", "pdf")
EXACT_WORDS = 1000


def picture_format(path: str) -> str:
    """The format that a file's name asks for, once it is known that a map of words can be drawn.

    Raises
    ------
    ConfigError
        If it is none of those known.
    FflmError
        If the plot extra is not installed.
    """
    kind = path.lower().rpartition(".")[2] if "." in path else ""
    if kind not in PICTURES:
        raise ConfigError(f"the picture must be a file that ends in .svg, .png or .pdf, got {path!r}")
    if not can_plot() or find_spec("sklearn") is None:
        raise FflmError("maps need matplotlib and scikit-learn: python -m pip install 'fflm[plot]'")
    return kind


def embedding_map(words: Sequence[str], matrix: np.ndarray, kind: str) -> bytes:
    """A map of words: t-SNE (van der Maaten and Hinton 2008) of the angles between their vectors.

    Parameters
    ----------
    words : sequence of str
    matrix : (N, m) float32
        Their vectors.
    kind : str
        svg, png or pdf.
    """
    import matplotlib
    from matplotlib.figure import Figure
    from sklearn.manifold import TSNE

    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    directions = matrix / np.where(lengths > 0.0, lengths, 1.0)
    neighbors = min(30.0, (len(words) - 1) / 3.0)  # what t-SNE calls perplexity
    method = "exact" if len(words) <= EXACT_WORDS else "barnes_hut"  # the latter's threads get in each other's way
    places = TSNE(perplexity=neighbors, method=method, init="random", random_state=1).fit_transform(directions)
    figure = Figure(figsize=(10.0, 10.0), layout="constrained")
    axes = figure.subplots()
    axes.scatter(*places.T, s=4, color="tab:orange")
    axes.set_title(f"{len(words):,} most frequent words: near each other are those with similar vectors (t-SNE)")
    axes.set_xticks([])
    axes.set_yticks([])
    picture = io.BytesIO()
    letters = {"svg.fonttype": "none", "svg.hashsalt": "fflm"}  # letters stay letters
    with matplotlib.rc_context(letters), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a box is drawn; an SVG has the letter
        _labels(figure, axes, words, places)
        figure.savefig(
            picture, format=kind, dpi=150, metadata={"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
        )
    return picture.getvalue()


def _labels(figure, axes, words: Sequence[str], places: np.ndarray) -> None:
    """Write each word at that corner of its point where it covers the least of the words before it."""
    figure.draw_without_rendering()  # the axes get their place
    taken = np.zeros((0, 4))  # left, lower, right, upper edges
    for word, place in zip(words, places, strict=True):
        found = []
        for side, height in ((1, 1), (-1, 1), (1, -1), (-1, -1)):
            label = axes.annotate(
                word,
                place,
                xytext=(2 * side, 2 * height),
                textcoords="offset points",
                ha="left" if side > 0 else "right",
                va="bottom" if height > 0 else "top",
                fontsize=7,
                parse_math=False,
            )
            box = np.array(label.get_window_extent().extents)
            common = np.minimum(taken[:, 2:], box[2:]) - np.maximum(taken[:, :2], box[:2])
            found.append((float(common.clip(0.0).prod(axis=1).sum()), len(found), label, box))
            if found[-1][0] == 0.0:
                break
        best = min(found, key=lambda corner: corner[:2])
        for corner in found:
            if corner is not best:
                corner[2].remove()
        taken = np.vstack([taken, best[3]])


def graph_picture(dot: str) -> bytes:
    """An SVG of a graph in the language of Graphviz, by its command ``dot``.

    Raises
    ------
    FflmError
        If it is not installed, or fails.
    """
    command = shutil.which("dot")
    if command is None:
        raise FflmError(
            "an .svg needs Graphviz, whose command dot is not installed; write a .dot file, or install graphviz"
        )
    made = subprocess.run([command, "-Tsvg"], input=dot.encode(), capture_output=True, check=False)
    if made.returncode != 0:
        raise FflmError(f"Graphviz failed: {made.stderr.decode(errors='replace').strip()[:200]}")
    return made.stdout
