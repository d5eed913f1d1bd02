"""Swaps: whether left and right of the keypoints are exchanged, tested in the first step, and undone."""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

from ..keypoints.layouts import KeypointLayout
from .gauss_newton import LinearPrior, Step

SWAP_MARGIN = 15.0
"""Left and right count as exchanged if that lowers the squared Mahalanobis distance by more: a Bayes factor
of some 1,800, against few exchanges in practice."""

PARTS = (
    ("hip", "knee", "ankle", "foot", "toe", "heel"),
    ("collar", "shoulder", "elbow", "wrist", "hand", "thumb", "index", "pinky"),
    ("ankle", "foot", "toe", "heel"),
    ("wrist", "hand", "thumb", "index", "pinky"),
)
"""Words in the names of points on legs, on arms, on feet and on hands."""


def assignments(layout: KeypointLayout) -> list[list[int]]:
    """Return orders of the points with left and right exchanged: of all points, then of each of PARTS."""
    identity = list(range(layout.num_points))
    orders = [list(layout.mirror)]
    for words in PARTS:
        own = [any(word in name for word in words) for name in layout.names]
        orders.append([twin if own[k] else k for k, twin in enumerate(layout.mirror)])
    return [list(kept) for kept in dict.fromkeys(map(tuple, orders)) if list(kept) != identity]


def exchanged(keypoints_2d: Any, visible: Any, order: list[int]) -> Any:
    """Keypoints (N, K, 2) in another order, where both a point and its counterpart are visible."""
    xp = array_namespace(keypoints_2d)
    twins = xp.stack([keypoints_2d[:, k, :] for k in order], axis=1)
    both = xp.stack([visible[:, k] for k in order], axis=1) * visible
    return xp.where(both[:, :, None] > 0, twins, keypoints_2d)


def swap_gains(
    step: Step, linear_prior: LinearPrior, jacobian: Any, weights: Any, residual: Any, others: list[Any]
) -> Any:
    """Decrease of the squared Mahalanobis distance by each exchange of left and right: (N, A).

    Parameters
    ----------
    step : Step
        The first one.
    linear_prior : LinearPrior
    jacobian : (N, 2 K, U) array
    weights : (N, K) array
    residual : (N, K, 2) array
        In pixels.
    others : list of A (N, K, 2) array
        Residuals after each exchange.

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
    return xp.stack([own - mahalanobis(other) for other in others], axis=1)


def best_swap(gains: Any) -> Any:
    """Index of the exchange with the largest gain; -1 if it is below SWAP_MARGIN: (N,)."""
    xp = array_namespace(gains)
    best = xp.zeros_like(gains[:, 0]) - 1
    highest = xp.full_like(best, SWAP_MARGIN)
    for k in range(gains.shape[1]):
        better = gains[:, k] > highest
        best = xp.where(better, xp.full_like(best, float(k)), best)
        highest = xp.where(better, gains[:, k], highest)
    return best
