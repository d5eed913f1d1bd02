"""Poses: rotation matrices or axis-angle vectors, with any leading axes."""

from __future__ import annotations

import math
from typing import Any

from array_api_compat import array_namespace, device

from ..errors import InputError
from .arguments import check_integer, real_array
from .rotations import matrix_from_axis_angle

BODY_JOINTS = 22
"""Joints that SMPL, SMPL-H and SMPL-X have in common, the root first."""

SMPL_JOINTS = 24
"""SMPL's: those and two hands."""


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
        return xp.reshape(pose, (math.prod(lead), *tail)), lead
    return matrix_from_axis_angle(xp.reshape(pose, (math.prod(lead), num_joints, 3))), lead


def pose_tail(shape: tuple[int, ...], num_joints: int) -> tuple[int, ...]:
    """Return the axes of `shape` that belong to one body's pose."""
    for tail in ((num_joints, 3, 3), (num_joints, 3), (3 * num_joints,)):
        if shape[len(shape) - len(tail) :] == tail and len(shape) >= len(tail):
            return tail
    raise InputError(
        f"pose: expected shape (..., {num_joints}, 3, 3) of rotation matrices, or (..., {num_joints}, 3) or "
        f"(..., {3 * num_joints}) of axis-angle vectors, got {shape}."
    )


def pad_pose(pose: Any, num_joints: int = SMPL_JOINTS) -> Any:
    """Fill up the 22 body joints of SMPL-H or SMPL-X to SMPL's 24, with R_j = I for the hands, j >= 22.

    Parameters
    ----------
    pose : (..., 22, 3, 3), (..., 22, 3) or (..., 66) array_like
        Rotation matrices, or axis-angle vectors in radians; the root's, the global orientation, first.
    num_joints : int
        Joints of the body to be.

    Returns
    -------
    (..., num_joints, 3, 3), (..., num_joints, 3) or (..., 3 num_joints) array
        In the form, kind and dtype given. A pose of so many joints comes back as it is.

    Raises
    ------
    InputError
        If the pose has other joints: more are to be cut by the caller, and without the global orientation,
        as SMPL-X keeps its `body_pose`, it would be off by one joint.
    """
    num_joints = check_integer("num_joints", num_joints, least=BODY_JOINTS)
    pose = real_array("pose", pose)
    xp = array_namespace(pose)
    shape = tuple(pose.shape)
    axis = _joint_axis(shape)
    numbers = 3 if axis == -1 else 1
    given = shape[axis] if shape else 0
    if given == numbers * num_joints:
        return pose
    if given != numbers * BODY_JOINTS:
        raise InputError(_wrong_joints(shape, axis, num_joints))
    missing = list(shape)
    missing[axis] = numbers * num_joints - given
    kind = {"dtype": pose.dtype, "device": device(pose)}
    still = (
        xp.broadcast_to(xp.eye(3, **kind), tuple(missing)) if axis == -3 else xp.zeros(tuple(missing), **kind)
    )
    return xp.concat([pose, still], axis=axis)


def _joint_axis(shape: tuple[int, ...]) -> int:
    """Which axis counts joints: -3 of matrices, -2 of vectors, -1 where these are flat."""
    if len(shape) > 2 and shape[-2:] == (3, 3):
        return -3
    return -2 if len(shape) > 1 and shape[-1] == 3 else -1


def _wrong_joints(shape: tuple[int, ...], axis: int, num_joints: int) -> str:
    numbers = 3 if axis == -1 else 1
    joints, rest = divmod(shape[axis], numbers) if shape else (0, 0)
    got = f"got {joints} in shape {shape}"
    if rest == 0 and joints > num_joints:
        cut = f"[..., :{numbers * BODY_JOINTS}{', :' * (-1 - axis)}]"
        return f"pose: expected at most {num_joints} joints, {got}; take pose{cut} first."
    if rest == 0 and joints in (BODY_JOINTS - 1, SMPL_JOINTS - 1):
        return f"pose: expected {BODY_JOINTS} joints, {got}: the global orientation is missing."
    return (
        f"pose: expected shape (..., {BODY_JOINTS}, 3, 3) of rotation matrices, or (..., {BODY_JOINTS}, 3) "
        f"or (..., {3 * BODY_JOINTS}) of axis-angle vectors, got {shape}."
    )
