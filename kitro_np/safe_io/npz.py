"""Npz: read the arrays of an .npz file without trusting the sizes it declares; write one atomically."""

import os
import warnings
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from ..errors import InputError, printable
from .archive import open_archive, read_member
from .atomic_write import atomic_write, check_output
from .memory import Budget
from .pickle_arrays import MAX_ELEMENTS, Array, RefusedError
from .sizes import checked_sizes

__all__ = ["NpzArrays", "read_npy_file", "read_npy_header", "write_npz"]

_MAX_ITEM_BYTES = 8
"""Bytes of the largest number, float64 or int64; text has more, so an array of it may have fewer items."""


class NpzArrays(Mapping[str, Array]):
    """The arrays of an .npz file, each read on access; pickled objects are never read.

    Parameters
    ----------
    path : Path
    max_elements : int, optional
        Most numbers in one array; None for no limit but that of memory.
    kind : str
        Kind of file, which says how much memory the arrays that are read may take together.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InputError
        If it is no .npz archive. Indexing raises it for an array that is damaged, too large, or holds
        anything but numbers and text.
    """

    def __init__(self, path: Path, max_elements: int | None = MAX_ELEMENTS, kind: str = "estimates") -> None:
        self._path = path
        self._max_elements = max_elements
        self._budget = Budget(kind)
        self._counted: set[str] = set()  # arrays that were read, whose memory is taken
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: expected an .npz archive, got a folder, a device or a pipe.")
        with open(path, "rb") as file:
            try:
                with open_archive(file) as archive:
                    members = archive.namelist()
            except RefusedError as reason:
                raise InputError(f"{path}: expected {reason.expected}, got {reason.got}.") from None
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
            with open(self._path, "rb") as file, open_archive(file) as archive:
                size = archive.getinfo(key + ".npy").file_size
                with archive.open(key + ".npy") as member:
                    return self._read(member, size, key)
        except RefusedError as reason:
            raise InputError(
                f"{self._path}: {printable(key)}: expected {reason.expected}, got {reason.got}."
            ) from None
        except Exception as error:  # as above; NumPy raises more for a forged header
            kind = type(error).__name__
            raise InputError(
                f"{self._path}: {printable(key)}: expected an array, got one that is damaged ({kind})."
            ) from error

    def _read(self, member: IO[bytes], size: int, key: str) -> Array:
        """Read one array of a member of `size` bytes, as the archive says."""
        shape, fortran, dtype = read_npy_header(member)
        expected = prod(shape) * dtype.itemsize
        most = self._max_elements
        if most is not None and (prod(shape) > most or expected > _MAX_ITEM_BYTES * most):
            raise RefusedError(f"at most {most} numbers", f"shape {shape}")
        # Before anything is inflated: a few MB may claim, and inflate to, as many GB.
        if expected != size - member.tell():
            raise RefusedError(f"{expected} bytes", f"{size - member.tell()}")
        if key not in self._counted:
            self._budget.take(expected)
            self._counted.add(key)
        data = read_member(member, expected)
        if len(data) != expected:
            raise RefusedError(f"{expected} bytes", str(len(data)) if len(data) < expected else "more")
        return np.ndarray(shape, dtype, data, order="F" if fortran else "C")

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._keys


def read_npy_header(file: IO[bytes], *, objects: bool = False) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the header of an array of numbers or text: its shape, whether it is in Fortran's order, its type.

    `objects` permits an array of objects, too, which are a pickle.

    Raises
    ------
    RefusedError
        If its type or shape are none that readers take.
    Exception
        Of many types, as NumPy raises for headers that are damaged or forged.
    """
    version = npy.read_magic(file)
    read_header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy warns about headers written by Python 2, such as AMASS'
        shape, fortran, dtype = read_header(file)
    if dtype.kind not in ("biufSUO" if objects else "biufSU"):
        raise RefusedError("numbers or text", f"dtype {printable(dtype)}")
    return checked_sizes(shape), fortran, dtype


def read_npy_file(path: Path, kind: str) -> Array:
    """Read an .npy file of numbers or text, of a kind of file that says how much memory it may take.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    RefusedError
        If it is no such file, or is too large.
    """
    if path.exists() and not path.is_file():
        raise RefusedError("an .npy file", "a folder, a device or a pipe")
    with open(path, "rb") as file:
        try:
            shape, fortran, dtype = read_npy_header(file)
        except RefusedError:
            raise
        except Exception as error:  # NumPy raises many types of errors for a forged header
            raise RefusedError("an .npy file", f"another ({type(error).__name__})") from None
        expected = prod(shape) * dtype.itemsize
        left = path.stat().st_size - file.tell()
        if left != expected:
            raise RefusedError(f"{expected} bytes", str(left))
        Budget(kind).take(expected)
        return np.ndarray(shape, dtype, read_member(file, expected), order="F" if fortran else "C")


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
