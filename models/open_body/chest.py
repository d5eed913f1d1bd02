"""Step 4: smooth the chest."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import splu

FULL_PULL = 0.2
"""Weight of the breast bones at a vertex above which it fully belongs to the chest."""

PLATE_STIFFNESS = 100.0
"""Weight of the thin plate (the squared Laplacian) of the chest against that of the unsmoothed skin."""


def chest_mask(weights: np.ndarray, labels: list[str], mirror: np.ndarray) -> np.ndarray:
    """Return how far each vertex belongs to the chest: 1 inside, fading to 0 where the breast bones end."""
    pull = weights[:, [label.startswith("breast") for label in labels]].sum(1)
    ramp = np.clip((pull + pull[mirror]) / 2 / FULL_PULL, 0, 1)
    return ramp * ramp * (3 - 2 * ramp)


def cotangents(points: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return start, end and cotangent of edges, each both ways and once for each triangle at it."""
    rows, columns, values = [], [], []
    for corner in range(3):
        apex, start, end = (faces[:, (corner + step) % 3] for step in range(3))
        a, b = points[start] - points[apex], points[end] - points[apex]
        cotangent = (a * b).sum(1) / np.linalg.norm(np.cross(a, b), axis=1)
        rows += [start, end]
        columns += [end, start]
        values += [np.maximum(cotangent, 0.05)] * 2  # an obtuse corner must not push its opposite edge apart
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(values)


def cotangent_laplacian(points: np.ndarray, faces: np.ndarray) -> csr_array:
    """Return the Laplacian that subtracts from each vertex the cotangent-weighted mean of its neighbours."""
    rows, columns, values = cotangents(points, faces)
    pulls = csr_array((values, (rows, columns)), shape=(len(points), len(points)))
    return diags_array(np.ones(len(points))) - diags_array(1 / pulls.sum(1)) @ pulls


def smooth_chest(mean: np.ndarray, faces: np.ndarray, mask: np.ndarray, fields: np.ndarray) -> np.ndarray:
    """Replace the chest of all fields (v, k) by the thin plate that continues the skin around it.

    Mask 0 stays exactly as it is, mask 1 is all plate. The plate's weights come from the mean surface, which
    the first round makes smooth enough to trust in the second; one linear operator then serves every adult.
    """
    inside = mask > 0
    surface = mean
    for _ in range(2):
        laplacian = cotangent_laplacian(surface, faces)
        system = diags_array(1 - mask) + diags_array(PLATE_STIFFNESS * mask) @ (laplacian @ laplacian)
        solver = splu(system.tocsc())
        surface = np.where(inside[:, None], solver.solve((1 - mask)[:, None] * mean), mean)
    return np.where(inside[:, None], solver.solve((1 - mask)[:, None] * fields), fields)
