"""Linear: where a body's points fall in the image, and how that changes with pose, betas and translation."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace, device

from ..arrays.rotations import cross
from ..body.kinematics import affine_joints, global_rotations
from ..body.skeleton import Skeleton
from ..keypoints.layouts import KeypointLayout


class Points(NamedTuple):
    """A layout's K points on a skeleton, in arrays of the kind that is worked on.

    Attributes
    ----------
    joints : tuple of int
        Joint that each is fixed to.
    offsets : (K, 3) array
    by_betas : (K, 3, S) array
    precision : (K,) array
        How well each is defined: 0 for one that is nowhere on the body.
    moved : (K, J) array
        1 where a joint's rotation moves a point, else 0.
    """

    joints: tuple[int, ...]
    offsets: Any
    by_betas: Any
    precision: Any
    moved: Any


class Posed(NamedTuple):
    """A posed body and its points.

    Attributes
    ----------
    turned : (N, J, 3, 3) array
        Global rotations.
    joints : (N, J, 3) array
        In camera space, in metres.
    points : (N, K, 3) array
        Likewise.
    joints_by_betas : (N, J, 3, S) array
    points_by_betas : (N, K, 3, S) array
    """

    rotations: Any
    joints: Any
    points: Any
    joints_by_betas: Any
    points_by_betas: Any


class Slopes(NamedTuple):
    """How projected points change, in pixels per radian, beta and metre.

    Attributes
    ----------
    by_turn : (N, K, 2, J, 3) array
        With a rotation of a joint, and of all that hangs on it, about the camera's axes.
    by_betas : (N, K, 2, S) array
    by_transl : (N, K, 2, 3) array
    """

    by_turn: Any
    by_betas: Any
    by_transl: Any


def reaches(skeleton: Skeleton, layout: KeypointLayout) -> np.ndarray:
    """Whether a joint's rotation moves a point: (K, J) of bool."""
    moved = np.zeros((layout.num_points, skeleton.num_joints), bool)
    for point, joint in enumerate(layout.joints):
        away = layout.offsets[point].any() or layout.by_betas[point].any()
        above = joint if joint < 0 or away else skeleton.parents[joint]
        while above >= 0:
            moved[point, above] = True
            above = skeleton.parents[above]
    return moved


def points_on(skeleton: Skeleton, layout: KeypointLayout, like: Any) -> Points:
    """Return a layout's points in arrays of the kind, dtype and device of `like`."""
    xp = array_namespace(like)
    nowhere = np.array(layout.joints) < 0
    parts = (
        layout.offsets,
        layout.by_betas[..., : skeleton.num_betas],
        np.where(nowhere, 0.0, layout.spread**-2.0),
        reaches(skeleton, layout),
    )
    arrays = (xp.asarray(np.array(part, float), dtype=like.dtype, device=device(like)) for part in parts)
    return Points(tuple(max(joint, 0) for joint in layout.joints), *arrays)


def place_points(skeleton: Skeleton, points: Points, pose: Any, betas: Any, transl: Any) -> Posed:
    """Pose a body and its points, X_k = X_a + G_a (o_k + B_k betas).

    Parameters
    ----------
    skeleton : Skeleton
    points : Points
    pose : (N, J, 3, 3) array
    betas : (N, S) array
    transl : (N, 3) array
    """
    xp = array_namespace(pose)
    rotations = global_rotations(skeleton, pose)
    constant, by_betas = affine_joints(skeleton, rotations)
    joints = constant + xp.matmul(by_betas, betas[:, None, :, None])[..., 0] + transl[:, None, :]

    def of_points(values: Any) -> Any:
        return xp.stack([values[:, joint, ...] for joint in points.joints], axis=1)

    frames = of_points(rotations)
    offsets = points.offsets + xp.matmul(points.by_betas, betas[:, None, :, None])[..., 0]
    places = of_points(joints) + xp.matmul(frames, offsets[..., None])[..., 0]
    along = of_points(by_betas) + xp.matmul(frames, points.by_betas)
    return Posed(rotations, joints, places, by_betas, along)


def levers(posed: Posed, moved: Any) -> Any:
    """From every joint to the points that it moves, else 0: (N, K, J, 3)."""
    return (posed.points[:, :, None, :] - posed.joints[:, None, :, :]) * moved[:, :, None]


def point_slopes(posed: Posed, moved: Any, intrinsics: Any) -> Slopes:
    """Linearise the projection of all points about a pose.

    Parameters
    ----------
    posed : Posed
    moved : (K, J) array
    intrinsics : (N, 3, 3) array

    Notes
    -----
    A turn by w about X_j moves a point by w x (X - X_j). With a row a of the projection's slope,
    a . (w x d) = w . (d x a).
    """
    xp = array_namespace(posed.points)
    x, y, depth = (posed.points[..., k] for k in range(3))
    fx, fy = intrinsics[:, None, 0, 0] / depth, intrinsics[:, None, 1, 1] / depth
    zero = xp.zeros_like(depth)
    rows = xp.stack(
        [xp.stack([fx, zero, -fx * x / depth], axis=-1), xp.stack([zero, fy, -fy * y / depth], axis=-1)],
        axis=-2,
    )
    by_turn = cross(levers(posed, moved)[:, :, None, :, :], rows[:, :, :, None, :])
    return Slopes(by_turn, xp.matmul(rows, posed.points_by_betas), rows)
