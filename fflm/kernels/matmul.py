"""Matrix product in single precision, one core, written for the few shapes a training step has.

`matmul` covers `out` with small rectangles. `_rectangle` makes, for each rectangle shape, the code that keeps all of
its sums in vector registers while it walks the shared dimension, one fused multiply-add a number: what a BLAS does
inside, without its packing (rows of `b` and `out` are contiguous, and `a` is only ever broadcast), without its threads
and without its guess of the processor. Every element is the sum over k = 0, 1, ... in this order, in whatever
rectangle it falls; so a product cut among several workers has the same bits.
"""

import numba
from llvmlite import binding, ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fflm.kernels._jit import kernel


def _host_features() -> dict:
    text = numba.config.CPU_FEATURES
    if text:
        return {name[1:]: name[0] == "+" for name in text.split(",") if name}
    return dict(binding.get_host_cpu_features())


_FEATURES = _host_features()
# Floats in a vector register, and rows of a rectangle: 12 x 2 sums fill 24 of 32 registers, 6 x 2 fill 12 of 16.
LANES = 16 if _FEATURES.get("avx512f") else 8 if _FEATURES.get("avx2") else 4
ROWS = 12 if _FEATURES.get("avx512f") or _FEATURES.get("neon") else 6
DEPTH = 256  # steps of the shared dimension at a time: 2 vectors of `b` x 256 stay in the first-level cache

_INT = ir.IntType(32)
_FLOAT = ir.FloatType()
_VECTOR = ir.VectorType(_FLOAT, LANES)
_MASK = ir.VectorType(ir.IntType(1), LANES)


def _splat(builder, value, vector_type):
    undefined = ir.Constant(vector_type, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(_INT, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(_INT, LANES), [0] * LANES))


class _Rectangle:
    """Emits one rectangle of `rows` x `vectors` registers; the last vector is `masked` at the right edge of `out`."""

    def __init__(self, context, builder, rows, vectors, masked):
        self.context, self.builder = context, builder
        self.rows, self.vectors, self.masked = rows, vectors, masked
        self.cells = [(i, v) for i in range(rows) for v in range(vectors)]

    def array(self, array_type, value):
        array = self.context.make_array(array_type)(self.context, self.builder, value=value)
        address = self.builder.ptrtoint(array.data, self.context.get_value_type(types.intp))
        return address, cgutils.unpack_tuple(self.builder, array.strides, 2)

    def at(self, base, *offsets):
        for offset in offsets:
            base = self.builder.add(base, offset)
        return base

    def times(self, stride, count):
        return self.builder.mul(stride, ir.Constant(stride.type, count))

    def make_mask(self, columns):
        lanes = ir.VectorType(_INT, LANES)
        limit = _splat(self.builder, self.builder.trunc(columns, _INT), lanes)
        self.mask = self.builder.icmp_unsigned("<", ir.Constant(lanes, list(range(LANES))), limit)

    def _intrinsic(self, name, result, arguments):
        return cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(result, arguments), name)

    def load(self, address, v):
        pointer = self.builder.inttoptr(address, _VECTOR.as_pointer())
        if not (self.masked and v == self.vectors - 1):
            return self.builder.load(pointer, align=4)
        name = f"llvm.masked.load.v{LANES}f32.p0"
        load = self._intrinsic(name, _VECTOR, [pointer.type, _INT, _MASK, _VECTOR])
        return self.builder.call(load, [pointer, ir.Constant(_INT, 4), self.mask, ir.Constant(_VECTOR, [0.0] * LANES)])

    def store(self, value, address, v):
        pointer = self.builder.inttoptr(address, _VECTOR.as_pointer())
        if not (self.masked and v == self.vectors - 1):
            self.builder.store(value, pointer, align=4)
            return
        name = f"llvm.masked.store.v{LANES}f32.p0"
        store = self._intrinsic(name, ir.VoidType(), [_VECTOR, pointer.type, _INT, _MASK])
        self.builder.call(store, [value, pointer, ir.Constant(_INT, 4), self.mask])

    def sums(self, a, a_strides, b, b_stride, depth):
        """The loop over the shared dimension; returns the sums, a dict from (row, vector) to register."""
        builder, index_type = self.builder, depth.type
        fma = self._intrinsic(f"llvm.fmuladd.v{LANES}f32", _VECTOR, [_VECTOR] * 3)
        a_rows = [self.times(a_strides[0], i) for i in range(self.rows)]
        before = builder.block
        loop = builder.append_basic_block("depth")
        after = builder.append_basic_block("done")
        builder.branch(loop)
        builder.position_at_end(loop)
        k, a_now, b_now = (builder.phi(index_type) for _ in range(3))
        sums = {cell: builder.phi(_VECTOR) for cell in self.cells}
        b_vectors = [self.load(self.at(b_now, ir.Constant(index_type, 4 * LANES * v)), v) for v in range(self.vectors)]
        grown = {}
        for i in range(self.rows):
            number = builder.load(builder.inttoptr(self.at(a_now, a_rows[i]), _FLOAT.as_pointer()), align=4)
            number = _splat(builder, number, _VECTOR)
            for v in range(self.vectors):
                grown[i, v] = builder.call(fma, [number, b_vectors[v], sums[i, v]])
        following = builder.add(k, ir.Constant(index_type, 1))
        for phi, start, step in (
            (k, ir.Constant(index_type, 0), following),
            (a_now, a, builder.add(a_now, a_strides[1])),
            (b_now, b, builder.add(b_now, b_stride)),
            *((sums[cell], ir.Constant(_VECTOR, [0.0] * LANES), grown[cell]) for cell in self.cells),
        ):
            phi.add_incoming(start, before)
            phi.add_incoming(step, loop)
        builder.cbranch(builder.icmp_signed("<", following, depth), loop, after)
        builder.position_at_end(after)
        return grown

    def write(self, sums, out, row_stride, accumulate):
        builder = self.builder
        places = {
            (i, v): self.at(out, self.times(row_stride, i), ir.Constant(out.type, 4 * LANES * v)) for i, v in self.cells
        }
        with builder.if_else(accumulate) as (add, overwrite):
            with add:
                for i, v in self.cells:
                    self.store(builder.fadd(self.load(places[i, v], v), sums[i, v]), places[i, v], v)
            with overwrite:
                for i, v in self.cells:
                    self.store(sums[i, v], places[i, v], v)


def _rectangle(rows: int, vectors: int, masked: bool):
    """The function `f(out, a, b, i, j, k, depth, columns, accumulate)` for one rectangle at row i, column j."""
    if numba.config.DISABLE_JIT:

        def plain(out, a, b, i, j, k, depth, columns, accumulate):
            n = (vectors - 1) * LANES + (columns if masked else LANES)
            product = a[i : i + rows, k : k + depth] @ b[k : k + depth, j : j + n]
            out[i : i + rows, j : j + n] = out[i : i + rows, j : j + n] + product if accumulate else product

        return plain

    @intrinsic
    def compiled(typing, out, a, b, i, j, k, depth, columns, accumulate):
        def generate(context, builder, signature, arguments):
            out, a, b, i, j, k, depth, columns, accumulate = arguments
            shape = _Rectangle(context, builder, rows, vectors, masked)
            if masked:
                shape.make_mask(columns)
            out, out_strides = shape.array(signature.args[0], out)
            a, a_strides = shape.array(signature.args[1], a)
            b, b_strides = shape.array(signature.args[2], b)
            a = shape.at(a, builder.mul(i, a_strides[0]), builder.mul(k, a_strides[1]))
            b = shape.at(b, builder.mul(k, b_strides[0]), shape.times(j, 4))
            out = shape.at(out, builder.mul(i, out_strides[0]), shape.times(j, 4))
            shape.write(shape.sums(a, a_strides, b, b_strides[0], depth), out, out_strides[0], accumulate)
            return context.get_dummy_value()

        index = (types.intp,) * 5
        return types.void(out, a, b, *index, types.boolean), generate

    return compiled


_big2 = _rectangle(ROWS, 2, False)
_big2m = _rectangle(ROWS, 2, True)
_big1 = _rectangle(ROWS, 1, False)
_big1m = _rectangle(ROWS, 1, True)
_four2 = _rectangle(4, 2, False)
_four2m = _rectangle(4, 2, True)
_four1 = _rectangle(4, 1, False)
_four1m = _rectangle(4, 1, True)
_one2 = _rectangle(1, 2, False)
_one2m = _rectangle(1, 2, True)
_one1 = _rectangle(1, 1, False)
_one1m = _rectangle(1, 1, True)


@kernel("void(float32[:, :], float32[:, :], float32[:, :], boolean)")
def matmul(out, a, b, accumulate):
    """out (M, N) *written*, or *accumulated* on request = a (M, K) *read* @ b (K, N) *read*.

    Rows of `out` and `b` must be contiguous; `a` may have any strides (pass `a.T` for the transposed product).
    """
    m, n = out.shape
    for k in range(0, b.shape[0], DEPTH):
        depth = min(DEPTH, b.shape[0] - k)
        add = accumulate or k > 0
        for j in range(0, n, 2 * LANES):
            two = n - j > LANES
            columns = min(n - j, 2 * LANES) - (LANES if two else 0)
            masked = columns < LANES
            i = 0
            while i < m:
                if m - i >= ROWS:
                    if two:
                        if masked:
                            _big2m(out, a, b, i, j, k, depth, columns, add)
                        else:
                            _big2(out, a, b, i, j, k, depth, columns, add)
                    elif masked:
                        _big1m(out, a, b, i, j, k, depth, columns, add)
                    else:
                        _big1(out, a, b, i, j, k, depth, columns, add)
                    i += ROWS
                elif m - i >= 4:
                    if two:
                        if masked:
                            _four2m(out, a, b, i, j, k, depth, columns, add)
                        else:
                            _four2(out, a, b, i, j, k, depth, columns, add)
                    elif masked:
                        _four1m(out, a, b, i, j, k, depth, columns, add)
                    else:
                        _four1(out, a, b, i, j, k, depth, columns, add)
                    i += 4
                else:
                    if two:
                        if masked:
                            _one2m(out, a, b, i, j, k, depth, columns, add)
                        else:
                            _one2(out, a, b, i, j, k, depth, columns, add)
                    elif masked:
                        _one1m(out, a, b, i, j, k, depth, columns, add)
                    else:
                        _one1(out, a, b, i, j, k, depth, columns, add)
                    i += 1
