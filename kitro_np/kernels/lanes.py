"""Lanes: one float of each of several bodies, in one vector register.

Kernels read like scalar code for one body; every value in them is a vector register with the values of
several bodies that take the same steps in lockstep (SIMD). LLVM's auto-vectoriser cannot be relied on: its
aliasing checks give up on loops over as many arrays as here. So this file gives Numba a vector type: ``load``
and ``store`` move a row of a tile; ``+ - * /``, comparisons, ``where``, ``sqrt`` and the like become single
LLVM vector instructions. Where registers are narrower than 64 bytes LLVM splits the vectors.

With ``NUMBA_DISABLE_JIT=1`` a row of a tile is a NumPy vector and the same kernels run in the interpreter.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic, lower_builtin, models, register_model

from .jit import kernel, typing_of
from .records import View, row_place

LANE_BYTES = 64
"""Width of a row of a tile: an AVX-512 register, a cache line."""


def lane_count(dtype: Any) -> int:
    """Bodies in a tile: 16 in float32, 8 in float64."""
    return LANE_BYTES // np.dtype(dtype).itemsize


class Lanes(types.Type):
    """Numba type of a vector of floats, one per body."""

    def __init__(self, dtype: types.Float) -> None:
        self.dtype = dtype
        self.count = LANE_BYTES * 8 // dtype.bitwidth
        super().__init__(name=f"Lanes({dtype} x {self.count})")


class Mask(types.Type):
    """Numba type of a vector of truth values, one per body.

    Parameters
    ----------
    dtype : Float
        Of the lanes that were compared: `where` gives lanes of it for two numbers.
    """

    def __init__(self, dtype: types.Float) -> None:
        self.dtype = dtype
        self.count = LANE_BYTES * 8 // dtype.bitwidth
        super().__init__(name=f"Mask({dtype} x {self.count})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Lanes) -> None:
        element = ir.FloatType() if fe_type.dtype == types.float32 else ir.DoubleType()
        super().__init__(dmm, fe_type, ir.VectorType(element, fe_type.count))


@register_model(Mask)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Mask) -> None:
        super().__init__(dmm, fe_type, ir.VectorType(ir.IntType(1), fe_type.count))


def _first_lanes(args: tuple[Any, ...]) -> Any:
    return next((a for a in args if isinstance(a, Lanes)), None)


def _broadcast(context: Any, builder: Any, value: Any, given: Any, lanes: Lanes) -> Any:
    """Value as lanes: itself, or a number copied to every lane."""
    if given == lanes:
        return value
    vector = context.get_value_type(lanes)
    index = ir.IntType(32)
    undefined = ir.Constant(vector, ir.Undefined)
    number = context.cast(builder, value, given, lanes.dtype)
    first = builder.insert_element(undefined, number, ir.Constant(index, 0))
    zeros = ir.Constant(ir.VectorType(index, lanes.count), [0] * lanes.count)
    return builder.shuffle_vector(first, undefined, zeros)


def _binary(op: Callable[..., Any], emit: Callable[..., Any], *, compares: bool = False) -> None:
    """Teach Numba `op` between lanes, or lanes and a number."""

    def typing(*args: Any) -> Any:
        lanes = _first_lanes(args)
        if lanes is None or not all(a == lanes or isinstance(a, types.Number) for a in args):
            return None
        return (Mask(lanes.dtype) if compares else lanes)(*args)

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        lanes = _first_lanes(sig.args)
        both = (_broadcast(context, builder, v, t, lanes) for v, t in zip(args, sig.args, strict=True))
        return emit(builder, *both)

    typing_of(op, typing)
    for sides in ((Lanes, Lanes), (Lanes, types.Number), (types.Number, Lanes)):
        lower_builtin(op, *sides)(lower)


# "contract" allows fused multiply-add only: no reassociation, and NaN and infinity keep IEEE semantics.
_FUSE = ("contract",)
_binary(operator.add, lambda b, x, y: b.fadd(x, y, flags=_FUSE))
_binary(operator.sub, lambda b, x, y: b.fsub(x, y, flags=_FUSE))
_binary(operator.mul, lambda b, x, y: b.fmul(x, y, flags=_FUSE))
_binary(operator.truediv, lambda b, x, y: b.fdiv(x, y))
_binary(operator.lt, lambda b, x, y: b.fcmp_ordered("<", x, y), compares=True)
_binary(operator.gt, lambda b, x, y: b.fcmp_ordered(">", x, y), compares=True)


typing_of(operator.neg, lambda value: value(value) if isinstance(value, Lanes) else None)


@lower_builtin(operator.neg, Lanes)
def _neg(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.fneg(args[0])


def _row_pointer(context: Any, builder: Any, sig: Any, args: Any, vector: Any) -> Any:
    """Address of a row of a C-ordered (rows, lanes) tile: a record's member, or an array."""
    tile_type = sig.args[0]
    row = context.cast(builder, args[1], sig.args[1], types.intp)
    if isinstance(tile_type, View):
        return builder.bitcast(row_place(context, builder, tile_type, args[0], row), vector.as_pointer())
    tile = context.make_array(tile_type)(context, builder, args[0])
    place = cgutils.get_item_pointer(
        context, builder, tile_type, tile, [row, ir.Constant(row.type, 0)], wraparound=False
    )
    return builder.bitcast(place, vector.as_pointer())


def _jit_load() -> Any:
    @intrinsic
    def load(typing_context: Any, tile: Any, row: Any) -> Any:
        lanes = Lanes(tile.dtype)

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            place = _row_pointer(context, builder, sig, args, context.get_value_type(lanes))
            return builder.load(place, align=tile.dtype.bitwidth // 8)

        return lanes(tile, row), codegen

    return load


def _jit_store() -> Any:
    @intrinsic
    def store(typing_context: Any, tile: Any, row: Any, value: Any) -> Any:
        lanes = Lanes(tile.dtype)

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            place = _row_pointer(context, builder, sig, args, context.get_value_type(lanes))
            vector = _broadcast(context, builder, args[2], sig.args[2], lanes)
            builder.store(vector, place, align=tile.dtype.bitwidth // 8)
            return context.get_dummy_value()

        return types.void(tile, row, value), codegen

    return store


def _jit_full() -> Any:
    @intrinsic
    def full(typing_context: Any, tile: Any, number: Any) -> Any:
        lanes = Lanes(tile.dtype)

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return _broadcast(context, builder, args[1], sig.args[1], lanes)

        return lanes(tile, number), codegen

    return full


def _jit_unary(name: str) -> Any:
    @intrinsic
    def unary(typing_context: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            vector = args[0].type
            suffix = f"v{vector.count}f{value.dtype.bitwidth}"
            kind = ir.FunctionType(vector, [vector])
            function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.{suffix}")
            return builder.call(function, [args[0]])

        return value(value), codegen

    return unary


def _jit_epsilon() -> Any:
    @intrinsic
    def epsilon(typing_context: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            rounding = float(np.finfo(value.dtype.name).eps)
            return context.get_constant(types.float64, rounding)

        return types.float64(value), codegen

    return epsilon


def _jit_where() -> Any:
    @intrinsic
    def where(typing_context: Any, mask: Any, chosen: Any, other: Any) -> Any:
        lanes = _first_lanes((chosen, other)) or Lanes(mask.dtype)

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            first = _broadcast(context, builder, args[1], sig.args[1], lanes)
            second = _broadcast(context, builder, args[2], sig.args[2], lanes)
            return builder.select(args[0], first, second)

        return lanes(mask, chosen, other), codegen

    return where


if config.DISABLE_JIT:  # type: ignore[attr-defined]

    def load(tile: Any, row: int) -> Any:
        """Return row `row` of a tile as lanes."""
        return tile[row].copy()

    def store(tile: Any, row: int, value: Any) -> None:
        """Write lanes, or a number for every body, to row `row` of a tile."""
        tile[row] = value

    def full(tile: Any, number: float) -> Any:
        """Return lanes of the tile's dtype that all hold `number`."""
        return np.full(tile.shape[1], number, dtype=tile.dtype)

    def epsilon(value: Any) -> float:
        """Return the rounding unit of the lanes' dtype."""
        return float(np.finfo(value.dtype).eps)

    where, sqrt, sin, cos, log, absolute = np.where, np.sqrt, np.sin, np.cos, np.log, np.abs
else:
    load, store, full, where = _jit_load(), _jit_store(), _jit_full(), _jit_where()
    sqrt, absolute = _jit_unary("sqrt"), _jit_unary("fabs")
    epsilon = _jit_epsilon()
    sin, cos, log = _jit_unary("sin"), _jit_unary("cos"), _jit_unary("log")


@kernel
def own_lanes(rows, count):
    """Return this thread's lanes among the first `count`: on a CPU all of a tile, on a GPU one."""
    return range(min(rows.shape[1], count))


@kernel
def own_tiles(rows, first, last):
    """Return the first body of each of this thread's tiles: on a CPU all, on a GPU every one of its warp."""
    return range(first, last, rows.shape[1])
