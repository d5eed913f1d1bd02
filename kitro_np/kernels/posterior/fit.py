"""Fit: the most probable bodies of a tile."""

from __future__ import annotations

from ...posterior.fit import SCALED_STEPS
from ...posterior.priors import (
    BETAS_SHARE,
    DEPTH_SPREAD,
    INITIAL_NOISE,
    LARGEST_ROTATION,
    TRANSL_SPREAD,
)
from ..jit import kernel
from ..lanes import absolute, full, load, sqrt, store, where
from ..vector_math import (
    cayley,
    dot,
    load3,
    load9,
    multiply,
    scale,
    store_all,
    transpose,
)
from .covariance import covariance, covariance_of_unobserved
from .gates import gate_keypoints
from .gauss_newton import finish_step, gauss_newton_step, linearise_prior, step_statistics
from .projection import place_points
from .robust import information, log_noise, outlier_odds, weigh_residuals
from .scalars import (
    EVIDENCE,
    LANDMARKS,
    LOG_DETERMINANT,
    MAHALANOBIS,
    NOISE,
    NUM_VISIBLE,
    PIXELS_PER_METRE,
    POSE_SCALE,
    QUALITY,
    SWAP,
    TURNED,
)
from .scales import update_scales
from .spread import joint_spread
from .swaps import best_swap, put_sides_right
from .verdict import fit_affine, judge

BY_BETAS = -1
"""Kind of an estimate: one of landmarks if its betas are all 0."""


@kernel
def fit_tile(tree, chains, tile, memory, steps, kind):
    """Fused twin of kitro_np.posterior.fit.fit_arrays, without joint_spread."""
    make_prior(tree, chains, tile, memory, kind)
    for k in range(steps):
        _find_step(tree, chains, tile, memory, k, k == steps - 1)
        _take_step(tree, chains, tile, memory, k)
    _end(tree, chains, tile, memory)


@kernel
def fit_tile_with_spread(tree, chains, tile, memory, steps, kind):
    """Fused twin of kitro_np.posterior.fit.fit_arrays, with joint_spread from the last step's covariance."""
    make_prior(tree, chains, tile, memory, kind)
    for k in range(steps):
        _find_step(tree, chains, tile, memory, k, k == steps - 1)
        if k == steps - 1:
            if k >= SCALED_STEPS:
                covariance(chains, memory)
            covariance_of_unobserved(chains, tile, memory)
            joint_spread(tree, chains, tile, memory)
        _take_step(tree, chains, tile, memory, k)
    _end(tree, chains, tile, memory)


@kernel
def _find_step(tree, chains, tile, memory, k, last):
    """Compute step k, and its covariance if the scales are re-estimated from it."""
    rounds = 2 if k == 0 else 1
    while rounds > 0:
        place_points(tree, chains, tile, memory)
        linearise_prior(tree, chains, tile, memory)
        if k == 0:
            gate_keypoints(tree, chains, tile, memory)
            for a in range(chains.moving.size):
                j = chains.moving[a]
                store_all(memory.joint_step, 3 * j, load3(memory.prior_right_side, j))
        else:
            weigh_residuals(chains, memory)
        gauss_newton_step(tree, chains, tile, memory)
        rounds -= 1
        if k == 0 and rounds > 0:
            best_swap(tree, chains, tile, memory)
            # The step is computed again only if left and right of some body have been put right.
            if not put_sides_right(chains, tile, memory):
                rounds = 0
    if k == 0:
        fit_affine(chains, tile, memory)
    finish_step(tree, chains, tile, memory)
    if last:
        step_statistics(chains, tile, memory)
        log_determinant = load(memory.scalars, LOG_DETERMINANT) + log_noise(chains, memory)
        store(memory.scalars, EVIDENCE, -0.5 * (load(memory.scalars, MAHALANOBIS) + log_determinant))
    if k < SCALED_STEPS:
        covariance(chains, memory)


@kernel
def _take_step(tree, chains, tile, memory, k):
    if k < SCALED_STEPS:
        update_scales(chains, tile, memory)
    _move(tree, chains, tile, memory)


@kernel
def _end(tree, chains, tile, memory):
    judge(tree, chains, tile, memory)
    place_points(tree, chains, tile, memory)


@kernel
def make_prior(tree, chains, tile, memory, kind):
    """Fused twin of kitro_np.posterior.fit.make_prior; also initialises betas and scales.

    Estimates are of landmarks if `kind` is 1, and not if it is 0; BY_BETAS if their betas are all 0.
    """
    for j in range(tree.parents.size):
        store(memory.moves, j, 0.0)
    count = full(tile.betas, 0.0)
    for k in range(chains.point_joint.size):
        outlier_odds(chains, memory, k)
        visible = load(memory.confidence, k) > 0.0
        count = count + where(visible, 1.0, 0.0)
        for d in range(chains.point_above[k]):
            j = chains.chain[chains.point_joint[k], d]
            store(memory.moves, j, where(visible, 1.0, load(memory.moves, j)))
    store(memory.scalars, NUM_VISIBLE, count)
    largest = full(tile.betas, 0.0)
    for s in range(tree.shapedirs.shape[1]):
        size = absolute(load(tile.betas, s))
        largest = where(size > largest, size, largest)
        beta = BETAS_SHARE * load(tile.betas, s)
        store(memory.prior_betas, s, beta)
        store(tile.betas, s, beta)
    pixels_per_metre = load(tile.camera, 0) / load(tile.transl, 2) * chains.size[0]
    store(memory.scalars, PIXELS_PER_METRE, pixels_per_metre)
    store(memory.scalars, POSE_SCALE, 1.0)
    store(memory.scalars, NOISE, INITIAL_NOISE * pixels_per_metre)
    store(memory.scalars, QUALITY, 0.0)
    store(memory.scalars, SWAP, -1.0)
    store(memory.scalars, TURNED, 0.0)
    without_betas = 1.0 if tree.shapedirs.shape[1] > 0 else 0.0
    by_betas = where(largest > 0.0, 0.0, without_betas)
    store(memory.scalars, LANDMARKS, by_betas if kind == BY_BETAS else full(tile.betas, 1.0 * kind))
    information(memory)
    prior_transl(chains, tile, memory)


@kernel
def prior_transl(chains, tile, memory):
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
def _move(tree, chains, tile, memory):
    """Rotate all joints, and update betas and translation."""
    share = rotate_joints(tree, chains, tile, memory)
    shapes = tree.shapedirs.shape[1]
    for s in range(shapes):
        store(tile.betas, s, load(tile.betas, s) + share * load(memory.border_step, s))
    # A single point does not determine the depth: then the translation is kept.
    depth_observed = load(memory.scalars, NUM_VISIBLE) > 1.5
    for k in range(3):
        change = share * load(memory.border_step, shapes + k)
        store(tile.transl, k, load(tile.transl, k) + where(depth_observed, change, 0.0 * change))


@kernel
def rotate_joints(tree, chains, tile, memory):
    """Fused twin of kitro_np.posterior.fit.apply_rotations; returns the share of the step that is taken."""
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
    return share
