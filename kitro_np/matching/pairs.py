"""Pairs of rows of the same frame, and how far apart their points are."""

from __future__ import annotations

import numpy as np

from ..errors import InputError

FEWEST = 3
"""Points that both must have."""

MOST_PAIRS = 50_000_000
"""Pairs that are looked at; crowds have fewer."""

BLOCK = 4096
"""Pairs that are compared at a time: their points stay in the cache."""

DOUBTED = 0.2
"""Share of a person's highest confidence below which a point does not count."""


def pairs_of_frames(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of all pairs of a row of `first` and one of `second` with the same frame.

    They are sorted by frame.
    """
    order_1, order_2 = np.argsort(first, kind="stable"), np.argsort(second, kind="stable")
    frames = first[order_1]
    start = np.searchsorted(second[order_2], frames, side="left")
    count = np.searchsorted(second[order_2], frames, side="right") - start
    total = int(count.sum())
    if total > MOST_PAIRS:
        raise InputError(
            f"frame: expected the images that people are in, got {total} pairs of people in the same ones."
        )
    within = np.arange(total) - np.repeat(np.cumsum(count) - count, count)
    return np.repeat(order_1, count), order_2[np.repeat(start, count) + within]


def seen_points(points: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Return points (N, K, 2) with NaN where a detector hardly believes in them."""
    highest = confidence.max(axis=1, keepdims=True, initial=0)
    doubted = ~(confidence > 0) | (confidence < DOUBTED * highest)
    return np.where(doubted[..., None], np.nan, points)


def pair_distances(
    first: np.ndarray,
    second: np.ndarray,
    pairs: tuple[np.ndarray, np.ndarray],
    limit: np.ndarray | None = None,
) -> np.ndarray:
    """Return the median distance of the points that both have, for each pair; infinite if there are few.

    Parameters
    ----------
    first, second : (N, K, 2), (M, K, 2) arrays
        NaN where missing.
    pairs : two (P,) arrays
    limit : (N,) array, optional
        Pairs that are certainly farther apart are not computed, and get infinity.
    """
    one, two = pairs
    found = np.full(len(one), np.inf)
    wanted = np.arange(len(one))
    if limit is not None and len(one):
        low_1, high_1 = bounds(first)
        low_2, high_2 = bounds(second)
        near = limit[one][:, None]
        apart = (low_1[one] - high_2[two] > near) | (low_2[two] - high_1[one] > near)
        wanted = wanted[~apart.any(axis=1)]
    for start in range(0, len(wanted), BLOCK):
        rows = wanted[start : start + BLOCK]
        gap = first[one[rows]] - second[two[rows]]
        gap *= gap
        found[rows] = np.sqrt(medians(gap[..., 0] + gap[..., 1]))
    return found


def medians(distances: np.ndarray) -> np.ndarray:
    """Return the lower median of each row, ignoring NaN; infinity for rows with few numbers."""
    ordered = np.sort(distances, axis=1)  # NaN come last
    count = np.isfinite(distances).sum(axis=1)
    middle = np.take_along_axis(ordered, (np.maximum(count, 1) - 1)[:, None] // 2, axis=1)[:, 0]
    return np.where(count >= min(FEWEST, distances.shape[1]), middle, np.inf)


def bounds(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners of the box around the points of each row; NaN if there are none."""
    return np.fmin.reduce(points, axis=1), np.fmax.reduce(points, axis=1)
