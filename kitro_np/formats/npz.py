"""NumPy's .npz: this package's files, the KITRO authors' arrays, and any others."""

from __future__ import annotations

from pathlib import Path

from ..safe_io.archive import open_archive
from ..safe_io.npz import NpzArrays, write_npz
from .registry import Format


def is_npz(path: Path) -> bool:
    """Whether a file is a zip archive of NumPy arrays."""
    with open(path, "rb") as file:
        try:
            with open_archive(file) as archive:
                return any(name.endswith(".npy") for name in archive.namelist())
        except Exception:  # zipfile raises many types of errors for forged archives
            return False


def read_npz(path: Path) -> NpzArrays:
    """Open an .npz file without a limit on the length of its arrays but memory: clips may be long."""
    return NpzArrays(path, max_elements=None)


FORMAT = Format("NumPy", (".npz",), is_npz, read_npz, write_npz, generic=True)
