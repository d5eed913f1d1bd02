"""Run Algorithm 1's kernels over a batch on a GPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ...body.skeleton import Skeleton
from ...refinement.outcome import Refined
from ...refinement.request import Request
from ..refinement.run import allocate
from ..refinement.run_gpu import Place, TileRows, dtype_of, lay_out, rows_on_gpu, run_entry
from ..tile import Tile, Tree, make_tree, tile_rows
from .algorithm import refine_bodies
from .run import make_settings

if TYPE_CHECKING:
    from ...kitro.variants import Variant


def run_gpu(
    request: Request,
    variant: Variant,
    iterations: int,
    shape_steps: int,
    chunk_size: int | None,
    progress: Callable[[int], None] | None,
    *,
    simulated_threads: int = 1,
) -> Refined:
    """Refine a request with the fused kernels on the GPU that holds it."""
    place, dtype = Place(request.pose), dtype_of(request)
    with place.current():
        tree, rows = _layout(request.skeleton, dtype, place)
        settings = lay_out(place, make_settings(request, variant, iterations, shape_steps, dtype))
        refined = allocate(request, place.empty, request.dtype, place.xp.int8)
        run_entry(
            refine_bodies, place, dtype, (tree, rows, rows_on_gpu(request, place), refined, settings),
            request.count, chunk_size, progress, simulated_threads=simulated_threads,
        )  # fmt: skip
    return refined._replace(pose=place.xp.reshape(refined.pose, request.pose.shape))


@lru_cache(maxsize=8)
def _layout(skeleton: Skeleton, dtype: np.dtype[Any], place: Place) -> tuple[Tree, TileRows]:
    """Return a skeleton's arrays on a device, and the rows of its tile."""
    tree = make_tree(skeleton, dtype)
    return lay_out(place, tree), TileRows(Tile, tile_rows(tree))
