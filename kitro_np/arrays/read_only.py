"""Read-only copies of a body's NumPy arrays.

A body is shared (the embedded one by all callers), and its kernel layout is cached: writing to its arrays
would change it for other callers, and only in part.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_numpy_array


def read_only(array: Any) -> Any:
    """Return a read-only NumPy array; other values are returned unchanged.

    It is a copy unless `array` is read-only and owns its memory: neither the caller's array nor the array
    behind a read-only view is shared or changed.
    """
    if not isinstance(array, np.ndarray) or (array.flags.owndata and not array.flags.writeable):
        return array
    array = np.array(array)
    array.setflags(write=False)
    return array


def read_only_like(array: Any, other: Any) -> Any:
    """Return an array in the kind, dtype and device of `other`, read-only."""
    kind = {"dtype": other.dtype, "device": device(other)}
    # torch would share the memory of a read-only array, and warns that it is writable through the tensor.
    copy = True if isinstance(array, np.ndarray) and not is_numpy_array(other) else None
    return read_only(array_namespace(other).asarray(array, copy=copy, **kind))
