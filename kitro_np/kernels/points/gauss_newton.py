"""Gauss-Newton of a tile: fused twin of kitro_np.points.gauss_newton.

The normal equations are those of an articulated body (:mod:`kitro_np.kernels.points.memory`): joints are
eliminated from the last to the root in one pass, and the step follows from the root on, so its cost grows as
the number of joints.
"""

from __future__ import annotations

from ...points.gauss_newton import (
    DAMPING,
    DOF,
    ENOUGH,
    FLAT,
    LARGEST_ROTATION,
    LEAST_PRECISION,
    LESS,
    MORE,
    MOST_DAMPING,
)
from ..jit import kernel
from ..lanes import full, load, log, sqrt, store, where
from ..posterior.gauss_newton import times_precision
from ..vector_math import (
    add,
    cayley,
    chord,
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
from .swings import vector

FACTORS = 8
"""Factors 1 + d^2 / DOF in one logarithm: far from overflow."""


@kernel
def place(limbs, tile):
    """Pose the bodies and place their points, without translation."""
    for j in range(limbs.parents.size):
        parent = limbs.parents[j]
        rotation, joint = load9(tile.pose, j), vector(tile, limbs.bones, j)
        if parent >= 0:
            above = load9(tile.rotations, parent)
            rotation = multiply(above, rotation)
            joint = add(load3(tile.joints, parent), transform(above, joint))
        store_all(tile.rotations, 9 * j, rotation)
        store_all(tile.joints, 3 * j, joint)
    for k in range(limbs.anchors.size):
        j = limbs.anchors[k]
        arm = transform(load9(tile.rotations, j), vector(tile, limbs.offsets, k))
        store_all(tile.placed, 3 * k, add(load3(tile.joints, j), arm))


@kernel
def minimise(limbs, tile, steps):
    """Fused twin of kitro_np.points.gauss_newton.minimise; after place, and leaves bodies placed."""
    _cost(limbs, tile, tile.cost)
    store(tile.damping, 0, full(tile.cost, DAMPING))
    for _ in range(steps):
        if not _any(tile.active):
            break
        equations(limbs, tile)
        eliminate(limbs, tile, load(tile.damping, 0))
        _step(limbs, tile)
        _move(limbs, tile)
        place(limbs, tile)
        _cost(limbs, tile, tile.failed)
        _accept(tile)
        if _any(tile.failed):
            place(limbs, tile)
    place(limbs, tile)


@kernel
def _any(row):
    found = False
    for lane in range(row.shape[1]):
        found |= row[0, lane] > 0.5
    return found


@kernel
def _cost(limbs, tile, row):
    """Write the cost of points and motion."""
    zero = full(tile.cost, 0.0)
    total, product = zero, zero + 1.0
    transl = load3(tile.transl, 0)
    for k in range(limbs.anchors.size):
        residual = subtract(add(load3(tile.placed, k), transl), load3(tile.points, k))
        product = product * (1.0 + load(tile.weights, k) * dot(residual, residual) / DOF)
        if k % FACTORS == FACTORS - 1:
            total = total + log(product)
            product = zero + 1.0
    total = (DOF + 3.0) * (total + log(product))
    for j in range(limbs.parents.size):
        own, _ = chord(load9(tile.pose, j))
        away = subtract(own, vector(tile, limbs.motion_mean, j))
        total = total + dot(away, times_precision(limbs.motion_precision[j], away))
    store(row, 0, 0.5 * total)


@kernel
def _accept(tile):
    """Keep the step of active bodies whose cost, in `failed`, fell; then mark those where it did not."""
    cost, found, active = load(tile.cost, 0), load(tile.failed, 0), load(tile.active, 0)
    better = where(found < cost, active, 0.0)
    taken = better > 0.5
    for row in range(tile.pose.shape[0]):
        store(tile.pose, row, where(taken, load(tile.pose, row), load(tile.kept_pose, row)))
    for row in range(3):
        store(tile.transl, row, where(taken, load(tile.transl, row), load(tile.kept_transl, row)))
    damping = load(tile.damping, 0)
    damping = where(taken, damping * LESS, damping * MORE)
    going = where(cost - found > ENOUGH, active, active - better)
    going = where(damping > MOST_DAMPING, 0.0, going)
    store(tile.damping, 0, damping)
    store(tile.cost, 0, where(taken, found, cost))
    store(tile.active, 0, going)
    store(tile.failed, 0, where(taken, 0.0, going))


@kernel
def equations(limbs, tile):
    """Fill the bodies' own blocks and gradients, and those of the motion."""
    zero = full(tile.cost, 0.0)
    for row in range(tile.own.shape[0]):
        store(tile.own, row, zero)
        store(tile.limb, row, zero)
    for row in range(tile.articulated.shape[0]):
        store(tile.articulated, row, zero)
    for row in range(tile.force.shape[0]):
        store(tile.force, row, zero)
    transl = load3(tile.transl, 0)
    for k in range(limbs.anchors.size):
        _add_point(limbs, tile, k, transl)
    for j in range(limbs.parents.size):
        _motion(limbs, tile, j)


@kernel
def robust_weight(weight, residual):
    """Weight of a point by its residual: Student's t."""
    return weight * (DOF + 3.0) / (DOF + weight * dot(residual, residual))


@kernel
def _add_point(limbs, tile, k, transl):
    j = limbs.anchors[k]
    at = load3(tile.placed, k)
    residual = subtract(add(at, transl), load3(tile.points, k))
    w = robust_weight(load(tile.weights, k), residual)
    x, y, z = at
    mx, my, mz = scale(w, at)
    xx, yy, zz = mx * x, my * y, mz * z
    added = (w, mx, my, mz, yy + zz, -mx * y, -mx * z, xx + zz, -my * z, xx + yy)
    for row in range(10):
        store(tile.own, 10 * j + row, load(tile.own, 10 * j + row) + added[row])
    force = scale(w, residual)
    store_all(tile.force, 6 * j, add(rows3(tile.force, 6 * j), cross(at, force)))
    store_all(tile.force, 6 * j + 3, add(rows3(tile.force, 6 * j + 3), force))


@kernel
def _motion(limbs, tile, j):
    """Precision D^T P D and gradient D^T P (c - mean) of a joint, with D = (q I + [c / 2]x) G^T."""
    own, q = chord(load9(tile.pose, j))
    g = load9(tile.rotations, j)
    half = scale(0.5, own)
    row_x, row_y, row_z = (g[0], g[1], g[2]), (g[3], g[4], g[5]), (g[6], g[7], g[8])
    by_x, by_y = add(scale(q, row_x), cross(half, row_x)), add(scale(q, row_y), cross(half, row_y))
    by_z = add(scale(q, row_z), cross(half, row_z))
    p = limbs.motion_precision[j]
    px, py, pz = times_precision(p, by_x), times_precision(p, by_y), times_precision(p, by_z)
    block = (
        dot(px, by_x) + FLAT, dot(px, by_y), dot(px, by_z),
        dot(py, by_y) + FLAT, dot(py, by_z), dot(pz, by_z) + FLAT,
    )  # fmt: skip
    away = subtract(own, vector(tile, limbs.motion_mean, j))
    store_all(tile.motion, 6 * j, block)
    store_all(tile.pull, 3 * j, (dot(px, away), dot(py, away), dot(pz, away)))


@kernel
def rows6(tile, row):
    """Six rows from `row` on: a symmetric matrix by its upper triangle."""
    return (
        load(tile, row), load(tile, row + 1), load(tile, row + 2),
        load(tile, row + 3), load(tile, row + 4), load(tile, row + 5),
    )  # fmt: skip


@kernel
def symmetric(s):
    """Matrix of its upper triangle."""
    return s[0], s[1], s[2], s[1], s[3], s[4], s[2], s[4], s[5]


@kernel
def triangle(m):
    """Upper triangle of a symmetric matrix."""
    return m[0], m[1], m[2], m[4], m[5], m[8]


@kernel
def rows_cross(m, p):
    """Matrix times [p]x: each row r becomes r x p."""
    a = cross((m[0], m[1], m[2]), p)
    b = cross((m[3], m[4], m[5]), p)
    c = cross((m[6], m[7], m[8]), p)
    return a[0], a[1], a[2], b[0], b[1], b[2], c[0], c[1], c[2]


@kernel
def columns_cross(p, m):
    """[p]x times a matrix."""
    a = cross(p, (m[0], m[3], m[6]))
    b = cross(p, (m[1], m[4], m[7]))
    c = cross(p, (m[2], m[5], m[8]))
    return a[0], b[0], c[0], a[1], b[1], c[1], a[2], b[2], c[2]


@kernel
def add9(m, n):
    """Sum of matrices."""
    return (
        m[0] + n[0], m[1] + n[1], m[2] + n[2],
        m[3] + n[3], m[4] + n[4], m[5] + n[5],
        m[6] + n[6], m[7] + n[7], m[8] + n[8],
    )  # fmt: skip


@kernel
def subtract9(m, n):
    """Difference of matrices."""
    return (
        m[0] - n[0], m[1] - n[1], m[2] - n[2],
        m[3] - n[3], m[4] - n[4], m[5] - n[5],
        m[6] - n[6], m[7] - n[7], m[8] - n[8],
    )  # fmt: skip


@kernel
def add_rows(tile, row, values):
    """Add a tuple of lanes to the rows from `row` on."""
    for i in range(len(values)):
        store(tile, row + i, load(tile, row + i) + values[i])


@kernel
def _invert(s):
    """Inverse of a symmetric positive matrix, both by their upper triangles."""
    a, b, c, d, e, f = s
    x, y, z = d * f - e * e, c * e - b * f, b * e - c * d
    share = 1.0 / (a * x + b * y + c * z)
    return (
        x * share, y * share, z * share,
        (a * f - c * c) * share, (b * c - a * e) * share, (a * d - b * b) * share,
    )  # fmt: skip


@kernel
def eliminate(limbs, tile, damping):
    """Eliminate all joints, each before its parent: fill gain, inverse and turn, base and kept_transl.

    With the joint's place p, S = (I, [p]x) takes its turn to (omega, v). D = S^T M S is its block, for the
    articulated M, and M - M S D^-1 S^T M is what the parent sees of it.
    """
    zero = full(tile.cost, 0.0)
    total = zero
    base, base_force = (zero, zero, zero, zero, zero, zero), (zero, zero, zero)
    for back in range(limbs.parents.size):
        j = limbs.parents.size - 1 - back
        parent = limbs.parents[j]
        p = load3(tile.joints, j)
        # Of a joint's own points, and of all beyond it.
        w, mx, my, mz = (
            load(tile.own, 10 * j),
            load(tile.own, 10 * j + 1),
            load(tile.own, 10 * j + 2),
            load(tile.own, 10 * j + 3),
        )
        own = rows6(tile.own, 10 * j + 4)
        row = 21 * j
        a = add9(symmetric(own), symmetric(rows6(tile.articulated, row)))
        b = add9((zero, -mz, my, mz, zero, -mx, -my, mx, zero), rows9(tile.articulated, row + 6))
        c = add9((w, zero, zero, zero, w, zero, zero, zero, w), symmetric(rows6(tile.articulated, row + 15)))
        above = add9(a, rows_cross(b, p))
        below = add9(transpose(b), rows_cross(c, p))
        block = subtract9(above, columns_cross(p, below))
        motion = rows6(tile.motion, 6 * j)
        # The undamped diagonal is that of rigid limbs.
        add_rows(tile.limb, 10 * j, (w, mx, my, mz, own[0], own[1], own[2], own[3], own[4], own[5]))
        w, first = load(tile.limb, 10 * j), rows3(tile.limb, 10 * j + 1)
        inner = dot(p, first)
        squared = dot(p, p)
        rigid_x = load(tile.limb, 10 * j + 4) - 2.0 * (inner - p[0] * first[0]) + w * (squared - p[0] * p[0])
        rigid_y = load(tile.limb, 10 * j + 7) - 2.0 * (inner - p[1] * first[1]) + w * (squared - p[1] * p[1])
        rigid_z = load(tile.limb, 10 * j + 9) - 2.0 * (inner - p[2] * first[2]) + w * (squared - p[2] * p[2])
        inverse = _invert(
            (
                block[0] + motion[0] + damping * (rigid_x + motion[0]) + LEAST_PRECISION,
                block[1] + motion[1],
                block[2] + motion[2],
                block[4] + motion[3] + damping * (rigid_y + motion[3]) + LEAST_PRECISION,
                block[5] + motion[4],
                block[8] + motion[5] + damping * (rigid_z + motion[5]) + LEAST_PRECISION,
            )
        )
        full_inverse = symmetric(inverse)
        moment, force = rows3(tile.force, 6 * j), rows3(tile.force, 6 * j + 3)
        side = add(subtract(moment, cross(p, force)), load3(tile.pull, j))
        turn = transform(full_inverse, side)
        by_omega, by_v = multiply(above, full_inverse), multiply(below, full_inverse)
        store_all(tile.gain, 18 * j, by_omega)
        store_all(tile.gain, 18 * j + 9, by_v)
        store_all(tile.inverse, 6 * j, inverse)
        store_all(tile.turn, 3 * j, turn)
        moment, force = subtract(moment, transform(above, turn)), subtract(force, transform(below, turn))
        c = subtract9(c, multiply(by_v, transpose(below)))
        if parent >= 0:
            a = subtract9(a, multiply(by_omega, transpose(above)))
            b = subtract9(b, multiply(by_omega, transpose(below)))
            row = 21 * parent
            add_rows(tile.articulated, row, triangle(a))
            add_rows(tile.articulated, row + 6, b)
            add_rows(tile.articulated, row + 15, triangle(c))
            add_rows(tile.force, 6 * parent, moment)
            add_rows(tile.force, 6 * parent + 3, force)
            for i in range(10):
                store(
                    tile.limb, 10 * parent + i, load(tile.limb, 10 * parent + i) + load(tile.limb, 10 * j + i)
                )
        else:
            total, base, base_force = w, triangle(c), force
    more = damping * total + LEAST_PRECISION
    base = _invert((base[0] + more, base[1], base[2], base[3] + more, base[4], base[5] + more))
    store_all(tile.base, 0, base)
    store_all(tile.kept_transl, 0, transform(symmetric(base), base_force))


@kernel
def _step(limbs, tile):
    """Find the turns from the root on; minus the translation's step is in kept_transl."""
    zero = full(tile.cost, 0.0)
    for j in range(limbs.parents.size):
        parent = limbs.parents[j]
        omega, v = (zero, zero, zero), scale(-1.0, load3(tile.kept_transl, 0))
        if parent >= 0:
            omega, v = rows3(tile.velocity, 6 * parent), rows3(tile.velocity, 6 * parent + 3)
        turn = add(load3(tile.turn, j), transform(transpose(rows9(tile.gain, 18 * j)), omega))
        turn = scale(-1.0, add(turn, transform(transpose(rows9(tile.gain, 18 * j + 9)), v)))
        store_all(tile.step, 3 * j, turn)
        store_all(tile.velocity, 6 * j, add(omega, turn))
        store_all(tile.velocity, 6 * j + 3, add(v, cross(load3(tile.joints, j), turn)))


@kernel
def _move(limbs, tile):
    """Keep the bodies, and take the step: about the world's axes, before a joint's own rotation."""
    largest = full(tile.cost, 0.0)
    for j in range(limbs.parents.size):
        step = load3(tile.step, j)
        squared = dot(step, step)
        largest = where(squared > largest, squared, largest)
    largest = sqrt(largest)
    share = LARGEST_ROTATION / where(largest > LARGEST_ROTATION, largest, LARGEST_ROTATION)
    back = load3(tile.kept_transl, 0)
    store_all(tile.kept_transl, 0, load3(tile.transl, 0))
    store_all(tile.transl, 0, subtract(load3(tile.transl, 0), back))
    for j in range(limbs.parents.size):
        parent = limbs.parents[j]
        own = load9(tile.pose, j)
        step = scale(share, load3(tile.step, j))
        if parent >= 0:
            step = transform(transpose(load9(tile.rotations, parent)), step)
        store_all(tile.kept_pose, 9 * j, own)
        store_all(tile.pose, 9 * j, multiply(cayley(step), own))
