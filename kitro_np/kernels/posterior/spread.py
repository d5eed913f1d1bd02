"""Spread of the joints of a tile's bodies."""

from __future__ import annotations

from ...posterior.priors import MANY_KEYPOINTS, TYPICAL_NOISE
from ...posterior.spread import LANDMARKS_TURN, LINEARISATION, SHARED
from ..jit import kernel
from ..lanes import full, load, sqrt, store, where
from ..vector_math import cross, dot, load3, load9, rows3, subtract, transform
from .scalars import LANDMARKS, NOISE, NUM_VISIBLE, PIXELS_PER_METRE


@kernel
def joint_spread(tree, chains, tile, memory):
    """Fused twin of kitro_np.posterior.spread.joint_spread."""
    shapes = tree.shapedirs.shape[1]
    border = shapes + 3
    factor = _correlation_factor(memory)
    turn = LANDMARKS_TURN * LANDMARKS_TURN * load(memory.scalars, LANDMARKS)
    for j in range(tree.parents.size):
        place = load3(tile.joints, j)
        variance = full(tile.betas, 0.0)
        for d in range(chains.depth[j]):
            i = chains.chain[j, d]
            lever_arm = subtract(place, load3(tile.joints, i))
            for e in range(d + 1):
                h = chains.chain[j, e]
                other = subtract(place, load3(tile.joints, h))
                joint_covariance = load9(memory.covariance, chains.first_block[i] + e)
                # tr([x]x C [y]x^T) = x.y tr C - y.C x
                term = dot(lever_arm, other) * (
                    joint_covariance[0] + joint_covariance[4] + joint_covariance[8]
                ) - dot(other, transform(joint_covariance, lever_arm))
                variance = variance + (term if e == d else term + term)
            for s in range(shapes):
                with_beta = rows3(memory.covariance_border, 3 * (border * i + s))
                moved = cross(with_beta, lever_arm)
                by_beta = _by_beta(memory, shapes, j, s)
                term = dot(moved, by_beta)
                variance = variance + term + term
        for s in range(shapes):
            by_beta = _by_beta(memory, shapes, j, s)
            for r in range(shapes):
                joint_covariance = load(memory.covariance_corner, border * s + r)
                variance = variance + joint_covariance * dot(by_beta, _by_beta(memory, shapes, j, r))
        variance = factor * where(variance > 0.0, variance, 0.0 * variance)
        away = subtract(place, load3(tile.joints, 0))
        variance = variance + turn * (away[0] * away[0] + away[1] * away[1])
        store(memory.joint_spread, j, sqrt(variance))


@kernel
def _correlation_factor(memory):
    """Fused twin of kitro_np.posterior.spread.correlation_factor."""
    ratio = load(memory.scalars, NOISE) / (TYPICAL_NOISE * load(memory.scalars, PIXELS_PER_METRE))
    ratio = where(ratio < 1.0, ratio * ratio, 1.0)
    many = load(memory.scalars, NUM_VISIBLE) / MANY_KEYPOINTS
    many = where(many > 1.0, many, 1.0)
    return (LINEARISATION + SHARED * ratio) * many


@kernel
def _by_beta(memory, shapes, j, s):
    """Return the derivative of a joint's position relative to the root by beta s."""
    return subtract(load3(memory.by_betas, shapes * j + s), load3(memory.by_betas, s))
