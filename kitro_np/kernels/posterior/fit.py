"""Fit: the most probable bodies of a tile."""

from __future__ import annotations

from ...posterior.acceptance import (
    FEWEST_KEYPOINTS,
    FULL_COORDINATES,
    MAHALANOBIS_FLOOR,
    MAHALANOBIS_PER_PARAMETER,
    NOISE_WEIGHT,
    SHIFT_FLOOR,
    THRESHOLD,
    THRESHOLD_SLOPE,
)
from ...posterior.fit import SCALED_STEPS
from ...posterior.priors import (
    BETAS_PRECISION,
    BETAS_SHARE,
    DEPTH_SPREAD,
    INITIAL_NOISE,
    KEYPOINT_DOF,
    LARGEST_ROTATION,
    TRANSL_SPREAD,
    TYPICAL_NOISE,
)
from ..jit import kernel
from ..lanes import full, load, log, sqrt, store, where
from ..vector_math import (
    cayley,
    cross,
    dot,
    load3,
    load9,
    multiply,
    rows3,
    scale,
    store_all,
    subtract,
    transform,
    transpose,
)
from .acceptance import gate_keypoints, swap_gain
from .covariance import covariance, covariance_of_unobserved
from .gauss_newton import finish_step, gauss_newton_step, linearise_prior
from .projection import place_points
from .scalars import (
    EVIDENCE,
    FIRST_LOG_DETERMINANT,
    LOG_DETERMINANT,
    MAHALANOBIS,
    NOISE,
    NUM_VISIBLE,
    PIXELS_PER_METRE,
    POSE_SCALE,
    QUALITY,
    SHIFT,
)
from .scales import update_scales


@kernel
def fit_tile(tree, chains, tile, memory, steps):
    """Fused twin of kitro_np.posterior.fit.fit_arrays, without joint_spread."""
    make_prior(tree, chains, tile, memory)
    for k in range(steps):
        _find_step(tree, chains, tile, memory, k)
        _take_step(tree, chains, tile, memory, k)
    _end(tree, chains, tile, memory)


@kernel
def fit_tile_with_spread(tree, chains, tile, memory, steps):
    """Fused twin of kitro_np.posterior.fit.fit_arrays, with joint_spread from the last step's covariance."""
    make_prior(tree, chains, tile, memory)
    for k in range(steps):
        _find_step(tree, chains, tile, memory, k)
        if k == steps - 1:
            if k >= SCALED_STEPS:
                covariance(chains, memory)
            covariance_of_unobserved(chains, tile, memory)
            joint_spread(tree, chains, tile, memory)
        _take_step(tree, chains, tile, memory, k)
    _end(tree, chains, tile, memory)


@kernel
def _find_step(tree, chains, tile, memory, k):
    """Compute step k and its score, and its covariance if the scales are re-estimated from it."""
    place_points(tree, chains, tile, memory)
    linearise_prior(tree, chains, tile, memory)
    if k == 0:
        gate_keypoints(tree, chains, tile, memory)
        for a in range(chains.moving.size):
            j = chains.moving[a]
            store_all(memory.joint_step, 3 * j, load3(memory.prior_right_side, j))
    else:
        _student_weights(chains, memory)
    gauss_newton_step(tree, chains, tile, memory)
    log_determinant = load(memory.scalars, LOG_DETERMINANT) + _noise_log_determinant(chains, memory)
    if k == 0:
        store(memory.scalars, FIRST_LOG_DETERMINANT, log_determinant)
        swap_gain(tree, chains, tile, memory)
    finish_step(tree, chains, tile, memory)
    _score(chains, memory, log_determinant)
    if k < SCALED_STEPS:
        covariance(chains, memory)


@kernel
def _take_step(tree, chains, tile, memory, k):
    if k < SCALED_STEPS:
        update_scales(chains, tile, memory)
    _move(tree, chains, tile, memory)


@kernel
def _end(tree, chains, tile, memory):
    place_points(tree, chains, tile, memory)
    _reject_far_from_prior(tile, memory)


@kernel
def make_prior(tree, chains, tile, memory):
    """Fused twin of kitro_np.posterior.fit.make_prior; also initialises betas and scales."""
    for j in range(tree.parents.size):
        store(memory.moves, j, 0.0)
    count = full(tile.betas, 0.0)
    for k in range(chains.point_joint.size):
        visible = load(memory.confidence, k) > 0.0
        count = count + where(visible, 1.0, 0.0)
        for d in range(chains.point_above[k]):
            j = chains.chain[chains.point_joint[k], d]
            store(memory.moves, j, where(visible, 1.0, load(memory.moves, j)))
    store(memory.scalars, NUM_VISIBLE, count)
    for s in range(tree.shapedirs.shape[1]):
        beta = BETAS_SHARE * load(tile.betas, s)
        store(memory.prior_betas, s, beta)
        store(tile.betas, s, beta)
    pixels_per_metre = load(tile.camera, 0) / load(tile.transl, 2) * chains.size[0]
    store(memory.scalars, PIXELS_PER_METRE, pixels_per_metre)
    store(memory.scalars, POSE_SCALE, 1.0)
    store(memory.scalars, NOISE, INITIAL_NOISE * pixels_per_metre)
    store(memory.scalars, QUALITY, 0.0)
    _prior_transl(chains, tile, memory)


@kernel
def _prior_transl(chains, tile, memory):
    """Precision M^T M and covariance of the translation's prior, see kitro_np.posterior.fit.make_prior."""
    x, y, depth = load3(tile.transl, 0)
    store_all(memory.prior_transl, 0, (x, y, depth))
    inverse = 1.0 / depth
    spread = TRANSL_SPREAD * chains.size[0]
    across = full(tile.betas, 1.0) / (spread * spread)
    along = inverse / DEPTH_SPREAD
    x, y = -x * inverse, -y * inverse
    zero = 0.0 * x
    last = across * (x * x + y * y) + along * along
    store_all(
        memory.transl_precision, 0,
        (across, zero, across * x, zero, across, across * y, across * x, across * y, last),
    )  # fmt: skip
    depth_variance = 1.0 / (along * along)
    across_variance = 1.0 / across
    store_all(
        memory.transl_covariance, 0,
        (
            across_variance + depth_variance * x * x, depth_variance * x * y, -depth_variance * x,
            depth_variance * x * y, across_variance + depth_variance * y * y, -depth_variance * y,
            -depth_variance * x, -depth_variance * y, depth_variance,
        ),
    )  # fmt: skip


@kernel
def _student_weights(chains, memory):
    """Weight of each keypoint from its residual r: (nu + 2) / (nu + |r|^2 / noise^2), Student's t."""
    noise = load(memory.scalars, NOISE)
    inverse = 1.0 / (noise * noise)
    for k in range(chains.point_joint.size):
        confidence = load(memory.confidence, k)
        u, v = load(memory.residual, 2 * k), load(memory.residual, 2 * k + 1)
        squared = confidence * (u * u + v * v) * inverse
        student_weight = confidence * (KEYPOINT_DOF + 2.0) / (KEYPOINT_DOF + squared)
        store(memory.weight, k, sqrt(student_weight * inverse))


@kernel
def _noise_log_determinant(chains, memory):
    """Logarithm of the determinant of the keypoints' noise covariance."""
    total = full(memory.border_step, 0.0)
    for k in range(chains.point_joint.size):
        weight = load(memory.weight, k)
        total = total - log(where(weight > 0.0, weight, 1.0))
    return 4.0 * total


@kernel
def _score(chains, memory, log_determinant):
    """Fused twin of kitro_np.posterior.acceptance.score_of and threshold_of: fills quality and evidence."""
    store(memory.scalars, EVIDENCE, -0.5 * (load(memory.scalars, MAHALANOBIS) + log_determinant))
    count = load(memory.scalars, NUM_VISIBLE)
    coordinates = where(count > 0.5, 2.0 * count, 2.0)
    score = (
        load(memory.scalars, MAHALANOBIS) + log_determinant - load(memory.scalars, FIRST_LOG_DETERMINANT)
    ) / coordinates
    pixels_per_metre = load(memory.scalars, PIXELS_PER_METRE)
    score = score + log(load(memory.scalars, SHIFT) / pixels_per_metre + SHIFT_FLOOR)
    score = score - NOISE_WEIGHT * log(load(memory.scalars, NOISE) / (TYPICAL_NOISE * pixels_per_metre))
    quality = (
        THRESHOLD + THRESHOLD_SLOPE * (FULL_COORDINATES / coordinates - 1.0) + chains.allowance[0] - score
    )
    store(memory.scalars, QUALITY, where(count > FEWEST_KEYPOINTS - 0.5, quality, -1.0))


@kernel
def _reject_far_from_prior(tile, memory):
    """Fused twin of kitro_np.posterior.acceptance.quality_of and kitro_np.posterior.fit.prior_mahalanobis."""
    mahalanobis = full(tile.betas, 0.0)
    shapes = tile.betas.shape[0]
    for s in range(shapes):
        deviation = load(tile.betas, s) - load(memory.prior_betas, s)
        mahalanobis = mahalanobis + BETAS_PRECISION * deviation * deviation
    offset = subtract(load3(tile.transl, 0), load3(memory.prior_transl, 0))
    mahalanobis = mahalanobis + dot(offset, transform(load9(memory.transl_precision, 0), offset))
    margin = 1.0 - mahalanobis / (MAHALANOBIS_FLOOR + MAHALANOBIS_PER_PARAMETER * (shapes + 3))
    quality = load(memory.scalars, QUALITY)
    worse = where(margin < quality, margin, quality)
    store(memory.scalars, QUALITY, where(margin < 0.0, worse, quality))


@kernel
def _move(tree, chains, tile, memory):
    """Fused twin of kitro_np.posterior.fit.apply_rotations; also updates betas and translation."""
    longest = full(tile.betas, LARGEST_ROTATION * LARGEST_ROTATION)
    for a in range(chains.moving.size):
        j = chains.moving[a]
        rotvec = scale(load(memory.moves, j), load3(memory.joint_step, j))
        length = dot(rotvec, rotvec)
        longest = where(length > longest, length, longest)
    share = LARGEST_ROTATION / sqrt(longest)
    for a in range(chains.moving.size):
        j = chains.moving[a]
        rotation = cayley(scale(share * load(memory.moves, j), load3(memory.joint_step, j)))
        # Only R - I is transformed to the parent's frame, whose matrix may not be exactly orthonormal.
        difference = (
            rotation[0] - 1.0,
            rotation[1],
            rotation[2],
            rotation[3],
            rotation[4] - 1.0,
            rotation[5],
            rotation[6],
            rotation[7],
            rotation[8] - 1.0,
        )
        local = load9(tile.pose, j)
        if j > 0:
            above = load9(tile.rotations, tree.parents[j])
            difference = multiply(transpose(above), multiply(difference, above))
        change = multiply(difference, local)
        for row in range(9):
            store(tile.pose, 9 * j + row, load(tile.pose, 9 * j + row) + change[row])
    shapes = tree.shapedirs.shape[1]
    for s in range(shapes):
        store(tile.betas, s, load(tile.betas, s) + share * load(memory.border_step, s))
    # A single point does not determine the depth: then the translation is kept.
    depth_observed = load(memory.scalars, NUM_VISIBLE) > 1.5
    for k in range(3):
        change = share * load(memory.border_step, shapes + k)
        store(tile.transl, k, load(tile.transl, k) + where(depth_observed, change, 0.0 * change))


@kernel
def joint_spread(tree, chains, tile, memory):
    """Fused twin of kitro_np.posterior.fit.joint_spread."""
    shapes = tree.shapedirs.shape[1]
    border = shapes + 3
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
        store(memory.joint_spread, j, sqrt(where(variance > 0.0, variance, 0.0 * variance)))


@kernel
def _by_beta(memory, shapes, j, s):
    """Return the derivative of a joint's position relative to the root by beta s."""
    return subtract(load3(memory.by_betas, shapes * j + s), load3(memory.by_betas, s))
