"""Read a pickled file as data: nothing that the file names is imported or called.

The stream is parsed into inert `Node` records; a key is evaluated as an array when it is read, by the
recipes of pickle_arrays.py. Released model files hold unsupported chumpy expressions in keys that are not
needed; these are never evaluated.

The parser is the standard library's pure Python unpickler, because its instruction table can be restricted.
The C unpickler trusts memo indices (five bytes make it allocate 64 GiB) and calls what the file names.
"""

import io
import os
import pickle
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import InputError, printable
from .memory import Budget
from .pickle_arrays import MAX_NAME, Array, Evaluator, Name, Node, RefusedError, describe

__all__ = ["NUMPY_NAMES", "Dialect", "PickledArrays", "parse", "read_dict", "read_pickle"]

_MAX_FILE_BYTES = 2**30
"""Largest pickle: twice the size of SMPL-X, the largest release."""


NUMPY_NAMES: dict[tuple[str, str], str] = {
    ("numpy", "ndarray"): "array",
    ("numpy", "dtype"): "dtype",
    ("_codecs", "encode"): "encode",
    # Python 3 pickles empty bytes as a call in protocols 0 to 2.
    **{(module, "bytes"): "bytes" for module in ("__builtin__", "builtins")},
    **{(f"numpy.{core}.multiarray", "_reconstruct"): "reconstruct" for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): "scalar" for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): "buffer" for core in ("core", "_core")},
}
"""Names that NumPy 1 and 2 write when they pickle arrays, and the kind of recipe for each."""

_MODEL_NAMES: dict[tuple[str, str], str] = {
    **NUMPY_NAMES,
    # chumpy objects hold sets in their internal state.
    **{(module, name): name for module in ("__builtin__", "builtins") for name in ("object", "set")},
    **{(module, "_reconstructor"): "reconstruct" for module in ("copy_reg", "copyreg")},
    **{
        (f"scipy.sparse{module}", f"{layout}_{flavour}"): layout
        for layout in ("csc", "csr", "coo")
        for module in ("", f".{layout}", f"._{layout}")
        for flavour in ("matrix", "array")
    },
}


@dataclass(frozen=True)
class Dialect:
    """What one type of pickled file may contain.

    Parameters
    ----------
    kind_of : callable
        From (module, name) to the kind of recipe; None for a name that is refused.
    max_reads : int
        Most reads of the stream, several for each instruction: each may allocate an object.
    persistent_ids : bool
        Whether it may refer to data outside the pickle; these become nodes of kind "persistent id".
    """

    kind_of: Callable[[tuple[str, str]], str | None]
    max_reads: int
    persistent_ids: bool = False


def _model_kind(name: tuple[str, str]) -> str | None:
    """Permit any chumpy name, too; only names with a recipe can be evaluated."""
    module = name[0]
    if module == "chumpy" or module.startswith("chumpy."):
        return f"chumpy {name[1]}"
    return _MODEL_NAMES.get(name)


_MODEL_FILE = Dialect(_model_kind, max_reads=2**21)
"""SMPL-family files and 3DPW's; a released file takes a few thousand reads."""


class PickledArrays(Mapping[str, Array]):
    """The arrays of a pickled file, each evaluated once, on first access.

    Parameters
    ----------
    path : Path
    values : dict
        Records by key.
    kind : str
        Kind of file, which says how much memory its arrays may take.
    """

    def __init__(self, path: Path, values: dict[str, object], kind: str = "model") -> None:
        self._path = path
        self._values = values
        self._evaluator = Evaluator(Budget(kind))

    def __getitem__(self, key: str) -> Array:
        """Evaluate one key; `InputError` if it holds anything but numbers or text."""
        value = self._values[key]
        try:
            return self._evaluate(value)
        except RefusedError as reason:
            raise InputError(
                f"{self._path}: {printable(key)}: expected {reason.expected}, got {reason.got}."
            ) from None
        except Exception as error:  # a recipe fails in many ways on a forged record
            kind = type(error).__name__
            raise InputError(
                f"{self._path}: {printable(key)}: expected an array, got one that is damaged ({kind})."
            ) from error

    def __contains__(self, key: object) -> bool:
        """Whether the file has the key, without evaluating it."""
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys."""
        return iter(self._values)

    def __len__(self) -> int:
        """Count the keys."""
        return len(self._values)

    def _evaluate(self, value: object) -> Array:
        return self._evaluator.array(value)


def read_pickle(path: str | os.PathLike[str]) -> PickledArrays:
    """Read a pickled SMPL-family file (.pkl) without executing anything in it.

    Parameters
    ----------
    path : path
        A pickle of any protocol, from Python 2 or 3, with or without chumpy and scipy.sparse objects.

    Returns
    -------
    PickledArrays
        A mapping from key to array. Values are evaluated on access: chumpy nodes `Ch`, `Select`, `Reshape`
        and `transpose` become arrays, scipy.sparse matrices become dense ones. Arrays may be read-only.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InputError
        If the file is empty, truncated, no pickle, no dict, too large, or names a class that no SMPL-family
        file needs. Indexing the result raises it for a key that is no array of numbers or text (object
        arrays, other chumpy nodes).
    """
    path = Path(path)
    return PickledArrays(path, read_dict(path, "model file"))


def read_dict(path: Path, what: str) -> dict[str, object]:
    """Parse a pickled file with the names that a model file may use; return records to be evaluated later.

    Parameters
    ----------
    path : Path
    what : str
        What error messages call the file.

    Raises
    ------
    FileNotFoundError, InputError
        As :func:`read_pickle`.
    """
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: expected a pickled {what} (.pkl), got a folder, a device or a pipe.")
    try:
        with open(path, "rb") as file:
            return parse(file, os.fstat(file.fileno()).st_size, _MODEL_FILE)
    except OSError:
        raise
    except RefusedError as reason:
        raise InputError(f"{path}: expected {reason.expected}, got {reason.got}.") from None
    except Exception as error:  # an unpickler raises many types of errors for a file that is no pickle
        kind = type(error).__name__
        raise InputError(
            f"{path}: expected a pickled {what}, got another file or one that is damaged ({kind})."
        ) from error


def parse(file: BinaryIO, size: int, dialect: Dialect) -> dict[str, object]:
    """Parse the next `size` bytes of a file as a dict of what the dialect permits.

    Raises
    ------
    RefusedError
        If the pickle holds anything else.
    Exception
        Of many types, if the bytes are no pickle.
    """
    if size == 0:
        raise RefusedError("a pickle", "no bytes")
    if size > _MAX_FILE_BYTES:
        raise RefusedError(f"a pickle of at most {_MAX_FILE_BYTES} bytes", str(size))
    top = _InertUnpickler(_Source(file.read(size), dialect.max_reads), dialect).load()
    if type(top) is not dict:
        raise RefusedError("a dict at the top level", describe(top))
    return top


class _Source:
    """The bytes of the file; raises at a read past their end, or after too many reads."""

    def __init__(self, data: bytes, max_reads: int) -> None:
        self._stream = io.BytesIO(data)
        self._max_reads = self._left = max_reads

    def read(self, count: int) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise RefusedError(f"at most {self._max_reads} reads of the pickle", "more")
        block = self._stream.read(count)
        self._check(len(block) == count)
        return block

    def readline(self) -> bytes:
        line = self._stream.readline()
        self._check(line.endswith(b"\n"))
        return line

    def _check(self, complete: bool) -> None:
        if not complete:
            raise RefusedError(
                "a complete pickle",
                f"one that ends at byte {self._stream.tell()}, as incomplete downloads do",
            )


class _Instructions(dict[int, Callable[[Any], None]]):
    """An instruction table that refuses instructions not in it."""

    def __missing__(self, code: int) -> Callable[[Any], None]:
        raise RefusedError("a pickle of plain data", f"another file or the refused instruction {code:#04x}")


# Not listed, hence refused: EXT1/2/4 (the process' extension registry), PERSID, INST and OBJ
# (Python 2 old-style classes), NEWOBJ_EX, FROZENSET and out-of-band buffers.
_PLAIN = """
PROTO STOP MARK POP POP_MARK DUP NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4
FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8
BINBYTES SHORT_BINBYTES BINBYTES8 EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3
EMPTY_LIST LIST APPEND APPENDS EMPTY_DICT
PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET GLOBAL STACK_GLOBAL
"""


def _plain_instructions() -> _Instructions:
    """Return the standard instructions that only make and move plain values."""
    codes = [getattr(pickle, name)[0] for name in _PLAIN.split()]
    return _Instructions((code, pickle._Unpickler.dispatch[code]) for code in codes)


class _InertUnpickler(pickle._Unpickler):
    """An unpickler that records calls instead of making them."""

    stack: list[Any]  # both are attributes of the parent class that its type stubs omit
    pop_mark: Callable[[], list[Any]]

    def __init__(self, source: _Source, dialect: Dialect) -> None:
        super().__init__(source, encoding="latin1")
        self._source = source
        self._dialect = dialect

    def find_class(self, module: str, name: str) -> Name:
        """Look the name up in the allow-list; nothing is imported."""
        kind = self._dialect.kind_of((module, name))
        if kind is None:
            refused = printable(f"{module}.{name}", MAX_NAME)
            raise RefusedError("only names that such a file needs", f"'{refused}'; nothing was executed")
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
            raise RefusedError("state for an object without one", f"state for {describe(node)}")
        node.state = state

    def load_binpersid(self) -> None:
        if not self._dialect.persistent_ids:
            self.dispatch.__missing__(pickle.BINPERSID[0])
        args = self.stack.pop()
        self.stack.append(_record(Name("persistent id", "a persistent id"), args))

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
        # Keys that are not text are dropped: chumpy's caches have tuples as keys, none of them is needed, and
        # a small file can hold a tuple that takes practically forever to hash.
        target = self.stack[-1]
        if type(target) is not dict or len(items) % 2:
            raise RefusedError("items for a dict, in pairs", f"items for {describe(target)}")
        target.update((k, v) for k, v in zip(items[::2], items[1::2], strict=True) if type(k) is str)

    def load_empty_set(self) -> None:
        self.stack.append([])

    dispatch = _Instructions(_plain_instructions())
    dispatch[pickle.FRAME[0]] = load_frame
    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8
    dispatch[pickle.REDUCE[0]] = dispatch[pickle.NEWOBJ[0]] = load_reduce
    dispatch[pickle.BUILD[0]] = load_build
    dispatch[pickle.BINPERSID[0]] = load_binpersid
    dispatch[pickle.DICT[0]] = load_dict
    dispatch[pickle.SETITEM[0]] = load_setitem
    dispatch[pickle.SETITEMS[0]] = load_setitems
    dispatch[pickle.EMPTY_SET[0]] = load_empty_set
    dispatch[pickle.ADDITEMS[0]] = dispatch[pickle.APPENDS[0]]


def _record(name: object, args: object) -> Node | dict[str, object]:
    """Record the call of a REDUCE or NEWOBJ instruction."""
    if type(name) is not Name or not isinstance(args, tuple):
        raise RefusedError("a call of a class or function with a tuple", f"a call of {describe(name)}")
    if name.kind == "reconstruct":  # arguments (class, base or shape, ...): it makes an object of the class
        if not args or type(args[0]) is not Name:
            raise RefusedError(f"a call of {name.origin} with a class", "a call without one")
        return Node(args[0], ())
    if name.kind == "dict" and not args:  # SETITEMS fills it
        return {}
    return Node(name, args)
