"""Spread: the standard deviation of the joints of a refined body.

The covariance of the last step takes keypoints' errors as independent and the estimate's as it is used to.
Detectors err alike at neighbouring points and from frame to frame, so the variance grows with the noise, and
more than MANY_KEYPOINTS do not lower it. Estimates fitted to a network's 3D landmarks agree with the image,
but are turned as a whole: their joints' error along the view grows with the distance from the root.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from ..arrays.rotations import cross_matrix
from ..body.skeleton import Skeleton
from .gauss_newton import Step
from .priors import MANY_KEYPOINTS, TYPICAL_NOISE
from .projection import Posed

LINEARISATION, SHARED = 1.05, 0.4
"""Factor of the variance without noise, and how much it grows up to the typical noise: fitted to real and
simulated detections. Beyond MANY_KEYPOINTS it grows with their number."""

LANDMARKS_TURN = math.radians(12)
"""Turn about the image's axes, in radians, that an estimate of landmarks keeps after the refinement."""


def joint_spread(posed: Posed, step: Step, skeleton: Skeleton, noise: Any, count: Any, landmarks: Any) -> Any:
    """Return each joint's standard deviation relative to the root after a step: (N, J), in metres.

    Parameters
    ----------
    posed : Posed
    step : Step
    skeleton : Skeleton
    noise : (N,) array
        Of the keypoints, in metres at the body, over its size.
    count : (N,) array
        Number of visible keypoints.
    landmarks : (N,) array of bool
        Whether the estimate is one of landmarks.
    """
    xp = array_namespace(posed.joints)
    bodies, joints = posed.joints.shape[:2]
    above = np.zeros((joints, joints))
    for joint, parent in enumerate(skeleton.parents):
        if joint:
            above[joint] = above[parent]
            above[joint, parent] = 1
    above = xp.asarray(above, dtype=posed.joints.dtype, device=device(posed.joints))
    lever_arm = (posed.joints[:, :, None, :] - posed.joints[:, None, :, :]) * above[:, :, None]
    # A rotation w moves a joint by w x d = -[d]x w.
    by_rotation = xp.permute_dims(-cross_matrix(lever_arm), (0, 1, 3, 2, 4))
    by_rotation = xp.reshape(by_rotation, (bodies, 3 * joints, 3 * joints))
    by_betas = posed.joints_by_betas - posed.joints_by_betas[:, :1, :, :]
    by_unknowns = xp.concat(
        [by_rotation, xp.reshape(by_betas, (bodies, 3 * joints, by_betas.shape[-1]))], axis=-1
    )
    size = by_unknowns.shape[-1]
    variance = xp.sum(xp.matmul(by_unknowns, step.covariance[:, :size, :size]) * by_unknowns, axis=-1)
    variance = xp.sum(xp.reshape(variance, (bodies, joints, 3)), axis=-1)
    away = (posed.joints - posed.joints[:, :1, :])[..., :2]
    turn = xp.astype(landmarks, variance.dtype) * LANDMARKS_TURN**2
    return xp.sqrt(
        variance * correlation_factor(noise, count)[:, None] + turn[:, None] * xp.sum(away * away, axis=-1)
    )


def correlation_factor(noise: Any, count: Any) -> Any:
    """Factor of the variance for errors of keypoints that they share: (N,)."""
    xp = array_namespace(noise)
    ratio = noise / TYPICAL_NOISE
    ratio = xp.minimum(ratio * ratio, xp.ones_like(ratio))
    many = xp.maximum(count / MANY_KEYPOINTS, xp.ones_like(ratio))
    return (LINEARISATION + SHARED * ratio) * many
