"""Writing .npz files."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write the arrays to a temporary file first, so that the output is always complete or absent.

    Equal arrays make equal files, byte for byte: NumPy gives every entry the same date.
    """
    handle, temporary = tempfile.mkstemp(suffix=".npz.part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez_compressed(file, **arrays)
        os.chmod(temporary, 0o644)  # mkstemp lets nobody else read it
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
