"""Fit: the most probable body given its estimate, its keypoints and the motion prior."""

from __future__ import annotations

from typing import Any, NamedTuple

from array_api_compat import array_namespace, device

from ..arrays.rotations import cayley
from ..arrays.select import where_bodies
from ..body.kinematics import parent_rotations
from ..body.skeleton import Skeleton
from ..camera import project
from ..keypoints.layouts import KeypointLayout
from . import priors
from .facing import face_points, faces_wrong_way, reflected
from .gates import gate_keypoints
from .gauss_newton import (
    LinearPrior,
    Prior,
    Scales,
    Step,
    gauss_newton_step,
    largest_angle,
    linearise_prior,
    stacked_jacobian,
)
from .projection import (
    Points,
    Posed,
    place_points,
    point_jacobians,
    points_on,
    unseen_in_front,
)
from .robust import information, inlier_probability, outlier_odds, student_weight
from .scales import update_scales
from .spread import joint_spread
from .swaps import assignments, best_swap, exchanged, swap_gains
from .verdict import FEWEST_KEYPOINTS, TOO_FEW_INLIERS, Affine, features_of, fit_affine, quality_of

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
        Logarithm of the odds that the body is better than its estimate: it is accepted if they are positive.
    swapped : (N,) array of bool
        Whether left and right of keypoints were exchanged, and were put right.
    turned : (N,) array of bool
        Whether the estimate faced the wrong way, and was reflected in depth.
    evidence : (N,) array
        Logarithm of the keypoints' probability density given the estimate, up to a constant of the body.
    joint_spread : (N, J) array
        Standard deviation of each joint relative to the root, in metres: root of its covariance's trace.
    features : (N, F) array
        Features of the verdict, see :func:`kitro_np.posterior.verdict.features_of`.
    keypoints_2d : (N, K, 2) array
        With left and right put right.
    gains : (N, A) array
        Decrease of the squared distance by each exchange of left and right.
    """

    pose: Any
    betas: Any
    transl: Any
    pose_scale: Any
    noise: Any
    quality: Any
    swapped: Any
    turned: Any
    evidence: Any
    joint_spread: Any
    features: Any
    keypoints_2d: Any
    gains: Any


class FitInput(NamedTuple):
    """What a fit is given, besides the prior.

    Attributes
    ----------
    skeleton : Skeleton
    layout : KeypointLayout
    points : Points
    keypoints_2d : (N, K, 2) array
        In pixels; left and right put right.
    confidence : (N, K) array
        Relative precision of each keypoint; 0 where it is not visible.
    odds : (N, K) array
        Prior odds that a keypoint is an outlier.
    visible : (N, K) array
        1 where a keypoint is visible, else 0.
    intrinsics : (N, 3, 3) array
    pixels_per_metre : (N,) array
        At the estimate's depth, times the body's size (1 for a person).
    information : (N,) array
        Factor of the precision of all keypoints.
    """

    skeleton: Skeleton
    layout: KeypointLayout
    points: Points
    keypoints_2d: Any
    confidence: Any
    odds: Any
    visible: Any
    intrinsics: Any
    pixels_per_metre: Any
    information: Any


class Iterate(NamedTuple):
    """A step about a body, and what it was computed from; the stacked Jacobian of the first step only."""

    betas: Any
    transl: Any
    posed: Posed
    jacobian: Any
    residual: Any
    inlier: Any
    weights: Any
    linear_prior: LinearPrior
    step: Step


class Converged(NamedTuple):
    """The most probable bodies, with all that they were found by.

    Attributes
    ----------
    given : FitInput
        With left and right put right.
    prior : Prior
        About the estimates, those that faced the wrong way reflected.
    first, last : Iterate
        The step from the estimates, and the last one.
    scales, last_scales : Scales
        After the last step, and those that it was computed with.
    pose, betas, transl : array
        After the last step.
    swapped, turned : (N,) array of bool
        See :class:`Fitted`.
    gains : (N, A) array
    affine : Affine
        From the estimates' points to the keypoints.
    count : (N,) array
        Number of visible keypoints.
    moving : (N, J) array
        1 where a joint moves a visible keypoint, else 0.
    of_landmarks : (N,) array of bool
    """

    given: FitInput
    prior: Prior
    first: Iterate
    last: Iterate
    scales: Scales
    last_scales: Scales
    pose: Any
    betas: Any
    transl: Any
    swapped: Any
    turned: Any
    gains: Any
    affine: Affine
    count: Any
    moving: Any
    of_landmarks: Any


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
    landmarks: bool | None = None,
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
        From 0, where a keypoint is not visible, to 1.
    intrinsics : (N, 3, 3) array
    motion : MotionPrior
    steps : int
    start_pose : (N, J, 3, 3) array, optional
        Initial value of the steps, in place of the estimate.
    landmarks : bool, optional
        Whether the estimates are of landmarks, see :mod:`kitro_np.posterior.spread`; by default those whose
        betas are all 0.
    """
    return assess(
        converge(
            skeleton, layout, pose, betas, transl, keypoints_2d, confidence, intrinsics, motion, steps,
            start_pose=start_pose, landmarks=landmarks,
        )
    )  # fmt: skip


def converge(
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
    landmarks: bool | None = None,
) -> Converged:
    """Take the Gauss-Newton steps; arguments of :func:`fit_arrays`."""
    xp = array_namespace(pose)
    points = points_on(skeleton, layout, pose)
    precise = confidence * points.precision
    visible = xp.astype(precise > 0, pose.dtype)
    count = xp.sum(visible, axis=1)
    # A single point does not determine the depth: then the translation is kept.
    depth_observed = xp.astype(count > 1.5, pose.dtype)[:, None]
    moving = xp.astype(xp.matmul(visible, points.moved) > 0, pose.dtype)
    size = priors.size_of(skeleton.host)
    pixels_per_metre = intrinsics[:, 0, 0] / transl[:, 2] * size
    of_landmarks = xp.all(betas == 0, axis=1) & (betas.shape[1] > 0)
    if landmarks is not None:
        of_landmarks = xp.full_like(of_landmarks, landmarks)
    given = FitInput(
        skeleton, layout, points, keypoints_2d, precise, outlier_odds(confidence), visible, intrinsics,
        pixels_per_metre, information(count, of_landmarks),
    )  # fmt: skip
    prior = make_prior(skeleton, pose, betas, transl, motion, size)
    betas = prior.betas
    pose = pose if start_pose is None else start_pose
    scales = Scales(xp.ones_like(pixels_per_metre), priors.INITIAL_NOISE * pixels_per_metre)
    unknown = xp.zeros_like(count) > 0
    iterate = _find_step(given, prior, scales, pose, betas, transl, unknown, first=True)
    wrong_way = faces_wrong_way(face_points(skeleton, layout), iterate.posed.rotations, confidence * visible)
    given, swapped, turned, gains = _put_sides_right(given, iterate, wrong_way)
    if bool(xp.any(swapped | turned)):
        prior = prior._replace(pose=where_bodies(turned, reflected(skeleton, prior.pose, transl), prior.pose))
        pose = where_bodies(turned, reflected(skeleton, pose, transl), pose)
        iterate = _find_step(given, prior, scales, pose, betas, transl, swapped | turned, first=True)
    first = iterate
    projected = given.keypoints_2d - iterate.residual
    affine = fit_affine(projected, given.keypoints_2d, precise, pixels_per_metre)
    for k in range(steps):
        if k > 0:
            iterate = _find_step(given, prior, scales, pose, betas, transl, unknown, first=False)
        step = iterate.step
        last_scales = scales
        if k < SCALED_STEPS:
            scales = update_scales(
                iterate.linear_prior, scales, step, given.visible, given.information, moving,
                pixels_per_metre,
            )  # fmt: skip
        rotvec = step.rotvec * moving[:, :, None]
        length = largest_angle(rotvec)
        share = priors.LARGEST_ROTATION / xp.maximum(length, priors.LARGEST_ROTATION * xp.ones_like(length))
        pose = apply_rotations(skeleton, pose, iterate.posed, rotvec * share[:, None, None])
        betas, transl = (
            betas + step.betas * share[:, None],
            transl + step.transl * share[:, None] * depth_observed,
        )
    return Converged(
        given, prior, first, iterate, scales, last_scales, pose, betas, transl, swapped, turned, gains,
        affine, count, moving, of_landmarks,
    )  # fmt: skip


def assess(found: Converged) -> Fitted:
    """Say how far to trust the most probable bodies: features, quality, evidence and spread."""
    given, iterate, last_scales, count = found.given, found.last, found.last_scales, found.count
    xp = array_namespace(found.pose)
    step, pixels_per_metre = iterate.step, given.pixels_per_metre
    weights = given.confidence * iterate.inlier
    features = features_of(
        found.prior, last_scales, step, found.affine, found.transl, weights, iterate.inlier, count,
        found.moving, pixels_per_metre,
    )  # fmt: skip
    quality = quality_of(features, given.skeleton)
    # Where nearly all keypoints are outliers, the body is hardly moved, and all other features are void.
    inliers = xp.sum(iterate.inlier, axis=1)
    quality = xp.where(inliers > FEWEST_KEYPOINTS - 0.5, quality, xp.full_like(quality, TOO_FEW_INLIERS))
    evidence = -(step.mahalanobis + step.log_determinant + _log_noise(given, iterate)) / 2
    spread = joint_spread(
        iterate.posed, step, given.skeleton, last_scales.noise / pixels_per_metre, count, found.of_landmarks
    )
    return Fitted(
        found.pose, found.betas, found.transl, found.scales.pose, found.scales.noise, quality, found.swapped,
        found.turned, evidence, spread, features, given.keypoints_2d, found.gains,
    )  # fmt: skip


def _find_step(
    given: FitInput,
    prior: Prior,
    scales: Scales,
    pose: Any,
    betas: Any,
    transl: Any,
    sides_right: Any,
    *,
    first: bool,
) -> Iterate:
    """Linearise about a body, weigh the keypoints, and find the most probable step."""
    xp = array_namespace(pose)
    visible = given.visible
    posed = place_points(given.skeleton, given.points, pose, betas, transl)
    posed = unseen_in_front(posed, visible > 0)
    jacobians = point_jacobians(posed, given.points.moved, given.intrinsics)
    residual = (given.keypoints_2d - project(posed.points, given.intrinsics)) * visible[:, :, None]
    linear_prior = linearise_prior(prior, scales, pose, betas, transl, posed)
    jacobian = None
    if first:
        jacobian = stacked_jacobian(jacobians)
        mirror = given.layout.mirror
        to_twin = exchanged(given.keypoints_2d, visible, list(mirror)) - given.keypoints_2d
        seen = visible * xp.stack([visible[:, k] for k in mirror], axis=1) > 0
        # Once left and right have been put right, counterparts do not count.
        paired = seen & ~sides_right[:, None]
        squared, variance = gate_keypoints(
            linear_prior, jacobian, residual, to_twin, paired, mirror, scales.noise
        )
        inlier, weights = weigh(given, squared, variance, scales.noise)
    else:
        inlier, weights = weigh_residuals(given, residual, scales.noise)
    step = gauss_newton_step(linear_prior, jacobians, residual, weights)
    return Iterate(betas, transl, posed, jacobian, residual, inlier, weights, linear_prior, step)


def weigh_residuals(given: FitInput, residual: Any, noise: Any) -> tuple[Any, Any]:
    """Weigh all keypoints by their residuals (N, K, 2) in pixels; returns as :func:`weigh`."""
    xp = array_namespace(residual)
    variance = noise[:, None] ** 2
    squared = given.confidence * xp.sum(residual * residual, axis=-1) / variance
    confidence = xp.where(given.visible > 0, given.confidence, xp.ones_like(given.visible))
    return weigh(given, squared, variance / confidence, noise)


def weigh(given: FitInput, squared: Any, variance: Any, noise: Any) -> tuple[Any, Any]:
    """Return each keypoint's probability of being no outlier, and its inverse standard deviation: (N, K).

    Parameters
    ----------
    given : FitInput
    squared, variance : (N, K) array
        As of :func:`kitro_np.posterior.robust.inlier_probability`.
    noise : (N,) array
        In pixels.
    """
    xp = array_namespace(squared)
    inlier = inlier_probability(squared, given.odds, variance, given.pixels_per_metre) * given.visible
    precision = given.confidence * given.information[:, None]
    return inlier, xp.sqrt(precision * student_weight(squared) * inlier) / noise[:, None]


def _put_sides_right(given: FitInput, iterate: Iterate, wrong_way: Any) -> tuple[FitInput, Any, Any, Any]:
    """Exchange left and right of keypoints that fit so; tell which, which estimates are turned, and gains.

    Where all of a body's keypoints fit so, and its estimate faces the wrong way, the keypoints stay.
    """
    xp = array_namespace(wrong_way)
    orders = assignments(given.layout)
    none = xp.zeros_like(wrong_way)
    if not orders:
        return given, none, none, xp.zeros_like(given.keypoints_2d[:, :0, 0])
    keypoints_2d, visible = given.keypoints_2d, given.visible
    others = [exchanged(keypoints_2d, visible, order) for order in orders]
    gains = swap_gains(
        iterate.step,
        iterate.linear_prior,
        iterate.jacobian,
        iterate.weights,
        iterate.residual,
        [(other - keypoints_2d) * visible[:, :, None] + iterate.residual for other in others],
    )
    best = best_swap(gains)
    turned = (best == 0) & wrong_way
    for k, other in enumerate(others):
        keypoints_2d = xp.where(((best == k) & ~turned)[:, None, None], other, keypoints_2d)
    return given._replace(keypoints_2d=keypoints_2d), (best >= 0) & ~turned, turned, gains


def _log_noise(given: FitInput, iterate: Iterate) -> Any:
    """Log determinant of the keypoints' noise covariance, an outlier's that of OUTLIER_SPREAD: (N,)."""
    xp = array_namespace(iterate.weights)
    inlier = iterate.inlier
    weights = iterate.weights / xp.sqrt(xp.where(inlier > 0, inlier, xp.ones_like(inlier)))
    logs = xp.log(xp.where(weights > 0, weights, xp.ones_like(weights)))
    elsewhere = -xp.log(priors.OUTLIER_SPREAD * given.pixels_per_metre)[:, None]
    return -4 * xp.sum(given.visible * (inlier * logs + (1 - inlier) * elsewhere), axis=1)


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
