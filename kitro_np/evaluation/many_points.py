"""Mean distances of many points, such as a body's vertices, in little memory: for NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

FEW = 4
"""Bodies at a time, whose differences stay in the cache of a core."""


def mean_distances(points: np.ndarray, truth: np.ndarray, shift: np.ndarray | None = None) -> Any:
    """Mean Euclidean distance |x - y - shift|: (N,) from (N, K, D), and shifts (N, D) that default to 0."""
    dtype = np.result_type(points, truth)
    means = np.empty(len(points), dtype)
    for start in range(0, len(points), FEW):
        few = slice(start, start + FEW)
        squares = np.zeros(points[few].shape[:2], dtype)
        # A coordinate at a time: sums over an axis of three are several times slower.
        for k in range(points.shape[2]):
            difference = points[few, :, k] - truth[few, :, k]
            if shift is not None:
                difference -= shift[few, k, None]
            difference *= difference
            squares += difference
        means[few] = np.sqrt(squares, out=squares).mean(axis=1)
    return means
