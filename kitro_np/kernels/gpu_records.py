"""GPU: records for numba-cuda, pointers to tables in the GPU's memory.

As on a CPU (records.py), a named tuple of arrays is a table of addresses and shapes, and kernels take a
pointer to it: a launch passes a dozen numbers, not seven for each of fifty arrays. Each warp has a tile of
its own, WARP lanes wide: the rows of a vector are at fixed distances, as they are on a CPU.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import from_dtype, types
from numba.cuda import nvvmutils
from numba.cuda.extending import core_models, infer_getattr, lower_getattr_generic, register_model
from numba.cuda.typing.templates import AttributeTemplate

from .gpu import WARP
from .records import NUMBERS, View, number_of_word, stored_axes, word_of

_WORD = ir.IntType(64)
_GLOBAL = 1
"""NVVM's address space of the GPU's memory."""


class GpuRecord(types.Type):
    """Numba type of a named tuple as a pointer to its table.

    Parameters
    ----------
    name : str
    members : dict
        Place in the table and type of each member, by name.
    """

    def __init__(self, name: str, members: dict[str, tuple[int, types.Type]]) -> None:
        self.members = members
        digest = hashlib.sha256(str(members).encode()).hexdigest()[:12]
        super().__init__(name=f"{name}.{digest}")


class GpuTile(GpuRecord):
    """The same of the tiles of all warps: the first one's table, and the distance between two in bytes."""


class _Table(types.Type):
    """Numba type of the pointer."""


_TABLE = _Table(name="Table")


@register_model(_Table)
@register_model(GpuRecord)
class _GpuRecordModel(core_models.PrimitiveModel):
    def __init__(self, manager: Any, record: GpuRecord) -> None:
        super().__init__(manager, record, _WORD.as_pointer(_GLOBAL))


@register_model(GpuTile)
class _GpuTileModel(core_models.StructModel):
    def __init__(self, manager: Any, tile: GpuTile) -> None:
        super().__init__(manager, tile, [("table", _TABLE), ("step", types.int64)])


class _Address(types.Type):
    """Numba type of an address in the GPU's memory; numba-cuda's pointers may point anywhere."""

    def __init__(self, dtype: types.Type) -> None:
        self.dtype = dtype
        super().__init__(name=f"Address({dtype})")


@register_model(_Address)
class _AddressModel(core_models.PrimitiveModel):
    def __init__(self, manager: Any, address: _Address) -> None:
        target = manager.lookup(address.dtype).get_data_type()
        super().__init__(manager, address, target.as_pointer(_GLOBAL))


@register_model(View)
class _GpuViewModel(core_models.StructModel):
    def __init__(self, manager: Any, view: View) -> None:
        lengths = [(f"length_{axis}", types.intp) for axis in range(stored_axes(view))]
        super().__init__(manager, view, [("data", _Address(view.dtype)), *lengths])


@infer_getattr
class _GpuRecordTyping(AttributeTemplate):
    key = GpuRecord

    def generic_resolve(self, record: Any, name: str) -> Any:
        return record.members[name][1] if name in record.members else None


@lower_getattr_generic(GpuRecord)
def _member(context: Any, builder: Any, record: GpuRecord, value: Any, name: str) -> Any:
    table, shift = value, None
    if isinstance(record, GpuTile):
        tile = context.make_helper(builder, record, value=value)
        warp = builder.zext(nvvmutils.call_sreg(builder, "ctaid.x"), _WORD)
        table, shift = tile.table, builder.mul(warp, tile.step)

    def read(word: int) -> Any:
        # Again at each use: addresses that stay in registers would leave too few of these.
        return builder.load(builder.gep(table, [ir.Constant(ir.IntType(32), word)], inbounds=True))

    word, kind = record.members[name]
    if not isinstance(kind, View):
        return number_of_word(builder, read(word), kind)
    address = read(word) if shift is None else builder.add(read(word), shift)
    view = context.make_helper(builder, kind)
    view.data = builder.inttoptr(address, view.data.type)
    for axis in range(stored_axes(kind)):
        setattr(view, f"length_{axis}", read(word + 1 + axis))
    return view._getvalue()


class Tables:
    """The tables of a launch, one after the other: a single copy brings them to the GPU."""

    def __init__(self) -> None:
        self._words: list[int] = []
        self._offsets: list[int] = []  # places of words that are offsets in the memory of all tiles
        self._starts: list[int] = []
        self._types: list[types.Type] = []
        self.tile_bytes = 0

    def add_record(self, record: Any, address: Callable[[Any], int]) -> None:
        """Add a named tuple of C-ordered arrays on the GPU, and numbers."""
        start = len(self._words)
        members: dict[str, tuple[int, types.Type]] = {}
        for name, member in zip(record._fields, record, strict=True):
            word = len(self._words) - start
            if hasattr(member, "shape") and member.shape != ():
                self._words += (address(member), *member.shape)
                dtype = np.dtype(str(member.dtype).rpartition(".")[2])
                members[name] = word, View(from_dtype(dtype), len(member.shape))
            else:
                kind, bits = word_of(member)
                self._words.append(bits)
                members[name] = word, NUMBERS[kind]
        self._add(start, GpuRecord(type(record).__name__, members))

    def add_tile(self, kind: Any, rows: dict[str, int], dtype: np.dtype[Any]) -> None:
        """Add a tile, a named tuple with so many rows of each member."""
        start = len(self._words)
        members: dict[str, tuple[int, types.Type]] = {}
        view = View(from_dtype(dtype), 2, WARP)
        for name in kind._fields:
            members[name] = len(self._words) - start, view
            self._offsets.append(len(self._words))
            self._words += (self.tile_bytes, rows[name])
            self.tile_bytes += rows[name] * WARP * dtype.itemsize
        self._add(start, GpuTile(kind.__name__, members))

    def _add(self, start: int, record: GpuRecord) -> None:
        self._starts.append(start)
        self._types.append(record)

    def words(self, memory: int) -> np.ndarray:
        """Return all tables, given the address of the tiles' memory."""
        words = np.array(self._words, np.int64)
        words[self._offsets] += memory
        return words

    def signature(self, arguments: Sequence[Any]) -> tuple[types.Type, ...]:
        """Return the types of an entry's arguments: tuples are tables, in order; then come first and last."""
        tables = iter(self._types)
        kinds = (next(tables) if isinstance(part, tuple) else _kind(part) for part in arguments)
        return (*kinds, types.int64, types.int64)

    def values(self, arguments: Sequence[Any], address: int) -> tuple[Any, ...]:
        """Return the arguments as they are launched, given the address of the tables."""
        tables = zip(self._types, self._starts, strict=True)
        values: list[Any] = []
        for part in arguments:
            if not isinstance(part, tuple):
                values.append(part)
                continue
            kind, start = next(tables)
            values += (address + 8 * start, self.tile_bytes)[: 2 if isinstance(kind, GpuTile) else 1]
        return tuple(values)


def _kind(number: Any) -> types.Type:
    return types.boolean if isinstance(number, bool) else types.int64
