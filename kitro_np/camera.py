"""Camera: intrinsics, projection and translation (Eq. 4-6)."""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace


def default_intrinsics(image_size: Any) -> np.ndarray:
    """Intrinsics of an unknown camera: f = sqrt(H^2 + W^2), centre of the image (Eq. 4).

    Parameters
    ----------
    image_size : (..., 2) array_like of float
        Width and height of the image in pixels.

    Returns
    -------
    (..., 3, 3) array, float64
        Intrinsic matrix K in pixels.
    """
    size = np.asarray(image_size, dtype=np.float64)
    intrinsics = np.zeros((*size.shape[:-1], 3, 3))
    intrinsics[..., 0, 0] = intrinsics[..., 1, 1] = np.hypot(size[..., 0], size[..., 1])
    intrinsics[..., :2, 2] = size / 2
    intrinsics[..., 2, 2] = 1
    return intrinsics


def project(points: Any, intrinsics: Any) -> Any:
    """Pinhole projection u = f X / Z + c.

    Parameters
    ----------
    points : (N, J, 3) array
        In camera space, in metres; the camera looks along +z, y points down.
    intrinsics : (N, 3, 3) array

    Returns
    -------
    (N, J, 2) array
        In pixels.
    """
    focal, centre = _focal_and_centre(intrinsics)
    return focal * points[..., :2] / points[..., 2:] + centre


def backproject(keypoints_2d: Any, intrinsics: Any) -> Any:
    """Ray K^-1 (u, v, 1) through each keypoint, at depth 1: (N, J, 3)."""
    xp = array_namespace(keypoints_2d, intrinsics)
    focal, centre = _focal_and_centre(intrinsics)
    plane = (keypoints_2d - centre) / focal
    return xp.concat([plane, xp.ones_like(plane[..., :1])], axis=-1)


def solve_translation(joints: Any, keypoints_2d: Any, intrinsics: Any) -> Any:
    """Solve for the translation t* that best projects the joints onto their keypoints (Eq. 5).

    Parameters
    ----------
    joints : (N, J, 3) array
        Posed joints in metres, without translation.
    keypoints_2d : (N, J, 2) array
        In pixels.
    intrinsics : (N, 3, 3) array

    Returns
    -------
    (N, 3) array
        In metres.

    Notes
    -----
    Least squares of f t_xy - (u - c) t_z = (u - c) Z - f XY over both image axes and all joints,
    equally weighted. The normal matrix is an arrow: its upper 2x2 block is diagonal, so t_z comes
    first and t_xy by substitution.
    """
    xp = array_namespace(joints, keypoints_2d, intrinsics)
    focal, centre = _focal_and_centre(intrinsics)
    pixel = keypoints_2d - centre
    right = pixel * joints[..., 2:] - focal * joints[..., :2]
    mean_pixel = xp.mean(pixel, axis=1)
    # Schur complement of the diagonal block. From the mean keypoint, or a small person far from the centre
    # would be the difference of two large sums.
    spread = pixel - mean_pixel[:, None, :]
    depth = -(xp.sum(spread * right, axis=(1, 2)) / xp.sum(spread * spread, axis=(1, 2)))[:, None]
    return xp.concat([(xp.mean(right, axis=1) + mean_pixel * depth) / focal[:, 0, :], depth], axis=-1)


def update_translation(transl: Any, best_translation: Any, *, hard: bool = False) -> Any:
    """Soft update of the camera, t <- (t* + t) / 2 (Eq. 6); a hard one takes t*."""
    return best_translation if hard else (best_translation + transl) / 2


def _focal_and_centre(intrinsics: Any) -> tuple[Any, Any]:
    xp = array_namespace(intrinsics)
    focal = xp.stack([intrinsics[:, 0, 0], intrinsics[:, 1, 1]], axis=-1)
    return focal[:, None, :], intrinsics[:, None, :2, 2]
