"""Covariance of a tile's step: the blocks of the inverse normal matrix where its factor has blocks.

This is the recursion of Takahashi, Fagan and Chen (1973). A joint's row of the block Cholesky factor is L on
the diagonal and V = L^-1 B for its blocks B with ancestors and border. With U = L^-T V and the covariance C
of those, its covariance with them is -U C, and with itself (L L^T)^-1 + U C U^T.
"""

from __future__ import annotations

from ..jit import kernel
from ..lanes import full, load, store
from ..vector_math import load9, multiply, rows3, scale, store_all, subtract, transform, transpose
from .gauss_newton import backwards, cholesky, linearise_pose_prior
from .scalars import POSE_SCALE


@kernel
def covariance(chains, memory):
    """Fill covariance, covariance_border and covariance_corner from the Cholesky factor."""
    _corner(memory)
    for a in range(chains.moving.size):
        _joint(chains, memory, chains.moving[a])


@kernel
def covariance_of_unobserved(chains, tile, memory):
    """Fill the same for joints that move no point: the prior's covariance, independent of all others."""
    border = memory.border_step.shape[0]
    zeros = _zeros(memory)
    for a in range(chains.unobserved.size):
        j = chains.unobserved[a]
        linearise_pose_prior(chains, tile, memory, j, load(memory.scalars, POSE_SCALE))
        first = chains.first_block[j]
        for d in range(chains.depth[j]):
            store_all(memory.covariance, 9 * (first + d), zeros)
        for s in range(border):
            store_all(memory.covariance_border, 3 * (border * j + s), (zeros[0], zeros[0], zeros[0]))
        prior_covariance = _inverse(cholesky(load9(memory.prior_block, j)))
        store_all(memory.covariance, 9 * (first + chains.depth[j]), prior_covariance)


@kernel
def _corner(memory):
    """Covariance of betas and translation, F^-T F^-1: first the factor's inverse F^-1, then the product."""
    border = memory.border_step.shape[0]
    factor, inverse = memory.corner, memory.covariance_corner
    # The inverse of the factor goes to the upper triangle, transposed: entry (r, s) at row r, column s >= r.
    for r in range(border):
        store(inverse, (border + 1) * r, load(factor, (border + 1) * r))
        for s in range(r + 1, border):
            total = full(factor, 0.0)
            for q in range(r, s):
                total = total + load(factor, border * s + q) * load(inverse, border * r + q)
            store(inverse, border * r + s, -total * load(factor, (border + 1) * s))
    for r in range(border):
        for s in range(r, border):
            total = full(factor, 0.0)
            for q in range(s, border):
                total = total + load(inverse, border * r + q) * load(inverse, border * s + q)
            store(inverse, border * r + s, total)
    for r in range(border):
        for s in range(r):
            store(inverse, border * r + s, load(inverse, border * s + r))


@kernel
def _joint(chains, memory, j):
    border = memory.border_step.shape[0]
    first, depth = chains.first_block[j], chains.depth[j]
    factor = load9(memory.block, first + depth)
    # U, in place of V
    for d in range(depth):
        store_all(memory.block, 9 * (first + d), _backwards_block(factor, load9(memory.block, first + d)))
    for s in range(border):
        row = 3 * (border * j + s)
        store_all(memory.border, row, backwards(factor, rows3(memory.border, row)))
    # With betas and translation
    for s in range(border):
        total = scale(0.0, rows3(memory.border, 0))
        for r in range(border):
            u = rows3(memory.border, 3 * (border * j + r))
            total = subtract(total, scale(load(memory.covariance_corner, border * r + s), u))
        for d in range(depth):
            i = chains.chain[j, d]
            above = rows3(memory.covariance_border, 3 * (border * i + s))
            total = subtract(total, transform(load9(memory.block, first + d), above))
        store_all(memory.covariance_border, 3 * (border * j + s), total)
    # With the joints above
    for e in range(depth):
        i = chains.chain[j, e]
        total = _zeros(memory)
        for d in range(depth):
            u_block = load9(memory.block, first + d)
            if d >= e:
                cross_covariance = load9(memory.covariance, chains.first_block[chains.chain[j, d]] + e)
            else:
                cross_covariance = transpose(load9(memory.covariance, chains.first_block[i] + d))
            total = _subtract_product(total, u_block, cross_covariance)
        for s in range(border):
            u = rows3(memory.border, 3 * (border * j + s))
            above = rows3(memory.covariance_border, 3 * (border * i + s))
            total = _subtract_outer(total, u, above)
        store_all(memory.covariance, 9 * (first + e), total)
    # With itself
    total = _inverse(factor)
    for d in range(depth):
        cross_covariance = load9(memory.covariance, first + d)
        total = _subtract_product(total, cross_covariance, transpose(load9(memory.block, first + d)))
    for s in range(border):
        u = rows3(memory.border, 3 * (border * j + s))
        cross_covariance = rows3(memory.covariance_border, 3 * (border * j + s))
        total = _subtract_outer(total, cross_covariance, u)
    store_all(memory.covariance, 9 * (first + depth), total)


@kernel
def _zeros(memory):
    zero = full(memory.border_step, 0.0)
    return zero, zero, zero, zero, zero, zero, zero, zero, zero


@kernel
def _backwards_block(factor, m):
    a = backwards(factor, (m[0], m[3], m[6]))
    b = backwards(factor, (m[1], m[4], m[7]))
    c = backwards(factor, (m[2], m[5], m[8]))
    return a[0], b[0], c[0], a[1], b[1], c[1], a[2], b[2], c[2]


@kernel
def _inverse(factor):
    """(L L^T)^-1 of a joint's factor."""
    # Columns of L^-1
    a, b = factor[0], factor[2]
    c = factor[5]
    ba = -factor[1] * a * b
    ca = -(factor[3] * a + factor[4] * ba) * c
    cb = -factor[4] * b * c
    return (
        a * a + ba * ba + ca * ca, ba * b + ca * cb, ca * c,
        ba * b + ca * cb, b * b + cb * cb, cb * c,
        ca * c, cb * c, c * c,
    )  # fmt: skip


@kernel
def _subtract_product(m, a, b):
    c = multiply(a, b)
    return (
        m[0] - c[0], m[1] - c[1], m[2] - c[2], m[3] - c[3], m[4] - c[4],
        m[5] - c[5], m[6] - c[6], m[7] - c[7], m[8] - c[8],
    )  # fmt: skip


@kernel
def _subtract_outer(m, a, b):
    return (
        m[0] - a[0] * b[0], m[1] - a[0] * b[1], m[2] - a[0] * b[2],
        m[3] - a[1] * b[0], m[4] - a[1] * b[1], m[5] - a[1] * b[2],
        m[6] - a[2] * b[0], m[7] - a[2] * b[1], m[8] - a[2] * b[2],
    )  # fmt: skip
