"""Read a file written by torch.save without torch: nothing that the file names is imported or called.

Such a file is a zip archive. NAME/data.pkl describes the tensors; NAME/data/0, NAME/data/1, ... are storages:
uncompressed numbers that tensors are views of. Small storages are copied, large ones memory-mapped, so a clip
may be larger than memory. A process that uses a mapped tensor dies of SIGBUS if another one cuts the file
meanwhile: write files anew and rename them, as atomic_write does. Like torch, this verifies no checksums:
that would read all of a large file.
"""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Callable, Iterable, MutableMapping
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, Literal
from weakref import WeakValueDictionary

import numpy as np

from ..errors import InputError
from .archive import open_archive
from .memory import Budget
from .pickle_arrays import MAX_ELEMENTS, Array, Name, Node, RefusedError, evaluate
from .pickle_stream import NUMPY_NAMES, Dialect, PickledArrays, parse
from .pickle_tree import parse_tree
from .sizes import checked_sizes, is_size

__all__ = ["TorchArrays", "is_torch_file", "torch_tree"]

_LEGACY = b"\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
"""First pickle of a file from before torch 1.6, which wrote several in a row: torch's magic number."""

_DTYPES = {
    "DoubleStorage": "f8",
    "FloatStorage": "f4",
    "HalfStorage": "f2",
    "BFloat16Storage": "u2",  # the upper half of a float32
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "b1",
}

_NAMES = {
    **NUMPY_NAMES,
    ("torch._utils", "_rebuild_tensor_v2"): "tensor",
    ("torch._utils", "_rebuild_parameter"): "parameter",
    ("collections", "OrderedDict"): "dict",
    **{("torch", storage): storage for storage in _DTYPES},
}

_TORCH_FILE = Dialect(_NAMES.get, max_reads=2**22, persistent_ids=True)
"""An image name takes five reads, and a file may hold millions of them."""

_LOCAL_HEADER = struct.Struct("<4s22xHH")
"""Header before a member of a zip archive: signature, then lengths of the name and the extra field."""

_LOCAL_SIGNATURE = b"PK\3\4"
"""First bytes of that header (PKWARE's APPNOTE.TXT, 4.3.7)."""

_ENCRYPTED = 1
"""Bit of a member's flags that says that it is encrypted (PKWARE's APPNOTE.TXT, 4.4.4)."""

_MAX_DIRECTORY = 2**26
"""Bytes of the directory: a file has a storage for each tensor, and trackers save a million small ones."""

_COPIED = 2**22
"""Bytes of the largest storage that is copied instead of mapped: what a video of minutes has."""

_MAX_DEPTH = 16
"""Deepest dict: released files nest three."""

_MAX_PICKLE = 2**28
"""Most bytes of data.pkl: it has no numbers of tensors."""

_MAX_BYTE_ORDER = 9
"""Bytes read of the member byteorder: more than "little" and "big" have."""


class _Members:
    """The members of a file of torch.save, and tensors as views of them."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self._budget = Budget("estimates")
        self._storages: MutableMapping[str, Array] = WeakValueDictionary()  # of tensors that are in use
        with open_archive(file, _MAX_DIRECTORY) as archive:
            self._directory = {info.filename: info for info in archive.infolist()}
        self._folder = _folder(self._directory)
        self._order = self._byte_order(file)

    def tensor(
        self, storage: Any, offset: Any, shape: Any, strides: Any, _grad: Any, _hooks: Any, flags: Any = None
    ) -> Array:
        """Return a view of a storage, from the arguments of torch._utils._rebuild_tensor_v2."""
        if type(storage) is Node and len(storage.args) == 1 and type(storage.args[0]) is tuple:
            storage = Node(storage.name, storage.args[0])  # as parse_tree records it
        match storage:
            case Node(Name("persistent id"), ("storage", Name(kind), str(key), _, int(length))) if (
                kind in _DTYPES and key.isdecimal() and is_size(length)
            ):
                dtype = np.dtype(_DTYPES[kind]).newbyteorder(self._order)
            case _:
                raise RefusedError("a view of a storage of real numbers", "a view of something else")
        if flags:
            raise RefusedError("a plain tensor", "one that is lazily negated or conjugated")
        shape, strides = checked_sizes(shape), checked_sizes(strides)
        if len(shape) != len(strides) or not is_size(offset):
            raise RefusedError("an offset, sizes and as many strides, all integers of at least 0", "others")
        count = prod(shape)
        end = offset + 1 + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
        if count and end > length:
            raise RefusedError(f"a view of {length} numbers", f"one that ends at number {end}")
        if count > max(length, MAX_ELEMENTS):  # a stride of 0 repeats numbers
            raise RefusedError(f"at most {MAX_ELEMENTS} numbers from {length}", f"shape {shape}")
        half = kind == "BFloat16Storage"
        if half or count > length:  # made by conversion, or by whoever copies repeated numbers
            self._budget.take(count, 4 if half else dtype.itemsize)
        data = self._map(f"data/{key}", length * dtype.itemsize)
        if not count:
            return np.empty(shape, dtype)
        steps = [stride * dtype.itemsize for stride in strides]
        array = np.ndarray(shape, dtype, data, offset * dtype.itemsize, steps)
        if half:  # the upper 16 bits of a float32
            array = array.astype(np.uint32)
            array <<= 16
            return array.view(np.float32)
        return array

    def _map(self, name: str, expected: int) -> Array:
        """Return a storage's bytes, read-only: copied if they are few, mapped if many."""
        known = self._storages.get(name)
        if known is not None and len(known) == expected:
            return known
        with open(self.path, "rb") as file:
            size = self.seek(file, name)
            if size != expected:
                raise RefusedError(f"{expected} bytes in {name}", str(size))
            if size > _COPIED:
                data: Array = np.memmap(file, np.uint8, "r", file.tell(), size)
            else:
                data = np.frombuffer(file.read(size), np.uint8)
                if len(data) != size:
                    raise RefusedError(f"the complete member {name}", "one that was cut while it was read")
        self._storages[name] = data
        return data

    def seek(self, file: BinaryIO, name: str) -> int:
        """Move to the first byte of a member and return its number of bytes."""
        info = self._directory.get(self._folder + name)
        if info is None:
            raise RefusedError(f"the member {name}", "a file without it")
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & _ENCRYPTED:
            raise RefusedError(f"the member {name} stored as torch does", "it compressed or encrypted")
        # The directory gives the offset of the local header, whose length may differ from the directory's.
        file.seek(info.header_offset)
        length = _LOCAL_HEADER.size
        signature, *lengths = _LOCAL_HEADER.unpack(file.read(length).ljust(length, b"\0"))
        start = info.header_offset + length + sum(lengths)
        if signature != _LOCAL_SIGNATURE or start + info.file_size > os.fstat(file.fileno()).st_size:
            raise RefusedError(f"the complete member {name}", "one that is damaged or incomplete")
        file.seek(start)
        return info.file_size

    def _byte_order(self, file: BinaryIO) -> Literal["<", ">"]:
        """Read the byte order; torch before 2.1 did not write it: little-endian is assumed."""
        if self._folder + "byteorder" not in self._directory:
            return "<"
        order = file.read(min(self.seek(file, "byteorder"), _MAX_BYTE_ORDER))
        if order not in (b"little", b"big"):
            raise RefusedError("the byte order little or big", ascii(order))
        return "<" if order == b"little" else ">"


def _parsed(path: Path, parse_top: Callable[[BinaryIO, int], Any]) -> tuple[_Members, Any]:
    """Open a file, and parse its data.pkl."""
    with open(path, "rb") as file:
        if file.read(len(_LEGACY)) == _LEGACY:
            raise InputError(
                f"{path}: expected torch's zip format, got the format from before torch 1.6; convert it "
                "by torch.save(torch.load(old), new) with a later torch."
            )
        try:
            members = _Members(path, file)
            return members, parse_top(file, members.seek(file, "data.pkl"))
        except RefusedError as reason:
            raise InputError(f"{path}: expected {reason.expected}, got {reason.got}.") from None
        except Exception as error:  # zipfile and the unpickler raise many types of errors
            kind = type(error).__name__
            raise InputError(
                f"{path}: expected a file written by torch.save, got another file or one that is damaged "
                f"({kind})."
            ) from error


def _parse_dict(file: BinaryIO, size: int) -> dict[str, object]:
    return parse(file, size, _TORCH_FILE)


def _parse_any(file: BinaryIO, size: int) -> Any:
    if size > _MAX_PICKLE:
        raise RefusedError(f"a pickle of at most {_MAX_PICKLE} bytes", str(size))
    return parse_tree(file.read(size))[0]


def torch_tree(path: Path) -> Any:
    """Return what torch.save wrote, of any type: dicts and lists, tensors as arrays; others stay records.

    Raises
    ------
    FileNotFoundError, InputError
        As :class:`TorchArrays`.
    """
    members, top = _parsed(path, _parse_any)
    return _branch(members, top, 0, {})


def _branch(members: _Members, value: object, depth: int, done: dict[int, Any]) -> Any:
    """Evaluate the tensors of a tree; what is there several times is evaluated once."""
    if depth > _MAX_DEPTH:
        raise InputError(f"{members.path}: expected dicts at most {_MAX_DEPTH} deep, got deeper ones.")
    if not isinstance(value, (dict, list, tuple, Node)):
        return value
    if id(value) not in done:
        if isinstance(value, dict):
            made: Any = {key: _branch(members, item, depth + 1, done) for key, item in value.items()}
        elif isinstance(value, (list, tuple)):
            made = [_branch(members, item, depth + 1, done) for item in value]
        else:
            made = _leaf(members, value)
        done[id(value)] = made
    return done[id(value)]


def _leaf(members: _Members, node: Node) -> Any:
    """Return an array; the record where it is another, or wrong, which whoever needs it says."""
    try:
        match node:
            case Node(Name("parameter"), (Node(Name("tensor"), args), *_)) | Node(Name("tensor"), args):
                return members.tensor(*args)
        return evaluate(node)
    except (RefusedError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return node


class TorchArrays(PickledArrays):
    """The arrays of a dict that torch.save wrote, each read on access.

    Tensors are read-only views of the memory-mapped file, except that bfloat16, which NumPy lacks, becomes
    float32. NumPy arrays, numbers, text and lists of text become arrays, too.

    Parameters
    ----------
    path : Path

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InputError
        If torch.save did not write it, or wrote it in the format from before torch 1.6; if it is damaged, or
        names anything but arrays. Indexing raises it for a key that is no array.
    """

    def __init__(self, path: Path) -> None:
        self._members, top = _parsed(path, _parse_dict)
        super().__init__(path, top, "estimates")

    def _evaluate(self, value: object) -> Array:
        match value:
            case Node(Name("parameter"), (tensor, *_)):
                return self._evaluate(tensor)
            case Node(Name("tensor"), args):
                return self._members.tensor(*args)
            case list() if all(type(text) is str for text in value):
                return _texts(value)
        return super()._evaluate(value)


def is_torch_file(path: Path) -> bool:
    """Whether torch.save wrote a file, by its content; if it is no readable zip, by its suffix, too."""
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        try:
            with open_archive(file, _MAX_DIRECTORY) as archive:
                return bool(_folder(archive.namelist()))
        except Exception:  # as in TorchArrays
            file.seek(0)
            return file.read(len(_LEGACY)) == _LEGACY or path.suffix.lower() in (".pt", ".pth")


def _folder(names: Iterable[str]) -> str:
    """Return NAME/ of the member NAME/data.pkl, which every file of torch.save has; "" if there is none."""
    folders = (name.removesuffix("data.pkl") for name in names if name.endswith("/data.pkl"))
    return next((folder for folder in folders if folder.count("/") == 1), "")


def _texts(texts: list[str]) -> Array:
    size = len(texts) * max(map(len, texts), default=0)  # NumPy pads all texts to the longest
    if size > MAX_ELEMENTS:
        raise RefusedError(f"texts of at most {MAX_ELEMENTS} characters in all, when padded", str(size))
    return np.array(texts, str)
