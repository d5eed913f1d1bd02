"""Dicts of a large pickle that are skimmed: only where their values lie is known, until one is asked for.

A tracker's file holds a dict for each frame and millions of small arrays, few of which are needed. A kernel
skims over such dicts; a `Column` is read from all of them at once. Whatever is asked of a single dict makes
the parser read it like any other.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .memory import open_budget
from .pickle_arrays import Array, Name
from .stored import ArrayForm, gathered

__all__ = ["Column", "IrregularError", "Skim", "Skimmed"]

_BYTES_PER_VALUE = 16
"""A file with fewer bytes for each value is not skimmed to its end: a value takes as many in memory."""

_MAX_WAITING, _MAX_NESTED = 2**14, 16
"""Most values that wait for their container, and containers in one another."""

_MAX_FORMS = 64
"""Most forms of arrays that are known: each may be compared with each array."""

_MAX_ALIKE = 16
"""Most objects of the memo that are the same text: each may be compared with each key."""

_MAX_RECALLS = 32
"""Most dicts that are read because another one refers to them, before all are read in their order."""


class IrregularError(Exception):
    """Values that are not alike: they must be read one by one."""


class _Memo(dict[int, Any]):
    """The objects that a pickle counts; those of skimmed dicts are read when they are asked for."""

    skim: Skim

    def __missing__(self, index: int) -> Any:
        return self.skim.recall(index)


class Skim:
    """What is known of a pickle, and of its dicts that are skimmed.

    Parameters
    ----------
    data : bytes
    memo : dict
        Objects that the parser has counted.
    forms : dict
        Records of arrays that it has met, by their bytes.
    parse : callable
        From where a dict begins and ends, and how many objects come before it, to what the parser reads.
    """

    def __init__(
        self,
        data: bytes,
        memo: dict[int, Any],
        forms: dict[bytes, ArrayForm],
        parse: Callable[[Skim, int, int, int], dict[Any, Any]],
    ) -> None:
        from ..kernels import skim as kernels

        self.kernels, self.data, self.forms = kernels, data, forms
        self.memo = _Memo(memo)
        self.memo.skim = self
        self.wrapper: Name | None = None  # the class of joblib's records
        room = max(len(data) // _BYTES_PER_VALUE, 2**10)  # memory that is never written to costs nothing
        self.tape = np.empty((room, 4), np.uint32)
        self.held = np.zeros(room, np.int64)  # what the kernel knows of the memo
        self.items = np.empty((room // 4, 6), np.int64)  # the dicts
        self.texts: dict[str, list[int]] = {}  # numbers of texts in the memo, which may be keys
        self.changed: set[int] = set()  # dicts that were read while the file was parsed, and may have changed
        self._parse, self._parsing = parse, True
        self._number = self._told = self._used = self._recalls = 0
        self._read: dict[int, dict[Any, Any]] = {}
        self._scratch = np.zeros(_MAX_WAITING, np.int64), np.zeros(_MAX_NESTED, np.int64)

    def run(self, pos: int, counted: int, wrapper: Name | None) -> tuple[list[Any], int, int]:
        """Skim from a dict on: return it, keys and dicts after it, where they end, and objects counted."""
        self.wrapper = wrapper
        if counted > len(self.held):
            return [], pos, counted
        self._tell(counted)
        items = self.items[self._number :]
        count, pos, self._told, self._used = self.kernels.skim(
            np.frombuffer(self.data, np.uint8), pos, counted, self._used, *self._forms(),
            self.tape, self.held, items, *self._scratch,
        )  # fmt: skip
        keys, ends, _, _, before, _ = items[1:count].T.tolist()
        names = [self.data[start:end].decode("ascii") for start, end in zip(keys, ends, strict=True)]
        self.memo.update(zip([number - 1 for number in before], names, strict=True))
        found: list[Any] = [None] * max(2 * count - 1, 0)
        found[::2] = [Skimmed(self, number) for number in range(self._number, self._number + count)]
        found[1::2] = names
        self._number += count
        return found, pos, self._told

    def _tell(self, counted: int) -> None:
        """Tell the kernel what the parser has counted since the last run."""
        known = self.kernels
        for index in range(self._told, counted):
            value = self.memo.get(index)
            if type(value) is str:
                self.texts.setdefault(value, []).append(index)
            self.held[index] = (
                known.UNKNOWN if index not in self.memo
                else known.OUTSIDE if type(value) is not Name
                else known.WRAPPER if value is self.wrapper
                else known.SCALARS if value.kind == "scalar"
                else known.UNKNOWN
            )  # fmt: skip

    def _forms(self) -> tuple[Array, Array]:
        """Lay the records of arrays out for the kernel."""
        forms = list(self.forms.values())[:_MAX_FORMS]
        table = np.array(
            [(0, len(form.record), form.nbytes, form.aligned, form.memoized) for form in forms], np.int64
        )
        table[1:, 0] = np.cumsum(table[:-1, 1])
        return table, np.frombuffer(b"".join(form.record for form in forms), np.uint8)

    def content(self, number: int) -> dict[Any, Any]:
        """Return a dict as the parser reads it."""
        if number not in self._read:
            self._recalls += 1
            if self._recalls > _MAX_RECALLS:  # dicts that refer to one another would nest without end
                for earlier in range(number):
                    if earlier not in self._read:
                        self._keep(earlier)
            self._keep(number)
            self._recalls -= 1
        return self._read[number]

    def _keep(self, number: int) -> None:
        _, _, start, end, before, _ = self.items[number].tolist()
        self._read[number] = self._parse(self, start, end, before)
        if self._parsing:
            self.changed.add(number)

    def recall(self, index: int) -> Any:
        """Return an object of the memo that belongs to a skimmed dict."""
        column = self.items[: self._number, self.kernels.ITEM_COUNTED]
        number = bisect_right(column, index) - 1
        if number < 0 or number in self._read:
            raise KeyError(index)
        self.content(number)
        if index not in self.memo:
            raise KeyError(index)
        return self.memo[index]

    def has_changed(self, rows: Array) -> bool:
        """Whether any of these rows may be no longer what was in the file."""
        if not self.changed:
            return False
        begins = self.items[: self._number, self.kernels.ITEM_ROW]
        return not self.changed.isdisjoint((np.searchsorted(begins, rows, "right") - 1).tolist())

    def close(self) -> None:
        """Say that the file is parsed."""
        self._parsing = False


class Skimmed(Mapping[Any, Any]):
    """A dict that was skimmed: read as soon as anything is asked of it."""

    __slots__ = ("number", "skim")

    def __init__(self, skim: Skim, number: int) -> None:
        self.skim, self.number = skim, number

    @property
    def content(self) -> dict[Any, Any]:
        """The dict."""
        return self.skim.content(self.number)

    def __getitem__(self, key: Any) -> Any:
        return self.content[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.content)

    def __len__(self) -> int:
        return len(self.content)


class Column:
    """Values of many skimmed dicts, as in a column of a table.

    Parameters
    ----------
    skim : Skim
    rows : (N,) array of int64
        Where they are on the tape.

    Raises
    ------
    IrregularError
        Here and in all methods: if the values are not of one kind.
    """

    def __init__(self, skim: Skim, rows: Array) -> None:
        known = skim.kernels
        held = skim.tape[rows, known.KIND] == known.REFERENCE
        if held.any():
            places = skim.held[skim.tape[rows[held], known.AT]] - known.FIRST
            rows = rows.copy()
            rows[held] = np.maximum(places, 0)
            if np.any(places < 0) or np.any(skim.tape[rows, known.KIND] == known.REFERENCE):
                raise IrregularError
        if skim.has_changed(rows):
            raise IrregularError
        self.skim, self.rows = skim, rows

    @staticmethod
    def of(dicts: Sequence[Skimmed]) -> Column:
        """Return the rows of dicts of one file."""
        skim = dicts[0].skim
        return Column(skim, skim.items[[one.number for one in dicts], skim.kernels.ITEM_ROW])

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, key: str) -> bool:
        """Whether any of the dicts has a key."""
        return bool(self._found(key).any())

    def under(self, key: str) -> Column:
        """Return the values under a key of dicts."""
        found = self._found(key)
        if not found.all():
            raise IrregularError
        return Column(self.skim, found)

    def _found(self, key: str) -> Array:
        self._must_be(self.skim.kernels.DICT)
        found = np.zeros(len(self), np.int64)
        numbers = self.skim.texts.get(key, [])
        if len(numbers) > _MAX_ALIKE:
            raise IrregularError
        self.skim.kernels.find_key(self.skim.tape, self.rows, np.array(numbers, np.int64), found)
        return found

    def items(self) -> tuple[Column, Array]:
        """Return the items of lists, one after the other, and how many each list has."""
        self._must_be(self.skim.kernels.LIST)
        counts = self._column("SIZE")
        total = int(counts.sum())
        open_budget("estimates").take(total, 8)  # a list may be referred to a million times
        found = np.zeros(total, np.int64)
        self.skim.kernels.find_items(self.skim.tape, self.rows, found)
        return Column(self.skim, found), counts

    def numbers(self) -> Array:
        """Return integers, lists of as many integers, or arrays of one shape and type, as one array."""
        known = self.skim.kernels
        kind = self._column("KIND")
        if np.all(kind == known.INTEGER):
            return self._column("AT").astype(np.int32).astype(np.int64)
        if np.all(kind == known.LIST):
            inner, counts = self.items()
            if len(np.unique(counts)) != 1 or not counts[0]:
                raise IrregularError
            numbers = inner.numbers()
            return numbers.reshape(len(self), counts[0], *numbers.shape[1:])
        self._must_be(known.ARRAY)
        forms = list(self.skim.forms.values())
        stack = gathered([forms[form] for form in np.unique(self._column("SIZE"))], self._column("AT"))
        if stack is None:
            raise IrregularError
        return stack

    def _column(self, name: str) -> Array:
        return self.skim.tape[self.rows, getattr(self.skim.kernels, name)].astype(np.int64)

    def _must_be(self, kind: int) -> None:
        if np.any(self._column("KIND") != kind):
            raise IrregularError
