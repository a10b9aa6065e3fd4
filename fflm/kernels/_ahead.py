"""Compile kernels in a second process, from the other end, while this one compiles those that it needs first.

Compiling holds a lock of Numba's, so threads do not help. Processes share their work through the cache, in which one
waits for a kernel that another is compiling: none is compiled twice.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from contextlib import suppress

from fflm.runtime.cores import available_cores

#: Set for the second process, which starts no third one; whoever wants no second process sets it too.
ALONE = "FFLM_COMPILE_ALONE"
#: The kernels of training and of predictions, in the order in which training comes to need them; with each come those
#: that it calls. What else there is, is compiled by whoever needs it.
NEEDED = {
    "ngrams": ("backoff_log_probs",),
    "shuffle": ("shuffled",),
    "windows": ("gather_windows",),
    "embeddings": (
        *("find_followers", "gather_rows", "read_rows", "list_occurrences", "find_words", "spread_words"),
        *("occurrence_gradients", "add_occurrences", "write_rows"),
    ),
    "word_pairs": ("pairs_at", "keep_rows", "gather_pairs", "pairs_of", "scatter_scaled_rows"),
    "dropout": ("dropout",),
    "matrices": ("transpose", "copy", "sum_parts", "row_sums", "transpose_columns"),
    "activations": ("tanh_forward", "tanh_backward"),
    "word_samples": ("draw_words",),
    "softmax": ("slice_forward", "combine", "log_probabilities", "slice_backward", "probabilities"),
    "updates": ("update",),
}


def start() -> None:
    """Start the second process, where there is a second core. It ends by itself; that it fails is no loss."""
    if os.environ.get(ALONE) or available_cores() < 2 or not sys.executable or getattr(sys, "frozen", False):
        return
    command = [sys.executable, "-c", "from fflm.kernels._ahead import compile_all; compile_all()"]
    nowhere, variables = subprocess.DEVNULL, {**os.environ, ALONE: "1"}
    with suppress(OSError):
        process = subprocess.Popen(command, stdin=nowhere, stdout=nowhere, stderr=nowhere, env=variables)
        process.returncode = 0  # so that Python does not warn that nobody waits for it


def compile_all() -> None:
    """Compile every kernel of `NEEDED` that is not in the cache, the last first."""
    for module, names in reversed(NEEDED.items()):
        kernels = importlib.import_module(f"fflm.kernels.{module}")
        for name in reversed(names):
            getattr(kernels, name).ready()
