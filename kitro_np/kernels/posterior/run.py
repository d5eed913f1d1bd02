"""Run the kernels of the most probable bodies over a batch, on as many threads as asked for."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ...arrays.threads import each
from ...keypoints.visibility import image_bounds
from ...posterior.fit import STEPS
from ...refinement.outcome import Diagnostics, Refined
from ...refinement.request import Request
from ..body.skinning import Bones
from ..jit import bind
from ..pool import Pool
from ..records import refer, refer_tile
from ..refinement.run import CHUNK, allocate, in_order, rows_of, some_of
from ..tile import make_tree
from .algorithm import FitRows, PosteriorRows, fit_bodies, fit_bodies_with_spread
from .fit import BY_BETAS
from .memory import make_chains, make_fit_tile, make_memory

if TYPE_CHECKING:
    from ...posterior.model import PosteriorModel


def run_map(
    request: Request,
    model: PosteriorModel,
    chunk_size: int | None,
    progress: Callable[[int], None] | None,
    *,
    threads: int | None,
    safe: bool = True,
    uncertainty: bool = False,
    start_pose: np.ndarray | None = None,
    landmarks: bool | None = None,
) -> tuple[Refined, Diagnostics, np.ndarray, np.ndarray]:
    """Find the most probable bodies of a request with the fused kernels.

    Also return the scale (N,) of the estimates' error, and what exchanges of sides gain (N, A).

    Parameters
    ----------
    request : Request
    model : PosteriorModel
        Of the request's skeleton and layout.
    chunk_size, progress, threads
        As :func:`kitro_np.refine` takes them.
    safe : bool
        Return bodies whose keypoints are not accepted as their estimates.
    uncertainty : bool
        Also return the joints' standard deviation.
    start_pose : (N, J, 3, 3) array, optional
        Initial value of the steps, in place of the estimate.
    landmarks : bool, optional
        Whether the estimates are of landmarks; by default those whose betas are all 0.
    """
    dtype = np.dtype(request.dtype)
    workspace = _workspace(model, dtype)
    refined = allocate(request, np.empty, dtype, np.int8)
    diagnostics = allocate_fit(request, np.empty, dtype, np.int8, len(model.swaps), uncertainty=uncertainty)
    fit = fit_bodies_with_spread if uncertainty else fit_bodies
    every = np.ones((1, request.layout.num_points), dtype)
    sized = request.image_size is not None
    nowhere = np.zeros((1, 4), dtype)
    kind = BY_BETAS if landmarks is None else int(landmarks)
    starts = (
        None if start_pose is None else start_pose.reshape(request.count, math.prod(start_pose.shape[1:]))
    )
    chunk = chunk_size or CHUNK

    def work(start: int) -> int:
        own = slice(start, min(start + chunk, request.count))
        bodies = rows_of(request, own, dtype)
        confidence = every if request.confidence is None else in_order(request.confidence[own], dtype)
        bounds = image_bounds(request.image_sizes(own), every) if sized else nowhere
        begin = bodies.pose if starts is None else in_order(starts[own], dtype)
        with workspace.lend() as (tile, memory):
            fit(
                workspace.bones, workspace.chains, tile, memory,
                refer(PosteriorRows(*bodies, confidence, bounds, begin)),
                refer(some_of(refined, own)), refer(some_of(diagnostics, own)),
                STEPS, safe, sized, kind, 0, own.stop - own.start,
            )  # fmt: skip
        return own.stop - own.start

    each(work, range(0, request.count, chunk), threads, progress)
    refined = refined._replace(pose=refined.pose.reshape(request.pose.shape))
    found = Diagnostics(*diagnostics[: len(Diagnostics._fields)])
    found = found if uncertainty else found._replace(joint_spread=None)
    return refined, found, diagnostics.scale, diagnostics.gains


class ChainsWorkspace(Pool):
    """A model laid out for kernels, and a pool of tiles with their working memory."""

    def __init__(self, model: PosteriorModel, dtype: np.dtype[Any]) -> None:
        tree, chains = make_tree(model.skeleton, dtype), make_chains(model, dtype)
        self.bones = refer(Bones(tree.parents, tree.template, tree.shapedirs))
        self.chains = refer(chains)
        super().__init__(
            lambda: (
                refer_tile(make_fit_tile(tree, chains, dtype)),
                refer_tile(make_memory(chains, dtype)),
            )
        )


@lru_cache(maxsize=16)
def _workspace(model: PosteriorModel, dtype: np.dtype[Any]) -> ChainsWorkspace:
    return ChainsWorkspace(model, dtype)


class OneBody:
    """Rows of a single body, laid out once: to lay out new ones takes a third of the time of its fit.

    Parameters
    ----------
    model : PosteriorModel
    request : Request
        Of the first of the bodies, one at a time, that are to come.
    dtype : dtype
    """

    def __init__(self, model: PosteriorModel, request: Request, dtype: np.dtype[Any]) -> None:
        workspace = _workspace(model, dtype)
        self._every = np.ones((1, request.layout.num_points), dtype)
        bodies = (np.array(part) for part in rows_of(request, slice(0, 1), dtype))
        pose, betas, transl, keypoints_2d, intrinsics = bodies
        self._rows = PosteriorRows(
            pose, betas, transl, keypoints_2d, intrinsics, self._every.copy(), np.zeros((1, 4), dtype), pose
        )
        self._refined = allocate(request, np.empty, dtype, np.int8)
        self._diagnostics = allocate_fit(
            request, np.empty, dtype, np.int8, len(model.swaps), uncertainty=False
        )
        self._fit = bind(
            fit_bodies, workspace.bones, workspace.chains, *workspace.take(), refer(self._rows),
            refer(self._refined), refer(self._diagnostics), STEPS, True, True, BY_BETAS, 0, 1,
        )  # fmt: skip

    def fit(self, request: Request) -> tuple[Refined, FitRows]:
        """Return what :func:`run_map` does; the next call overwrites it."""
        rows = self._rows
        rows.pose[0] = request.pose.ravel()
        rows.betas[0], rows.transl[0] = request.betas[0], request.transl[0]
        rows.keypoints_2d[0] = request.keypoints_2d.ravel()
        rows.intrinsics[0] = request.intrinsics.ravel()
        rows.confidence[0] = 1 if request.confidence is None else request.confidence[0]
        rows.bounds[:] = image_bounds(request.image_size, self._every)
        self._fit()
        return self._refined, self._diagnostics


def allocate_fit(
    request: Request, empty: Callable[..., Any], number: Any, small: Any, swaps: int, *, uncertainty: bool
) -> FitRows:
    """Allocate what a fit writes, as :func:`kitro_np.kernels.refinement.run.allocate`."""
    count, joints = request.count, request.skeleton.num_joints
    return FitRows(
        empty((count,), dtype=number),
        empty((count,), dtype=small),
        empty((count,), dtype=small),
        empty((count,), dtype=number),
        empty((count,), dtype=number),
        empty((count, joints if uncertainty else 0), dtype=number),
        empty((count,), dtype=number),
        empty((count, swaps), dtype=number),
    )
