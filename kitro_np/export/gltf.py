"""Container of glTF 2.0: accessors in one binary buffer, written as a .glb file."""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO

import numpy as np

COMPONENTS = {"uint8": 5121, "uint16": 5123, "uint32": 5125, "float32": 5126}
"""Codes of the types of numbers, by NumPy's name."""

TYPES = {1: "SCALAR", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
"""Types of accessors, by the numbers in one element."""

VERTICES, INDICES = 34962, 34963
"""What a buffer view is for: vertex attributes, indices."""

MAGIC, VERSION, JSON_CHUNK, BINARY_CHUNK = 0x46546C67, 2, 0x4E4F534A, 0x004E4942


class Gltf:
    """A glTF document under construction; lists of objects by glTF's names, and the buffer."""

    def __init__(self, generator: str) -> None:
        self.asset = {"version": "2.0", "generator": generator}
        self.objects: dict[str, list[Any]] = {}
        self._chunks: list[bytes] = []
        self._size = 0

    def add(self, kind: str, **properties: Any) -> int:
        """Add an object to a list such as "nodes"; return its index. None is left out."""
        objects = self.objects.setdefault(kind, [])
        objects.append({name: value for name, value in properties.items() if value is not None})
        return len(objects) - 1

    def accessor(self, array: np.ndarray, target: int | None = None, *, bounds: bool = False) -> int:
        """Add an array, (N,) or (N, K), as an accessor with a buffer view of its own; return its index."""
        array = np.ascontiguousarray(array)
        data = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        view = self.add("bufferViews", buffer=0, byteOffset=self._size, byteLength=len(data), target=target)
        data += b"\0" * (-len(data) % 4)
        self._chunks.append(data)
        self._size += len(data)
        rows = array.reshape(len(array), -1)
        return self.add(
            "accessors",
            bufferView=view,
            componentType=COMPONENTS[array.dtype.name],
            count=len(array),
            type=TYPES[rows.shape[1]],
            min=rows.min(axis=0).tolist() if bounds else None,
            max=rows.max(axis=0).tolist() if bounds else None,
        )

    def write(self, file: BinaryIO) -> None:
        """Write the document and its buffer as .glb."""
        document = {"asset": self.asset, **self.objects, "buffers": [{"byteLength": self._size}], "scene": 0}
        text = json.dumps(document, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        file.write(struct.pack("<III", MAGIC, VERSION, 12 + 8 + len(text) + 8 + self._size))
        file.write(struct.pack("<II", len(text), JSON_CHUNK) + text)
        file.write(struct.pack("<II", self._size, BINARY_CHUNK))
        for chunk in self._chunks:
            file.write(chunk)
