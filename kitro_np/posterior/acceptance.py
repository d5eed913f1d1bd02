"""Acceptance: whether the keypoints are this body's, and whether their left and right are swapped.

Gates, shift and swaps are tested at the estimate, before the first step: keypoints of another person lie far
from their prior prediction there. The constants were tuned on the simulated development set, not
cross-validated (docs/accuracy.md).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from array_api_compat import array_namespace

from ..body.families import has_body_joints
from ..body.skeleton import Skeleton
from ..keypoints.layouts import KeypointLayout
from .gauss_newton import LinearPrior, Step
from .priors import KEYPOINT_DOF, TYPICAL_NOISE

FEWEST_KEYPOINTS = 4
"""Visible keypoints needed to accept a body."""

THRESHOLD, THRESHOLD_SLOPE, FULL_COORDINATES = 0.4, 0.3, 48.0
"""A body is accepted if its score is below THRESHOLD + THRESHOLD_SLOPE (FULL_COORDINATES / n - 1), for n
coordinates of visible keypoints: the score of few scatters more. SMPL's 24 joints have 48 coordinates."""

ALLOWANCE = 0.5
"""Added to the threshold for bodies that are not people, such as hands: THRESHOLD was tuned on people."""

SHIFT_FLOOR = 0.1
"""Metres, added to the common shift of all keypoints: much smaller shifts do not matter."""

NOISE_WEIGHT = 0.7
"""Weight of the logarithm of the noise: another person's keypoints fit exactly, by a body far from the
estimate, so low noise counts against acceptance."""

MAHALANOBIS_FLOOR, MAHALANOBIS_PER_PARAMETER = 10.0, 2.3
"""Largest squared Mahalanobis distance of betas and translation from their prior: the first, plus the second
for each parameter. Keypoints of a person half as large as the estimate fit exactly, by an improbable body."""

SHIFT_DOF = 60.0
"""Degrees of freedom of Student's t for the mean shift: large, so that hardly any keypoint loses weight."""

SWAP_MARGIN = 0.5
"""Left and right count as swapped if that lowers the squared Mahalanobis distance by more per coordinate."""


class Gates(NamedTuple):
    """Result of gating the keypoints at the estimate.

    Attributes
    ----------
    weight : (N, K) array
        Student's t weight of each keypoint, a factor of its precision.
    shift : (N,) array
        Length of the weighted mean residual, in pixels.
    """

    weight: Any
    shift: Any


def gate_keypoints(
    linear_prior: LinearPrior, jacobian: Any, residual: Any, confidence: Any, noise: Any
) -> Gates:
    """Weigh each keypoint by its squared Mahalanobis distance d^2 from its prior prediction.

    Parameters
    ----------
    linear_prior : LinearPrior
    jacobian : (N, 2 K, U) array
        In pixels per unit of the unknowns.
    residual : (N, K, 2) array
        In pixels.
    confidence : (N, K) array
    noise : (N,) array
        In pixels.

    Notes
    -----
    d^2 = e^T C^-1 e with the innovation e = r - J_k L^-1 p and its covariance C = J_k L^-1 J_k^T + noise^2 I;
    the weight is (nu + 2) / (nu + d^2) for nu degrees of freedom.
    """
    xp = array_namespace(residual)
    count, points = residual.shape[:2]
    jacobian_covariance = xp.matrix_transpose(
        xp.linalg.solve(linear_prior.precision, xp.matrix_transpose(jacobian))
    )
    predicted = xp.matmul(jacobian_covariance, linear_prior.right_side[..., None])
    innovation = residual - xp.reshape(predicted, (count, points, 2))
    by_point = (count, points, 2, jacobian.shape[-1])
    covariance = xp.matmul(
        xp.reshape(jacobian, by_point), xp.matrix_transpose(xp.reshape(jacobian_covariance, by_point))
    )
    noise = noise[:, None] ** 2
    a, b, c = covariance[..., 0, 0] + noise, covariance[..., 0, 1], covariance[..., 1, 1] + noise
    u, v = innovation[..., 0], innovation[..., 1]
    mahalanobis = (c * u * u - 2 * b * u * v + a * v * v) / (a * c - b * b)
    shift_weight = confidence * (SHIFT_DOF + 2) / (SHIFT_DOF + mahalanobis)
    total = xp.sum(shift_weight, axis=1)
    total = xp.where(total > 0, total, xp.ones_like(total))
    shift = xp.sum(residual * shift_weight[..., None], axis=1) / total[:, None]
    return Gates((KEYPOINT_DOF + 2) / (KEYPOINT_DOF + mahalanobis), xp.sqrt(xp.sum(shift * shift, axis=1)))


LIMBS = (
    ("hip", "knee", "ankle", "foot", "toe", "heel"),
    ("collar", "shoulder", "elbow", "wrist", "hand", "thumb", "index", "pinky"),
)
"""Words in the names of points on legs, and on arms."""


def assignments(layout: KeypointLayout) -> list[list[int]]:
    """Return orders of the points with left and right swapped: of all points, of the legs, of the arms."""
    identity = list(range(layout.num_points))
    orders = [list(layout.mirror)]
    for words in LIMBS:
        own = [any(word in name for word in words) for name in layout.names]
        orders.append([twin if own[k] else k for k, twin in enumerate(layout.mirror)])
    return [list(kept) for kept in dict.fromkeys(map(tuple, orders)) if list(kept) != identity]


def swap_gain(
    step: Step, linear_prior: LinearPrior, jacobian: Any, weights: Any, residual: Any, swapped: list[Any]
) -> Any:
    """Largest decrease of the squared Mahalanobis distance by swapping left and right, 0 for none: (N,).

    Parameters
    ----------
    step : Step
        The first one.
    linear_prior : LinearPrior
    jacobian : (N, 2 K, U) array
    weights : (N, K) array
    residual : (N, K, 2) array
        In pixels.
    swapped : list of (N, K, 2) array
        Residuals with left and right swapped.

    Notes
    -----
    Up to a constant the distance is |r|^2 - b^T (J^T J + L)^-1 b, with b = J^T r + p.
    """
    xp = array_namespace(residual)
    count, points = residual.shape[:2]
    row_weights = xp.reshape(xp.stack([weights, weights], axis=-1), (count, 2 * points, 1))
    transposed = xp.matrix_transpose(row_weights * jacobian)

    def mahalanobis(residual_: Any) -> Any:
        residual_ = row_weights * xp.reshape(residual_, (count, 2 * points, 1))
        right_side = xp.matmul(transposed, residual_) + linear_prior.right_side[..., None]
        return xp.sum(residual_ * residual_, axis=(1, 2)) - xp.sum(
            right_side * xp.matmul(step.covariance, right_side), axis=(1, 2)
        )

    own = mahalanobis(residual)
    gains = [own - mahalanobis(residual_) for residual_ in swapped]
    return xp.max(xp.stack([xp.zeros_like(own), *gains]), axis=0)


def score_of(
    step: Step, log_determinant_growth: Any, shift: Any, noise: Any, pixels_per_metre: Any, coordinates: Any
) -> Any:
    """Score of a fit; the lower, the more probable it is that the keypoints are this body's: (N,).

    Parameters
    ----------
    step : Step
        The last one.
    log_determinant_growth : (N,) array
        Growth since the first step of the logarithm of the determinant of the keypoints' covariance.
    shift : (N,) array
        In pixels.
    noise : (N,) array
        In pixels.
    pixels_per_metre : (N,) array
        At the body's depth, times its size (1 for a person).
    coordinates : (N,) array
        Number n of coordinates of visible keypoints.

    Notes
    -----
    (d^2 + growth) / n + log(shift + SHIFT_FLOOR) - NOISE_WEIGHT log(noise / TYPICAL_NOISE), in metres, with
    the squared Mahalanobis distance d^2 of the keypoints.
    """
    xp = array_namespace(shift)
    noise_term = NOISE_WEIGHT * xp.log(noise / (TYPICAL_NOISE * pixels_per_metre))
    return (
        (step.mahalanobis + log_determinant_growth) / coordinates
        + xp.log(shift / pixels_per_metre + SHIFT_FLOOR)
        - noise_term
    )


def threshold_of(coordinates: Any, allowance: float) -> Any:
    """Score below which a body is accepted: (N,)."""
    return THRESHOLD + THRESHOLD_SLOPE * (FULL_COORDINATES / coordinates - 1) + allowance


def quality_of(score: Any, threshold: Any, mahalanobis: Any, unknowns: int) -> Any:
    """Quality of a body, threshold - score; negative if betas and translation are too improbable: (N,).

    Parameters
    ----------
    score, threshold : (N,) array
    mahalanobis : (N,) array
        Squared Mahalanobis distance of betas and translation from their prior.
    unknowns : int
        How many parameters these are.
    """
    xp = array_namespace(score)
    quality, margin = (
        threshold - score,
        1 - mahalanobis / (MAHALANOBIS_FLOOR + MAHALANOBIS_PER_PARAMETER * unknowns),
    )
    return xp.where(margin < 0, xp.minimum(quality, margin), quality)


def allowance_of(skeleton: Skeleton) -> float:
    """Return what is added to a body's threshold: nothing for a person."""
    return 0.0 if has_body_joints(skeleton.parents) else ALLOWANCE
