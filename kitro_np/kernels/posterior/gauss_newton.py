"""One Gauss-Newton step of a tile: a block Cholesky factorisation of the normal matrix J^T J + L."""

from __future__ import annotations

import math

from ...posterior.priors import BETAS_PRECISION, TURN_DOF
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
from .projection import point_jacobians
from .scalars import LOG_DETERMINANT, MAHALANOBIS, POSE_SCALE, SQUARED_RESIDUAL, TURN_PRECISION

LOG_BETAS_PRECISION = math.log(BETAS_PRECISION)


@kernel
def gauss_newton_step(tree, chains, tile, memory):
    """Fused twin of kitro_np.posterior.gauss_newton.gauss_newton_step, after linearise_prior.

    It leaves the Cholesky factor and the forward-substituted right side; :func:`finish_step` solves for the
    step.
    """
    for k in range(chains.point_joint.size):
        add_point(tree, chains, tile, memory, k)
    for a in range(chains.moving.size - 1, -1, -1):
        eliminate(chains, memory, chains.moving[a])
    factor_corner(memory)


@kernel
def finish_step(tree, chains, tile, memory):
    """Solve for the step by back substitution; fill SQUARED_RESIDUAL."""
    _solve(chains, memory)
    store(memory.scalars, SQUARED_RESIDUAL, _squared_residual(tree, chains, tile, memory))


@kernel
def step_statistics(chains, tile, memory):
    """Fill LOG_DETERMINANT and MAHALANOBIS, after finish_step."""
    _log_determinant(chains, memory)
    _mahalanobis(chains, tile, memory)


@kernel
def deviation_of(tree, tile, memory):
    """Fused twin of kitro_np.posterior.gauss_newton.deviation_of."""
    for j in range(tree.parents.size):
        relative = multiply(transpose(load9(tile.initial_pose, j)), load9(tile.pose, j))
        local, _ = chord(relative)
        store_all(memory.deviation, 3 * j, transform(load9(tile.rotations, j), local))


@kernel
def linearise_prior(tree, chains, tile, memory):
    """Fused twin of kitro_np.posterior.gauss_newton.linearise_prior: writes L and p."""
    deviation_of(tree, tile, memory)
    zero = full(tile.betas, 0.0)
    border = memory.border_step.shape[0]
    shapes = border - 3
    for row in range(memory.block.shape[0]):
        store(memory.block, row, zero)
    for row in range(memory.border.shape[0]):
        store(memory.border, row, zero)
    for row in range(memory.corner.shape[0]):
        store(memory.corner, row, zero)
    for s in range(shapes):
        store(memory.corner, (border + 1) * s, full(tile.betas, BETAS_PRECISION))
        store(memory.border_step, s, BETAS_PRECISION * (load(memory.prior_betas, s) - load(tile.betas, s)))
    offset = subtract(load3(memory.prior_transl, 0), load3(tile.transl, 0))
    precision = load9(memory.transl_precision, 0)
    store_all(memory.border_step, shapes, transform(precision, offset))
    for row in range(3):
        for column in range(3):
            entry = border * (shapes + row) + shapes + column
            store(memory.corner, entry, load(memory.transl_precision, 3 * row + column))
    pose_scale = load(memory.scalars, POSE_SCALE)
    _widen_turn(chains, memory, pose_scale)
    for a in range(chains.moving.size):
        j = chains.moving[a]
        linearise_pose_prior(chains, tile, memory, j, pose_scale)


@kernel
def _widen_turn(chains, memory, pose_scale):
    """Fused twin of kitro_np.posterior.gauss_newton._widened: fills TURN_PRECISION."""
    x, y, _ = load3(memory.deviation, 0)
    x, y = x / (pose_scale * chains.pose_spread[0, 0]), y / (pose_scale * chains.pose_spread[0, 1])
    store(memory.scalars, TURN_PRECISION, 1.0 / (1.0 + (x * x + y * y) / TURN_DOF))


@kernel
def linearise_pose_prior(chains, tile, memory, j, pose_scale):
    """Precision block and right side of one joint's rotation, from the estimate and the motion prior."""
    inverse = 1.0 / pose_scale
    inverse = inverse * inverse
    x = inverse / (chains.pose_spread[j, 0] * chains.pose_spread[j, 0])
    y = inverse / (chains.pose_spread[j, 1] * chains.pose_spread[j, 1])
    z = inverse / (chains.pose_spread[j, 2] * chains.pose_spread[j, 2])
    if j == 0:
        turn = load(memory.scalars, TURN_PRECISION)
        x, y, z = turn * x, turn * y, turn * z
    joint_chord, q = chord(load9(tile.pose, j))
    inverse_rotation = transpose(load9(tile.rotations, j))
    # Columns of D = (q I + [c / 2]x) G^T, with the chord c
    by_x, by_y, by_z = (
        (inverse_rotation[0], inverse_rotation[3], inverse_rotation[6]),
        (inverse_rotation[1], inverse_rotation[4], inverse_rotation[7]),
        (inverse_rotation[2], inverse_rotation[5], inverse_rotation[8]),
    )
    half = scale(0.5, joint_chord)
    by_x, by_y, by_z = (
        add(scale(q, by_x), cross(half, by_x)),
        add(scale(q, by_y), cross(half, by_y)),
        add(scale(q, by_z), cross(half, by_z)),
    )
    p = chains.motion_precision[j]
    offset = (
        joint_chord[0] - chains.motion_mean[j, 0],
        joint_chord[1] - chains.motion_mean[j, 1],
        joint_chord[2] - chains.motion_mean[j, 2],
    )
    weighted_offset, weighted_x = times_precision(p, offset), times_precision(p, by_x)
    weighted_y, weighted_z = times_precision(p, by_y), times_precision(p, by_z)
    xy, xz, yz = dot(weighted_x, by_y), dot(weighted_x, by_z), dot(weighted_y, by_z)
    x_, y_, z_ = x + dot(weighted_x, by_x), y + dot(weighted_y, by_y), z + dot(weighted_z, by_z)
    prior_block = (x_, xy, xz, xy, y_, yz, xz, yz, z_)
    store_all(memory.prior_block, 9 * j, prior_block)
    store_all(memory.block, 9 * (chains.first_block[j] + chains.depth[j]), prior_block)
    deviation = load3(memory.deviation, j)
    right_side = (
        -x * deviation[0] - dot(weighted_offset, by_x),
        -y * deviation[1] - dot(weighted_offset, by_y),
        -z * deviation[2] - dot(weighted_offset, by_z),
    )
    store_all(memory.joint_step, 3 * j, right_side)
    store_all(memory.prior_right_side, 3 * j, right_side)


@kernel
def times_precision(precision, v):
    """Symmetric matrix, the same for all bodies, times a vector of lanes."""
    return (
        precision[0, 0] * v[0] + precision[0, 1] * v[1] + precision[0, 2] * v[2],
        precision[0, 1] * v[0] + precision[1, 1] * v[1] + precision[1, 2] * v[2],
        precision[0, 2] * v[0] + precision[1, 2] * v[1] + precision[2, 2] * v[2],
    )


@kernel
def add_point(tree, chains, tile, memory, k):
    """Add one keypoint's J_k^T J_k to the normal matrix and J_k^T r_k to the right side."""
    weight = load(memory.weight, k)
    point_jacobians(tree, chains, tile, memory, k, weight)
    residual_u, residual_v = weight * load(memory.residual, 2 * k), weight * load(memory.residual, 2 * k + 1)
    border = memory.border_step.shape[0]
    for d in range(chains.point_above[k]):
        j = chains.chain[chains.point_joint[k], d]
        u, v = load3(memory.joint_jacobian_u, d), load3(memory.joint_jacobian_v, d)
        store_all(
            memory.joint_step,
            3 * j,
            add(load3(memory.joint_step, j), add(scale(residual_u, u), scale(residual_v, v))),
        )
        for e in range(d + 1):
            block = chains.first_block[j] + e
            other_u, other_v = load3(memory.joint_jacobian_u, e), load3(memory.joint_jacobian_v, e)
            old = load9(memory.block, block)
            store_all(memory.block, 9 * block, _add_outer2(old, u, other_u, v, other_v))
        for s in range(border):
            by_u, by_v = load(memory.border_jacobian_u, s), load(memory.border_jacobian_v, s)
            row = 3 * (border * j + s)
            old = rows3(memory.border, row)
            store_all(memory.border, row, add(old, add(scale(by_u, u), scale(by_v, v))))
    for s in range(border):
        u, v = load(memory.border_jacobian_u, s), load(memory.border_jacobian_v, s)
        store(memory.border_step, s, load(memory.border_step, s) + (u * residual_u + v * residual_v))
        for r in range(s + 1):
            row = border * s + r
            old = load(memory.corner, row)
            store(
                memory.corner,
                row,
                old + (u * load(memory.border_jacobian_u, r) + v * load(memory.border_jacobian_v, r)),
            )


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
    """Cholesky factor L of a symmetric 3x3 matrix: 1/l11, l21, 1/l22, l31, l32, 1/l33, and three zeros."""
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
def eliminate(chains, memory, j):
    """Factor a joint's block row, and subtract its Schur complement from ancestors, betas and translation."""
    depth, first = chains.depth[j], chains.first_block[j]
    border = memory.border_step.shape[0]
    factor = cholesky(load9(memory.block, first + depth))
    store_all(memory.block, 9 * (first + depth), factor)
    right_side = forwards(factor, load3(memory.joint_step, j))
    store_all(memory.joint_step, 3 * j, right_side)
    for d in range(depth):
        store_all(memory.block, 9 * (first + d), _forwards_block(factor, load9(memory.block, first + d)))
    for s in range(border):
        row = 3 * (border * j + s)
        store_all(memory.border, row, forwards(factor, rows3(memory.border, row)))
    for d in range(depth):
        i = chains.chain[j, d]
        own = transpose(load9(memory.block, first + d))
        store_all(memory.joint_step, 3 * i, subtract(load3(memory.joint_step, i), transform(own, right_side)))
        for e in range(d + 1):
            block = chains.first_block[i] + e
            update = multiply(own, load9(memory.block, first + e))
            store_all(memory.block, 9 * block, _subtract9(load9(memory.block, block), update))
        for s in range(border):
            row = 3 * (border * i + s)
            update = transform(own, rows3(memory.border, 3 * (border * j + s)))
            store_all(memory.border, row, subtract(rows3(memory.border, row), update))
    for s in range(border):
        own = rows3(memory.border, 3 * (border * j + s))
        store(memory.border_step, s, load(memory.border_step, s) - dot(own, right_side))
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
def factor_corner(memory):
    """Cholesky factor of the corner, in its lower triangle; the diagonal holds reciprocals."""
    border = memory.border_step.shape[0]
    for s in range(border):
        for r in range(s + 1):
            remainder = load(memory.corner, border * s + r)
            for q in range(r):
                remainder = remainder - load(memory.corner, border * s + q) * load(
                    memory.corner, border * r + q
                )
            if r < s:
                store(memory.corner, border * s + r, remainder * load(memory.corner, (border + 1) * r))
            else:
                store(memory.corner, (border + 1) * s, 1.0 / sqrt(remainder))


@kernel
def _solve(chains, memory):
    """Back substitution: betas and translation first, then joints from the root outwards."""
    border = memory.border_step.shape[0]
    for s in range(border):
        remainder = load(memory.border_step, s)
        for r in range(s):
            remainder = remainder - load(memory.corner, border * s + r) * load(memory.border_step, r)
        store(memory.border_step, s, remainder * load(memory.corner, (border + 1) * s))
    for s in range(border - 1, -1, -1):
        remainder = load(memory.border_step, s)
        for r in range(s + 1, border):
            remainder = remainder - load(memory.corner, border * r + s) * load(memory.border_step, r)
        store(memory.border_step, s, remainder * load(memory.corner, (border + 1) * s))
    solve_joints(chains, memory)


@kernel
def solve_joints(chains, memory):
    """Back substitution of the joints, after betas and translation."""
    border = memory.border_step.shape[0]
    for a in range(chains.moving.size):
        j = chains.moving[a]
        first, depth = chains.first_block[j], chains.depth[j]
        right_side = load3(memory.joint_step, j)
        for d in range(depth):
            above = load3(memory.joint_step, chains.chain[j, d])
            right_side = subtract(right_side, transform(load9(memory.block, first + d), above))
        for s in range(border):
            along = rows3(memory.border, 3 * (border * j + s))
            right_side = subtract(right_side, scale(load(memory.border_step, s), along))
        store_all(memory.joint_step, 3 * j, backwards(load9(memory.block, first + depth), right_side))


@kernel
def _log_determinant(chains, memory):
    """Logarithm of |J^T J + L| / |L|, which is |S|: fills LOG_DETERMINANT."""
    border = memory.border_step.shape[0]
    prior_block = cholesky(load9(memory.transl_precision, 0))
    total = log(prior_block[0] * prior_block[2] * prior_block[5])
    total = total - full(memory.corner, 0.5 * (border - 3) * LOG_BETAS_PRECISION)
    for a in range(chains.moving.size):
        j = chains.moving[a]
        prior_block = cholesky(load9(memory.prior_block, j))
        factor = load9(memory.block, chains.first_block[j] + chains.depth[j])
        total = total + log(
            (prior_block[0] * prior_block[2] * prior_block[5]) / (factor[0] * factor[2] * factor[5])
        )
    for s in range(border):
        total = total - log(load(memory.corner, (border + 1) * s))
    store(memory.scalars, LOG_DETERMINANT, total + total)


@kernel
def _mahalanobis(chains, tile, memory):
    """Fill MAHALANOBIS: the squared residual, and the step's squared distance from its prior."""
    total = load(memory.scalars, SQUARED_RESIDUAL)
    border = memory.border_step.shape[0]
    for s in range(border - 3):
        deviation = load(memory.prior_betas, s) - load(tile.betas, s) - load(memory.border_step, s)
        total = total + BETAS_PRECISION * deviation * deviation
    offset = subtract(load3(memory.prior_transl, 0), load3(tile.transl, 0))
    offset = subtract(offset, rows3(memory.border_step, border - 3))
    total = total + dot(offset, transform(load9(memory.transl_precision, 0), offset))
    for a in range(chains.moving.size):
        j = chains.moving[a]
        prior_block = load9(memory.prior_block, j)
        factor = cholesky(prior_block)
        deviation = backwards(factor, forwards(factor, load3(memory.prior_right_side, j)))
        deviation = subtract(load3(memory.joint_step, j), deviation)
        total = total + dot(deviation, transform(prior_block, deviation))
    store(memory.scalars, MAHALANOBIS, total)


@kernel
def _squared_residual(tree, chains, tile, memory):
    total = full(tile.betas, 0.0)
    for k in range(chains.point_joint.size):
        u, v = residual_after(tree, chains, tile, memory, k, load(memory.weight, k))
        total = total + (u * u + v * v)
    return total


@kernel
def residual_after(tree, chains, tile, memory, k, weight):
    """Residual of a keypoint after the step, to first order, times a weight."""
    point_jacobians(tree, chains, tile, memory, k, weight)
    u, v = weight * load(memory.residual, 2 * k), weight * load(memory.residual, 2 * k + 1)
    for s in range(memory.border_step.shape[0]):
        change = load(memory.border_step, s)
        u, v = (
            u - change * load(memory.border_jacobian_u, s),
            v - change * load(memory.border_jacobian_v, s),
        )
    for d in range(chains.point_above[k]):
        rotvec = load3(memory.joint_step, chains.chain[chains.point_joint[k], d])
        u = u - dot(rotvec, load3(memory.joint_jacobian_u, d))
        v = v - dot(rotvec, load3(memory.joint_jacobian_v, d))
    return u, v
