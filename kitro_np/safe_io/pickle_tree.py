"""Read a pickled tree of dicts, lists and arrays, also as joblib writes it: nothing that it names is called.

joblib writes a record for each array, then the array's bytes, in the middle of the stream. Such a file may
hold millions of arrays, so a record that was met before is recognised as a whole, by its bytes; and the dicts
of large files are skimmed, see `skimmed.py`.
"""

from __future__ import annotations

import codecs
import gc
import pickle
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import numpy as np

from ..errors import printable
from .memory import RAISED_BY, budget_of_file, limit_of, open_budget
from .pickle_arrays import (
    MAX_ELEMENTS,
    MAX_NAME,
    MAX_TEXT,
    Array,
    Name,
    Node,
    RefusedError,
    describe,
    evaluate,
)
from .pickle_stream import NUMPY_NAMES
from .sizes import checked_sizes, is_size
from .skimmed import Skim, Skimmed
from .stored import ArrayForm, StoredArray, check_form

__all__ = ["STORAGES", "TREE_NAMES", "as_array", "parse_tree", "paused_collection", "tensor_view"]

_MAX_STEPS, _PER_STEP = 2**26, 64
"""Most instructions, and bytes in memory of the object that each may make."""

_PER_ARRAY = 1024
"""Bytes that an array counts for at least: what refers to one a million times takes time, too."""

_PER_NUMBER = 8
"""Bytes of a number, which readers make float64."""

_MAX_FORMS, _MAX_RECORD = 4096, 500
"""Most forms of arrays that are kept, and bytes of the record of one."""

_MAX_COUNTED = 3
"""Objects that a record counts: its own, its dict and its shape. Others, such as a dtype, may come again."""

_LARGE, _MANY = 2**25, 2**11
"""Bytes of a file, and dicts that it seems to have, from which on it is skimmed: loading Numba is slow."""

_MAX_COPIED = 16
"""Most items of a list that is copied."""

_MAX_NESTED = 8
"""Deepest pickle in a pickle: arrays of objects, and torch's storages."""

STORAGES = {
    "DoubleStorage": "f8",
    "FloatStorage": "f4",
    "HalfStorage": "f2",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "b1",
}
"""Storages of torch, and the type of their numbers."""

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
"""First pickle of a stream of torch.save from before torch 1.6, as it still writes tensors within pickles."""

_BUILTINS = ("builtins", "__builtin__")

TREE_NAMES: dict[tuple[str, str], str] = {
    **NUMPY_NAMES,
    ("joblib.numpy_pickle", "NumpyArrayWrapper"): "wrapper",
    ("numpy", "matrix"): "array",
    ("numpy", "memmap"): "array",
    ("collections", "OrderedDict"): "dict",
    ("collections", "defaultdict"): "dict",
    **{(module, "dict"): "dict" for module in _BUILTINS},
    **{(module, "list"): "set" for module in _BUILTINS},
    **{(module, "set"): "set" for module in _BUILTINS},
    **{(module, "tuple"): "set" for module in _BUILTINS},
    ("torch", "Size"): "set",
    ("torch", "device"): "inert",
    **{
        (module, name): "path"
        for module in ("pathlib", "pathlib._local")
        for name in ("PosixPath", "PurePosixPath", "WindowsPath", "PureWindowsPath")
    },
    ("torch._utils", "_rebuild_tensor_v2"): "tensor",
    ("torch._utils", "_rebuild_parameter"): "parameter",
    ("torch.storage", "_load_from_bytes"): "legacy storage",
    **{("torch", storage): storage for storage in (*STORAGES, "BFloat16Storage")},
}  # fmt: skip
"""Names that such a file may have, and the kind of each; the others are refused."""


@contextmanager
def paused_collection() -> Iterator[None]:
    """Pause the collection of garbage: it would look at millions of new objects again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def parse_tree(data: bytes, start: int = 0, nested: int = 0) -> tuple[Any, int]:
    """Parse a pickle that begins at `start`; return its value and where it ends.

    Dicts, lists, tuples, texts, numbers and bytes are Python's; arrays are `StoredArray` or `Node`, which
    :func:`as_array` evaluates; sets are lists. Keys that are neither text nor integer are dropped.

    Raises
    ------
    RefusedError
        If it holds anything else.
    """
    if nested > _MAX_NESTED:
        raise RefusedError(f"pickles at most {_MAX_NESTED} deep in one another", "deeper ones")
    if start >= len(data):
        raise RefusedError("a pickle", "no bytes")
    try:
        with paused_collection(), budget_of_file("estimates"):
            return _parse(data, start, nested)
    except RefusedError:
        raise
    except (LookupError, struct.error):
        raise RefusedError("a complete pickle", "one that is damaged or incomplete") from None
    except (ValueError, TypeError, OverflowError, AttributeError, MemoryError) as error:
        raise RefusedError(
            "a pickle", f"another file or one that is damaged ({type(error).__name__})"
        ) from None


def _parse_skimmed(skim: Skim, start: int, end: int, counted: int) -> dict[Any, Any]:
    """Parse a dict that was skimmed."""
    content: dict[Any, Any] = _parse(skim.data, start, 0, skim, end, counted)[0]
    return content


def _parse(
    data: bytes, start: int, nested: int, skim: Skim | None = None, until: int = -1, count_memo: int = 0
) -> tuple[Any, int]:
    """Run the instructions in one loop, the frequent ones first; of a skimmed file, those of a dict."""
    pos = start
    stack: list[Any] = []
    below: list[list[Any]] = []
    memo: dict[int, Any] = {} if skim is None else skim.memo  # without what belongs to records met before
    last: ArrayForm | None = None
    wrapper: Name | None = None if skim is None else skim.wrapper
    record_at = -1
    known = {} if skim is None else skim.forms  # records of arrays that were met, by their bytes
    lengths = list({len(record) for record in known})
    large = skim is None and not nested and len(data) >= _LARGE
    begun: dict[
        int, tuple[int, int]
    ] = {}  # wrappers whose state has not come: where it begins, memo's length
    puts = 0
    push = stack.append
    uint4, int4, uint8, float8 = (struct.Struct(code).unpack_from for code in ("<I", "<i", "<Q", ">d"))

    most = min(_MAX_STEPS, limit_of("estimates") // _PER_STEP)
    for _ in range(most):
        code = data[pos]
        pos += 1
        if code == 0x94:  # MEMOIZE
            memo[count_memo] = stack[-1]
            count_memo += 1
        elif code in (0x68, 0x6A):  # BINGET, LONG_BINGET
            at = pos - 1
            if code == 0x68:
                value = memo[data[pos]]
                pos += 1
            else:
                value = memo[uint4(data, pos)[0]]
                pos += 4
            if value is wrapper:
                form = None if last is None else last.after  # most likely
                if form is None or not data.startswith(form.record, at):
                    form = None
                    for length in lengths:
                        form = known.get(data[at : at + length])
                        if form is not None:
                            break
                    if last is not None:
                        last.after = form
                if form is None:
                    record_at = at
                    push(value)
                    continue
                record, length, size, aligned = form.record, len(form.record), form.nbytes, form.aligned
                while True:  # arrays of a list follow one another
                    pos = at + length
                    if aligned:
                        pos += 1 + data[pos]
                    push(StoredArray((form, pos)))
                    pos += size
                    count_memo += form.memoized
                    if data[pos] == 0x95:  # FRAME
                        pos += 9
                    if not data.startswith(record, pos):
                        break
                    at = pos
                last = form
            else:
                push(value)
        elif code == 0x7D:  # EMPTY_DICT
            if large and len(below) == 1 and not puts and stack and type(stack[-1]) is str:
                if skim is None and known and len(stack) * len(data) > 2 * _MANY * (pos - start):
                    skim = Skim(data, memo, known, _parse_skimmed)
                    memo = skim.memo
                if skim is not None:
                    skimmed, pos, count_memo = skim.run(pos - 1, count_memo, wrapper)
                    if skimmed:
                        stack += skimmed
                        continue
                    pos += 1
            push({})
        elif code == 0x28:  # MARK
            below.append(stack)
            stack = []
            push = stack.append
        elif code == 0x4B:  # BININT1
            push(data[pos])
            pos += 1
        elif code == 0x81:  # NEWOBJ
            args = stack.pop()
            name = stack[-1]
            if wrapper is not None and name is wrapper:
                node = Node(wrapper, ())
                begun[id(node)] = (record_at, count_memo)
                stack[-1] = node
            else:
                stack[-1] = _call(name, args)
        elif code == 0x95:  # FRAME: only a hint on how much to read ahead
            pos += 8
        elif code in (0x75, 0x64):  # SETITEMS, DICT
            items = stack
            stack = below.pop()
            push = stack.append
            if code == 0x64:
                push({})
            _fill(stack[-1], items)
            if pos == until and not below:
                return stack[0], pos
        elif code == 0x5D or code == 0x8F:  # EMPTY_LIST, EMPTY_SET
            push([])
        elif code in (0x65, 0x90):  # APPENDS, ADDITEMS
            items = stack
            stack = below.pop()
            push = stack.append
            if type(stack[-1]) is not list:
                raise RefusedError("items for a list", f"items for {describe(stack[-1])}")
            stack[-1].extend(items)
        elif code == 0x61:  # APPEND
            item = stack.pop()
            if type(stack[-1]) is not list:
                raise RefusedError("items for a list", f"items for {describe(stack[-1])}")
            stack[-1].append(item)
        elif code == 0x47:  # BINFLOAT
            push(float8(data, pos)[0])
            pos += 8
        elif code == 0x4D:  # BININT2
            push(data[pos] | data[pos + 1] << 8)
            pos += 2
        elif code == 0x4A:  # BININT
            push(int4(data, pos)[0])
            pos += 4
        elif code in (0x8C, 0x58, 0x8D):  # SHORT_BINUNICODE, BINUNICODE, BINUNICODE8
            if code == 0x8C:
                count = data[pos]
                pos += 1
            elif code == 0x58:
                (count,) = uint4(data, pos)
                pos += 4
            else:
                (count,) = uint8(data, pos)
                pos += 8
            push(_cut(data, pos, count).decode("utf-8", "surrogatepass"))
            pos += count
        elif code in (0x43, 0x42, 0x8E, 0x96):  # SHORT_BINBYTES, BINBYTES, BINBYTES8, BYTEARRAY8
            if code == 0x43:
                count = data[pos]
                pos += 1
            elif code == 0x42:
                (count,) = uint4(data, pos)
                pos += 4
            else:
                (count,) = uint8(data, pos)
                pos += 8
            push(_cut(data, pos, count))
            pos += count
        elif code in (0x55, 0x54):  # SHORT_BINSTRING, BINSTRING
            if code == 0x55:
                count = data[pos]
                pos += 1
            else:
                (count,) = uint4(data, pos)
                pos += 4
            push(_cut(data, pos, count).decode("latin1"))
            pos += count
        elif code == 0x85:  # TUPLE1
            stack[-1] = (stack[-1],)
        elif code == 0x86:  # TUPLE2
            second = stack.pop()
            stack[-1] = (stack[-1], second)
        elif code == 0x87:  # TUPLE3
            third, second = stack.pop(), stack.pop()
            stack[-1] = (stack[-1], second, third)
        elif code == 0x29:  # EMPTY_TUPLE
            push(())
        elif code == 0x74:  # TUPLE
            items = stack
            stack = below.pop()
            push = stack.append
            push(tuple(items))
        elif code == 0x6C:  # LIST
            items = stack
            stack = below.pop()
            push = stack.append
            push(items)
        elif code == 0x73:  # SETITEM
            value = stack.pop()
            key = stack.pop()
            _fill(stack[-1], [key, value])
        elif code == 0x52:  # REDUCE
            args = stack.pop()
            stack[-1] = _call(stack[-1], args)
        elif code == 0x62:  # BUILD
            state = stack.pop()
            node = stack[-1]
            if type(node) is Node and node.name.kind == "wrapper":
                first, length = begun.pop(id(node), (-1, 0))
                record = data[first:pos] if first >= 0 else b""
                form, array, pos = _wrapped(data, state, pos, nested)
                stack[-1] = array
                if (
                    form is not None
                    and record
                    and not puts
                    and len(known) < _MAX_FORMS
                    and len(record) < _MAX_RECORD
                    and count_memo - length <= _MAX_COUNTED
                ):
                    form.record, form.memoized = record, count_memo - length
                    known[record] = form
                    if len(record) not in lengths:
                        lengths.append(len(record))
            elif type(node) is Node and node.state is None:
                node.state = state
                if node.name.kind == "array" and type(state) is tuple and type(state[-1]) is list:
                    stack[-1] = _objects(state[1], state[-1])
            elif type(node) is not dict and type(node) is not Skimmed:
                raise RefusedError("state for an object without one", f"state for {describe(node)}")
        elif code in (0x71, 0x72):  # BINPUT, LONG_BINPUT
            if code == 0x71:
                index = data[pos]
                pos += 1
            else:
                (index,) = uint4(data, pos)
                pos += 4
            puts += 1
            count_memo = _put(memo, count_memo, index, stack[-1])
        elif code in (0x4E, 0x88, 0x89):  # NONE, NEWTRUE, NEWFALSE
            push(None if code == 0x4E else code == 0x88)
        elif code == 0x93:  # STACK_GLOBAL
            name = stack.pop()
            stack[-1] = found = _find(stack[-1], name)
            if found.kind == "wrapper":
                wrapper, record_at = found, -1
        elif code == 0x80:  # PROTO
            if data[pos] > pickle.HIGHEST_PROTOCOL:
                raise RefusedError(f"a pickle of protocol {pickle.HIGHEST_PROTOCOL} or less", f"{data[pos]}")
            pos += 1
        elif code == 0x8A:  # LONG1
            count = data[pos]
            pos += 1
            push(int.from_bytes(_cut(data, pos, count), "little", signed=True))
            pos += count
        elif code == 0x2E:  # STOP
            if below or len(stack) != 1:
                raise RefusedError("a complete pickle", "one that is damaged")
            if skim is not None:
                skim.close()
            return stack[0], pos
        elif code == 0x30:  # POP
            stack.pop()
        elif code == 0x31:  # POP_MARK
            stack = below.pop()
            push = stack.append
        elif code == 0x32:  # DUP
            push(stack[-1])
        elif code == 0x51:  # BINPERSID
            stack[-1] = Node(Name("persistent id", "a persistent id"), (stack[-1],))
        elif code in _LINES:
            end = data.index(b"\n", pos, pos + MAX_TEXT)
            text = data[pos:end].decode("latin1").rstrip("\r")
            pos = end + 1
            if code == 0x63:  # GLOBAL
                end = data.index(b"\n", pos, pos + MAX_TEXT)
                push(found := _find(text, data[pos:end].decode("latin1").rstrip("\r")))
                pos = end + 1
                if found.kind == "wrapper":
                    wrapper, record_at = found, -1
            elif code == 0x70:  # PUT
                puts += 1
                count_memo = _put(memo, count_memo, int(text), stack[-1])
            elif code == 0x67:  # GET
                push(memo[int(text)])
            else:
                push(_LINES[code](text))
        else:
            raise RefusedError(
                "a pickle of plain data", f"another file or the refused instruction {code:#04x}"
            )
    raise RefusedError(f"at most {most} instructions of a pickle ({RAISED_BY})", "more")


def _quoted(text: str) -> str:
    if len(text) < 2 or text[0] not in "'\"" or text[-1] != text[0]:
        raise RefusedError("a quoted text", "another")
    return codecs.escape_decode(text[1:-1].encode("latin1"))[0].decode("latin1")


_LINES: dict[int, Callable[[str], Any]] = {
    0x63: str,  # GLOBAL
    0x70: int,  # PUT
    0x67: int,  # GET
    0x49: lambda text: text == "01" if text in ("00", "01") else int(text),  # INT
    0x4C: lambda text: int(text.rstrip("L")),  # LONG
    0x46: float,  # FLOAT
    0x53: _quoted,  # STRING
    0x56: lambda text: text.encode("latin1").decode("raw-unicode-escape"),  # UNICODE
}
"""Instructions of protocol 0, whose argument is a line."""


def _cut(data: bytes, pos: int, count: int) -> bytes:
    block = data[pos : pos + count]
    if len(block) != count:
        raise RefusedError("a complete pickle", "one that ends early, as incomplete downloads do")
    return block


def _put(memo: dict[int, Any], count: int, index: int, value: object) -> int:
    """Remember a value and return how many are; Python 2 counts from 1, all others from 0, without gaps."""
    if index > count + 1 or index < 0:
        raise RefusedError("a pickle that counts its objects", "one with gaps")
    memo[index] = value
    return max(count, index + 1)


def _fill(target: object, items: list[Any]) -> None:
    if type(target) is Skimmed:
        target = target.content
    if type(target) is not dict or len(items) % 2:
        raise RefusedError("items for a dict, in pairs", f"items for {describe(target)}")
    for key, value in zip(items[::2], items[1::2], strict=True):
        kind = type(key)
        if kind is Node and key.name.kind == "scalar":
            key = evaluate(key).item()
            kind = type(key)
        # Others are dropped: a small file can hold a tuple that takes practically forever to hash.
        if kind is str or (kind is int and -(2**63) <= key < 2**64):
            target[key] = value


def _find(module: object, name: object) -> Name:
    """Look a name up in the list; nothing is imported."""
    if not isinstance(module, str) or not isinstance(name, str):
        raise RefusedError("a name as text", "another")
    kind = TREE_NAMES.get((module, name))
    if kind is None:
        refused = printable(f"{module}.{name}", MAX_NAME)
        raise RefusedError("only names that such a file needs", f"'{refused}'; nothing was executed")
    return Name(kind, f"{module}.{name}")


def _call(name: object, args: object) -> object:
    """Record a call; containers are made."""
    if type(name) is not Name or type(args) is not tuple:
        raise RefusedError("a call of a class or function with a tuple", f"a call of {describe(name)}")
    kind = name.kind
    if kind == "reconstruct":
        if not args or type(args[0]) is not Name:
            raise RefusedError(f"a call of {name.origin} with a class", "a call without one")
        return Node(args[0], ())
    if kind == "dict":
        made: dict[Any, Any] = {}
        if args and type(args[0]) is list:  # as Python 2 pickles an OrderedDict
            open_budget("estimates").take(len(args[0]), 4 * _PER_STEP)
            for pair in args[0]:
                if isinstance(pair, (list, tuple)) and len(pair) == 2:
                    _fill(made, list(pair))
        return made
    if kind == "set":
        # A small file can ask for a million copies of a long list: it gets the list itself.
        if not args or not isinstance(args[0], (list, tuple)):
            return []
        return list(args[0]) if len(args[0]) <= _MAX_COPIED else args[0]
    if kind == "path":
        open_budget("estimates").take(sum(len(part) for part in args if isinstance(part, str)), 4)
        return "/".join(part for part in args if isinstance(part, str)).replace("//", "/")
    return Node(name, args)


def _objects(shape: object, items: list[Any]) -> object:
    """Turn an array of objects into their list, one without axes into its object."""
    return items[0] if shape == () and len(items) == 1 else items


def _wrapped(data: bytes, state: object, pos: int, nested: int) -> tuple[ArrayForm | None, object, int]:
    """Read an array's bytes after its record; return its form, the array, and where it ends."""
    if type(state) is not dict:
        raise RefusedError("a record of an array", "another")
    node = state.get("dtype")
    dtype = _dtype(node)
    if dtype is None:  # objects are a pickle of their own
        value, pos = parse_tree(data, pos, nested + 1)
        return None, value, pos
    order = state.get("order")
    aligned = state.get("numpy_array_alignment_bytes") is not None
    if aligned:
        pos += 1 + data[pos]
    form = ArrayForm(data, check_form(state.get("shape"), dtype, len(data) - pos), dtype, str(order))
    form.aligned = aligned
    return form, StoredArray((form, pos)), pos + form.nbytes


def _dtype(node: object) -> np.dtype[Any] | None:
    """Read the type of an array's numbers; None for objects."""
    code = node.args[0] if type(node) is Node and node.name.kind == "dtype" and node.args else None
    if code in ("O8", "O4", "O"):
        return None
    # An array of no numbers has the same checks as one of many.
    empty = Node(Name("array", "numpy.ndarray"), (), (1, (0,), node, False, b""))
    return evaluate(empty).dtype


def as_array(value: object) -> Array:
    """Evaluate a leaf, or a list of numbers or texts, as an array; RefusedError if it is neither.

    It counts to the memory of the file that is being read, as often as the file refers to it.
    """
    array = _array_of(value, {})
    open_budget("estimates").take(_PER_ARRAY + array.size * max(_PER_NUMBER, array.itemsize))
    return array


def _array_of(value: object, done: dict[int, Array]) -> Array:
    """Evaluate a value; `done` are the lists of this array that were made."""
    if isinstance(value, StoredArray):
        return value.array()
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, Node):
        if value.name.kind == "parameter" and value.args:
            return _array_of(value.args[0], done)
        return _tensor(value) if value.name.kind == "tensor" else _evaluated(value)
    if isinstance(value, (list, tuple)):
        if id(value) not in done:
            done[id(value)] = _listed(value, done)
        return done[id(value)]
    return _evaluated(value)


def _evaluated(value: object) -> Array:
    try:
        return evaluate(value)
    except RefusedError:
        raise
    except Exception as error:  # a recipe fails in many ways on a forged record
        raise RefusedError("an array", f"one that is damaged ({type(error).__name__})") from None


def _listed(value: Any, done: dict[int, Array]) -> Array:
    """Make an array of nested lists; their leaves may be arrays."""
    if not len(value):
        return np.zeros(0)
    if all(type(item) is float or type(item) is int or type(item) is bool for item in value):
        return np.array(value)
    if all(type(item) is str for item in value):
        if len(value) * max(map(len, value)) > MAX_ELEMENTS:
            raise RefusedError("texts of moderate length", "longer ones")
        return np.array(value)
    try:
        parts = [_array_of(item, done) for item in value]
        open_budget("estimates").take(sum(part.nbytes for part in parts))
        return np.stack(parts)
    except ValueError:
        raise RefusedError("arrays of one shape", "a list of several") from None
    except RecursionError:
        raise RefusedError("an array", "lists without end") from None


def _tensor(node: Node) -> Array:
    """Return the array of a tensor, whose storage is a stream of torch.save within the pickle."""
    match node.args:
        case (Node(Name("legacy storage"), (bytes(stream),)), offset, shape, strides, *_):
            return tensor_view(_legacy_storage(stream), offset, shape, strides)
    raise RefusedError("a tensor with its numbers", "another")


def tensor_view(numbers: Array, offset: Any, shape: Any, strides: Any) -> Array:
    """Return the view of a storage's numbers that a tensor is."""
    shape, strides = checked_sizes(shape), checked_sizes(strides)
    if len(shape) != len(strides) or not is_size(offset):
        raise RefusedError("an offset, sizes and as many strides, all integers of at least 0", "others")
    count = prod(shape)
    end = offset + 1 + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if count and end > len(numbers):
        raise RefusedError(f"a view of {len(numbers)} numbers", f"one that ends at number {end}")
    if count > max(len(numbers), MAX_ELEMENTS):
        raise RefusedError(f"at most {MAX_ELEMENTS} numbers", f"shape {shape}")
    if not count:
        return np.empty(shape, numbers.dtype)
    step = numbers.dtype.itemsize
    return np.ndarray(shape, numbers.dtype, numbers, offset * step, [stride * step for stride in strides])


def _legacy_storage(stream: bytes) -> Array:
    """Read the numbers of a storage: five pickles, then for each key its length and its bytes."""
    magic, pos = parse_tree(stream, 0, 1)
    _, pos = parse_tree(stream, pos, 1)
    system, pos = parse_tree(stream, pos, 1)
    record, pos = parse_tree(stream, pos, 1)
    keys, pos = parse_tree(stream, pos, 1)
    if magic != _LEGACY_MAGIC or type(system) is not dict or system.get("little_endian") is False:
        raise RefusedError("a storage of torch, little-endian", "another")
    match record:
        case Node(Name("persistent id"), (("storage", Name(kind), key, _, int(length), *_),)) if (
            kind in STORAGES and keys == [key]
        ):
            dtype = np.dtype(STORAGES[kind])
        case _:
            raise RefusedError("one storage of real numbers", "another")
    (count,) = struct.unpack_from("<q", stream, pos) if len(stream) >= pos + 8 else (-1,)
    if count != length or count < 0 or len(stream) < pos + 8 + count * dtype.itemsize:
        raise RefusedError("the numbers of a storage", "fewer")
    return np.frombuffer(stream, dtype, count, pos + 8)
