"""Write a pickled tree of dicts, lists and arrays, which any version of NumPy reads."""

from __future__ import annotations

import pickle
import pickletools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .atomic_write import atomic_write
from .pickle_arrays import Node, RefusedError
from .pickle_tree import as_array, paused_collection
from .stored import StoredArray

PROTOCOL = 3
"""Of the pickle: names are lines, and the lengths of frames, which come with protocol 4, need no change."""

NEW, OLD = "numpy._core.multiarray _reconstruct", b"cnumpy.core.multiarray\n_reconstruct\n"
"""What NumPy 2 calls the maker of arrays, and the instruction with its old name, which all versions know."""


def write_tree(target: Path, tree: Any) -> None:
    """Write a tree atomically; arrays of a file that was read are copied from it.

    Raises
    ------
    RefusedError
        If it holds anything but dicts, lists, tuples, texts, bytes, numbers and arrays.
    """
    with paused_collection():
        data = pickle.dumps(plain(tree), PROTOCOL)
    atomic_write(target, lambda file: file.writelines(_with_old_name(data)))


def plain(value: Any) -> Any:
    """Return a tree of Python's own containers and NumPy's arrays."""
    kind = type(value)
    if isinstance(value, Mapping):  # that of a large file is no dict
        return {key: plain(item) for key, item in value.items()}
    if kind is list:
        return [plain(item) for item in value]
    if kind is tuple:
        return tuple(plain(item) for item in value)
    if value is None or kind in (str, bytes, int, float, bool):
        return value
    if kind is StoredArray:
        return value.array()
    if kind is Node and value.name.kind == "scalar":
        return as_array(value).item()
    if kind is Node:
        return as_array(value)
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufSU":
        return value
    if isinstance(value, np.generic):
        return value.item()
    raise RefusedError("dicts, lists, texts, numbers and arrays", f"a {kind.__name__}")


def _with_old_name(data: bytes) -> list[bytes]:
    """Return the parts of a pickle with the old name in place of the new one, which is written once."""
    for instruction, argument, start in pickletools.genops(data):
        if instruction.name == "GLOBAL" and argument == NEW:
            assert start is not None
            return [data[:start], OLD, data[start + len(NEW) + 2 :]]
    return [data]
