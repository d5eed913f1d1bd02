"""Verdict on a tile: whether keypoints are their bodies', and whether their left and right are."""

from __future__ import annotations

from ...posterior.acceptance import SHIFT_FREEDOM
from ...posterior.priors import BETAS_PRECISION, KEYPOINT_FREEDOM
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
from .projection import point_slopes
from .scalars import GAIN, NOISE, SHIFT


@kernel
def gate_keypoints(tree, chains, tile, memory):
    """Fused twin of kitro_np.posterior.acceptance.gate_keypoints, after known_step: fills weight and shift.

    At the estimate, betas and translation are those to expect: only turns pull.
    """
    one, zero = full(tile.betas, 1.0), full(tile.betas, 0.0)
    for a in range(chains.moving.size):
        j = chains.moving[a]
        factor = cholesky(load9(memory.prior_block, j))
        store_all(memory.turn, 3 * j, backwards(factor, forwards(factor, load3(memory.prior_pull, j))))
        store_all(memory.covariance, 9 * (chains.first_block[j] + chains.depth[j]), factor)
    noise = load(memory.scalars, NOISE)
    total, shift_u, shift_v = zero, zero, zero
    for k in range(chains.point_joint.size):
        confidence = load(memory.confidence, k)
        point_slopes(tree, chains, tile, memory, k, one)
        u, v = load(memory.residual, 2 * k), load(memory.residual, 2 * k + 1)
        off_u, off_v, uu, uv, vv = _expected(chains, memory, k)
        off_u, off_v = u - off_u, v - off_v
        uu, vv = uu + noise * noise, vv + noise * noise
        surprise = (vv * off_u * off_u - 2.0 * uv * off_u * off_v + uu * off_v * off_v) / (uu * vv - uv * uv)
        trust = confidence * (KEYPOINT_FREEDOM + 2.0) / (KEYPOINT_FREEDOM + surprise)
        store(memory.weight, k, sqrt(trust) / noise)
        nearly_all = confidence * (SHIFT_FREEDOM + 2.0) / (SHIFT_FREEDOM + surprise)
        total = total + nearly_all
        shift_u, shift_v = shift_u + nearly_all * u, shift_v + nearly_all * v
    total = where(total > 0.0, total, one)
    store(memory.scalars, SHIFT, sqrt(shift_u * shift_u + shift_v * shift_v) / total)


@kernel
def _expected(chains, memory, k):
    """Return where the estimate lets expect a point, from where it is, and the covariance of that."""
    border = memory.change.shape[0]
    along_u, along_v = rows3(memory.slope_u, border - 3), rows3(memory.slope_v, border - 3)
    covariance = load9(memory.transl_covariance, 0)
    by_u = transform(covariance, along_u)
    uu, uv, vv = dot(by_u, along_u), dot(by_u, along_v), dot(transform(covariance, along_v), along_v)
    off_u, off_v = 0.0 * uu, 0.0 * uu
    for s in range(border - 3):
        u, v = load(memory.slope_u, s), load(memory.slope_v, s)
        uu, uv, vv = (
            uu + u * u / BETAS_PRECISION,
            uv + u * v / BETAS_PRECISION,
            vv + v * v / BETAS_PRECISION,
        )
    for d in range(chains.point_above[k]):
        j = chains.chain[chains.point_joint[k], d]
        factor = load9(memory.covariance, chains.first_block[j] + chains.depth[j])
        turn = load3(memory.turn, j)
        off_u = off_u + dot(turn, load3(memory.lever_u, d))
        off_v = off_v + dot(turn, load3(memory.lever_v, d))
        by_u, by_v = forwards(factor, load3(memory.lever_u, d)), forwards(factor, load3(memory.lever_v, d))
        uu, uv, vv = uu + dot(by_u, by_u), uv + dot(by_u, by_v), vv + dot(by_v, by_v)
    return off_u, off_v, uu, uv, vv


@kernel
def gain_of_swaps(tree, chains, tile, memory):
    """Fused twin of kitro_np.posterior.acceptance.gain_of_swaps, from the first step's factor: fills gain."""
    best, own = full(tile.betas, 0.0), full(tile.betas, 0.0)
    if chains.swaps.shape[0] > 0:
        # One call for all, as they are first: a second one would be compiled once more.
        for a in range(-1, chains.swaps.shape[0]):
            left = _unexplained(tree, chains, tile, memory, a)
            own = left if a < 0 else own
            best = where(own - left > best, own - left, best)
    store(memory.scalars, GAIN, best)


@kernel
def _unexplained(tree, chains, tile, memory, a):
    """Surprise of an assignment of left and right, -1 as it is, but for what all have in common."""
    border = memory.change.shape[0]
    zero = full(tile.betas, 0.0)
    for s in range(border):
        store(memory.other_change, s, zero)
    for m in range(chains.moving.size):
        j = chains.moving[m]
        store_all(memory.other_turn, 3 * j, load3(memory.prior_pull, j))
    total = zero
    for k in range(chains.point_joint.size):
        weight = load(memory.weight, k)
        u, v = load(memory.residual, 2 * k), load(memory.residual, 2 * k + 1)
        if a >= 0:
            twin = chains.swaps[a, k]
            both = load(memory.confidence, k) * load(memory.confidence, twin) > 0.0
            own_u, own_v = load2(tile.keypoints, k)
            twin_u, twin_v = load2(tile.keypoints, twin)
            u, v = u + where(both, twin_u - own_u, zero), v + where(both, twin_v - own_v, zero)
        u, v = weight * u, weight * v
        point_slopes(tree, chains, tile, memory, k, weight)
        for d in range(chains.point_above[k]):
            j = chains.chain[chains.point_joint[k], d]
            pull = add(scale(u, load3(memory.lever_u, d)), scale(v, load3(memory.lever_v, d)))
            store_all(memory.other_turn, 3 * j, add(load3(memory.other_turn, j), pull))
        for s in range(border):
            pull = u * load(memory.slope_u, s) + v * load(memory.slope_v, s)
            store(memory.other_change, s, load(memory.other_change, s) + pull)
        total = total + (u * u + v * v)
    return total - _explained(chains, memory)


@kernel
def _explained(chains, memory):
    """Squared length of the other right side, solved as far as the factor goes."""
    border = memory.change.shape[0]
    total = full(memory.change, 0.0)
    for m in range(chains.moving.size - 1, -1, -1):
        j = chains.moving[m]
        depth, first = chains.depth[j], chains.first_block[j]
        side = forwards(load9(memory.block, first + depth), load3(memory.other_turn, j))
        total = total + dot(side, side)
        for d in range(depth):
            i = chains.chain[j, d]
            taken = transform(transpose(load9(memory.block, first + d)), side)
            store_all(memory.other_turn, 3 * i, subtract(load3(memory.other_turn, i), taken))
        for s in range(border):
            taken = dot(rows3(memory.border, 3 * (border * j + s)), side)
            store(memory.other_change, s, load(memory.other_change, s) - taken)
    for s in range(border):
        left = load(memory.other_change, s)
        for r in range(s):
            left = left - load(memory.corner, border * s + r) * load(memory.other_change, r)
        left = left * load(memory.corner, (border + 1) * s)
        store(memory.other_change, s, left)
        total = total + left * left
    return total
