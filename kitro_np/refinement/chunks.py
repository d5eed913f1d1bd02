"""Chunks: array stages over a request, chunk by chunk; bodies that cannot be refined are excluded."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_numpy_array

from ..arrays.engines import on_cuda
from ..arrays.select import where_bodies
from ..body.kinematics import forward_kinematics
from ..body.skeleton import Skeleton
from ..camera import project, reprojection_error
from .method import Execution
from .outcome import Refined
from .request import Request
from .validity import estimate_status, stand_in_body

NUMBERS_PER_BRANCH, NUMBERS_PER_JOINT = 12, 65
"""Numbers that the stages of Algorithm 1 hold per body at their peak, measured: for SMPL 60 kB in float32."""

MEMORY, GPU_FACTOR = 64_000_000, 10
"""Bytes that array stages may use for a chunk; ten times that on a GPU, which small chunks leave idle."""


def run_stages(request: Request, execution: Execution, solve: Callable[..., Refined]) -> Refined:
    """Refine valid bodies by `solve`, chunk by chunk; the others come back unchanged."""
    skeleton = request.skeleton
    branches = sum(2**depth for depth in skeleton.depths[1:])
    numbers = NUMBERS_PER_BRANCH * branches + NUMBERS_PER_JOINT * skeleton.num_joints

    def work(skeleton: Skeleton, own: list[Any], _: slice) -> Refined:
        return _refine_usable(skeleton, own, solve)

    return Refined(*in_chunks(request, execution, work, numbers))


def in_chunks(
    request: Request,
    execution: Execution,
    work: Callable[[Skeleton, list[Any], slice], tuple[Any, ...]],
    numbers: int,
) -> tuple[Any, ...]:
    """Apply `work` to the chunks of a request, and concatenate the results.

    Parameters
    ----------
    request : Request
    execution : Execution
    work : callable
        Takes the skeleton, a list of pose, betas, transl, keypoints_2d and intrinsics of a chunk, and the
        chunk's slice; returns a tuple of arrays.
    numbers : int
        Numbers that `work` holds per body at its peak.
    """
    xp = array_namespace(request.pose)
    like = xp.zeros(1, dtype=request.dtype, device=device(request.pose))
    skeleton = request.skeleton.like(like)
    chunk = execution.chunk_size or _chunk_size(numbers, like)
    chunks = []
    for start in range(0, max(request.count, 1), chunk):
        own = slice(start, min(start + chunk, request.count))
        quiet = np.errstate(all="ignore") if is_numpy_array(like) else nullcontext()
        with quiet:
            chunks.append(work(skeleton, arrays_of(request.some(own)), own))
        if execution.progress is not None:
            execution.progress(own.stop - own.start)
    return tuple(xp.concat(parts, axis=0) for parts in zip(*chunks, strict=True))


def arrays_of(request: Request) -> list[Any]:
    """Return pose, betas, transl, keypoints_2d and intrinsics, (N, ...) each, in the compute dtype."""
    xp = array_namespace(request.pose)
    parts = (request.pose, request.betas, request.transl, request.keypoints_2d, request.intrinsics)
    arrays = [xp.astype(part, request.dtype) for part in parts]
    return [*arrays[:4], xp.broadcast_to(arrays[4], (request.count, 3, 3))]


def _chunk_size(numbers: int, like: Any) -> int:
    """Return the number of bodies in a chunk."""
    size = array_namespace(like).finfo(like.dtype).bits // 8
    memory = GPU_FACTOR * MEMORY if on_cuda(like) else MEMORY
    return max(1, int(memory // (size * numbers)))


def _refine_usable(skeleton: Skeleton, own: list[Any], solve: Callable[..., Refined]) -> Refined:
    """Refine the valid bodies of a chunk, and return the others unchanged."""
    pose, betas, transl, keypoints_2d, intrinsics = own
    xp = array_namespace(pose)
    status = estimate_status(skeleton, *own)
    usable = status == 0
    joints = forward_kinematics(skeleton, pose, betas).joints + transl[:, None, :]
    error = reprojection_error(joints, keypoints_2d, intrinsics)
    # Stand-in bodies keep NaN and infinity out of the stages, where an SVD would fail the whole batch.
    stand_in = stand_in_body(pose, betas, transl, intrinsics)
    joints = forward_kinematics(skeleton, stand_in[0], stand_in[1]).joints + stand_in[2][:, None, :]
    stand_in.insert(3, project(joints, stand_in[3]))
    solved = solve(
        skeleton, *(where_bodies(usable, part, other) for part, other in zip(own, stand_in, strict=True))
    )
    status = xp.where(usable, solved.status, status)
    good = status == 0
    return Refined(
        where_bodies(good, solved.pose, pose),
        where_bodies(good, solved.betas, betas),
        where_bodies(good, solved.transl, transl),
        xp.astype(where_bodies(good, solved.selection, xp.full_like(solved.selection, -1)), xp.int8),
        xp.where(good, solved.path_score, xp.full_like(solved.path_score, xp.nan)),
        xp.where(good, solved.reprojection_error, error),
        xp.astype(status, xp.int8),
    )
