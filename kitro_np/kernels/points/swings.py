"""Start of a tile's fit: fused twin of kitro_np.points.swings."""

from __future__ import annotations

from ...points.swings import HOLD, LEAST_MOMENT
from ..jit import kernel
from ..lanes import full, load, where
from ..vector_math import (
    add,
    add_outer,
    align,
    dot,
    load3,
    load9,
    matrix,
    multiply,
    scale,
    store_all,
    subtract,
    swing,
    transform,
    transpose,
    unit,
    where3,
)

TOTAL = 1e-12
"""Least sum of weights."""


@kernel
def first_pose(limbs, tile):
    """Fused twin of kitro_np.points.swings.first_pose."""
    for j in range(limbs.parents.size):
        if limbs.parents[j] < 0:
            _turn_root(limbs, tile, j)
        else:
            _turn_joint(limbs, tile, j)


@kernel
def vector(tile, array, j):
    """Row j of an array that all bodies share, as a vector of lanes."""
    return full(tile.cost, array[j, 0]), full(tile.cost, array[j, 1]), full(tile.cost, array[j, 2])


@kernel
def _matrix(tile, array, j):
    """Row j of an array (J, 9) that all bodies share, as a matrix of lanes."""
    m = array[j]
    return (
        full(tile.cost, m[0]), full(tile.cost, m[1]), full(tile.cost, m[2]),
        full(tile.cost, m[3]), full(tile.cost, m[4]), full(tile.cost, m[5]),
        full(tile.cost, m[6]), full(tile.cost, m[7]), full(tile.cost, m[8]),
    )  # fmt: skip


@kernel
def _turn_root(limbs, tile, j):
    zero = full(tile.cost, 0.0)
    total, have_mean, want_mean = zero + TOTAL, (zero, zero, zero), (zero, zero, zero)
    for i in range(limbs.first_aim[j], limbs.first_aim[j + 1]):
        k = limbs.aims[i]
        weight = limbs.shares[i] * load(tile.weights, k)
        total = total + weight
        have_mean = add(have_mean, scale(weight, vector(tile, limbs.arms, i)))
        want_mean = add(want_mean, scale(weight, load3(tile.points, k)))
    inverse = 1.0 / total
    have_mean, want_mean = scale(inverse, have_mean), scale(inverse, want_mean)
    hold = zero + LEAST_MOMENT
    moment = (hold, zero, zero, zero, hold, zero, zero, zero, hold)
    for i in range(limbs.first_aim[j], limbs.first_aim[j + 1]):
        k = limbs.aims[i]
        weight = limbs.shares[i] * load(tile.weights, k)
        have = subtract(vector(tile, limbs.arms, i), have_mean)
        want = subtract(load3(tile.points, k), want_mean)
        moment = add_outer(moment, have, scale(weight, want))
    rotation = matrix(align(moment))
    joint = vector(tile, limbs.bones, j)
    store_all(tile.pose, 9 * j, rotation)
    store_all(tile.rotations, 9 * j, rotation)
    store_all(tile.joints, 3 * j, joint)
    store_all(tile.shifts, 3 * j, subtract(subtract(want_mean, transform(rotation, have_mean)), joint))


@kernel
def _turn_joint(limbs, tile, j):
    parent = limbs.parents[j]
    zero = full(tile.cost, 0.0)
    above = load9(tile.rotations, parent)
    joint = add(load3(tile.joints, parent), transform(above, vector(tile, limbs.bones, j)))
    shift = load3(tile.shifts, parent)
    place = limbs.places[j]
    known = zero < 1.0
    if place >= 0:
        known = load(tile.weights, place) > 0.0
        found = subtract(load3(tile.points, place), joint)
        found = subtract(found, transform(above, vector(tile, limbs.beside, j)))
        shift = where3(known, found, shift)
    store_all(tile.joints, 3 * j, joint)
    store_all(tile.shifts, 3 * j, shift)
    begin, end = limbs.first_aim[j], limbs.first_aim[j + 1]
    there, back = add(joint, shift), transpose(above)
    one = zero + 1.0
    rotation = (one, zero, zero, zero, one, zero, zero, zero, one)
    if end - begin == 1:
        k = limbs.aims[begin]
        want = transform(back, subtract(load3(tile.points, k), there))
        w, x, y, z = swing(unit(vector(tile, limbs.arms, begin)), unit(want))
        seen = where(known, load(tile.weights, k), 0.0) > 0.0
        w, x = where(seen, w, 1.0), where(seen, x, 0.0)
        y, z = where(seen, y, 0.0), where(seen, z, 0.0)
        rotation = matrix((w, x, y, z))
    elif end > begin:
        moment, size = (zero, zero, zero, zero, zero, zero, zero, zero, zero), zero
        for i in range(begin, end):
            k = limbs.aims[i]
            weight = limbs.shares[i] * load(tile.weights, k)
            have = vector(tile, limbs.arms, i)
            want = transform(back, subtract(load3(tile.points, k), there))
            moment = add_outer(moment, have, scale(weight, want))
            size = size + weight * dot(have, have)
        hold = HOLD * size + LEAST_MOMENT
        a, b, c, d, e, f, g, h, i_ = moment
        rotation = matrix(align((a + hold, b, c, d, e + hold, f, g, h, i_ + hold)))
    rotation = multiply(rotation, _matrix(tile, limbs.means, j))
    store_all(tile.pose, 9 * j, rotation)
    store_all(tile.rotations, 9 * j, multiply(above, rotation))


@kernel
def first_transl(tile):
    """Fill the translation that brings the points to each other; after place_points."""
    zero = full(tile.cost, 0.0)
    total, shift = zero + TOTAL, (zero, zero, zero)
    for k in range(tile.weights.shape[0]):
        weight = load(tile.weights, k)
        total = total + weight
        shift = add(shift, scale(weight, subtract(load3(tile.points, k), load3(tile.placed, k))))
    store_all(tile.transl, 0, scale(1.0 / total, shift))
