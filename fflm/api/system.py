"""What this machine offers: versions, processor, and the measured speed of the matrix product."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np

from fflm.kernels._jit import COMPILER, LANES, PROCESSOR
from fflm.kernels.matmul import METHOD, ROWS
from fflm.nn.product_speed import fma_peak, product_speed
from fflm.runtime.cores import available_cores
from fflm.storage.user_cache import cache_folder


def versions() -> dict[str, Any]:
    """Return versions and processor, as plain JSON values.

    Examples
    --------
    >>> versions()["python"].count(".")
    2
    """
    import fflm

    return {
        "fflm": fflm.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": COMPILER,
        "system": platform.platform(),
        "processor": PROCESSOR,
        "threads": available_cores(),
        "vector_floats": LANES,
    }


def describe_system() -> dict[str, Any]:
    """Return versions, processor and speeds, as plain JSON values.

    Returns
    -------
    dict
        Speeds in GFLOP/s of single precision; no BLAS takes part. The peak is that of fused multiply-adds of registers
        alone; the others are of the matrix product, of which "matrix_product" says how it is computed. "cache_folder"
        is where the corpus ``stdlib`` is kept once it has been parsed, None if nowhere.

    Examples
    --------
    >>> describe_system()["vector_floats"] in (4, 8, 16)
    True
    """
    threads, folder = available_cores(), cache_folder()
    return versions() | {
        "cache_folder": None if folder is None else str(folder),
        "kernel_rows": ROWS,
        "matrix_product": METHOD,
        "peak_gflops_one_thread": round(fma_peak(1) / 1e9, 1),
        "peak_gflops_all_threads": round(fma_peak(threads) / 1e9, 1),
        "gflops_one_thread": round(product_speed(1) / 1e9, 1),
        "gflops_all_threads": round(product_speed(threads) / 1e9, 1),
    }
