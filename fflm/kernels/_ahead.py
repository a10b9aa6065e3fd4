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
#: The modules with kernels, in the order in which training comes to need them.
MODULES = (
    *("shuffle", "windows", "ngrams", "scalar", "activations", "matrices", "rectangles", "matmul", "updates"),
    *("hashing", "word_pairs", "pooling", "embeddings", "dropout", "softmax", "word_samples"),
    *("unigram_cache", "neural_cache", "peak"),
)


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
    """Compile every kernel that is not in the cache, the last modules first."""
    for name in reversed(MODULES):
        module = importlib.import_module(f"fflm.kernels.{name}")
        for value in vars(module).values():
            if hasattr(type(value), "compiled"):  # one of those that are compiled on demand
                value.compiled  # noqa: B018
