"""Accelerations: second differences of a track's global rotations and translation, with gaps between frames.

For frames h_1 and h_2 apart, (x_2 - x_1) / h_2 - (x_1 - x_0) / h_1 is a weighted sum of the accelerations of
all frames between them, missing ones too: its variance is theirs times sum (k / h_1)^2 + sum (k / h_2)^2.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace, device

from ...body.kinematics import global_rotations
from ...body.skeleton import Skeleton
from .spreads import ACCELERATION_DOF, LONGEST_GAP, MOVE_SPREAD, TURN_SPREAD, USUAL_FPS

SMALL_ANGLE = 1e-8
"""Squared sine below which an angle over its sine is a series."""


class Spacing(NamedTuple):
    """Weights of the frames before, at and after each frame in its acceleration; 0 at ends and gaps.

    Attributes
    ----------
    before, here, after : (T,) array
    precision : (T,) array
        1 over the variance of an acceleration, in units of that of successive frames.
    """

    before: Any
    here: Any
    after: Any
    precision: Any


class Accelerations(NamedTuple):
    """Accelerations of a track.

    Attributes
    ----------
    value : (T, C) array
        Of C = 3 J + 3 coordinates: rotation vectors of the joints about the camera's axes, and the
        translation.
    precision : (T, C) array
    """

    value: Any
    precision: Any


def spacing_of(frame: np.ndarray, fps: float) -> Spacing:
    """Return the spacing of a track's frames, in NumPy arrays of float64.

    Parameters
    ----------
    frame : (T,) array of int
        Ascending numbers of the frames.
    fps : float
    """
    count = len(frame)
    step = np.diff(frame.astype(np.float64))
    one, two = np.ones(count), np.ones(count)
    one[1:], two[:-1] = step, step
    longest = max(LONGEST_GAP * fps, 1.0)
    inner = (one <= longest) & (two <= longest)
    inner[[0, -1]] = False
    with np.errstate(over="ignore"):
        variance = (one + 1) * (2 * one + 1) / (6 * one) + (two - 1) * (2 * two - 1) / (6 * two)
    return Spacing(
        *(np.where(inner, part, 0.0) for part in (1 / one, -1 / one - 1 / two, 1 / two, 1 / variance))
    )


def spreads_of(joints: int, fps: float, size: float) -> np.ndarray:
    """Return the standard deviation of each coordinate's acceleration, per frame squared: (C,)."""
    per_frame = (USUAL_FPS / fps) ** 2
    return per_frame * np.concatenate([np.full(3 * joints, TURN_SPREAD), np.full(3, MOVE_SPREAD * size)])


def rotation_vector(matrix: Any) -> Any:
    """Rotation vectors (..., 3) of matrices (..., 3, 3) with angles well below a half turn.

    With the vector w of (R - R^T) / 2, it is w times the angle over its sine |w|.
    """
    xp = array_namespace(matrix)
    x = (matrix[..., 2, 1] - matrix[..., 1, 2]) / 2
    y = (matrix[..., 0, 2] - matrix[..., 2, 0]) / 2
    z = (matrix[..., 1, 0] - matrix[..., 0, 1]) / 2
    squared = x * x + y * y + z * z
    small = squared < SMALL_ANGLE
    sine = xp.sqrt(xp.where(small, xp.ones_like(squared), squared))
    cosine = (matrix[..., 0, 0] + matrix[..., 1, 1] + matrix[..., 2, 2] - 1) / 2
    factor = xp.where(small, 1 + squared / 6, xp.atan2(sine, cosine) / sine)
    return xp.stack([factor * x, factor * y, factor * z], axis=-1)


def accelerations(
    skeleton: Skeleton,
    pose: Any,
    transl: Any,
    root: Any,
    spacing: Spacing,
    spreads: Any,
    scales: Any,
    extrinsics: Any = None,
    *,
    robust: bool = True,
) -> Accelerations:
    """Return the accelerations of a track's bodies, and their precisions by Student's t.

    Parameters
    ----------
    skeleton : Skeleton
    pose : (T, J, 3, 3) array
    transl : (T, 3) array
    root : (3,) array
        The root joint at rest.
    spacing : Spacing
        In arrays like `pose`.
    spreads : (C,) array
    scales : (J + 1,) array
        Squared factors on the spreads, of the joints and of the translation.
    robust : bool
        Weigh by Student's t.
    extrinsics : (T, 3, 4) array, optional
        Then accelerations are those in the world, about the axes of each frame's camera.
    """
    xp = array_namespace(pose)
    count, joints = pose.shape[:2]
    rotations, place = global_rotations(skeleton, pose), transl + root
    if extrinsics is not None:
        to_world = xp.matrix_transpose(extrinsics[:, :, :3])
        rotations = xp.matmul(to_world[:, None, :, :], rotations)
        place = xp.matmul(to_world, (place - extrinsics[:, :, 3])[..., None])[..., 0]
    turned = rotation_vector(xp.matmul(rotations[1:, ...], xp.matrix_transpose(rotations[:-1, ...])))
    moved = (place[1:, :] - place[:-1, :])[:, None, :]
    step = xp.concat([turned, moved], axis=1)
    none = xp.zeros((1, joints + 1, 3), dtype=pose.dtype, device=device(pose))
    change = spacing.after[:, None, None] * xp.concat([step, none], axis=0) - spacing.before[
        :, None, None
    ] * xp.concat([none, step], axis=0)
    if extrinsics is not None:
        change = xp.matmul(extrinsics[:, None, :, :3], change[..., None])[..., 0]
    value = xp.reshape(change, (count, 3 * joints + 3))
    variance = xp.reshape(xp.broadcast_to(scales[:, None], (joints + 1, 3)), (3 * joints + 3,)) * spreads**2
    precision = spacing.precision[:, None] / variance
    if not robust:
        return Accelerations(value, xp.broadcast_to(precision, value.shape))
    squared = xp.sum(xp.reshape(value * value * precision, (count, joints + 1, 3)), axis=-1)
    weight = (ACCELERATION_DOF + 3) / (ACCELERATION_DOF + squared)
    weight = xp.reshape(xp.broadcast_to(weight[..., None], (count, joints + 1, 3)), value.shape)
    return Accelerations(value, precision * weight)
