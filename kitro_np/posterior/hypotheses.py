"""Hypotheses: other probable bodies beside the most probable one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from array_api_compat import array_namespace

from ..arrays.rotations import dot, swing, unit
from ..arrays.select import first_true, take, where_bodies
from ..body.kinematics import forward_kinematics, parent_rotations
from ..body.skeleton import Skeleton
from ..keypoints.visibility import visible_confidence
from ..refinement.method import Execution
from ..refinement.outcome import Hypotheses, Refined
from ..refinement.request import Request
from .most_probable import confidence_of, most_probable
from .priors import MotionPrior
from .projection import points_on

SAME = 0.01
"""Mean distance of joints, in metres, below which two bodies count as one hypothesis."""

CHUNK = 1024
"""Bodies whose hypotheses are looked for at once."""


def find_hypotheses(
    request: Request, refined: Refined, execution: Execution, number: int, motion: MotionPrior
) -> Hypotheses:
    """Find other likely bodies: an image hardly tells whether a limb points away or towards the camera.

    Each bone of a chain is turned to its other place on its ray, one at a time, and the body fitted from
    there.

    Parameters
    ----------
    request : Request
    refined : Refined
        The most probable bodies.
    execution : Execution
    number : int
        How many bodies to return of each.
    motion : MotionPrior

    Returns
    -------
    Hypotheses
        Of a body that was not refined, its estimate with probability 1.
    """
    xp = array_namespace(refined.pose)
    chunks = []
    for start in range(0, max(request.count, 1), CHUNK):
        own = slice(start, min(start + CHUNK, request.count))
        best = Refined(*(part[own, ...] for part in refined))
        chunks.append(_hypotheses_of_few(request.some(own), best, execution, number, motion))
    return Hypotheses(*(xp.concat(parts, axis=0) for parts in zip(*chunks, strict=True)))


def _hypotheses_of_few(
    request: Request, best: Refined, execution: Execution, number: int, motion: MotionPrior
) -> Hypotheses:
    xp = array_namespace(best.pose)
    skeleton = request.skeleton.like(best.pose)
    starts = [best.pose, *flipped_poses(skeleton, best.pose, best.betas, best.transl)]
    # Nothing would turn back a joint that moves no keypoint that is seen, nor tell against it.
    moving = moving_joints(request, skeleton, best.pose)[:, :, None, None]
    starts = [xp.where(moving, start, best.pose) for start in starts]
    quiet = replace(execution, chunk_size=None, progress=None)
    fits = [most_probable(request, quiet, motion, safe=False, start_pose=start) for start in starts]
    lowest = _lowest(best)
    good = best.status == 0
    evidence = xp.stack(
        [xp.where(good & (one.status == 0), diagnostics.evidence, lowest) for one, diagnostics in fits],
        axis=1,
    )
    poses, betas, transl = (
        xp.stack([getattr(one, name) for one, _ in fits], axis=1) for name in ("pose", "betas", "transl")
    )
    joints = [forward_kinematics(skeleton, one.pose, one.betas).joints for one, _ in fits]
    joints = xp.stack([places - places[:, :1, :] for places in joints], axis=1)
    chosen: list[Any] = []
    heights: list[Any] = []
    for _ in range(number):
        height = xp.max(evidence, axis=1)
        mask = first_true(evidence == height[:, None])
        if chosen:  # where there are no more
            mask = xp.where((height > lowest)[:, None], mask, chosen[0])
        chosen.append(mask)
        heights.append(height)
        own = take(mask, joints)
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
        picked = [where_bodies(good, take(mask, values), estimate) for mask in chosen]
        return xp.stack(picked, axis=1)

    return Hypotheses(of(poses, best.pose), of(betas, best.betas), of(transl, best.transl), share)


def moving_joints(request: Request, skeleton: Skeleton, like: Any) -> Any:
    """Whether each joint moves a keypoint that is seen: (N, J), beside an array of computed numbers."""
    xp = array_namespace(like)
    keypoints_2d = xp.astype(request.keypoints_2d, like.dtype)
    confidence = confidence_of(request, keypoints_2d)
    points = points_on(skeleton, request.layout, like)
    visible = visible_confidence(keypoints_2d, confidence) * points.precision > 0
    return xp.matmul(xp.astype(visible, like.dtype), points.moved) > 0


def flipped_poses(skeleton: Skeleton, pose: Any, betas: Any, transl: Any) -> list[Any]:
    """Poses in which one bone points to its other place on its child's ray, and the limb below goes with it.

    Bones are those from joints with one child; (N, J, 3, 3) for each.
    """
    xp = array_namespace(pose)
    posed = forward_kinematics(skeleton, pose, betas)
    above = parent_rotations(skeleton, posed.global_rotations)
    fits = []
    for joint, children in enumerate(skeleton.children):
        if joint == 0 or len(children) != 1:
            continue
        bone = posed.joints[:, children[0], :] - posed.joints[:, joint, :]
        ray = unit(posed.joints[:, children[0], :] + transl)
        turn = swing(bone, bone - 2 * dot(bone, ray) * ray)
        frame = above[:, joint, :, :]
        local = xp.matmul(xp.matmul(xp.matmul(xp.matrix_transpose(frame), turn), frame), pose[:, joint, :, :])
        parts = [local if j == joint else pose[:, j, :, :] for j in range(skeleton.num_joints)]
        fits.append(xp.stack(parts, axis=1))
    return fits


def _lowest(refined: Refined) -> Any:
    xp = array_namespace(refined.betas)
    return xp.full_like(refined.transl[:, 0], xp.finfo(refined.transl.dtype).min / 4)
