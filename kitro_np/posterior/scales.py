"""Scales: how good a body's estimate is, and how exact its keypoints, told by what a fit leaves over.

If a fit leaves a sum q of squared deviations, each in its spread, of n numbers of which it could choose
n - m, the spread is right where q = m (MacKay 1992). Both scales are drawn to their usual values.
"""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

from .gauss_newton import Prior, Scales, Step
from .priors import LARGEST_SCALE, LEAST_NOISE, LEAST_SCALE, NOISE_FREEDOM, USUAL_NOISE


def update_scales(
    prior: Prior, scales: Scales, step: Step, weights: Any, moving: Any, pixels_per_metre: Any
) -> Scales:
    """Move both scales to where what is left over after a step is as large as it should be.

    Parameters
    ----------
    prior : Prior
    scales : Scales
        That the step was made with.
    step : Step
    weights : (N, K) array
        0 where a keypoint is not seen.
    moving : (N, J) array
        1 where a joint moves a keypoint that is seen, else 0.
    metre : (N,) array
        Pixels of a metre at the body, for a person; of less for a smaller body.
    """
    xp = array_namespace(weights)
    spread = prior.pose_spread * scales.pose[:, None, None]
    joints = spread.shape[1]
    variance = xp.stack([step.covariance[:, k, k] for k in range(3 * joints)], axis=-1)
    own = xp.reshape(variance, spread.shape)
    left = xp.sum((step.deviation / spread) ** 2 * moving[:, :, None], axis=(1, 2))
    free = xp.sum((1 - own / spread**2) * moving[:, :, None], axis=(1, 2))
    pose = scales.pose * xp.sqrt((left + 1 / scales.pose**2) / (_positive(free) + 1))
    usual = USUAL_NOISE * pixels_per_metre / scales.noise
    free = 2 * xp.sum(xp.astype(weights > 0, weights.dtype), axis=1) - step.fitted
    ratio = (step.missed + NOISE_FREEDOM * usual**2) / (_positive(free) + NOISE_FREEDOM)
    noise = xp.maximum(scales.noise * xp.sqrt(ratio), LEAST_NOISE * pixels_per_metre)
    return Scales(xp.clip(pose, LEAST_SCALE, LARGEST_SCALE), noise)


def _positive(number: Any) -> Any:
    xp = array_namespace(number)
    return xp.maximum(number, xp.zeros_like(number))
