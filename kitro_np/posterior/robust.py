"""Robust weights: keypoints have errors of Student's t distribution, or are outliers."""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

from .priors import (
    KEYPOINT_DOF,
    LANDMARKS_NOISE,
    MANY_KEYPOINTS,
    OUTLIER_DOUBT,
    OUTLIER_SHARE,
    OUTLIER_SPREAD,
)


def outlier_odds(confidence: Any) -> Any:
    """Prior odds e / (1 - e) of an outlier, e = OUTLIER_SHARE + OUTLIER_DOUBT (1 - c): (N, K).

    Parameters
    ----------
    confidence : (N, K) array
        From 0 to 1, the body's highest.
    """
    share = OUTLIER_SHARE + OUTLIER_DOUBT * (1 - confidence)
    return share / (1 - share)


def information(count: Any, landmarks: Any) -> Any:
    """Factor of the precision of all keypoints of a body, at most 1: (N,).

    Parameters
    ----------
    count : (N,) array
        Number of visible keypoints.
    landmarks : (N,) array of bool
        Whether the estimate is one of landmarks.
    """
    xp = array_namespace(count)
    one = xp.ones_like(count)
    shared = MANY_KEYPOINTS / xp.maximum(count, MANY_KEYPOINTS * one)
    return shared / xp.where(landmarks, LANDMARKS_NOISE**2 * one, one)


def student_weight(squared: Any) -> Any:
    """Weight (nu + 2) / (nu + d^2) of Student's t for squared Mahalanobis distances d^2: (N, K)."""
    return (KEYPOINT_DOF + 2) / (KEYPOINT_DOF + squared)


def inlier_probability(squared: Any, odds: Any, variance: Any, pixels_per_metre: Any) -> Any:
    """Probability that a keypoint is no outlier, 1 / (1 + o (v / s^2) (1 + d^2 / nu)^((nu + 2) / 2)): (N, K).

    Parameters
    ----------
    squared : (N, K) array
        Squared Mahalanobis distance d^2 of each keypoint from its prediction.
    odds : (N, K) array
        Prior odds o, see :func:`outlier_odds`.
    variance : (N, K) array
        Variance v of the prediction error, in square pixels: root of the covariance's determinant.
    pixels_per_metre : (N,) array
        At the body's depth, times its size; s is OUTLIER_SPREAD of it.

    Notes
    -----
    Unlike the weight of Student's t alone, which falls with 1 / d^2, the product makes a gross outlier's pull
    vanish, whatever its confidence.
    """
    xp = array_namespace(squared)
    spread = OUTLIER_SPREAD * pixels_per_metre[:, None]
    base = 1 + squared / KEYPOINT_DOF
    # (nu + 2) / 2 is 3.5: powers by products and a root, as in the kernels.
    return 1 / (1 + odds * variance / spread**2 * base * base * base * xp.sqrt(base))
