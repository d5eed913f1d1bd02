"""Interchange: arrays in the CPU's memory, of any library, as NumPy's and back, without copies."""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_numpy_array, is_torch_array

from .arguments import like_pose, real_array
from .engines import on_cuda

CPU_MEMORY = 1
"""DLPack's number for the memory of the CPU (kDLCPU)."""

NUMPY_FLOATS = ("float16", "float32", "float64")
"""Floating-point numbers that NumPy has; bfloat16 it has not."""


class Interchange:
    """A way from one library's arrays to NumPy's, and back.

    Parameters
    ----------
    like : array
        One of the library's arrays.
    """

    def __init__(self, like: Any) -> None:
        self._xp = array_namespace(like)
        self._device = device(like)

    def inward(self, array: Any) -> np.ndarray:
        """Return an array as NumPy's, in the same memory; a copy only of numbers that NumPy has not."""
        xp = self._xp
        known = not xp.isdtype(array.dtype, "real floating") or _name(array.dtype) in NUMPY_FLOATS
        return as_numpy(array if known else xp.astype(array, xp.float32))

    def outward(self, array: np.ndarray) -> Any:
        """Return a NumPy array as one of the library's, in the same memory."""
        return self._xp.asarray(array, device=self._device)

    def arguments(self, pose: Any, **others: Any) -> dict[str, Any]:
        """Return a pose and what goes with it as NumPy's, checked first to be of one library; None stays."""
        checked = {"pose": real_array("pose", pose)}
        checked |= {
            name: part if part is None else like_pose(pose, name, part) for name, part in others.items()
        }
        return {name: part if part is None else self.inward(part) for name, part in checked.items()}


def interchange_for(array: Any) -> Interchange | None:
    """Return the way from an array's library to NumPy; None for NumPy's own, and where there is none."""
    if is_numpy_array(array) or on_cuda(array) or not _lies_on_cpu(array):
        return None
    return Interchange(array)


def as_numpy(array: Any) -> np.ndarray:
    """Return any library's array as NumPy's; from a GPU it is copied."""
    if isinstance(array, np.ndarray):
        return array
    if is_torch_array(array):
        tensor: np.ndarray = array.detach().cpu().numpy()
        return tensor
    if hasattr(array, "get"):  # CuPy
        copied: np.ndarray = array.get()
        return copied
    return np.from_dlpack(array)


def _lies_on_cpu(array: Any) -> bool:
    """Whether NumPy can look at an array's memory: tested on one number of it."""
    if is_torch_array(array):
        return bool(array.device.type == "cpu" and array.layout == array_namespace(array).strided)
    try:
        if array.__dlpack_device__()[0] != CPU_MEMORY:
            return False
        np.from_dlpack(array[:0, ...] if array.ndim else array)
    except Exception:  # each library refuses in its own way
        return False
    return True


def _name(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")
