"""Npz: read the arrays of an .npz file without trusting the sizes it declares; write one atomically."""

import os
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from ..errors import InputError
from .atomic_write import atomic_write, check_output
from .pickle_arrays import MAX_ELEMENTS, Array, RefusedError

__all__ = ["NpzArrays", "write_npz"]

_READ_BYTES = 2**18
"""Bytes of one read: few, so that little memory is used in addition to the array."""

_MAX_ITEM_BYTES = 8
"""Bytes of the largest number, float64 or int64; text has more, so an array of it may have fewer items."""


class NpzArrays(Mapping[str, Array]):
    """The arrays of an .npz file, each read on access; pickled objects are never read.

    Parameters
    ----------
    path : Path
    max_elements : int, optional
        Most numbers in one array; None for no limit but the data in the file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InputError
        If it is no .npz archive. Indexing raises it for an array that is damaged, too large, or holds
        anything but numbers and text.
    """

    def __init__(self, path: Path, max_elements: int | None = MAX_ELEMENTS) -> None:
        self._path = path
        self._max_elements = max_elements
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: expected an .npz archive, got a folder, a device or a pipe.")
        with open(path, "rb") as file:
            try:
                with zipfile.ZipFile(file) as archive:
                    members = archive.namelist()
            except Exception as error:  # zipfile raises many types of errors for forged archives
                kind = type(error).__name__
                raise InputError(
                    f"{path}: expected an .npz archive, got another file or one that is damaged ({kind})."
                ) from error
        self._keys = [name.removesuffix(".npy") for name in members if name.endswith(".npy")]

    def __getitem__(self, key: str) -> Array:
        if key not in self._keys:
            raise KeyError(key)
        try:
            with zipfile.ZipFile(self._path) as archive, archive.open(key + ".npy") as member:
                return _read_npy(member, self._max_elements)
        except RefusedError as reason:
            raise InputError(f"{self._path}: {key}: expected {reason.expected}, got {reason.got}.") from None
        except Exception as error:  # as above; NumPy raises more for a forged header
            kind = type(error).__name__
            raise InputError(
                f"{self._path}: {key}: expected an array, got one that is damaged ({kind})."
            ) from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._keys


def _read_npy(member: IO[bytes], max_elements: int | None) -> Array:
    """Read one array; memory is allocated for the data in the file, not for the size in its header."""
    version = npy.read_magic(member)
    read_header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy warns about headers written by Python 2, such as AMASS'
        shape, fortran, dtype = read_header(member)
    if dtype.kind not in "biufSU":
        raise RefusedError("numbers or text", f"dtype {dtype}")
    if min(shape, default=0) < 0:
        raise RefusedError("sizes of at least 0", f"shape {shape}")
    expected = prod(shape) * dtype.itemsize
    if max_elements is not None and (prod(shape) > max_elements or expected > _MAX_ITEM_BYTES * max_elements):
        raise RefusedError(f"at most {max_elements} numbers", f"shape {shape}")
    data = bytearray()  # grows block by block: a single read of a long clip would need twice its memory
    # Read to the end of the member, where zipfile verifies the checksum.
    while len(data) <= expected and (block := member.read(_READ_BYTES)):
        data += block
    if len(data) != expected:
        raise RefusedError(f"{expected} bytes", str(len(data)) if len(data) < expected else "more")
    return np.ndarray(shape, dtype, data, order="F" if fortran else "C")


def write_npz(path: str | os.PathLike[str], arrays: Mapping[str, Any], *, force: bool = False) -> Path:
    """Write arrays to an .npz file atomically.

    Parameters
    ----------
    path : path
    arrays : mapping of str to array
    force : bool
        Overwrite an existing file.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        If the file exists and `force` is not set, or it cannot be written.
    """
    target = check_output(path, force=force)
    atomic_write(target, lambda file: np.savez(file, **arrays))
    return target
