"""Refine a batch of bodies by the array stages: visibility, fit and verdict."""

from __future__ import annotations

from typing import Any, NamedTuple

from array_api_compat import array_namespace, device

from ..arrays.select import where_bodies
from ..body.skeleton import Skeleton
from ..keypoints.layouts import KeypointLayout
from ..refinement.outcome import Diagnostics, Refined
from ..refinement.validity import Status, estimate_status, outcome_status, stand_in_body
from .fit import fit_arrays
from .priors import MotionPrior
from .projection import Points, place_points, points_on
from .seen import see_keypoints, visible_error, visible_in_front
from .verdict import FEWEST_KEYPOINTS


class FitArguments(NamedTuple):
    """Bodies that can be fitted, others replaced by stand-ins, and what is seen of them.

    Attributes
    ----------
    points : Points
    keypoints_2d : (N, K, 2) array
        0 where they are not visible.
    confidence : (N, K) array
        0 where a keypoint is not visible.
    visible : (N, K) array of bool
    status : (N,) array
        First reason why a body cannot be fitted, 0 if it can.
    error : (N,) array
        Mean distance of the estimate's points from the visible keypoints, in pixels.
    pose, betas, transl, intrinsics : array
        Without NaN and infinity, which would fail the whole batch.
    """

    points: Points
    keypoints_2d: Any
    confidence: Any
    visible: Any
    status: Any
    error: Any
    pose: Any
    betas: Any
    transl: Any
    intrinsics: Any


def fit_arguments(
    skeleton: Skeleton,
    layout: KeypointLayout,
    pose: Any,
    betas: Any,
    transl: Any,
    keypoints_2d: Any,
    intrinsics: Any,
    confidence: Any,
    *,
    image_size: Any = None,
    safe: bool = True,
) -> FitArguments:
    """Tell what is visible, and which bodies can be fitted; arguments of :func:`refine_arrays`."""
    xp = array_namespace(pose)
    points = points_on(skeleton, layout, pose)
    keypoints_2d, confidence, visible = see_keypoints(points, keypoints_2d, confidence, image_size)
    given_places = place_points(skeleton, points, pose, betas, transl).points
    front = visible_in_front(given_places, transl, visible)
    status = estimate_status(skeleton, pose, betas, transl, keypoints_2d, intrinsics, front)
    refined_status = xp.zeros_like(status)
    status = xp.where(status == float(Status.KEYPOINTS_IN_ONE_POINT), refined_status, status)
    count = xp.sum(xp.astype(visible, pose.dtype), axis=1)
    too_few = count < (FEWEST_KEYPOINTS if safe else 1)
    status = xp.where((status == 0) & too_few, refined_status + float(Status.TOO_FEW_KEYPOINTS), status)
    error = visible_error(given_places, keypoints_2d, visible, intrinsics)
    stand_in = stand_in_body(pose, betas, transl, intrinsics)
    given = (pose, betas, transl, intrinsics)
    usable = (where_bodies(status == 0, *both) for both in zip(given, stand_in, strict=True))
    return FitArguments(points, keypoints_2d, confidence, visible, status, error, *usable)


def refine_arrays(
    skeleton: Skeleton,
    layout: KeypointLayout,
    pose: Any,
    betas: Any,
    transl: Any,
    keypoints_2d: Any,
    intrinsics: Any,
    confidence: Any,
    motion: MotionPrior,
    *,
    image_size: Any = None,
    safe: bool = True,
    start_pose: Any = None,
    landmarks: bool | None = None,
) -> tuple[Refined, Diagnostics, Any, Any]:
    """Find the most probable bodies; those whose keypoints are not accepted come back as their estimates.

    Also return the scale (N,) of the estimates' error, and what exchanges of sides gain (N, A).

    Parameters
    ----------
    skeleton : Skeleton
        With arrays of the kind of `pose`.
    layout : KeypointLayout
    pose : (N, J, 3, 3) array
    betas : (N, S) array
    transl : (N, 3) array
    keypoints_2d : (N, K, 2) array
    intrinsics : (N, 3, 3) array
    confidence : (N, K) array
    motion : MotionPrior
    image_size : (N or 1, 2) array, optional
        In pixels.
    safe : bool
    start_pose : (N, J, 3, 3) array, optional
        Initial value of the steps, in place of the estimate.
    landmarks : bool, optional
        Whether the estimates are of landmarks; by default those whose betas are all 0.
    """
    xp = array_namespace(pose)
    seen = fit_arguments(
        skeleton, layout, pose, betas, transl, keypoints_2d, intrinsics, confidence,
        image_size=image_size, safe=safe,
    )  # fmt: skip
    points, visible, intrinsics, error = seen.points, seen.visible, seen.intrinsics, seen.error
    status, usable = seen.status, seen.status == 0
    refined_status = xp.zeros_like(status)
    start = seen.pose if start_pose is None else where_bodies(usable, start_pose, seen.pose)
    fitted = fit_arrays(
        skeleton, layout, seen.pose, seen.betas, seen.transl, seen.keypoints_2d, seen.confidence, intrinsics,
        motion, start_pose=start, landmarks=landmarks,
    )  # fmt: skip
    placed = place_points(skeleton, points, fitted.pose, fitted.betas, fitted.transl).points
    front = visible_in_front(placed, fitted.transl, visible)
    refined_error = visible_error(placed, fitted.keypoints_2d, visible, intrinsics)
    outcome = outcome_status(skeleton, fitted.pose, fitted.betas, fitted.transl, refined_error, front)
    diverged = refined_status + float(Status.DIVERGED)
    outcome = xp.where((outcome == 0) & ~xp.isfinite(fitted.quality), diverged, outcome)
    status = xp.where(usable, outcome, status)
    if safe:
        reason = xp.where(
            fitted.swapped, float(Status.SWAPPED) + refined_status, float(Status.UNLIKELY) + refined_status
        )
        reason = xp.where(fitted.quality > 0, refined_status, reason)
        status = xp.where(status == 0, reason, status)
    good = status == 0
    assessed = good | (status == float(Status.UNLIKELY)) | (status == float(Status.SWAPPED))
    missing = xp.full_like(error, xp.nan)
    refined = Refined(
        where_bodies(good, fitted.pose, pose),
        where_bodies(good, fitted.betas, betas),
        where_bodies(good, fitted.transl, transl),
        xp.full(pose.shape[:2], -1, dtype=xp.int8, device=device(pose)),
        missing,
        xp.where(good, refined_error, error),
        xp.astype(status, xp.int8),
    )
    return (
        refined,
        Diagnostics(
            xp.where(assessed, fitted.quality, missing),
            xp.astype(assessed & fitted.swapped, xp.int8),
            xp.astype(assessed & fitted.turned, xp.int8),
            xp.where(assessed, fitted.noise, missing),
            xp.where(assessed, fitted.evidence, missing),
            xp.where(good[:, None], fitted.joint_spread, missing[:, None]),
        ),
        fitted.pose_scale,
        fitted.gains,
    )
