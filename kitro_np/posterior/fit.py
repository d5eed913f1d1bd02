"""Fit: the most probable body given its estimate, its keypoints and the motion prior."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace, device

from ..arrays.rotations import cayley, cross_matrix
from ..body.kinematics import parent_rotations
from ..body.skeleton import Skeleton
from ..camera import project
from ..keypoints.layouts import KeypointLayout
from . import priors
from .acceptance import (
    FEWEST_KEYPOINTS,
    SWAP_MARGIN,
    allowance_of,
    assignments,
    gate_keypoints,
    quality_of,
    score_of,
    swap_gain,
    threshold_of,
)
from .gauss_newton import (
    Prior,
    Scales,
    Step,
    gauss_newton_step,
    largest_angle,
    linearise_prior,
    stacked_jacobian,
)
from .projection import Posed, place_points, point_jacobians, points_on, unseen_in_front
from .scales import update_scales

STEPS, SCALED_STEPS = 4, 3
"""Gauss-Newton steps, and after how many of them the scales are re-estimated; see docs/accuracy.md."""


class Fitted(NamedTuple):
    """The most probable bodies.

    Attributes
    ----------
    pose : (N, J, 3, 3) array
    betas : (N, S) array
    transl : (N, 3) array
    pose_scale : (N,) array
        Estimated factor on the standard deviations of the estimate's pose.
    noise : (N,) array
        Estimated standard deviation of the keypoints, in pixels.
    quality : (N,) array
        Threshold minus score: a body is accepted if it is positive.
    swapped : (N,) array of bool
        Whether the keypoints fit better with left and right swapped.
    evidence : (N,) array
        Logarithm of the keypoints' probability density given the estimate, up to a constant of the body.
    joint_spread : (N, J) array
        Standard deviation of each joint relative to the root, in metres: root of its covariance's trace.
    """

    pose: Any
    betas: Any
    transl: Any
    pose_scale: Any
    noise: Any
    quality: Any
    swapped: Any
    evidence: Any
    joint_spread: Any


def fit_arrays(
    skeleton: Skeleton,
    layout: KeypointLayout,
    pose: Any,
    betas: Any,
    transl: Any,
    keypoints_2d: Any,
    confidence: Any,
    intrinsics: Any,
    motion: priors.MotionPrior,
    steps: int = STEPS,
    *,
    start_pose: Any = None,
) -> Fitted:
    """Find the most probable bodies by Gauss-Newton steps from their estimates.

    Parameters
    ----------
    skeleton : Skeleton
    layout : KeypointLayout
    pose : (N, J, 3, 3) array
    betas : (N, S) array
    transl : (N, 3) array
    keypoints_2d : (N, K, 2) array
        In pixels; finite, also where they are not visible.
    confidence : (N, K) array
        Relative precision of each keypoint; 0 where it is not visible.
    intrinsics : (N, 3, 3) array
    motion : MotionPrior
    steps : int
    start_pose : (N, J, 3, 3) array, optional
        Initial value of the steps, in place of the estimate.
    """
    xp = array_namespace(pose)
    points = points_on(skeleton, layout, pose)
    confidence = confidence * points.precision
    visible = xp.astype(confidence > 0, pose.dtype)
    count = xp.sum(visible, axis=1)
    coordinates = 2 * xp.maximum(count, xp.ones_like(count))
    # A single point does not determine the depth: then the translation is kept.
    depth_observed = xp.astype(count > 1.5, pose.dtype)[:, None]
    moving = xp.astype(xp.matmul(visible, points.moved) > 0, pose.dtype)
    size = priors.size_of(skeleton.host)
    pixels_per_metre = intrinsics[:, 0, 0] / transl[:, 2] * size
    prior = make_prior(skeleton, pose, betas, transl, motion, size)
    betas = prior.betas
    pose = pose if start_pose is None else start_pose
    scales = Scales(xp.ones_like(pixels_per_metre), priors.INITIAL_NOISE * pixels_per_metre)
    first_log_determinant, quality, swapped = None, None, None
    for k in range(steps):
        posed = unseen_in_front(place_points(skeleton, points, pose, betas, transl), visible > 0)
        jacobians = point_jacobians(posed, points.moved, intrinsics)
        residual = (keypoints_2d - project(posed.points, intrinsics)) * visible[:, :, None]
        linear_prior = linearise_prior(prior, scales, pose, betas, transl, posed)
        noise = scales.noise[:, None]
        if k == 0:
            jacobian = stacked_jacobian(jacobians)
            gates = gate_keypoints(linear_prior, jacobian, residual, confidence, scales.noise)
            student_weight = gates.weight
        else:
            dof = priors.KEYPOINT_DOF
            squared = confidence * xp.sum(residual * residual, axis=-1) / noise**2
            student_weight = (dof + 2) / (dof + squared)
        weights = xp.sqrt(confidence * student_weight) / noise
        step = gauss_newton_step(linear_prior, jacobians, residual, weights)
        log_determinant = step.log_determinant - 4 * xp.sum(
            xp.log(xp.where(visible > 0, weights, xp.ones_like(weights))), axis=1
        )
        if k == 0:
            first_log_determinant = log_determinant
            swapped_keypoints = _swapped_keypoints(layout, keypoints_2d, visible)
            gain = swap_gain(
                step, linear_prior, jacobian, weights, residual,
                [(other - keypoints_2d) * visible[:, :, None] + residual for other in swapped_keypoints],
            )  # fmt: skip
            swapped = gain > SWAP_MARGIN * coordinates
        score = score_of(
            step,
            log_determinant - first_log_determinant,
            gates.shift,
            scales.noise,
            pixels_per_metre,
            coordinates,
        )
        if k < SCALED_STEPS:
            scales = update_scales(prior, scales, step, weights, moving, pixels_per_metre)
        rotvec = step.rotvec * moving[:, :, None]
        length = largest_angle(rotvec)
        share = priors.LARGEST_ROTATION / xp.maximum(length, priors.LARGEST_ROTATION * xp.ones_like(length))
        pose = apply_rotations(skeleton, pose, posed, rotvec * share[:, None, None])
        betas, transl = (
            betas + step.betas * share[:, None],
            transl + step.transl * share[:, None] * depth_observed,
        )
    threshold = threshold_of(coordinates, allowance_of(skeleton))
    quality = quality_of(score, threshold, prior_mahalanobis(prior, betas, transl), betas.shape[1] + 3)
    quality = xp.where(count < FEWEST_KEYPOINTS, -xp.ones_like(score), quality)
    log_evidence = -(step.mahalanobis + log_determinant) / 2
    spread_of_joints = joint_spread(posed, step, skeleton)
    return Fitted(
        pose, betas, transl, scales.pose, scales.noise, quality, swapped, log_evidence, spread_of_joints
    )


def make_prior(
    skeleton: Skeleton, pose: Any, betas: Any, transl: Any, motion: priors.MotionPrior, size: float
) -> Prior:
    """Return the priors of a batch of bodies.

    The translation's standard deviation is TRANSL_SPREAD, times the body's size, parallel to the image plane,
    and DEPTH_SPREAD of the depth along the viewing ray.
    """
    xp = array_namespace(pose)
    like = {"dtype": pose.dtype, "device": device(pose)}
    # Rows M that whiten a translation error: along x, along y, along the ray. Its precision is M^T M.
    depth = transl[:, 2]
    across = xp.ones_like(depth) / (priors.TRANSL_SPREAD * size)
    zero = xp.zeros_like(depth)
    rows = [
        [across, zero, -across * transl[:, 0] / depth],
        [zero, across, -across * transl[:, 1] / depth],
        [zero, zero, 1 / (priors.DEPTH_SPREAD * depth)],
    ]
    whiten = xp.stack([xp.stack(row, axis=-1) for row in rows], axis=-2)
    return Prior(
        pose,
        xp.asarray(priors.pose_spread(skeleton.host), **like),
        priors.BETAS_SHARE * betas,
        priors.BETAS_PRECISION,
        transl,
        xp.matmul(xp.matrix_transpose(whiten), whiten),
        priors.MotionPrior(xp.asarray(motion.mean, **like), xp.asarray(motion.precision, **like)),
    )


def prior_mahalanobis(prior: Prior, betas: Any, transl: Any) -> Any:
    """Squared Mahalanobis distance of betas and translation from their prior: (N,)."""
    xp = array_namespace(betas)
    shape, offset = betas - prior.betas, transl - prior.transl
    of_transl = xp.matmul(offset[:, None, :], xp.matmul(prior.transl_precision, offset[..., None]))[:, 0, 0]
    return prior.betas_precision * xp.sum(shape * shape, axis=1) + of_transl


def apply_rotations(skeleton: Skeleton, pose: Any, posed: Posed, rotvec: Any) -> Any:
    """Rotate each joint and its descendants about the camera's axes, R + G_p^T (cayley(w) - I) G_p R.

    Returns local rotations (N, J, 3, 3). A joint with w = 0 keeps its rotation to the last digit, even where
    matrices are not quite orthonormal.
    """
    xp = array_namespace(pose)
    above = parent_rotations(skeleton, posed.rotations)
    identity = xp.eye(3, dtype=pose.dtype, device=device(pose))
    root = identity + xp.zeros_like(above[:, :1, :, :])
    above = xp.concat([root, above[:, 1:, :, :]], axis=1)
    change = xp.matmul(xp.matmul(xp.matrix_transpose(above), cayley(rotvec) - identity), above)
    return pose + xp.matmul(change, pose)


def joint_spread(posed: Posed, step: Step, skeleton: Skeleton) -> Any:
    """Return each joint's standard deviation relative to the root after a step: (N, J), in metres."""
    xp = array_namespace(posed.joints)
    count, joints = posed.joints.shape[:2]
    above = np.zeros((joints, joints))
    for joint, parent in enumerate(skeleton.parents):
        if joint:
            above[joint] = above[parent]
            above[joint, parent] = 1
    above = xp.asarray(above, dtype=posed.joints.dtype, device=device(posed.joints))
    lever_arm = (posed.joints[:, :, None, :] - posed.joints[:, None, :, :]) * above[:, :, None]
    # A rotation w moves a joint by w x d = -[d]x w.
    by_rotation = xp.permute_dims(-cross_matrix(lever_arm), (0, 1, 3, 2, 4))
    by_rotation = xp.reshape(by_rotation, (count, 3 * joints, 3 * joints))
    by_betas = posed.joints_by_betas - posed.joints_by_betas[:, :1, :, :]
    by_unknowns = xp.concat(
        [by_rotation, xp.reshape(by_betas, (count, 3 * joints, by_betas.shape[-1]))], axis=-1
    )
    size = by_unknowns.shape[-1]
    variance = xp.sum(xp.matmul(by_unknowns, step.covariance[:, :size, :size]) * by_unknowns, axis=-1)
    return xp.sqrt(xp.sum(xp.reshape(variance, (count, joints, 3)), axis=-1))


def _swapped_keypoints(layout: KeypointLayout, keypoints_2d: Any, visible: Any) -> list[Any]:
    """Keypoints with left and right swapped where both are visible, for each order of :func:`assignments`."""
    xp = array_namespace(keypoints_2d)
    exchanged = []
    for order in assignments(layout):
        twins = xp.stack([keypoints_2d[:, k, :] for k in order], axis=1)
        both = xp.stack([visible[:, k] for k in order], axis=1) * visible
        exchanged.append(xp.where(both[:, :, None] > 0, twins, keypoints_2d))
    return exchanged
