"""Evaluate the records of a pickle as arrays, by arithmetic alone.

A record is an inert `Node`: the name of a class or function, its arguments and its state. There is one
recipe for each name that a file may use: NumPy arrays, SciPy sparse matrices, and the chumpy expressions
found in released model files. A record is evaluated once, however often others refer to it, and what an
array takes is bounded before it is made.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import printable
from .memory import Budget, open_budget
from .refused import RefusedError
from .sizes import checked_sizes

__all__ = [
    "MAX_ELEMENTS",
    "MAX_NAME",
    "MAX_TEXT",
    "Array",
    "Evaluator",
    "Name",
    "Node",
    "RefusedError",
    "describe",
    "evaluate",
]

Array = npt.NDArray[Any]

MAX_ELEMENTS = 2**25
"""Most numbers in one array: twice the largest member of SMPL-X, small enough to refuse a forged size."""

MAX_TEXT = 10_000
"""Most characters of a text: NumPy takes four bytes for each."""

_MAX_DEPTH = 16
"""Deepest expression: chumpy expressions of released files are two or three deep, and a cycle never ends."""

_MAX_AXES = 4
"""Most axes of an array: model files have at most three."""

MAX_NAME = 100
"""Characters of a name from the file that a message repeats."""

_INDEX_BYTES = 8
"""Bytes of an index, which NumPy makes of one of any type."""

_MAX_CODE = 20
"""Characters of a dtype code from the file that a message repeats."""


@dataclass(frozen=True, slots=True, eq=False)
class Name:
    """A class or function that a file may name; `kind` selects the recipe, `origin` is for messages."""

    kind: str
    origin: str


@dataclass(slots=True, eq=False)
class Node:
    """A recorded call: name, arguments and state. The call itself is never made."""

    name: Name
    args: tuple[object, ...]
    state: object = None


def describe(value: object) -> str:
    """Describe a recorded value, for a message."""
    if type(value) is Name:
        return _printable(value.origin)
    if type(value) is Node:
        return f"an object of {_printable(value.name.origin)}"
    return f"an object of type {type(value).__name__}"


def _printable(name: str) -> str:
    """Shorten and escape a name from the file, so that a message stays one line."""
    return printable(name, MAX_NAME)


class Evaluator:
    """Turns records of one file into arrays, each once.

    Parameters
    ----------
    budget : Budget, optional
        Memory of the arrays that are made; by default that of the file that is being read.
    """

    def __init__(self, budget: Budget | None = None) -> None:
        self._budget = open_budget("model") if budget is None else budget
        self._done: dict[int, tuple[Node, Array | None]] = {}  # None while a record is evaluated
        self._depth = 0

    def take(self, count: int, itemsize: int) -> None:
        """Take memory for an array that is about to be made."""
        self._budget.take(count, itemsize)

    def array(self, value: object) -> Array:
        """Turn a recorded value into an array, by the recipe of its kind."""
        if isinstance(value, (bool, float)) or (isinstance(value, int) and -(2**63) <= value < 2**63):
            return np.array(value)
        if isinstance(value, str) and len(value) < MAX_TEXT:
            return np.array(value)
        recipe = _RECIPES.get(value.name.kind) if type(value) is Node else None
        if recipe is None or type(value) is not Node:
            raise RefusedError("an array", describe(value))
        if id(value) not in self._done:
            if self._depth > _MAX_DEPTH:
                raise RefusedError(f"an expression at most {_MAX_DEPTH} levels deep", "a deeper one")
            self._done[id(value)] = value, None
            self._depth += 1
            try:
                self._done[id(value)] = value, recipe(value, self)
            except BaseException:
                del self._done[id(value)]
                raise
            finally:
                self._depth -= 1
        array = self._done[id(value)][1]
        if array is None:
            raise RefusedError("an expression of other arrays", "one that holds itself")
        return array

    def numbers(self, value: object) -> Array:
        """Turn a recorded value into an array of numbers."""
        array = self.array(value)
        if array.dtype.kind not in "biuf":
            raise RefusedError("numbers", f"dtype {array.dtype}")
        return array


def evaluate(value: object) -> Array:
    """Turn a single recorded value into an array."""
    return Evaluator().array(value)


def _array(node: Node, evaluator: Evaluator) -> Array:
    state = node.state
    if not isinstance(state, tuple) or len(state) != 5:
        raise RefusedError("an array with data", "one without")
    _, shape, dtype, fortran, data = state
    return _from_bytes(evaluator, data, _dtype(dtype), _shape(shape), bool(fortran))


def _buffer(node: Node, evaluator: Evaluator) -> Array:
    data, dtype, shape, order = node.args  # as NumPy pickles arrays in protocol 5
    return _from_bytes(evaluator, data, _dtype(dtype), _shape(shape), order == "F")


def _scalar(node: Node, evaluator: Evaluator) -> Array:
    dtype, data = node.args
    return _from_bytes(evaluator, data, _dtype(dtype), (), False)


def _from_bytes(
    evaluator: Evaluator, data: object, dtype: np.dtype[Any], shape: tuple[int, ...], fortran: bool
) -> Array:
    # Python 3 pickles bytes as a call in protocols 0 to 2.
    if type(data) is Node and data.name.kind in ("encode", "bytes"):
        data = data.args[0] if data.args else b""
    if isinstance(data, str):
        evaluator.take(len(data), 1)
    raw = data.encode("latin1") if isinstance(data, str) else data
    count = prod(shape)
    if not isinstance(raw, bytes) or len(raw) != count * dtype.itemsize:
        size = f"{len(raw)} bytes" if isinstance(raw, bytes) else describe(raw)
        raise RefusedError(f"{count} numbers of {dtype}", size)
    return np.ndarray(shape, dtype, raw, order="F" if fortran else "C")


def _shape(value: object) -> tuple[int, ...]:
    sizes = checked_sizes(value if isinstance(value, (tuple, list)) else (value,), _MAX_AXES)
    if max(sizes, default=0) > MAX_ELEMENTS:
        raise RefusedError(f"a shape of integers from 0 to {MAX_ELEMENTS}", f"shape {sizes}")
    if prod(sizes) > MAX_ELEMENTS:
        raise RefusedError(f"at most {MAX_ELEMENTS} numbers", f"shape {sizes}")
    return sizes


def _dtype(node: object) -> np.dtype[Any]:
    """Read a number or text type; object arrays, records and platform-dependent types are refused."""
    code = node.args[0] if type(node) is Node and node.name.kind == "dtype" and node.args else None
    if not isinstance(code, str) or not re.fullmatch(r"[<>|=]?(b1|[iu][1248]|f[248]|[SU][0-9]{1,4})", code):
        kind = ascii(code[:_MAX_CODE]) if isinstance(code, str) else describe(node)
        raise RefusedError("numbers or text", f"dtype {kind}")
    dtype = np.dtype(code)
    state = node.state  # type: ignore[attr-defined]
    order = state[1] if isinstance(state, tuple) and len(state) > 1 else "|"
    if order not in ("<", ">", "|", "="):
        raise RefusedError("a byte order of <, >, | or =", "another")
    return dtype.newbyteorder("<") if order == "<" else dtype.newbyteorder(">") if order == ">" else dtype


def _compressed(node: Node, evaluator: Evaluator) -> Array:
    """Convert a compressed scipy.sparse matrix, csc or csr, to a dense array."""
    state = _state(node)
    pointers, minor, data = (evaluator.numbers(state.get(key)) for key in ("indptr", "indices", "data"))
    shape = _shape(state.get("_shape"))
    columns = node.name.kind == "csc"
    evaluator.take(pointers.size + data.size, 2 * _INDEX_BYTES)
    pointers = pointers.astype(np.int64)
    steps = pointers[1:] - pointers[:-1]
    ends = (pointers[0], pointers[-1])
    if pointers.shape != (shape[1 if columns else 0] + 1,) or np.any(steps < 0) or ends != (0, data.size):
        raise RefusedError("sparse matrix pointers that ascend from 0 to the size of the data", "others")
    major = np.repeat(np.arange(steps.size), steps)
    return _densify(evaluator, shape, (minor, major) if columns else (major, minor), data)


def _coordinates(node: Node, evaluator: Evaluator) -> Array:
    """Convert a scipy.sparse coo matrix to a dense array."""
    state = _state(node)
    coords = state.get("coords")  # as recent versions of SciPy write them
    if not isinstance(coords, tuple) or len(coords) != 2:
        coords = state.get("row"), state.get("col")
    rows, columns = map(evaluator.numbers, coords)
    return _densify(
        evaluator, _shape(state.get("_shape")), (rows, columns), evaluator.numbers(state.get("data"))
    )


def _densify(
    evaluator: Evaluator, shape: tuple[int, ...], indices: tuple[Array, Array], data: Array
) -> Array:
    evaluator.take(prod(shape), data.itemsize)
    evaluator.take(data.size + sum(index.size for index in indices), _INDEX_BYTES)
    for index, size in zip(indices, shape, strict=True):
        if index.dtype.kind not in "iu" or np.any(index < 0) or np.any(index >= size):
            raise RefusedError(f"sparse matrix indices within shape {shape}", "others")
    dense = np.zeros(shape, data.dtype.newbyteorder("="))
    np.add.at(dense, indices, data)  # repeated entries are summed, as SciPy does
    return dense


def _chumpy_leaf(node: Node, evaluator: Evaluator) -> Array:
    return evaluator.array(_state(node).get("x"))


def _chumpy_select(node: Node, evaluator: Evaluator) -> Array:
    state = _state(node)
    source, places = (evaluator.numbers(state.get(key)) for key in ("a", "idxs"))
    if places.dtype.kind not in "iu":
        raise RefusedError("integers that select", f"dtype {places.dtype}")
    evaluator.take(places.size, source.itemsize + _INDEX_BYTES)
    chosen = _flat(source, evaluator)[places]
    shape = state.get("preferred_shape")
    return chosen if shape is None else chosen.reshape(_shape(shape))


def _chumpy_reshape(node: Node, evaluator: Evaluator) -> Array:
    state = _state(node)
    shape = state.get("newshape")
    flat = _flat(evaluator.numbers(state.get("a")), evaluator)
    return flat if shape in (-1, (-1,)) else flat.reshape(_shape(shape))


def _chumpy_transpose(node: Node, evaluator: Evaluator) -> Array:
    axes = _state(node).get("axes")
    return evaluator.numbers(_state(node).get("a")).transpose(None if axes is None else _shape(axes))


def _flat(array: Array, evaluator: Evaluator) -> Array:
    """Return an array along one axis in C's order, a copy where it lies in another one."""
    if not array.flags.c_contiguous:
        evaluator.take(array.size, array.itemsize)
    return array.ravel()


def _state(node: Node) -> dict[str, object]:
    if type(node.state) is not dict:
        raise RefusedError("an object with attributes", f"{describe(node)} without any")
    return node.state


_RECIPES: dict[str, Callable[[Node, Evaluator], Array]] = {
    "array": _array,
    "buffer": _buffer,
    "scalar": _scalar,
    "csc": _compressed,
    "csr": _compressed,
    "coo": _coordinates,
    "chumpy Ch": _chumpy_leaf,
    "chumpy Select": _chumpy_select,
    "chumpy Reshape": _chumpy_reshape,
    "chumpy transpose": _chumpy_transpose,
}
