"""Arrays to tiles and back: run kernels, that know bodies in lanes only, on batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from kitro_np import Skeleton
from kitro_np.kernels.lanes import lane_count
from kitro_np.kernels.records import refer, refer_tile
from kitro_np.kernels.tile import make_tile, make_tree


def run_in_tiles(
    skeleton: Skeleton,
    work: Callable[[Any, Any], None],
    given: Mapping[str, np.ndarray],
    expected: Sequence[str],
    dtype: Any = np.float64,
) -> dict[str, np.ndarray]:
    """Fill members of tiles with arrays (N, ...), work on each tile, and return members as (N, rows)."""
    tree, lanes = make_tree(skeleton, dtype), lane_count(dtype)
    count = len(next(iter(given.values())))
    found: dict[str, list[np.ndarray]] = {name: [] for name in expected}
    for start in range(0, count, lanes):
        tile = make_tile(tree, dtype)
        bodies = np.minimum(np.arange(start, start + lanes), count - 1)
        for name, array in given.items():
            getattr(tile, name)[:] = array[bodies].reshape(lanes, -1).T
        # In the interpreter lanes are NumPy vectors, and both sides of a `where` are computed.
        with np.errstate(all="ignore"):
            work(refer(tree), refer_tile(tile))
        for name in expected:
            found[name].append(getattr(tile, name).T[: count - start].copy())
    return {name: np.concatenate(parts) for name, parts in found.items()}


def camera_rows(intrinsics: np.ndarray) -> np.ndarray:
    """Fx, fy, cx and cy, (N, 4), as a tile holds them."""
    k = intrinsics
    return np.stack([k[:, 0, 0], k[:, 1, 1], k[:, 0, 2], k[:, 1, 2]], axis=1)
