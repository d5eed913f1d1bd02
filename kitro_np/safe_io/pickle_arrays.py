"""Evaluate the records of a pickle as arrays, by arithmetic alone.

A record is an inert `Node`: the name of a class or function, its arguments and its state. There is one
recipe for each name that a file may use: NumPy arrays, SciPy sparse matrices, and the chumpy expressions
found in released model files.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "MAX_ELEMENTS",
    "MAX_NAME",
    "MAX_TEXT",
    "Array",
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

_MAX_CODE = 20
"""Characters of a dtype code from the file that a message repeats."""


class RefusedError(Exception):
    """Why a file or one of its keys cannot be read; the reader adds the name of the file.

    Parameters
    ----------
    expected, got : str
        Both halves of the message "PATH: expected ..., got ....".
    """

    def __init__(self, expected: str, got: str) -> None:
        super().__init__(f"expected {expected}, got {got}")
        self.expected = expected
        self.got = got


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
    return ascii(name[:MAX_NAME])[1:-1]


def evaluate(value: object, depth: int) -> Array:
    """Turn a recorded value into an array, by the recipe of its kind."""
    if isinstance(value, (bool, float)) or (isinstance(value, int) and -(2**63) <= value < 2**63):
        return np.array(value)
    if isinstance(value, str) and len(value) < MAX_TEXT:
        return np.array(value)
    recipe = _RECIPES.get(value.name.kind) if type(value) is Node else None
    if recipe is None:
        raise RefusedError("an array", describe(value))
    if depth > _MAX_DEPTH:
        raise RefusedError(f"an expression at most {_MAX_DEPTH} levels deep", "a deeper one")
    return recipe(value, depth + 1)  # type: ignore[arg-type]


def _array(node: Node, depth: int) -> Array:
    state = node.state
    if not isinstance(state, tuple) or len(state) != 5:
        raise RefusedError("an array with data", "one without")
    _, shape, dtype, fortran, data = state
    return _from_bytes(data, _dtype(dtype), _shape(shape), bool(fortran))


def _buffer(node: Node, depth: int) -> Array:
    data, dtype, shape, order = node.args  # as NumPy pickles arrays in protocol 5
    return _from_bytes(data, _dtype(dtype), _shape(shape), order == "F")


def _scalar(node: Node, depth: int) -> Array:
    dtype, data = node.args
    return _from_bytes(data, _dtype(dtype), (), False)


def _from_bytes(data: object, dtype: np.dtype[Any], shape: tuple[int, ...], fortran: bool) -> Array:
    # Python 3 pickles bytes as a call in protocols 0 to 2.
    if type(data) is Node and data.name.kind in ("encode", "bytes"):
        data = data.args[0] if data.args else b""
    raw = data.encode("latin1") if isinstance(data, str) else data
    count = prod(shape)
    if not isinstance(raw, bytes) or len(raw) != count * dtype.itemsize:
        size = f"{len(raw)} bytes" if isinstance(raw, bytes) else describe(raw)
        raise RefusedError(f"{count} numbers of {dtype}", size)
    return np.ndarray(shape, dtype, raw, order="F" if fortran else "C")


def _shape(value: object) -> tuple[int, ...]:
    sizes = value if isinstance(value, (tuple, list)) else (value,)
    if len(sizes) > _MAX_AXES or not all(type(size) is int and 0 <= size <= MAX_ELEMENTS for size in sizes):
        raise RefusedError(
            f"a shape of at most {_MAX_AXES} integers, each from 0 to {MAX_ELEMENTS}", "another shape"
        )
    if prod(sizes) > MAX_ELEMENTS:
        raise RefusedError(f"at most {MAX_ELEMENTS} numbers", f"shape {tuple(sizes)}")
    return tuple(sizes)


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


def _compressed(node: Node, depth: int) -> Array:
    """Convert a compressed scipy.sparse matrix, csc or csr, to a dense array."""
    pointers, minor, data = (_part(node, key, depth) for key in ("indptr", "indices", "data"))
    shape = _shape(_state(node).get("_shape"))
    columns = node.name.kind == "csc"
    pointers = pointers.astype(np.int64)
    steps = pointers[1:] - pointers[:-1]
    ends = (pointers[0], pointers[-1])
    if pointers.shape != (shape[1 if columns else 0] + 1,) or np.any(steps < 0) or ends != (0, data.size):
        raise RefusedError("sparse matrix pointers that ascend from 0 to the size of the data", "others")
    major = np.repeat(np.arange(steps.size), steps)
    return _densify(shape, (minor, major) if columns else (major, minor), data)


def _coordinates(node: Node, depth: int) -> Array:
    """Convert a scipy.sparse coo matrix to a dense array."""
    coords = _state(node).get("coords")  # as recent versions of SciPy write them
    if isinstance(coords, tuple) and len(coords) == 2:
        rows, columns = (evaluate(coord, depth) for coord in coords)
    else:
        rows, columns = (_part(node, key, depth) for key in ("row", "col"))
    return _densify(_shape(_state(node).get("_shape")), (rows, columns), _part(node, "data", depth))


def _densify(shape: tuple[int, ...], indices: tuple[Array, Array], data: Array) -> Array:
    for index, size in zip(indices, shape, strict=True):
        if index.dtype.kind not in "iu" or np.any(index < 0) or np.any(index >= size):
            raise RefusedError(f"sparse matrix indices within shape {shape}", "others")
    dense = np.zeros(shape, data.dtype.newbyteorder("="))
    np.add.at(dense, indices, data)  # repeated entries are summed, as SciPy does
    return dense


def _chumpy_leaf(node: Node, depth: int) -> Array:
    return _part(node, "x", depth)


def _chumpy_select(node: Node, depth: int) -> Array:
    chosen = _part(node, "a", depth).ravel()[_part(node, "idxs", depth)]
    shape = _state(node).get("preferred_shape")
    return chosen if shape is None else chosen.reshape(_shape(shape))


def _chumpy_reshape(node: Node, depth: int) -> Array:
    shape = _state(node).get("newshape")
    array = _part(node, "a", depth)
    return array.ravel() if shape in (-1, (-1,)) else array.reshape(_shape(shape))


def _chumpy_transpose(node: Node, depth: int) -> Array:
    axes = _state(node).get("axes")
    return _part(node, "a", depth).transpose(None if axes is None else _shape(axes))


def _state(node: Node) -> dict[str, object]:
    if type(node.state) is not dict:
        raise RefusedError("an object with attributes", f"{describe(node)} without any")
    return node.state


def _part(node: Node, key: str, depth: int) -> Array:
    return evaluate(_state(node).get(key), depth)


_RECIPES: dict[str, Callable[[Node, int], Array]] = {
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
