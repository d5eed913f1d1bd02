"""Read a file of torch.save's without torch: nothing that the file names is imported, called or run.

Such a file is a zip. NAME/data.pkl says which tensors there are; NAME/data/0, NAME/data/1, ... are storages:
numbers, uncompressed, that tensors are views of. They are mapped rather than read, so a clip may be larger
than memory. Like torch, this looks at no checksums: that would read all of a large file.
"""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Iterable
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from ..errors import InputError
from .pickle_arrays import MAX_ELEMENTS, Array, Name, Node, RefusedError
from .pickle_stream import NUMPY_NAMES, Dialect, PickledArrays, parse

__all__ = ["TorchArrays", "is_torch_file"]

_LEGACY = b"\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
"""Torch before 1.6 wrote several pickles in a row; the first is this number."""

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

# The name of an image takes five reads, and there may be millions.
_TORCH_FILE = Dialect(_NAMES.get, max_reads=2**24, persistent_ids=True)


class TorchArrays(PickledArrays):
    """The arrays of a dict that torch.save wrote, each one read when it is asked for.

    Tensors are read-only views of the mapped file, save for bfloat16, which NumPy lacks: it becomes float32.
    NumPy's arrays, numbers, text and lists of text become arrays, too.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    InputError
        If torch.save did not write it, wrote it in the format that it had before torch 1.6, or if it is
        damaged or asks for anything but arrays. Indexing raises it for a key that is none.
    """

    def __init__(self, path: Path) -> None:
        with open(path, "rb") as file:
            if file.read(len(_LEGACY)) == _LEGACY:
                raise InputError(
                    f"{path}: expected torch's zip format, got that of before torch 1.6; convert it by "
                    "torch.save(torch.load(old), new) with a later torch."
                )
            try:
                with zipfile.ZipFile(file) as archive:
                    self._directory = {info.filename: info for info in archive.infolist()}
                self._folder = _folder(self._directory)
                self._order = self._byte_order(file)
                top = parse(file, self._seek(file, "data.pkl"), _TORCH_FILE)
            except RefusedError as reason:
                raise InputError(f"{path} cannot be read as a file of torch's: {reason}.") from None
            except Exception as error:  # a forged archive makes zipfile raise many things, as do pickles
                problem = type(error).__name__
                raise InputError(f"{path} is no zip of torch's, or it is damaged ({problem}).") from error
        super().__init__(path, top)

    def _evaluate(self, value: object) -> Array:
        match value:
            case Node(Name("parameter"), (tensor, *_)):
                return self._evaluate(tensor)
            case Node(Name("tensor"), args):
                return self._tensor(*args)
            case list() if all(type(text) is str for text in value):
                return _texts(value)
        return super()._evaluate(value)

    def _tensor(
        self, storage: Any, offset: Any, shape: Any, strides: Any, _grad: Any, _hooks: Any, flags: Any = None
    ) -> Array:
        """View a storage; the arguments are those of torch._utils._rebuild_tensor_v2."""
        match storage:
            case Node(Name("persistent id"), ("storage", Name(kind), str(key), _, int(length))) if (
                kind in _DTYPES and key.isdecimal()
            ):
                dtype = np.dtype(_DTYPES[kind]).newbyteorder(self._order)
            case _:
                raise RefusedError("expected a view of a storage of real numbers, got one of something else")
        if flags:
            raise RefusedError("expected a plain tensor, got one that is negated or conjugated on the way")
        numbers = (offset, *shape, *strides)
        if len(shape) != len(strides) or not all(type(number) is int and number >= 0 for number in numbers):
            raise RefusedError("expected an offset, sizes and as many strides, got other than whole numbers")
        count = prod(shape)
        end = offset + 1 + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
        if count and end > length:
            raise RefusedError(f"expected a view of {length} numbers, got one that ends at number {end}")
        if count > max(length, MAX_ELEMENTS):  # a stride of 0 makes many of few
            raise RefusedError(f"expected at most {MAX_ELEMENTS} numbers made of {length}, got shape {shape}")
        data = self._map(f"data/{key}", length * dtype.itemsize)
        if not count:
            return np.empty(shape, dtype)
        steps = [stride * dtype.itemsize for stride in strides]
        array = np.ndarray(shape, dtype, data, offset * dtype.itemsize, steps)
        if kind == "BFloat16Storage":
            array = array.astype(np.uint32)
            array <<= 16
            return array.view(np.float32)
        return array

    def _map(self, name: str, expected: int) -> Array:
        with open(self._path, "rb") as file:
            size = self._seek(file, name)
            if size != expected:
                raise RefusedError(f"expected {expected} bytes in {name}, got {size}")
            # What is empty cannot be mapped.
            return np.memmap(file, np.uint8, "r", file.tell(), size) if size else np.empty(0, np.uint8)

    def _seek(self, file: BinaryIO, name: str) -> int:
        """Go to the first byte of a member and return how many it has."""
        info = self._directory.get(self._folder + name)
        if info is None:
            raise RefusedError(f"expected the member {name}, got a file without it")
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            raise RefusedError(
                f"expected the member {name} as torch stores it, got it compressed or encrypted"
            )
        # The directory says where a member's own header is; what it says of the header's length may differ.
        file.seek(info.header_offset)
        magic, *lengths = struct.unpack("<4s22xHH", file.read(30).ljust(30, b"\0"))
        start = info.header_offset + 30 + sum(lengths)
        if magic != b"PK\3\4" or start + info.file_size > os.fstat(file.fileno()).st_size:
            raise RefusedError(f"its member {name} is damaged or incomplete")
        file.seek(start)
        return info.file_size

    def _byte_order(self, file: BinaryIO) -> Literal["<", ">"]:
        """Read the byte order; torch before 2.1 did not write it, and nearly always it was little."""
        if self._folder + "byteorder" not in self._directory:
            return "<"
        order = file.read(min(self._seek(file, "byteorder"), 9))
        if order not in (b"little", b"big"):
            raise RefusedError(f"expected the byte order little or big, got {order!r}")
        return "<" if order == b"little" else ">"


def is_torch_file(path: Path) -> bool:
    """Tell by its content whether torch.save wrote a file; by its name, too, where it is no whole zip."""
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                return bool(_folder(archive.namelist()))
        except Exception:  # as in TorchArrays
            file.seek(0)
            return file.read(len(_LEGACY)) == _LEGACY or path.suffix.lower() in (".pt", ".pth")


def _folder(names: Iterable[str]) -> str:
    """Return NAME/ of the member NAME/data.pkl that every zip of torch's has; empty where there is none."""
    folders = (name.removesuffix("data.pkl") for name in names if name.endswith("/data.pkl"))
    return next((folder for folder in folders if folder.count("/") == 1), "")


def _texts(texts: list[str]) -> Array:
    # NumPy makes all as long as the longest.
    if len(texts) * max(map(len, texts), default=0) > MAX_ELEMENTS:
        raise RefusedError(
            f"expected texts of at most {MAX_ELEMENTS} letters in all, each as long as the longest"
        )
    return np.array(texts, str)
