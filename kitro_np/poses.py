"""Poses: rotation matrices or axis-angle vectors, with any leading axes."""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

from .errors import InputError
from .geometry import axis_angle_from_matrix, matrix_from_axis_angle


def as_matrices(pose: Any, num_joints: int) -> tuple[Any, tuple[int, ...]]:
    """Read a pose in any form as rotation matrices (N, J, 3, 3), and its leading shape.

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
        return xp.reshape(pose, (_count(lead), *tail)), lead
    return matrix_from_axis_angle(xp.reshape(pose, (_count(lead), num_joints, 3))), lead


def like_given(matrices: Any, shape: tuple[int, ...], num_joints: int) -> Any:
    """Return rotation matrices (N, J, 3, 3) in the form and leading shape of a pose of shape `shape`."""
    xp = array_namespace(matrices)
    tail = pose_tail(shape, num_joints)
    given = matrices if len(tail) == 3 else axis_angle_from_matrix(matrices)
    return xp.reshape(given, shape)


def pose_tail(shape: tuple[int, ...], num_joints: int) -> tuple[int, ...]:
    """Return the axes of `shape` that belong to one body's pose."""
    for tail in ((num_joints, 3, 3), (num_joints, 3), (3 * num_joints,)):
        if shape[len(shape) - len(tail) :] == tail and len(shape) >= len(tail):
            return tail
    raise InputError(
        f"pose: expected shape (..., {num_joints}, 3, 3) of rotation matrices, or (..., {num_joints}, 3) or "
        f"(..., {3 * num_joints}) of axis-angle vectors, got {shape}."
    )


def _count(lead: tuple[int, ...]) -> int:
    count = 1
    for size in lead:
        count *= size
    return count
