"""Robust weights of a tile's keypoints: fused twin of kitro_np.posterior.robust."""

from __future__ import annotations

from ...posterior.priors import (
    KEYPOINT_DOF,
    LANDMARKS_NOISE,
    MANY_KEYPOINTS,
    OUTLIER_DOUBT,
    OUTLIER_SHARE,
    OUTLIER_SPREAD,
)
from ..jit import kernel
from ..lanes import load, log, sqrt, store, where
from .scalars import INFORMATION, LANDMARKS, NOISE, NUM_VISIBLE, PIXELS_PER_METRE


@kernel
def outlier_odds(chains, memory, k):
    """Fused twin of kitro_np.posterior.robust.outlier_odds, from a relative precision: fills odds."""
    precision = chains.point_precision[k]
    confidence = load(memory.confidence, k) / (precision if precision > 0.0 else 1.0)
    share = OUTLIER_SHARE + OUTLIER_DOUBT * (1.0 - confidence)
    store(memory.odds, k, share / (1.0 - share))


@kernel
def information(memory):
    """Fused twin of kitro_np.posterior.robust.information: fills INFORMATION."""
    count = load(memory.scalars, NUM_VISIBLE)
    shared = MANY_KEYPOINTS / where(count > MANY_KEYPOINTS, count, MANY_KEYPOINTS)
    share = where(load(memory.scalars, LANDMARKS) > 0.5, 1.0 / (LANDMARKS_NOISE * LANDMARKS_NOISE), 1.0)
    store(memory.scalars, INFORMATION, shared * share)


@kernel
def weigh(memory, k, squared, variance):
    """Fused twin of kitro_np.posterior.robust.student_weight and inlier_probability, of one keypoint.

    It fills inlier and weight.
    """
    confidence, noise = load(memory.confidence, k), load(memory.scalars, NOISE)
    spread = OUTLIER_SPREAD * load(memory.scalars, PIXELS_PER_METRE)
    base = 1.0 + squared / KEYPOINT_DOF
    odds = load(memory.odds, k) * variance / (spread * spread)
    inlier = 1.0 / (1.0 + odds * base * base * base * sqrt(base))
    inlier = where(confidence > 0.0, inlier, 0.0 * inlier)
    student_weight = (KEYPOINT_DOF + 2.0) / (KEYPOINT_DOF + squared)
    store(memory.inlier, k, inlier)
    precision = confidence * load(memory.scalars, INFORMATION)
    store(memory.weight, k, sqrt(precision * student_weight * inlier) / noise)


@kernel
def weigh_residuals(chains, memory):
    """Weigh all keypoints by their residuals."""
    noise = load(memory.scalars, NOISE)
    variance = noise * noise
    for k in range(chains.point_joint.size):
        confidence = load(memory.confidence, k)
        u, v = load(memory.residual, 2 * k), load(memory.residual, 2 * k + 1)
        squared = confidence * (u * u + v * v) / variance
        weigh(memory, k, squared, variance / where(confidence > 0.0, confidence, 1.0))


@kernel
def log_noise(chains, memory):
    """Fused twin of kitro_np.posterior.fit._log_noise."""
    elsewhere = -log(OUTLIER_SPREAD * load(memory.scalars, PIXELS_PER_METRE))
    total = 0.0 * elsewhere
    for k in range(chains.point_joint.size):
        inlier, weight = load(memory.inlier, k), load(memory.weight, k)
        weight = weight / sqrt(where(inlier > 0.0, inlier, 1.0))
        logarithm = inlier * log(where(weight > 0.0, weight, 1.0)) + (1.0 - inlier) * elsewhere
        total = total - where(load(memory.confidence, k) > 0.0, logarithm, 0.0 * logarithm)
    return 4.0 * total
