"""Two models' bits on the same tokens."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from fflm.plots import drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@drawing()
def comparison_plot(bits_a: np.ndarray, bits_b: np.ndarray, title: str = "") -> bytes:
    r"""Draw a PNG of two models' bits on the same tokens: how they differ, and both of them token by token.

    Parameters
    ----------
    bits_a, bits_b : (N,) float64
        -log2 P of each token in models A and B.
    title : str
        Above the picture: what A and B are.

    Examples
    --------
    >>> from fflm.plots import can_plot
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


def _differences(axes: Axes, difference: np.ndarray) -> None:
    """Draw the histogram of bits of A - bits of B, the side of each model in its colour."""
    edge = float(np.abs(difference).max()) or 1.0
    bins = np.linspace(-edge, edge, 81).tolist()
    sides = [("A better", "tab:blue", difference < 0), ("B better", "tab:orange", difference > 0)]
    if (difference == 0).any():
        sides.append(("equal", "tab:gray", difference == 0))
    parts = [difference[side] for _, _, side in sides]
    labels = [f"{name}: {100 * side.mean():.1f} % of the tokens" for name, _, side in sides]
    heights = axes.hist(parts, bins, color=[colour for _, colour, _ in sides], label=labels, stacked=True)[0]
    mean = float(difference.mean())
    axes.axvline(mean, color="black", linewidth=1.2, linestyle="--", label=f"mean: {mean:+.3f} bits per token")
    axes.set_yscale("log", nonpositive="clip")
    axes.set_ylim(0.7, 10.0 * heights[-1].max())  # the legend needs space above
    axes.yaxis.set_major_formatter("{x:,g}")
    axes.set_title("difference token by token")
    axes.set_xlabel("bits of A - bits of B")
    axes.set_ylabel("tokens")
    axes.grid(color="black", alpha=0.1)
    axes.set_axisbelow(True)
    axes.legend(loc="upper left", fontsize="small")


def _both_bits(figure: Figure, axes: Axes, bits_a: np.ndarray, bits_b: np.ndarray) -> None:
    """Draw how many tokens cost so many bits in A and so many in B; above the diagonal A is better."""
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
