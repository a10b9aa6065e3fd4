"""The matrix product against float64, over every rectangle shape, and its promise about bits."""

import json
import os
import subprocess
import sys

import numba
import numpy as np
import pytest
from conftest import CODE

from fflm.kernels._jit import kernel
from fflm.kernels.matmul import DEPTH, LANES, METHOD, ROWS, SIGNATURE, _by_plain_loops, matmul

COMPILED = not numba.config.DISABLE_JIT
compiled_only = pytest.mark.skipif(
    not COMPILED, reason="plain NumPy stands in for the rectangles, and its sums depend on the shape of the product"
)
PRODUCTS = {METHOD: matmul} | ({"plain loops": kernel(SIGNATURE)(_by_plain_loops)} if COMPILED else {})
SENTINEL = np.float32(-12345.0)
if COMPILED:
    HEIGHTS = range(1, 2 * ROWS + 6)
    WIDTHS = sorted({w + d for w in (LANES, 2 * LANES, 3 * LANES, 4 * LANES) for d in (-1, 0, 1)} | {1, 2, 3, 7})
else:
    HEIGHTS = (1, 3, 4, 5, ROWS - 1, ROWS, ROWS + 1, 2 * ROWS + 5)
    WIDTHS = (1, LANES - 1, LANES, LANES + 1, 2 * LANES, 2 * LANES + 1)


@pytest.fixture(params=PRODUCTS.values(), ids=PRODUCTS)
def product(request):
    """Each function that may be `matmul`: which one depends on what the compiler takes."""
    return request.param


def arrays(m, n, k, transposed=False, seed=0):
    """out, a, b as views with a margin: NaN around a and b, a sentinel around out."""
    rng = np.random.default_rng(seed)
    whole_a = np.full((k + 3, m + 3) if transposed else (m + 3, k + 3), np.nan, np.float32)
    a = whole_a[1 : 1 + k, 2 : 2 + m].T if transposed else whole_a[1 : 1 + m, 2 : 2 + k]
    a[:] = rng.standard_normal((m, k))
    b = np.full((k + 3, n + 2 * LANES), np.nan, np.float32)[1 : 1 + k, 3 : 3 + n]
    b[:] = rng.standard_normal((k, n))
    whole = np.full((m + 4, n + 3 * LANES), SENTINEL)
    whole[2 : 2 + m, LANES : LANES + n] = rng.standard_normal((m, n))
    return whole, whole[2 : 2 + m, LANES : LANES + n], a, b


def check(product, m, n, k, transposed, accumulate):
    whole, out, a, b = arrays(m, n, k, transposed)
    before, exact_a, exact_b = out.astype(np.float64), a.astype(np.float64), b.astype(np.float64)
    product(out, a, b, accumulate)
    exact = exact_a @ exact_b + before * accumulate
    # the classical bound of a sum of k + 1 rounded terms
    bound = (k + 2) * 2.0**-24 * (np.abs(exact_a) @ np.abs(exact_b) + np.abs(before) * accumulate)
    assert (np.abs(out - exact) <= bound).all(), (m, n, k, transposed, accumulate)
    out[:] = SENTINEL
    assert (whole == SENTINEL).all(), f"written outside of out at {(m, n, k)}"


@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize("transposed", [False, True])
def test_every_rectangle(product, transposed, accumulate):
    for m in HEIGHTS:
        for n in WIDTHS:
            for k in (1, 5):
                check(product, m, n, k, transposed, accumulate)


@pytest.mark.parametrize("k", [DEPTH - 1, DEPTH, DEPTH + 1, 2 * DEPTH + 3])
def test_depth_is_crossed(product, k):
    for transposed in (False, True):
        for accumulate in (False, True):
            check(product, ROWS + 5, 2 * LANES + 3, k, transposed, accumulate)


def test_empty_shares(product):
    a, b = np.ones((0, 3), np.float32), np.ones((3, 5), np.float32)
    product(np.empty((0, 5), np.float32), a, b, False)
    product(np.empty((2, 0), np.float32), np.ones((2, 3), np.float32), b[:, :0], False)


@compiled_only
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("k", [7, DEPTH + 9])
def test_same_bits_however_it_is_cut(product, transposed, k):
    m, n = 3 * ROWS + 7, 5 * LANES + 5
    _, whole, a, b = arrays(m, n, k, transposed)
    product(whole, a, b, False)
    rng = np.random.default_rng(1)
    for _ in range(20):
        rows = np.unique([0, m, *rng.integers(0, m, 3)])
        columns = np.unique([0, n, *rng.integers(0, n, 3)])
        out = np.full((m, n), SENTINEL)
        for i0, i1 in zip(rows, rows[1:], strict=False):
            for j0, j1 in zip(columns, columns[1:], strict=False):
                product(out[i0:i1, j0:j1], a[i0:i1], b[:, j0:j1], False)
        assert out.tobytes() == whole.tobytes()


@compiled_only
def test_same_bits_for_any_strides_and_when_cut_at_depth(product):
    m, n, k = ROWS + 2, LANES + 3, 2 * DEPTH
    _, out, a, b = arrays(m, n, k)
    product(out, a, b, False)
    other = np.empty((m, n), np.float32)
    product(other, np.asfortranarray(a), b, False)
    assert other.tobytes() == np.ascontiguousarray(out).tobytes()
    product(other, a[:, :DEPTH], b[:DEPTH], False)
    product(other, a[:, DEPTH:], b[DEPTH:], True)
    assert other.tobytes() == np.ascontiguousarray(out).tobytes()


@compiled_only
def test_sums_run_in_order(product):
    # float64 holds the product of two float32 exactly, so rounding product + sum once is the fused operation
    # (double rounding would need a tie in 29 bits; none occurs with this seed). Old processors do not fuse.
    m, n, k = ROWS + 1, LANES + 1, 20
    _, out, a, b = arrays(m, n, k)
    product(out, a, b, False)
    fused = separate = np.zeros((m, n), np.float32)
    for step in range(k):
        product = np.outer(a[:, step].astype(np.float64), b[step])
        fused = (fused + product).astype(np.float32)
        separate = separate + product.astype(np.float32)
    assert (out == fused).all() or (out == separate).all()


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")  # NumPy's product, in pure Python
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_a_number_and_infinity_propagate(product, bad):
    m, n, k = ROWS + 5, 2 * LANES + 3, 6
    for i in (0, ROWS, m - 1):
        _, out, a, b = arrays(m, n, k)
        a[i, 2] = bad
        product(out, a, b, False)
        rows = ~np.isfinite(out)
        assert rows[i].all() and rows.sum() == n
    for j in (0, LANES, n - 1):
        _, out, a, b = arrays(m, n, k)
        b[3, j] = bad
        product(out, a, b, False)
        columns = ~np.isfinite(out)
        assert columns[:, j].all() and columns.sum() == m
    _, out, a, b = arrays(m, n, k)
    a[1, 1], b[1, 1] = np.inf, 0.0
    product(out, a, b, False)
    assert np.isnan(out[1, 1])


def test_one_column_may_have_any_stride(product):
    a, b = np.float32([[1, 2, 3], [4, 5, 6]]), np.float32([[1, 9, 0, 0], [2, 9, 0, 0], [3, 9, 0, 0]])
    out = np.empty((1, 2), np.float32).T
    product(out, a, b.T[:1].T, False)
    assert out.tolist() == [[14.0], [32.0]]


@compiled_only
def test_plain_loops_stand_in_where_the_rectangles_can_not_be_compiled(tmp_path):
    code = """
import sys
from llvmlite import ir
def refuse(*arguments):
    raise RuntimeError("no such instruction")
ir.IRBuilder.shuffle_vector = refuse
from fflm.cli.main import main
sys.exit(main(["info", "--system", "--json"]))
"""
    environment = os.environ | {"PYTHONPATH": str(CODE), "NUMBA_CACHE_DIR": str(tmp_path)}
    made = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, encoding="utf-8")
    assert made.returncode == 0, made.stderr
    reason = "the rectangles can't be compiled, no such instruction"
    assert json.loads(made.stdout)["matrix_product"] == f"plain loops: {reason}"


@compiled_only
def test_rectangles_are_compiled_here():
    assert METHOD == "rectangles"
