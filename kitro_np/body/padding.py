"""Padding: poses of fewer joints than a body has."""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace, device

from ..arrays.arguments import check_integer, real_array
from ..errors import InputError
from .families import BODY_JOINTS, SMPL

NUM_BODY, NUM_SMPL = len(BODY_JOINTS), len(SMPL.joint_names)
"""Joints that SMPL, SMPL-H and SMPL-X have in common, and SMPL's: those and two hands."""


def pad_pose(pose: Any, num_joints: int = NUM_SMPL) -> Any:
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
    num_joints = check_integer("num_joints", num_joints, least=NUM_BODY)
    pose = real_array("pose", pose)
    xp = array_namespace(pose)
    shape = tuple(pose.shape)
    axis = _joint_axis(shape)
    numbers = 3 if axis == -1 else 1
    given = shape[axis] if shape else 0
    if given == numbers * num_joints:
        return pose
    if given != numbers * NUM_BODY:
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
        cut = f"[..., :{numbers * NUM_BODY}{', :' * (-1 - axis)}]"
        return f"pose: expected at most {num_joints} joints, {got}; take pose{cut} first."
    if rest == 0 and joints in (NUM_BODY - 1, NUM_SMPL - 1):
        return f"pose: expected {NUM_BODY} joints, {got}: the global orientation is missing."
    return (
        f"pose: expected shape (..., {NUM_BODY}, 3, 3) of rotation matrices, or (..., {NUM_BODY}, 3) "
        f"or (..., {3 * NUM_BODY}) of axis-angle vectors, got {shape}."
    )
