"""Placing: where a layout's points are on posed bodies."""

from __future__ import annotations

import numpy as np

from ..body.kinematics import forward_kinematics
from ..body.skeleton import Skeleton
from .layouts import KeypointLayout


def place_points(
    skeleton: Skeleton, layout: KeypointLayout, pose: np.ndarray, betas: np.ndarray
) -> np.ndarray:
    """Points of the layout on posed bodies, before the translation is added: (N, K, 3) in float64.

    Points that are not on the body are at offsets from the root.

    Parameters
    ----------
    skeleton : Skeleton
    layout : KeypointLayout
        Of that skeleton.
    pose : (N, J, 3, 3) array
    betas : (N, S) array
    """
    pose, betas = pose.astype(np.float64), betas.astype(np.float64)
    posed = forward_kinematics(skeleton, pose, betas)
    joints = [max(joint, 0) for joint in layout.joints]
    offsets = layout.offsets + np.einsum("kcs,ns->nkc", layout.by_betas[..., : betas.shape[1]], betas)
    frames = posed.global_rotations[:, joints]
    placed: np.ndarray = posed.joints[:, joints] + np.einsum("nkab,nkb->nka", frames, offsets)
    return placed
