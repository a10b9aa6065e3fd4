"""What this machine offers: versions, processor, and the measured speed of the matrix product."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np

from fflm.kernels._jit import COMPILER, LANES, PROCESSOR
from fflm.kernels.matmul import METHOD, ROWS
from fflm.nn.product_speed import product_speed
from fflm.runtime.cores import available_cores


def describe_system() -> dict[str, Any]:
    """Return versions, processor and speeds, as plain JSON values.

    Returns
    -------
    dict
        Speeds in GFLOP/s of single precision; no BLAS takes part. "matrix_product" is "rectangles", or says what
        stands in for them and why.

    Examples
    --------
    >>> describe_system()["vector_floats"] in (4, 8, 16)
    True
    """
    import fflm

    threads = available_cores()
    return {
        "fflm": fflm.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": COMPILER,
        "system": platform.platform(),
        "processor": PROCESSOR,
        "threads": threads,
        "vector_floats": LANES,
        "kernel_rows": ROWS,
        "matrix_product": METHOD,
        "gflops_one_thread": round(product_speed(1) / 1e9, 1),
        "gflops_all_threads": round(product_speed(threads) / 1e9, 1),
    }
