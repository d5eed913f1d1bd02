"""Triangles of a mesh that cross each other."""

from __future__ import annotations

import numpy as np

CELL = 0.02
"""Edge of the grid's cells in metres: about the mean edge of a body's triangles."""


def crossing_pairs(points: np.ndarray, faces: np.ndarray, cell: float = CELL) -> np.ndarray:
    """Return the pairs (n, 2) of triangles that cross, first < second, in order; neighbours are left out.

    Triangles cross where an edge of one passes through the inside of the other. Pairs that share a vertex
    are not looked at, and triangles that merely touch, or overlap in one plane, do not count.
    """
    corners = points[faces].astype(np.float64)
    first, second = _near_pairs(corners, cell).T
    apart = (faces[first][:, :, None] != faces[second][:, None, :]).all(axis=(1, 2))
    first, second = first[apart], second[apart]
    one, other = corners[first], corners[second]
    cross = _passes(one, other) | _passes(other, one)
    return np.stack([first[cross], second[cross]], axis=1)


def _passes(edges_of: np.ndarray, through: np.ndarray) -> np.ndarray:
    """Whether any edge of each triangle (n, 3, 3) passes through the inside of the other (n, 3, 3)."""
    a, b, c = through[:, 0], through[:, 1], through[:, 2]
    sides = np.stack([_volume(a, b, c, edges_of[:, k]) for k in range(3)], axis=1)
    found = np.zeros(len(edges_of), bool)
    for start, end in ((0, 1), (1, 2), (2, 0)):
        parted = np.flatnonzero(sides[:, start] * sides[:, end] < 0)
        p, q = edges_of[parted, start], edges_of[parted, end]
        turns = [
            _volume(p, q, *pair)
            for pair in ((a[parted], b[parted]), (b[parted], c[parted]), (c[parted], a[parted]))
        ]
        inside = np.all(np.stack(turns) > 0, axis=0) | np.all(np.stack(turns) < 0, axis=0)
        found[parted] |= inside
    return found


def _volume(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Six times the signed volumes of tetrahedra."""
    return np.einsum("ni,ni->n", np.cross(b - a, c - a), d - a)


def _near_pairs(corners: np.ndarray, cell: float) -> np.ndarray:
    """Return the pairs of triangles whose boxes overlap, each once: they share a cell of a grid."""
    low, high = corners.min(axis=1), corners.max(axis=1)
    begin = np.floor(low / cell).astype(np.int64)
    extent = np.floor(high / cell).astype(np.int64) - begin + 1
    begin -= begin.min(axis=0)
    grid = (begin + extent).max(axis=0)
    owner, number = _counted(extent.prod(axis=1))
    wide = extent[owner]
    step = np.stack(
        [number // (wide[:, 1] * wide[:, 2]), number // wide[:, 2] % wide[:, 1], number % wide[:, 2]], axis=1
    )
    place = begin[owner] + step
    cells = (place[:, 0] * grid[1] + place[:, 1]) * grid[2] + place[:, 2]

    order = np.argsort(cells, kind="stable")
    owner, cells = owner[order], cells[order]
    last = np.searchsorted(cells, cells, side="right")
    entry, number = _counted(last - np.arange(len(cells)) - 1)
    pairs = np.stack([owner[entry], owner[entry + number + 1]], axis=1)  # owners ascend within a cell
    overlap = (low[pairs[:, 0]] <= high[pairs[:, 1]]) & (low[pairs[:, 1]] <= high[pairs[:, 0]])
    pairs = pairs[overlap.all(axis=1)]
    codes = np.unique(pairs[:, 0] * len(corners) + pairs[:, 1])
    return np.stack([codes // len(corners), codes % len(corners)], axis=1)


def _counted(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return, for every one of `counts` items, its owner and its number among the owner's."""
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
