"""Likely: the most probable bodies of a request, and other likely ones (method "map")."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from array_api_compat import array_namespace

from ..arrays.rotations import dot, swing, unit
from ..body.kinematics import forward_kinematics
from ..body.skeleton import Skeleton
from ..kitro.tree import gather_parents_of_rotations
from ..refinement.chunks import in_chunks, where
from ..refinement.request import Request
from ..result import Hypotheses, Judged, Refined
from .algorithm import likely_arrays, seen_confidence
from .priors import no_motion, usual_motion
from .projection import points_on

SAME = 0.01
"""Mean distance of joints, in metres, below which two bodies count as one hypothesis."""

CHUNK = 1024
"""Bodies whose hypotheses are looked for at once."""


def find_likely(
    request: Request,
    engine: str,
    chunk_size: int | None,
    progress: Callable[[int], None] | None,
    *,
    motion_prior: bool,
    safe: bool,
    spread: bool,
    threads: int | None,
    start_pose: Any = None,
) -> tuple[Refined, Judged]:
    """Find the most probable bodies of a request; see :func:`kitro_np.refine`.

    Parameters
    ----------
    request : Request
    engine : {"numba", "array"}
    chunk_size, progress, motion_prior, safe, threads
        As :func:`kitro_np.refine` takes them.
    spread : bool
        Find the joints' spread.
    start_pose : (N, J, 3, 3) array, optional
        Where the steps begin, in place of the estimate.
    """
    motion = (usual_motion if motion_prior else no_motion)(request.skeleton.host)
    if engine == "numba":
        from ..kernels.posterior.run import run_map

        how = {"threads": threads, "safe": safe, "spread": spread, "start_pose": start_pose}
        return run_map(request, motion, chunk_size, progress, **how)

    def work(skeleton: Skeleton, own: list[Any], which: slice) -> tuple[Any, ...]:
        xp = array_namespace(own[0])
        given = None if request.confidence is None else request.confidence[which, ...]
        confidence = _confidence(given, own[3])
        start = None if start_pose is None else xp.astype(start_pose[which, ...], own[0].dtype)
        pose, betas, transl, keypoints, intrinsics = own
        found = likely_arrays(
            skeleton, request.layout, pose, betas, transl, keypoints, intrinsics, confidence, motion,
            safe=safe, start_pose=start,
        )  # fmt: skip
        return (*found[0], *found[1])

    unknowns = 3 * request.skeleton.num_joints + request.skeleton.num_betas + 3
    numbers = 14 * unknowns**2 + 20 * request.layout.num_points * unknowns
    parts = in_chunks(request, work, numbers, chunk_size, progress)
    refined, judged = Refined(*parts[: len(Refined._fields)]), Judged(*parts[len(Refined._fields) :])
    return refined, judged if spread else judged._replace(joint_spread=None)


def find_hypotheses(request: Request, refined: Refined, engine: str, number: int, **how: Any) -> Hypotheses:
    """Find other likely bodies: an image hardly tells whether a limb points away or towards the camera.

    Each bone of a chain is turned to its other place on its ray, one at a time, and the body fitted from
    there.

    Parameters
    ----------
    request : Request
    refined : Refined
        The most probable bodies.
    engine : str
    number : int
        How many bodies to return of each.
    how
        As :func:`find_likely` takes them.

    Returns
    -------
    Hypotheses
        Of a body that was not refined, its estimate with probability 1.
    """
    xp = array_namespace(refined.pose)
    chunks = []
    for start in range(0, max(request.count, 1), CHUNK):
        own = slice(start, min(start + CHUNK, request.count))
        few = replace(
            request,
            pose=request.pose[own, ...],
            betas=request.betas[own, ...],
            transl=request.transl[own, ...],
            keypoints_2d=request.keypoints_2d[own, ...],
            intrinsics=request.intrinsics
            if request.intrinsics.shape[0] == 1
            else request.intrinsics[own, ...],
            confidence=None if request.confidence is None else request.confidence[own, ...],
        )
        best = Refined(*(part[own, ...] for part in refined))
        chunks.append(_hypotheses_of_few(few, best, engine, number, {**how, "spread": False, "safe": False}))
    return Hypotheses(*(xp.concat(parts, axis=0) for parts in zip(*chunks, strict=True)))


def _hypotheses_of_few(
    request: Request, best: Refined, engine: str, number: int, how: dict[str, Any]
) -> Hypotheses:
    xp = array_namespace(best.pose)
    skeleton = request.skeleton.like(best.pose)
    starts = [best.pose, *flipped_poses(skeleton, best.pose, best.betas, best.transl)]
    # Nothing would turn back a joint that moves no keypoint that is seen, nor tell against it.
    moving = moving_joints(request, skeleton, best.pose)[:, :, None, None]
    starts = [xp.where(moving, start, best.pose) for start in starts]
    found = [find_likely(request, engine, None, None, start_pose=start, **how) for start in starts]
    lowest = _lowest(best)
    good = best.status == 0
    evidence = xp.stack(
        [xp.where(good & (one.status == 0), judged.evidence, lowest) for one, judged in found], axis=1
    )
    poses, betas, transl = (
        xp.stack([getattr(one, name) for one, _ in found], axis=1) for name in ("pose", "betas", "transl")
    )
    joints = [forward_kinematics(skeleton, one.pose, one.betas).joints for one, _ in found]
    joints = xp.stack([places - places[:, :1, :] for places in joints], axis=1)
    chosen: list[Any] = []
    heights: list[Any] = []
    for _ in range(number):
        height = xp.max(evidence, axis=1)
        mask = _first(evidence == height[:, None])
        if chosen:  # where there are no more
            mask = xp.where((height > lowest)[:, None], mask, chosen[0])
        chosen.append(mask)
        heights.append(height)
        own = _take(mask, joints)
        gap = joints - own[:, None, :, :]
        apart = xp.mean(xp.sqrt(dot(gap, gap))[..., 0], axis=-1)
        evidence = xp.where(apart < SAME, lowest[:, None], evidence)
    tops = xp.stack(heights, axis=1)
    good = good & (heights[0] > lowest)
    share = xp.exp(tops - tops[:, :1])
    share = xp.where(tops > lowest[:, None], share, xp.zeros_like(share))
    first = xp.concat([xp.ones_like(share[:, :1]), xp.zeros_like(share[:, 1:])], axis=1)
    share = xp.where(good[:, None], share, first)
    share = share / xp.sum(share, axis=1, keepdims=True)

    def of(values: Any, estimate: Any) -> Any:
        picked = [where(good, _take(mask, values), estimate) for mask in chosen]
        return xp.stack(picked, axis=1)

    return Hypotheses(of(poses, best.pose), of(betas, best.betas), of(transl, best.transl), share)


def moving_joints(request: Request, skeleton: Skeleton, like: Any) -> Any:
    """Whether each joint moves a keypoint that is seen: (N, J), beside an array of computed numbers."""
    xp = array_namespace(like)
    keypoints_2d = xp.astype(request.keypoints_2d, like.dtype)
    confidence = _confidence(request.confidence, keypoints_2d)
    points = points_on(skeleton, request.layout, like)
    seen = seen_confidence(keypoints_2d, confidence) * points.precision > 0
    return xp.matmul(xp.astype(seen, like.dtype), points.moved) > 0


def _confidence(given: Any, keypoints_2d: Any) -> Any:
    """Return confidences in the keypoints' dtype; ones if none are given: (N, K)."""
    xp = array_namespace(keypoints_2d)
    return xp.ones_like(keypoints_2d[..., 0]) if given is None else xp.astype(given, keypoints_2d.dtype)


def flipped_poses(skeleton: Skeleton, pose: Any, betas: Any, transl: Any) -> list[Any]:
    """Poses in which one bone points to its other place on its child's ray, and the limb below goes with it.

    Bones are those from joints with one child; (N, J, 3, 3) for each.
    """
    xp = array_namespace(pose)
    posed = forward_kinematics(skeleton, pose, betas)
    above = gather_parents_of_rotations(skeleton, posed.global_rotations)
    found = []
    for joint, children in enumerate(skeleton.children):
        if joint == 0 or len(children) != 1:
            continue
        bone = posed.joints[:, children[0], :] - posed.joints[:, joint, :]
        ray = unit(posed.joints[:, children[0], :] + transl)
        turn = swing(bone, bone - 2 * dot(bone, ray) * ray)
        frame = above[:, joint, :, :]
        local = xp.matmul(xp.matmul(xp.matmul(xp.matrix_transpose(frame), turn), frame), pose[:, joint, :, :])
        parts = [local if j == joint else pose[:, j, :, :] for j in range(skeleton.num_joints)]
        found.append(xp.stack(parts, axis=1))
    return found


def _lowest(refined: Refined) -> Any:
    xp = array_namespace(refined.betas)
    return xp.full_like(refined.transl[:, 0], xp.finfo(refined.transl.dtype).min / 4)


def _first(mask: Any) -> Any:
    """Keep the first truth of each row: (N, F)."""
    xp = array_namespace(mask)
    count = xp.cumulative_sum(xp.astype(mask, xp.int64), axis=1)
    return mask & (count == 1)


def _take(mask: Any, values: Any) -> Any:
    """Return the entry of (N, F, ...) where the mask (N, F) holds."""
    xp = array_namespace(values)
    shaped = xp.reshape(mask, (*mask.shape, *[1] * (values.ndim - 2)))
    return xp.sum(xp.where(shaped, values, xp.zeros_like(values)), axis=1)
