"""Gates: how far each keypoint is from its prior prediction, at the estimate."""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

from ..arrays.linear import solve_each
from .gauss_newton import LinearPrior
from .priors import KEYPOINT_DOF

PAIR_MARGIN = 16.0
"""Ratio of the products of nu + d^2 of a pair as it is and as exchanged from which on it counts as exchanged:
where the two points lie near each other, a gross error of one keypoint looks like an exchange."""


def gate_keypoints(
    linear_prior: LinearPrior,
    jacobian: Any,
    residual: Any,
    to_twin: Any,
    paired: Any,
    mirror: tuple[int, ...],
    noise: Any,
) -> tuple[Any, Any]:
    """Squared Mahalanobis distance d^2 of each keypoint from its prior prediction, and |C|^(1/2): (N, K).

    Parameters
    ----------
    linear_prior : LinearPrior
    jacobian : (N, 2 K, U) array
        In pixels per unit of the unknowns.
    residual : (N, K, 2) array
        In pixels.
    to_twin : (N, K, 2) array
        From each keypoint to that of its left-right counterpart.
    paired : (N, K) array of bool
        Where a keypoint and its counterpart may be exchanged, which is decided after the step: until then
        both count as exchanged if that is likelier by far for the two together under Student's t.
    mirror : tuple of K int
        Left-right counterpart of each point.
    noise : (N,) array
        In pixels.

    Notes
    -----
    d^2 = e^T C^-1 e with the innovation e = r - J_k L^-1 p and its covariance C = J_k L^-1 J_k^T + noise^2 I.
    """
    xp = array_namespace(residual)
    count, points = residual.shape[:2]
    jacobian_covariance = xp.matrix_transpose(
        solve_each(linear_prior.precision, xp.matrix_transpose(jacobian))
    )
    predicted = xp.matmul(jacobian_covariance, linear_prior.right_side[..., None])
    innovation = residual - xp.reshape(predicted, (count, points, 2))
    by_point = (count, points, 2, jacobian.shape[-1])
    covariance = xp.matmul(
        xp.reshape(jacobian, by_point), xp.matrix_transpose(xp.reshape(jacobian_covariance, by_point))
    )
    noise = noise[:, None] ** 2
    a, b, c = covariance[..., 0, 0] + noise, covariance[..., 0, 1], covariance[..., 1, 1] + noise
    determinant = a * c - b * b

    def mahalanobis(innovation: Any) -> Any:
        u, v = innovation[..., 0], innovation[..., 1]
        return (c * u * u - 2 * b * u * v + a * v * v) / determinant

    def of_twins(values: Any) -> Any:
        return xp.stack([values[:, k] for k in mirror], axis=1)

    own, exchanged = mahalanobis(innovation), mahalanobis(innovation + to_twin)
    given, other = KEYPOINT_DOF + own, KEYPOINT_DOF + exchanged
    likelier = paired & (PAIR_MARGIN * other * of_twins(other) < given * of_twins(given))
    return xp.where(likelier, exchanged, own), xp.sqrt(determinant)
