"""Read-only: NumPy arrays of a body that nobody can write to.

A body is shared (the embedded one by everybody) and laid out for the kernels once: writing to its arrays
would change it for others, and only in part.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_numpy_array


def read_only(array: Any) -> Any:
    """Return a NumPy array that cannot be written to, and other values as they are.

    It is a copy unless `array` is read-only and owns its memory: a caller's own array is neither changed nor
    shared, nor is one behind a read-only view.
    """
    if not isinstance(array, np.ndarray) or (array.flags.owndata and not array.flags.writeable):
        return array
    array = np.array(array)
    array.setflags(write=False)
    return array


def read_only_like(array: Any, other: Any) -> Any:
    """Return an array in the kind, dtype and device of `other`, read-only."""
    kind = {"dtype": other.dtype, "device": device(other)}
    # Torch would share the memory of a read-only array, and warns that it could write to it.
    copy = True if isinstance(array, np.ndarray) and not is_numpy_array(other) else None
    return read_only(array_namespace(other).asarray(array, copy=copy, **kind))
