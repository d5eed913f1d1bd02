"""Metrics: errors of bodies against the ground truth.

Each metric is one number for each body, the mean of errors that have a function of their own. A
:class:`Protocol` defines the joints to compare and the root. 3D errors are in metres, as the bodies are, 2D
errors in pixels. A body with NaN gets NaN, and does not affect other bodies.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace, device

from ..arrays.rotations import norm
from ..body import BodyModel, BodyOutput
from ..camera import keypoint_errors, reprojection_error
from ..errors import InputError
from ..typing import Array, ArrayT
from .many_points import mean_distances
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
    "similarity_of_moments",
]


def distances(points: ArrayT, truth: ArrayT) -> ArrayT:
    """Euclidean distance |x - y| of each point from the truth: (N, K) from (N, K, D)."""
    return norm(points - truth)[..., 0]


def mean_distance(points: ArrayT, truth: ArrayT) -> ArrayT:
    """Mean Euclidean distance between points and truth: (N,) from (N, K, D)."""
    if isinstance(points, np.ndarray) and isinstance(truth, np.ndarray):
        found: ArrayT = mean_distances(points, truth)
        return found
    return _mean(distances(points, truth))


def similarity_align(points: ArrayT, truth: ArrayT) -> ArrayT:
    """Align points to the truth by the best scale, rotation and translation (Procrustes, no reflection).

    Parameters
    ----------
    points, truth : (N, K, 3) array

    Returns
    -------
    (N, K, 3) array
        s R points + t with the least sum of squared distances. Coincident points move to the mean of the
        truth. NaN if points or truth are not finite, or their squares overflow.

    Notes
    -----
    With sum truth points^T = U S V^T, both relative to their means, and D = diag(1, 1, det(U V^T)):
    R = U D V^T and s = tr(S D) / sum |points|^2.

    References
    ----------
    Umeyama. Least-squares estimation of transformation parameters between two point patterns. TPAMI 13(4),
    1991.
    """
    xp = array_namespace(points, truth)
    truth_centre = xp.mean(truth, axis=1, keepdims=True)
    centred, target = points - xp.mean(points, axis=1, keepdims=True), truth - truth_centre
    covariance = xp.matmul(xp.matrix_transpose(target), centred)
    variance = xp.sum(centred * centred, axis=(1, 2))
    rotation, scale = similarity_of_moments(covariance, variance)
    rotated = xp.matmul(centred, xp.matrix_transpose(rotation))
    return scale[:, None, None] * rotated + truth_centre


def similarity_of_moments(covariance: Any, variance: Any) -> tuple[Any, Any]:
    """Rotation (N, 3, 3) and scale (N,) of :func:`similarity_align`.

    Parameters
    ----------
    covariance : (N, 3, 3) array
        sum truth points^T, both relative to their means.
    variance : (N,) array
        sum |points|^2.
    """
    xp = array_namespace(covariance, variance)
    # An SVD of NaN would fail for the whole batch.
    finite = xp.all(xp.isfinite(covariance), axis=(1, 2)) & xp.isfinite(variance)
    left, singular, right = xp.linalg.svd(
        xp.where(finite[:, None, None], covariance, xp.zeros_like(covariance))
    )
    ones = xp.ones_like(singular[:, 0])
    last = xp.where(xp.linalg.det(xp.matmul(left, right)) < 0, -ones, ones)
    sign = xp.stack([ones, ones, last], axis=-1)
    rotation = xp.matmul(left * sign[:, None, :], right)
    scale = xp.sum(singular * sign, axis=-1) / xp.where(variance > 0, variance, xp.ones_like(variance))
    scale = xp.where(finite, scale, math.nan * ones)
    return rotation, scale


def _mean(errors: Any) -> Any:
    """Mean error of each body: (N,) from (N, K)."""
    return array_namespace(errors).mean(errors, axis=-1)


def joint_errors(joints: ArrayT, truth: ArrayT, protocol: Protocol = LSP14) -> ArrayT:
    """Distance of each joint from the truth, roots aligned: (N, K) from (N, R, 3)."""
    return distances(protocol.pick_about_root(joints), protocol.pick_about_root(truth))


def pa_joint_errors(joints: ArrayT, truth: ArrayT, protocol: Protocol = LSP14) -> ArrayT:
    """Distance of each joint from the truth after similarity alignment: (N, K) from (N, R, 3)."""
    target = protocol.pick(truth)
    return distances(similarity_align(protocol.pick(joints), target), target)


def depth_errors(joints: ArrayT, truth: ArrayT, protocol: Protocol = LSP14) -> ArrayT:
    """Depth difference |z - z'| of each joint, roots aligned: (N, K) from (N, R, 3) in camera space."""
    difference = protocol.pick_about_root(joints) - protocol.pick_about_root(truth)
    return array_namespace(difference).abs(difference[..., 2])


def mpjpe(joints: ArrayT, truth: ArrayT, protocol: Protocol = LSP14) -> ArrayT:
    """Mean distance of joints from the truth, roots aligned: (N,) from (N, R, 3)."""
    return _mean(joint_errors(joints, truth, protocol))


def pa_mpjpe(joints: ArrayT, truth: ArrayT, protocol: Protocol = LSP14) -> ArrayT:
    """Mean distance of joints from the truth after similarity alignment: (N,) from (N, R, 3)."""
    return _mean(pa_joint_errors(joints, truth, protocol))


def pve(vertices: ArrayT, truth: ArrayT, root: ArrayT, truth_root: ArrayT) -> ArrayT:
    """Mean distance of all vertices, root joints aligned: (N,) from (N, V, 3) and roots (N, 3).

    The authors' evaluation does not align: there the betas' effect on the rest pelvis counts as an error.
    That is :func:`mean_distance` of vertices posed without translation.
    """
    if isinstance(vertices, np.ndarray) and isinstance(truth, np.ndarray):
        found: ArrayT = mean_distances(vertices, truth, root - truth_root)
        return found
    return mean_distance(vertices - root[:, None, :], truth - truth_root[:, None, :])


def pa_pve(vertices: ArrayT, truth: ArrayT) -> ArrayT:
    """Mean distance of all vertices after similarity alignment of the vertices: (N,) from (N, V, 3)."""
    return mean_distance(similarity_align(vertices, truth), truth)


def depth_error(joints: ArrayT, truth: ArrayT, protocol: Protocol = LSP14) -> ArrayT:
    """Mean depth difference |z - z'| of joints, roots aligned: (N,) from (N, R, 3) in camera space."""
    return _mean(depth_errors(joints, truth, protocol))


class BodyErrors(NamedTuple):
    """Errors of each body, (N,), in metres."""

    mpjpe: Any
    pa_mpjpe: Any
    pve: Any


def body_errors(
    body: BodyModel,
    pose: ArrayT,
    betas: ArrayT,
    true_pose: ArrayT,
    true_betas: ArrayT,
    protocol: Protocol = LSP14,
) -> BodyErrors:
    """MPJPE, PA-MPJPE and PVE of bodies against the truth, in metres.

    Parameters
    ----------
    body : BodyModel
        With the protocol's joints.
    pose, true_pose : (N, J, 3, 3) array
    betas, true_betas : (N, S) array
    protocol : Protocol, optional
    """
    posed, truth = body.forward(pose, betas), body.forward(true_pose, true_betas)
    return BodyErrors(**measure(posed, truth, BodyErrors._fields, protocol))


def measure(
    posed: BodyOutput[ArrayT],
    truth: BodyOutput[ArrayT],
    metrics: Iterable[str],
    protocol: Protocol = LSP14,
) -> dict[str, ArrayT]:
    """Errors of posed bodies by metric: mpjpe, pa_mpjpe, pve, pa_pve, depth_error, (N,) each, in metres."""
    joints = protocol.joints_of(posed), protocol.joints_of(truth)
    roots = posed.joints[:, 0, :], truth.joints[:, 0, :]
    functions: dict[str, Callable[[], ArrayT]] = {
        "mpjpe": lambda: mpjpe(*joints, protocol),
        "pa_mpjpe": lambda: pa_mpjpe(*joints, protocol),
        "pve": lambda: pve(posed.vertices, truth.vertices, *roots),
        "pa_pve": lambda: pa_pve(posed.vertices, truth.vertices),
        "depth_error": lambda: depth_error(*joints, protocol),
    }
    return {name: functions[name]() for name in metrics}


def share_improved(before: ArrayT, after: ArrayT) -> float:
    """Fraction of bodies whose error (N,) decreased, of those finite in both; NaN if there are none."""
    xp = array_namespace(before, after)
    measured = xp.isfinite(before) & xp.isfinite(after)
    count = int(xp.count_nonzero(measured))
    return int(xp.count_nonzero(measured & xp.less(after, before))) / count if count else math.nan


def sequence_means(errors: Array, sequences: Sequence[str] | np.ndarray) -> dict[str, float]:
    """Mean error of each sequence, over bodies whose error is finite.

    Parameters
    ----------
    errors : (N,) array
    sequences : (N,) array_like of str
        The sequence of each body.

    Returns
    -------
    dict
        In the order of the sequences' first bodies; NaN for a sequence without a finite error.

    Raises
    ------
    InputError
        If there is not one sequence for each body.
    """
    xp = array_namespace(errors)
    names = np.asarray(sequences)
    if names.shape != tuple(errors.shape):
        raise InputError(f"sequences: expected shape {tuple(errors.shape)}, got {names.shape}.")
    means = {}
    for name in dict.fromkeys(names.tolist()):
        of_sequence = errors[xp.asarray(names == name, device=device(errors))]
        finite = of_sequence[xp.isfinite(of_sequence)]
        means[name] = float(xp.mean(finite)) if finite.shape[0] else math.nan
    return means
