"""Verdict: whether a refined body is likely better than its estimate, a logistic regression on its fit.

The coefficients are learnt from simulated bodies with their own keypoints, seen and hidden, right and wrong,
and with keypoints that are not theirs: models/fit_verdict.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace, device

from ..arrays.products import times_matrix
from ..arrays.rotations import chord
from ..body.families import has_body_joints
from ..body.skeleton import Skeleton
from .gauss_newton import Prior, Scales, Step
from .priors import TYPICAL_NOISE

FEWEST_KEYPOINTS = 4
"""Visible keypoints needed to accept a body; as many must be no outliers."""

TOO_FEW_INLIERS = -6.0
"""Log odds of a body with fewer: also of the frames of a video, whose odds are added."""

FEATURES = (
    "pose_scale", "pose_scale_squared", "noise", "noise_squared", "surprise", "detail", "turn", "squeeze",
    "depth", "outliers", "outliers_squared", "determined", "translation", "in_plane", "out_of_plane",
    "unusual", "few_points", "few_effective_points",
)  # fmt: skip
"""Names of the features, in the order of the coefficients; :func:`features_of` says what they are."""

PERSON = (
    -0.193, -0.9664, -1.328, -1.038, -2.032, 1.333, -0.4589, -0.7566, -3.869,
    -2.842, -3.817, 0.6796, -0.09641, -1.419, 0.3714, 0.8912, 0.1012, -0.1288,
), 6.126  # fmt: skip
"""Coefficients of the features, and the constant, for people."""

OTHER = (
    -1.594, -1.231, -0.6274, -0.5408, -2.083, 0.5122, -1.184, -0.1277, -0.1317,
    -2.701, -2.454, 0.0743, -0.1996, -0.04792, 0.3059, 0.0, 3.446, -0.07513,
), 1.506  # fmt: skip
"""The same, for other bodies, such as hands."""

LEVER, DETAIL_FLOOR, SMALLEST_DETAIL = 0.4, 0.005, 0.02
"""In metres: distance of a person's points from their middle, by which a turn or a squeeze moves them; what
is added to the residuals that it is compared with; and what is added before their logarithm."""

ROTATION_FLOOR = 0.05
"""Added to joints' rotations, over their spread, before the logarithm."""

AFFINE_ROUNDS, RIDGE, SMALLEST_STRETCH = 3, 1e-3, 0.05
"""Rounds of reweighing of the affine fit; its ridge, relative to the points' second moments; and the smallest
stretch."""


class Affine(NamedTuple):
    """The affine map from projected points to keypoints that explains the residuals of the estimate best.

    Attributes
    ----------
    turn : (N,) array
        Rotation in the image plane by an angle a, as 2 |sin(a / 2)|.
    squeeze : (N,) array
        How much more the map stretches x than y: difference of logarithms, not below 0.
    detail : (N,) array
        What it leaves of the residuals, root mean square, in metres.
    """

    turn: Any
    squeeze: Any
    detail: Any


def fit_affine(projected: Any, keypoints_2d: Any, confidence: Any, pixels_per_metre: Any) -> Affine:
    """Fit an affine map from projected points to keypoints, robustly.

    Parameters
    ----------
    projected : (N, K, 2) array
        Of the estimate, in pixels.
    keypoints_2d : (N, K, 2) array
    confidence : (N, K) array
        0 where a keypoint is not visible.
    pixels_per_metre : (N,) array
        At the body's depth, times its size (1 for a person).
    """
    xp = array_namespace(projected)
    projected, keypoints_2d = (
        xp.where(confidence[..., None] > 0, points, xp.zeros_like(points))
        for points in (projected, keypoints_2d)
    )
    # A keypoint that is metres off counts for less from the start: its residual would hide all others.
    away = (keypoints_2d - projected) / pixels_per_metre[:, None, None]
    confidence = confidence / (1 + away[..., 0] * away[..., 0] + away[..., 1] * away[..., 1])
    weights = confidence
    for _ in range(AFFINE_ROUNDS):
        total = xp.sum(weights, axis=1)
        total = xp.where(total > 0, total, xp.ones_like(total))
        share = (weights / total[:, None])[..., None]
        source = projected - xp.sum(share * projected, axis=1, keepdims=True)
        target = keypoints_2d - xp.sum(share * keypoints_2d, axis=1, keepdims=True)
        x, y, u, v = source[..., 0], source[..., 1], target[..., 0], target[..., 1]
        share = share[..., 0]
        xx, xy, yy = (xp.sum(share * a, axis=1) for a in (x * x, x * y, y * y))
        ridge = RIDGE * (xx + yy)
        a, c = xx + ridge, yy + ridge
        determinant = a * c - xy * xy
        determinant = xp.where(determinant > 0, determinant, xp.ones_like(determinant))
        xu, yu, xv, yv = (xp.sum(share * b, axis=1) for b in (x * u, y * u, x * v, y * v))
        xu, yv = xu + ridge, yv + ridge
        ux, uy = (c * xu - xy * yu) / determinant, (a * yu - xy * xu) / determinant
        vx, vy = (c * xv - xy * yv) / determinant, (a * yv - xy * xv) / determinant
        left_u = u - ux[:, None] * x - uy[:, None] * y
        left_v = v - vx[:, None] * x - vy[:, None] * y
        left = left_u * left_u + left_v * left_v
        mean = xp.sum(share * left, axis=1)
        floor = xp.where(mean > 0, mean, xp.ones_like(mean))[:, None]
        weights = confidence / (1 + left / (2 * floor))
    least = xp.full_like(ux, SMALLEST_STRETCH)
    squeeze = xp.log(xp.maximum(ux, least)) - xp.log(xp.maximum(vy, least))
    across, along = vx - uy, ux + vy
    length = xp.sqrt(across * across + along * along)
    cosine = along / xp.where(length > 0, length, xp.ones_like(length))
    return Affine(
        xp.sqrt(2 - 2 * xp.minimum(cosine, xp.ones_like(cosine))),
        xp.maximum(squeeze, xp.zeros_like(squeeze)),
        xp.sqrt(mean) / pixels_per_metre,
    )


def features_of(
    prior: Prior,
    scales: Scales,
    step: Step,
    affine: Affine,
    transl: Any,
    weights: Any,
    inlier: Any,
    count: Any,
    moving: Any,
    pixels_per_metre: Any,
) -> Any:
    """Return the features of the verdict: (N, F).

    Parameters
    ----------
    prior : Prior
    scales : Scales
        Of the last step.
    step : Step
        The last one.
    affine : Affine
    transl : (N, 3) array
        After the last step.
    weights : (N, K) array
        Confidence of each keypoint times its probability of being no outlier.
    inlier : (N, K) array
        That probability; 0 where it is not visible.
    count : (N,) array
        Number of visible keypoints.
    moving : (N, J) array
        1 where a joint moves a visible keypoint, else 0.
    pixels_per_metre : (N,) array

    Notes
    -----
    - pose_scale, noise: logarithms of the scale of the estimate's error, and of the noise over its typical
      value.
    - surprise: squared Mahalanobis distance of the keypoints from their prior prediction, per coordinate;
      determined: log (|J^T J + L| / |L|), per coordinate.
    - detail, turn, squeeze: of the affine map; the last two against what it leaves.
    - depth: logarithm of the refined over the estimated depth; translation: squared Mahalanobis distance.
    - in_plane, out_of_plane: logarithms of the joints' rotations over their spread, the root's excepted.
    - unusual: squared Mahalanobis distance of the estimate's pose from recorded motion, per angle.
    """
    xp = array_namespace(weights)
    one = xp.ones_like(pixels_per_metre)
    visible = xp.maximum(count, one)
    seen = xp.sum(inlier, axis=1)
    coordinates = 2 * xp.maximum(seen, one)
    pose_scale = xp.log(scales.pose)
    noise = xp.log(scales.noise / (TYPICAL_NOISE * pixels_per_metre))
    outliers = 1 - seen / visible

    def against_detail(number: Any) -> Any:
        ratio = number * LEVER / (affine.detail + DETAIL_FLOOR)
        return xp.log(1 + ratio * ratio)

    offset = transl - prior.transl
    translation = xp.sum(offset * xp.matmul(prior.transl_precision, offset[..., None])[..., 0], axis=1)
    rotations = step.deviation[:, 1:, :] / prior.pose_spread[1:, :]
    squares = rotations * rotations * moving[:, 1:, None]
    joints = xp.sum(moving[:, 1:], axis=1)
    joints = xp.maximum(joints, xp.ones_like(joints))
    in_plane = xp.log(xp.sqrt(xp.sum(squares[..., 2], axis=1) / joints) + ROTATION_FLOOR)
    out_of_plane = xp.log(xp.sqrt(xp.sum(squares[..., :2], axis=(1, 2)) / (2 * joints)) + ROTATION_FLOOR)
    away = chord(prior.pose)[0] - prior.motion.mean
    unusual = xp.sum(away * xp.matmul(prior.motion.precision, away[..., None])[..., 0], axis=-1)
    total, squared = xp.sum(weights, axis=1), xp.sum(weights * weights, axis=1)
    effective = xp.maximum(total * total / xp.where(squared > 0, squared, one), one)
    return xp.stack(
        [
            pose_scale,
            pose_scale * pose_scale,
            noise,
            noise * noise,
            step.mahalanobis / coordinates,
            xp.log(affine.detail + SMALLEST_DETAIL),
            against_detail(affine.turn),
            against_detail(affine.squeeze),
            xp.log(xp.maximum(transl[:, 2] / prior.transl[:, 2], SMALLEST_STRETCH * one)),
            outliers,
            outliers * outliers,
            step.log_determinant / coordinates,
            translation,
            in_plane,
            out_of_plane,
            xp.sum(unusual * moving, axis=1) / (3 * joints),
            24 / visible,
            24 / effective,
        ],
        axis=1,
    )


def quality_of(features: Any, skeleton: Skeleton) -> Any:
    """Logarithm of the odds that the refined body is better than its estimate: (N,)."""
    xp = array_namespace(features)
    coefficients, constant = coefficients_of(skeleton)
    coefficients = xp.asarray(coefficients[:, None], dtype=features.dtype, device=device(features))
    return times_matrix(features, coefficients)[:, 0] + constant


def coefficients_of(skeleton: Skeleton) -> tuple[np.ndarray, float]:
    """Coefficients (F,) and constant of a body's verdict."""
    coefficients, constant = PERSON if has_body_joints(skeleton.parents) else OTHER
    return np.array(coefficients), constant
