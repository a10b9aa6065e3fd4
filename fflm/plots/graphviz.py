"""Graphs drawn by Graphviz."""

from __future__ import annotations

import shutil
import subprocess

from fflm.errors import FflmError, shown


def graph_picture(dot: str) -> bytes:
    """Draw an SVG of a graph in the language of Graphviz, by its command ``dot``.

    Raises
    ------
    FflmError
        If Graphviz is not installed, or fails.
    """
    command = shutil.which("dot")
    if command is None:
        raise FflmError(
            "an .svg needs Graphviz, whose command dot is not installed; write a .dot file, or install graphviz"
        )
    finished = subprocess.run([command, "-Tsvg"], input=dot.encode(), capture_output=True, check=False)
    if finished.returncode != 0:
        raise FflmError(f"Graphviz failed: {shown(finished.stderr.decode(errors='replace').strip(), most=200)}")
    return finished.stdout
