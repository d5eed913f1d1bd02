"""Run the fused kernels of SMPLify over a batch, on as many threads as asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...adam import adam_rates
from ...arrays.threads import each
from ...body.skeleton import Skeleton
from ...refinement.outcome import Refined
from ...refinement.request import Request
from ...smplify.descent import RATE, STEPS
from ...smplify.energy import WEIGHTS, Weights, weights_for
from ...smplify.pose_prior import WRONG_WAY, knows_poses, pose_prior
from ..kitro.run import CHUNK, allocate, rows_of, workspace_of
from ..records import refer, refer_tile
from .descent import fit_bodies, make_fit
from .energy import FitSettings


def run_smplify(
    request: Request,
    chunk_size: int | None,
    progress: Callable[[int], None] | None,
    *,
    threads: int | None,
    weights: Weights = WEIGHTS,
    steps: tuple[int, int] = STEPS,
) -> Refined:
    """Fit a request with the fused kernels."""
    dtype = np.dtype(request.dtype)
    workspace = workspace_of(request.skeleton, dtype)
    refined = allocate(request, np.empty, dtype, np.int8)
    settings = refer(make_fit_settings(request.skeleton, dtype, weights, steps))
    chunk = chunk_size or CHUNK

    def work(start: int) -> int:
        stop = min(start + chunk, request.count)
        own = refer(Refined(*(part[start:stop] for part in refined)))
        bodies = refer(rows_of(request, start, stop, dtype))
        fit = refer_tile(make_fit(workspace.tree, dtype))
        with workspace.tile() as tile:
            fit_bodies(workspace.layout, tile, fit, bodies, own, settings, 0, stop - start)
        return stop - start

    each(work, range(0, request.count, chunk), threads, progress)
    return refined._replace(pose=refined.pose.reshape(request.pose.shape))


def make_fit_settings(
    skeleton: Skeleton, dtype: np.dtype[Any], weights: Weights = WEIGHTS, steps: tuple[int, int] = STEPS
) -> FitSettings:
    """Gather what the kernels are to do."""
    weights, rows = weights_for(skeleton, weights), 3 * skeleton.num_joints
    mean, precision, wrong_way = np.zeros(0, dtype), np.zeros((0, 0), dtype), np.zeros(rows, dtype)
    if knows_poses(skeleton):
        mean, precision = np.zeros(rows, dtype), np.zeros((rows, rows), dtype)
        mean[3:], precision[3:, 3:] = pose_prior()
        for joint, axis, sign in WRONG_WAY:
            wrong_way[3 * joint + axis] = sign
    root_rates, rates = (np.array(adam_rates(RATE, count), dtype).reshape(count, 2) for count in steps)
    return FitSettings(
        root_rates,
        rates,
        mean,
        precision,
        wrong_way,
        float(weights.keypoints),
        float(weights.sigma) ** 2,
        float(weights.pose_prior),
        float(weights.bend),
        float(weights.betas),
        float(weights.near_pose),
        float(weights.near_betas),
        float(weights.near_depth),
    )
