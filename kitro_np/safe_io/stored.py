"""Arrays that lie in the bytes of a file, and how to stack many of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from .memory import open_budget
from .pickle_arrays import Array, RefusedError
from .sizes import checked_sizes

__all__ = ["ArrayForm", "StoredArray", "gathered", "stack_stored"]

_MAX_AXES = 8
"""Most axes of an array: trackers write five at most."""


class ArrayForm:
    """What arrays of one shape and type share: their record in the pickle, and how it is read."""

    __slots__ = ("after", "aligned", "data", "dtype", "memoized", "nbytes", "order", "record", "shape")

    def __init__(self, data: bytes, shape: tuple[int, ...], dtype: np.dtype[Any], order: str) -> None:
        self.data = data
        self.shape = shape
        self.dtype = dtype
        self.order = order
        self.nbytes = prod(shape) * dtype.itemsize
        self.aligned = False
        self.record = b""  # before the numbers of each such array
        self.memoized = 0  # objects that the record counts
        self.after: ArrayForm | None = None  # form of the array that came after the last of these


class StoredArray(tuple[ArrayForm, int]):
    """An array's form and its offset in a file's bytes: a file may hold millions, few of which are needed."""

    __slots__ = ()

    def array(self) -> Array:
        """Return a read-only view."""
        form, offset = self
        order: Any = "F" if form.order == "F" else "C"
        return np.ndarray(form.shape, form.dtype, form.data, offset, order=order)


def stack_stored(items: Sequence[object]) -> Array | None:
    """Stack arrays of one shape and type along a new first axis; None if the items are anything else."""
    if not all(type(item) is StoredArray for item in items):
        return None
    stored: Sequence[StoredArray] = items  # type: ignore[assignment]
    return gathered(
        list({id(form): form for form, _ in stored}.values()), np.array([start for _, start in stored])
    )


def gathered(forms: Sequence[ArrayForm], starts: Array) -> Array | None:
    """Stack the arrays of one shape and type that begin at these places; None if they are of several."""
    first = forms[0]
    shape, dtype, size, data = first.shape, first.dtype, first.nbytes, first.data
    for form in forms:
        if form.shape != shape or form.dtype != dtype or form.data is not data or form.order == "F":
            return None
    if not size:
        return np.zeros((len(starts), *shape), dtype)
    open_budget("estimates").take(len(starts), size)  # an array may be referred to a million times
    # Each byte of the file as the begin of an array: NumPy then copies arrays whole.
    every = np.ndarray(len(data) - size + 1, f"V{size}", data, strides=(1,))
    return every[starts].view(dtype).reshape(len(starts), *shape)


def check_form(shape: object, dtype: np.dtype[Any], left: int) -> tuple[int, ...]:
    """Return the shape, if it is one that `left` bytes can hold."""
    sizes = checked_sizes(shape, _MAX_AXES)
    if prod(sizes) * dtype.itemsize > left:
        raise RefusedError(f"at most {left} bytes of an array", f"shape {sizes}")
    return sizes
