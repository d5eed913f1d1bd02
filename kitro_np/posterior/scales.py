"""Scale of the estimate's error and noise of the keypoints, re-estimated from the residuals of a step.

The variance of normalised residuals with sum of squares q and m effective degrees of freedom is scaled until
q = m (MacKay, Bayesian Interpolation, Neural Computation 1992): m counts the parameters that the keypoints
determine for the estimate's pose, and the coordinates that these leave for the keypoints. Both scales have a
prior at their typical values.
"""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

from .gauss_newton import LinearPrior, Scales, Step
from .priors import LARGEST_SCALE, NOISE_DOF, SMALLEST_NOISE, SMALLEST_SCALE, TYPICAL_NOISE


def update_scales(
    linear_prior: LinearPrior,
    scales: Scales,
    step: Step,
    visible: Any,
    information: Any,
    moving: Any,
    pixels_per_metre: Any,
) -> Scales:
    """Re-estimate both scales, s^2 <- (q s^2 + 1) / (m + 1) and sigma^2 <- sigma^2 (q + n_0 t^2) / (m + n_0).

    Parameters
    ----------
    linear_prior : LinearPrior
    scales : Scales
        That the step was computed with.
    step : Step
    visible : (N, K) array
        1 where a keypoint is visible, else 0.
    information : (N,) array
        Factor of the precision of all keypoints, see :func:`kitro_np.posterior.robust.information`.
    moving : (N, J) array
        1 where a joint moves a visible keypoint, else 0.
    pixels_per_metre : (N,) array
        At the body's depth, times its size (1 for a person).

    Notes
    -----
    q and m are those of the pose in the first formula, of the keypoints in the second; n_0 is NOISE_DOF and t
    the typical noise over sigma.
    """
    xp = array_namespace(visible)
    spread = linear_prior.pose_spread
    joints = spread.shape[1]
    variance = xp.stack([step.covariance[:, k, k] for k in range(3 * joints)], axis=-1)
    posterior_variance = xp.reshape(variance, spread.shape)
    squares = xp.sum((step.deviation / spread) ** 2 * moving[:, :, None], axis=(1, 2))
    dof = xp.sum((1 - posterior_variance / spread**2) * moving[:, :, None], axis=(1, 2))
    pose = scales.pose * xp.sqrt((squares + 1 / scales.pose**2) / (_positive(dof) + 1))
    typical = TYPICAL_NOISE * pixels_per_metre / scales.noise
    dof = 2 * xp.sum(visible, axis=1) - step.effective_parameters
    ratio = (step.squared_residual / information + NOISE_DOF * typical**2) / (_positive(dof) + NOISE_DOF)
    noise = xp.maximum(scales.noise * xp.sqrt(ratio), SMALLEST_NOISE * pixels_per_metre)
    return Scales(xp.clip(pose, SMALLEST_SCALE, LARGEST_SCALE), noise)


def _positive(number: Any) -> Any:
    xp = array_namespace(number)
    return xp.maximum(number, xp.zeros_like(number))
