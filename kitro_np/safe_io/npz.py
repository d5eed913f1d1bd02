"""Npz: read the members of an .npz file, distrusting its sizes; write one as a whole."""

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
from .pickle_arrays import MAX_ELEMENTS, Array

__all__ = ["NpzArrays", "write_npz"]

_PIECE = 2**18


class NpzArrays(Mapping[str, Array]):
    """The members of an .npz file, read one by one on access; no pickle is ever read.

    Parameters
    ----------
    path
        The file.
    max_elements
        Most numbers in one array; None where only the data that are there limit it.
    """

    def __init__(self, path: Path, max_elements: int | None = MAX_ELEMENTS) -> None:
        self._path = path
        self._max_elements = max_elements
        if path.exists() and not path.is_file():
            raise InputError(f"{path} is no file; an .npz archive was expected.")
        with open(path, "rb") as file:
            try:
                with zipfile.ZipFile(file) as archive:
                    members = archive.namelist()
            except Exception as error:  # a forged archive makes zipfile raise many things
                reason = type(error).__name__
                raise InputError(f"{path} is no .npz archive, or it is damaged ({reason}).") from error
        self._keys = [name.removesuffix(".npy") for name in members if name.endswith(".npy")]

    def __getitem__(self, key: str) -> Array:
        if key not in self._keys:
            raise KeyError(key)
        try:
            with zipfile.ZipFile(self._path) as archive, archive.open(key + ".npy") as member:
                return _read_npy(member, self._max_elements)
        except InputError as error:
            raise InputError(f"{self._path}: in {key}, {error}.") from None
        except Exception as error:  # as above, and the header of the member is untrusted, too
            raise InputError(f"{self._path}: {key} is damaged ({type(error).__name__}).") from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._keys


def _read_npy(member: IO[bytes], max_elements: int | None) -> Array:
    """Read one array; memory is taken for what is there, never for what the header claims."""
    version = npy.read_magic(member)
    read_header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy warns of headers that Python 2 wrote, as AMASS' are
        shape, fortran, dtype = read_header(member)
    if dtype.kind not in "biufSU":
        raise InputError(f"numbers or text were expected, and {dtype} came")
    if min(shape, default=0) < 0:
        raise InputError(f"a size of at least 0 was expected, and the shape {shape} came")
    expected = prod(shape) * dtype.itemsize
    if max_elements is not None and (prod(shape) > max_elements or expected > 8 * max_elements):
        raise InputError(f"at most {max_elements} numbers were expected, and the shape {shape} came")
    data = bytearray()  # grows piece by piece: one read of a long clip would need twice its memory
    while len(data) <= expected and (
        piece := member.read(_PIECE)
    ):  # to the end: zipfile checks its sum there
        data += piece
    if len(data) != expected:
        raise InputError(f"{expected} bytes were expected, and {len(data)} or more came")
    return np.ndarray(shape, dtype, data, order="F" if fortran else "C")


def write_npz(path: str | os.PathLike[str], arrays: Mapping[str, Any], *, force: bool = False) -> Path:
    """Write arrays to an .npz file that is there as a whole or not at all.

    Parameters
    ----------
    path : path
    arrays : mapping of str to array
    force : bool
        Write over an existing file.

    Returns
    -------
    Path
    """
    target = check_output(path, force=force)
    atomic_write(target, lambda file: np.savez(file, **arrays))
    return target
