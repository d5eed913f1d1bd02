"""Run Algorithm 1's kernels over a batch, on several threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ...adam import adam_rates
from ...arrays.threads import each
from ...kitro.shape import LEARNING_RATE
from ...refinement.outcome import Refined
from ...refinement.request import Request
from ..records import refer
from ..refinement.run import CHUNK, allocate, rows_of, some_of, workspace_of
from .algorithm import Settings, refine_bodies

if TYPE_CHECKING:
    from ...kitro.variants import Variant


def run_kernels(
    request: Request,
    variant: Variant,
    iterations: int,
    shape_steps: int,
    chunk_size: int | None,
    progress: Callable[[int], None] | None,
    *,
    threads: int | None,
) -> Refined:
    """Refine a request with the fused kernels."""
    dtype = np.dtype(request.dtype)
    workspace = workspace_of(request.skeleton, dtype)
    refined = allocate(request, np.empty, dtype, np.int8)
    settings = refer(make_settings(request, variant, iterations, shape_steps, dtype))
    chunk = chunk_size or CHUNK

    def work(start: int) -> int:
        own = slice(start, min(start + chunk, request.count))
        with workspace.lend() as tile:
            refine_bodies(
                workspace.tree, tile, refer(rows_of(request, own, dtype)), refer(some_of(refined, own)),
                settings, 0, own.stop - own.start,
            )  # fmt: skip
        return own.stop - own.start

    each(work, range(0, request.count, chunk), threads, progress)
    return refined._replace(pose=refined.pose.reshape(request.pose.shape))


def make_settings(
    request: Request, variant: Variant, iterations: int, shape_steps: int, dtype: np.dtype[Any]
) -> Settings:
    """Return the kernels' settings."""
    if variant.shape_update == "fixed":
        shape_steps = 0
    return Settings(
        iterations,
        np.array(adam_rates(LEARNING_RATE, shape_steps), dtype).reshape(shape_steps, 2),
        dtype.type(1 / (request.skeleton.num_joints - 1) if variant.mean_loss else 1.0),
        variant.softmax_scores,
        variant.trunk_in_every_limb,
        variant.tree_targets,
        variant.rewind,
        variant.shift_keypoints,
        move_camera=variant.camera_update != "fixed",
        hard_camera=variant.camera_update == "hard",
        shape_from_joints=variant.shape_update == "joints_2d",
        rotate_joints=variant.pose_update != "fixed",
        hard_pose=variant.pose_update == "hard",
        greedy=variant.search == "greedy",
    )
