"""Acceptance on a tile: gates of the keypoints, and whether their left and right are swapped."""

from __future__ import annotations

from ...posterior.acceptance import SHIFT_DOF
from ...posterior.priors import BETAS_PRECISION, KEYPOINT_DOF
from ..jit import kernel
from ..lanes import full, load, sqrt, store, where
from ..vector_math import (
    add,
    dot,
    load2,
    load3,
    load9,
    rows3,
    scale,
    store_all,
    subtract,
    transform,
    transpose,
)
from .gauss_newton import backwards, cholesky, forwards
from .projection import point_jacobians
from .scalars import NOISE, SHIFT, SWAP_GAIN


@kernel
def gate_keypoints(tree, chains, tile, memory):
    """Fused twin of kitro_np.posterior.acceptance.gate_keypoints, after linearise_prior: fills weight, SHIFT.

    At the estimate betas and translation equal their prior means, so only rotations have a right side.
    """
    one, zero = full(tile.betas, 1.0), full(tile.betas, 0.0)
    for a in range(chains.moving.size):
        j = chains.moving[a]
        factor = cholesky(load9(memory.prior_block, j))
        store_all(
            memory.joint_step, 3 * j, backwards(factor, forwards(factor, load3(memory.prior_right_side, j)))
        )
        store_all(memory.covariance, 9 * (chains.first_block[j] + chains.depth[j]), factor)
    noise = load(memory.scalars, NOISE)
    total, shift_u, shift_v = zero, zero, zero
    for k in range(chains.point_joint.size):
        confidence = load(memory.confidence, k)
        point_jacobians(tree, chains, tile, memory, k, one)
        u, v = load(memory.residual, 2 * k), load(memory.residual, 2 * k + 1)
        mean_u, mean_v, uu, uv, vv = _predicted(chains, memory, k)
        e_u, e_v = u - mean_u, v - mean_v
        uu, vv = uu + noise * noise, vv + noise * noise
        mahalanobis = (vv * e_u * e_u - 2.0 * uv * e_u * e_v + uu * e_v * e_v) / (uu * vv - uv * uv)
        student_weight = confidence * (KEYPOINT_DOF + 2.0) / (KEYPOINT_DOF + mahalanobis)
        store(memory.weight, k, sqrt(student_weight) / noise)
        shift_weight = confidence * (SHIFT_DOF + 2.0) / (SHIFT_DOF + mahalanobis)
        total = total + shift_weight
        shift_u, shift_v = shift_u + shift_weight * u, shift_v + shift_weight * v
    total = where(total > 0.0, total, 1.0)
    store(memory.scalars, SHIFT, sqrt(shift_u * shift_u + shift_v * shift_v) / total)


@kernel
def _predicted(chains, memory, k):
    """Prior prediction of a point from its projection, J_k L^-1 p, and its covariance J_k L^-1 J_k^T."""
    border = memory.border_step.shape[0]
    transl_jacobian_u, transl_jacobian_v = (
        rows3(memory.border_jacobian_u, border - 3),
        rows3(memory.border_jacobian_v, border - 3),
    )
    covariance = load9(memory.transl_covariance, 0)
    by_u = transform(covariance, transl_jacobian_u)
    uu, uv, vv = (
        dot(by_u, transl_jacobian_u),
        dot(by_u, transl_jacobian_v),
        dot(transform(covariance, transl_jacobian_v), transl_jacobian_v),
    )
    mean_u, mean_v = 0.0 * uu, 0.0 * uu
    for s in range(border - 3):
        u, v = load(memory.border_jacobian_u, s), load(memory.border_jacobian_v, s)
        uu, uv, vv = (
            uu + u * u / BETAS_PRECISION,
            uv + u * v / BETAS_PRECISION,
            vv + v * v / BETAS_PRECISION,
        )
    for d in range(chains.point_above[k]):
        j = chains.chain[chains.point_joint[k], d]
        factor = load9(memory.covariance, chains.first_block[j] + chains.depth[j])
        rotvec = load3(memory.joint_step, j)
        mean_u = mean_u + dot(rotvec, load3(memory.joint_jacobian_u, d))
        mean_v = mean_v + dot(rotvec, load3(memory.joint_jacobian_v, d))
        by_u, by_v = (
            forwards(factor, load3(memory.joint_jacobian_u, d)),
            forwards(factor, load3(memory.joint_jacobian_v, d)),
        )
        uu, uv, vv = uu + dot(by_u, by_u), uv + dot(by_u, by_v), vv + dot(by_v, by_v)
    return mean_u, mean_v, uu, uv, vv


@kernel
def swap_gain(tree, chains, tile, memory):
    """Fused twin of kitro_np.posterior.acceptance.swap_gain, by the first step's factor: fills SWAP_GAIN."""
    best, own = full(tile.betas, 0.0), full(tile.betas, 0.0)
    if chains.swaps.shape[0] > 0:
        # -1 is the given assignment: a separate call would be inlined, and compiled, a second time.
        for a in range(-1, chains.swaps.shape[0]):
            distance = _assignment_mahalanobis(tree, chains, tile, memory, a)
            own = distance if a < 0 else own
            best = where(own - distance > best, own - distance, best)
    store(memory.scalars, SWAP_GAIN, best)


@kernel
def _assignment_mahalanobis(tree, chains, tile, memory, a):
    """Squared Mahalanobis distance of assignment `a`, -1 as given, up to a constant that all share."""
    border = memory.border_step.shape[0]
    zero = full(tile.betas, 0.0)
    for s in range(border):
        store(memory.other_border_side, s, zero)
    for m in range(chains.moving.size):
        j = chains.moving[m]
        store_all(memory.other_joint_side, 3 * j, load3(memory.prior_right_side, j))
    total = zero
    for k in range(chains.point_joint.size):
        weight = load(memory.weight, k)
        u, v = load(memory.residual, 2 * k), load(memory.residual, 2 * k + 1)
        if a >= 0:
            twin = chains.swaps[a, k]
            both = load(memory.confidence, k) * load(memory.confidence, twin) > 0.0
            own_u, own_v = load2(tile.keypoints, k)
            twin_u, twin_v = load2(tile.keypoints, twin)
            u, v = u + where(both, twin_u - own_u, 0.0), v + where(both, twin_v - own_v, 0.0)
        u, v = weight * u, weight * v
        point_jacobians(tree, chains, tile, memory, k, weight)
        for d in range(chains.point_above[k]):
            j = chains.chain[chains.point_joint[k], d]
            right_side = add(
                scale(u, load3(memory.joint_jacobian_u, d)), scale(v, load3(memory.joint_jacobian_v, d))
            )
            store_all(memory.other_joint_side, 3 * j, add(load3(memory.other_joint_side, j), right_side))
        for s in range(border):
            right_side = u * load(memory.border_jacobian_u, s) + v * load(memory.border_jacobian_v, s)
            store(memory.other_border_side, s, load(memory.other_border_side, s) + right_side)
        total = total + (u * u + v * v)
    return total - _solved_norm(chains, memory)


@kernel
def _solved_norm(chains, memory):
    """Squared norm of C^-1 b, with an assignment's right side b and the normal matrix's Cholesky factor C."""
    border = memory.border_step.shape[0]
    total = full(memory.border_step, 0.0)
    for m in range(chains.moving.size - 1, -1, -1):
        j = chains.moving[m]
        depth, first = chains.depth[j], chains.first_block[j]
        right_side = forwards(load9(memory.block, first + depth), load3(memory.other_joint_side, j))
        total = total + dot(right_side, right_side)
        for d in range(depth):
            i = chains.chain[j, d]
            update = transform(transpose(load9(memory.block, first + d)), right_side)
            store_all(memory.other_joint_side, 3 * i, subtract(load3(memory.other_joint_side, i), update))
        for s in range(border):
            update = dot(rows3(memory.border, 3 * (border * j + s)), right_side)
            store(memory.other_border_side, s, load(memory.other_border_side, s) - update)
    for s in range(border):
        remainder = load(memory.other_border_side, s)
        for r in range(s):
            remainder = remainder - load(memory.corner, border * s + r) * load(memory.other_border_side, r)
        remainder = remainder * load(memory.corner, (border + 1) * s)
        store(memory.other_border_side, s, remainder)
        total = total + remainder * remainder
    return total
