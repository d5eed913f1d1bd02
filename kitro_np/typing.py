"""Types of the public call: arrays of any library, and the names that arguments take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias, TypeVar, Union


class Array(Protocol):
    """An array of NumPy, torch, CuPy or any other library that follows the array API standard."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its size along every axis."""

    @property
    def dtype(self) -> object:
        """What its numbers are."""

    @property
    def ndim(self) -> int:
        """Number of its axes."""


ArrayT = TypeVar("ArrayT", bound=Array)
"""The kind of the estimate's arrays, which the result has too."""

Nested: TypeAlias = Union[float, Sequence["Nested"]]  # noqa: UP007 - a string cannot be joined by | at run time
"""Numbers in lists of lists, where they stand for an array."""

ArrayLike: TypeAlias = Union[Array, Sequence[Nested]]  # noqa: UP007
"""What is read as an array."""

MethodName = Literal["map", "kitro", "smplify"]
"""Names of the methods."""

EngineName = Literal["numba", "array", "cuda"]
"""Names of the engines; see :mod:`kitro_np.arrays.engines`."""

FloatName = Literal["float32", "float64"]
"""What the kernels compute in."""
