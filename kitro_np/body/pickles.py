"""Read a pickled model file as data: nothing that the file names is imported, called or run.

The stream is parsed into inert `Node` records, and only the keys that somebody asks for are turned into
arrays, by the few recipes at the end of this file. Real files hold chumpy expressions in keys that nobody
needs; those are never looked at.

The parser is the standard library's Python unpickler rather than its C twin, since its instruction table can
be cut down: the C one trusts memo numbers (five bytes make it ask for 64 GiB) and calls what it is handed.
"""

import io
import os
import pickle
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from kitro_np.errors import InputError

__all__ = ["MAX_ELEMENTS", "PickledArrays", "read_pickle"]

Array = npt.NDArray[Any]

MAX_ELEMENTS = 2**25
"""Most numbers in one array: twice the largest member of SMPL-X, small enough to refuse a forged size."""

_MAX_FILE_BYTES = 2**30  # SMPL-X, the largest release, has about half of this
_MAX_READS = 2**21  # a real file takes a few thousand reads; every read can cost an object
_MAX_TEXT = 10_000  # NumPy spends four bytes on every character
_MAX_DEPTH = 16  # chumpy expressions of real files are two or three deep; a cycle has no end


class _RefusedError(Exception):
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


_NAMES: dict[tuple[str, str], str] = {
    ("numpy", "ndarray"): "array",
    ("numpy", "dtype"): "dtype",
    ("_codecs", "encode"): "encode",
    # chumpy's bookkeeping holds sets; Python 3 writes empty bytes as a call in old protocols.
    **{(module, name): name for module in ("__builtin__", "builtins") for name in ("object", "set", "bytes")},
    **{(module, "_reconstructor"): "reconstruct" for module in ("copy_reg", "copyreg")},
    **{(f"numpy.{core}.multiarray", "_reconstruct"): "reconstruct" for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): "scalar" for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): "buffer" for core in ("core", "_core")},
    **{
        (f"scipy.sparse{module}", f"{layout}_{flavour}"): layout
        for layout in ("csc", "csr", "coo")
        for module in ("", f".{layout}", f"._{layout}")
        for flavour in ("matrix", "array")
    },
}


class PickledArrays(Mapping[str, Array]):
    """The arrays of a pickled model file, each one evaluated when it is asked for."""

    def __init__(self, path: Path, values: dict[str, object]) -> None:
        self._path = path
        self._values = values

    def __getitem__(self, key: str) -> Array:
        """Evaluate one key; `InputError` when it holds anything but numbers or text."""
        value = self._values[key]
        try:
            return _evaluate(value, 0)
        except _RefusedError as reason:
            raise InputError(f"{self._path}: the key {key!r} cannot be read: {reason}.") from None
        except Exception as error:  # whatever a recipe stumbles over, the file is at fault
            raise InputError(f"{self._path}: the key {key!r} is damaged ({type(error).__name__}).") from error

    def __contains__(self, key: object) -> bool:
        """Tell whether the file has the key, without evaluating it."""
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys."""
        return iter(self._values)

    def __len__(self) -> int:
        """Count the keys."""
        return len(self._values)


def read_pickle(path: str | os.PathLike[str]) -> PickledArrays:
    """Read a pickled SMPL-family file (.pkl) without running anything that it holds.

    Parameters
    ----------
    path
        A pickle of any protocol, from Python 2 or 3, with or without chumpy and scipy.sparse objects.

    Returns
    -------
    PickledArrays
        A mapping from key to array. Values are evaluated on access: chumpy nodes `Ch`, `Select`, `Reshape`
        and `transpose` become arrays, scipy.sparse matrices become dense ones. Arrays may be read-only.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    InputError
        When the file is empty, truncated, no pickle, no dict, too large, or asks for a class that no
        SMPL-family file needs. Indexing the result raises it for a key that is no array of numbers or text
        (object arrays, other chumpy nodes).
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is no file; a pickled model file (.pkl) was expected.")
    try:
        with open(path, "rb") as file:
            top = _parse(file)
    except OSError:
        raise
    except _RefusedError as reason:
        raise InputError(f"{path} cannot be read as a pickled model file: {reason}.") from None
    except Exception as error:  # an unpickler fed with garbage may raise anything
        raise InputError(f"{path} is no pickle, or it is damaged ({type(error).__name__}).") from error
    return PickledArrays(path, top)


def _parse(file: BinaryIO) -> dict[str, object]:
    size = os.fstat(file.fileno()).st_size
    if size == 0:
        raise _RefusedError("it is empty")
    if size > _MAX_FILE_BYTES:
        raise _RefusedError(f"it is larger than {_MAX_FILE_BYTES} bytes, which no SMPL-family file is")
    top = _InertUnpickler(_Source(file.read()), encoding="latin1").load()
    if type(top) is not dict:
        raise _RefusedError(f"a dict was expected at its top level, and {_describe(top)} came")
    return top


class _Source:
    """The bytes of the file; refuses to read past their end, or to be read too often."""

    def __init__(self, data: bytes) -> None:
        self._stream = io.BytesIO(data)
        self._reads = 0

    def read(self, count: int) -> bytes:
        self._reads += 1
        if self._reads > _MAX_READS:
            raise _RefusedError("it has millions of pickle instructions, which no SMPL-family file has")
        block = self._stream.read(count)
        self._check(len(block) == count)
        return block

    def readline(self) -> bytes:
        line = self._stream.readline()
        self._check(line.endswith(b"\n"))
        return line

    def _check(self, complete: bool) -> None:
        if not complete:
            raise _RefusedError(
                f"it ends too early, at byte {self._stream.tell()}; is the download complete?"
            )


class _Instructions(dict[int, Callable[[Any], None]]):
    """An instruction table that refuses what it does not list."""

    def __missing__(self, code: int) -> Callable[[Any], None]:
        raise _RefusedError(f"it is no pickle, or one with the instruction {code:#04x}, which is refused")


# Left out, hence refused: EXT1/2/4 (the process' extension registry), PERSID and BINPERSID, INST and OBJ
# (Python 2 old-style classes), NEWOBJ_EX, FROZENSET and out-of-band buffers.
_PLAIN = """
PROTO STOP MARK POP POP_MARK DUP NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4
FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8
BINBYTES SHORT_BINBYTES BINBYTES8 EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3
EMPTY_LIST LIST APPEND APPENDS EMPTY_DICT
PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET GLOBAL STACK_GLOBAL
"""


def _plain_instructions() -> _Instructions:
    """Keep the standard instructions that only move plain values about."""
    codes = [getattr(pickle, name)[0] for name in _PLAIN.split()]
    return _Instructions((code, pickle._Unpickler.dispatch[code]) for code in codes)


class _InertUnpickler(pickle._Unpickler):
    """An unpickler whose every call-like instruction only writes down what was asked for."""

    stack: list[Any]  # these two are the parent's; its type stubs leave them out
    pop_mark: Callable[[], list[Any]]

    def __init__(self, source: _Source, *, encoding: str) -> None:
        super().__init__(source, encoding=encoding)
        self._source = source

    def find_class(self, module: str, name: str) -> Name:
        """Look the name up in the allow-list; nothing is ever imported."""
        if module == "chumpy" or module.startswith("chumpy."):
            return Name("chumpy " + name, f"{module}.{name}")
        kind = _NAMES.get((module, name))
        if kind is None:
            asked = ascii(f"{module}.{name}"[:100])
            raise _RefusedError(f"it asks for {asked}, which no SMPL-family file needs; nothing was run")
        return Name(kind, f"{module}.{name}")

    def load_frame(self) -> None:
        self._source.read(8)  # a frame is only a hint on how much to read ahead

    def load_bytearray8(self) -> None:
        count = int.from_bytes(self._source.read(8), "little")
        self.stack.append(self._source.read(min(count, _MAX_FILE_BYTES)))

    def load_reduce(self) -> None:
        args = self.stack.pop()
        self.stack[-1] = _record(self.stack[-1], args)

    def load_build(self) -> None:
        state = self.stack.pop()
        node = self.stack[-1]
        if type(node) is not Node or node.state is not None:
            raise _RefusedError(f"it sets the state of {_describe(node)}")
        node.state = state

    def load_setitem(self) -> None:
        value = self.stack.pop()
        self._fill([self.stack.pop(), value])

    def load_setitems(self) -> None:
        self._fill(self.pop_mark())

    def load_dict(self) -> None:
        items = self.pop_mark()
        self.stack.append({})
        self._fill(items)

    def _fill(self, items: list[object]) -> None:
        # Keys that are no text are dropped: chumpy's caches have tuples as keys, we need none of them, and a
        # small file can hold a tuple that takes for ever to hash.
        target = self.stack[-1]
        if type(target) is not dict or len(items) % 2:
            raise _RefusedError(f"it sets items of {_describe(target)}")
        target.update((k, v) for k, v in zip(items[::2], items[1::2], strict=True) if type(k) is str)

    def load_empty_set(self) -> None:
        self.stack.append([])

    dispatch = _Instructions(_plain_instructions())
    dispatch[pickle.FRAME[0]] = load_frame
    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8
    dispatch[pickle.REDUCE[0]] = dispatch[pickle.NEWOBJ[0]] = load_reduce
    dispatch[pickle.BUILD[0]] = load_build
    dispatch[pickle.DICT[0]] = load_dict
    dispatch[pickle.SETITEM[0]] = load_setitem
    dispatch[pickle.SETITEMS[0]] = load_setitems
    dispatch[pickle.EMPTY_SET[0]] = load_empty_set
    dispatch[pickle.ADDITEMS[0]] = dispatch[pickle.APPENDS[0]]


def _record(name: object, args: object) -> Node:
    """Write down the call that REDUCE and NEWOBJ stand for."""
    if type(name) is not Name or not isinstance(args, tuple):
        raise _RefusedError(f"it calls {_describe(name)}")
    if name.kind == "reconstruct":  # (class, base or shape, ...): what gets made is the class
        if not args or type(args[0]) is not Name:
            raise _RefusedError(f"it calls {name.origin} on no class")
        return Node(args[0], ())
    return Node(name, args)


def _describe(value: object) -> str:
    if type(value) is Name:
        return value.origin[:100]
    if type(value) is Node:
        return f"an object of {value.name.origin[:100]}"
    return f"an object of type {type(value).__name__}"


def _evaluate(value: object, depth: int) -> Array:
    """Turn a recorded value into an array, by the recipe of its kind."""
    if isinstance(value, (bool, float)) or (isinstance(value, int) and -(2**63) <= value < 2**63):
        return np.array(value)
    if isinstance(value, str) and len(value) < _MAX_TEXT:
        return np.array(value)
    recipe = _RECIPES.get(value.name.kind) if type(value) is Node else None
    if recipe is None:
        raise _RefusedError(f"an array was expected, and {_describe(value)} came")
    if depth > _MAX_DEPTH:
        raise _RefusedError(f"its expression is more than {_MAX_DEPTH} levels deep")
    return recipe(value, depth + 1)  # type: ignore[arg-type]


def _array(node: Node, depth: int) -> Array:
    state = node.state
    if not isinstance(state, tuple) or len(state) != 5:
        raise _RefusedError("it is an array without content")
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
        size = f"{len(raw)} bytes" if isinstance(raw, bytes) else _describe(raw)
        raise _RefusedError(f"{count} numbers of {dtype} were expected, and {size} came")
    return np.ndarray(shape, dtype, raw, order="F" if fortran else "C")


def _shape(value: object) -> tuple[int, ...]:
    sizes = value if isinstance(value, (tuple, list)) else (value,)
    if len(sizes) > 4 or not all(type(size) is int and 0 <= size <= MAX_ELEMENTS for size in sizes):
        raise _RefusedError("its shape is not up to four whole numbers")
    if prod(sizes) > MAX_ELEMENTS:
        raise _RefusedError(f"its shape {tuple(sizes)} has more than {MAX_ELEMENTS} numbers")
    return tuple(sizes)


def _dtype(node: object) -> np.dtype[Any]:
    """Read a number or text type; object arrays, records and platform-dependent types are refused."""
    code = node.args[0] if type(node) is Node and node.name.kind == "dtype" and node.args else None
    if not isinstance(code, str) or not re.fullmatch(r"[<>|=]?(b1|[iu][1248]|f[248]|[SU][0-9]{1,4})", code):
        kind = ascii(code[:20]) if isinstance(code, str) else _describe(node)
        raise _RefusedError(f"numbers or text were expected, and the data type {kind} came")
    dtype = np.dtype(code)
    state = node.state  # type: ignore[attr-defined]
    order = state[1] if isinstance(state, tuple) and len(state) > 1 else "|"
    if order not in ("<", ">", "|", "="):
        raise _RefusedError("the byte order of its data type is unknown")
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
        raise _RefusedError("the pointers of its sparse matrix are out of range")
    major = np.repeat(np.arange(steps.size), steps)
    return _densify(shape, (minor, major) if columns else (major, minor), data)


def _coordinates(node: Node, depth: int) -> Array:
    """Densify a scipy.sparse coo matrix."""
    coords = _state(node).get("coords")  # as new versions of scipy write them
    if isinstance(coords, tuple) and len(coords) == 2:
        rows, columns = (_evaluate(coord, depth) for coord in coords)
    else:
        rows, columns = (_part(node, key, depth) for key in ("row", "col"))
    return _densify(_shape(_state(node).get("_shape")), (rows, columns), _part(node, "data", depth))


def _densify(shape: tuple[int, ...], indices: tuple[Array, Array], data: Array) -> Array:
    for index, size in zip(indices, shape, strict=True):
        if index.dtype.kind not in "iu" or np.any(index < 0) or np.any(index >= size):
            raise _RefusedError(f"the indices of its sparse matrix of shape {shape} are out of range")
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
        raise _RefusedError(f"it is {_describe(node)} without content")
    return node.state


def _part(node: Node, key: str, depth: int) -> Array:
    return _evaluate(_state(node).get(key), depth)


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
