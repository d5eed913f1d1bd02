"""Run the fused kernels over a batch, on as many threads as asked for."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np

from ...adam import adam_rates
from ...arrays.threads import each
from ...body.skeleton import Skeleton
from ...kitro.shape import LEARNING_RATE
from ...kitro.variants import Variant
from ...refinement.outcome import Refined
from ...refinement.request import Request
from ..records import refer, refer_tile
from ..tile import Tree, make_tile, make_tree
from .algorithm import Bodies, Settings, refine_bodies

CHUNK = 512
"""Bodies that a thread takes at once: some 20 ms of work, and copies that stay small."""


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
    starts = range(0, request.count, chunk)

    def work(start: int) -> int:
        stop = min(start + chunk, request.count)
        own = Refined(*(part[start:stop] for part in refined))
        with workspace.tile() as tile:
            bodies = refer(rows_of(request, start, stop, dtype))
            refine_bodies(workspace.layout, tile, bodies, refer(own), settings, 0, stop - start)
        return stop - start

    each(work, starts, threads, progress)
    return refined._replace(pose=refined.pose.reshape(request.pose.shape))


class _Workspace:
    """A skeleton laid out for the kernels, and tiles that calls and threads take turns with."""

    def __init__(self, tree: Tree, dtype: np.dtype[Any]) -> None:
        self.tree, self.layout = tree, refer(tree)
        self._dtype = dtype
        self._idle: deque[Any] = deque()

    @contextmanager
    def tile(self) -> Iterator[Any]:
        """Lend a tile that nobody else works in."""
        try:
            tile = self._idle.pop()
        except IndexError:
            tile = refer_tile(make_tile(self.tree, self._dtype))
        yield tile
        self._idle.append(tile)


@lru_cache(maxsize=8)
def workspace_of(skeleton: Skeleton, dtype: np.dtype[Any]) -> _Workspace:
    """Return the workspace that all calls with this skeleton and dtype share."""
    return _Workspace(make_tree(skeleton, dtype), dtype)


def make_settings(
    request: Request, variant: Variant, iterations: int, shape_steps: int, dtype: np.dtype[Any]
) -> Settings:
    """Gather what the kernels are to do."""
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
        turn_joints=variant.pose_update != "fixed",
        hard_pose=variant.pose_update == "hard",
        greedy=variant.search == "greedy",
    )


def rows_of(request: Request, start: int, stop: int, dtype: np.dtype[Any]) -> Bodies:
    """Rows `start` to `stop` as the kernel reads them: views where that is possible."""

    def rows(array: Any, own: slice) -> np.ndarray:
        part = array[own]
        if part.dtype != dtype or not part.flags.carray:
            # Numba would compile once more for arrays that are read-only or not aligned.
            part = np.require(part, dtype, ["C", "A", "W"])
        return part.reshape(len(part), math.prod(array.shape[1:]))

    own = slice(start, stop)
    every = slice(None) if len(request.intrinsics) == 1 else own
    return Bodies(
        rows(request.pose, own),
        rows(request.betas, own),
        rows(request.transl, own),
        rows(request.keypoints_2d, own),
        rows(request.intrinsics, every),
    )


def allocate(request: Request, empty: Callable[..., Any], number: Any, small: Any) -> Refined:
    """Make room for what the kernels write: arrays of `empty`, of a float and a small integer dtype."""
    count, joints = request.count, request.skeleton.num_joints
    return Refined(
        empty((count, 9 * joints), dtype=number),
        empty((count, request.skeleton.num_betas), dtype=number),
        empty((count, 3), dtype=number),
        empty((count, joints), dtype=small),
        empty((count,), dtype=number),
        empty((count,), dtype=number),
        empty((count,), dtype=small),
    )
