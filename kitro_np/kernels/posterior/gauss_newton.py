"""Step: the most probable change of a tile's bodies, all slopes taken as constant."""

from __future__ import annotations

import math

from ...posterior.priors import BETAS_PRECISION
from ..jit import kernel
from ..lanes import full, load, log, sqrt, store
from ..vector_math import (
    add,
    chord,
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
from .projection import point_slopes
from .scalars import MISSED, POSE_SCALE, SURPRISE, VOLUME

LOG_BETAS_PRECISION = math.log(BETAS_PRECISION)


@kernel
def best_step(tree, chains, tile, memory):
    """Fused twin of kitro_np.posterior.gauss_newton.best_step, after known_step: leaves the matrix's factor.

    The right side is solved as far as the factor goes; :func:`finish_step` turns it into the step.
    """
    for k in range(chains.point_joint.size):
        _add_point(tree, chains, tile, memory, k)
    for a in range(chains.moving.size - 1, -1, -1):
        _eliminate(chains, memory, chains.moving[a])
    _factor_corner(memory)
    _volume(chains, memory)


@kernel
def finish_step(tree, chains, tile, memory):
    """Solve for turn and change, and say what the step leaves over."""
    _solve(chains, memory)
    _surprise(tree, chains, tile, memory)


@kernel
def deviation_of(tree, tile, memory):
    """Fused twin of kitro_np.posterior.gauss_newton.deviation_of."""
    for j in range(tree.parents.size):
        away = multiply(transpose(load9(tile.initial_pose, j)), load9(tile.pose, j))
        rotations, _ = chord(away)
        store_all(memory.deviation, 3 * j, transform(load9(tile.rotations, j), rotations))


@kernel
def known_step(tree, chains, tile, memory):
    """Fused twin of kitro_np.posterior.gauss_newton.known_step: starts the matrix and the right side."""
    deviation_of(tree, tile, memory)
    zero = full(tile.betas, 0.0)
    border = memory.change.shape[0]
    shapes = border - 3
    for row in range(memory.block.shape[0]):
        store(memory.block, row, zero)
    for row in range(memory.border.shape[0]):
        store(memory.border, row, zero)
    for row in range(memory.corner.shape[0]):
        store(memory.corner, row, zero)
    for s in range(shapes):
        store(memory.corner, (border + 1) * s, full(tile.betas, BETAS_PRECISION))
        store(memory.change, s, BETAS_PRECISION * (load(memory.prior_betas, s) - load(tile.betas, s)))
    gap = subtract(load3(memory.prior_transl, 0), load3(tile.transl, 0))
    precision = load9(memory.transl_precision, 0)
    store_all(memory.change, shapes, transform(precision, gap))
    for row in range(3):
        for column in range(3):
            place = border * (shapes + row) + shapes + column
            store(memory.corner, place, load(memory.transl_precision, 3 * row + column))
    pose_scale = load(memory.scalars, POSE_SCALE)
    for a in range(chains.moving.size):
        j = chains.moving[a]
        known_turn(chains, tile, memory, j, pose_scale)


@kernel
def known_turn(chains, tile, memory, j, pose_scale):
    """Precision and pull of one joint's turn: from the estimate, and from how people hold that joint."""
    inverse = 1.0 / pose_scale
    inverse = inverse * inverse
    x = inverse / (chains.pose_spread[j, 0] * chains.pose_spread[j, 0])
    y = inverse / (chains.pose_spread[j, 1] * chains.pose_spread[j, 1])
    z = inverse / (chains.pose_spread[j, 2] * chains.pose_spread[j, 2])
    place, q = chord(load9(tile.pose, j))
    back = transpose(load9(tile.rotations, j))
    # (q I + [place / 2]x) G^T
    by_x, by_y, by_z = (back[0], back[3], back[6]), (back[1], back[4], back[7]), (back[2], back[5], back[8])
    half = scale(0.5, place)
    by_x, by_y, by_z = (
        add(scale(q, by_x), cross(half, by_x)),
        add(scale(q, by_y), cross(half, by_y)),
        add(scale(q, by_z), cross(half, by_z)),
    )
    p = chains.motion_precision[j]
    off = (
        place[0] - chains.motion_mean[j, 0],
        place[1] - chains.motion_mean[j, 1],
        place[2] - chains.motion_mean[j, 2],
    )
    off, weighed_x = _weigh(p, off), _weigh(p, by_x)
    weighed_y, weighed_z = _weigh(p, by_y), _weigh(p, by_z)
    xy, xz, yz = dot(weighed_x, by_y), dot(weighed_x, by_z), dot(weighed_y, by_z)
    x_, y_, z_ = x + dot(weighed_x, by_x), y + dot(weighed_y, by_y), z + dot(weighed_z, by_z)
    known = (x_, xy, xz, xy, y_, yz, xz, yz, z_)
    store_all(memory.prior_block, 9 * j, known)
    store_all(memory.block, 9 * (chains.first_block[j] + chains.depth[j]), known)
    away = load3(memory.deviation, j)
    pull = (-x * away[0] - dot(off, by_x), -y * away[1] - dot(off, by_y), -z * away[2] - dot(off, by_z))
    store_all(memory.turn, 3 * j, pull)
    store_all(memory.prior_pull, 3 * j, pull)


@kernel
def _weigh(precision, v):
    """Multiply a symmetric matrix, the same for all bodies, with a vector of lanes."""
    return (
        precision[0, 0] * v[0] + precision[0, 1] * v[1] + precision[0, 2] * v[2],
        precision[0, 1] * v[0] + precision[1, 1] * v[1] + precision[1, 2] * v[2],
        precision[0, 2] * v[0] + precision[1, 2] * v[1] + precision[2, 2] * v[2],
    )


@kernel
def _add_point(tree, chains, tile, memory, k):
    """Add one keypoint to the matrix and the right side."""
    weight = load(memory.weight, k)
    point_slopes(tree, chains, tile, memory, k, weight)
    missed_u, missed_v = weight * load(memory.residual, 2 * k), weight * load(memory.residual, 2 * k + 1)
    border = memory.change.shape[0]
    for d in range(chains.point_above[k]):
        j = chains.chain[chains.point_joint[k], d]
        u, v = load3(memory.lever_u, d), load3(memory.lever_v, d)
        store_all(memory.turn, 3 * j, add(load3(memory.turn, j), add(scale(missed_u, u), scale(missed_v, v))))
        for e in range(d + 1):
            block = chains.first_block[j] + e
            other_u, other_v = load3(memory.lever_u, e), load3(memory.lever_v, e)
            old = load9(memory.block, block)
            store_all(memory.block, 9 * block, _add_outer2(old, u, other_u, v, other_v))
        for s in range(border):
            by_u, by_v = load(memory.slope_u, s), load(memory.slope_v, s)
            row = 3 * (border * j + s)
            old = rows3(memory.border, row)
            store_all(memory.border, row, add(old, add(scale(by_u, u), scale(by_v, v))))
    for s in range(border):
        u, v = load(memory.slope_u, s), load(memory.slope_v, s)
        store(memory.change, s, load(memory.change, s) + (u * missed_u + v * missed_v))
        for r in range(s + 1):
            row = border * s + r
            old = load(memory.corner, row)
            store(memory.corner, row, old + (u * load(memory.slope_u, r) + v * load(memory.slope_v, r)))


@kernel
def _add_outer2(m, a, b, c, d):
    """Matrix m + a b^T + c d^T."""
    return (
        m[0] + a[0] * b[0] + c[0] * d[0], m[1] + a[0] * b[1] + c[0] * d[1], m[2] + a[0] * b[2] + c[0] * d[2],
        m[3] + a[1] * b[0] + c[1] * d[0], m[4] + a[1] * b[1] + c[1] * d[1], m[5] + a[1] * b[2] + c[1] * d[2],
        m[6] + a[2] * b[0] + c[2] * d[0], m[7] + a[2] * b[1] + c[2] * d[1], m[8] + a[2] * b[2] + c[2] * d[2],
    )  # fmt: skip


@kernel
def cholesky(m):
    """Factor of a symmetric 3x3 matrix L L^T: 1/l11, l21, 1/l22, l31, l32, 1/l33, and three zeros."""
    first = 1.0 / sqrt(m[0])
    l21, l31 = m[3] * first, m[6] * first
    second = 1.0 / sqrt(m[4] - l21 * l21)
    l32 = (m[7] - l31 * l21) * second
    third = 1.0 / sqrt(m[8] - l31 * l31 - l32 * l32)
    zero = 0.0 * first
    return first, l21, second, l31, l32, third, zero, zero, zero


@kernel
def forwards(factor, v):
    """Solve L y = v."""
    x = v[0] * factor[0]
    y = (v[1] - factor[1] * x) * factor[2]
    return x, y, (v[2] - factor[3] * x - factor[4] * y) * factor[5]


@kernel
def backwards(factor, v):
    """Solve L^T y = v."""
    z = v[2] * factor[5]
    y = (v[1] - factor[4] * z) * factor[2]
    return (v[0] - factor[1] * y - factor[3] * z) * factor[0], y, z


@kernel
def _forwards_block(factor, m):
    """Solve L Y = M, column by column."""
    a = forwards(factor, (m[0], m[3], m[6]))
    b = forwards(factor, (m[1], m[4], m[7]))
    c = forwards(factor, (m[2], m[5], m[8]))
    return a[0], b[0], c[0], a[1], b[1], c[1], a[2], b[2], c[2]


@kernel
def _eliminate(chains, memory, j):
    """Factor a joint's row, and take what it says of the joints above, betas and translation from theirs."""
    depth, first = chains.depth[j], chains.first_block[j]
    border = memory.change.shape[0]
    factor = cholesky(load9(memory.block, first + depth))
    store_all(memory.block, 9 * (first + depth), factor)
    side = forwards(factor, load3(memory.turn, j))
    store_all(memory.turn, 3 * j, side)
    for d in range(depth):
        store_all(memory.block, 9 * (first + d), _forwards_block(factor, load9(memory.block, first + d)))
    for s in range(border):
        row = 3 * (border * j + s)
        store_all(memory.border, row, forwards(factor, rows3(memory.border, row)))
    for d in range(depth):
        i = chains.chain[j, d]
        own = transpose(load9(memory.block, first + d))
        store_all(memory.turn, 3 * i, subtract(load3(memory.turn, i), transform(own, side)))
        for e in range(d + 1):
            block = chains.first_block[i] + e
            taken = multiply(own, load9(memory.block, first + e))
            store_all(memory.block, 9 * block, _subtract9(load9(memory.block, block), taken))
        for s in range(border):
            row = 3 * (border * i + s)
            taken = transform(own, rows3(memory.border, 3 * (border * j + s)))
            store_all(memory.border, row, subtract(rows3(memory.border, row), taken))
    for s in range(border):
        own = rows3(memory.border, 3 * (border * j + s))
        store(memory.change, s, load(memory.change, s) - dot(own, side))
        for r in range(s + 1):
            row = border * s + r
            store(
                memory.corner, row,
                load(memory.corner, row) - dot(own, rows3(memory.border, 3 * (border * j + r))),
            )  # fmt: skip


@kernel
def _subtract9(m, n):
    return (
        m[0] - n[0], m[1] - n[1], m[2] - n[2], m[3] - n[3], m[4] - n[4],
        m[5] - n[5], m[6] - n[6], m[7] - n[7], m[8] - n[8],
    )  # fmt: skip


@kernel
def _factor_corner(memory):
    """Cholesky factor of the corner, in its lower triangle; the diagonal holds inverses."""
    border = memory.change.shape[0]
    for s in range(border):
        for r in range(s + 1):
            left = load(memory.corner, border * s + r)
            for q in range(r):
                left = left - load(memory.corner, border * s + q) * load(memory.corner, border * r + q)
            if r < s:
                store(memory.corner, border * s + r, left * load(memory.corner, (border + 1) * r))
            else:
                store(memory.corner, (border + 1) * s, 1.0 / sqrt(left))


@kernel
def _solve(chains, memory):
    """Turn the right side into the step: betas and translation first, then joints from the root outwards."""
    border = memory.change.shape[0]
    for s in range(border):
        left = load(memory.change, s)
        for r in range(s):
            left = left - load(memory.corner, border * s + r) * load(memory.change, r)
        store(memory.change, s, left * load(memory.corner, (border + 1) * s))
    for s in range(border - 1, -1, -1):
        left = load(memory.change, s)
        for r in range(s + 1, border):
            left = left - load(memory.corner, border * r + s) * load(memory.change, r)
        store(memory.change, s, left * load(memory.corner, (border + 1) * s))
    for a in range(chains.moving.size):
        j = chains.moving[a]
        first, depth = chains.first_block[j], chains.depth[j]
        side = load3(memory.turn, j)
        for d in range(depth):
            above = load3(memory.turn, chains.chain[j, d])
            side = subtract(side, transform(load9(memory.block, first + d), above))
        for s in range(border):
            along = rows3(memory.border, 3 * (border * j + s))
            side = subtract(side, scale(load(memory.change, s), along))
        store_all(memory.turn, 3 * j, backwards(load9(memory.block, first + depth), side))


@kernel
def _volume(chains, memory):
    """Logarithm of the determinant of the factor's matrix over that of what is known without keypoints."""
    border = memory.change.shape[0]
    known = cholesky(load9(memory.transl_precision, 0))
    total = log(known[0] * known[2] * known[5]) - 0.5 * (border - 3) * LOG_BETAS_PRECISION
    for a in range(chains.moving.size):
        j = chains.moving[a]
        known = cholesky(load9(memory.prior_block, j))
        factor = load9(memory.block, chains.first_block[j] + chains.depth[j])
        total = total + log((known[0] * known[2] * known[5]) / (factor[0] * factor[2] * factor[5]))
    for s in range(border):
        total = total - log(load(memory.corner, (border + 1) * s))
    store(memory.scalars, VOLUME, total + total)


@kernel
def _surprise(tree, chains, tile, memory):
    """Sum of squared deviations that the step leaves: of keypoints, and of those with all else."""
    missed = _missed_after(tree, chains, tile, memory)
    store(memory.scalars, MISSED, missed)
    border = memory.change.shape[0]
    for s in range(border - 3):
        away = load(memory.prior_betas, s) - load(tile.betas, s) - load(memory.change, s)
        missed = missed + BETAS_PRECISION * away * away
    gap = subtract(load3(memory.prior_transl, 0), load3(tile.transl, 0))
    gap = subtract(gap, rows3(memory.change, border - 3))
    missed = missed + dot(gap, transform(load9(memory.transl_precision, 0), gap))
    for a in range(chains.moving.size):
        j = chains.moving[a]
        known = load9(memory.prior_block, j)
        factor = cholesky(known)
        away = backwards(factor, forwards(factor, load3(memory.prior_pull, j)))
        away = subtract(load3(memory.turn, j), away)
        missed = missed + dot(away, transform(known, away))
    store(memory.scalars, SURPRISE, missed)


@kernel
def _missed_after(tree, chains, tile, memory):
    total = full(tile.betas, 0.0)
    border = memory.change.shape[0]
    for k in range(chains.point_joint.size):
        weight = load(memory.weight, k)
        point_slopes(tree, chains, tile, memory, k, weight)
        u, v = weight * load(memory.residual, 2 * k), weight * load(memory.residual, 2 * k + 1)
        for s in range(border):
            change = load(memory.change, s)
            u, v = u - change * load(memory.slope_u, s), v - change * load(memory.slope_v, s)
        for d in range(chains.point_above[k]):
            turn = load3(memory.turn, chains.chain[chains.point_joint[k], d])
            u = u - dot(turn, load3(memory.lever_u, d))
            v = v - dot(turn, load3(memory.lever_v, d))
        total = total + (u * u + v * v)
    return total
