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
from .facing import reflected
from .most_probable import confidence_of, most_probable
from .priors import MotionPrior
from .projection import points_on

SAME_BODY = 0.01
"""Mean distance of joints, in metres, below which two bodies count as the same hypothesis."""

TEMPER = 1 / 6
"""Power of the likelihoods in the probabilities: with it they are as large as the share that is right."""

CHUNK = 1024
"""Bodies whose hypotheses are computed at once."""


def find_hypotheses(
    request: Request,
    refined: Refined,
    execution: Execution,
    number: int,
    motion: MotionPrior,
    landmarks: bool | None = None,
) -> Hypotheses:
    """Find further probable bodies: an image hardly shows whether a limb points away from or to the camera.

    One bone of a chain at a time is flipped to its other solution on its child's ray, and the body is fitted
    from there.

    Parameters
    ----------
    request : Request
    refined : Refined
        The most probable bodies.
    execution : Execution
    number : int
        Hypotheses per body.
    motion : MotionPrior
    landmarks : bool, optional
        Whether the estimates are of landmarks; by default those whose betas are all 0.

    Returns
    -------
    Hypotheses
        For a body that was not refined, its estimate with probability 1.
    """
    xp = array_namespace(refined.pose)
    chunks = []
    for start in range(0, max(request.count, 1), CHUNK):
        own = slice(start, min(start + CHUNK, request.count))
        best = Refined(*(part[own, ...] for part in refined))
        chunks.append(_hypotheses_of_few(request.some(own), best, execution, number, motion, landmarks))
    return Hypotheses(*(xp.concat(parts, axis=0) for parts in zip(*chunks, strict=True)))


def _hypotheses_of_few(
    request: Request,
    best: Refined,
    execution: Execution,
    number: int,
    motion: MotionPrior,
    landmarks: bool | None,
) -> Hypotheses:
    xp = array_namespace(best.pose)
    skeleton = request.skeleton.like(best.pose)
    starts = [best.pose, *flipped_poses(skeleton, best.pose, best.betas, best.transl)]
    # A joint that moves no visible keypoint is not flipped: no keypoint would correct or contradict it.
    moving = moving_joints(request, skeleton, best.pose)[:, :, None, None]
    starts = [xp.where(moving, start, best.pose) for start in starts]
    without_progress = replace(execution, chunk_size=None, progress=None)
    fits = [
        most_probable(request, without_progress, motion, safe=False, start_pose=start, landmarks=landmarks)
        for start in starts
    ]
    none_left = _smallest(best)
    good = best.status == 0
    evidence = xp.stack(
        [xp.where(good & (one.status == 0), diagnostics.evidence, none_left) for one, diagnostics in fits],
        axis=1,
    )
    poses, betas, transl = (
        xp.stack([getattr(one, name) for one, _ in fits], axis=1) for name in ("pose", "betas", "transl")
    )
    joints = [forward_kinematics(skeleton, one.pose, one.betas).joints for one, _ in fits]
    joints = xp.stack([placed - placed[:, :1, :] for placed in joints], axis=1)
    chosen: list[Any] = []
    log_evidences: list[Any] = []
    for _ in range(number):
        highest = xp.max(evidence, axis=1)
        mask = first_true(evidence == highest[:, None])
        if chosen:  # where none is left, repeat the most probable one
            mask = xp.where((highest > none_left)[:, None], mask, chosen[0])
        chosen.append(mask)
        log_evidences.append(highest)
        own = take(mask, joints)
        offset = joints - own[:, None, :, :]
        distance = xp.mean(xp.sqrt(dot(offset, offset))[..., 0], axis=-1)
        evidence = xp.where(distance < SAME_BODY, none_left[:, None], evidence)
    log_evidence = xp.stack(log_evidences, axis=1)
    good = good & (log_evidences[0] > none_left)
    probability = xp.exp(TEMPER * (log_evidence - log_evidence[:, :1]))
    probability = xp.where(log_evidence > none_left[:, None], probability, xp.zeros_like(probability))
    first = xp.concat([xp.ones_like(probability[:, :1]), xp.zeros_like(probability[:, 1:])], axis=1)
    probability = xp.where(good[:, None], probability, first)
    probability = probability / xp.sum(probability, axis=1, keepdims=True)

    def of(values: Any, estimate: Any) -> Any:
        picked = [where_bodies(good, take(mask, values), estimate) for mask in chosen]
        return xp.stack(picked, axis=1)

    return Hypotheses(of(poses, best.pose), of(betas, best.betas), of(transl, best.transl), probability)


def with_turned(request: Request, turned: Any) -> Request:
    """Return a request whose estimates that face the wrong way are reflected in depth."""
    xp = array_namespace(request.pose)
    chosen = xp.astype(turned, xp.bool)
    if not bool(xp.any(chosen)):
        return request
    pose, transl = (xp.astype(part, request.dtype) for part in (request.pose, request.transl))
    return replace(request, pose=where_bodies(chosen, reflected(request.skeleton, pose, transl), pose))


def moving_joints(request: Request, skeleton: Skeleton, like: Any) -> Any:
    """Whether each joint moves a visible keypoint: (N, J) of bool.

    Parameters
    ----------
    request : Request
    skeleton : Skeleton
    like : array
        Of the library, dtype and device to compute with.
    """
    xp = array_namespace(like)
    keypoints_2d = xp.astype(request.keypoints_2d, like.dtype)
    confidence = confidence_of(request, keypoints_2d)
    points = points_on(skeleton, request.layout, like)
    visible = visible_confidence(keypoints_2d, confidence, request.image_size) * points.precision > 0
    return xp.matmul(xp.astype(visible, like.dtype), points.moved) > 0


def flipped_poses(skeleton: Skeleton, pose: Any, betas: Any, transl: Any) -> list[Any]:
    """Poses with one bone mirrored in depth, b - 2 (b . r) r with its child's ray r, and the limb below it.

    One (N, J, 3, 3) array for every joint with exactly one child, other than the root.
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
        flip = swing(bone, bone - 2 * dot(bone, ray) * ray)
        frame = above[:, joint, :, :]
        local = xp.matmul(xp.matmul(xp.matmul(xp.matrix_transpose(frame), flip), frame), pose[:, joint, :, :])
        parts = [local if j == joint else pose[:, j, :, :] for j in range(skeleton.num_joints)]
        fits.append(xp.stack(parts, axis=1))
    return fits


def _smallest(refined: Refined) -> Any:
    xp = array_namespace(refined.betas)
    return xp.full_like(refined.transl[:, 0], xp.finfo(refined.transl.dtype).min / 4)
