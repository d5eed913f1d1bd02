"""What a tile's bodies tell of all: fused twin of kitro_np.points.gauss_newton.evidence_of."""

from __future__ import annotations

from ...points.gauss_newton import DOF, LEAST_PRECISION
from ..jit import kernel
from ..lanes import full, load, store, where
from ..vector_math import (
    add,
    cross,
    dot,
    load3,
    load9,
    multiply,
    rows3,
    rows9,
    scale,
    store_all,
    subtract,
    transform,
    transpose,
)
from .gauss_newton import (
    add9,
    add_rows,
    columns_cross,
    eliminate,
    equations,
    robust_weight,
    rows6,
    rows_cross,
    subtract9,
    symmetric,
    triangle,
)
from .swings import TOTAL, vector


@kernel
def weigh_up(limbs, tile, of_betas):
    """Fill `sums` of the bodies; after minimise."""
    zero = full(tile.cost, 0.0)
    for row in range(tile.sums.shape[0]):
        store(tile.sums, row, zero)
    equations(limbs, tile)
    eliminate(limbs, tile, zero)
    _weigh_points(limbs, tile)
    store(tile.sums, 3, load(tile.sums, 3) - _parameters(limbs, tile))
    if of_betas:
        _joints_by_betas(limbs, tile)
        _points_by_betas(limbs, tile)
        _eliminate_betas(limbs, tile)


@kernel
def _weigh_points(limbs, tile):
    """Fill sums: of given and fitted points about their centres, of squares, and of the residuals' shares."""
    zero = full(tile.cost, 0.0)
    total, ours, theirs = zero + TOTAL, (zero, zero, zero), (zero, zero, zero)
    for k in range(limbs.anchors.size):
        weight = load(tile.weights, k)
        total = total + weight
        ours = add(ours, scale(weight, load3(tile.placed, k)))
        theirs = add(theirs, scale(weight, load3(tile.points, k)))
    ours, theirs = scale(1.0 / total, ours), scale(1.0 / total, theirs)
    across, size, squares, count = zero, zero, zero, zero
    transl = load3(tile.transl, 0)
    for k in range(limbs.anchors.size):
        weight, placed, given = load(tile.weights, k), load3(tile.placed, k), load3(tile.points, k)
        mine = subtract(placed, ours)
        across = across + weight * dot(mine, subtract(given, theirs))
        size = size + weight * dot(mine, mine)
        residual = subtract(add(placed, transl), given)
        squared = weight * dot(residual, residual)
        share = (DOF + 3.0) / (DOF + squared)
        squares = squares + share * squared
        count = count + where(weight > 0.0, 3.0 * share, 0.0)
    store(tile.sums, 0, across)
    store(tile.sums, 1, size)
    store(tile.sums, 2, squares)
    store(tile.sums, 3, count)


@kernel
def _inner(s, t):
    """Trace of the product of symmetric matrices, by their upper triangles."""
    return s[0] * t[0] + s[3] * t[3] + s[5] * t[5] + 2.0 * (s[1] * t[1] + s[2] * t[2] + s[4] * t[4])


@kernel
def _parameters(limbs, tile):
    """Effective number of parameters that the points determine: all but tr(H^-1 L); after eliminate.

    Covariances of (omega, v) go from the root on: a joint's turn has -K^T of its parent's, and D^-1 of its
    own.
    """
    base = rows6(tile.base, 0)
    zero = full(tile.cost, 0.0)
    nothing = (zero, zero, zero, zero, zero, zero, zero, zero, zero)
    known = LEAST_PRECISION * (base[0] + base[3] + base[5])
    for j in range(limbs.parents.size):
        parent = limbs.parents[j]
        a, b, c = nothing, nothing, symmetric(base)
        if parent >= 0:
            a = symmetric(rows6(tile.spread, 21 * parent))
            b = rows9(tile.spread, 21 * parent + 6)
            c = symmetric(rows6(tile.spread, 21 * parent + 15))
        by_omega, by_v = rows9(tile.gain, 18 * j), rows9(tile.gain, 18 * j + 9)
        with_omega = add9(multiply(a, by_omega), multiply(b, by_v))
        with_v = add9(multiply(transpose(b), by_omega), multiply(c, by_v))
        own = add9(multiply(transpose(by_omega), with_omega), multiply(transpose(by_v), with_v))
        own = add9(own, symmetric(rows6(tile.inverse, 6 * j)))
        turned = triangle(own)
        known = known + _inner(turned, rows6(tile.motion, 6 * j))
        known = known + LEAST_PRECISION * (turned[0] + turned[3] + turned[5])
        # S = (I, [p]x): with X = (with_omega, with_v), M - X S^T - S X^T + S W S^T; [p]x^T = -[p]x.
        p = load3(tile.joints, j)
        a = add9(subtract9(a, add9(with_omega, transpose(with_omega))), own)
        b = add9(subtract9(b, transpose(with_v)), rows_cross(subtract9(with_omega, own), p))
        turned_v = rows_cross(with_v, p)
        c = add9(c, add9(turned_v, transpose(turned_v)))
        c = subtract9(c, rows_cross(columns_cross(p, own), p))
        store_all(tile.spread, 21 * j, triangle(a))
        store_all(tile.spread, 21 * j + 6, b)
        store_all(tile.spread, 21 * j + 15, triangle(c))
    return 3.0 * limbs.parents.size + 3.0 - known


@kernel
def _joints_by_betas(limbs, tile):
    """Change of the joints per unit of each beta."""
    shapes = limbs.bones_by_betas.shape[1]
    for j in range(limbs.parents.size):
        parent = limbs.parents[j]
        for s in range(shapes):
            change = vector(tile, limbs.bones_by_betas[j], s)
            if parent >= 0:
                change = transform(load9(tile.rotations, parent), change)
                change = add(rows3(tile.by_betas, 3 * (shapes * parent + s)), change)
            store_all(tile.by_betas, 3 * (shapes * j + s), change)


@kernel
def _points_by_betas(limbs, tile):
    """Sum the points' equations of the betas, and their forces by each."""
    shapes = limbs.bones_by_betas.shape[1]
    zero = full(tile.cost, 0.0)
    for row in range(tile.betas_force.shape[0]):
        store(tile.betas_force, row, zero)
    transl = load3(tile.transl, 0)
    for k in range(limbs.anchors.size):
        j = limbs.anchors[k]
        at = load3(tile.placed, k)
        residual = subtract(add(at, transl), load3(tile.points, k))
        weight = robust_weight(load(tile.weights, k), residual)
        for s in range(shapes):
            arm = transform(load9(tile.rotations, j), vector(tile, limbs.offsets_by_betas[k], s))
            change = add(rows3(tile.by_betas, 3 * (shapes * j + s)), arm)
            store_all(tile.point_by_betas, 3 * s, change)
            force = scale(weight, change)
            row = 6 * (shapes * j + s)
            add_rows(tile.betas_force, row, cross(at, force))
            add_rows(tile.betas_force, row + 3, force)
            row = 4 + shapes * shapes + s
            store(tile.sums, row, load(tile.sums, row) + dot(force, residual))
            for t in range(s + 1):
                row = 4 + shapes * s + t
                other = rows3(tile.point_by_betas, 3 * t)
                store(tile.sums, row, load(tile.sums, row) + dot(force, other))


@kernel
def _eliminate_betas(limbs, tile):
    """Take off what poses and translations give way: C^T H^-1 C and C^T H^-1 g, joint by joint."""
    shapes = limbs.bones_by_betas.shape[1]
    for back in range(limbs.parents.size):
        j = limbs.parents.size - 1 - back
        parent = limbs.parents[j]
        p, turn = load3(tile.joints, j), load3(tile.turn, j)
        by_omega, by_v = rows9(tile.gain, 18 * j), rows9(tile.gain, 18 * j + 9)
        inverse = symmetric(rows6(tile.inverse, 6 * j))
        for s in range(shapes):
            row = 6 * (shapes * j + s)
            moment, force = rows3(tile.betas_force, row), rows3(tile.betas_force, row + 3)
            side = subtract(moment, cross(p, force))
            store_all(tile.joint_side, 3 * s, side)
            store_all(tile.solved, 3 * s, transform(inverse, side))
            moment, force = (
                subtract(moment, transform(by_omega, side)),
                subtract(force, transform(by_v, side)),
            )
            if parent >= 0:
                row = 6 * (shapes * parent + s)
                add_rows(tile.betas_force, row, moment)
                add_rows(tile.betas_force, row + 3, force)
            else:
                store_all(tile.betas_base, 3 * s, force)
        _take_off(tile, turn, shapes)
    base = symmetric(rows6(tile.base, 0))
    for s in range(shapes):
        side = rows3(tile.betas_base, 3 * s)
        store_all(tile.joint_side, 3 * s, side)
        store_all(tile.solved, 3 * s, transform(base, side))
    _take_off(tile, load3(tile.kept_transl, 0), shapes)


@kernel
def _take_off(tile, turn, shapes):
    for s in range(shapes):
        side = rows3(tile.joint_side, 3 * s)
        row = 4 + shapes * shapes + s
        store(tile.sums, row, load(tile.sums, row) - dot(side, turn))
        for t in range(s + 1):
            row = 4 + shapes * s + t
            store(tile.sums, row, load(tile.sums, row) - dot(side, rows3(tile.solved, 3 * t)))
