"""Tracks of people without identities: rows of successive frames that are the same person beyond doubt."""

from __future__ import annotations

import numpy as np

from .pairs import bounds, pair_distances, pairs_of_frames

NEAR = 0.15
"""Farthest that a person's points move from one frame to the next, in the person's size."""

CLEARER = 2.0
"""How many times farther anybody else must be."""


def known_tracks(frame: np.ndarray, person: np.ndarray | None) -> np.ndarray | None:
    """Return a number from 0 for each identity; None if there are none or two are in one frame."""
    if person is None:
        return None
    if len(np.unique(np.stack([frame, person], axis=1), axis=0)) < len(frame):
        return None
    return np.unique(person, return_inverse=True)[1].reshape(-1)


def link(frame: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the number of each row's track, from 0; a track ends wherever there is doubt."""
    count = len(frame)
    if not count:
        return np.zeros(0, np.int64)
    size = _sizes(points)
    here, there = pairs_of_frames(frame + 1, frame)
    distance = pair_distances(points, points, (here, there), NEAR * CLEARER * size) / size[here]
    best = _clearest(here, distance) & _clearest(there, distance) & (distance < NEAR)
    before = np.arange(count)
    before[there[best]] = here[best]
    while True:  # each round doubles the number of frames that are looked back
        earlier = before[before]
        if np.array_equal(earlier, before):
            return np.unique(before, return_inverse=True)[1].reshape(-1)
        before = earlier


def _clearest(row: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Whether a pair is the nearest of its row, by far."""
    order = np.lexsort((distance, row))
    ordered, near = row[order], distance[order]
    first = np.r_[True, ordered[1:] != ordered[:-1]] if len(order) else np.zeros(0, bool)
    second = np.r_[np.where(first[1:], np.inf, near[1:]), np.inf] if len(order) else near
    found = np.zeros(len(row), bool)
    with np.errstate(invalid="ignore"):
        found[order] = first & (second >= CLEARER * near) & np.isfinite(near)
    return found


def _sizes(points: np.ndarray) -> np.ndarray:
    """Diagonal of the box around each person's points; at least a pixel."""
    low, high = bounds(points)
    size = np.hypot(*(high - low).T)
    return np.where(np.isfinite(size), np.maximum(size, 1.0), 1.0)
