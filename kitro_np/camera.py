"""Camera: intrinsics and pinhole projection, and the chain rule back through it."""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace

from .arrays.rotations import dot, norm


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
    focal, centre = focal_and_centre(intrinsics)
    return focal * points[..., :2] / points[..., 2:] + centre


def backproject(keypoints_2d: Any, intrinsics: Any) -> Any:
    """Ray K^-1 (u, v, 1) through each keypoint, at depth 1: (N, J, 3)."""
    xp = array_namespace(keypoints_2d, intrinsics)
    focal, centre = focal_and_centre(intrinsics)
    plane = (keypoints_2d - centre) / focal
    return xp.concat([plane, xp.ones_like(plane[..., :1])], axis=-1)


def keypoint_errors(joints: Any, keypoints_2d: Any, intrinsics: Any) -> Any:
    """Distance between each projected joint and its keypoint, in pixels: (N, J).

    Parameters
    ----------
    joints : (N, J, 3) array
        In camera space, in metres.
    keypoints_2d : (N, J, 2) array
    intrinsics : (N, 3, 3) array
    """
    return norm(project(joints, intrinsics) - keypoints_2d)[..., 0]


def reprojection_error(joints: Any, keypoints_2d: Any, intrinsics: Any) -> Any:
    """Mean of :func:`keypoint_errors` over the joints, in pixels: (N,)."""
    errors = keypoint_errors(joints, keypoints_2d, intrinsics)
    return array_namespace(errors).mean(errors, axis=-1)


def gradient_by_points(by_pixel: Any, points: Any, intrinsics: Any) -> Any:
    """Chain rule of :func:`project`: gradient (N, J, 3) by points from that by projections (N, J, 2).

    With u = fx X / Z + cx, dL/dX = fx dL/du / Z and dL/dZ = -(fx dL/du X + fy dL/dv Y) / Z^2.
    """
    xp = array_namespace(by_pixel, points)
    focal, _ = focal_and_centre(intrinsics)
    by_plane = by_pixel * focal
    depth = points[..., 2:]
    return xp.concat([by_plane, -dot(by_plane, points[..., :2]) / depth], axis=-1) / depth


def focal_and_centre(intrinsics: Any) -> tuple[Any, Any]:
    """Focal lengths and principal points, (N, 1, 2) each, in pixels."""
    xp = array_namespace(intrinsics)
    focal = xp.stack([intrinsics[:, 0, 0], intrinsics[:, 1, 1]], axis=-1)
    return focal[:, None, :], intrinsics[:, None, :2, 2]
