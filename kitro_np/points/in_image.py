"""Place of points in front of a camera, from where they are in its image."""

from __future__ import annotations

import numpy as np


def translation_in_image(
    points: np.ndarray, keypoints_2d: np.ndarray, intrinsics: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Find translations (N, 3) that project points onto their keypoints, by linear least squares.

    Parameters
    ----------
    points : (N, K, 3) array
        With the camera's axes. They and keypoints may be NaN where weights are 0.
    keypoints_2d : (N, K, 2) array
        In pixels.
    intrinsics : (N, 3, 3) array
    weights : (N, K) array
    """
    seen = weights[..., None] > 0
    at = np.where(seen, points, 0)
    focal, centre = np.einsum("nii->ni", intrinsics)[:, None, :2], intrinsics[:, None, :2, 2]
    ray = (np.where(seen, keypoints_2d, 0) - centre) / focal
    # Rows (1, 0, -x) and (0, 1, -y) of each point, for x Z - X and y Z - Y.
    rows = np.zeros((*weights.shape, 2, 3))
    rows[..., 0, 0] = rows[..., 1, 1] = 1
    rows[..., 2] = -ray
    values = ray * at[..., 2:] - at[..., :2]
    weighted = rows * weights[..., None, None]
    normal = np.einsum("nkia,nkib->nab", weighted, rows) + 1e-12 * np.eye(3)
    return np.linalg.solve(normal, np.einsum("nkia,nki->na", weighted, values)[..., None])[..., 0]
