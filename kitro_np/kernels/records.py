"""Records: named tuples of arrays, passed to kernels by reference.

Numba passes a named tuple of arrays by value, each array as seven arguments: with the sixty arrays of a tile,
most of the compile time went into passing them on. So Python writes the addresses and shapes of a record's
members to a table, once, and kernels take one pointer to it. ``tile.pose`` reads from the table and is a
:class:`View`: an address and a shape, without reference count or strides.

Only C order is checked; indices are never negative and not checked.
"""

from __future__ import annotations

import ctypes
import hashlib
import operator
import struct
from array import array
from functools import lru_cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, from_dtype, types
from numba.extending import (
    NativeValue,
    infer_getattr,
    lower_builtin,
    lower_getattr_generic,
    models,
    register_model,
    typeof_impl,
    unbox,
)

from .jit import AttributeTyping, typing_of

_WORD = ir.IntType(64)
_TUPLES: Any = types.BaseTuple  # iterable, which the stubs lack
_SIGNS_OF_NUMBERS = {bool: "?", int: "i", float: "d", np.float64: "d", np.float32: "f"}
NUMBERS: dict[str, types.Type] = {
    "?": types.boolean,
    "i": types.int64,
    "d": types.float64,
    "f": types.float32,
}


class View(types.Type):
    """Numba type of a C-ordered array: its address and shape.

    Parameters
    ----------
    dtype : Type
    ndim : int
    lanes : int
        Length of its last axis if known at compile time, else 0.
    """

    def __init__(self, dtype: types.Type, ndim: int, lanes: int = 0) -> None:
        self.dtype, self.ndim, self.lanes = dtype, ndim, lanes
        super().__init__(name=f"View({dtype}, {ndim}, {lanes})")


class Record(types.Type):
    """Numba type of a named tuple that is passed by reference.

    Parameters
    ----------
    cls : type
        Of the named tuple.
    members : tuple of Type
        Views and numbers.
    """

    def __init__(self, cls: type, members: tuple[types.Type, ...]) -> None:
        names: tuple[str, ...] = cls._fields  # type: ignore[attr-defined]
        self.members: dict[str, tuple[int, types.Type]] = {}
        word = 0
        for name, member in zip(names, members, strict=True):
            self.members[name] = word, member
            word += 1 + member.ndim if isinstance(member, View) else 1
        # Type names are part of every symbol name: a digest is shorter than sixty members.
        signature = f"{cls.__module__}.{cls.__qualname__}{members}".encode()
        super().__init__(name=f"{cls.__name__}.{hashlib.sha256(signature).hexdigest()[:12]}")


class Reference:
    """A named tuple as a table for kernels; it keeps its arrays alive.

    Parameters
    ----------
    record : NamedTuple
    lanes : int
        As :class:`View` takes it, for all members.
    """

    __slots__ = ("_table", "address", "numba_type", "record")

    def __init__(self, record: Any, lanes: int = 0) -> None:
        words: list[int] = []
        kinds = []
        for member in record:
            if isinstance(member, np.ndarray):
                flags = member.flags
                if not flags.carray and not (flags.c_contiguous and flags.aligned):
                    raise ValueError("expected arrays that are C-ordered and aligned")
                kinds.append((member.dtype, member.ndim))
                words += (_address(member), *member.shape)
            else:
                kind, word = word_of(member)
                kinds.append((kind, 0))
                words.append(word)
        self.record = record
        cls: Any = type(record)
        self.numba_type = _record_type(cls, tuple(kinds), lanes)
        self._table = array("q", words)
        self.address = self._table.buffer_info()[0]


def _address(array: np.ndarray) -> int:
    try:
        memory: Any = array
        return ctypes.addressof(ctypes.c_char.from_buffer(memory))
    except (TypeError, ValueError):  # read-only or empty; this takes five times as long
        return array.ctypes.data


def word_of(number: Any) -> tuple[str, int]:
    """Return the kind of a number, a key of NUMBERS, and its word in a table."""
    kind = _SIGNS_OF_NUMBERS[type(number)]
    bits: int = struct.unpack("q", struct.pack("d", number))[0] if kind in "df" else int(number)
    return kind, bits


@lru_cache(maxsize=64)
def _record_type(cls: type, kinds: tuple[tuple[Any, int], ...], lanes: int) -> Record:
    members = (
        NUMBERS[kind] if isinstance(kind, str) else View(from_dtype(kind), ndim, lanes)
        for kind, ndim in kinds
    )
    return Record(cls, tuple(members))


def refer(record: Any) -> Any:
    """Return a named tuple of arrays and numbers as entries take it; unchanged in the interpreter."""
    return record if config.DISABLE_JIT else Reference(record)  # type: ignore[attr-defined]


def refer_tile(tile: Any) -> Any:
    """Return a named tuple of arrays (rows, lanes) as entries take it; unchanged in the interpreter."""
    if config.DISABLE_JIT:  # type: ignore[attr-defined]
        return tile
    return Reference(tile, lanes=tile[0].shape[1])


# ------------------------------------------------------------------------------------------ from Python


@typeof_impl.register(Reference)
def _typeof_reference(value: Reference, context: Any) -> Record:
    return value.numba_type


@register_model(Record)
class _RecordModel(models.PrimitiveModel):
    def __init__(self, manager: Any, record: Record) -> None:
        super().__init__(manager, record, _WORD.as_pointer())


@unbox(Record)
def _unbox_reference(record: Record, value: Any, c: Any) -> NativeValue:
    address = c.pyapi.object_getattr_string(value, "address")
    word = c.pyapi.long_as_longlong(address)
    c.pyapi.decref(address)
    return NativeValue(c.builder.inttoptr(word, _WORD.as_pointer()), is_error=c.pyapi.c_api_error())


# ------------------------------------------------------------------------------------- members of records


@infer_getattr
class _RecordTyping(AttributeTyping):
    key = Record

    def generic_resolve(self, record: Any, name: str) -> Any:  # type: ignore[override] # stubs lack it
        return record.members[name][1] if name in record.members else None


@lower_getattr_generic(Record)
def _member(context: Any, builder: Any, record: Record, table: Any, name: str) -> Any:
    word, kind = record.members[name]
    if not isinstance(kind, View):
        return number_of_word(builder, _read(builder, table, word), kind)
    view = context.make_helper(builder, kind)
    view.data = builder.inttoptr(_read(builder, table, word), view.data.type)
    for axis in range(stored_axes(kind)):
        setattr(view, f"length_{axis}", _read(builder, table, word + 1 + axis))
    return view._getvalue()


def _read(builder: Any, table: Any, word: int) -> Any:
    """Read a word that does not change while kernels run, so that LLVM may reuse it across stores."""
    place = builder.gep(table, [ir.Constant(ir.IntType(32), word)], inbounds=True)
    loaded = builder.load(place)
    loaded.set_metadata("invariant.load", builder.module.add_metadata([]))
    return loaded


def number_of_word(builder: Any, word: Any, kind: types.Type) -> Any:
    """Return the number that a word of a table holds."""
    if kind == types.int64:
        return word
    if kind == types.boolean:
        return builder.icmp_signed("!=", word, ir.Constant(_WORD, 0))
    number = builder.bitcast(word, ir.DoubleType())
    return number if kind == types.float64 else builder.fptrunc(number, ir.FloatType())


# --------------------------------------------------------------------------------------------------- views


def stored_axes(view: View) -> int:
    """Return how many of its axes a view keeps the length of."""
    return view.ndim - 1 if view.lanes else view.ndim


@register_model(View)
class _ViewModel(models.StructModel):
    def __init__(self, manager: Any, view: View) -> None:
        lengths = [(f"length_{axis}", types.intp) for axis in range(stored_axes(view))]
        super().__init__(manager, view, [("data", types.CPointer(view.dtype)), *lengths])


def _lengths(context: Any, builder: Any, view: View, helper: Any) -> list[Any]:
    lengths = [getattr(helper, f"length_{axis}") for axis in range(stored_axes(view))]
    return [*lengths, ir.Constant(_WORD, view.lanes)] if view.lanes else lengths


@infer_getattr
class _ViewTyping(AttributeTyping):
    key = View

    def generic_resolve(self, view: Any, name: str) -> Any:  # type: ignore[override] # stubs lack it
        return {"shape": types.UniTuple(types.intp, view.ndim), "size": types.intp}.get(name)


@lower_getattr_generic(View)
def _view_attribute(context: Any, builder: Any, view: View, value: Any, name: str) -> Any:
    lengths = _lengths(context, builder, view, context.make_helper(builder, view, value=value))
    if name == "shape":
        return context.make_tuple(builder, types.UniTuple(types.intp, view.ndim), lengths)
    size = lengths[0]
    for length in lengths[1:]:
        size = builder.mul(size, length)
    return size


def _type_getitem(view: Any, index: Any) -> Any:
    if not isinstance(view, View):
        return None
    left = view.ndim - _count(index)
    if left < 0 or (left and view.lanes):
        return None
    return (View(view.dtype, left) if left else view.dtype)(view, index)


def _type_setitem(view: Any, index: Any, value: Any) -> Any:
    if not isinstance(view, View) or not isinstance(value, types.Number | types.Boolean):
        return None
    return types.none(view, index, value) if view.ndim == _count(index) else None


typing_of(operator.getitem, _type_getitem)
typing_of(operator.setitem, _type_setitem)


UNSUPPORTED = 99
"""Number of axes of an unsupported index: more than any array has."""


def _count(index: Any) -> int:
    """Return the number of axes that an index selects from; UNSUPPORTED for indices that views lack."""
    if isinstance(index, types.Integer):
        return 1
    if isinstance(index, _TUPLES) and all(isinstance(part, types.Integer) for part in index):
        return len(index)
    return UNSUPPORTED


@lower_builtin(operator.getitem, View, types.Integer)
@lower_builtin(operator.getitem, View, types.BaseTuple)
def _getitem(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    view = sig.args[0]
    place, lengths = _place(context, builder, view, args[0], sig.args[1], args[1])
    if not isinstance(sig.return_type, View):
        return context.unpack_value(builder, view.dtype, place)
    part = context.make_helper(builder, sig.return_type)
    part.data = place
    for axis, length in enumerate(lengths):
        setattr(part, f"length_{axis}", length)
    return part._getvalue()


@lower_builtin(operator.setitem, View, types.Integer, types.Any)
@lower_builtin(operator.setitem, View, types.BaseTuple, types.Any)
def _setitem(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    view = sig.args[0]
    place, _ = _place(context, builder, view, args[0], sig.args[1], args[1])
    context.pack_value(builder, view.dtype, context.cast(builder, args[2], sig.args[2], view.dtype), place)
    return context.get_dummy_value()


def _place(
    context: Any, builder: Any, view: View, value: Any, kind: Any, index: Any
) -> tuple[Any, list[Any]]:
    """Address of an entry, or of the first entry of a subarray, and the remaining shape."""
    helper = context.make_helper(builder, view, value=value)
    if isinstance(kind, _TUPLES):
        kinds, parts = list(kind), [builder.extract_value(index, k) for k in range(len(kind))]
    else:
        kinds, parts = [kind], [index]
    parts = [context.cast(builder, part, own, types.intp) for part, own in zip(parts, kinds, strict=True)]
    lengths = _lengths(context, builder, view, helper)
    flat = parts[0]
    for axis, length in enumerate(lengths[1:], 1):
        flat = builder.mul(flat, length)
        if axis < len(parts):
            flat = builder.add(flat, parts[axis])
    return builder.gep(helper.data, [flat], inbounds=True), lengths[len(parts) :]


def row_place(context: Any, builder: Any, view: View, value: Any, row: Any) -> Any:
    """Address of a row of a tile."""
    helper = context.make_helper(builder, view, value=value)
    start = builder.mul(row, ir.Constant(_WORD, view.lanes))
    return builder.gep(helper.data, [start], inbounds=True)
