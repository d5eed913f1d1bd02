"""Types of the public API: arrays of any library, and names that arguments accept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol, TypeAlias, TypeVar, Union

import numpy as np


class Array(Protocol):
    """An array of NumPy, torch, CuPy or any other library that follows the array API standard."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Size along each axis."""

    @property
    def dtype(self) -> Any:
        """Data type of the elements, of the array's library."""

    @property
    def ndim(self) -> int:
        """Number of axes."""

    def __getitem__(self, key: Any, /) -> Any: ...
    def __add__(self, other: Any, /) -> Any: ...
    def __sub__(self, other: Any, /) -> Any: ...
    def __mul__(self, other: Any, /) -> Any: ...
    def __truediv__(self, other: Any, /) -> Any: ...


ArrayT = TypeVar("ArrayT", bound=Array)
"""Type of an argument's array, which the result shares."""

Nested: TypeAlias = Union[float, np.generic, Sequence["Nested"]]  # noqa: UP007 - a string has no | at run time
"""Numbers, or nested sequences of them, in place of an array."""

ArrayLike: TypeAlias = Union[Array, Sequence[Union[Array, Nested]]]  # noqa: UP007
"""Anything that is read as an array."""

ScalarLike: TypeAlias = Union[float, np.generic]  # noqa: UP007
"""A single number."""

EngineName = Literal["numba", "array", "cuda"]
"""Names of the engines; see :mod:`kitro_np.arrays.engines`."""

CpuEngineName = Literal["numba", "array"]
"""Names of the engines that run without a GPU."""

FloatName = Literal["float32", "float64"]
"""Names of the dtypes of the kernels."""
