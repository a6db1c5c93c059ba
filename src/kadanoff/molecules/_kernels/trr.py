"""Two atoms at once: numbers of a file or an array in and out of vector registers.

A pair of vectors (x, y, z) fills eight lanes as (-, x, y, z, -, x, y, z), where - is whatever number stands before the
vector: so each is one load, and none reaches over the end of the array (the caller sees to one number before it).
Arrays are flat. Those of uint32 hold big-endian bits of float32, as in TRR files.
"""

# mypy: ignore-errors
# (lanes have no Python type)

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, overload
from numpy.typing import NDArray

from kadanoff.molecules._kernels.lanes import F32, F64, Lanes, to_double

_I32, _BYTE = ir.IntType(32), ir.IntType(8).as_pointer()
_LANES = {types.float32: F32, types.float64: F64, types.uint32: F32}


def _order(lanes: list[int]) -> ir.Constant:
    return ir.Constant(ir.VectorType(_I32, len(lanes)), lanes)


def _call(builder: Any, name: str, argument: Any) -> Any:
    kind = ir.FunctionType(argument.type, [argument.type])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [argument])


def _data(context: Any, builder: Any, kind: Any, array: Any) -> Any:
    return context.make_array(kind)(context, builder, array).data


@intrinsic
def load_two(context, values, i, j):
    """The vectors that begin at values[i] and values[j]."""

    def make(context, builder, signature, arguments):
        data = _data(context, builder, values, arguments[0])
        number = data.type.pointee
        four = ir.VectorType(number, 4)
        halves = []
        for index in arguments[1:]:
            before = builder.sub(index, ir.Constant(index.type, 1))
            half = builder.load(builder.bitcast(builder.gep(data, [before]), four.as_pointer()))
            half.align = values.dtype.bitwidth // 8
            halves.append(half)
        both = builder.shuffle_vector(*halves, _order(list(range(8))))
        if values.dtype == types.uint32:
            both = builder.bitcast(_call(builder, "llvm.bswap.v8i32", both), ir.VectorType(ir.FloatType(), 8))
        return both

    return _LANES[values.dtype](values, types.intp, types.intp), make


@intrinsic
def spread_two(context, values, i, j):
    """values[i] in the lanes of the first vector, values[j] in those of the second."""

    def make(context, builder, signature, arguments):
        data = _data(context, builder, values, arguments[0])
        empty = ir.Constant(ir.VectorType(data.type.pointee, 4), ir.Undefined)
        halves = []
        for index in arguments[1:]:
            one = builder.insert_element(empty, builder.load(builder.gep(data, [index])), ir.Constant(_I32, 0))
            halves.append(builder.shuffle_vector(one, empty, _order([0] * 4)))
        return builder.shuffle_vector(*halves, _order(list(range(8))))

    return _LANES[values.dtype](values, types.intp, types.intp), make


@intrinsic
def store_two(context, out, i, value, both):
    """The vectors one behind the other to out[i : i + 6], or the first one alone to out[i : i + 3]."""

    def make(context, builder, signature, arguments):
        array, place, vector, two = arguments
        data = _data(context, builder, out, array)
        if value.kind == "f64" and out.dtype == types.float32:
            vector = builder.fptrunc(vector, ir.VectorType(ir.FloatType(), 8))
        with builder.if_else(two) as (pair, single):
            with pair:
                _store_part(builder, data, place, vector, [1, 2, 3, 5])
                _store_part(builder, data, builder.add(place, ir.Constant(place.type, 4)), vector, [6, 7])
            with single:
                _store_part(builder, data, place, vector, [1, 2])
                _store_part(builder, data, builder.add(place, ir.Constant(place.type, 2)), vector, [3])
        return context.get_dummy_value()

    return types.none(out, types.intp, value, types.boolean), make


def _store_part(builder: Any, data: Any, place: Any, vector: Any, lanes: list[int]) -> None:
    part = builder.shuffle_vector(vector, vector, _order(lanes))
    done = builder.store(part, builder.bitcast(builder.gep(data, [place]), part.type.as_pointer()))
    done.align = 4 if data.type.pointee == ir.FloatType() else 8


@intrinsic
def prefetch(context, values, index):
    """Fetch what is near values[index]: the processor's own prefetcher stops at the end of each page."""

    def make(context, builder, signature, arguments):
        where = builder.bitcast(builder.gep(_data(context, builder, values, arguments[0]), [arguments[1]]), _BYTE)
        kind = ir.FunctionType(ir.VoidType(), [_BYTE, _I32, _I32, _I32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        builder.call(function, [where, *(ir.Constant(_I32, number) for number in (0, 3, 1))])
        return context.get_dummy_value()

    return types.none(values, types.intp), make


@intrinsic
def edges(context, x, y, z):
    """(0, x, y, z, 0, x, y, z)."""

    def make(context, builder, signature, arguments):
        vector = ir.Constant(ir.VectorType(arguments[0].type, 8), None)
        for lane, number in enumerate(arguments):
            for half in (0, 4):
                vector = builder.insert_element(vector, number, ir.Constant(_I32, half + 1 + lane))
        return vector

    return _LANES[x](x, x, x), make


@intrinsic
def nearest(context, value):
    """Each lane's nearest whole number."""

    def make(context, builder, signature, arguments):
        return _call(builder, f"llvm.rint.v8{value.kind}", arguments[0])

    return value(value), make


def double(value: Any) -> Any:
    """The lanes in double precision."""
    raise NotImplementedError


@overload(double)
def _double(value):
    if isinstance(value, Lanes):
        return (lambda value: to_double(value)) if value == F32 else (lambda value: value)
    return None


@njit(cache=True, nogil=True)
def swap_frames(words: NDArray[Any], offset: NDArray[Any], out: NDArray[Any]) -> None:
    """The big-endian numbers from words[offset[f]] on as the bits of out (f, m)."""
    for f in range(out.shape[0]):
        source, target = words[offset[f] : offset[f] + out.shape[1]], out[f]
        for i in range(out.shape[1]):
            w = source[i]
            target[i] = (w << 24) | ((w & 0xFF00) << 8) | ((w >> 8) & 0xFF00) | (w >> 24)
