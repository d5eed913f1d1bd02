"""Poses: rotation matrices or axis-angle vectors with any leading axes."""

from __future__ import annotations

import math
from typing import Any

from array_api_compat import array_namespace

from ..errors import InputError
from .rotations import matrix_from_axis_angle


def as_matrices(pose: Any, num_joints: int) -> tuple[Any, tuple[int, ...]]:
    """Convert a pose in any form to rotation matrices (N, J, 3, 3); return also its leading shape.

    Parameters
    ----------
    pose : (..., J, 3, 3), (..., J, 3) or (..., 3 J) array
        Rotation matrices, or axis-angle vectors in radians.
    num_joints : int

    Raises
    ------
    InputError
        If the shape is none of these.
    """
    xp = array_namespace(pose)
    tail = pose_tail(tuple(pose.shape), num_joints)
    lead = tuple(pose.shape[: pose.ndim - len(tail)])
    if len(tail) == 3:
        return xp.reshape(pose, (math.prod(lead), *tail)), lead
    return matrix_from_axis_angle(xp.reshape(pose, (math.prod(lead), num_joints, 3))), lead


def pose_tail(shape: tuple[int, ...], num_joints: int) -> tuple[int, ...]:
    """Return the trailing axes of `shape` that are one body's pose; InputError if there are none."""
    for tail in ((num_joints, 3, 3), (num_joints, 3), (3 * num_joints,)):
        if shape[len(shape) - len(tail) :] == tail and len(shape) >= len(tail):
            return tail
    raise InputError(
        f"pose: expected shape (..., {num_joints}, 3, 3) of rotation matrices, or (..., {num_joints}, 3) or "
        f"(..., {3 * num_joints}) of axis-angle vectors, got {shape}."
    )
