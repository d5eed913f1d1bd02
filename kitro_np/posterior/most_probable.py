"""The most probable bodies of a request, by kernels or by array stages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from array_api_compat import array_namespace

from ..body.skeleton import Skeleton
from ..keypoints.visibility import at_least
from ..refinement.chunks import in_chunks
from ..refinement.method import Execution
from ..refinement.outcome import Diagnostics, Refined
from ..refinement.request import Request
from .algorithm import refine_arrays
from .model import model_of
from .priors import MotionPrior

DENSE_MATRICES, DENSE_JACOBIANS = 14, 20
"""Bound on the arrays (U, U) and (K, U) that the stages hold per body, for K keypoints and U unknowns: with
NumPy the peak is 0.37 of it, measured by tracemalloc for SMPL's 24 joints."""


def most_probable(
    request: Request,
    execution: Execution,
    motion: MotionPrior,
    *,
    safe: bool,
    uncertainty: bool = False,
    start_pose: Any = None,
    landmarks: bool | None = None,
) -> tuple[Refined, Diagnostics]:
    """Find the most probable bodies of a request.

    Parameters
    ----------
    request : Request
    execution : Execution
    motion : MotionPrior
    safe : bool
        Return bodies whose keypoints are not accepted as their estimates.
    uncertainty : bool
        Return the joints' standard deviation.
    start_pose : (N, J, 3, 3) array, optional
        Initial value of the steps, in place of the estimate.
    landmarks : bool, optional
        Whether the estimates are of landmarks; by default those whose betas are all 0.
    """
    refined, diagnostics, _, _ = most_probable_frames(
        request, execution, motion,
        safe=safe, uncertainty=uncertainty, start_pose=start_pose, landmarks=landmarks,
    )  # fmt: skip
    return refined, diagnostics


def most_probable_frames(
    request: Request,
    execution: Execution,
    motion: MotionPrior,
    *,
    safe: bool,
    uncertainty: bool = False,
    start_pose: Any = None,
    landmarks: bool | None = None,
) -> tuple[Refined, Diagnostics, Any, Any]:
    """Do as :func:`most_probable`; also return what a video is planned by.

    That is the scale of the estimates' error (N,), and the decrease of the squared distance by each exchange
    of left and right (N, A).
    """
    if execution.engine == "numba":
        from ..kernels.posterior.run import run_map

        return run_map(
            request, model_of(request.skeleton, request.layout, motion),
            execution.chunk_size, execution.progress, threads=execution.threads,
            safe=safe, uncertainty=uncertainty, start_pose=start_pose, landmarks=landmarks,
        )  # fmt: skip

    if execution.engine == "cuda":
        from ..kernels.posterior.run_gpu import run_map_gpu

        return run_map_gpu(
            request, model_of(request.skeleton, request.layout, motion),
            execution.chunk_size, execution.progress,
            safe=safe, uncertainty=uncertainty, start_pose=start_pose, landmarks=landmarks,
        )  # fmt: skip

    def work(skeleton: Skeleton, arrays: list[Any], own: slice) -> tuple[Any, ...]:
        xp = array_namespace(arrays[0])
        pose, betas, transl, keypoints_2d, intrinsics = arrays
        confidence = confidence_of(request, keypoints_2d, own)
        start = None if start_pose is None else xp.astype(start_pose[own, ...], pose.dtype)
        refined, diagnostics, scale, gains = refine_arrays(
            skeleton, request.layout, pose, betas, transl, keypoints_2d, intrinsics, confidence, motion,
            image_size=request.image_sizes(own), safe=safe, start_pose=start, landmarks=landmarks,
        )  # fmt: skip
        return (*refined, *diagnostics, scale, gains)

    parts = in_chunks(request, execution, work, _numbers_per_body(request))
    refined = Refined(*parts[: len(Refined._fields)])
    diagnostics = Diagnostics(*parts[len(Refined._fields) : -2])
    return refined, diagnostics if uncertainty else diagnostics._replace(joint_spread=None), *parts[-2:]


def confidence_of(request: Request, keypoints_2d: Any, own: slice = slice(None)) -> Any:
    """Return confidences in the keypoints' dtype; ones if none are given: (N, K)."""
    xp = array_namespace(keypoints_2d)
    if request.confidence is None:
        return xp.ones_like(keypoints_2d[..., 0])
    return xp.astype(request.confidence[own, ...], keypoints_2d.dtype)


def with_min_confidence(request: Request, least: float) -> Request:
    """Return a request whose confidences below `least` are 0."""
    xp = array_namespace(request.pose)
    keypoints_2d = xp.astype(request.keypoints_2d, request.dtype)
    return replace(request, confidence=at_least(confidence_of(request, keypoints_2d), least))


def _numbers_per_body(request: Request) -> int:
    """Upper bound on the numbers that the stages hold per body at their peak."""
    unknowns = 3 * request.skeleton.num_joints + request.skeleton.num_betas + 3
    return DENSE_MATRICES * unknowns**2 + DENSE_JACOBIANS * request.layout.num_points * unknowns
