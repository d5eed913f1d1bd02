"""Fit: the most probable bodies of one track, by steps of all frames and of what they share in turn."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace, device

from ...arrays.linear import inverse_each
from ...body.kinematics import forward_kinematics
from ...body.skeleton import Skeleton
from ...keypoints.layouts import KeypointLayout
from .. import priors
from ..facing import reflected
from ..fit import FitInput, make_prior
from ..gauss_newton import Scales, Step
from ..projection import points_on
from ..robust import information, outlier_odds
from ..spread import joint_spread
from ..swaps import assignments, exchanged
from .accelerations import accelerations, spacing_of, spreads_of
from .chain import Messages, smooth
from .constant import Constants, update_constants
from .contacts import rests_of
from .frame import frame_system, sums_of, take_step, turned_estimates, with_depth_share
from .spreads import SPREAD_FACTOR, SPREAD_FRAMES, rounds_of


class TrackFrames(NamedTuple):
    """A track's T frames: what is given, and where the fit begins.

    Attributes
    ----------
    pose : (T, J, 3, 3) array
        Of the estimate.
    betas : (T, S) array
    transl : (T, 3) array
    keypoints_2d : (T, K, 2) array
        In pixels, sides as they were given.
    confidence : (T, K) array
        0 where a keypoint is not visible, or not used.
    intrinsics : (T, 3, 3) array
    start_pose : (T, J, 3, 3) array
    start_betas : (S,) array
    start_transl : (T, 3) array
    side : (T,) array of int
        Exchange that puts sides right; -1 for none.
    turned : (T,) array of bool
    noise : (T,) array
        Of the keypoints, in metres at the body.
    scale : (T,) array
        Of the estimate's error.
    frame : (T,) NumPy array of int
    fps : float
    extrinsics : (T, 3, 4) array or None
    """

    pose: Any
    betas: Any
    transl: Any
    keypoints_2d: Any
    confidence: Any
    intrinsics: Any
    start_pose: Any
    start_betas: Any
    start_transl: Any
    side: Any
    turned: Any
    noise: Any
    scale: Any
    frame: np.ndarray
    fps: float
    extrinsics: Any


class FittedTrack(NamedTuple):
    """The most probable bodies of a track.

    Attributes
    ----------
    pose : (T, J, 3, 3) array
    betas : (S,) array
    transl : (T, 3) array
    joint_spread : (T, J) array
        In metres.
    keypoints_2d : (T, K, 2) array
        With sides put right.
    """

    pose: Any
    betas: Any
    transl: Any
    joint_spread: Any
    keypoints_2d: Any


def fit_track(
    skeleton: Skeleton,
    layout: KeypointLayout,
    frames: TrackFrames,
    motion: priors.MotionPrior,
    *,
    landmarks: bool | None = None,
    contacts: bool = False,
) -> FittedTrack:
    """Find the most probable bodies of a track, of one shape, whose accelerations have a prior.

    Parameters
    ----------
    skeleton : Skeleton
    layout : KeypointLayout
    frames : TrackFrames
    motion : MotionPrior
    landmarks : bool, optional
        As of :func:`kitro_np.posterior.fit.fit_arrays`.
    contacts : bool
        Hold feet that rest.
    """
    xp = array_namespace(frames.pose)
    count, joints = frames.pose.shape[:2]
    like: dict[str, Any] = {"dtype": frames.pose.dtype, "device": device(frames.pose)}
    size = priors.size_of(skeleton.host)
    pixels_per_metre = frames.intrinsics[:, 0, 0] / frames.transl[:, 2] * size
    given = _given(skeleton, layout, frames, pixels_per_metre, landmarks)
    estimate = xp.where(
        frames.turned[:, None, None, None], reflected(skeleton, frames.pose, frames.transl), frames.pose
    )
    prior = make_prior(skeleton, estimate, frames.betas, frames.transl, motion, size)
    prior_betas = xp.mean(prior.betas, axis=0, keepdims=True)
    prior = prior._replace(transl_precision=with_depth_share(prior, frames.transl, count))
    scales = Scales(frames.scale, frames.noise * pixels_per_metre)
    spacing = spacing_of(frames.frame, frames.fps)
    spacing = type(spacing)(*(xp.asarray(part, **like) for part in spacing))
    spreads = xp.asarray(spreads_of(joints, frames.fps, size), **like)
    nothing = xp.zeros((count, 3 * joints + 3), **like)
    others, moving_scales = Messages(nothing, nothing), xp.ones((joints + 1,), **like)
    pose, transl = frames.start_pose, frames.start_transl
    shapes = prior_betas.shape[1]
    constants = Constants(
        frames.start_betas[None, :],
        xp.zeros((1, joints, 3), **like),
        xp.zeros((1, layout.num_points, 2), **like),
        xp.zeros((1, shapes, shapes), **like),
    )
    keypoints_2d, frames_number = given.keypoints_2d, xp.full((1,), float(count), **like)
    rests, resting = None, None
    for turn in rounds_of(contacts=contacts):
        betas = xp.broadcast_to(constants.betas, frames.betas.shape)
        given = given._replace(keypoints_2d=keypoints_2d - constants.shift * pixels_per_metre[:, None, None])
        prior = prior._replace(pose=turned_estimates(estimate, constants.turn), betas=betas)
        if turn.contacts:
            placed = forward_kinematics(skeleton, pose, betas).joints + transl[:, None, :]
            rests, resting = rests_of(placed, resting, frames.frame, frames.fps, frames.extrinsics)
        system = frame_system(given, prior, scales, pose, betas, transl, others, rests)
        pose, transl, messages, step = take_step(given, system, pose, transl, others)
        if turn.shape or turn.errors:
            sums = sums_of(given, scales, system, step)
            constants = update_constants(constants, sums, prior_betas, frames_number, shape=turn.shape)
        if turn.motion:
            root = _root(skeleton, constants.betas[0, :])
            moving = accelerations(
                skeleton, pose, transl, root, spacing, spreads, moving_scales, frames.extrinsics,
                robust=turn.robust,
            )  # fmt: skip
            others, found = smooth(messages, moving, spacing, moving_scales)
            moving_scales = found if turn.robust else moving_scales
    hedged = Messages(others.precision / SPREAD_FRAMES, others.right_side)
    system = frame_system(given, prior, scales, pose, betas, transl, hedged)
    covariance = _covariance(system.precision, constants.betas_precision[0, ...], joints)
    step = Step(**{**dict.fromkeys(Step._fields), "covariance": covariance})
    visible = xp.sum(given.visible, axis=1)
    spread = joint_spread(
        system.posed, step, skeleton, frames.noise, visible, _of_landmarks(frames.betas, landmarks)
    )
    return FittedTrack(pose, constants.betas[0, :], transl, SPREAD_FACTOR * spread, keypoints_2d)


def _given(
    skeleton: Skeleton,
    layout: KeypointLayout,
    frames: TrackFrames,
    pixels_per_metre: Any,
    landmarks: bool | None,
) -> FitInput:
    """Return the input of each frame's step, with sides put right."""
    xp = array_namespace(frames.pose)
    points = points_on(skeleton, layout, frames.pose)
    precise = frames.confidence * points.precision
    visible = xp.astype(precise > 0, frames.pose.dtype)
    keypoints_2d = frames.keypoints_2d
    for k, order in enumerate(assignments(layout)):
        other = exchanged(frames.keypoints_2d, visible, order)
        keypoints_2d = xp.where((frames.side == k)[:, None, None], other, keypoints_2d)
    of_landmarks = _of_landmarks(frames.betas, landmarks)
    return FitInput(
        skeleton, layout, points, keypoints_2d, precise, outlier_odds(frames.confidence), visible,
        frames.intrinsics, pixels_per_metre, information(xp.sum(visible, axis=1), of_landmarks),
    )  # fmt: skip


def _of_landmarks(betas: Any, landmarks: bool | None) -> Any:
    xp = array_namespace(betas)
    own = xp.all(betas == 0, axis=1) & (betas.shape[1] > 0)
    return own if landmarks is None else xp.full_like(own, landmarks)


def _root(skeleton: Skeleton, betas: Any) -> Any:
    """Return the root joint at rest: (3,)."""
    xp = array_namespace(betas)
    return skeleton.joint_template[0, :] + xp.matmul(skeleton.joint_shapedirs[0, :, :], betas[:, None])[:, 0]


def _covariance(precision: Any, shape_precision: Any, joints: int) -> Any:
    """Covariance of each frame's unknowns (T, U, U), betas with what the track says of them."""
    xp = array_namespace(precision)
    shapes = shape_precision.shape[0]
    size = precision.shape[1]
    rows = xp.zeros((size, size), dtype=precision.dtype, device=device(precision))
    if shapes:
        own = slice(3 * joints, 3 * joints + shapes)
        wide = xp.concat([rows[own, : 3 * joints], shape_precision, rows[own, 3 * joints + shapes :]], axis=1)
        rows = xp.concat([rows[: 3 * joints, :], wide, rows[3 * joints + shapes :, :]], axis=0)
    return inverse_each(precision + rows)
