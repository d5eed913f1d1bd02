"""Padding: poses with fewer joints than a body has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from array_api_compat import array_namespace, device

from ..arrays.arguments import check_integer, real_array
from ..errors import InputError
from ..typing import ArrayT, Nested
from .families import BODY_JOINTS, SMPL

NUM_BODY, NUM_SMPL = len(BODY_JOINTS), len(SMPL.joint_names)
"""The 22 joints shared by SMPL, SMPL-H and SMPL-X, and SMPL's 24, which add the two hands."""


@overload
def pad_pose(pose: ArrayT, num_joints: int = NUM_SMPL) -> ArrayT: ...


@overload
def pad_pose(pose: Sequence[Nested], num_joints: int = NUM_SMPL) -> np.ndarray: ...


def pad_pose(pose: Any, num_joints: int = NUM_SMPL) -> Any:
    """Pad the 22 body joints of SMPL-H or SMPL-X to SMPL's 24, with R_j = I for the hands, j >= 22.

    Parameters
    ----------
    pose : (..., 22, 3, 3), (..., 22, 3) or (..., 66) array_like
        Rotation matrices, or axis-angle vectors in radians, global orientation first.
    num_joints : int
        Number of joints of the result.

    Returns
    -------
    (..., num_joints, 3, 3), (..., num_joints, 3) or (..., 3 num_joints) array
        In the form, kind and dtype of `pose`; `pose` itself if it has `num_joints` joints already.

    Raises
    ------
    InputError
        If the pose has neither 22 nor `num_joints` joints. The caller must drop extra joints, and must
        prepend the global orientation, which SMPL-X's `body_pose` does not contain.
    """
    num_joints = check_integer("num_joints", num_joints, least=NUM_BODY)
    pose = real_array("pose", pose)
    xp = array_namespace(pose)
    shape = tuple(pose.shape)
    axis = _joint_axis(shape)
    width = 3 if axis == -1 else 1
    size = shape[axis] if shape else 0
    if size == width * num_joints:
        return pose
    if size != width * NUM_BODY:
        raise _wrong_joints(shape, axis, num_joints)
    missing = list(shape)
    missing[axis] = width * num_joints - size
    kind = {"dtype": pose.dtype, "device": device(pose)}
    identity = (
        xp.broadcast_to(xp.eye(3, **kind), tuple(missing)) if axis == -3 else xp.zeros(tuple(missing), **kind)
    )
    return xp.concat([pose, identity], axis=axis)


def _joint_axis(shape: tuple[int, ...]) -> int:
    """Return the axis of the joints: -3 for matrices, -2 for vectors, -1 for flat vectors."""
    if len(shape) > 2 and shape[-2:] == (3, 3):
        return -3
    return -2 if len(shape) > 1 and shape[-1] == 3 else -1


def _wrong_joints(shape: tuple[int, ...], axis: int, num_joints: int) -> InputError:
    """Return the error for a pose with another number of joints, with a remedy for the frequent ones."""
    width = 3 if axis == -1 else 1
    joints, rest = divmod(shape[axis], width) if shape else (0, 0)
    if rest == 0 and joints > num_joints:
        cut = f"[..., :{width * NUM_BODY}{', :' * (-1 - axis)}]"
        return InputError(
            f"pose: expected at most {num_joints} joints, got {joints} in shape {shape}; "
            f"take pose{cut} first."
        )
    if rest == 0 and joints in (NUM_BODY - 1, NUM_SMPL - 1):
        return InputError(
            f"pose: expected {NUM_BODY} joints, got {joints} in shape {shape}: "
            "the global orientation is missing."
        )
    return InputError(
        f"pose: expected shape (..., {NUM_BODY}, 3, 3) of rotation matrices, or (..., {NUM_BODY}, 3) "
        f"or (..., {3 * NUM_BODY}) of axis-angle vectors, got {shape}."
    )
