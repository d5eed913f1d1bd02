"""Run kernels over a batch: rows of bodies, allocation of results, and pools of working memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ...body.skeleton import Skeleton
from ...refinement.outcome import Refined
from ...refinement.request import Request
from ..pool import Pool
from ..records import refer, refer_tile
from ..tile import make_tile, make_tree
from .chunks import BodyRows

CHUNK = 512
"""Bodies that a thread takes at once: about 20 ms of work, with small copies."""


class TreeWorkspace(Pool):
    """A skeleton laid out for kernels, and a pool of its tiles."""

    def __init__(self, skeleton: Skeleton, dtype: np.dtype[Any]) -> None:
        layout = make_tree(skeleton, dtype)
        self.layout, self.tree = layout, refer(layout)
        super().__init__(lambda: refer_tile(make_tile(layout, dtype)))


@lru_cache(maxsize=8)
def workspace_of(skeleton: Skeleton, dtype: np.dtype[Any]) -> TreeWorkspace:
    """Return the workspace that all calls with this skeleton and dtype share."""
    return TreeWorkspace(skeleton, dtype)


def some_of(results: Any, own: slice) -> Any:
    """Return a slice of the bodies of a named tuple of results."""
    return type(results)(*(part[own] for part in results))


def rows_of(request: Request, own: slice, dtype: np.dtype[Any]) -> BodyRows:
    """Return a slice of the bodies as kernels read them: views where possible."""

    def rows(array: Any, own: slice) -> np.ndarray:
        part = in_order(array[own], dtype)
        return part.reshape(len(part), math.prod(array.shape[1:]))

    every = slice(None) if len(request.intrinsics) == 1 else own
    return BodyRows(
        rows(request.pose, own),
        rows(request.betas, own),
        rows(request.transl, own),
        rows(request.keypoints_2d, own),
        rows(request.intrinsics, every),
    )


def in_order(array: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """Return an array as kernels read it: C-ordered, aligned, in their dtype; itself if it is."""
    flags = array.flags
    if array.dtype == dtype and flags.c_contiguous and flags.aligned:
        return array
    return np.require(array, dtype, ["C", "A"])


def allocate(request: Request, empty: Callable[..., Any], number: Any, small: Any) -> Refined:
    """Allocate results by `empty`, with a float dtype `number` and an integer dtype `small`."""
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
