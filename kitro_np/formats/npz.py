"""NumPy's .npz: this package's own files, the KITRO authors' arrays, and any others."""

from __future__ import annotations

import zipfile
from pathlib import Path

from ..safe_io.npz import NpzArrays, write_npz
from .registry import Format


def is_npz(path: Path) -> bool:
    """Whether a file is a zip that holds arrays of NumPy's."""
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                return any(name.endswith(".npy") for name in archive.namelist())
        except Exception:  # a forged archive makes zipfile raise many things
            return False


def read_npz(path: Path) -> NpzArrays:
    """Open an .npz file, whose arrays may be of any length, as a clip's are."""
    return NpzArrays(path, max_elements=None)


FORMAT = Format("NumPy", (".npz",), is_npz, read_npz, write_npz, generic=True)
