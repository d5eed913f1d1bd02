"""Fit: the most probable body given its estimate, its keypoints and how people move."""

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
    FEWEST,
    SWAP_MARGIN,
    allowance_of,
    assignments,
    gain_of_swaps,
    gate_keypoints,
    quality_of,
    score_of,
    threshold_of,
)
from .gauss_newton import Prior, Scales, Step, best_step, jacobian_of, known_step, length_of
from .projection import Posed, place_points, point_slopes, points_on
from .scales import update_scales

STEPS, SCALED_STEPS = 4, 3
"""Gauss-Newton steps, and after how many of them the scales are updated."""


class Fitted(NamedTuple):
    """The most probable bodies.

    Attributes
    ----------
    pose : (N, J, 3, 3) array
    betas : (N, S) array
    transl : (N, 3) array
    pose_scale : (N,) array
        How far the estimate's pose was off, over what is usual.
    noise : (N,) array
        Spread of the keypoints, in pixels.
    quality : (N,) array
        How far the score is below the threshold: a body is accepted if it is positive.
    swapped : (N,) array of bool
        Whether the keypoints fit better with left and right the other way round.
    evidence : (N,) array
        Logarithm of how probable the keypoints are given the estimate, but for a constant of the body.
    joint_spread : (N, J) array
        Of each joint about the root, in metres: the root of the mean squared distance.
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
        Finite, also where they are not seen.
    confidence : (N, K) array
        Relative precision of each keypoint; 0 where it is not seen.
    intrinsics : (N, 3, 3) array
    motion : MotionPrior
    steps : int
    start_pose : (N, J, 3, 3) array, optional
        Where the steps begin, in place of the estimate.
    """
    xp = array_namespace(pose)
    points = points_on(skeleton, layout, pose)
    confidence = confidence * points.precision
    visible = xp.astype(confidence > 0, pose.dtype)
    count = xp.sum(visible, axis=1)
    numbers = 2 * xp.maximum(count, xp.ones_like(count))
    # One point says nothing of the distance: then the camera stays.
    fixes = xp.astype(count > 1.5, pose.dtype)[:, None]
    moving = xp.astype(xp.matmul(visible, points.moved) > 0, pose.dtype)
    size = priors.size_of(skeleton.host)
    pixels_per_metre = intrinsics[:, 0, 0] / transl[:, 2] * size
    prior = make_prior(skeleton, pose, betas, transl, motion, size)
    betas = prior.betas
    pose = pose if start_pose is None else start_pose
    scales = Scales(xp.ones_like(pixels_per_metre), priors.NOISE * pixels_per_metre)
    first_spread, quality, swapped = None, None, None
    for k in range(steps):
        posed = place_points(skeleton, points, pose, betas, transl)
        slopes = point_slopes(posed, points.moved, intrinsics)
        residual = (keypoints_2d - project(posed.points, intrinsics)) * visible[:, :, None]
        known = known_step(prior, scales, pose, betas, transl, posed)
        noise = scales.noise[:, None]
        if k == 0:
            jacobian = jacobian_of(slopes)
            gates = gate_keypoints(known, jacobian, residual, confidence, scales.noise)
            trust = gates.weight
        else:
            freedom = priors.KEYPOINT_FREEDOM
            squared = confidence * xp.sum(residual * residual, axis=-1) / noise**2
            trust = (freedom + 2) / (freedom + squared)
        weights = xp.sqrt(confidence * trust) / noise
        step = best_step(known, slopes, residual, weights)
        spread = step.volume - 4 * xp.sum(
            xp.log(xp.where(visible > 0, weights, xp.ones_like(weights))), axis=1
        )
        if k == 0:
            first_spread = spread
            others = _swap(layout, keypoints_2d, visible)
            gain = gain_of_swaps(
                step, known, jacobian, weights, residual,
                [(other - keypoints_2d) * visible[:, :, None] + residual for other in others],
            )  # fmt: skip
            swapped = gain > SWAP_MARGIN * numbers
        score = score_of(step, spread - first_spread, gates.shift, scales.noise, pixels_per_metre, numbers)
        if k < SCALED_STEPS:
            scales = update_scales(prior, scales, step, weights, moving, pixels_per_metre)
        turn = step.turn * moving[:, :, None]
        length = length_of(turn)
        share = priors.LARGEST_TURN / xp.maximum(length, priors.LARGEST_TURN * xp.ones_like(length))
        pose = turn_joints(skeleton, pose, posed, turn * share[:, None, None])
        betas, transl = betas + step.betas * share[:, None], transl + step.transl * share[:, None] * fixes
    threshold = threshold_of(numbers, allowance_of(skeleton))
    quality = quality_of(score, threshold, oddness(prior, betas, transl), betas.shape[1] + 3)
    quality = xp.where(count < FEWEST, -xp.ones_like(score), quality)
    evident = -(step.surprise + spread) / 2
    wide = joint_spread(posed, step, skeleton)
    return Fitted(pose, betas, transl, scales.pose, scales.noise, quality, swapped, evident, wide)


def make_prior(
    skeleton: Skeleton, pose: Any, betas: Any, transl: Any, motion: priors.MotionPrior, size: float
) -> Prior:
    """Say how far off the estimates may be.

    The translation errs by PLACE_SPREAD across the view, and by DEPTH_SPREAD of the distance along its ray.
    """
    xp = array_namespace(pose)
    like = {"dtype": pose.dtype, "device": device(pose)}
    # What an offset is in these spreads: across, across, along.
    depth = transl[:, 2]
    across = xp.ones_like(depth) / (priors.PLACE_SPREAD * size)
    zero = xp.zeros_like(depth)
    rows = [
        [across, zero, -across * transl[:, 0] / depth],
        [zero, across, -across * transl[:, 1] / depth],
        [zero, zero, 1 / (priors.DEPTH_SPREAD * depth)],
    ]
    root = xp.stack([xp.stack(row, axis=-1) for row in rows], axis=-2)
    return Prior(
        pose,
        xp.asarray(priors.pose_spread(skeleton.host), **like),
        priors.BETAS_SHARE * betas,
        priors.BETAS_PRECISION,
        transl,
        xp.matmul(xp.matrix_transpose(root), root),
        priors.MotionPrior(xp.asarray(motion.mean, **like), xp.asarray(motion.precision, **like)),
    )


def oddness(prior: Prior, betas: Any, transl: Any) -> Any:
    """Squared distance of betas and translation from what was to be expected, in its spread: (N,)."""
    xp = array_namespace(betas)
    shape, gap = betas - prior.betas, transl - prior.transl
    place = xp.matmul(gap[:, None, :], xp.matmul(prior.transl_precision, gap[..., None]))[:, 0, 0]
    return prior.betas_precision * xp.sum(shape * shape, axis=1) + place


def turn_joints(skeleton: Skeleton, pose: Any, posed: Posed, turn: Any) -> Any:
    """Turn each joint, and all that hangs on it, about the camera's axes: local rotations (N, J, 3, 3).

    A joint that is not turned stays to the last digit, even if rotations are not quite orthonormal.
    """
    xp = array_namespace(pose)
    above = parent_rotations(skeleton, posed.rotations)
    identity = xp.eye(3, dtype=pose.dtype, device=device(pose))
    root = identity + xp.zeros_like(above[:, :1, :, :])
    above = xp.concat([root, above[:, 1:, :, :]], axis=1)
    change = xp.matmul(xp.matmul(xp.matrix_transpose(above), cayley(turn) - identity), above)
    return pose + xp.matmul(change, pose)


def joint_spread(posed: Posed, step: Step, skeleton: Skeleton) -> Any:
    """Spread of every joint about the root, as a step leaves it: (N, J), in metres."""
    xp = array_namespace(posed.joints)
    count, joints = posed.joints.shape[:2]
    above = np.zeros((joints, joints))
    for joint, parent in enumerate(skeleton.parents):
        if joint:
            above[joint] = above[parent]
            above[joint, parent] = 1
    above = xp.asarray(above, dtype=posed.joints.dtype, device=device(posed.joints))
    lever = (posed.joints[:, :, None, :] - posed.joints[:, None, :, :]) * above[:, :, None]
    # A turn w moves by w x d = -[d]x w.
    by_turn = xp.permute_dims(-cross_matrix(lever), (0, 1, 3, 2, 4))
    by_turn = xp.reshape(by_turn, (count, 3 * joints, 3 * joints))
    by_betas = posed.joints_by_betas - posed.joints_by_betas[:, :1, :, :]
    moves = xp.concat([by_turn, xp.reshape(by_betas, (count, 3 * joints, by_betas.shape[-1]))], axis=-1)
    size = moves.shape[-1]
    variance = xp.sum(xp.matmul(moves, step.covariance[:, :size, :size]) * moves, axis=-1)
    return xp.sqrt(xp.sum(xp.reshape(variance, (count, joints, 3)), axis=-1))


def _swap(layout: KeypointLayout, keypoints_2d: Any, visible: Any) -> list[Any]:
    """Keypoints with left and right the other way round, where both are seen."""
    xp = array_namespace(keypoints_2d)
    swapped_points = []
    for order in assignments(layout):
        twins = xp.stack([keypoints_2d[:, k, :] for k in order], axis=1)
        both = xp.stack([visible[:, k] for k in order], axis=1) * visible
        swapped_points.append(xp.where(both[:, :, None] > 0, twins, keypoints_2d))
    return swapped_points
