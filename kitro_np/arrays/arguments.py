"""Checks of a caller's numbers and arrays."""

from __future__ import annotations

import math
import operator
from numbers import Real
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_array_api_obj, is_numpy_array

from ..errors import InputError

LARGEST = 2**63 - 1
"""Largest integer that arrays hold."""

LONGEST = 128
"""Bits of an integer that is printed in full."""

MAX_NUMPY_BYTES = 8
"""Bytes of the largest number read from NumPy arrays: longdouble is refused, no other library has it."""


def check_integer(name: str, value: Any, least: int, most: int = LARGEST) -> int:
    """Check that `value` is an integer from `least` to `most`; bool is refused."""
    if isinstance(value, bool):
        raise InputError(f"{name}: expected an integer, got {value}.")
    try:
        number = operator.index(value)
    except TypeError:
        raise InputError(f"{name}: expected an integer, got {value!r}.") from None
    if number < least:
        raise InputError(f"{name}: expected at least {least}, got {shortened(number)}.")
    if number > most:
        raise InputError(f"{name}: expected at most {most}, got {shortened(number)}.")
    return number


def shortened(number: int) -> str:
    """Return an integer as text, a huge one as its size: Python refuses to print thousands of digits."""
    return str(number) if number.bit_length() <= LONGEST else f"a number of {number.bit_length()} bits"


def check_number(name: str, value: Any, least: float) -> float:
    """Check that `value` is a finite number of at least `least`; bool is refused."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InputError(f"{name}: expected a number, got {value!r}.")
    try:
        number = float(value)
    except OverflowError:  # an integer
        number = math.inf
    if not least <= number < math.inf:
        raise InputError(f"{name}: expected a finite number of at least {least}, got {value}.")
    return number


def check_bool(name: str, value: Any) -> bool:
    """Check that `value` is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise InputError(f"{name}: expected True or False, got {value!r}.")
    return bool(value)


def real_array(name: str, value: Any) -> Any:
    """Check that `value` is an array of real numbers or a sequence that can be converted to one.

    Masked entries of a masked array become NaN.
    """
    if isinstance(value, list | tuple) and any(isinstance(part, np.ma.MaskedArray) for part in value):
        value = _stacked(name, value)
    if isinstance(value, np.ma.MaskedArray):
        value = _without_mask(name, value)
    if not is_array_api_obj(value):
        try:
            value = np.asarray(value)
        except ValueError:
            raise InputError(f"{name}: expected an array of numbers, got a ragged sequence.") from None
        except RuntimeError as error:  # a list of tensors that NumPy cannot read
            raise InputError(f"{name}: expected an array of numbers, got a sequence: {error}.") from None
    if is_numpy_array(value):
        value = np.asarray(value)
        if not value.dtype.isnative:
            value = value.astype(value.dtype.newbyteorder("="))
        numeric = value.dtype.kind in "fiu" and value.dtype.itemsize <= MAX_NUMPY_BYTES
    else:
        numeric = array_namespace(value).isdtype(value.dtype, ("real floating", "integral"))
    if getattr(value, "requires_grad", False):
        raise InputError(
            f"{name}: expected a tensor without gradients, got one that requires grad; pass {name}.detach()."
        )
    layout, kind = str(getattr(value, "layout", "torch.strided")), str(getattr(value, "device", "cpu"))
    if layout != "torch.strided" or kind == "meta":
        raise InputError(f"{name}: expected a dense tensor with data, got {layout} on {kind}.")
    if not numeric:
        raise InputError(f"{name}: expected an array of real numbers, got dtype {value.dtype}.")
    return value


def like_pose(pose: Any, name: str, value: Any) -> Any:
    """Check that `value` is an array of the kind and on the device of `pose`; sequences are converted."""
    is_array = is_array_api_obj(value)
    value = real_array(name, value)
    if type(value) is type(pose) is np.ndarray:
        return value
    pose_xp = array_namespace(pose)
    if not is_array:
        return pose_xp.asarray(value, device=device(pose))
    value_xp = array_namespace(value)
    if pose_xp is not value_xp:
        raise InputError(
            f"{name}: expected an array of the same kind as pose, {library_name(pose_xp)}, "
            f"got {library_name(value_xp)}."
        )
    if device(value) != device(pose):
        raise InputError(f"{name}: expected an array on pose's device, {device(pose)}, got {device(value)}.")
    return value


def as_confidence(pose: Any, value: Any) -> Any:
    """Return a mask of visible keypoints as numbers, 1 and 0, in pose's library; anything else unchanged."""
    if not is_array_api_obj(value):
        try:
            value_array = np.asarray(value)
        except (ValueError, RuntimeError):  # real_array refuses it
            return value
        if value_array.dtype != bool:
            return value
        return array_namespace(pose).asarray(value_array.astype(np.float32), device=device(pose))
    if isinstance(value, np.ma.MaskedArray):
        return value.astype(np.float32) if value.dtype == bool else value
    xp = array_namespace(value)
    return xp.astype(value, xp.float32) if xp.isdtype(value.dtype, "bool") else value


def _stacked(name: str, parts: Any) -> Any:
    """Return a sequence of arrays, some of them masked, as one masked array."""
    try:
        return np.ma.stack(list(parts))
    except ValueError:
        raise InputError(f"{name}: expected an array of numbers, got a ragged sequence.") from None


def _without_mask(name: str, value: Any) -> np.ndarray:
    """Return the numbers of a masked array, NaN for masked entries."""
    if value.dtype.kind not in "fiub":
        raise InputError(f"{name}: expected an array of real numbers, got dtype {value.dtype}.")
    if value.dtype.kind == "f" or not np.ma.is_masked(value):
        return value.filled(np.nan) if value.dtype.kind == "f" else np.asarray(value.data)
    return value.astype(np.float64).filled(np.nan)


def library_name(xp: Any) -> str:
    """Return the name of an array library, from its array API namespace."""
    return str(xp.__name__).removeprefix("array_api_compat.")
