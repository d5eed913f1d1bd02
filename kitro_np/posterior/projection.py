"""Projection of a body's points, and its Jacobians with respect to pose, betas and translation."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace, device

from ..arrays.rotations import cross
from ..body.kinematics import affine_joints, global_rotations
from ..body.skeleton import Skeleton
from ..keypoints.layouts import KeypointLayout

UNSEEN_DEPTH = 1.0
"""Depth that points of keypoints that are not visible are given, in metres; they weigh nothing."""


class Points(NamedTuple):
    """A layout's K points on a skeleton, in arrays of the computation's library, dtype and device.

    Attributes
    ----------
    joints : tuple of int
        Joint that each point is fixed to.
    offsets : (K, 3) array
        From that joint, in the rest pose, in metres.
    by_betas : (K, 3, S) array
        Change of the offsets per unit of each beta.
    precision : (K,) array
        Relative precision of each point's definition, 1 / spread^2: 0 for one that is not on the body.
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
    rotations : (N, J, 3, 3) array
        Global rotations.
    joints : (N, J, 3) array
        In camera space, in metres.
    points : (N, K, 3) array
        In camera space, in metres.
    joints_by_betas : (N, J, 3, S) array
    points_by_betas : (N, K, 3, S) array
    """

    rotations: Any
    joints: Any
    points: Any
    joints_by_betas: Any
    points_by_betas: Any


class Jacobians(NamedTuple):
    """Jacobians of the projected points, in pixels per radian, per beta and per metre.

    Attributes
    ----------
    by_rotation : (N, K, 2, J, 3) array
        With respect to a rotation of a joint and its descendants about the camera's axes.
    by_betas : (N, K, 2, S) array
    by_transl : (N, K, 2, 3) array
    """

    by_rotation: Any
    by_betas: Any
    by_transl: Any


def moved_points(skeleton: Skeleton, layout: KeypointLayout) -> np.ndarray:
    """Whether each joint's rotation moves each point: (K, J) of bool."""
    moved = np.zeros((layout.num_points, skeleton.num_joints), bool)
    for point, joint in enumerate(layout.joints):
        has_offset = layout.offsets[point].any() or layout.by_betas[point].any()
        ancestor = joint if joint < 0 or has_offset else skeleton.parents[joint]
        while ancestor >= 0:
            moved[point, ancestor] = True
            ancestor = skeleton.parents[ancestor]
    return moved


def points_on(skeleton: Skeleton, layout: KeypointLayout, like: Any) -> Points:
    """Return a layout's points in arrays of the library, dtype and device of `like`."""
    xp = array_namespace(like)
    missing = np.array(layout.joints) < 0
    parts = (
        layout.offsets,
        layout.by_betas[..., : skeleton.num_betas],
        np.where(missing, 0.0, layout.spread**-2.0),
        moved_points(skeleton, layout),
    )
    arrays = (xp.asarray(np.array(part, float), dtype=like.dtype, device=device(like)) for part in parts)
    return Points(tuple(max(joint, 0) for joint in layout.joints), *arrays)


def place_points(skeleton: Skeleton, points: Points, pose: Any, betas: Any, transl: Any) -> Posed:
    """Pose a body and its points, X_k = X_a + G_a (o_k + B_k betas), for point k on joint a.

    Parameters
    ----------
    skeleton : Skeleton
    points : Points
    pose : (N, J, 3, 3) array
    betas : (N, S) array
    transl : (N, 3) array
        In metres.
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


def unseen_in_front(posed: Posed, visible: Any) -> Posed:
    """Move points of keypoints that are not visible to UNSEEN_DEPTH.

    They may lie anywhere. They weigh nothing, but near the camera's plane 0 times their slopes would be NaN.
    """
    xp = array_namespace(posed.points)
    depth = posed.points[..., 2:]
    depth = xp.where(visible[:, :, None], depth, xp.full_like(depth, UNSEEN_DEPTH))
    return posed._replace(points=xp.concat([posed.points[..., :2], depth], axis=-1))


def lever_arms(posed: Posed, moved: Any) -> Any:
    """Vector from every joint to the points that it moves, else 0: (N, K, J, 3), in metres."""
    return (posed.points[:, :, None, :] - posed.joints[:, None, :, :]) * moved[:, :, None]


def point_jacobians(posed: Posed, moved: Any, intrinsics: Any) -> Jacobians:
    """Jacobians of the projection of all points about a pose.

    Parameters
    ----------
    posed : Posed
    moved : (K, J) array
    intrinsics : (N, 3, 3) array

    Notes
    -----
    A rotation w about joint X_j moves a point by w x d, d = X - X_j. With a row a of the projection's
    Jacobian, a . (w x d) = w . (d x a).
    """
    xp = array_namespace(posed.points)
    x, y, depth = (posed.points[..., k] for k in range(3))
    fx, fy = intrinsics[:, None, 0, 0] / depth, intrinsics[:, None, 1, 1] / depth
    zero = xp.zeros_like(depth)
    rows = xp.stack(
        [xp.stack([fx, zero, -fx * x / depth], axis=-1), xp.stack([zero, fy, -fy * y / depth], axis=-1)],
        axis=-2,
    )
    by_rotation = cross(lever_arms(posed, moved)[:, :, None, :, :], rows[:, :, :, None, :])
    return Jacobians(by_rotation, xp.matmul(rows, posed.points_by_betas), rows)
