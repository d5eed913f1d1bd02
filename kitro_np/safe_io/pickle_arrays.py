"""Recipes: turn what a pickle recorded into arrays, by arithmetic alone.

A record is an inert `Node`: a name that the file may use, its arguments and its state. Each name has one
recipe: NumPy's arrays, SciPy's sparse matrices, and the chumpy expressions that real files hold.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["MAX_ELEMENTS", "MAX_TEXT", "Array", "Name", "Node", "RefusedError", "describe", "evaluate"]

Array = npt.NDArray[Any]

MAX_ELEMENTS = 2**25
"""Most numbers in one array: twice the largest member of SMPL-X, small enough to refuse a forged size."""

MAX_TEXT = 10_000  # NumPy spends four bytes on every character
_MAX_DEPTH = 16  # chumpy expressions of real files are two or three deep; a cycle has no end


class RefusedError(Exception):
    """Why the file cannot be read, as the end of a sentence."""


@dataclass(frozen=True, slots=True, eq=False)
class Name:
    """A class or function that the file may name; `kind` picks the recipe, `origin` is for messages."""

    kind: str
    origin: str


@dataclass(slots=True, eq=False)
class Node:
    """What the file asks to be made: the name, the arguments and the state, never the thing itself."""

    name: Name
    args: tuple[object, ...]
    state: object = None


def describe(value: object) -> str:
    """Name what came, for a message."""
    if type(value) is Name:
        return value.origin[:100]
    if type(value) is Node:
        return f"an object of {value.name.origin[:100]}"
    return f"an object of type {type(value).__name__}"


def evaluate(value: object, depth: int) -> Array:
    """Turn a recorded value into an array, by the recipe of its kind."""
    if isinstance(value, (bool, float)) or (isinstance(value, int) and -(2**63) <= value < 2**63):
        return np.array(value)
    if isinstance(value, str) and len(value) < MAX_TEXT:
        return np.array(value)
    recipe = _RECIPES.get(value.name.kind) if type(value) is Node else None
    if recipe is None:
        raise RefusedError(f"expected an array, got {describe(value)}")
    if depth > _MAX_DEPTH:
        raise RefusedError(f"its expression is more than {_MAX_DEPTH} levels deep")
    return recipe(value, depth + 1)  # type: ignore[arg-type]


def _array(node: Node, depth: int) -> Array:
    state = node.state
    if not isinstance(state, tuple) or len(state) != 5:
        raise RefusedError("it is an array without content")
    _, shape, dtype, fortran, data = state
    return _from_bytes(data, _dtype(dtype), _shape(shape), bool(fortran))


def _buffer(node: Node, depth: int) -> Array:
    data, dtype, shape, order = node.args  # as numpy writes arrays in protocol 5
    return _from_bytes(data, _dtype(dtype), _shape(shape), order == "F")


def _scalar(node: Node, depth: int) -> Array:
    dtype, data = node.args
    return _from_bytes(data, _dtype(dtype), (), False)


def _from_bytes(data: object, dtype: np.dtype[Any], shape: tuple[int, ...], fortran: bool) -> Array:
    if type(data) is Node and data.name.kind in ("encode", "bytes"):  # Python 3's bytes in old protocols
        data = data.args[0] if data.args else b""
    raw = data.encode("latin1") if isinstance(data, str) else data
    count = prod(shape)
    if not isinstance(raw, bytes) or len(raw) != count * dtype.itemsize:
        size = f"{len(raw)} bytes" if isinstance(raw, bytes) else describe(raw)
        raise RefusedError(f"expected {count} numbers of {dtype}, got {size}")
    return np.ndarray(shape, dtype, raw, order="F" if fortran else "C")


def _shape(value: object) -> tuple[int, ...]:
    sizes = value if isinstance(value, (tuple, list)) else (value,)
    if len(sizes) > 4 or not all(type(size) is int and 0 <= size <= MAX_ELEMENTS for size in sizes):
        raise RefusedError("its shape is not up to four whole numbers")
    if prod(sizes) > MAX_ELEMENTS:
        raise RefusedError(f"its shape {tuple(sizes)} has more than {MAX_ELEMENTS} numbers")
    return tuple(sizes)


def _dtype(node: object) -> np.dtype[Any]:
    """Read a number or text type; object arrays, records and platform-dependent types are refused."""
    code = node.args[0] if type(node) is Node and node.name.kind == "dtype" and node.args else None
    if not isinstance(code, str) or not re.fullmatch(r"[<>|=]?(b1|[iu][1248]|f[248]|[SU][0-9]{1,4})", code):
        kind = ascii(code[:20]) if isinstance(code, str) else describe(node)
        raise RefusedError(f"expected numbers or text, got the data type {kind}")
    dtype = np.dtype(code)
    state = node.state  # type: ignore[attr-defined]
    order = state[1] if isinstance(state, tuple) and len(state) > 1 else "|"
    if order not in ("<", ">", "|", "="):
        raise RefusedError("the byte order of its data type is unknown")
    return dtype.newbyteorder("<") if order == "<" else dtype.newbyteorder(">") if order == ">" else dtype


def _compressed(node: Node, depth: int) -> Array:
    """Densify a scipy.sparse matrix whose columns (csc) or rows (csr) are compressed."""
    pointers, minor, data = (_part(node, key, depth) for key in ("indptr", "indices", "data"))
    shape = _shape(_state(node).get("_shape"))
    columns = node.name.kind == "csc"
    pointers = pointers.astype(np.int64)
    steps = pointers[1:] - pointers[:-1]
    ends = (pointers[0], pointers[-1])
    if pointers.shape != (shape[1 if columns else 0] + 1,) or np.any(steps < 0) or ends != (0, data.size):
        raise RefusedError("the pointers of its sparse matrix are out of range")
    major = np.repeat(np.arange(steps.size), steps)
    return _densify(shape, (minor, major) if columns else (major, minor), data)


def _coordinates(node: Node, depth: int) -> Array:
    """Densify a scipy.sparse coo matrix."""
    coords = _state(node).get("coords")  # as new versions of scipy write them
    if isinstance(coords, tuple) and len(coords) == 2:
        rows, columns = (evaluate(coord, depth) for coord in coords)
    else:
        rows, columns = (_part(node, key, depth) for key in ("row", "col"))
    return _densify(_shape(_state(node).get("_shape")), (rows, columns), _part(node, "data", depth))


def _densify(shape: tuple[int, ...], indices: tuple[Array, Array], data: Array) -> Array:
    for index, size in zip(indices, shape, strict=True):
        if index.dtype.kind not in "iu" or np.any(index < 0) or np.any(index >= size):
            raise RefusedError(f"the indices of its sparse matrix of shape {shape} are out of range")
    dense = np.zeros(shape, data.dtype.newbyteorder("="))
    np.add.at(dense, indices, data)  # entries named twice are summed, as scipy does
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
        raise RefusedError(f"it is {describe(node)} without content")
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
