"""Refine videos: each frame on its own, then a plan for every track, then all its frames together."""

from __future__ import annotations

from contextlib import nullcontext
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace, device, is_numpy_array

from ...arrays.interchange import as_numpy
from ...arrays.select import where_bodies
from ...refinement.method import Execution
from ...refinement.outcome import Diagnostics, Refined
from ...refinement.request import Request
from ...refinement.tracks import VideoTracks
from ...refinement.validity import Status, outcome_status, was_fitted
from ..facing import face_points, reflected, reflected_root
from ..model import model_of
from ..most_probable import confidence_of, most_probable_frames
from ..priors import MotionPrior, size_of
from ..projection import Points, place_points, points_on
from ..seen import SeenKeypoints, see_keypoints, visible_error, visible_in_front
from .by_kernels import fit_by_kernels
from .contacts import can_rest
from .fit import TrackFrames, fit_track
from .plan import FrameFits, VideoPlan, make_plan
from .sequence import FILLED, NOT_USED, USED


def refine_videos(
    request: Request,
    tracks: VideoTracks,
    execution: Execution,
    motion: MotionPrior,
    *,
    safe: bool,
    uncertainty: bool = False,
    landmarks: bool | None = None,
    contacts: bool = False,
) -> tuple[Refined, Diagnostics]:
    """Find the most probable bodies of all frames of each track; that of a track of one as of one frame.

    Parameters
    ----------
    request : Request
    tracks : VideoTracks
    execution : Execution
    motion : MotionPrior
    safe, uncertainty, landmarks
        As of :func:`kitro_np.posterior.most_probable.most_probable`.
    contacts : bool
        Hold feet that rest; of a body without feet nothing is held.
    """
    contacts = contacts and can_rest(request.skeleton)
    refined, diagnostics, scale, gains = most_probable_frames(
        request, execution, motion, safe=safe, uncertainty=uncertainty, landmarks=landmarks
    )
    pixels_per_metre = _pixels_per_metre(request)
    judged = (refined.status, diagnostics.quality, diagnostics.swapped, diagnostics.turned)
    alone = (*judged, diagnostics.noise / pixels_per_metre, scale, gains, _roots(request))
    fits = FrameFits(*(np.asarray(as_numpy(part)) for part in alone))
    faces = bool(face_points(request.skeleton.host, request.layout).face)
    plan = make_plan(fits, tracks, safe=safe, faces=faces, engine=execution.engine)
    del fits, judged, alone, scale, gains  # a tenth of the memory of a long video
    spread = None
    if execution.engine == "numba" and len(plan.rows):
        model = model_of(request.skeleton, request.layout, motion)
        refined, spread = fit_by_kernels(
            request, tracks, refined, plan, model, execution, uncertainty=uncertainty, landmarks=landmarks,
            contacts=contacts,
        )  # fmt: skip
    elif len(plan.rows):
        with np.errstate(all="ignore") if is_numpy_array(refined.pose) else nullcontext():
            refined, spread = _fit_by_stages(request, tracks, refined, plan, motion, landmarks, contacts)
        spread = spread if uncertainty else None
    return _with_plan(request, refined, diagnostics, plan, pixels_per_metre, spread)


def _pixels_per_metre(request: Request) -> Any:
    """At each estimate's depth, times the body's size: (N,)."""
    xp = array_namespace(request.pose)
    focal, depth = (
        xp.astype(part, request.dtype) for part in (request.intrinsics[:, 0, 0], request.transl[:, 2])
    )
    with np.errstate(all="ignore") if is_numpy_array(depth) else nullcontext():
        return focal / depth * size_of(request.skeleton.host)


def _roots(request: Request) -> Any:
    """Rotations of the estimates' roots, and of their reflections in depth: (N, 2, 3, 3)."""
    xp = array_namespace(request.pose)
    root, transl = (xp.astype(part, request.dtype) for part in (request.pose[:, :1, :, :], request.transl))
    with np.errstate(all="ignore") if is_numpy_array(root) else nullcontext():
        mirrored = reflected_root(root[:, 0, :, :], transl)
    return xp.concat([root, mirrored[:, None, :, :]], axis=1)


def _fit_by_stages(
    request: Request,
    tracks: VideoTracks,
    alone: Refined,
    plan: VideoPlan,
    motion: MotionPrior,
    landmarks: bool | None,
    contacts: bool,
) -> tuple[Refined, Any]:
    """Fit track after track; return refined bodies and the joints' spread (N, J), NaN where there is none."""
    xp = array_namespace(request.pose)
    on, dtype = device(request.pose), request.dtype
    skeleton = request.skeleton.like(xp.zeros(1, dtype=dtype, device=on))
    points = points_on(skeleton, request.layout, xp.zeros(1, dtype=dtype, device=on))
    every = _rows_of(request, points, plan.rows)
    given = [_take(part, plan.rows) for part in (alone.pose, alone.betas, alone.transl)]
    extrinsics = None if tracks.extrinsics is None else xp.astype(_take(tracks.extrinsics, plan.rows), dtype)

    def host(array: np.ndarray, own: slice, dtype: Any) -> Any:
        return xp.asarray(np.ascontiguousarray(array[own]), dtype=dtype, device=on)

    found = []
    for first, last in pairwise(plan.starts.tolist()):
        own = slice(first, last)
        pose, betas, transl, intrinsics = (part[own, ...] for part in every[:4])
        seen = SeenKeypoints(*(part[own, ...] for part in every.seen))
        used, turned, anew = (host(part, own, xp.bool) for part in (plan.used, plan.turned, plan.anew))
        start_pose, start_betas, start_transl = (part[own, ...] for part in given)
        fresh = where_bodies(turned, reflected(skeleton, pose, transl), pose)
        weight = xp.astype(used, dtype)
        frames = TrackFrames(
            pose, betas, transl, seen.keypoints_2d,
            xp.where(used[:, None], seen.confidence, xp.zeros_like(seen.confidence)), intrinsics,
            where_bodies(anew, fresh, start_pose),
            xp.sum(start_betas * weight[:, None], axis=0) / xp.sum(weight),
            where_bodies(anew, transl, start_transl), host(plan.side, own, xp.int64), turned,
            host(plan.noise, own, dtype), host(plan.scale, own, dtype), plan.frame[own], tracks.fps,
            None if extrinsics is None else extrinsics[own, ...],
        )  # fmt: skip
        fitted = fit_track(skeleton, request.layout, frames, motion, landmarks=landmarks, contacts=contacts)
        own_betas = xp.broadcast_to(fitted.betas, betas.shape)
        placed = place_points(skeleton, points, fitted.pose, own_betas, fitted.transl).points
        front = visible_in_front(placed, fitted.transl, seen.visible & used[:, None])
        error = visible_error(placed, fitted.keypoints_2d, seen.visible, intrinsics)
        outcome = outcome_status(skeleton, fitted.pose, own_betas, fitted.transl, error, front)
        filled = xp.where(used, xp.zeros_like(outcome), xp.full_like(outcome, float(Status.FILLED)))
        status = xp.astype(xp.where(outcome == 0, filled, outcome), xp.int8)
        found.append((fitted.pose, own_betas, fitted.transl, error, fitted.joint_spread, status))
    *bodies, status = (
        _spread_out(xp.concat(parts, axis=0), plan.rows, request.count) for parts in zip(*found, strict=True)
    )
    joined = xp.asarray(plan.role > NOT_USED, device=on)
    status = xp.where(joined, status, alone.status)
    good = joined & (status != int(Status.DIVERGED))
    nothing = xp.full((request.count, skeleton.num_joints), xp.nan, dtype=dtype, device=on)
    before = (alone.pose, alone.betas, alone.transl, alone.reprojection_error, nothing)
    pose, betas, transl, error, spread = (
        where_bodies(good, part, other) for part, other in zip(bodies, before, strict=True)
    )
    return alone._replace(
        pose=pose, betas=betas, transl=transl, reprojection_error=error, status=status
    ), spread


class GivenRows(NamedTuple):
    """What some bodies of a request were given as, in its dtype."""

    pose: Any
    betas: Any
    transl: Any
    intrinsics: Any
    seen: SeenKeypoints


def _rows_of(request: Request, points: Points, rows: np.ndarray) -> GivenRows:
    xp = array_namespace(request.pose)

    def of(array: Any) -> Any:
        return xp.astype(array if array.shape[0] == 1 else _take(array, rows), request.dtype)

    keypoints_2d = of(request.keypoints_2d)
    confidence = of(confidence_of(request, request.keypoints_2d))
    sizes = None if request.image_size is None else of(request.image_size)
    intrinsics = xp.broadcast_to(of(request.intrinsics), (len(rows), 3, 3))
    seen = see_keypoints(points, keypoints_2d, confidence, sizes)
    return GivenRows(of(request.pose), of(request.betas), of(request.transl), intrinsics, seen)


def _take(array: Any, rows: np.ndarray) -> Any:
    xp = array_namespace(array)
    return xp.take(array, xp.asarray(rows, device=device(array)), axis=0)


def _spread_out(values: Any, rows: np.ndarray, count: int) -> Any:
    """Return values (M, ...) of some rows at their places in (N, ...); the other rows hold any of them."""
    place = np.zeros(count, np.int64)
    place[rows] = np.arange(len(rows))
    return _take(values, place)


def _with_plan(
    request: Request,
    refined: Refined,
    diagnostics: Diagnostics,
    plan: VideoPlan,
    pixels_per_metre: Any,
    spread: Any,
) -> tuple[Refined, Diagnostics]:
    """Return frames that were left out or diverged as their estimates, and diagnostics of the others."""
    xp = array_namespace(refined.pose)
    on = device(refined.pose)
    role = xp.asarray(plan.role, device=on)
    unlikely = (role == NOT_USED) & (refined.status == int(Status.REFINED))
    refused = unlikely | ((role > NOT_USED) & (refined.status == int(Status.DIVERGED)))
    status = xp.where(unlikely, xp.full_like(refined.status, int(Status.UNLIKELY)), refined.status)
    if bool(xp.any(refused)):
        given = (
            xp.astype(part, refined.pose.dtype) for part in (request.pose, request.betas, request.transl)
        )
        pose, betas, transl = (
            where_bodies(refused, estimate, part)
            for estimate, part in zip(given, (refined.pose, refined.betas, refined.transl), strict=True)
        )
        error = _with_estimates_error(request, refined.reprojection_error, refused)
        refined = refined._replace(
            pose=pose, betas=betas, transl=transl, reprojection_error=error, status=status
        )
    if not len(plan.rows):
        return refined, diagnostics

    def of(values: np.ndarray, dtype: Any) -> Any:
        return _spread_out(xp.asarray(values, dtype=dtype, device=on), plan.rows, request.count)

    joined = role > NOT_USED
    used = role == USED
    number, flag = refined.pose.dtype, xp.int8
    missing = xp.full_like(diagnostics.quality, xp.nan)
    noise = xp.where(used, of(plan.noise, number) * pixels_per_metre, diagnostics.noise)
    swapped = xp.where(used, of(plan.side >= 0, flag), diagnostics.swapped)
    turned = xp.where(joined, of(plan.turned, flag), diagnostics.turned)
    if spread is not None:
        good = joined & was_fitted(status)
        spread = where_bodies(good, spread, diagnostics.joint_spread)
        spread = where_bodies(refused, xp.full_like(spread, xp.nan), spread)
    return refined, diagnostics._replace(
        noise=xp.where(role == FILLED, missing, noise),
        swapped=xp.where(role == FILLED, xp.zeros_like(swapped), swapped),
        turned=turned,
        joint_spread=spread,
    )


def _with_estimates_error(request: Request, error: Any, which: Any) -> Any:
    """Return reprojection errors (N,), of some bodies those of their estimates."""
    rows = np.flatnonzero(np.asarray(as_numpy(which)))
    skeleton = request.skeleton.like(error)
    points = points_on(skeleton, request.layout, error)
    pose, betas, transl, intrinsics, seen = _rows_of(request, points, rows)
    placed = place_points(skeleton, points, pose, betas, transl).points
    own = visible_error(placed, seen.keypoints_2d, seen.visible, intrinsics)
    return array_namespace(error).where(which, _spread_out(own, rows, request.count), error)
