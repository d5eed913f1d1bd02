"""Shards in .npz: members of the archive are read side by side, a few rows of each at a time."""

from __future__ import annotations

import tempfile
import warnings
import zipfile
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from itertools import pairwise
from math import prod
from pathlib import Path
from shutil import copyfileobj
from typing import IO, Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from ..errors import InputError
from ..formats.estimates import KEYS
from .rows import ShardRows, bounded, check_size, codes_of, damaged, rows_at_once, stops_of

SUFFIX = ".npz"

MOST_ROW_BYTES = 2**24
"""Bytes of one row, or of an array that is not per row."""


class NpzShard:
    """An .npz file to be read by rows: arrays as long as the pose are columns, others of all rows."""

    def __init__(self, path: Path, columns: Collection[str]) -> None:
        self.path = path
        with damaged(path, "an .npz archive"):
            self._archive = zipfile.ZipFile(path)
            members = [name for name in self._archive.namelist() if name.endswith(".npy")]
            headers = {name.removesuffix(".npy"): self._header(name) for name in members}
            pose = next((headers[key] for key in KEYS["pose"] if key in headers), None)
            if pose is None or not pose[0]:
                keys = " or ".join(key for key in KEYS["pose"])
                raise InputError(f"{path}: expected the key {keys}, got {', '.join(headers) or 'none'}.")
            self.rows: int = pose[0][0]
            self._columns = {key: form for key, form in headers.items() if form[0][:1] == (self.rows,)}
            for key, form in headers.items():
                each = form[2].itemsize * prod(form[0][1:] if key in self._columns else form[0])
                if each > MOST_ROW_BYTES or (form[1] and len(form[0]) > 1 and key in self._columns):
                    what = (
                        f"at most {MOST_ROW_BYTES} bytes" if each > MOST_ROW_BYTES else "an array in C order"
                    )
                    raise InputError(f"{path}: {key}: expected {what}, got {form[0]} of {form[2]}.")
            self.names = self.arrays = [*self._columns]
            self.row_bytes = sum(form[2].itemsize * prod(form[0][1:]) for form in self._columns.values())
            rest = [
                form[2].itemsize * prod(form[0]) for key, form in headers.items() if key not in self._columns
            ]
            check_size(path, "what is the same for all rows", sum(rest))
            self._rest = [key for key in headers if key not in self._columns]

    @cached_property
    def constants(self) -> dict[str, np.ndarray]:
        """What is the same for all rows."""
        with damaged(self.path, "an .npz archive"):
            return {key: self._whole(key) for key in self._rest}

    def column(self, name: str) -> np.ndarray:
        """Read a column whole."""
        shape, _, dtype = self._columns[name]
        check_size(self.path, name, prod(shape) * dtype.itemsize)
        with damaged(self.path, "an .npz archive"):
            return self._whole(name)

    def labels(self, name: str) -> np.ndarray:
        """Read a column of labels, as whole numbers."""
        with damaged(self.path, "an .npz archive"), self._open(name) as file:
            size = rows_at_once(2**16, self.row_bytes)
            stops = [0, *stops_of(self.rows, size)]
            return codes_of(self._take(name, file, b - a) for a, b in pairwise(stops))

    def batches(self, stops: Iterator[int]) -> Iterator[ShardRows]:
        """Yield rows from stop to stop."""
        with damaged(self.path, "an .npz archive"):
            files = {key: self._open(key) for key in self._columns}
        start = 0
        for stop in bounded(stops, self.path, self.row_bytes) if self.rows else [0]:
            with damaged(self.path, "an .npz archive"):
                arrays = {key: self._take(key, file, stop - start) for key, file in files.items()}
            yield ShardRows({**self.constants, **arrays})
            start = stop
        with damaged(self.path, "an .npz archive"):
            for key, file in files.items():  # at the end of a member its checksum is verified
                if file.read(1):
                    raise InputError(f"{self.path}: {key}: expected {self.rows} rows, got more.")
                file.close()

    def close(self) -> None:
        """Close the file."""
        self._archive.close()

    def _header(self, member: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
        with self._archive.open(member) as file:
            return self._read_header(file, member.removesuffix(".npy"))

    def _read_header(self, file: IO[bytes], key: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
        version = npy.read_magic(file)
        read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy warns about headers written by Python 2
            shape, fortran, dtype = read(file)
        if dtype.kind not in "biufSU" or min(shape, default=0) < 0:
            raise InputError(f"{self.path}: {key}: expected numbers or text, got dtype {dtype}.")
        return shape, fortran, dtype

    def _open(self, key: str) -> IO[bytes]:
        file = self._archive.open(f"{key}.npy")
        self._read_header(file, key)
        return file

    def _take(self, key: str, file: IO[bytes], rows: int) -> np.ndarray:
        shape, _, dtype = self._columns[key]
        size = rows * prod(shape[1:]) * dtype.itemsize
        data = bytearray()  # not as large as a forged header says, but as the data is
        while len(data) < size and (block := file.read(min(size - len(data), 2**20))):
            data += block
        if len(data) < size:
            raise InputError(f"{self.path}: {key}: expected {self.rows} rows, got fewer.")
        return np.frombuffer(data, dtype).reshape(rows, *shape[1:])

    def _whole(self, key: str) -> np.ndarray:
        with self._archive.open(f"{key}.npy") as file:
            shape, fortran, dtype = self._read_header(file, key)
            size, data = prod(shape) * dtype.itemsize, bytearray()
            while len(data) <= size and (block := file.read(2**20)):
                data += block
        if len(data) != size:
            raise InputError(f"{self.path}: {key}: expected {size} bytes, got {len(data)}.")
        return np.ndarray(shape, dtype, data, order="F" if fortran else "C")


class NpzWriter:
    """An .npz file to be written by rows: columns grow in files without names, and are packed at the end."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self._folder = file, path.parent
        self._columns: dict[str, tuple[BinaryIO, tuple[int, ...], np.dtype[Any]]] = {}
        self._constants: Mapping[str, Any] = {}
        self._rows = 0

    def write(self, arrays: Mapping[str, Any], constants: Mapping[str, Any], rows: ShardRows | None) -> None:
        """Write arrays."""
        self._constants = constants
        for name, given in arrays.items():
            array = np.ascontiguousarray(given)
            if name not in self._columns:
                file: Any = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed when packed
                self._columns[name] = (file, array.shape[1:], array.dtype)
            array.tofile(self._columns[name][0])
        self._rows += len(next(iter(arrays.values())))

    def close(self) -> None:
        """Pack the columns."""
        with zipfile.ZipFile(self._file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            for name, (file, shape, dtype) in self._columns.items():
                file.seek(0)
                with archive.open(_member(name), "w", force_zip64=True) as member:
                    about = {"descr": npy.dtype_to_descr(dtype), "shape": (self._rows, *shape)}
                    npy.write_array_header_1_0(member, {**about, "fortran_order": False})
                    copyfileobj(file, member, 2**20)
                file.close()
            for name, value in sorted(self._constants.items()):
                with archive.open(_member(name), "w", force_zip64=True) as member:
                    npy.write_array(member, np.asarray(value), allow_pickle=False)


def _member(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))  # the same bytes at any time
