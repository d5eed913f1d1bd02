"""Translation of the body by linear least squares (Eq. 5-6)."""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

from ..camera import focal_and_centre


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
    focal, centre = focal_and_centre(intrinsics)
    pixel = keypoints_2d - centre
    right = pixel * joints[..., 2:] - focal * joints[..., :2]
    mean_pixel = xp.mean(pixel, axis=1)
    # Schur complement of the diagonal block. Keypoints are centred, since for a small person far from the
    # principal point two large sums would cancel.
    centred = pixel - mean_pixel[:, None, :]
    depth = -(xp.sum(centred * right, axis=(1, 2)) / xp.sum(centred * centred, axis=(1, 2)))[:, None]
    return xp.concat([(xp.mean(right, axis=1) + mean_pixel * depth) / focal[:, 0, :], depth], axis=-1)


def update_translation(transl: Any, best_translation: Any, *, hard: bool = False) -> Any:
    """Soft update of the translation, t <- (t* + t) / 2 (Eq. 6); a hard one is t <- t*."""
    return best_translation if hard else (best_translation + transl) / 2
