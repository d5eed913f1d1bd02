"""Metrics: how far a body is from the truth."""

from __future__ import annotations

from typing import Any, NamedTuple

from array_api_compat import array_namespace

from .camera import project
from .geometry import norm

LSP_JOINTS = (8, 5, 2, 1, 4, 7, 21, 19, 17, 16, 18, 20, 12, 15)
"""The 14 LSP-like joints among SMPL's 24: right leg, left leg, right arm, left arm, neck, head."""

HIPS = (1, 2)
"""SMPL joints whose middle is the pelvis of the LSP-like protocol."""


class BodyErrors(NamedTuple):
    """Errors of each body, (N,), in the unit of its joints."""

    mpjpe: Any
    pa_mpjpe: Any
    pve: Any


def mean_distance(points: Any, truth: Any) -> Any:
    """Mean Euclidean distance between points and truth: (N,) of (N, K, D)."""
    xp = array_namespace(points, truth)
    return xp.mean(norm(points - truth)[..., 0], axis=-1)


def similarity_align(points: Any, truth: Any) -> Any:
    """Scale, rotate and move points so that they come nearest to truth (Procrustes, no mirroring).

    Parameters
    ----------
    points, truth : (N, K, 3) array

    Returns
    -------
    (N, K, 3) array
        s R points + t with least sum of squared distances. Points that all coincide move to the
        truth's mean.
    """
    xp = array_namespace(points, truth)
    centre, truth_centre = xp.mean(points, axis=1, keepdims=True), xp.mean(truth, axis=1, keepdims=True)
    points, truth = points - centre, truth - truth_centre
    left, stretch, right = xp.linalg.svd(xp.matmul(xp.matrix_transpose(truth), points))
    ones = xp.ones_like(stretch[:, 0])
    last = xp.where(xp.linalg.det(xp.matmul(left, right)) < 0, -ones, ones)
    sign = xp.stack([ones, ones, last], axis=-1)
    rotation = xp.matmul(left * sign[:, None, :], right)
    size = xp.sum(points * points, axis=(1, 2))
    scale = xp.sum(stretch * sign, axis=-1) / xp.where(size > 0, size, xp.ones_like(size))
    turned = xp.matmul(points, xp.matrix_transpose(rotation))
    return scale[:, None, None] * turned + truth_centre


def mpjpe(joints: Any, truth: Any) -> Any:
    """Mean distance of the 14 LSP-like joints from the truth, hips' middle aligned: (N,) of (N, 24, 3)."""
    return mean_distance(_about_hips(joints), _about_hips(truth))


def pa_mpjpe(joints: Any, truth: Any) -> Any:
    """Mean distance of the 14 LSP-like joints after similarity alignment: (N,) of (N, 24, 3)."""
    truth = _select(truth, LSP_JOINTS)
    return mean_distance(similarity_align(_select(joints, LSP_JOINTS), truth), truth)


def pve(vertices: Any, truth: Any, root: Any, truth_root: Any) -> Any:
    """Mean distance of all vertices, root joints aligned: (N,) of (N, V, 3) and roots (N, 3)."""
    return mean_distance(vertices - root[:, None, :], truth - truth_root[:, None, :])


def reprojection_error(joints: Any, keypoints_2d: Any, intrinsics: Any) -> Any:
    """Mean distance between projected joints and keypoints, in pixels: (N,).

    Parameters
    ----------
    joints : (N, J, 3) array
        In camera space, in metres.
    keypoints_2d : (N, J, 2) array
    intrinsics : (N, 3, 3) array
    """
    return mean_distance(project(joints, intrinsics), keypoints_2d)


def body_errors(body: Any, pose: Any, betas: Any, true_pose: Any, true_betas: Any) -> BodyErrors:
    """MPJPE, PA-MPJPE and PVE of bodies against the truth, in metres.

    Parameters
    ----------
    body : BodyModel
        With SMPL's 24 joints.
    pose, true_pose : (N, 24, 3, 3) array
    betas, true_betas : (N, S) array
    """
    found, truth = body.forward(pose, betas), body.forward(true_pose, true_betas)
    return BodyErrors(
        mpjpe(found.joints, truth.joints),
        pa_mpjpe(found.joints, truth.joints),
        pve(found.vertices, truth.vertices, found.joints[:, 0, :], truth.joints[:, 0, :]),
    )


def _select(joints: Any, which: tuple[int, ...]) -> Any:
    xp = array_namespace(joints)
    return xp.stack([joints[:, j, :] for j in which], axis=1)


def _about_hips(joints: Any) -> Any:
    xp = array_namespace(joints)
    return _select(joints, LSP_JOINTS) - xp.mean(_select(joints, HIPS), axis=1, keepdims=True)
