"""Batches: array stages over a request, chunk by chunk, with bodies that cannot be refined set aside."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_numpy_array

from ..arrays.engines import on_cuda
from ..body.kinematics import forward_kinematics
from ..body.skeleton import Skeleton
from ..camera import project
from ..evaluation.metrics import reprojection_error
from ..result import Refined
from .request import Request
from .validity import estimate_status

NUMBERS_A_BRANCH, NUMBERS_A_JOINT = 12, 65
"""What the stages of Algorithm 1 hold of each body at their peak, measured: for SMPL 60 kB in float32."""

MEMORY = 64_000_000
"""Bytes that array stages may take for a chunk of bodies; on a GPU, which idles on less, ten times that."""


def run_stages(
    request: Request,
    solve: Callable[..., Refined],
    chunk_size: int | None,
    progress: Callable[[int], None] | None,
) -> Refined:
    """Let `solve` refine batches of valid bodies; the others come back as they are."""
    skeleton = request.skeleton
    branches = sum(2**depth for depth in skeleton.depths[1:])
    numbers = NUMBERS_A_BRANCH * branches + NUMBERS_A_JOINT * skeleton.num_joints

    def work(skeleton: Skeleton, own: list[Any], _: slice) -> Refined:
        return _refine_usable(skeleton, own, solve)

    return Refined(*in_chunks(request, work, numbers, chunk_size, progress))


def in_chunks(
    request: Request,
    work: Callable[[Skeleton, list[Any], slice], tuple[Any, ...]],
    numbers: int,
    chunk_size: int | None,
    progress: Callable[[int], None] | None,
) -> tuple[Any, ...]:
    """Hand chunks of a request to `work`, and put together what it returns.

    Parameters
    ----------
    request : Request
    work : callable
        Takes a skeleton of the request's arrays, pose, betas, transl, keypoints_2d and intrinsics of some
        bodies, and which these are.
    numbers : int
        How many `work` holds of each body at its peak.
    chunk_size, progress
        As :func:`kitro_np.refine` takes them.
    """
    xp = array_namespace(request.pose)
    like = xp.zeros(1, dtype=request.dtype, device=device(request.pose))
    skeleton = request.skeleton.like(like)
    chunk = chunk_size or _chunk_size(numbers, like)
    chunks = []
    for start in range(0, max(request.count, 1), chunk):
        stop = min(start + chunk, request.count)
        own = [
            xp.astype(part[start:stop, ...], request.dtype)
            for part in (request.pose, request.betas, request.transl, request.keypoints_2d)
        ]
        intrinsics = (
            request.intrinsics if request.intrinsics.shape[0] == 1 else request.intrinsics[start:stop, ...]
        )
        own.append(xp.broadcast_to(xp.astype(intrinsics, request.dtype), (stop - start, 3, 3)))
        quiet = np.errstate(all="ignore") if is_numpy_array(like) else nullcontext()
        with quiet:
            chunks.append(work(skeleton, own, slice(start, stop)))
        if progress is not None:
            progress(stop - start)
    return tuple(xp.concat(parts, axis=0) for parts in zip(*chunks, strict=True))


def _chunk_size(numbers: int, like: Any) -> int:
    """Return how many bodies to take at once."""
    size = array_namespace(like).finfo(like.dtype).bits // 8
    memory = 10 * MEMORY if on_cuda(like) else MEMORY
    return max(1, int(memory // (size * numbers)))


def _refine_usable(skeleton: Skeleton, own: list[Any], solve: Callable[..., Refined]) -> Refined:
    """Refine the bodies of a chunk that can be refined, and return the others as they are."""
    pose, betas, transl = own[:3]
    xp = array_namespace(pose)
    status = estimate_status(skeleton, *own)
    usable = status == 0
    error = drawn_error(skeleton, *own)
    # A stand-in keeps NaN and the like out of the stages, where an SVD would fail the whole batch.
    safe = [where(usable, part, other) for part, other in zip(own, _stand_in(skeleton, own), strict=True)]
    found = solve(skeleton, *safe)
    status = xp.where(usable, found.status, status)
    good = status == 0
    return Refined(
        where(good, found.pose, pose),
        where(good, found.betas, betas),
        where(good, found.transl, transl),
        xp.astype(where(good, found.selection, xp.full_like(found.selection, -1)), xp.int8),
        xp.where(good, found.path_score, xp.full_like(found.path_score, xp.nan)),
        xp.where(good, found.reprojection_error, error),
        xp.astype(status, xp.int8),
    )


def _stand_in(skeleton: Skeleton, own: list[Any]) -> list[Any]:
    """Return a body that can be refined, in the shapes of `own`: the rest pose, ten metres away."""
    xp = array_namespace(*own)
    pose, betas, transl, _, intrinsics = map(xp.zeros_like, own)
    eye = xp.eye(3, dtype=pose.dtype, device=device(pose))
    pose, intrinsics = pose + eye, intrinsics + eye
    transl = transl + xp.asarray([0.0, 0.0, 10.0], dtype=transl.dtype, device=device(transl))
    joints = forward_kinematics(skeleton, pose, betas).joints + transl[:, None, :]
    return [pose, betas, transl, project(joints, intrinsics), intrinsics]


def drawn_error(
    skeleton: Skeleton, pose: Any, betas: Any, transl: Any, keypoints_2d: Any, intrinsics: Any
) -> Any:
    """Mean distance between projected joints and keypoints, in pixels: (N,)."""
    joints = forward_kinematics(skeleton, pose, betas).joints + transl[:, None, :]
    return reprojection_error(joints, keypoints_2d, intrinsics)


def where(mask: Any, chosen: Any, other: Any) -> Any:
    """Choose whole bodies: xp.where with a mask (N,)."""
    xp = array_namespace(chosen, other)
    return xp.where(xp.reshape(mask, (mask.shape[0], *[1] * (chosen.ndim - 1))), chosen, other)
