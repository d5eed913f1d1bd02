"""Step 7: fit a sparse joint regressor."""

from __future__ import annotations

import numpy as np

from ..shared.regressor_row import fit_row

REGRESSOR_REACH = 200  # how many of the vertices nearest to a joint its regressor row may use


def fit_regressor(vertices: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Fit each joint as a sum of few vertices near it."""
    regressor = np.zeros((joints.shape[1], vertices.shape[1]))
    template, mean_joints = vertices.mean(0), joints.mean(0)
    for number, row in enumerate(regressor):
        near = np.argsort(np.linalg.norm(template - mean_joints[number], axis=1))[:REGRESSOR_REACH]
        # Every second hand suffices for so few weights.
        row[near] = fit_row(vertices[::2][:, near] - joints[::2, number, None])
    return regressor
