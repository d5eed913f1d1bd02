"""Metrics: how far a body is from the truth.

Each gives one number a body, the mean of distances that can be had too. A :class:`Protocol` says which joints
are compared, and about which root. Lengths are in metres as the bodies are, distances on the image in pixels.
A body with NaN among what is compared gets NaN, and harms no other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace, device

from ..arrays.rotations import norm
from ..body import BodyModel, BodyOutput
from ..camera import keypoint_errors, reprojection_error
from ..errors import InputError
from .protocols import H36M_PELVIS, HIPS, LSP14, LSP_JOINTS, SMPL24, Protocol, regressed_protocol

__all__ = [
    "H36M_PELVIS",
    "HIPS",
    "LSP14",
    "LSP_JOINTS",
    "SMPL24",
    "BodyErrors",
    "Protocol",
    "body_errors",
    "depth_error",
    "depth_errors",
    "distances",
    "joint_errors",
    "keypoint_errors",
    "mean_distance",
    "measure",
    "mpjpe",
    "pa_joint_errors",
    "pa_mpjpe",
    "pa_pve",
    "pve",
    "regressed_protocol",
    "reprojection_error",
    "sequence_means",
    "share_improved",
    "similarity_align",
]


def distances(points: Any, truth: Any) -> Any:
    """Euclidean distance of each point from the truth: (N, K) of (N, K, D)."""
    return norm(points - truth)[..., 0]


def mean_distance(points: Any, truth: Any) -> Any:
    """Mean Euclidean distance between points and truth: (N,) of (N, K, D)."""
    return _mean(distances(points, truth))


def similarity_align(points: Any, truth: Any) -> Any:
    """Scale, rotate and move points so that they come nearest to truth (Procrustes, no mirroring).

    Parameters
    ----------
    points, truth : (N, K, 3) array

    Returns
    -------
    (N, K, 3) array
        s R points + t with least sum of squared distances. Points that all coincide move to the
        truth's mean. NaN where points or truth are not finite, or their squares overflow.

    Notes
    -----
    With sum truth points^T = U S V^T, both from their means, and D = diag(1, 1, det(U V^T)):
    R = U D V^T and s = tr(S D) / sum |points|^2 (Umeyama 1991).
    """
    xp = array_namespace(points, truth)
    centre, truth_centre = xp.mean(points, axis=1, keepdims=True), xp.mean(truth, axis=1, keepdims=True)
    points, truth = points - centre, truth - truth_centre
    covariance = xp.matmul(xp.matrix_transpose(truth), points)
    size = xp.sum(points * points, axis=(1, 2))
    # An SVD of NaN would fail the whole batch.
    finite = xp.all(xp.isfinite(covariance), axis=(1, 2)) & xp.isfinite(size)
    left, stretch, right = xp.linalg.svd(
        xp.where(finite[:, None, None], covariance, xp.zeros_like(covariance))
    )
    ones = xp.ones_like(stretch[:, 0])
    last = xp.where(xp.linalg.det(xp.matmul(left, right)) < 0, -ones, ones)
    sign = xp.stack([ones, ones, last], axis=-1)
    rotation = xp.matmul(left * sign[:, None, :], right)
    scale = xp.sum(stretch * sign, axis=-1) / xp.where(size > 0, size, xp.ones_like(size))
    scale = xp.where(finite, scale, math.nan * ones)
    rotations = xp.matmul(points, xp.matrix_transpose(rotation))
    return scale[:, None, None] * rotations + truth_centre


def _mean(errors: Any) -> Any:
    """Mean of each body's errors: (N,) of (N, K)."""
    return array_namespace(errors).mean(errors, axis=-1)


def joint_errors(joints: Any, truth: Any, protocol: Protocol = LSP14) -> Any:
    """Distance of each joint from the truth, roots aligned: (N, K) of (N, R, 3)."""
    return distances(protocol.pick_about_root(joints), protocol.pick_about_root(truth))


def pa_joint_errors(joints: Any, truth: Any, protocol: Protocol = LSP14) -> Any:
    """Distance of each joint from the truth after similarity alignment: (N, K) of (N, R, 3)."""
    truth = protocol.pick(truth)
    return distances(similarity_align(protocol.pick(joints), truth), truth)


def depth_errors(joints: Any, truth: Any, protocol: Protocol = LSP14) -> Any:
    """How far each joint is from the truth along z, roots aligned: (N, K) of (N, R, 3) in camera space."""
    gap = protocol.pick_about_root(joints) - protocol.pick_about_root(truth)
    return array_namespace(gap).abs(gap[..., 2])


def mpjpe(joints: Any, truth: Any, protocol: Protocol = LSP14) -> Any:
    """Mean distance of joints from the truth, roots aligned: (N,) of (N, R, 3)."""
    return _mean(joint_errors(joints, truth, protocol))


def pa_mpjpe(joints: Any, truth: Any, protocol: Protocol = LSP14) -> Any:
    """Mean distance of joints from the truth after similarity alignment: (N,) of (N, R, 3)."""
    return _mean(pa_joint_errors(joints, truth, protocol))


def pve(vertices: Any, truth: Any, root: Any, truth_root: Any) -> Any:
    """Mean distance of all vertices, root joints aligned: (N,) of (N, V, 3) and roots (N, 3).

    The authors' evaluation aligns nothing: there a difference of the betas moves the rest pelvis, and
    counts. That is :func:`mean_distance` of vertices posed without translation.
    """
    return mean_distance(vertices - root[:, None, :], truth - truth_root[:, None, :])


def pa_pve(vertices: Any, truth: Any) -> Any:
    """Mean distance of all vertices after similarity alignment of the vertices: (N,) of (N, V, 3)."""
    return mean_distance(similarity_align(vertices, truth), truth)


def depth_error(joints: Any, truth: Any, protocol: Protocol = LSP14) -> Any:
    """Mean distance of joints from the truth along z, roots aligned: (N,) of (N, R, 3) in camera space."""
    return _mean(depth_errors(joints, truth, protocol))


class BodyErrors(NamedTuple):
    """Errors of each body, (N,), in the unit of its joints."""

    mpjpe: Any
    pa_mpjpe: Any
    pve: Any


def body_errors(
    body: BodyModel, pose: Any, betas: Any, true_pose: Any, true_betas: Any, protocol: Protocol = LSP14
) -> BodyErrors:
    """MPJPE, PA-MPJPE and PVE of bodies against the truth, in metres.

    Parameters
    ----------
    body : BodyModel
        With what the protocol compares.
    pose, true_pose : (N, J, 3, 3) array
    betas, true_betas : (N, S) array
    protocol : Protocol, optional
    """
    posed, truth = body.forward(pose, betas), body.forward(true_pose, true_betas)
    return BodyErrors(**measure(posed, truth, BodyErrors._fields, protocol))


def measure(
    posed: BodyOutput, truth: BodyOutput, metrics: Iterable[str], protocol: Protocol = LSP14
) -> dict[str, Any]:
    """Errors of posed bodies by name: mpjpe, pa_mpjpe, pve, pa_pve, depth_error, (N,) each, in metres."""
    joints = protocol.joints_of(posed), protocol.joints_of(truth)
    roots = posed.joints[:, 0, :], truth.joints[:, 0, :]
    ways = {
        "mpjpe": lambda: mpjpe(*joints, protocol),
        "pa_mpjpe": lambda: pa_mpjpe(*joints, protocol),
        "pve": lambda: pve(posed.vertices, truth.vertices, *roots),
        "pa_pve": lambda: pa_pve(posed.vertices, truth.vertices),
        "depth_error": lambda: depth_error(*joints, protocol),
    }
    return {name: ways[name]() for name in metrics}


def share_improved(before: Any, after: Any) -> float:
    """Share of bodies whose error fell: of (N,) and (N,), those not finite in both left out; NaN of none."""
    xp = array_namespace(before, after)
    measured = xp.isfinite(before) & xp.isfinite(after)
    count = int(xp.count_nonzero(measured))
    return int(xp.count_nonzero(measured & (after < before))) / count if count else math.nan


def sequence_means(errors: Any, sequences: Any) -> dict[str, float]:
    """Mean error of each sequence: bodies that are not finite are left out.

    Parameters
    ----------
    errors : (N,) array
    sequences : (N,) array_like of str
        The sequence of each body.

    Returns
    -------
    dict
        In the order in which sequences begin; NaN for one that has no finite error.

    Raises
    ------
    InputError
        If there is not one name a body.
    """
    xp = array_namespace(errors)
    names = np.asarray(sequences)
    if names.shape != tuple(errors.shape):
        raise InputError(f"sequences: expected shape {tuple(errors.shape)}, got {names.shape}.")
    means = {}
    for name in dict.fromkeys(names.tolist()):
        own = errors[xp.asarray(names == name, device=device(errors))]
        own = own[xp.isfinite(own)]
        means[name] = float(xp.mean(own)) if own.shape[0] else math.nan
    return means
