"""Fit: the most probable bodies, one tile after the other."""

from __future__ import annotations

from ...posterior.acceptance import (
    FEWEST,
    MANY,
    NOISE_WEIGHT,
    ODD_FLOOR,
    ODD_SHARE,
    SHIFT_FLOOR,
    THRESHOLD,
    THRESHOLD_OF_FEW,
)
from ...posterior.fit import SCALED_STEPS
from ...posterior.priors import (
    BETAS_PRECISION,
    BETAS_SHARE,
    DEPTH_SPREAD,
    KEYPOINT_FREEDOM,
    LARGEST_TURN,
    PLACE_SPREAD,
    USUAL_NOISE,
)
from ...posterior.priors import (
    NOISE as FIRST_NOISE,
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
from .acceptance import gain_of_swaps, gate_keypoints
from .covariance import covariance, covariance_of_resting
from .gauss_newton import best_step, finish_step, known_step
from .projection import place_points
from .scalars import (
    EVIDENCE,
    FIRST_VOLUME,
    NOISE,
    NUM_VISIBLE,
    PIXELS_PER_METRE,
    POSE_SCALE,
    QUALITY,
    SHIFT,
    SURPRISE,
    VOLUME,
)
from .scales import update_scales


@kernel
def fit_tile(tree, chains, tile, memory, steps):
    """Fused twin of kitro_np.posterior.fit.fit_arrays, without the joints' spread."""
    begin(tree, chains, tile, memory)
    for k in range(steps):
        _find_step(tree, chains, tile, memory, k)
        _take_step(tree, chains, tile, memory, k)
    _end(tree, chains, tile, memory)


@kernel
def fit_tile_with_spread(tree, chains, tile, memory, steps):
    """Fused twin of kitro_np.posterior.fit.fit_arrays, with the joints' spread as the last step has it."""
    begin(tree, chains, tile, memory)
    for k in range(steps):
        _find_step(tree, chains, tile, memory, k)
        if k == steps - 1:
            if k >= SCALED_STEPS:
                covariance(chains, memory)
            covariance_of_resting(chains, tile, memory)
            joint_spread(tree, chains, tile, memory)
        _take_step(tree, chains, tile, memory, k)
    _end(tree, chains, tile, memory)


@kernel
def _find_step(tree, chains, tile, memory, k):
    """Find step k, its covariance if the scales want it, and what there is to say of the fit so far."""
    place_points(tree, chains, tile, memory)
    known_step(tree, chains, tile, memory)
    if k == 0:
        gate_keypoints(tree, chains, tile, memory)
        for a in range(chains.moving.size):
            j = chains.moving[a]
            store_all(memory.turn, 3 * j, load3(memory.prior_pull, j))
    else:
        _weigh_keypoints(chains, memory)
    best_step(tree, chains, tile, memory)
    volume = load(memory.scalars, VOLUME) + _noise_volume(chains, memory)
    if k == 0:
        store(memory.scalars, FIRST_VOLUME, volume)
        gain_of_swaps(tree, chains, tile, memory)
    finish_step(tree, chains, tile, memory)
    _score(chains, memory, volume)
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
    _refuse_odd(tile, memory)


@kernel
def begin(tree, chains, tile, memory):
    """Fused twin of kitro_np.posterior.fit.make_prior, and what the first step starts from."""
    one, zero = full(tile.betas, 1.0), full(tile.betas, 0.0)
    for j in range(tree.parents.size):
        store(memory.moves, j, zero)
    count = zero
    for k in range(chains.point_joint.size):
        visible = load(memory.confidence, k) > 0.0
        count = count + where(visible, one, zero)
        for d in range(chains.point_above[k]):
            j = chains.chain[chains.point_joint[k], d]
            store(memory.moves, j, where(visible, one, load(memory.moves, j)))
    store(memory.scalars, NUM_VISIBLE, count)
    for s in range(tree.shapedirs.shape[1]):
        beta = BETAS_SHARE * load(tile.betas, s)
        store(memory.prior_betas, s, beta)
        store(tile.betas, s, beta)
    pixels_per_metre = load(tile.camera, 0) / load(tile.transl, 2) * chains.size[0]
    store(memory.scalars, PIXELS_PER_METRE, pixels_per_metre)
    store(memory.scalars, POSE_SCALE, one)
    store(memory.scalars, NOISE, FIRST_NOISE * pixels_per_metre)
    store(memory.scalars, QUALITY, zero)
    _prior_transl(chains, tile, memory)


@kernel
def _prior_transl(chains, tile, memory):
    """Precision of the estimate's translation: M^T M, with M its offset across and along the ray."""
    x, y, depth = load3(tile.transl, 0)
    store_all(memory.prior_transl, 0, (x, y, depth))
    inverse = 1.0 / depth
    spread = PLACE_SPREAD * chains.size[0]
    across = full(tile.betas, 1.0) / (spread * spread)
    along = inverse / DEPTH_SPREAD
    x, y = -x * inverse, -y * inverse
    zero = 0.0 * x
    last = across * (x * x + y * y) + along * along
    store_all(
        memory.transl_precision, 0,
        (across, zero, across * x, zero, across, across * y, across * x, across * y, last),
    )  # fmt: skip
    deep = 1.0 / (along * along)
    wide = 1.0 / across
    store_all(
        memory.transl_covariance, 0,
        (
            wide + deep * x * x, deep * x * y, -deep * x,
            deep * x * y, wide + deep * y * y, -deep * y,
            -deep * x, -deep * y, deep,
        ),
    )  # fmt: skip


@kernel
def _weigh_keypoints(chains, memory):
    """Spread of each keypoint from how far it is off: Student's t."""
    noise = load(memory.scalars, NOISE)
    inverse = 1.0 / (noise * noise)
    for k in range(chains.point_joint.size):
        confidence = load(memory.confidence, k)
        u, v = load(memory.residual, 2 * k), load(memory.residual, 2 * k + 1)
        squared = confidence * (u * u + v * v) * inverse
        trust = confidence * (KEYPOINT_FREEDOM + 2.0) / (KEYPOINT_FREEDOM + squared)
        store(memory.weight, k, sqrt(trust * inverse))


@kernel
def _noise_volume(chains, memory):
    """Logarithm of the determinant of the keypoints' own covariance."""
    total = full(memory.change, 0.0)
    for k in range(chains.point_joint.size):
        weight = load(memory.weight, k)
        total = total - log(where(weight > 0.0, weight, 1.0))
    return 4.0 * total


@kernel
def _score(chains, memory, volume):
    """Fused twin of kitro_np.posterior.acceptance.score_of and threshold_of: fills quality and evidence."""
    store(memory.scalars, EVIDENCE, -0.5 * (load(memory.scalars, SURPRISE) + volume))
    count = load(memory.scalars, NUM_VISIBLE)
    numbers = where(count > 0.5, 2.0 * count, 2.0)
    score = (load(memory.scalars, SURPRISE) + volume - load(memory.scalars, FIRST_VOLUME)) / numbers
    pixels_per_metre = load(memory.scalars, PIXELS_PER_METRE)
    score = score + log(load(memory.scalars, SHIFT) / pixels_per_metre + SHIFT_FLOOR)
    score = score - NOISE_WEIGHT * log(load(memory.scalars, NOISE) / (USUAL_NOISE * pixels_per_metre))
    quality = THRESHOLD + THRESHOLD_OF_FEW * (MANY / numbers - 1.0) + chains.allowance[0] - score
    store(memory.scalars, QUALITY, where(count > FEWEST - 0.5, quality, -1.0))


@kernel
def _refuse_odd(tile, memory):
    """Fused twin of kitro_np.posterior.acceptance.quality_of, but for the score: bodies that are too odd."""
    odd = full(tile.betas, 0.0)
    shapes = tile.betas.shape[0]
    for s in range(shapes):
        away = load(tile.betas, s) - load(memory.prior_betas, s)
        odd = odd + BETAS_PRECISION * away * away
    gap = subtract(load3(tile.transl, 0), load3(memory.prior_transl, 0))
    odd = odd + dot(gap, transform(load9(memory.transl_precision, 0), gap))
    over = 1.0 - odd / (ODD_FLOOR + ODD_SHARE * (shapes + 3))
    quality = load(memory.scalars, QUALITY)
    worse = where(over < quality, over, quality)
    store(memory.scalars, QUALITY, where(over < 0.0, worse, quality))


@kernel
def _move(tree, chains, tile, memory):
    """Take the step: fused twin of kitro_np.posterior.fit.turn_joints, with betas and translation."""
    longest = full(tile.betas, LARGEST_TURN * LARGEST_TURN)
    for a in range(chains.moving.size):
        j = chains.moving[a]
        turn = scale(load(memory.moves, j), load3(memory.turn, j))
        length = dot(turn, turn)
        longest = where(length > longest, length, longest)
    share = LARGEST_TURN / sqrt(longest)
    for a in range(chains.moving.size):
        j = chains.moving[a]
        turn = cayley(scale(share * load(memory.moves, j), load3(memory.turn, j)))
        # The change alone goes through the frames: they are rotations to rounding, or to the tolerance.
        turn = (
            turn[0] - 1.0,
            turn[1],
            turn[2],
            turn[3],
            turn[4] - 1.0,
            turn[5],
            turn[6],
            turn[7],
            turn[8] - 1.0,
        )
        local = load9(tile.pose, j)
        if j > 0:
            above = load9(tile.rotations, tree.parents[j])
            turn = multiply(transpose(above), multiply(turn, above))
        change = multiply(turn, local)
        for row in range(9):
            store(tile.pose, 9 * j + row, load(tile.pose, 9 * j + row) + change[row])
    shapes = tree.shapedirs.shape[1]
    for s in range(shapes):
        store(tile.betas, s, load(tile.betas, s) + share * load(memory.change, s))
    # One point says nothing of the distance: then the camera stays.
    fixes = load(memory.scalars, NUM_VISIBLE) > 1.5
    for k in range(3):
        change = share * load(memory.change, shapes + k)
        store(tile.transl, k, load(tile.transl, k) + where(fixes, change, 0.0 * change))


@kernel
def joint_spread(tree, chains, tile, memory):
    """Fused twin of kitro_np.posterior.fit.joint_spread, from the covariance of a step."""
    shapes = tree.shapedirs.shape[1]
    border = shapes + 3
    for j in range(tree.parents.size):
        place = load3(tile.joints, j)
        variance = full(tile.betas, 0.0)
        for d in range(chains.depth[j]):
            i = chains.chain[j, d]
            lever = subtract(place, load3(tile.joints, i))
            for e in range(d + 1):
                h = chains.chain[j, e]
                other = subtract(place, load3(tile.joints, h))
                both = load9(memory.covariance, chains.first_block[i] + e)
                # tr([x]x C [y]x^T) = x.y tr C - y.C x
                own = dot(lever, other) * (both[0] + both[4] + both[8]) - dot(other, transform(both, lever))
                variance = variance + (own if e == d else own + own)
            for s in range(shapes):
                with_beta = rows3(memory.covariance_border, 3 * (border * i + s))
                moved = cross(with_beta, lever)
                by_beta = _by_beta(memory, shapes, j, s)
                own = dot(moved, by_beta)
                variance = variance + own + own
        for s in range(shapes):
            by_beta = _by_beta(memory, shapes, j, s)
            for r in range(shapes):
                both = load(memory.covariance_corner, border * s + r)
                variance = variance + both * dot(by_beta, _by_beta(memory, shapes, j, r))
        store(memory.joint_spread, j, sqrt(where(variance > 0.0, variance, 0.0 * variance)))


@kernel
def _by_beta(memory, shapes, j, s):
    """How a beta moves a joint from the root."""
    return subtract(load3(memory.by_betas, shapes * j + s), load3(memory.by_betas, s))
