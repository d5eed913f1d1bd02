"""Scale of the estimates' errors and noise of the keypoints of a tile."""

from __future__ import annotations

from ...posterior.priors import (
    BETAS_PRECISION,
    LARGEST_SCALE,
    NOISE_DOF,
    SMALLEST_NOISE,
    SMALLEST_SCALE,
    TYPICAL_NOISE,
)
from ..jit import kernel
from ..lanes import full, load, sqrt, store, where
from ..vector_math import add, load3, load9
from .scalars import (
    INFORMATION,
    NOISE,
    NUM_VISIBLE,
    PIXELS_PER_METRE,
    POSE_SCALE,
    SQUARED_RESIDUAL,
    TURN_PRECISION,
)


@kernel
def update_scales(chains, tile, memory):
    """Fused twin of kitro_np.posterior.scales.update_scales, from the step and its covariance."""
    pose_scale, noise = load(memory.scalars, POSE_SCALE), load(memory.scalars, NOISE)
    inverse = 1.0 / (pose_scale * pose_scale)
    border = memory.border_step.shape[0]
    zero = full(tile.betas, 0.0)
    squares, dof = zero, zero
    effective_parameters = full(tile.betas, 1.0 * border)
    for s in range(border - 3):
        effective_parameters = effective_parameters - BETAS_PRECISION * load(
            memory.covariance_corner, (border + 1) * s
        )
    for row in range(3):
        for column in range(3):
            entry = border * (border - 3 + row) + border - 3 + column
            transl_covariance = load(memory.covariance_corner, entry)
            effective_parameters = (
                effective_parameters - load(memory.transl_precision, 3 * row + column) * transl_covariance
            )
    for a in range(chains.moving.size):
        j = chains.moving[a]
        moves = load(memory.moves, j)
        joint_covariance = load9(memory.covariance, chains.first_block[j] + chains.depth[j])
        x = inverse / (chains.pose_spread[j, 0] * chains.pose_spread[j, 0])
        y = inverse / (chains.pose_spread[j, 1] * chains.pose_spread[j, 1])
        z = inverse / (chains.pose_spread[j, 2] * chains.pose_spread[j, 2])
        if j == 0:
            turn = load(memory.scalars, TURN_PRECISION)
            x, y, z = turn * x, turn * y, turn * z
        deviation = add(load3(memory.deviation, j), load3(memory.joint_step, j))
        squares = squares + moves * (
            x * deviation[0] * deviation[0]
            + y * deviation[1] * deviation[1]
            + z * deviation[2] * deviation[2]
        )
        dof = dof + moves * (
            3.0 - (x * joint_covariance[0] + y * joint_covariance[4] + z * joint_covariance[8])
        )
        prior_block = load9(memory.prior_block, j)
        trace = (
            prior_block[0] * joint_covariance[0]
            + prior_block[4] * joint_covariance[4]
            + prior_block[8] * joint_covariance[8]
        )
        trace = trace + 2.0 * (
            prior_block[1] * joint_covariance[1]
            + prior_block[2] * joint_covariance[2]
            + prior_block[5] * joint_covariance[5]
        )
        effective_parameters = effective_parameters + (3.0 - trace)
    new_scale = pose_scale * sqrt((squares + inverse) / (_positive(dof) + 1.0))
    pixels_per_metre = load(memory.scalars, PIXELS_PER_METRE)
    typical = TYPICAL_NOISE * pixels_per_metre / noise
    dof = 2.0 * load(memory.scalars, NUM_VISIBLE) - effective_parameters
    noise_squares = load(memory.scalars, SQUARED_RESIDUAL) / load(memory.scalars, INFORMATION)
    noise_squares = noise_squares + NOISE_DOF * typical * typical
    new_noise = noise * sqrt(noise_squares / (_positive(dof) + NOISE_DOF))
    smallest = SMALLEST_NOISE * pixels_per_metre
    new_scale = where(new_scale > SMALLEST_SCALE, new_scale, SMALLEST_SCALE)
    store(memory.scalars, POSE_SCALE, where(new_scale > LARGEST_SCALE, LARGEST_SCALE, new_scale))
    store(memory.scalars, NOISE, where(new_noise > smallest, new_noise, smallest))


@kernel
def _positive(number):
    return where(number > 0.0, number, 0.0 * number)
