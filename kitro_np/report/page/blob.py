"""Arrays of a page: one compressed run of bytes, in base64, and where each array is in it."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np

KINDS = {"u1": "Uint8", "i2": "Int16", "u2": "Uint16", "u4": "Uint32", "f4": "Float32"}
"""JavaScript's names of arrays, by NumPy's."""

ALIGNED = 4
"""Bytes that arrays begin at multiples of, as JavaScript's views must."""


class Blob:
    """Arrays under their names."""

    def __init__(self) -> None:
        self.places: dict[str, dict[str, Any]] = {}
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, name: str, array: np.ndarray) -> None:
        """Add an array, of one of KINDS."""
        little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        kind = KINDS[little.dtype.str.lstrip("<|")]
        self.places[name] = {"kind": kind, "start": self._size, "shape": list(array.shape)}
        content = little.tobytes()
        content += bytes(-len(content) % ALIGNED)
        self._parts.append(content)
        self._size += len(content)

    def base64(self) -> str:
        """Return all arrays, compressed by zlib."""
        return base64.b64encode(zlib.compress(b"".join(self._parts), 9)).decode("ascii")
