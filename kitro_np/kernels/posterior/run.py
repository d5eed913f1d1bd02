"""Run the kernels of the most probable bodies over a batch, on as many threads as asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np

from ...arrays.threads import each
from ...body.skeleton import Skeleton
from ...keypoints.layouts import KeypointLayout
from ...posterior.fit import STEPS
from ...posterior.priors import Motion
from ...refinement.outcome import Diagnostics, Refined
from ...refinement.request import Request
from ..body.skinning import Bones
from ..kitro.run import CHUNK, allocate, rows_of
from ..records import refer, refer_tile
from ..tile import Tree, make_tree
from .algorithm import Bodies, fit_bodies, fit_bodies_with_spread
from .memory import Chains, make_chains, make_fit_tile, make_memory


def run_map(
    request: Request,
    motion: Motion,
    chunk_size: int | None,
    progress: Callable[[int], None] | None,
    *,
    threads: int | None,
    safe: bool = True,
    spread: bool = False,
    start_pose: np.ndarray | None = None,
) -> tuple[Refined, Diagnostics]:
    """Find the most probable bodies of a request with the fused kernels.

    Parameters
    ----------
    request : Request
    motion : Motion
    chunk_size, progress, threads
        As :func:`kitro_np.refine` takes them.
    safe : bool
        Give back bodies that their keypoints are unlikely to improve.
    spread : bool
        Find the joints' spread, too.
    start_pose : (N, J, 3, 3) array, optional
        Where the steps begin, in place of the estimate.
    """
    dtype = np.dtype(request.dtype)
    workspace = _workspace(request.skeleton, request.layout, motion, dtype)
    refined, judged = allocate(request, np.empty, dtype, np.int8), _allocate(request, dtype, spread=spread)
    joints, points = request.skeleton.num_joints, request.layout.num_points
    confidence = np.ones((1, points), dtype)
    starts = None if start_pose is None else start_pose.reshape(request.count, 9 * joints)
    chunk = chunk_size or CHUNK
    fit = fit_bodies_with_spread if spread else fit_bodies

    def work(start: int) -> int:
        stop = min(start + chunk, request.count)
        own = slice(start, stop)
        bodies = rows_of(request, start, stop, dtype)
        if request.confidence is not None:
            seen = np.require(request.confidence[own], dtype, ["C", "A", "W"])
        else:
            seen = confidence
        begin = bodies.pose if starts is None else np.require(starts[own], dtype, ["C", "A", "W"])
        with workspace.lend() as (tile, memory):
            fit(
                workspace.bones, workspace.chains, tile, memory, refer(Bodies(*bodies, seen, begin)),
                refer(Refined(*(part[own] for part in refined))),
                refer(Diagnostics(*(part[own] for part in judged))),
                STEPS, safe, 0, stop - start,
            )  # fmt: skip
        return stop - start

    each(work, range(0, request.count, chunk), threads, progress)
    refined = refined._replace(pose=refined.pose.reshape(request.pose.shape))
    return refined, judged if spread else judged._replace(joint_spread=None)


class _Workspace:
    """A skeleton and its points laid out for kernels, and memory that calls and threads take turns with."""

    def __init__(self, tree: Tree, chains: Chains, dtype: np.dtype[Any]) -> None:
        self.bones = refer(Bones(tree.parents, tree.template, tree.shapedirs))
        self.chains = refer(chains)
        self._whole_tree, self._all_chains = tree, chains
        self._dtype = dtype
        self._idle: deque[tuple[Any, Any]] = deque()

    @contextmanager
    def lend(self) -> Iterator[tuple[Any, Any]]:
        """Lend memory that nobody else works in."""
        try:
            own = self._idle.pop()
        except IndexError:
            tile = refer_tile(make_fit_tile(self._whole_tree, self._all_chains, self._dtype))
            own = tile, refer_tile(make_memory(self._all_chains, self._dtype))
        yield own
        self._idle.append(own)


@lru_cache(maxsize=16)
def _workspace(
    skeleton: Skeleton, layout: KeypointLayout, motion: Motion, dtype: np.dtype[Any]
) -> _Workspace:
    return _Workspace(make_tree(skeleton, dtype), make_chains(skeleton, layout, motion, dtype), dtype)


def _allocate(request: Request, dtype: np.dtype[Any], *, spread: bool) -> Diagnostics:
    count, joints = request.count, request.skeleton.num_joints
    return Diagnostics(
        np.empty(count, dtype),
        np.empty(count, np.int8),
        np.empty(count, dtype),
        np.empty(count, dtype),
        np.empty((count, joints if spread else 0), dtype),
    )
