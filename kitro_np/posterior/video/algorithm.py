"""Refine videos: each frame on its own, then a plan for every track, then all its frames together."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_numpy_array

from ...arrays.interchange import as_numpy
from ...arrays.select import where_bodies
from ...camera import project
from ...keypoints.visibility import visible_confidence
from ...refinement.method import Execution
from ...refinement.outcome import Diagnostics, Refined
from ...refinement.request import Request
from ...refinement.tracks import VideoTracks
from ...refinement.validity import Status, outcome_status
from ..facing import face_points, reflected, reflected_root
from ..model import model_of
from ..most_probable import confidence_of, most_probable_frames
from ..priors import MotionPrior, size_of
from ..projection import place_points, points_on
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
    on = device(request.pose)
    skeleton = request.skeleton.like(xp.zeros(1, dtype=request.dtype, device=on))
    pose, betas, transl = alone.pose, alone.betas, alone.transl
    error, status = alone.reprojection_error, alone.status
    spread = xp.full(pose.shape[:2], xp.nan, dtype=request.dtype, device=on)
    count = request.count
    for first, last in zip(plan.starts[:-1].tolist(), plan.starts[1:].tolist(), strict=True):
        own = slice(first, last)
        rows = xp.asarray(plan.rows[own], device=on)

        def of(array: Any, rows: Any = rows) -> Any:
            return xp.take(xp.astype(array, request.dtype), rows, axis=0)

        def host(array: np.ndarray, dtype: Any) -> Any:
            return xp.asarray(np.ascontiguousarray(array), dtype=dtype, device=on)

        one_camera = request.intrinsics.shape[0] == 1
        intrinsics = (
            xp.broadcast_to(xp.astype(request.intrinsics, request.dtype), (count, 3, 3))
            if one_camera
            else request.intrinsics
        )
        keypoints_2d = of(request.keypoints_2d)
        given_confidence = of(confidence_of(request, xp.astype(request.keypoints_2d, request.dtype)))
        on_body = points_on(skeleton, request.layout, keypoints_2d)
        given_confidence = xp.where(on_body.precision > 0, given_confidence, xp.zeros_like(given_confidence))
        sizes = request.image_size
        sizes = sizes if sizes is None or sizes.shape[0] == 1 else of(sizes)
        confidence = visible_confidence(keypoints_2d, given_confidence, sizes)
        keypoints_2d = xp.where((confidence > 0)[:, :, None], keypoints_2d, xp.zeros_like(keypoints_2d))
        used = host(plan.used[own], xp.bool)
        estimate, estimate_transl = of(request.pose), of(request.transl)
        turned, anew = host(plan.turned[own], xp.bool), host(plan.anew[own], xp.bool)
        fresh = where_bodies(turned, reflected(skeleton, estimate, estimate_transl), estimate)
        weight = xp.astype(used, request.dtype)
        start_betas = xp.sum(of(alone.betas) * weight[:, None], axis=0) / xp.sum(weight)
        frames = TrackFrames(
            estimate, of(request.betas), estimate_transl, keypoints_2d,
            xp.where(used[:, None], confidence, xp.zeros_like(confidence)), of(intrinsics),
            where_bodies(anew, fresh, of(alone.pose)), start_betas,
            where_bodies(anew, estimate_transl, of(alone.transl)), host(plan.side[own], xp.int64), turned,
            host(plan.noise[own], request.dtype), host(plan.scale[own], request.dtype),
            plan.frame[own], tracks.fps,
            None if tracks.extrinsics is None else of(tracks.extrinsics),
        )  # fmt: skip
        fitted = fit_track(skeleton, request.layout, frames, motion, landmarks=landmarks, contacts=contacts)
        own_betas = xp.broadcast_to(fitted.betas, frames.betas.shape)
        placed = place_points(skeleton, on_body, fitted.pose, own_betas, fitted.transl).points
        visible = confidence * on_body.precision > 0
        depth = xp.where(visible & used[:, None], placed[..., 2], xp.ones_like(placed[..., 2]))
        front = xp.all(depth > 0, axis=1) & (fitted.transl[:, 2] > 0)
        fine = outcome_status(skeleton, fitted.pose, own_betas, fitted.transl, front) == 0
        away = project(placed, frames.intrinsics) - fitted.keypoints_2d
        away = xp.where(visible, xp.sqrt(xp.sum(away * away, axis=-1)), xp.zeros_like(away[..., 0]))
        seen = xp.sum(xp.astype(visible, request.dtype), axis=1)
        own_error = xp.sum(away, axis=1) / xp.maximum(seen, xp.ones_like(seen))
        done = xp.where(used, xp.zeros_like(seen), xp.full_like(seen, float(Status.FILLED)))
        place = np.full(count, -1)
        place[plan.rows[own]] = np.arange(last - first)
        inside, chosen = xp.asarray(np.maximum(place, 0), device=on), xp.asarray(place >= 0, device=on)
        good = chosen & xp.take(fine, inside, axis=0)

        def into(array: Any, values: Any, good: Any = good, inside: Any = inside) -> Any:
            return where_bodies(good, xp.take(values, inside, axis=0), xp.astype(array, values.dtype))

        pose, betas, transl = into(pose, fitted.pose), into(betas, own_betas), into(transl, fitted.transl)
        error, spread = into(error, own_error), into(spread, fitted.joint_spread)
        done = xp.astype(xp.where(fine, done, xp.full_like(seen, float(Status.DIVERGED))), xp.int8)
        status = xp.where(chosen, xp.take(done, inside, axis=0), status)
    return alone._replace(
        pose=pose, betas=betas, transl=transl, reprojection_error=error, status=status
    ), spread


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
    place = np.full(request.count, 0)
    place[plan.rows] = np.arange(len(plan.rows))
    if not len(plan.rows):
        return refined, diagnostics
    place = xp.asarray(place, device=on)

    def of(values: np.ndarray, dtype: Any) -> Any:
        return xp.take(xp.asarray(values, dtype=dtype, device=on), place, axis=0)

    joined = role > NOT_USED
    used = role == USED
    number, flag = refined.pose.dtype, xp.int8
    missing = xp.full_like(diagnostics.quality, xp.nan)
    noise = xp.where(used, of(plan.noise, number) * pixels_per_metre, diagnostics.noise)
    swapped = xp.where(used, of(plan.side >= 0, flag), diagnostics.swapped)
    turned = xp.where(joined, of(plan.turned, flag), diagnostics.turned)
    if spread is not None:
        good = joined & ((status == int(Status.REFINED)) | (status == int(Status.FILLED)))
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
    xp = array_namespace(error)
    rows = np.flatnonzero(np.asarray(as_numpy(which)))
    chosen = xp.asarray(rows, device=device(error))

    def of(array: Any) -> Any:
        return xp.astype(array if array.shape[0] == 1 else xp.take(array, chosen, axis=0), request.dtype)

    skeleton = request.skeleton.like(error)
    pose, betas, transl = of(request.pose), of(request.betas), of(request.transl)
    keypoints_2d, confidence = of(request.keypoints_2d), of(confidence_of(request, request.keypoints_2d))
    on_body = points_on(skeleton, request.layout, pose)
    confidence = xp.where(on_body.precision > 0, confidence, xp.zeros_like(confidence))
    sizes = None if request.image_size is None else of(request.image_size)
    visible = visible_confidence(keypoints_2d, confidence, sizes) * on_body.precision > 0
    placed = place_points(skeleton, on_body, pose, betas, transl).points
    keypoints_2d = xp.where(visible[:, :, None], keypoints_2d, xp.zeros_like(keypoints_2d))
    away = project(placed, of(request.intrinsics)) - keypoints_2d
    away = xp.where(visible, xp.sqrt(xp.sum(away * away, axis=-1)), xp.zeros_like(away[..., 0]))
    seen = xp.sum(xp.astype(visible, request.dtype), axis=1)
    own = xp.sum(away, axis=1) / xp.maximum(seen, xp.ones_like(seen))
    place = np.zeros(request.count, np.int64)
    place[rows] = np.arange(len(rows))
    return xp.where(which, xp.take(own, xp.asarray(place, device=device(error)), axis=0), error)
