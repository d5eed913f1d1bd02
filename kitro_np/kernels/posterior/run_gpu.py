"""Run the kernels of the most probable bodies over a batch on a GPU."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ...keypoints.visibility import image_bounds
from ...posterior.fit import STEPS
from ...refinement.outcome import Diagnostics, Refined
from ...refinement.request import Request
from ..body.skinning import Bones
from ..refinement.run import allocate
from ..refinement.run_gpu import Place, TileRows, dtype_of, lay_out, rows_on_gpu, run_entry
from ..tile import make_tree
from .algorithm import PosteriorRows, fit_bodies, fit_bodies_with_spread
from .fit import BY_BETAS
from .memory import Chains, FitTile, Memory, fit_tile_rows, make_chains, memory_rows
from .run import allocate_fit

if TYPE_CHECKING:
    from ...posterior.model import PosteriorModel


def run_map_gpu(
    request: Request,
    model: PosteriorModel,
    chunk_size: int | None,
    progress: Callable[[int], None] | None,
    *,
    safe: bool = True,
    uncertainty: bool = False,
    start_pose: Any = None,
    landmarks: bool | None = None,
    simulated_threads: int = 1,
) -> tuple[Refined, Diagnostics, Any, Any]:
    """Do as :func:`kitro_np.kernels.posterior.run.run_map`, on the GPU that holds the request."""
    place, dtype = Place(request.pose), dtype_of(request)
    xp, count = place.xp, request.count
    with place.current():
        bones, chains, tile, memory = _layout(model, dtype, place)
        bodies = rows_on_gpu(request, place)
        every = place.ones((1, request.layout.num_points), request.dtype)
        confidence, bounds, start = every, place.ones((1, 4), request.dtype), bodies.pose
        if request.confidence is not None:
            confidence = place.in_order(xp.astype(request.confidence, request.dtype, copy=False))
        if request.image_size is not None:
            bounds = place.in_order(image_bounds(request.image_size, every))
        if start_pose is not None:
            flat = xp.reshape(start_pose, (count, math.prod(start_pose.shape[1:])))
            start = place.in_order(xp.astype(flat, request.dtype, copy=False))
        refined = allocate(request, place.empty, request.dtype, xp.int8)
        diagnostics = allocate_fit(
            request, place.empty, request.dtype, xp.int8, len(model.swaps), uncertainty=uncertainty
        )
        run_entry(
            fit_bodies_with_spread if uncertainty else fit_bodies, place, dtype,
            (
                bones, chains, tile, memory, PosteriorRows(*bodies, confidence, bounds, start), refined,
                diagnostics, STEPS, safe, request.image_size is not None,
                BY_BETAS if landmarks is None else int(landmarks),
            ),
            count, chunk_size, progress, simulated_threads=simulated_threads,
        )  # fmt: skip
    found = Diagnostics(*diagnostics[: len(Diagnostics._fields)])
    found = found if uncertainty else found._replace(joint_spread=None)
    refined = refined._replace(pose=xp.reshape(refined.pose, request.pose.shape))
    return refined, found, diagnostics.scale, diagnostics.gains


@lru_cache(maxsize=16)
def _layout(
    model: PosteriorModel, dtype: np.dtype[Any], place: Place
) -> tuple[Bones, Chains, TileRows, TileRows]:
    """Return a model's arrays on a device, and the rows of its tiles."""
    tree, chains = make_tree(model.skeleton, dtype), make_chains(model, dtype)
    bones = Bones(tree.parents, tree.template, tree.shapedirs)
    return (
        lay_out(place, bones), lay_out(place, chains),
        TileRows(FitTile, fit_tile_rows(tree, chains)), TileRows(Memory, memory_rows(chains)),
    )  # fmt: skip
