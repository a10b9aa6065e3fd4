"""A map of words: similar vectors stand near each other."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from fflm.errors import ConfigError, FflmError, shown
from fflm.plots import can_plot, drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PICTURES = ("svg", "png", "pdf")
#: From more words on t-SNE is approximated.
EXACT_WORDS = 1000


def picture_format(path: str) -> str:
    """Return the format that a file's name ends with.

    Raises
    ------
    ConfigError
        If no known format is asked for.
    """
    kind = path.lower().rpartition(".")[2] if "." in path else ""
    if kind not in PICTURES:
        raise ConfigError(f"the picture must be a file that ends in .svg, .png or .pdf, got {shown(path)}")
    return kind


def check_can_draw_maps() -> None:
    """Raise FflmError if the plot extra is not installed."""
    if not can_plot() or find_spec("sklearn") is None:
        raise FflmError("maps need matplotlib and scikit-learn: python -m pip install 'fflm[plot]'")


def word_places(matrix: np.ndarray) -> tuple[np.ndarray, str]:
    """Return places (N, 2) of words by the angles between their vectors (N, m), and the method.

    The method is t-SNE (van der Maaten and Hinton 2008), or, where scikit-learn is not installed, the first two
    principal components of the vectors scaled to length 1.

    Examples
    --------
    >>> word_places(np.eye(5, 3, dtype=np.float32))[0].shape
    (5, 2)
    """
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    directions = matrix / np.where(lengths > 0.0, lengths, 1.0)
    if find_spec("sklearn") is None:
        centred = directions.astype(np.float64) - directions.mean(axis=0)
        left, scales, _ = np.linalg.svd(centred, full_matrices=False)
        places = np.zeros((len(matrix), 2))
        places[:, : min(2, len(scales))] = (left * scales)[:, :2]
        return places, "principal components"
    from sklearn.manifold import TSNE

    neighbors = min(30.0, (len(matrix) - 1) / 3.0)  # what t-SNE calls perplexity
    method = "exact" if len(matrix) <= EXACT_WORDS else "barnes_hut"  # the latter's threads get in each other's way
    return TSNE(perplexity=neighbors, method=method, init="random", random_state=1).fit_transform(directions), "t-SNE"


@drawing()
def embedding_map(words: Sequence[str], matrix: np.ndarray, kind: str) -> bytes:
    """Draw a map of words: t-SNE (van der Maaten and Hinton 2008) of the angles between their vectors.

    Parameters
    ----------
    words : sequence of str
    matrix : (N, m) float32
        The vectors of the words.
    kind : str
        svg, png or pdf.
    """
    import matplotlib
    from matplotlib.figure import Figure

    places, _ = word_places(matrix)
    figure = Figure(figsize=(10.0, 10.0), layout="constrained")
    axes = figure.subplots()
    axes.scatter(places[:, 0], places[:, 1], s=4, color="tab:orange")
    axes.set_title(f"{len(words):,} most frequent words: near each other are those with similar vectors (t-SNE)")
    axes.set_xticks([])
    axes.set_yticks([])
    picture = io.BytesIO()
    letters: dict[Any, str] = {"svg.fonttype": "none", "svg.hashsalt": "fflm"}  # letters stay letters
    with matplotlib.rc_context(letters), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a box is drawn; an SVG has the letter
        _labels(figure, axes, words, places)
        figure.savefig(
            picture, format=kind, dpi=150, metadata={"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
        )
    return picture.getvalue()


def _labels(figure: Figure, axes: Axes, words: Sequence[str], places: np.ndarray) -> None:
    """Write each word at that corner of its point where it covers the least of the words before it."""
    figure.draw_without_rendering()  # the axes get their place
    taken = np.zeros((0, 4))  # left, lower, right, upper edges
    for word, place in zip(words, places, strict=True):
        corners: list[tuple[float, int, Any, np.ndarray]] = []
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
            corners.append((float(common.clip(0.0).prod(axis=1).sum()), len(corners), label, box))
            if corners[-1][0] == 0.0:
                break
        best = min(corners, key=lambda corner: corner[:2])
        for corner in corners:
            if corner is not best:
                corner[2].remove()
        taken = np.vstack([taken, best[3]])
