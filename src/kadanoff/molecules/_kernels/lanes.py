"""Eight numbers at once: a small vector type for numba kernels.

``Lanes`` values live in vector registers. They exist only inside compiled functions: `load` and `store` move them
from and to arrays (flat, C-contiguous), `spread` fills all lanes with one number, and + - * >> & work lane by lane.
LLVM lowers them to whatever the processor has (two or four registers where eight lanes do not fit one).

The arithmetic may be contracted (a * b + c in one rounding) but is never reordered: the same program gives the same
bits."""

# mypy: ignore-errors
# (lanes have no Python type)

from __future__ import annotations

import operator
import sys
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

WIDTH = 8

_I1, _I32, _I64 = ir.IntType(1), ir.IntType(32), ir.IntType(64)
_F32, _F64 = ir.FloatType(), ir.DoubleType()
_SCALARS = {"f32": _F32, "f64": _F64, "i32": _I32}
_VECTORS = {kind: ir.VectorType(scalar, WIDTH) for kind, scalar in _SCALARS.items()}
_KINDS = {types.float32: "f32", types.float64: "f64", types.int32: "i32"}
_FLAGS = ("nsz", "contract")


class Lanes(types.Type):
    """The numba type of eight numbers of one ``kind``: f32, f64 or i32."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(name=f"Lanes({kind})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Lanes) -> None:
        super().__init__(manager, kind, _VECTORS[kind.kind])


F32, F64, I32 = Lanes("f32"), Lanes("f64"), Lanes("i32")


def _constant(value: Any, kind: ir.Type) -> ir.Constant:
    return ir.Constant(kind, value)


def _call(builder: Any, name: str, result: ir.Type, arguments: list[Any]) -> Any:
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(result, [argument.type for argument in arguments]), name
    )
    return builder.call(function, arguments)


def _operation(symbol: Any, of_floats: Any, of_integers: Any) -> None:
    """Make ``a symbol b`` work for two lanes of one kind."""

    @intrinsic
    def apply(context, a, b):
        make = of_integers if a.kind == "i32" else of_floats
        return a(a, b), lambda context, builder, signature, arguments: make(builder, *arguments)

    def choose(a, b):
        if isinstance(a, Lanes) and a == b and (of_integers if a.kind == "i32" else of_floats) is not None:
            return lambda a, b: apply(a, b)
        return None

    overload(symbol)(choose)


_operation(operator.add, lambda b, x, y: b.fadd(x, y, flags=_FLAGS), lambda b, x, y: b.add(x, y))
_operation(operator.sub, lambda b, x, y: b.fsub(x, y, flags=_FLAGS), lambda b, x, y: b.sub(x, y))
_operation(operator.mul, lambda b, x, y: b.fmul(x, y, flags=_FLAGS), lambda b, x, y: b.mul(x, y))
_operation(operator.truediv, lambda b, x, y: b.fdiv(x, y), None)
_operation(operator.and_, None, lambda b, x, y: b.and_(x, y))
_operation(operator.lshift, None, lambda b, x, y: b.shl(x, y))
_operation(operator.rshift, None, lambda b, x, y: b.lshr(x, y))


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any, kind: str) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), _VECTORS[kind].as_pointer())


@intrinsic
def load(context, array, index):
    """array[index : index + 8]."""
    kind = _KINDS[array.dtype]

    def make(context, builder, signature, arguments):
        value = builder.load(_pointer(context, builder, array, arguments[0], arguments[1], kind))
        value.align = array.dtype.bitwidth // 8
        return value

    return Lanes(kind)(array, types.intp), make


@intrinsic
def load_halves(context, array, low, high):
    """array[low : low + 4] and array[high : high + 4], side by side."""
    kind = _KINDS[array.dtype]

    def make(context, builder, signature, arguments):
        data = context.make_array(array)(context, builder, arguments[0]).data
        quarter = ir.VectorType(_SCALARS[kind], WIDTH // 2)
        halves = []
        for index in arguments[1:]:
            value = builder.load(builder.bitcast(builder.gep(data, [index]), quarter.as_pointer()))
            value.align = array.dtype.bitwidth // 8
            halves.append(value)
        order = ir.Constant(ir.VectorType(_I32, WIDTH), list(range(WIDTH)))
        return builder.shuffle_vector(*halves, order)

    return Lanes(kind)(array, types.intp, types.intp), make


@intrinsic
def store(context, array, index, value):
    """array[index : index + 8] = value."""

    def make(context, builder, signature, arguments):
        done = builder.store(arguments[2], _pointer(context, builder, array, arguments[0], arguments[1], value.kind))
        done.align = array.dtype.bitwidth // 8
        return context.get_dummy_value()

    return types.none(array, types.intp, value), make


def _splat(builder: Any, value: Any, vector: ir.VectorType) -> Any:
    empty = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(empty, value, _constant(0, _I32))
    return builder.shuffle_vector(first, empty, _constant([0] * WIDTH, ir.VectorType(_I32, WIDTH)))


@intrinsic
def spread(context, number):
    """One float32, float64 or int32 in all lanes."""
    kind = _KINDS[number]
    return Lanes(kind)(number), lambda context, builder, signature, arguments: _splat(
        builder, arguments[0], _VECTORS[kind]
    )


@intrinsic
def iota(context):
    """0, 1, ... 7 as int32."""
    return I32(), lambda context, builder, signature, arguments: _constant(list(range(WIDTH)), _VECTORS["i32"])


def _conversion(source: Lanes, target: Lanes, convert: Any, text: str) -> Any:
    @intrinsic
    def apply(context, value):
        if value != source:
            return None
        return target(source), lambda context, builder, signature, arguments: convert(builder, arguments[0])

    apply.__doc__ = text
    return apply


to_float = _conversion(I32, F32, lambda b, x: b.sitofp(x, _VECTORS["f32"]), "int32 to float32.")
to_whole = _conversion(F32, I32, lambda b, x: b.fptosi(x, _VECTORS["i32"]), "float32 to int32, towards zero.")
to_double = _conversion(F32, F64, lambda b, x: b.fpext(x, _VECTORS["f64"]), "float32 to float64.")
bits = _conversion(F32, I32, lambda b, x: b.bitcast(x, _VECTORS["i32"]), "The bits of float32 as int32.")
from_bits = _conversion(I32, F32, lambda b, x: b.bitcast(x, _VECTORS["f32"]), "int32 read as the bits of float32.")
wrapped = _conversion(
    F64, I32, lambda b, x: b.trunc(b.fptosi(x, ir.VectorType(_I64, WIDTH)), _VECTORS["i32"]),
    "The integer part modulo 2^32.",
)  # fmt: skip


@intrinsic
def absolute(context, value):
    """|x| of floats."""

    def make(context, builder, signature, arguments):
        return _call(builder, f"llvm.fabs.v{WIDTH}{value.kind}", arguments[0].type, list(arguments))

    return value(value), make


@intrinsic
def root(context, value):
    """Square root of floats."""

    def make(context, builder, signature, arguments):
        return _call(builder, f"llvm.sqrt.v{WIDTH}{value.kind}", arguments[0].type, list(arguments))

    return value(value), make


@intrinsic
def least(context, a, b):
    """The smaller of two floats, lane by lane."""

    def make(context, builder, signature, arguments):
        return builder.select(builder.fcmp_ordered("<", *arguments), *arguments)

    return a(a, b), make


@intrinsic
def largest(context, a, b):
    """The larger of two floats, lane by lane; b where a is not a number."""

    def make(context, builder, signature, arguments):
        return builder.select(builder.fcmp_ordered(">", *arguments), *arguments)

    return a(a, b), make


@intrinsic
def less(context, a, b):
    """Bit k is set where a < b in lane k."""

    def make(context, builder, signature, arguments):
        compare = builder.icmp_signed if a.kind == "i32" else builder.fcmp_ordered
        return builder.zext(builder.bitcast(compare("<", *arguments), ir.IntType(WIDTH)), _I32)

    return types.uint32(a, b), make


@intrinsic
def masked(context, mask, value):
    """value where the bit of ``mask`` (uint32) is set, 0 elsewhere."""

    def make(context, builder, signature, arguments):
        where = builder.bitcast(builder.trunc(arguments[0], ir.IntType(WIDTH)), ir.VectorType(_I1, WIDTH))
        return builder.select(where, arguments[1], ir.Constant(arguments[1].type, None))

    return value(types.uint32, value), make


@intrinsic
def total(context, value):
    """Sum over the lanes, by halves: always in the same order."""

    def make(context, builder, signature, arguments):
        vector, width = arguments[0], WIDTH
        while width > 1:
            width //= 2
            empty = ir.Constant(vector.type, ir.Undefined)
            index = ir.VectorType(_I32, width)
            low = builder.shuffle_vector(vector, empty, _constant(list(range(width)), index))
            high = builder.shuffle_vector(vector, empty, _constant(list(range(width, 2 * width)), index))
            vector = builder.fadd(low, high)
        return builder.extract_element(vector, _constant(0, _I32))

    return (types.float32 if value.kind == "f32" else types.float64)(value), make


@intrinsic
def line_at(context, table, index, t):
    """table[2 index] + t * table[2 index + 1] for eight indices: one 64-bit load each.

    Two indices are moved to the integer side at a time, and the loads are laid so that one shuffle sorts values from
    slopes: faster than the gather instructions of today's processors."""

    def make(context, builder, signature, arguments):
        data = context.make_array(table)(context, builder, arguments[0]).data
        base = builder.bitcast(data, _I64.as_pointer())
        half = ir.VectorType(_I64, WIDTH // 2)
        both = builder.bitcast(arguments[1], half)
        if sys.byteorder != "little":
            raise NotImplementedError("lanes are written for little-endian processors")
        left, right = ir.Constant(half, ir.Undefined), ir.Constant(half, ir.Undefined)
        for pair in range(WIDTH // 2):
            two = builder.extract_element(both, _constant(pair, _I32))
            low = builder.and_(two, _constant(0xFFFFFFFF, _I64))
            high = builder.lshr(two, _constant(32, _I64))
            place = 2 * (pair // 2)
            for k, offset in enumerate((low, high)):
                value = builder.load(builder.gep(base, [offset]))
                value.align = 4
                if pair % 2 == 0:
                    left = builder.insert_element(left, value, _constant(place + k, _I32))
                else:
                    right = builder.insert_element(right, value, _constant(place + k, _I32))
        left, right = builder.bitcast(left, _VECTORS["f32"]), builder.bitcast(right, _VECTORS["f32"])
        even = [base_ + k for g in range(WIDTH // 4) for base_ in (4 * g, WIDTH + 4 * g) for k in (0, 2)]
        index_type = ir.VectorType(_I32, WIDTH)
        value = builder.shuffle_vector(left, right, _constant(even, index_type))
        slope = builder.shuffle_vector(left, right, _constant([k + 1 for k in even], index_type))
        return builder.fadd(value, builder.fmul(slope, arguments[2], flags=_FLAGS), flags=_FLAGS)

    return F32(table, I32, F32), make


@intrinsic
def add_atomic(context, array, number):
    """array[0] += number, seen by all threads; returns the new value."""

    def make(context, builder, signature, arguments):
        data = context.make_array(array)(context, builder, arguments[0]).data
        before = builder.atomic_rmw("add", data, arguments[1], "seq_cst")
        return builder.add(before, arguments[1])

    return types.int64(array, types.int64), make


@intrinsic
def load_atomic(context, array):
    """array[0] as the other threads left it."""

    def make(context, builder, signature, arguments):
        data = context.make_array(array)(context, builder, arguments[0]).data
        return builder.load_atomic(data, "seq_cst", 8)

    return types.int64(array), make
