"""Rectangles of a matrix product, in LLVM code written by hand, which keep all of their sums in vector registers.

A rectangle walks the shared dimension once, with one fused multiply-add a number: what a BLAS does inside, without its
packing (rows of `b` and `out` are contiguous, and `a` is only ever broadcast).
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fflm.kernels._jit import LANES

_INT = ir.IntType(32)
_FLOAT = ir.FloatType()
_VECTOR = ir.VectorType(_FLOAT, LANES)
_MASK = ir.VectorType(ir.IntType(1), LANES)


def _splat(builder, value, vector_type):
    undefined = ir.Constant(vector_type, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(_INT, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(_INT, LANES), [0] * LANES))


class _Rectangle:
    """The code of one rectangle of `rows` x `vectors` registers; at the right edge the last vector is `masked`."""

    def __init__(self, context, builder, rows, vectors, masked):
        self.context, self.builder = context, builder
        self.rows, self.vectors, self.masked = rows, vectors, masked
        self.cells = [(i, v) for i in range(rows) for v in range(vectors)]

    def emit(self, signature, arguments):
        """Emit the code of the rectangle: its arguments are those of `rectangles`."""
        out, a, b, i, j, k, depth, columns, accumulate = arguments
        if self.masked:
            self.make_mask(self.builder.sub(columns, ir.Constant(columns.type, LANES * (self.vectors - 1))))
        out, out_strides = self.array(signature.args[0], out)
        a, a_strides = self.array(signature.args[1], a)
        b, b_strides = self.array(signature.args[2], b)
        a = self.at(a, self.builder.mul(i, a_strides[0]), self.builder.mul(k, a_strides[1]))
        b = self.at(b, self.builder.mul(k, b_strides[0]), self.times(j, 4))
        out = self.at(out, self.builder.mul(i, out_strides[0]), self.times(j, 4))
        self.write(self.sums(a, a_strides, b, b_strides[0], depth), out, out_strides[0], accumulate)

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
        """Emit the loop over the shared dimension; returns the sums, a dict from (row, vector) to register."""
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


def rectangles(rows: int):
    """Make the function `f(out, a, b, i, j, k, depth, columns, accumulate)` for the rectangle of `rows` rows at (i, j).

    Its width, `columns`, is 1 to 2 * LANES: one or two vectors, the last of them full or masked.
    """

    @intrinsic
    def compiled(typing, out, a, b, i, j, k, depth, columns, accumulate):
        def generate(context, builder, signature, arguments):
            out, a, b, i, j, k, depth, columns, accumulate = arguments
            edge, after = builder.append_basic_block("edge"), builder.append_basic_block("after")
            kinds = [(vectors, masked) for vectors in (1, 2) for masked in (False, True)]
            blocks = {kind: builder.append_basic_block("rectangle") for kind in kinds}
            full = builder.switch(columns, edge)
            for vectors in (1, 2):
                full.add_case(ir.Constant(columns.type, vectors * LANES), blocks[vectors, False])
            builder.position_at_end(edge)
            narrow = builder.icmp_signed("<", columns, ir.Constant(columns.type, LANES))
            builder.cbranch(narrow, blocks[1, True], blocks[2, True])
            for (vectors, masked), block in blocks.items():
                builder.position_at_end(block)
                rectangle = _Rectangle(context, builder, rows, vectors, masked)
                rectangle.emit(signature, arguments)
                builder.branch(after)
            builder.position_at_end(after)
            return context.get_dummy_value()

        index = (types.intp,) * 5
        return types.void(out, a, b, *index, types.boolean), generate

    return compiled


def register_loop(sums: int):
    """Make the function `f(factor, rounds)`: so many sums, each a register, grow to sum * factor + factor."""

    @intrinsic
    def compiled(typing, factor, rounds):
        def generate(context, builder, signature, arguments):
            factor, rounds = arguments
            operation = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
            fma = cgutils.get_or_insert_function(builder.module, operation, f"llvm.fmuladd.v{LANES}f32")
            factors = _splat(builder, factor, _VECTOR)
            before = builder.block
            loop, after = builder.append_basic_block("round"), builder.append_basic_block("done")
            builder.branch(loop)
            builder.position_at_end(loop)
            number = builder.phi(rounds.type)
            values = [builder.phi(_VECTOR) for _ in range(sums)]
            grown = [builder.call(fma, [value, factors, factors]) for value in values]
            following = builder.add(number, ir.Constant(rounds.type, 1))
            starts = [ir.Constant(_VECTOR, [float(place)] * LANES) for place in range(sums)]
            counted = (number, ir.Constant(rounds.type, 0), following)
            for phi, start, step in [counted, *zip(values, starts, grown, strict=True)]:
                phi.add_incoming(start, before)
                phi.add_incoming(step, loop)
            builder.cbranch(builder.icmp_signed("<", following, rounds), loop, after)
            builder.position_at_end(after)
            total = grown[0]
            for value in grown[1:]:
                total = builder.fadd(total, value)
            return builder.extract_element(total, ir.Constant(_INT, 0))

        return types.float32(types.float32, types.int64), generate

    return compiled
