"""Triangle meshes: edges, numbering, and whether they are closed."""

from __future__ import annotations

import numpy as np


def split_quads(quads: np.ndarray) -> np.ndarray:
    """Return two triangles for every quadrangle."""
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def half_edges(faces: np.ndarray) -> np.ndarray:
    """Return the three directed edges (3 f, 2) of every triangle."""
    return faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)


def compact(faces: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return which of `count` vertices the faces use, and every vertex's new number, -1 if it is unused."""
    kept = np.unique(faces)
    new_number = np.full(count, -1)
    new_number[kept] = np.arange(len(kept))
    return kept, new_number


def is_watertight(faces: np.ndarray) -> bool:
    """Return whether every edge belongs to exactly two faces."""
    edges = np.sort(half_edges(faces), axis=1)
    return bool((np.unique(edges, axis=0, return_counts=True)[1] == 2).all())
