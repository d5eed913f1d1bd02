"""Read the members of an .npz model file, distrusting its sizes."""

import warnings
import zipfile
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from kitro_np.body.recipes import MAX_ELEMENTS, Array
from kitro_np.errors import InputError

__all__ = ["NpzArrays"]


class NpzArrays(Mapping[str, Array]):
    """The members of an .npz file, read one by one on access; no pickle is ever read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        if path.exists() and not path.is_file():
            raise InputError(f"{path} is no file; a model file (.npz) was expected.")
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
                return _read_npy(member)
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


def _read_npy(member: IO[bytes]) -> Array:
    """Read one array; the size that its header claims is checked before memory is asked for."""
    version = npy.read_magic(member)
    read_header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy warns of headers that Python 2 wrote, as AMASS' are
        shape, fortran, dtype = read_header(member)
    if dtype.kind not in "biufSU":
        raise InputError(f"numbers or text were expected, and {dtype} came")
    if min(shape, default=0) < 0:
        raise InputError(f"a size of at least 0 was expected, and the shape {shape} came")
    if prod(shape) > MAX_ELEMENTS or prod(shape) * dtype.itemsize > 8 * MAX_ELEMENTS:
        raise InputError(f"at most {MAX_ELEMENTS} numbers were expected, and the shape {shape} came")
    wanted = prod(shape) * dtype.itemsize
    data = member.read(wanted + 1)  # one more, so that zipfile gets to the end and checks its sum
    if len(data) != wanted:
        raise InputError(f"{wanted} bytes were expected, and {len(data)} or more came")
    return np.ndarray(shape, dtype, data, order="F" if fortran else "C")
