"""Interchange: convert arrays of other libraries to NumPy and back, without copying the CPU's memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_numpy_array, is_torch_array

from .arguments import like_pose, real_array
from .engines import on_cuda

CPU_MEMORY = 1
"""DLPack's device type of CPU memory (kDLCPU)."""

NUMPY_FLOATS = ("float16", "float32", "float64")
"""Floating-point dtypes of NumPy; others, such as bfloat16, are converted to float32."""


class Interchange:
    """Conversion of one library's arrays to NumPy arrays, and back.

    Parameters
    ----------
    like : array
        An array of the library, on the device of the others.
    """

    def __init__(self, like: Any) -> None:
        self._xp = array_namespace(like)
        self._device = device(like)

    def to_numpy(self, array: Any) -> np.ndarray:
        """Return a NumPy array that shares the memory of `array`; a copy if NumPy lacks its dtype."""
        return as_numpy(array)

    def from_numpy(self, array: np.ndarray) -> Any:
        """Return an array of the library that shares the memory of a NumPy array."""
        return self._xp.asarray(array, device=self._device)

    def arguments(self, pose: Any, **others: Any) -> dict[str, Any]:
        """Check that a pose and its other arguments are of one library, and return NumPy arrays or None."""
        checked = {"pose": real_array("pose", pose)}
        checked |= {
            name: part if part is None else like_pose(pose, name, part) for name, part in others.items()
        }
        return {name: part if part is None else self.to_numpy(part) for name, part in checked.items()}


def interchange_for(array: Any) -> Interchange | None:
    """Return the conversion for an array in the CPU's memory that is not NumPy's; None for any other."""
    if is_numpy_array(array) or on_cuda(array) or not _is_on_cpu(array):
        return None
    return Interchange(array)


def as_numpy(array: Any) -> np.ndarray:
    """Return an array of any library as a NumPy array; GPU memory is copied."""
    if isinstance(array, np.ndarray):
        return array
    if is_torch_array(array):
        if not _numpy_has(array):
            array = array.float()
        # NumPy has no views that conjugate or negate as they are read.
        tensor: np.ndarray = array.detach().cpu().resolve_conj().resolve_neg().numpy()
        return tensor
    if hasattr(array, "get"):  # CuPy
        copied: np.ndarray = array.get()
        return copied
    return np.from_dlpack(array)


def _is_on_cpu(array: Any) -> bool:
    """Whether NumPy can access the memory of an array; tried on an empty slice of it."""
    if is_torch_array(array):
        return bool(array.device.type == "cpu" and array.layout == array_namespace(array).strided)
    try:
        if array.__dlpack_device__()[0] != CPU_MEMORY:
            return False
        np.from_dlpack(array[:0, ...] if array.ndim else array)
    except Exception:  # each library raises another type of error
        return False
    return True


def _numpy_has(array: Any) -> bool:
    """Whether NumPy has the dtype of a tensor; it has no bfloat16."""
    floating = array_namespace(array).isdtype(array.dtype, "real floating")
    return not floating or str(array.dtype).removeprefix("torch.") in NUMPY_FLOATS
