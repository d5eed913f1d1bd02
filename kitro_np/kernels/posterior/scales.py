"""Scales of a tile: how good each estimate is, and how exact the keypoints are."""

from __future__ import annotations

from ...posterior.priors import (
    BETAS_PRECISION,
    LARGEST_SCALE,
    LEAST_NOISE,
    LEAST_SCALE,
    NOISE_FREEDOM,
    USUAL_NOISE,
)
from ..jit import kernel
from ..lanes import full, load, sqrt, store, where
from ..vector_math import add, load3, load9
from .scalars import MISSED, NOISE, NUM_VISIBLE, PIXELS_PER_METRE, POSE_SCALE


@kernel
def update_scales(chains, tile, memory):
    """Fused twin of kitro_np.posterior.scales.update_scales, from the step and its covariance."""
    pose_scale, noise = load(memory.scalars, POSE_SCALE), load(memory.scalars, NOISE)
    inverse = 1.0 / (pose_scale * pose_scale)
    border = memory.change.shape[0]
    zero = full(tile.betas, 0.0)
    left, free = zero, zero
    fitted = full(tile.betas, 1.0 * border)
    for s in range(border - 3):
        fitted = fitted - BETAS_PRECISION * load(memory.covariance_corner, (border + 1) * s)
    for row in range(3):
        for column in range(3):
            place = border * (border - 3 + row) + border - 3 + column
            both = load(memory.covariance_corner, place)
            fitted = fitted - load(memory.transl_precision, 3 * row + column) * both
    for a in range(chains.moving.size):
        j = chains.moving[a]
        moves = load(memory.moves, j)
        own = load9(memory.covariance, chains.first_block[j] + chains.depth[j])
        x = inverse / (chains.pose_spread[j, 0] * chains.pose_spread[j, 0])
        y = inverse / (chains.pose_spread[j, 1] * chains.pose_spread[j, 1])
        z = inverse / (chains.pose_spread[j, 2] * chains.pose_spread[j, 2])
        away = add(load3(memory.deviation, j), load3(memory.turn, j))
        left = left + moves * (x * away[0] * away[0] + y * away[1] * away[1] + z * away[2] * away[2])
        free = free + moves * (3.0 - (x * own[0] + y * own[4] + z * own[8]))
        known = load9(memory.prior_block, j)
        taken = known[0] * own[0] + known[4] * own[4] + known[8] * own[8]
        taken = taken + 2.0 * (known[1] * own[1] + known[2] * own[2] + known[5] * own[5])
        fitted = fitted + (3.0 - taken)
    better = pose_scale * sqrt((left + inverse) / (_positive(free) + 1.0))
    pixels_per_metre = load(memory.scalars, PIXELS_PER_METRE)
    usual = USUAL_NOISE * pixels_per_metre / noise
    free = 2.0 * load(memory.scalars, NUM_VISIBLE) - fitted
    missed = load(memory.scalars, MISSED) + NOISE_FREEDOM * usual * usual
    exact = noise * sqrt(missed / (_positive(free) + NOISE_FREEDOM))
    least = LEAST_NOISE * pixels_per_metre
    better = where(better > LEAST_SCALE, better, LEAST_SCALE)
    store(memory.scalars, POSE_SCALE, where(better > LARGEST_SCALE, LARGEST_SCALE, better))
    store(memory.scalars, NOISE, where(exact > least, exact, least))


@kernel
def _positive(number):
    return where(number > 0.0, number, 0.0 * number)
